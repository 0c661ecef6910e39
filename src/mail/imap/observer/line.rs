//! The beginning and the end of a line, however long it is.

use super::super::literal::Literal;

/// A line that is being read.
#[derive(Default)]
pub(super) struct Line {
    head: Vec<u8>,
    /// What follows the head, or the last of it.
    tail: Vec<u8>,
}

impl Line {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        let (head, tail) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(last(tail, TAIL + 1));
        if self.tail.len() > 2 * TAIL {
            // One more than is shown, which may be a carriage return.
            let old = self.tail.len() - TAIL - 1;
            self.tail.drain(..old);
        }
    }

    /// Its last bytes, up to its line feed.
    pub(super) fn end(&mut self, bytes: &[u8]) {
        self.push(bytes);
        let last = match self.tail.is_empty() {
            true => &mut self.head,
            false => &mut self.tail,
        };
        if last.last() == Some(&b'\r') {
            last.pop();
        }
    }

    pub(super) fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
    }

    /// Its beginning.
    pub(super) fn start(&self) -> &[u8] {
        &self.head
    }

    /// Its beginning and its end, as one.
    pub(super) fn text(&self) -> Vec<u8> {
        [self.head.as_slice(), last(&self.tail, TAIL)].concat()
    }

    /// Whether these bytes, in lower case, are in what is kept of it, in any case.
    pub(super) fn contains(&self, lower: &[u8]) -> bool {
        let text = self.text().to_ascii_lowercase();
        text.windows(lower.len()).any(|window| window == lower)
    }

    /// The literal that it announces, now that it has ended.
    pub(super) fn literal(&self) -> Option<Literal> {
        match self.tail.last().or_else(|| self.head.last()) {
            Some(b'}') => Literal::announced(&self.text()),
            _ => None,
        }
    }
}

/// The last of these bytes, so many at most.
fn last(bytes: &[u8], count: usize) -> &[u8] {
    bytes
        .get(bytes.len().saturating_sub(count)..)
        .unwrap_or(bytes)
}

/// A text for a journal: one line of visible US-ASCII, without its middle if it is long.
pub(super) fn cut(text: &[u8]) -> String {
    let words = text
        .split(|byte| !byte.is_ascii_graphic())
        .filter(|word| !word.is_empty())
        .map(String::from_utf8_lossy);
    let text = words.collect::<Vec<_>>().join(" ");
    let (start, end) = (SHOWN - END - DOTS.len(), text.len().saturating_sub(END));
    match (text.get(..start), text.get(end..)) {
        (Some(first), Some(last)) if text.len() > SHOWN => format!("{first}{DOTS}{last}"),
        _ => text,
    }
}

/// How much of a line's beginning is kept, and of its end.
const HEAD: usize = 256;
const TAIL: usize = 256;

/// How much of a text is shown, and of that how much of its end.
const SHOWN: usize = 200;
const END: usize = 80;
const DOTS: &str = " ... ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_is_kept_in_part() {
        for piece in [1, 300, 70_000] {
            let mut line = Line::default();
            for _ in 0..1_000_000 / piece {
                line.push(&vec![b'x'; piece]);
            }
            line.end(b"y {12}\r");
            assert_eq!(line.text().len(), HEAD + TAIL);
            assert!(line.head.capacity() + line.tail.capacity() <= 4 * (HEAD + TAIL));
            assert_eq!(line.literal().map(|literal| literal.length), Some(12));
        }
        let mut line = Line::default();
        line.end(&[&[b'x'; 1000][..], b"\r"].concat());
        assert_eq!(line.text(), [b'x'; HEAD + TAIL]);
    }
}
