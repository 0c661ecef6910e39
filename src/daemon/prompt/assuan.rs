//! The Assuan line protocol, client side, as far as pinentry speaks it (GnuPG, "Assuan" manual,
//! "Client responses" and "Server responses"). Lines from the server are read into locked memory.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{LockedBuffer, PromptError};

/// Percent-encodes what a command line cannot hold: `%`, line breaks and other controls.
pub fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '%' || character.is_ascii_control() {
            // Writing to a String cannot fail.
            let _ = write!(line, "%{:02X}", u32::from(character));
        } else {
            line.push(character);
        }
        if line.len() > LONGEST_TEXT {
            line.push('…');
            break;
        }
    }
    line
}

/// Appends the decoded content of a `D` line to what `into` holds.
///
/// # Errors
/// A `%` without two hexadecimal digits, or more than the buffer holds.
pub fn decode(data: &[u8], into: &mut LockedBuffer) -> Result<(), PromptError> {
    let mut length = into.bytes().len();
    let mut rest = data;
    while let Some((first, behind)) = rest.split_first() {
        let byte;
        (byte, rest) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
                match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => (high << 4 | low, behind),
                    _ => return Err(misbehaved("a data line with a bad escape")),
                }
            }
            (b'%', _) => return Err(misbehaved("a data line with a cut escape")),
            (byte, behind) => (*byte, behind),
        };
        *into
            .room()
            .get_mut(length)
            .ok_or_else(|| misbehaved("too much data"))? = byte;
        length += 1;
    }
    into.set_length(length);
    Ok(())
}

/// One line of the server. It has no `Debug`: a `D` line may hold a PIN.
pub enum Response<'a> {
    /// `#…` and `S …`: nothing to act upon.
    Aside,
    /// `D …`, still encoded.
    Data(&'a [u8]),
    /// `ERR CODE TEXT`: the code of libgpg-error without its source, and the text.
    Error(u16, String),
    /// `OK …`.
    Ok,
}

impl<'a> Response<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, PromptError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(data) = line.strip_prefix(b"D ") {
            return Ok(Self::Data(data));
        }
        let (word, rest) = match line.iter().position(|byte| *byte == b' ') {
            Some(blank) => (&line[..blank], &line[blank + 1..]),
            None => (line, &[][..]),
        };
        match word {
            b"OK" => Ok(Self::Ok),
            b"S" | b"" => Ok(Self::Aside),
            _ if word.starts_with(b"#") => Ok(Self::Aside),
            b"ERR" => {
                let text = String::from_utf8_lossy(rest);
                let (code, text) = text.split_once(' ').unwrap_or((&text, ""));
                let code: u32 = code
                    .parse()
                    .map_err(|_| misbehaved("an error without a number"))?;
                Ok(Self::Error(
                    (code & 0xFFFF) as u16,
                    crate::caller::visible(text),
                ))
            }
            // Not quoted: whatever it is, it might be what the person typed.
            _ => Err(misbehaved("a line that is no answer")),
        }
    }
}

/// Reads lines of a bounded length, in locked memory from the first byte on.
pub struct Lines<R> {
    reader: R,
    page: LockedBuffer,
    /// Where the line given last ends in the page, its newline included.
    used: usize,
    filled: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads from `reader`, usually the standard output of the program.
    ///
    /// # Errors
    /// No memory can be locked.
    pub fn new(reader: R) -> Result<Self, PromptError> {
        Ok(Self {
            reader,
            page: locked()?,
            used: 0,
            filled: 0,
        })
    }

    /// The next line, without its end.
    ///
    /// # Errors
    /// The output ended or broke off, a line is longer than the buffer, or no answer of the protocol.
    pub async fn next(&mut self) -> Result<Response<'_>, PromptError> {
        self.page.room().copy_within(self.used..self.filled, 0);
        self.filled -= self.used;
        self.used = 0;
        self.page.set_length(self.filled);
        let end = loop {
            let held = &self.page.bytes()[..self.filled];
            if let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                break end;
            }
            let room = &mut self.page.room()[self.filled..];
            if room.is_empty() {
                return Err(misbehaved("a line without end"));
            }
            let read = self
                .reader
                .read(room)
                .await
                .map_err(|error| misbehaved(&format!("its output broke off: {error}")))?;
            if read == 0 {
                return Err(misbehaved("it ended before answering"));
            }
            self.filled += read;
            self.page.set_length(self.filled);
        };
        self.used = end + 1;
        Response::parse(&self.page.bytes()[..end])
    }
}

pub(super) fn locked() -> Result<LockedBuffer, PromptError> {
    LockedBuffer::new().map_err(|error| PromptError::Unavailable {
        what: format!("no memory can be locked for the PIN ({error}); raise RLIMIT_MEMLOCK"),
    })
}

pub(super) fn misbehaved(what: &str) -> PromptError {
    PromptError::Misbehaved {
        what: what.to_owned(),
    }
}

/// Assuan allows lines of 1000 bytes; a command and its blank stand before the text.
const LONGEST_TEXT: usize = 940;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(data: &[u8]) -> Result<Vec<u8>, PromptError> {
        let mut buffer = locked()?;
        decode(data, &mut buffer)?;
        Ok(buffer.bytes().to_vec())
    }

    #[test]
    fn the_escapes_of_the_manual() {
        assert_eq!(encode("50 %\nà"), "50 %25%0Aà");
        assert_eq!(decoded(b"a%25b%0D%0a").expect("decoded"), b"a%b\r\n");
    }

    #[test]
    fn bad_escapes_and_floods_are_refused() {
        for bad in [
            &b"%"[..],
            b"12%4",
            b"%zz",
            b"%+1",
            &[b'1'; LockedBuffer::CAPACITY + 1],
        ] {
            assert!(matches!(decoded(bad), Err(PromptError::Misbehaved { .. })));
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused() {
        let endless = tokio::io::repeat(b'1');
        let mut lines = Lines::new(endless).expect("lines");
        assert!(matches!(
            lines.next().await,
            Err(PromptError::Misbehaved { .. })
        ));
    }

    #[tokio::test]
    async fn an_unknown_answer_is_refused_without_being_quoted() {
        let mut lines = Lines::new(&b"1234 secret\n"[..]).expect("lines");
        let Err(error) = lines.next().await else {
            panic!("accepted")
        };
        assert!(!error.to_string().contains("1234"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in "\\PC{0,100}[\r\n%]{0,9}") {
            prop_assert_eq!(decoded(encode(&text).as_bytes()).expect("decoded"), text.as_bytes());
        }

        #[test]
        fn an_encoded_line_is_one_line_that_fits(text in any::<String>()) {
            let line = encode(&text.repeat(40));
            prop_assert!(line.len() < 960 && !line.contains(['\r', '\n']));
        }

        #[test]
        fn random_output_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
            runtime.block_on(async {
                let mut lines = Lines::new(&bytes[..]).expect("lines");
                while let Ok(response) = lines.next().await {
                    if let Response::Data(data) = response {
                        let _ = decode(data, &mut locked().expect("locked"));
                    }
                }
            });
        }
    }
}
