//! What an operator's server says before anybody is logged in: lines, all of them short.

use super::super::literal::without_end;
use crate::Refused;

/// A server's bytes, cut into lines.
#[derive(Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Up to where no line end is.
    searched: usize,
    taken: usize,
}

impl Lines {
    /// Adds what arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line, with its end.
    ///
    /// # Errors
    ///
    /// [`Refused::Protocol`] for more than any server has to say.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Refused> {
        let unread = self.buffer.get(self.searched..).unwrap_or_default();
        let end = unread.iter().position(|byte| *byte == b'\n');
        let length = self.searched + end.map_or(unread.len(), |end| end + 1);
        if self.taken + length > LIMIT {
            return Err(Refused::Protocol("too much was said before the login"));
        }
        if end.is_none() {
            self.searched = length;
            return Ok(None);
        }
        self.searched = 0;
        self.taken += length;
        let rest = self.buffer.split_off(length);
        Ok(Some(std::mem::replace(&mut self.buffer, rest)))
    }

    /// What has not been taken.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}

/// A line of a server (RFC 3501 §7).
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Response {
    /// `+`: it awaits an answer.
    Continue,
    /// `* OK`, `* NO`, `* BAD`, `* BYE`, `* PREAUTH`.
    Untagged(Status),
    /// `* CAPABILITY`.
    Capability(Capability),
    /// Any other line that begins with `*`.
    Data,
    /// The answer to a command.
    Tagged(String, Status),
}

/// A status response.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Status {
    pub(super) kind: Kind,
    /// What is in brackets before the text, in upper case, with its arguments.
    pub(super) code: String,
    /// The text for a person.
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Ok,
    No,
    Bad,
    Bye,
    Preauth,
}

/// What a server offers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Capability(String);

impl Response {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// [`Refused::Protocol`]: it is not of IMAP.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Refused> {
        let line = String::from_utf8_lossy(without_end(line));
        let (first, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match first {
            "+" => Ok(Self::Continue),
            "*" => {
                let (word, names) = rest.split_once(' ').unwrap_or((rest, ""));
                if word.eq_ignore_ascii_case("CAPABILITY") {
                    return Ok(Self::Capability(Capability::new(names)));
                }
                Ok(Status::parse(rest).map_or(Self::Data, Self::Untagged))
            }
            tag => match Status::parse(rest) {
                Some(status) if matches!(status.kind, Kind::Ok | Kind::No | Kind::Bad) => {
                    Ok(Self::Tagged(tag.to_owned(), status))
                }
                _ => Err(Refused::Protocol("a line is not of IMAP")),
            },
        }
    }
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        let (word, text) = text.split_once(' ').unwrap_or((text, ""));
        let kind = KINDS
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name))
            .map(|(_, kind)| *kind)?;
        let (code, text) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
            Some((code, text)) => (code, text.trim_start()),
            None => ("", text),
        };
        Some(Self {
            kind,
            code: code.to_ascii_uppercase(),
            text: text.chars().take(TEXT_LIMIT).collect(),
        })
    }

    /// What the server offers, if the code says it.
    pub(super) fn capability(&self) -> Option<Capability> {
        let names = self.code.strip_prefix("CAPABILITY ")?;
        Some(Capability::new(names))
    }
}

impl Capability {
    fn new(names: &str) -> Self {
        Self(names.to_ascii_uppercase())
    }

    pub(super) fn offers(&self, name: &str) -> bool {
        self.0.split(' ').any(|offered| offered == name)
    }
}

const KINDS: &[(&str, Kind)] = &[
    ("OK", Kind::Ok),
    ("NO", Kind::No),
    ("BAD", Kind::Bad),
    ("BYE", Kind::Bye),
    ("PREAUTH", Kind::Preauth),
];

/// How much a server may say in one dialogue.
const LIMIT: usize = 64 * 1024;

/// How much of a text is kept.
const TEXT_LIMIT: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let status = |kind, code: &str, text: &str| Status {
            kind,
            code: code.to_owned(),
            text: text.to_owned(),
        };
        for (line, expected) in [
            ("+ \r\n", Response::Continue),
            ("+\r\n", Response::Continue),
            ("+ eyJ9\r\n", Response::Continue),
            (
                "* ok [capability imap4rev1] hello\r\n",
                Response::Untagged(status(Kind::Ok, "CAPABILITY IMAP4REV1", "hello")),
            ),
            ("* BYE\r\n", Response::Untagged(status(Kind::Bye, "", ""))),
            (
                "* CAPABILITY IMAP4rev1 AUTH=EXTERNAL\r\n",
                Response::Capability(Capability("IMAP4REV1 AUTH=EXTERNAL".to_owned())),
            ),
            ("* 3 EXISTS\r\n", Response::Data),
            (
                "g1 NO [ALERT] Client didn't\n",
                Response::Tagged("g1".to_owned(), status(Kind::No, "ALERT", "Client didn't")),
            ),
            (
                "g1 OK [UNCLOSED\r\n",
                Response::Tagged("g1".to_owned(), status(Kind::Ok, "", "[UNCLOSED")),
            ),
        ] {
            assert_eq!(Response::parse(line.as_bytes()), Ok(expected), "{line}");
        }
        for line in [
            "\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
            "g1 BYE\r\n",
            "g1\r\n",
            "\0\r\n",
        ] {
            assert!(Response::parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
