//! From an operator's greeting to its consent to TLS (RFC 3501 §6.2.1).

use super::response::{Kind, Lines, Response};
use crate::{Dialogue, Refused, Step};

/// STARTTLS on a connection just made.
///
/// Nothing that the server says here is believed later, and nothing else is sent. Whatever arrives
/// behind its consent, or before it was asked, is somebody's injection: [`Refused::Injected`].
pub struct StartTls {
    lines: Lines,
    asked: bool,
}

impl StartTls {
    /// Begins with the server's greeting.
    pub fn new() -> Self {
        Self {
            lines: Lines::default(),
            asked: false,
        }
    }
}

impl Default for StartTls {
    fn default() -> Self {
        Self::new()
    }
}

impl Dialogue for StartTls {
    type Done = ();

    fn advance(&mut self, received: &[u8]) -> Result<Step<()>, Refused> {
        self.lines.push(received);
        while let Some(line) = self.lines.next()? {
            match Response::parse(&line)? {
                Response::Untagged(status) if status.kind == Kind::Bye => {
                    return Err(Refused::Unavailable(status.text));
                }
                Response::Untagged(status) if !self.asked => {
                    if status.kind != Kind::Ok {
                        // `PREAUTH` before TLS is a trick: STARTTLS is not allowed then.
                        return Err(Refused::NoStartTls);
                    }
                    if !self.lines.rest().is_empty() {
                        return Err(Refused::Injected);
                    }
                    self.asked = true;
                    return Ok(Step::More(format!("{TAG} STARTTLS\r\n").into_bytes()));
                }
                Response::Tagged(tag, status) if self.asked && tag == TAG => {
                    if status.kind != Kind::Ok {
                        return Err(Refused::NoStartTls);
                    }
                    if !self.lines.rest().is_empty() {
                        return Err(Refused::Injected);
                    }
                    return Ok(Step::Done {
                        send: Vec::new(),
                        done: (),
                    });
                }
                Response::Untagged(_) | Response::Capability(_) | Response::Data if self.asked => {}
                _ => return Err(Refused::Protocol("no greeting, or no answer to STARTTLS")),
            }
        }
        Ok(Step::More(Vec::new()))
    }
}

const TAG: &str = "g1";
