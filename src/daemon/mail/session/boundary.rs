//! Where a line of ours may stand in what an operator sends: between two responses, not inside of a
//! literal (RFC 3501 §4.3), and never once the bytes are compressed (RFC 4978).

use crate::mail::passage::Watch;

/// Follows what an IMAP server sends, as far as that takes.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    /// Octets of a literal that are still to come.
    literal: u64,
    /// The end of the line so far: what may announce a literal.
    line: Vec<u8>,
    /// Something of a response was sent, and not its end.
    inside: bool,
    /// The end of what the client sent.
    asked: Vec<u8>,
    /// The client may have asked for compression: nothing is known any more.
    lost: bool,
}

impl Boundary {
    /// Whether a response of ours may follow now.
    pub(super) fn is_between(&self) -> bool {
        !self.lost && !self.inside && self.literal == 0
    }
}

impl Watch for Boundary {
    fn sent(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        // In a literal it would be a coincidence, which costs a farewell and nothing else.
        let kept = self.asked.len();
        self.asked
            .extend_from_slice(bytes.get(..COMMAND.len()).unwrap_or(bytes));
        let asks = |bytes: &[u8]| {
            bytes
                .windows(COMMAND.len())
                .any(|word| word.eq_ignore_ascii_case(COMMAND))
        };
        self.lost = asks(&self.asked) || asks(bytes);
        if self.lost {
            return;
        }
        self.asked.truncate(kept);
        self.asked.extend_from_slice(last(bytes, COMMAND.len()));
        let surplus = self.asked.len().saturating_sub(COMMAND.len());
        self.asked.drain(..surplus);
    }

    fn received(&mut self, mut bytes: &[u8]) {
        if self.lost {
            return;
        }
        while !bytes.is_empty() {
            if self.literal > 0 {
                let length = usize::try_from(self.literal).unwrap_or(usize::MAX);
                let passed = length.min(bytes.len());
                self.literal -= passed as u64;
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            bytes = rest;
            self.inside = true;
            self.line.extend_from_slice(last(line, ANNOUNCEMENT));
            let surplus = self.line.len().saturating_sub(ANNOUNCEMENT);
            self.line.drain(..surplus);
            if end.is_some() {
                self.literal = announced(&self.line).unwrap_or(0);
                // After a literal the same response goes on.
                self.inside = announced(&self.line).is_some();
                self.line.clear();
            }
        }
    }
}

fn last(bytes: &[u8], length: usize) -> &[u8] {
    bytes
        .get(bytes.len().saturating_sub(length)..)
        .unwrap_or(bytes)
}

/// `{123}` at the end of a line.
fn announced(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let digits = line.strip_suffix(b"}")?;
    let open = digits.iter().rposition(|byte| *byte == b'{');
    let digits = digits.get(open.map_or(0, |open| open + 1)..)?;
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    // Longer than what was kept of it: no literal is.
    let length = open.and_then(|_| str::from_utf8(digits).ok()?.parse().ok());
    plain.then(|| length.unwrap_or(u64::MAX))
}

const COMMAND: &[u8] = b"COMPRESS";
/// The longest announcement of a literal: a number of 64 bits, braces, the line's end.
const ANNOUNCEMENT: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a farewell may follow this, however it was cut.
    fn between(received: &[u8]) -> bool {
        let cut = |size: usize| {
            let mut boundary = Boundary::default();
            for piece in received.chunks(size) {
                boundary.received(piece);
            }
            boundary.is_between()
        };
        let whole = cut(received.len().max(1));
        for size in [1, 2, 3, 7] {
            assert_eq!(cut(size), whole, "cut in pieces of {size}");
        }
        whole
    }

    #[test]
    fn a_farewell_stands_between_responses_only() {
        assert!(between(b""));
        assert!(between(b"* 1 EXISTS\r\n"));
        assert!(!between(b"* 1 EXI"));
        assert!(!between(b"* 1 FETCH (BODY[] {5}\r\n"));
        assert!(!between(b"* 1 FETCH (BODY[] {5}\r\nab\r\n"));
        assert!(
            !between(b"* 1 FETCH (BODY[] {5}\r\nabcde"),
            "the response goes on"
        );
        assert!(!between(b"* 1 FETCH (BODY[] {0}\r\n"));
        assert!(between(b"* 1 FETCH (BODY[] {5}\r\nabcde)\r\n"));
        assert!(between(
            b"* 1 FETCH (BINARY[1] ~{2}\r\n\n{ UID 4)\r\na OK\r\n"
        ));
        // Not announcements (RFC 3501 §9 `literal`).
        assert!(between(b"* OK {x}\r\n"));
        assert!(between(b"* OK {}\r\n"));
        assert!(between(b"* OK {12} \r\n"));
        assert!(!between(b"* X {99999999999999999999999999}\r\nabc\r\n"));
    }

    #[test]
    fn nothing_is_known_of_compressed_bytes() {
        for pieces in [
            vec!["a compress DEFLATE\r\n"],
            vec!["a COM", "PRE", "SS DEFLATE\r\n"],
            vec!["x NOOP\r\na COMPRES", "S DEFLATE\r\n"],
        ] {
            let mut boundary = Boundary::default();
            for piece in &pieces {
                boundary.sent(piece.as_bytes());
            }
            boundary.received(b"a OK\r\n");
            assert!(!boundary.is_between(), "{pieces:?}");
        }
        let mut boundary = Boundary::default();
        boundary.sent(b"a COMPARE\r\nb NOOP\r\n");
        assert!(boundary.is_between());
    }
}
