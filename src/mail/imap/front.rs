//! What a mail client meets before it is logged in.

use crate::{Language, Reaction, Trouble};

/// The gateway's side of an IMAP connection until its login.
pub struct Front {
    language: Language,
}

impl Front {
    /// A connection just accepted, whose client is told of troubles in this language.
    pub fn new(language: Language) -> Self {
        Self { language }
    }

    /// What the client is greeted with.
    pub fn greeting(&self) -> Vec<u8> {
        format!("* OK [CAPABILITY {CAPABILITY}] cpsd\r\n").into_bytes()
    }

    /// Takes what the client sent, cut anywhere. While a login is being looked into, it is kept for
    /// what comes after.
    pub fn receive(&mut self, _bytes: &[u8]) -> Vec<Reaction> {
        Vec::new()
    }

    /// Answers a [`Reaction::Login`] that failed, and goes on with what the client sent behind it.
    pub fn refuse(&mut self, trouble: &Trouble) -> Vec<Reaction> {
        vec![Reaction::Send(trouble.imap(self.tag(), self.language))]
    }

    /// The tag of the login that is being looked into: the operator's server is given the same one,
    /// so that its answer is the client's.
    pub fn tag(&self) -> &str {
        ""
    }

    /// What the client has sent behind its login.
    pub fn into_rest(self) -> Vec<u8> {
        Vec::new()
    }
}

/// Our own capabilities, whatever the operator's are.
const CAPABILITY: &str = "IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN AUTH=LOGIN";
