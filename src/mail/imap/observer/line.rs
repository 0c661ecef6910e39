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
        let last = tail.get(tail.len().saturating_sub(TAIL)..).unwrap_or(tail);
        self.tail.extend_from_slice(last);
        if self.tail.len() > 2 * TAIL {
            let old = self.tail.len() - TAIL;
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
        [self.head.as_slice(), self.tail.as_slice()].concat()
    }

    /// Whether these bytes, in lower case, are in what is kept of it, in any case.
    pub(super) fn contains(&self, lower: &[u8]) -> bool {
        let text = self.text().to_ascii_lowercase();
        text.windows(lower.len()).any(|window| window == lower)
    }

    /// The literal that it announces, now that it has ended.
    pub(super) fn literal(&self) -> Option<Literal> {
        let last = self.tail.last().or_else(|| self.head.last());
        match last {
            Some(b'}') => Literal::announced(&self.text()),
            _ => None,
        }
    }
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
