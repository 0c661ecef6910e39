//! A message on its way: where it ends, and how large it is.

use super::heading::Heading;

/// The octets behind `DATA` (RFC 5321 §4.1.1.4, §4.5.2).
///
/// The message ends at a line that is a dot, between two CRLF. Some servers also take a dot between
/// other line ends for the end, and what follows for commands that nobody checked ("SMTP
/// smuggling"): a message in which such a line stands is not sent.
pub(super) struct Content {
    at: At,
    size: u64,
    heading: Option<Heading>,
}

impl Content {
    /// A message that is awaited, in which a line with this reference of the product must stand.
    pub(super) fn new(product: Option<&str>) -> Self {
        Self {
            at: At::LineStart { whole: true },
            size: 0,
            heading: product.map(Heading::new),
        }
    }

    /// The same, no longer to be passed on.
    pub(super) fn without_heading(mut self) -> Self {
        self.heading = None;
        self
    }

    /// How many octets of the message have come, without the dots that stand for transparency
    /// (RFC 1870 §3).
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Takes octets up to the end of the message.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Taken {
        let mut message = Vec::with_capacity(bytes.len() + 2);
        let mut end = None;
        let mut used = 0;
        for byte in bytes {
            used += 1;
            end = self.step(*byte, &mut message);
            if end.is_some() {
                break;
            }
        }
        let mut forward = match &mut self.heading {
            Some(heading) => heading.take(message),
            None => message,
        };
        if end == Some(End::Dot) {
            if let Some(heading) = self.heading.take() {
                forward.extend(heading.finish());
            }
            forward.extend_from_slice(b".\r\n");
        }
        Taken { forward, used, end }
    }

    fn step(&mut self, byte: u8, message: &mut Vec<u8>) -> Option<End> {
        // A CR that no LF follows may be a line's end to somebody.
        if self.at == At::Cr && byte != b'\n' {
            self.at = At::LineStart { whole: false };
        }
        match (self.at, byte) {
            (At::Dot { whole }, b'\r') => {
                self.at = At::DotCr { whole };
                return None;
            }
            (At::DotCr { whole: true }, b'\n') => return Some(End::Dot),
            (At::Dot { .. }, b'\n') | (At::DotCr { .. }, _) => return Some(End::Ambiguous),
            (At::LineStart { whole }, b'.') => {
                self.at = At::Dot { whole };
                return None;
            }
            (At::Dot { whole }, _) => {
                // The server takes this dot away, unless it stands at the start of no line.
                self.size += u64::from(!whole);
                message.push(b'.');
                self.at = At::Inside;
            }
            _ => {}
        }
        self.at = match (self.at, byte) {
            (_, b'\r') => At::Cr,
            (At::Cr, b'\n') => At::LineStart { whole: true },
            (_, b'\n') => At::LineStart { whole: false },
            _ => At::Inside,
        };
        self.size += 1;
        message.push(byte);
        None
    }
}

/// What became of some octets.
pub(super) struct Taken {
    /// What goes to the server; with the end, the dot as well.
    pub(super) forward: Vec<u8>,
    /// How many octets were used. All, unless the message ended.
    pub(super) used: usize,
    pub(super) end: Option<End>,
}

/// How a message ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// Somewhere where not everybody sees it.
    Ambiguous,
    /// As it should.
    Dot,
}

/// What came last. Lines are `whole` if CRLF was before them. A dot that may be the end is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    Cr,
    Dot { whole: bool },
    DotCr { whole: bool },
    Inside,
    LineStart { whole: bool },
}
