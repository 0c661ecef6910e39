//! What a mail client meets before it is logged in.

use super::Settings;
use super::line::Lines;
use crate::sasl::{Credentials, Exchange};
use crate::{Reaction, Trouble};

/// The gateway's side of an SMTP connection until its login (RFC 5321, RFC 4954). It keeps at most
/// a line and what a client sends ahead, and ends the connections that are no mail client's.
pub struct Front {
    settings: Settings,
    lines: Lines,
    state: State,
    /// Nothing was received yet.
    fresh: bool,
    commands: usize,
    wrong_passwords: usize,
}

impl Front {
    /// A connection just accepted.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            lines: Lines::new(LONGEST_LINE),
            state: State::Commands,
            fresh: true,
            commands: 0,
            wrong_passwords: 0,
        }
    }

    /// What the client is greeted with.
    pub fn greeting(&self) -> Vec<u8> {
        format!("220 {} ESMTP cpsd\r\n", self.settings.host_name).into_bytes()
    }

    /// Takes what the client sent, cut anywhere. While a login is being looked into, it is kept for
    /// what comes after.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Reaction> {
        if matches!(self.state, State::Over) {
            return Vec::new();
        }
        self.lines.push(bytes);
        self.go_on()
    }

    /// Answers a [`Reaction::Login`] that failed, and goes on with what the client sent behind it.
    /// The third wrong password ends the connection.
    pub fn refuse(&mut self, trouble: &Trouble) -> Vec<Reaction> {
        let language = self.settings.language;
        let answer = trouble.smtp(language);
        let is_closing = answer.starts_with(b"421");
        let mut reactions = vec![Reaction::Send(answer)];
        self.state = State::Commands;
        if trouble.is_credentials() {
            self.wrong_passwords += 1;
        }
        if self.wrong_passwords >= MOST_WRONG_PASSWORDS {
            let closing = trouble.smtp_closing(language);
            self.end(&mut reactions, &closing);
        } else if is_closing {
            self.end(&mut reactions, b"");
        } else {
            reactions.extend(self.go_on());
        }
        reactions
    }

    /// The answer to a [`Reaction::Login`] that succeeded.
    pub fn accept(&self) -> Vec<u8> {
        b"235 2.7.0 OK\r\n".to_vec()
    }

    /// What the client has sent behind its login.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.lines.take_rest()
    }

    fn go_on(&mut self) -> Vec<Reaction> {
        let mut reactions = Vec::new();
        if self.fresh && self.speaks_tls(&mut reactions) {
            return reactions;
        }
        loop {
            match self.state {
                State::Commands | State::Exchange(_) => {}
                State::Login if self.lines.len() > MOST_AHEAD => {
                    self.end(&mut reactions, b"421 4.7.0 Too much at once\r\n");
                    return reactions;
                }
                State::Login | State::Over => return reactions,
            }
            match self.lines.next() {
                Ok(Some(line)) => self.line(&line, &mut reactions),
                Ok(None) => return reactions,
                Err(_) => {
                    reply(&mut reactions, "500 5.5.6 Line too long");
                    self.end(&mut reactions, b"421 4.7.0 This is no mail client\r\n");
                }
            }
        }
    }

    /// Recognises the first two bytes of a TLS connection, which no command begins with.
    fn speaks_tls(&mut self, reactions: &mut Vec<Reaction>) -> bool {
        match self.lines.rest() {
            [] | [HANDSHAKE] => false,
            [HANDSHAKE, MAJOR_VERSION, ..] => {
                reactions.push(Reaction::TlsHello);
                self.end(reactions, &TLS_ALERT);
                true
            }
            _ => {
                self.fresh = false;
                false
            }
        }
    }

    fn line(&mut self, line: &[u8], reactions: &mut Vec<Reaction>) {
        if let State::Exchange(exchange) = &mut self.state {
            let next = exchange.answer(line);
            return self.exchanged(next, reactions);
        }
        self.commands += 1;
        if self.commands > MOST_COMMANDS {
            return self.end(
                reactions,
                b"421 4.7.0 Too many commands without a login\r\n",
            );
        }
        // A command of controls or of bytes beyond ASCII is none.
        let words = match str::from_utf8(line) {
            Ok(words) if line.iter().all(|byte| (b' '..=b'~').contains(byte)) => words.trim_end(),
            _ => return reply(reactions, "500 5.5.2 Not a command"),
        };
        let (verb, argument) = words.split_once(' ').unwrap_or((words, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if !argument.is_empty() => reactions.push(Reaction::Send(self.capabilities())),
            "HELO" if !argument.is_empty() => {
                reply(reactions, &format!("250 {}", self.settings.host_name));
            }
            "EHLO" | "HELO" => reply(reactions, "501 5.5.4 A name is expected"),
            "NOOP" | "RSET" => reply(reactions, "250 2.0.0 OK"),
            "HELP" => reply(reactions, "214 2.0.0 EHLO AUTH HELP NOOP RSET QUIT"),
            "QUIT" => self.end(reactions, b"221 2.0.0 Bye\r\n"),
            "AUTH" => self.begin(argument, reactions),
            "STARTTLS" => reply(reactions, "502 5.5.1 No TLS on this port"),
            "MAIL" | "RCPT" | "DATA" | "BDAT" | "VRFY" | "EXPN" => {
                self.refuse_now(&Trouble::NotLoggedIn, reactions)
            }
            // A web page that makes a browser talk to this port gets nowhere.
            "CONNECT" | "GET" | "POST" | "PUT" => {
                self.end(reactions, b"421 4.7.0 This is no mail client\r\n");
            }
            _ => reply(reactions, "500 5.5.2 Not a command"),
        }
    }

    fn capabilities(&self) -> Vec<u8> {
        let Settings {
            host_name, size, ..
        } = &self.settings;
        format!(
            "250-{host_name}\r\n250-SIZE {size}\r\n250-PIPELINING\r\n250-8BITMIME\r\n\
             250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN\r\n"
        )
        .into_bytes()
    }

    fn begin(&mut self, argument: &str, reactions: &mut Vec<Reaction>) {
        let (mechanism, initial) = match argument.split_once(' ') {
            Some((mechanism, initial)) => (mechanism, Some(initial.trim())),
            None => (argument, None),
        };
        let mut exchange = match Exchange::begin(mechanism) {
            Ok(exchange) => exchange,
            Err(trouble) => return self.refuse_now(&trouble, reactions),
        };
        let next = match initial {
            Some(initial) => exchange.initial(initial.as_bytes()),
            None => Ok(None),
        };
        self.state = State::Exchange(exchange);
        self.exchanged(next, reactions);
    }

    fn exchanged(
        &mut self,
        next: Result<Option<Credentials>, Trouble>,
        reactions: &mut Vec<Reaction>,
    ) {
        match (next, &self.state) {
            (Ok(Some(credentials)), _) => {
                self.state = State::Login;
                reactions.push(Reaction::Login(credentials));
            }
            (Ok(None), State::Exchange(exchange)) => {
                reply(reactions, &format!("334 {}", exchange.challenge()));
            }
            (Ok(None), _) => {}
            (Err(trouble), _) => {
                self.state = State::Commands;
                self.refuse_now(&trouble, reactions);
            }
        }
    }

    fn refuse_now(&self, trouble: &Trouble, reactions: &mut Vec<Reaction>) {
        reactions.push(Reaction::Send(trouble.smtp(self.settings.language)));
    }

    fn end(&mut self, reactions: &mut Vec<Reaction>, last: &[u8]) {
        if !last.is_empty() {
            reactions.push(Reaction::Send(last.to_vec()));
        }
        reactions.push(Reaction::Close);
        self.state = State::Over;
        drop(self.lines.take_rest());
    }
}

enum State {
    Commands,
    Exchange(Exchange),
    Login,
    Over,
}

fn reply(reactions: &mut Vec<Reaction>, text: &str) {
    reactions.push(Reaction::Send(format!("{text}\r\n").into_bytes()));
}

const LONGEST_LINE: usize = 64 * 1024;
/// What a client may send behind its login before it is answered.
const MOST_AHEAD: usize = 64 * 1024;
const MOST_COMMANDS: usize = 50;
const MOST_WRONG_PASSWORDS: usize = 3;

/// The first byte of a TLS handshake record, and the first of its version (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;
const MAJOR_VERSION: u8 = 0x03;

/// A fatal alert `handshake_failure` (RFC 8446 §6, RFC 5246 §7.2): any TLS client gives up at once.
const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28];

#[cfg(test)]
mod tests;
