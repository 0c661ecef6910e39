//! One command of a client, whole (RFC 3501 §9).
//!
//! The imap-codec crate was tried for this and does not fit. It tells no tag for a command that it
//! does not know or that is malformed (both need a tagged `BAD`), refuses base64 without padding
//! and bare line feeds that clients send, leaves a decoded password unwiped, and knows ID only
//! with a feature; what bounds a command and its literals had to be ours in any case. The few
//! commands that matter before a login have words and strings for arguments.

use zeroize::Zeroizing;

use super::literal::{Literal, without_end};

/// A command.
pub(super) struct Command<'a> {
    /// What its answer begins with.
    pub(super) tag: &'a str,
    /// Its name, in upper case.
    pub(super) name: String,
    /// What follows.
    pub(super) arguments: Arguments<'a>,
}

/// A command that cannot be read.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Malformed<'a> {
    /// Its tag, if that much can be read.
    pub(super) tag: Option<&'a str>,
}

impl<'a> Command<'a> {
    /// Reads tag and name.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed<'a>> {
        let mut arguments = Arguments { rest: bytes };
        let tag = arguments
            .word()
            .and_then(|tag| str::from_utf8(tag).ok())
            .filter(|tag| is_tag(tag))
            .ok_or(Malformed { tag: None })?;
        let name = arguments
            .atom()
            .and_then(|name| str::from_utf8(name).ok())
            .ok_or(Malformed { tag: Some(tag) })?;
        Ok(Self {
            tag,
            name: name.to_ascii_uppercase(),
            arguments,
        })
    }
}

/// The arguments of a command that have not been read.
pub(super) struct Arguments<'a> {
    rest: &'a [u8],
}

impl<'a> Arguments<'a> {
    /// The next word, if it is one and not a string.
    pub(super) fn atom(&mut self) -> Option<&'a [u8]> {
        self.space()?;
        self.word()
    }

    /// The next argument as a word, a quoted string or a literal.
    pub(super) fn astring(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.space()?;
        match self.rest.first()? {
            b'"' => self.quoted(),
            b'{' => self.literal(),
            _ => self.word().map(|word| Zeroizing::new(word.to_vec())),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.iter().all(|byte| *byte == b' ')
    }

    fn space(&mut self) -> Option<()> {
        let spaces = self.rest.iter().take_while(|byte| **byte == b' ').count();
        self.rest = self.rest.get(spaces..)?;
        (spaces > 0).then_some(())
    }

    fn word(&mut self) -> Option<&'a [u8]> {
        let length = self.rest.iter().take_while(|byte| is_word(**byte)).count();
        let (word, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        (!word.is_empty() && matches!(rest.first(), None | Some(b' '))).then_some(word)
    }

    fn quoted(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(Vec::with_capacity(self.rest.len()));
        let mut bytes = self.rest.get(1..)?.iter();
        loop {
            match bytes.next()? {
                b'"' => break,
                b'\\' => text.push(*bytes.next().filter(|byte| b"\"\\".contains(byte))?),
                b'\0' | b'\r' | b'\n' => return None,
                byte => text.push(*byte),
            }
        }
        self.rest = bytes.as_slice();
        Some(text)
    }

    fn literal(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')? + 1;
        let (announcement, behind) = self.rest.split_at_checked(end)?;
        let literal = Literal::announced(without_end(announcement))?;
        let (text, rest) = behind.split_at_checked(usize::try_from(literal.length).ok()?)?;
        self.rest = rest;
        Some(Zeroizing::new(text.to_vec()))
    }
}

/// Whether a word may be a tag; its answer is a line of its own.
fn is_tag(word: &str) -> bool {
    word.len() <= TAG_LIMIT
        && word
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"+%*\"\\".contains(&byte))
}

/// Whether a byte may be in a word. Passwords and names are taken as they come.
fn is_word(byte: u8) -> bool {
    byte > b' ' && byte != 0x7F && !b"(){\"\\".contains(&byte)
}

/// The longest tag that is answered. Programs count in them.
const TAG_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn login(command: &str) -> Option<(String, String)> {
        let mut command = Command::parse(command.as_bytes()).ok()?;
        let text = |bytes: Option<Zeroizing<Vec<u8>>>| String::from_utf8(bytes?.to_vec()).ok();
        let both = (
            text(command.arguments.astring())?,
            text(command.arguments.astring())?,
        );
        command.arguments.is_empty().then_some(both)
    }

    #[test]
    fn strings_have_three_notations() {
        let both = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for command in [
            "a1 LOGIN user@x.fr secret",
            "a1 login \"user@x.fr\" \"secret\"",
            "a1 LOGIN {9}\r\nuser@x.fr {6}\r\nsecret",
            "a1 LOGIN {9+}\nuser@x.fr \"secret\"",
            "a1 LOGIN  user@x.fr  secret ",
        ] {
            assert_eq!(login(command), both("user@x.fr", "secret"), "{command}");
        }
        assert_eq!(login(r#"a LOGIN "a\"b" "c\\d""#), both("a\"b", "c\\d"));
        assert_eq!(login("a LOGIN {3}\r\na\nb {0}\r\n"), both("a\nb", ""));
        assert_eq!(login("a LOGIN \"\" \"\""), both("", ""));
        assert_eq!(login("a LOGIN %* ]"), both("%*", "]"));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for command in [
            "a LOGIN user",
            "a LOGIN user secret more",
            "a LOGIN \"user secret",
            "a LOGIN \"user\"secret",
            "a LOGIN us\"er secret",
            "a LOGIN \"us\\er\" secret",
            "a LOGIN {9}\r\nuser",
            "a LOGIN {9} secret",
            "a LOGIN us\0er secret",
            "a LOGIN \"us\0er\" secret",
            "a LOGIN (user) secret",
        ] {
            assert_eq!(login(command), None, "{command}");
        }
        let malformed = |command: &'static str| Command::parse(command.as_bytes()).err();
        assert_eq!(malformed("a"), Some(Malformed { tag: Some("a") }));
        assert_eq!(malformed("a (x)"), Some(Malformed { tag: Some("a") }));
        for command in ["", " NOOP", "* NOOP", "+ NOOP", "a\"b NOOP", "\u{e9} NOOP"] {
            assert_eq!(malformed(command), Some(Malformed { tag: None }));
        }
    }
}
