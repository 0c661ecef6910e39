//! The client's side of a session: its commands.

use super::line::Line;

/// The client's bytes, cut into commands, of which literals are left out.
#[derive(Default)]
pub(super) struct Client {
    line: Line,
    state: State,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Line,
    /// A literal was announced, and its sender waits for consent.
    Announced(u64),
    /// So many bytes of a literal are to come.
    Literal(u64),
}

impl Client {
    /// Reads a piece, and tells of each command that ends in it.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut command: impl FnMut(&Line)) {
        while !bytes.is_empty() {
            match self.state {
                State::Announced(length) => self.state = State::Literal(length),
                State::Literal(length) => {
                    let here = usize::try_from(length)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    bytes = bytes.get(here..).unwrap_or_default();
                    self.state = match length.saturating_sub(here as u64) {
                        0 => State::Line,
                        left => State::Literal(left),
                    };
                }
                State::Line => {
                    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                        self.line.push(bytes);
                        return;
                    };
                    let (line, rest) = bytes.split_at_checked(end).unwrap_or_default();
                    bytes = rest.get(1..).unwrap_or_default();
                    self.line.end(line);
                    self.ended(&mut command);
                }
            }
        }
    }

    /// The server has answered a command: if it was the one that waits with a literal, the literal
    /// will not come.
    pub(super) fn answered(&mut self, tag: &[u8]) {
        let start = self.line.start();
        if matches!(self.state, State::Announced(_))
            && start
                .strip_prefix(tag)
                .is_some_and(|rest| rest.starts_with(b" "))
        {
            self.state = State::Line;
            self.line.clear();
        }
    }

    fn ended(&mut self, command: &mut impl FnMut(&Line)) {
        match self.line.literal() {
            Some(literal) => {
                // In place of the literal, whose announcement must not be seen again.
                self.line.push(b" ");
                self.state = match literal.synchronising {
                    true => State::Announced(literal.length),
                    false => State::Literal(literal.length),
                };
            }
            None => {
                command(&self.line);
                self.line.clear();
            }
        }
    }
}
