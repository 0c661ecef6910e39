//! Reading a file: in pieces, no byte more than the content needs.

use crate::apdu::{Command, StatusWord};
use crate::error::Error;
use crate::exchange::Link;
use crate::tlv::{Header, Reader};

/// What a read returned, and the status of its last command.
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) status: StatusWord,
}

/// How to know that enough was read.
#[derive(Clone, Copy)]
pub(crate) enum Extent<'a> {
    /// At the end of the file.
    File,
    /// After this many bytes.
    Length(usize),
    /// After the first TLV; its own header tells its length.
    FirstTlv,
    /// After the last TLV of a file that may be padded.
    Tlvs,
    /// As soon as this says so.
    Until(&'a dyn Fn(&[u8]) -> bool),
}

impl Extent<'_> {
    /// Total number of bytes wanted, once `content` tells.
    fn total(&self, content: &[u8]) -> Option<usize> {
        match self {
            Self::File => None,
            Self::Length(length) => Some(*length),
            Self::FirstTlv => Header::read(content).ok()?.total(),
            Self::Tlvs => {
                let mut reader = Reader::padded(content);
                let end: usize = reader
                    .by_ref()
                    .map_while(Result::ok)
                    .map(|tlv| tlv.raw.len())
                    .sum();
                matches!(content.get(end), Some(0x00 | 0xFF)).then_some(end)
            }
            Self::Until(enough) => enough(content).then_some(content.len()),
        }
    }
}

/// Reads the current file from `start`. `size` is what the card declared, `first` the length of
/// the first piece when there is a good guess (0 for none).
///
/// # Errors
/// What the card answered when it was not data, [`Error::Malformed`] when the file ends before
/// the extent does or exceeds [`MAX_FILE`].
pub(crate) fn current_file(
    link: &mut Link<'_>,
    start: usize,
    size: Option<usize>,
    extent: Extent<'_>,
    first: u16,
) -> Result<Content, Error> {
    let class = link.state.driver.class();
    pieces(link, start, size, extent, first, |offset, length| {
        let [high, low] = (offset as u16).to_be_bytes();
        Command::new(class, READ_BINARY, high, low).expecting(length)
    })
}

/// Reads the file with this short identifier in the current directory (ISO 7816-4 §11.2.2). The
/// first piece selects it.
pub(crate) fn short_file(
    link: &mut Link<'_>,
    short_id: u8,
    extent: Extent<'_>,
    first: u16,
) -> Result<Content, Error> {
    let class = link.state.driver.class();
    pieces(link, 0, None, extent, first, |offset, length| {
        let [high, low] = (offset as u16).to_be_bytes();
        let high = if offset == 0 { 0x80 | short_id } else { high };
        Command::new(class, READ_BINARY, high, low).expecting(length)
    })
}

fn pieces(
    link: &mut Link<'_>,
    start: usize,
    size: Option<usize>,
    extent: Extent<'_>,
    first: u16,
    command: impl Fn(usize, u16) -> Command,
) -> Result<Content, Error> {
    let mut content = Content {
        bytes: Vec::new(),
        status: StatusWord::OK,
    };
    let size = size.map(|size| size.saturating_sub(start));
    loop {
        let read = content.bytes.len();
        let total = extent.total(&content.bytes);
        if let Some(total) = total.filter(|total| read >= *total) {
            content.bytes.truncate(total);
            return Ok(content);
        }
        if size.is_some_and(|size| read >= size) {
            return ended(content, total);
        }
        let limit = total.into_iter().chain(size).min().unwrap_or(usize::MAX);
        if start + read > MAX_OFFSET || total.is_some_and(|total| total > MAX_FILE) {
            return Err(Error::Malformed {
                what: "file, larger than any file of the card",
            });
        }
        let guess = if read == 0 && first != 0 {
            usize::from(first)
        } else {
            MAX_PIECE
        };
        let wanted = guess.min(limit - read);
        let answer = link.ask(&command(start + read, wanted as u16))?;
        content.status = answer.status;
        match answer.status {
            StatusWord::OK | StatusWord::END_OF_FILE => {
                if answer.data.len() > wanted {
                    return Err(Error::Malformed {
                        what: "answer, longer than asked",
                    });
                }
                content.bytes.extend_from_slice(&answer.data);
                let total = extent.total(&content.bytes);
                // Less than asked ends the file, unless the content says that more must come: a
                // card may give less at once than was asked.
                let ends = match total {
                    Some(_) => answer.data.is_empty(),
                    None => answer.data.len() < wanted,
                };
                if ends || answer.status != StatusWord::OK {
                    return ended(content, total);
                }
            }
            StatusWord::BAD_OFFSET => return ended(content, total),
            status => return Err(link.refused(status)),
        }
    }
}

/// The file is at its end: enough, unless the content says that more should have come.
fn ended(mut content: Content, total: Option<usize>) -> Result<Content, Error> {
    match total {
        Some(total) if content.bytes.len() < total => Err(Error::Malformed { what: "file, cut" }),
        Some(total) => {
            content.bytes.truncate(total);
            Ok(content)
        }
        None => Ok(content),
    }
}

const MAX_FILE: usize = 0x4000;
/// READ BINARY has fifteen bits of offset.
const MAX_OFFSET: usize = 0x7FFF;
const MAX_PIECE: usize = 256;
const READ_BINARY: u8 = 0xB0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apdu::Protocol;
    use crate::cps3::Cps3;
    use crate::error::Operation;
    use crate::exchange::{Position, State};
    use crate::script::Script;

    fn read(
        extent: Extent<'_>,
        size: Option<usize>,
        exchanges: &[(&str, &str)],
    ) -> Result<Vec<u8>, Error> {
        let mut state = State {
            driver: &Cps3,
            protocol: Protocol::T0,
            position: Position::Unknown,
        };
        Script::run(exchanges, |script| {
            let mut link = Link::new(&mut state, script, Operation::ReadData);
            current_file(&mut link, 0, size, extent, 0).map(|content| content.bytes)
        })
    }

    #[test]
    fn a_file_that_ends_before_its_declared_length_is_cut() {
        let cut = Err(Error::Malformed { what: "file, cut" });
        let length = Extent::Length(4);
        assert_eq!(
            read(length, None, &[("00 B0 00 00 04", "01 02 62 82")]),
            cut
        );
        assert_eq!(
            read(
                length,
                None,
                &[
                    ("00 B0 00 00 04", "01 02 90 00"),
                    ("00 B0 00 02 02", "6B 00")
                ]
            ),
            cut
        );
        assert_eq!(
            read(length, Some(2), &[("00 B0 00 00 02", "01 02 90 00")]),
            cut
        );
    }

    #[test]
    fn a_file_without_declared_length_is_read_to_its_end() {
        let file = Extent::File;
        assert_eq!(
            read(file, None, &[("00 B0 00 00 00", "01 02 90 00")]),
            Ok(vec![1, 2])
        );
        assert_eq!(read(file, None, &[("00 B0 00 00 00", "6B 00")]), Ok(vec![]));
        assert_eq!(
            read(file, Some(2), &[("00 B0 00 00 02", "01 02 90 00")]),
            Ok(vec![1, 2])
        );
        let full = format!("{} 90 00", "AA".repeat(256));
        let exchanges = [("00 B0 00 00 00", &full[..]), ("00 B0 01 00 00", "6B 00")];
        assert_eq!(
            read(file, None, &exchanges).map(|content| content.len()),
            Ok(256)
        );
    }

    #[test]
    fn padding_after_the_last_tlv_is_not_read() {
        let padded = format!("30 01 AA {} 90 00", "00".repeat(253));
        let content = read(Extent::Tlvs, None, &[("00 B0 00 00 00", &padded)]);
        assert_eq!(content, Ok(vec![0x30, 0x01, 0xAA]));
    }

    #[test]
    fn more_than_asked_or_than_any_file_holds_is_refused() {
        let long = read(
            Extent::Length(1),
            None,
            &[("00 B0 00 00 01", "01 02 90 00")],
        );
        assert!(matches!(long, Err(Error::Malformed { .. })), "{long:?}");
        let huge = read(
            Extent::FirstTlv,
            None,
            &[("00 B0 00 00 00", "30 82 FF FF 90 00")],
        );
        assert!(matches!(huge, Err(Error::Malformed { .. })), "{huge:?}");
    }
}
