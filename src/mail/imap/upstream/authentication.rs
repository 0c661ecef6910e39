//! From the end of the TLS handshake to the end of the login.

use super::response::{Capability, Kind, Lines, Response, Status};
use crate::sasl::Login;
use crate::{Dialogue, Refused, Step};

/// The login at an operator, under the client's tag.
pub struct Authentication {
    login: Login,
    tag: String,
    lines: Lines,
    state: State,
    /// What the client will get before the answer.
    forward: Vec<u8>,
}

/// A login that succeeded.
#[derive(Debug, Eq, PartialEq)]
pub struct Authenticated {
    /// What the client gets: untagged lines and the answer under its own tag, as they came.
    pub forward: Vec<u8>,
    /// What the server has already sent behind it, which is the client's as well.
    pub rest: Vec<u8>,
}

enum State {
    Start,
    Greeting,
    /// What the server offers was asked for; what it has said so far.
    Capability(Option<Capability>),
    /// The mechanism was named; the message follows the server's consent.
    Consent,
    /// The message was sent.
    Message,
    /// The server has answered it with a challenge, which says why it refuses.
    Challenged,
}

impl Authentication {
    /// A login under the client's tag. With implicit TLS the server's greeting is still to come
    /// (`greeting_expected`); after STARTTLS there is none.
    pub fn new(login: Login, tag: String, greeting_expected: bool) -> Self {
        Self {
            login,
            tag,
            lines: Lines::default(),
            state: match greeting_expected {
                true => State::Greeting,
                false => State::Start,
            },
            forward: Vec::new(),
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Step<Authenticated>, Refused> {
        let response = Response::parse(line)?;
        if let Response::Untagged(status) = &response
            && status.kind == Kind::Bye
        {
            return Err(self.refusal(status));
        }
        match (&mut self.state, response) {
            (State::Greeting, Response::Untagged(status)) => match status.kind {
                Kind::Ok => match status.capability() {
                    Some(offered) => self.begin(&offered),
                    None => Ok(self.ask()),
                },
                Kind::Preauth => Ok(self.preauthenticated(&status)),
                _ => Err(Refused::Protocol("no greeting")),
            },
            (State::Capability(offered), Response::Capability(said)) => {
                *offered = Some(said);
                Ok(Step::More(Vec::new()))
            }
            (State::Capability(offered), Response::Tagged(tag, status)) if tag == TAG => {
                match (status.kind, offered.take()) {
                    (Kind::Ok, Some(offered)) => self.begin(&offered),
                    (Kind::Ok, None) => Err(Refused::Protocol("no capabilities")),
                    _ => Err(Refused::Unavailable(status.text)),
                }
            }
            (State::Capability(_), Response::Untagged(_) | Response::Data) => {
                Ok(Step::More(Vec::new()))
            }
            (State::Consent, Response::Continue) => {
                self.state = State::Message;
                Ok(Step::More(joined(&[&self.login.response()])))
            }
            (State::Message, Response::Continue) => {
                let answer = self.login.acknowledgement();
                let answer = answer.ok_or(Refused::Protocol("a challenge without a reason"))?;
                self.state = State::Challenged;
                Ok(Step::More(joined(&[answer])))
            }
            (
                State::Consent | State::Message | State::Challenged,
                Response::Untagged(_) | Response::Capability(_) | Response::Data,
            ) => {
                self.forward.extend_from_slice(line);
                Ok(Step::More(Vec::new()))
            }
            (State::Message | State::Challenged, Response::Tagged(tag, status))
                if tag == self.tag && status.kind == Kind::Ok =>
            {
                self.forward.extend_from_slice(line);
                Ok(self.done())
            }
            (
                State::Consent | State::Message | State::Challenged,
                Response::Tagged(tag, status),
            ) if tag == self.tag => Err(self.refusal(&status)),
            _ => Err(Refused::Protocol("an answer to nothing")),
        }
    }

    fn ask(&mut self) -> Step<Authenticated> {
        self.state = State::Capability(None);
        Step::More(joined(&[TAG, " CAPABILITY"]))
    }

    fn begin(&mut self, offered: &Capability) -> Result<Step<Authenticated>, Refused> {
        let mechanism = self.login.mechanism();
        let mechanism = mechanism.ok_or(Refused::NoMechanism("PREAUTH"))?;
        if !offered.offers(&format!("AUTH={mechanism}")) {
            return Err(Refused::NoMechanism(mechanism));
        }
        let response = self.login.response();
        let command = [&self.tag, " AUTHENTICATE ", mechanism];
        if !offered.offers("SASL-IR") || response.len() > INITIAL_RESPONSE {
            self.state = State::Consent;
            return Ok(Step::More(joined(&command)));
        }
        self.state = State::Message;
        let response = match response.as_str() {
            "" => "=",
            response => response,
        };
        Ok(Step::More(joined(&[&command.concat(), " ", response])))
    }

    /// The certificate was enough: the client gets the answer that the server will not give.
    fn preauthenticated(&mut self, greeting: &Status) -> Step<Authenticated> {
        let visible = greeting
            .code
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte));
        let code = match greeting.capability() {
            Some(_) if visible => format!("[{}] ", greeting.code),
            _ => String::new(),
        };
        self.forward = format!("{} OK {code}Logged in\r\n", self.tag).into_bytes();
        self.done()
    }

    fn done(&mut self) -> Step<Authenticated> {
        Step::Done {
            send: Vec::new(),
            done: Authenticated {
                forward: std::mem::take(&mut self.forward),
                rest: self.lines.rest(),
            },
        }
    }

    /// What a refusal means (domain page "mssante", sections 4.1, 4.3 and 11). Where a code says
    /// that it will pass, it is believed; else the refusal is of what was presented.
    fn refusal(&self, status: &Status) -> Refused {
        let text = status.text.clone();
        let code = status.code.split(' ').next().unwrap_or_default();
        let lower = text.to_ascii_lowercase();
        let is_over = status.kind == Kind::Bye || status.kind == Kind::Bad;
        match code {
            "UNAVAILABLE" | "SERVERBUG" | "INUSE" | "LIMIT" | "CONTACTADMIN" => {
                Refused::Unavailable(text)
            }
            _ if self.login.is_token() => match code {
                "AUTHORIZATIONFAILED" => Refused::Mailbox(text),
                _ if is_over && !matches!(self.state, State::Challenged) => {
                    Refused::Unavailable(text)
                }
                _ => Refused::Token,
            },
            _ if lower.contains("certificate") => Refused::Certificate(text),
            "EXPIRED" => Refused::Certificate(text),
            _ if is_over => Refused::Unavailable(text),
            _ => Refused::Mailbox(text),
        }
    }
}

impl Dialogue for Authentication {
    type Done = Authenticated;

    fn advance(&mut self, received: &[u8]) -> Result<Step<Authenticated>, Refused> {
        self.lines.push(received);
        let mut send = Vec::new();
        if matches!(self.state, State::Start)
            && let Step::More(command) = self.ask()
        {
            send = command;
        }
        while let Some(line) = self.lines.next()? {
            match self.line(&line)? {
                Step::More(more) => send.extend(more),
                Step::Done { send: last, done } => {
                    send.extend(last);
                    return Ok(Step::Done { send, done });
                }
            }
        }
        Ok(Step::More(send))
    }

    /// An operator may leave after its challenge instead of refusing.
    fn closed(&self) -> Refused {
        match self.state {
            State::Challenged => Refused::Token,
            _ => Refused::Unavailable(String::new()),
        }
    }
}

/// A line of these parts. It may hold a token, so it does not leave copies behind by growing.
fn joined(parts: &[&str]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut line = Vec::with_capacity(length + 2);
    for part in parts {
        line.extend_from_slice(part.as_bytes());
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// The tag of our own command; the login has the client's.
const TAG: &str = "g1";

/// How long a message may be on the line of the command itself: servers bound that to 8 kB
/// (RFC 7162 §4).
const INITIAL_RESPONSE: usize = 7 * 1024;
