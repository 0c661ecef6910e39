//! A client's bytes, cut into commands.

use zeroize::Zeroizing;

use super::literal::{Literal, without_end};

/// What a client has sent and nobody has read yet. It may hold a password, and is wiped.
pub(super) struct Input {
    buffer: Zeroizing<Vec<u8>>,
    /// Where the line that is being read begins: behind the literals of the same command.
    line: usize,
    /// Up to where no line end is.
    searched: usize,
}

/// The next thing that a client has said.
pub(super) enum Piece {
    /// A whole command with its literals, without its last line end.
    Command(Zeroizing<Vec<u8>>),
    /// The client asks for leave to send a literal.
    Literal,
    /// It asks for leave to send one that is too long; the command so far, which ends here.
    RefusedLiteral(Zeroizing<Vec<u8>>),
    /// More than one command may have. Nothing that follows can be understood.
    TooLong,
}

impl Input {
    pub(super) fn new() -> Self {
        Self {
            buffer: Zeroizing::new(Vec::new()),
            line: 0,
            searched: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let needed = self.buffer.len() + bytes.len();
        if needed > self.buffer.capacity() {
            // A vector that grows by itself leaves its old place as it is.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next command, once it is whole.
    pub(super) fn command(&mut self) -> Option<Piece> {
        loop {
            let end = match self.line_end()? {
                Ok(end) => end,
                Err(TooLong) => return Some(Piece::TooLong),
            };
            let line = without_end(self.buffer.get(self.line..end)?);
            let Some(literal) = Literal::announced(line) else {
                return Some(Piece::Command(self.take(end)));
            };
            let length = usize::try_from(literal.length).unwrap_or(usize::MAX);
            if length > LITERAL_LIMIT || end + length > COMMAND_LIMIT {
                // One that is not waiting for consent is already on its way.
                return Some(match literal.synchronising {
                    true => Piece::RefusedLiteral(self.take(end)),
                    false => Piece::TooLong,
                });
            }
            self.line = end + length;
            self.searched = self.line;
            if literal.synchronising {
                return Some(Piece::Literal);
            }
        }
    }

    /// The next line, without its end.
    pub(super) fn line(&mut self) -> Option<Result<Zeroizing<Vec<u8>>, TooLong>> {
        Some(self.line_end()?.map(|end| self.take(end)))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The position behind the line that is being read, once it is whole.
    fn line_end(&mut self) -> Option<Result<usize, TooLong>> {
        let found = self
            .buffer
            .get(self.searched..)
            .and_then(|unread| unread.iter().position(|byte| *byte == b'\n'));
        let end = match found {
            Some(offset) => self.searched + offset + 1,
            None => {
                self.searched = self.searched.max(self.buffer.len());
                self.searched
            }
        };
        if end > COMMAND_LIMIT {
            return Some(Err(TooLong));
        }
        found.map(|_| Ok(end))
    }

    /// Removes a whole command, and keeps what is behind it.
    fn take(&mut self, end: usize) -> Zeroizing<Vec<u8>> {
        let command = Zeroizing::new(without_end(self.buffer.get(..end).unwrap_or(&[])).to_vec());
        let end = end.min(self.buffer.len());
        self.buffer.drain(..end);
        self.line = 0;
        self.searched = 0;
        command
    }
}

/// More than one command may have.
#[derive(Debug)]
pub(super) struct TooLong;

/// How long a command may be before the login, with its literals.
pub(super) const COMMAND_LIMIT: usize = 64 * 1024;

/// How long a literal may be before the login: no name and no password is longer.
const LITERAL_LIMIT: usize = 8 * 1024;
