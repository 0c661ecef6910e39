//! Server-sent events (WHATWG HTML §9.2.6).

use std::collections::VecDeque;
use std::io::{BufReader, Read};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};

use super::Error;
use super::body::Body;
use super::connection::Timed;
use crate::types::{Event, EventKind};

/// The changes that the daemon tells, in order; ends when the daemon stops.
pub struct Events {
    body: Body<BufReader<Timed>>,
    parser: Parser,
    ready: VecDeque<Message>,
    ended: bool,
}

impl Events {
    pub(super) fn new(body: Body<BufReader<Timed>>) -> Self {
        Self {
            body,
            parser: Parser::default(),
            ready: VecDeque::default(),
            ended: false,
        }
    }

    /// The next message; `None` at the end of the stream.
    fn message(&mut self) -> Result<Option<Message>, Error> {
        let mut block = [0; 4096];
        while self.ready.is_empty() {
            let n = self.body.read(&mut block).map_err(Error::from_socket)?;
            if n == 0 {
                return Ok(None);
            }
            let fed = self.parser.feed(&block[..n], &mut self.ready);
            fed.map_err(|TooLong| Error::Protocol("an event too long".into()))?;
        }
        Ok(self.ready.pop_front())
    }
}

impl Iterator for Events {
    type Item = Result<ServerEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let event = match self.message() {
            Ok(Some(message)) => ServerEvent::try_from(message),
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Err(error) => Err(error),
        };
        self.ended = event.is_err();
        Some(event)
    }
}

/// To wait for the daemon's news among other things, with `poll`. What is read from the descriptor
/// itself is missing from the iterator.
impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.body.stream().as_fd()
    }
}

/// One change told by the daemon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerEvent {
    /// Name of the change, as sent.
    pub name: String,
    /// What it concerns.
    pub event: Event,
}

impl ServerEvent {
    /// Which change, when this version knows it.
    pub fn kind(&self) -> Option<EventKind> {
        let mut all = EventKind::ALL.into_iter();
        all.find(|kind| kind.as_str() == self.name)
    }
}

impl TryFrom<Message> for ServerEvent {
    type Error = Error;

    fn try_from(message: Message) -> Result<Self, Self::Error> {
        Ok(Self {
            event: super::parsed(message.data.as_bytes())?,
            name: message.event,
        })
    }
}

/// One message of a stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) event: String,
    pub(super) data: String,
}

/// Cuts a stream into messages, however its bytes come.
#[derive(Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    message: Message,
    has_data: bool,
    /// A line just ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The first line was seen: a byte order mark is no longer one.
    begun: bool,
}

impl Parser {
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        out: &mut VecDeque<Message>,
    ) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_cr = mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => self.end_line(out),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.message.data.len() > MAX_EVENT {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    fn end_line(&mut self, out: &mut VecDeque<Message>) {
        let bytes = mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&bytes);
        let first = !mem::replace(&mut self.begun, true);
        if let Some(rest) = line.strip_prefix('\u{feff}').filter(|_| first) {
            line = rest.to_owned().into();
        }
        if line.is_empty() {
            let message = mem::take(&mut self.message);
            if mem::take(&mut self.has_data) {
                out.push_back(message);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if mem::replace(&mut self.has_data, true) {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.message.event),
            // Comments (an empty field name), identifiers and retry delays are of no use here.
            _ => {}
        }
    }
}

/// An event is longer than anything the daemon sends.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct TooLong;

/// Longest event accepted, in bytes.
const MAX_EVENT: usize = 64 * 1024;

#[cfg(test)]
mod tests;
