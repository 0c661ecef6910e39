//! Literals: strings announced by their length at the end of a line (RFC 3501 §4.3, RFC 7888).

/// The announcement of a literal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Literal {
    /// The number of bytes that follow the line.
    pub(super) length: u64,
    /// Whether the sender waits for consent before it sends them.
    pub(super) synchronising: bool,
}

impl Literal {
    /// The literal that a line announces at its end (`{12}`, `{12+}`); the line is without its own
    /// end, and may have lost its beginning.
    pub(super) fn announced(line: &[u8]) -> Option<Self> {
        let inside = line.strip_suffix(b"}")?;
        let (inside, synchronising) = match inside.strip_suffix(b"+") {
            Some(inside) => (inside, false),
            None => (inside, true),
        };
        let start = inside.iter().rposition(|byte| *byte == b'{')?;
        let digits = inside.get(start + 1..)?;
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let length = digits.iter().fold(0_u64, |length, digit| {
            length
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        });
        Some(Self {
            length,
            synchronising,
        })
    }
}

/// A line without its end: CRLF, or LF alone.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_announced_at_the_end_of_a_line() {
        let announced = |line: &str| {
            Literal::announced(line.as_bytes()).map(|found| (found.length, found.synchronising))
        };
        assert_eq!(announced("a LOGIN {12}"), Some((12, true)));
        assert_eq!(announced("a LOGIN {12+}"), Some((12, false)));
        assert_eq!(announced("* 1 FETCH (BINARY[1] ~{0}"), Some((0, true)));
        assert_eq!(
            announced("{99999999999999999999999}"),
            Some((u64::MAX, true))
        );
        for line in [
            "", "}", "{}", "{+}", "{1", "{1} ", "{-1}", "{1}+", "{a}", "1}",
        ] {
            assert_eq!(announced(line), None, "{line}");
        }
    }
}
