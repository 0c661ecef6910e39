//! The directory of a card: PKCS#15 v1.1 (ISO 7816-15), read tolerantly.
//!
//! Each reader takes the bytes of one file and returns the entries that it understands: entries of
//! unknown types are skipped, missing optional fields stay empty, padding after the last entry is
//! ignored. Only broken BER-TLV framing is an error, because then the file was not read whole.

pub(crate) mod aodf;
pub(crate) mod cdf;
pub(crate) mod dir;
pub(crate) mod dodf;
pub(crate) mod odf;
pub(crate) mod prkdf;
pub(crate) mod token_info;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::hex::Hex;
use crate::tlv::{Reader, Tlv, TlvError};

/// Where the value of an object is: a file, or a part of it (PKCS#15 `Path`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Location {
    /// Path from the MF, `3F00` included.
    pub path: Hex,
    /// First byte of the value in the file.
    pub offset: usize,
    /// Length of the value in bytes; `None` for all that follows.
    pub length: Option<usize>,
}

impl Location {
    /// Reads a `Path` SEQUENCE; relative paths start at the application's directory.
    fn read(tlv: &Tlv<'_>, application: &[u8]) -> Option<Self> {
        let mut path = None;
        let (mut offset, mut length) = (0, None);
        for field in tlv.children().flatten() {
            match field.tag.0 {
                OCTET_STRING => path = path.or_else(|| absolute(field.value, application)),
                INTEGER => offset = integer(field.value)? as usize,
                0x80 => length = Some(integer(field.value)? as usize),
                _ => {}
            }
        }
        path.map(|path| Self {
            path: Hex(path),
            offset,
            length,
        })
    }
}

/// A path from the MF, out of what a card wrote: absolute (`3F00…`), relative to the application's
/// directory (`3FFF…` or without prefix), or empty (that directory). `None` when it is no path.
pub(crate) fn absolute(path: &[u8], application: &[u8]) -> Option<Vec<u8>> {
    if !path.len().is_multiple_of(2) || path.len() > MAX_PATH {
        return None;
    }
    Some(match path {
        [0x3F, 0x00, ..] => path.to_vec(),
        [0x3F, 0xFF, rest @ ..] | rest => [application, rest].concat(),
    })
}

/// The master file.
pub(crate) const MF: &[u8] = &[0x3F, 0x00];

/// What every PKCS#15 object starts with.
#[derive(Default)]
struct Common {
    label: String,
    private: bool,
    modifiable: bool,
    auth_id: Option<Vec<u8>>,
}

/// A PKCS#15 object: common attributes, attributes of its class, attributes of its type.
struct Object<'a> {
    common: Common,
    class: Tlv<'a>,
    kind: Tlv<'a>,
}

impl<'a> Object<'a> {
    /// `SEQUENCE { common, class, [0] subclass OPTIONAL, [1] type }`.
    fn read(entry: &Tlv<'a>) -> Option<Self> {
        let mut fields = entry.children().flatten();
        let common = Common::read(&fields.next()?)?;
        let class = fields.next().filter(|class| class.tag.0 == SEQUENCE)?;
        let kind = fields.find(|field| field.tag.0 == 0xA1)?;
        Some(Self {
            common,
            class,
            kind,
        })
    }

    /// The first value inside the type attributes.
    fn kind_value(&self) -> Option<Tlv<'a>> {
        self.kind.children().flatten().next()
    }
}

impl Common {
    fn read(tlv: &Tlv<'_>) -> Option<Self> {
        if tlv.tag.0 != SEQUENCE {
            return None;
        }
        let mut common = Self::default();
        for field in tlv.children().flatten() {
            match field.tag.0 {
                UTF8_STRING => common.label = text(field.value),
                BIT_STRING => {
                    let flags = bits(field.value);
                    common.private = flags & 1 != 0;
                    common.modifiable = flags & 2 != 0;
                }
                OCTET_STRING => common.auth_id = Some(field.value.to_vec()),
                _ => {}
            }
        }
        Some(common)
    }
}

/// The entries of a directory file that `read` understands.
fn entries<T>(
    file: &[u8],
    what: &'static str,
    mut read: impl FnMut(Tlv<'_>) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let read: Result<Vec<Option<T>>, TlvError> = Reader::padded(file)
        .take(MAX_ENTRIES)
        .map(|tlv| tlv.map(&mut read))
        .collect();
    match read {
        Ok(entries) => Ok(entries.into_iter().flatten().collect()),
        Err(_) => Err(Error::Malformed { what }),
    }
}

/// A non-negative INTEGER below 2³². One byte with its top bit set, as some cards write a
/// reference, is read as unsigned.
fn integer(value: &[u8]) -> Option<u32> {
    match value {
        [0, rest @ ..] if rest.len() <= 4 => Some(rest),
        [] => None,
        short if short.len() <= 4 => Some(short),
        _ => None,
    }
    .map(|bytes| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    })
}

/// A BIT STRING as flags: the first bit of the standard's list is the least significant here.
fn bits(value: &[u8]) -> u32 {
    let Some((_unused, bytes)) = value.split_first() else {
        return 0;
    };
    bytes
        .iter()
        .take(4)
        .enumerate()
        .fold(0, |flags, (index, byte)| {
            flags | u32::from(byte.reverse_bits()) << (8 * index)
        })
}

/// A label. Cards are asked for UTF-8; what is not is read as ISO-8859-1 rather than refused.
fn text(value: &[u8]) -> String {
    match core::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

const BIT_STRING: u32 = 0x03;
const BOOLEAN: u32 = 0x01;
const ENUMERATED: u32 = 0x0A;
const INTEGER: u32 = 0x02;
const OCTET_STRING: u32 = 0x04;
const SEQUENCE: u32 = 0x30;
const UTF8_STRING: u32 = 0x0C;
const MAX_ENTRIES: usize = 256;
const MAX_PATH: usize = 16;

#[cfg(test)]
mod tests;
