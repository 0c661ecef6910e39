//! Lines out of bytes that arrive in pieces.

use zeroize::{Zeroize, Zeroizing};

/// Bytes that arrived, given out a line at a time. A line may end in CRLF or in LF alone; either
/// way its end is not part of it, so that nobody behind can see the difference. What is kept may be
/// a password.
pub(super) struct Lines {
    held: Zeroizing<Vec<u8>>,
    /// Where the first line begins.
    start: usize,
    /// Up to where no line end was found.
    searched: usize,
    longest: usize,
}

impl Lines {
    /// Gives out lines of at most so many octets.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            held: Zeroizing::default(),
            start: 0,
            searched: 0,
            longest,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.held.copy_within(self.start.., 0);
            let length = self.len();
            if let Some(used) = self.held.get_mut(length..) {
                used.zeroize();
            }
            self.held.truncate(length);
            self.searched -= self.start;
            self.start = 0;
        }
        self.held.extend_from_slice(bytes);
    }

    /// The next whole line, if there is one.
    ///
    /// # Errors
    ///
    /// [`TooLong`], whether or not its end has come.
    pub(super) fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, TooLong> {
        let unsearched = self.held.get(self.searched..).unwrap_or_default();
        let found = unsearched.iter().position(|byte| *byte == b'\n');
        let end = found.map_or(self.held.len(), |found| self.searched + found);
        if end - self.start > self.longest {
            return Err(TooLong);
        }
        if found.is_none() {
            self.searched = end;
            return Ok(None);
        }
        let line = self.held.get(self.start..end).unwrap_or_default();
        let line = Zeroizing::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(line))
    }

    /// How many octets are kept.
    pub(super) fn len(&self) -> usize {
        self.held.len() - self.start
    }

    /// What was not given out yet, which is kept no longer.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.held.get(self.start..).unwrap_or_default().to_vec();
        *self = Self::new(self.longest);
        rest
    }

    /// What was not given out yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.held.get(self.start..).unwrap_or_default()
    }
}

/// A line longer than it may be.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct TooLong;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_however_they_are_cut() {
        let input = b"one\r\ntwo\n\r\nth\rree\r\nrest";
        for size in 1..input.len() {
            let mut lines = Lines::new(8);
            let mut found = Vec::new();
            for piece in input.chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.next().expect("short lines") {
                    found.push(line.to_vec());
                }
            }
            assert_eq!(found, [&b"one"[..], b"two", b"", b"th\rree"]);
            assert_eq!(lines.take_rest(), b"rest");
            assert_eq!(lines.len(), 0);
        }
    }

    #[test]
    fn a_line_has_its_bound() {
        let mut lines = Lines::new(4);
        lines.push(b"1234\n12345");
        assert_eq!(lines.next().map(|line| line.is_some()), Ok(true));
        assert_eq!(lines.next().map(|line| line.is_some()), Err(TooLong));
    }
}
