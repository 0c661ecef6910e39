//! Who deletes, moves, copies and stores what, seen in a session that is passed through.

use std::collections::VecDeque;

mod client;
mod line;
mod server;

use self::client::Client;
use self::line::{Line, cut};
use self::server::Server;

/// A passive observer of a session after its login, for the traces that MSSanté demands (domain
/// page "mssante", section 8).
///
/// It is shown each piece of either direction before the piece goes on its way, and changes
/// nothing. It keeps a bounded part of a line, and a bounded number of commands without an answer;
/// literals, and so messages, are passed over by their length. Once the session is compressed
/// nothing can be seen any more, and that is the last thing it tells.
pub struct Observer {
    client: Client,
    server: Server,
    pending: VecDeque<Pending>,
    off: bool,
}

/// Something that was done, or tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observed {
    /// What kind of thing.
    pub action: Action,
    /// The command and its arguments, without its tag: one line of visible US-ASCII, a literal as
    /// its announcement (`{12}`), no more than 200 bytes.
    pub request: String,
    /// The server's answer, likewise without the tag; none if the session ended before it.
    pub answer: Option<String>,
}

/// The kinds of things that are traced.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// A message was stored: `APPEND`, `REPLACE`.
    Append,
    /// The session went on compressed: nothing more was seen of it.
    Compress,
    /// Messages were copied: `COPY`.
    Copy,
    /// Messages were marked as deleted, or removed: `STORE` with `\Deleted`, `EXPUNGE`, `CLOSE`,
    /// `DELETE` of a folder.
    Delete,
    /// Messages were moved: `MOVE`.
    Move,
}

/// A command that has no answer yet.
struct Pending {
    tag: Vec<u8>,
    action: Action,
    request: String,
}

impl Observer {
    /// An observer for a session whose login has just succeeded.
    pub fn new() -> Self {
        Self {
            client: Client::default(),
            server: Server::default(),
            pending: VecDeque::new(),
            off: false,
        }
    }

    /// Bytes of the client. What is returned has been forgotten without an answer: too many others
    /// wait for theirs.
    pub fn client(&mut self, bytes: &[u8]) -> Vec<Observed> {
        let mut forgotten = Vec::new();
        if self.off {
            return forgotten;
        }
        let pending = &mut self.pending;
        self.client.read(bytes, |command| {
            if pending.len() >= PENDING {
                forgotten.extend(pending.pop_front().map(|oldest| oldest.end(None)));
            }
            pending.extend(Pending::new(command));
        });
        forgotten
    }

    /// Bytes of the server, and what they are the answers to.
    pub fn server(&mut self, bytes: &[u8]) -> Vec<Observed> {
        let mut observed = Vec::new();
        let mut rest = bytes;
        while !self.off
            && let Some((line, behind)) = self.server.read(rest)
        {
            rest = behind;
            let Some((tag, answer)) = answer(&line) else {
                continue;
            };
            self.client.answered(tag);
            let found = self.pending.iter().position(|pending| pending.tag == tag);
            let Some(found) = found.and_then(|index| self.pending.remove(index)) else {
                continue;
            };
            let accepted = answer
                .get(..2)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"OK"));
            match found.action {
                Action::Compress if !accepted => {}
                action => {
                    self.off = action == Action::Compress;
                    observed.push(found.end(Some(cut(answer))));
                }
            }
        }
        observed
    }

    /// The end of the session: what has no answer.
    pub fn finish(self) -> Vec<Observed> {
        let pending = self.pending.into_iter();
        let pending = pending.filter(|pending| pending.action != Action::Compress);
        pending.map(|pending| pending.end(None)).collect()
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}

impl Action {
    /// One word for the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Compress => "compress",
            Self::Copy => "copy",
            Self::Delete => "delete",
            Self::Move => "move",
        }
    }

    /// What a command does, if it is to be traced.
    fn of(name: &str, line: &Line) -> Option<Self> {
        match name {
            "APPEND" | "REPLACE" => Some(Self::Append),
            "CLOSE" | "DELETE" | "EXPUNGE" => Some(Self::Delete),
            "COMPRESS" => Some(Self::Compress),
            "COPY" => Some(Self::Copy),
            "MOVE" => Some(Self::Move),
            "STORE" => {
                (line.contains(b"\\deleted") && !line.contains(b"-flags")).then_some(Self::Delete)
            }
            _ => None,
        }
    }
}

impl Pending {
    fn new(command: &Line) -> Option<Self> {
        let mut words = command.start().split(|byte| *byte == b' ');
        let tag = words.next()?;
        let name = |word: &[u8]| String::from_utf8_lossy(word).to_ascii_uppercase();
        let action = match name(words.next()?).as_str() {
            "UID" => Action::of(&name(words.next()?), command),
            name => Action::of(name, command),
        }?;
        let request = command.text();
        Some(Self {
            tag: tag.to_vec(),
            action,
            request: cut(request.get(tag.len()..)?),
        })
    }

    fn end(self, answer: Option<String>) -> Observed {
        Observed {
            action: self.action,
            request: self.request,
            answer,
        }
    }
}

/// Tag and text of a line that ends a command.
fn answer(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|byte| *byte == b' ')?;
    let (tag, text) = line.split_at_checked(end)?;
    (!matches!(tag, b"*" | b"+" | b"")).then_some((tag, text.get(1..)?))
}

/// How many commands may wait for an answer.
const PENDING: usize = 64;

#[cfg(test)]
mod tests;
