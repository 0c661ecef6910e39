//! The server's side of a session: its tagged answers.

use super::line::Line;

/// The server's bytes, cut into lines, of which messages are left out.
#[derive(Default)]
pub(super) struct Server {
    line: Line,
    /// So many bytes of a literal are to come.
    literal: u64,
    /// What follows belongs to a line with a literal in it.
    continued: bool,
}

impl Server {
    /// The next line without a literal that ends in this piece, its beginning, and what is left of
    /// the piece.
    pub(super) fn read<'a>(&mut self, mut bytes: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
        while !bytes.is_empty() {
            let here = usize::try_from(self.literal)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            self.literal -= here as u64;
            bytes = bytes.get(here..)?;
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                self.line.push(bytes);
                return None;
            };
            let (line, rest) = bytes.split_at_checked(end)?;
            bytes = rest.get(1..)?;
            self.line.end(line);
            let literal = self
                .line
                .literal()
                .filter(|_| self.continued || is_data(self.line.start()));
            let tagged = !self.continued && !self.line.start().starts_with(b"*");
            self.continued = literal.is_some();
            self.literal = literal.map_or(0, |literal| literal.length);
            let text = tagged.then(|| self.line.start().to_vec());
            self.line.clear();
            if let Some(text) = text {
                return Some((text, bytes));
            }
        }
        None
    }
}

/// Whether a line may hold literals: those for a person to read do not, whatever they end with.
fn is_data(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"* ") else {
        return false;
    };
    let word = rest.split(|byte| *byte == b' ').next();
    !STATUS
        .iter()
        .any(|status| word.is_some_and(|word| word.eq_ignore_ascii_case(status)))
}

const STATUS: &[&[u8]] = &[b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
