//! How the gateway comes in at an operator (domain page "mssante", sections 3.4 and 4).

use zeroize::Zeroizing;

use super::extensions::Extensions;
use super::reply::{Replies, Reply};
use crate::sasl::Login;
use crate::{Dialogue, Refused, Step};

/// From an operator's greeting to its consent to TLS (RFC 3207).
pub struct StartTls {
    replies: Replies,
    host_name: String,
    awaited: BeforeTls,
}

impl StartTls {
    /// Introduces itself to the server under this name: a domain or an address literal
    /// (RFC 5321 §4.1.4).
    pub fn new(host_name: String) -> Self {
        Self {
            replies: Replies::new(),
            host_name,
            awaited: BeforeTls::Greeting,
        }
    }
}

impl Dialogue for StartTls {
    type Done = ();

    fn advance(&mut self, received: &[u8]) -> Result<Step<()>, Refused> {
        self.replies.push(received);
        let Some(reply) = self.replies.next()? else {
            return Ok(Step::More(Vec::new()));
        };
        // Whatever is here before it was asked for was put there to be taken for something else.
        if !self.replies.is_empty() {
            return Err(Refused::Injected);
        }
        match self.awaited {
            BeforeTls::Greeting => {
                expect(&reply, 220)?;
                self.awaited = BeforeTls::Extensions;
                Ok(Step::More(ehlo(&self.host_name)))
            }
            BeforeTls::Extensions => {
                if reply.is_passing() {
                    return Err(unavailable(&reply));
                }
                if reply.code != 250 || !Extensions::of(&reply).has("STARTTLS") {
                    return Err(Refused::NoStartTls);
                }
                self.awaited = BeforeTls::Consent;
                Ok(Step::More(b"STARTTLS\r\n".to_vec()))
            }
            BeforeTls::Consent if reply.code == 220 => Ok(Step::Done {
                send: Vec::new(),
                done: (),
            }),
            BeforeTls::Consent if reply.is_passing() => Err(unavailable(&reply)),
            BeforeTls::Consent => Err(Refused::NoStartTls),
        }
    }
}

enum BeforeTls {
    Greeting,
    Extensions,
    Consent,
}

/// From the end of the TLS handshake to the end of the login (RFC 4954).
pub struct Authentication {
    replies: Replies,
    login: Login,
    host_name: String,
    extensions: Extensions,
    awaited: WithinTls,
}

impl Authentication {
    /// A login that introduces itself under this name, as in [`StartTls::new`]. With implicit TLS
    /// the server's greeting is still to come (`greeting_expected`).
    pub fn new(login: Login, host_name: String, greeting_expected: bool) -> Self {
        Self {
            replies: Replies::new(),
            login,
            host_name,
            extensions: Extensions::default(),
            awaited: match greeting_expected {
                true => WithinTls::Greeting,
                false => WithinTls::Nothing,
            },
        }
    }

    fn take(&mut self, reply: &Reply) -> Result<Step<Session>, Refused> {
        match self.awaited {
            // Postfix speaks of a missing certificate before it has heard anything.
            WithinTls::Nothing | WithinTls::Extensions if reply.code == 421 => {
                Err(no_card_or_unavailable(reply))
            }
            WithinTls::Nothing => Err(Refused::Protocol("a reply before a command")),
            WithinTls::Greeting => {
                expect(reply, 220)?;
                Ok(self.introduce())
            }
            WithinTls::Extensions => {
                expect(reply, 250)?;
                self.extensions = Extensions::of(reply);
                self.log_in()
            }
            WithinTls::Verdict(initial) => self.verdict(reply, initial),
            WithinTls::Room if reply.code == 334 => {
                self.awaited = WithinTls::Verdict(Initial::No);
                Ok(Step::More(line(&self.login.response())))
            }
            WithinTls::Room => Err(self.refusal(reply)),
            WithinTls::Explanation => Err(Refused::Token),
        }
    }

    fn introduce(&mut self) -> Step<Session> {
        self.awaited = WithinTls::Extensions;
        Step::More(ehlo(&self.host_name))
    }

    fn log_in(&mut self) -> Result<Step<Session>, Refused> {
        let Some(mechanism) = self.login.mechanism() else {
            return Ok(self.done());
        };
        if !self.extensions.has_mechanism(mechanism) {
            return Err(Refused::NoMechanism(mechanism));
        }
        let response = self.login.response();
        let response = if response.is_empty() { "=" } else { &response };
        let command = Zeroizing::new(format!("AUTH {mechanism} {response}"));
        if command.len() + 2 > LONGEST_AUTH {
            return Ok(self.log_in_by_steps(mechanism));
        }
        self.awaited = WithinTls::Verdict(Initial::Yes);
        Ok(Step::More(line(&command)))
    }

    fn log_in_by_steps(&mut self, mechanism: &str) -> Step<Session> {
        self.awaited = WithinTls::Room;
        Step::More(line(&format!("AUTH {mechanism}")))
    }

    fn verdict(&mut self, reply: &Reply, initial: Initial) -> Result<Step<Session>, Refused> {
        match (reply.code, initial, self.login.mechanism()) {
            (235, ..) => Ok(self.done()),
            // Servers that do not know initial responses ignore them, or call them bad syntax; to some
            // they are too long.
            (334, Initial::Yes, _) if reply.text().trim().is_empty() => {
                self.awaited = WithinTls::Verdict(Initial::No);
                Ok(Step::More(line(&self.login.response())))
            }
            (500 | 501, Initial::Yes, Some(mechanism)) => Ok(self.log_in_by_steps(mechanism)),
            (334, ..) => {
                let answer = self.login.acknowledgement();
                let answer = answer.ok_or(Refused::Protocol("one challenge too many"))?;
                self.awaited = WithinTls::Explanation;
                Ok(Step::More(line(answer)))
            }
            _ => Err(self.refusal(reply)),
        }
    }

    fn done(&self) -> Step<Session> {
        Step::Done {
            send: Vec::new(),
            done: Session {
                extensions: self.extensions.clone(),
                certificate_only: matches!(self.login, Login::None),
            },
        }
    }

    /// What a refusal of `AUTH` means.
    fn refusal(&self, reply: &Reply) -> Refused {
        if reply.code == 421 {
            return no_card_or_unavailable(reply);
        }
        match reply.code {
            400..=499 => unavailable(reply),
            504 => Refused::NoMechanism(self.login.mechanism().unwrap_or_default()),
            _ if self.login.is_token() => Refused::Token,
            _ if names_certificate(reply) => Refused::Certificate(reply.text()),
            _ => Refused::Mailbox(reply.text()),
        }
    }
}

impl Dialogue for Authentication {
    type Done = Session;

    fn advance(&mut self, received: &[u8]) -> Result<Step<Session>, Refused> {
        self.replies.push(received);
        let Some(reply) = self.replies.next()? else {
            return Ok(match self.awaited {
                WithinTls::Nothing if self.replies.is_empty() => self.introduce(),
                _ => Step::More(Vec::new()),
            });
        };
        let step = self.take(&reply)?;
        if !self.replies.is_empty() {
            return Err(Refused::Protocol("a reply before its command"));
        }
        Ok(step)
    }

    fn closed(&self) -> Refused {
        match self.awaited {
            WithinTls::Explanation => Refused::Token,
            _ => Refused::Unavailable(String::new()),
        }
    }
}

/// An operator's server that has let the gateway in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// What it can do.
    pub extensions: Extensions,
    /// Whether no `AUTH` was sent: then it may refuse the certificate at a later command (domain
    /// page "mssante", section 4.2).
    pub certificate_only: bool,
}

#[derive(Clone, Copy)]
enum WithinTls {
    /// Nothing: the gateway speaks next.
    Nothing,
    Greeting,
    Extensions,
    /// The place for the message, which did not go with the command.
    Room,
    Verdict(Initial),
    /// The final refusal that follows the reason for it.
    Explanation,
}

/// Whether the message went with the command.
#[derive(Clone, Copy)]
enum Initial {
    Yes,
    No,
}

fn expect(reply: &Reply, code: u16) -> Result<(), Refused> {
    match reply.code {
        found if found == code => Ok(()),
        400..=599 => Err(unavailable(reply)),
        _ => Err(Refused::Protocol("a reply that answers nothing")),
    }
}

fn unavailable(reply: &Reply) -> Refused {
    Refused::Unavailable(reply.text())
}

/// RFC 3463 `4.7.1`, or words about certificates, in a `421` that ends the connection.
fn no_card_or_unavailable(reply: &Reply) -> Refused {
    match names_certificate(reply) || reply.text().starts_with("4.7.1 ") {
        true => Refused::Certificate(reply.text()),
        false => unavailable(reply),
    }
}

/// The words of Dovecot ("Client didn't present valid SSL certificate") and of Postfix ("No client
/// certificate presented", "Client certificate not trusted").
pub(super) fn names_certificate(reply: &Reply) -> bool {
    reply.text().to_ascii_lowercase().contains("certificate")
}

fn ehlo(host_name: &str) -> Vec<u8> {
    line(&format!("EHLO {host_name}"))
}

fn line(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\r\n"].concat()
}

/// How long an `AUTH` line may be, its end included. RFC 4954 §4 allows 12288 octets, but Dovecot's
/// submission refuses more than 1024, which every access token exceeds; 512 are taken by all (RFC 5321
/// §4.5.3.1.4).
const LONGEST_AUTH: usize = 512;

#[cfg(test)]
mod tests;
