//! Replies of an operator's server.

use super::line::Lines;
use crate::Refused;

/// One whole reply (RFC 5321 §4.2): its code and the texts of its lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// At least one. No control characters: they are shown as `?`.
    pub(super) texts: Vec<String>,
}

impl Reply {
    pub(super) fn new(code: u16, text: &str) -> Self {
        Self {
            code,
            texts: vec![text.to_owned()],
        }
    }

    /// 2xx: done.
    pub(super) fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4xx: to be tried again later.
    pub(super) fn is_passing(&self) -> bool {
        self.code / 100 == 4
    }

    /// All its lines as one.
    pub(super) fn text(&self) -> String {
        self.texts.join(" ")
    }

    /// Code and text, for the journal.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.code, self.text())
    }

    /// As it goes over the wire.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (at, text) in self.texts.iter().enumerate() {
            let separator = if at + 1 == self.texts.len() { ' ' } else { '-' };
            bytes.extend_from_slice(format!("{}{separator}{text}\r\n", self.code).as_bytes());
        }
        bytes
    }
}

/// Replies out of bytes that arrive in pieces.
pub(super) struct Replies {
    lines: Lines,
    /// The lines of a reply whose last line is still to come.
    begun: Option<Reply>,
}

impl Replies {
    pub(super) fn new() -> Self {
        Self {
            lines: Lines::new(LONGEST),
            begun: None,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// The next whole reply, if there is one.
    ///
    /// # Errors
    ///
    /// [`Refused::Protocol`]: this is no reply, or it is too long.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, Refused> {
        while let Some(line) = self.lines.next().map_err(|_| TOO_LONG)? {
            let (code, last, text) = parse(&line).ok_or(NO_REPLY)?;
            let reply = self.begun.get_or_insert_with(|| Reply {
                code,
                texts: Vec::new(),
            });
            if reply.code != code {
                return Err(NO_REPLY);
            }
            reply.texts.push(text);
            if last {
                return Ok(self.begun.take());
            }
            if reply.texts.len() >= MOST_LINES {
                return Err(TOO_LONG);
            }
        }
        Ok(None)
    }

    /// Whether nothing is left: a reply that comes before its command was sent is not believed.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.len() == 0 && self.begun.is_none()
    }
}

/// `250-text`, `250 text` or `250`: the code, whether it is the last line, the text.
fn parse(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    let digits = code.iter().all(u8::is_ascii_digit) && matches!(code, [b'2'..=b'5', ..]);
    let code = str::from_utf8(code).ok()?.parse().ok().filter(|_| digits)?;
    let (last, text) = match rest {
        [] => (true, rest),
        [b' ', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return None,
    };
    let text = String::from_utf8_lossy(text);
    Some((
        code,
        last,
        text.replace(|letter: char| letter.is_control(), "?"),
    ))
}

const NO_REPLY: Refused = Refused::Protocol("not an SMTP reply");
const TOO_LONG: Refused = Refused::Protocol("an overlong SMTP reply");

/// RFC 5321 §4.5.3.1.5 allows 512 octets; some servers explain at greater length.
const LONGEST: usize = 4096;

/// Lines of one reply: the longest are answers to `EHLO`.
const MOST_LINES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(bytes: &[u8]) -> Result<Vec<Reply>, Refused> {
        let mut replies = Replies::new();
        replies.push(bytes);
        let mut found = Vec::new();
        while let Some(reply) = replies.next()? {
            found.push(reply);
        }
        Ok(found)
    }

    #[test]
    fn replies_of_one_and_of_many_lines() {
        let bytes = b"220 mail.operateur.test ESMTP\r\n250-mail.operateur.test\r\n250-SIZE 1\r\n\
            250 HELP\r\n354\r\n";
        let found = replies(bytes).expect("replies");
        assert_eq!(found[0], Reply::new(220, "mail.operateur.test ESMTP"));
        assert_eq!(found[1].texts, ["mail.operateur.test", "SIZE 1", "HELP"]);
        assert_eq!(found[2], Reply::new(354, ""));
        let again: Vec<u8> = found[..2].iter().flat_map(Reply::to_bytes).collect();
        assert!(bytes.starts_with(&again));
    }

    #[test]
    fn controls_do_not_get_through() {
        let found = replies(b"554 5.7.1 a\rb\0c\x1b[2Jd\r\n").expect("a reply");
        assert_eq!(found[0].texts, ["5.7.1 a?b?c?[2Jd"]);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bytes in [
            &b"* OK IMAP4rev1\r\n"[..],
            b"HTTP/1.1 400\r\n",
            b"25\r\n",
            b"150 odd\r\n",
            b"650 odd\r\n",
            b"2500 odd\r\n",
            b"\r\n",
            b"250-one\r\n251 two\r\n",
            b"\x16\x03\x01\n",
        ] {
            assert_eq!(replies(bytes), Err(NO_REPLY), "{bytes:?}");
        }
        assert_eq!(replies(&[b'2'; 5000]), Err(TOO_LONG));
        assert_eq!(replies(&b"250-x\r\n".repeat(200)), Err(TOO_LONG));
    }
}
