//! The product's reference in a message's header (domain page "mssante", section 7).

/// Puts an `X-MSS-NIL` line before a message that has none. Nothing else of the message changes.
/// The message is kept back until its header was seen, or the first 64 KiB of it.
pub(super) struct Heading {
    line: Vec<u8>,
    /// Kept back, until it is known whether the line stands in it.
    held: Option<Vec<u8>>,
    /// Where the first line of it begins that was not looked at.
    line_start: usize,
}

impl Heading {
    /// A reference of visible ASCII characters; others are left out.
    pub(super) fn new(product: &str) -> Self {
        let product: String = product
            .chars()
            .filter(|letter| (' '..='~').contains(letter))
            .collect();
        Self {
            line: format!("{NAME}: {}\r\n", product.trim()).into_bytes(),
            held: Some(Vec::new()),
            line_start: 0,
        }
    }

    /// Takes octets of a message, and gives those that can go on.
    pub(super) fn take(&mut self, message: Vec<u8>) -> Vec<u8> {
        let Some(held) = &mut self.held else {
            return message;
        };
        held.extend_from_slice(&message);
        while let Some(rest) = held.get(self.line_start..) {
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                break;
            };
            match rest.get(..end).unwrap_or_default() {
                [] | [b'\r'] => return self.release(true),
                line if is_named(line) => return self.release(false),
                _ => self.line_start += end + 1,
            }
        }
        if held.len() > LONGEST_HEADER {
            return self.release(true);
        }
        Vec::new()
    }

    /// What is still kept back when the message ends.
    pub(super) fn finish(mut self) -> Vec<u8> {
        match self.held {
            Some(_) => self.release(true),
            None => Vec::new(),
        }
    }

    fn release(&mut self, missing: bool) -> Vec<u8> {
        let held = self.held.take().unwrap_or_default();
        match missing {
            true => [self.line.as_slice(), &held].concat(),
            false => held,
        }
    }
}

fn is_named(line: &[u8]) -> bool {
    line.iter()
        .position(|byte| *byte == b':')
        .is_some_and(|colon| {
            line.get(..colon)
                .is_some_and(|name| name.trim_ascii_end().eq_ignore_ascii_case(NAME.as_bytes()))
        })
}

const NAME: &str = "X-MSS-NIL";
const LONGEST_HEADER: usize = 64 * 1024;
