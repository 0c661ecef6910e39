//! BER-TLV as cards use it (ISO 7816-4 §5.2.2, ISO 8825-1): definite lengths, tags of up to four
//! bytes, values borrowed from the input. Nothing here allocates according to a declared length,
//! and nothing recurses further than the caller allows.

use core::fmt;

/// A tag as it is written in the standards: the identifier bytes, big-endian (`5A`, `7F48`,
/// `BF8101`).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tag(pub u32);

impl Tag {
    /// Whether the value is itself a sequence of TLVs (bit 6 of the first identifier byte).
    pub fn is_constructed(self) -> bool {
        self.bytes()[0] & 0x20 != 0
    }

    fn bytes(&self) -> TagBytes {
        let all = self.0.to_be_bytes();
        let start = all.iter().position(|byte| *byte != 0).unwrap_or(3);
        TagBytes { all, start }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

impl From<u32> for Tag {
    fn from(tag: u32) -> Self {
        Self(tag)
    }
}

struct TagBytes {
    all: [u8; 4],
    start: usize,
}

impl core::ops::Deref for TagBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.all[self.start..]
    }
}

/// Why bytes are not BER-TLV.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TlvError {
    /// The indefinite form, or a length of more than four bytes.
    #[error("length form not supported")]
    Length,
    /// Constructed values nested deeper than allowed.
    #[error("nested too deep")]
    TooDeep,
    /// A tag of more than four bytes.
    #[error("tag too long")]
    Tag,
    /// The value is longer than what is there.
    #[error("truncated")]
    Truncated,
}

/// Identifier and length bytes of one TLV.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// The tag.
    pub tag: Tag,
    /// How many bytes the tag and the length take.
    pub header: usize,
    /// How many bytes the value takes, as declared; may exceed what is there.
    pub value: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`. The value itself need not be there yet: this is
    /// how a reader learns the size of a file from its first bytes.
    ///
    /// # Errors
    /// [`TlvError`] when the header is cut or has a form that cards do not use.
    pub fn read(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut position = 0;
        let mut next = || {
            let byte = bytes.get(position).copied().ok_or(TlvError::Truncated);
            position += 1;
            byte
        };
        let first = next()?;
        let mut tag = u32::from(first);
        if first & 0x1F == 0x1F {
            loop {
                if tag > 0x00FF_FFFF {
                    return Err(TlvError::Tag);
                }
                let byte = next()?;
                tag = tag << 8 | u32::from(byte);
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        let value = match next()? {
            short @ 0..=0x7F => usize::from(short),
            0x81 => usize::from(next()?),
            long @ 0x82..=0x84 => {
                let mut value = 0_u32;
                for _ in 0..long & 0x0F {
                    value = value << 8 | u32::from(next()?);
                }
                usize::try_from(value).map_err(|_| TlvError::Length)?
            }
            _ => return Err(TlvError::Length),
        };
        Ok(Self {
            tag: Tag(tag),
            header: position,
            value,
        })
    }

    /// Bytes of the whole TLV; `None` when that exceeds the address space.
    pub fn total(&self) -> Option<usize> {
        self.header.checked_add(self.value)
    }
}

/// One data object: a tag and its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tlv<'a> {
    /// The tag.
    pub tag: Tag,
    /// The value, without tag and length.
    pub value: &'a [u8],
    /// The whole object, tag and length included.
    pub raw: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The objects inside the value. Meaningful when the tag is constructed.
    pub fn children(&self) -> Reader<'a> {
        Reader::new(self.value)
    }

    /// The first object inside the value with this tag.
    ///
    /// # Errors
    /// [`TlvError`] when an object before it is malformed.
    pub fn find(&self, tag: impl Into<Tag>) -> Result<Option<Self>, TlvError> {
        self.children().find_tag(tag)
    }
}

/// Reads consecutive TLVs. After an error it yields nothing more.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    padded: bool,
}

impl<'a> Reader<'a> {
    /// A reader of exactly these objects: every byte belongs to one.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            padded: false,
        }
    }

    /// A reader of a file that may be larger than its content: a `00` or `FF` where a tag is
    /// expected ends it (ISO 7816-4 §5.2.2 forbids these as tags for that purpose).
    pub fn padded(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            padded: true,
        }
    }

    /// The first remaining object with this tag.
    ///
    /// # Errors
    /// [`TlvError`] when an object before it is malformed.
    pub fn find_tag(mut self, tag: impl Into<Tag>) -> Result<Option<Tlv<'a>>, TlvError> {
        let tag = tag.into();
        self.find_map(|tlv| match tlv {
            Ok(tlv) if tlv.tag == tag => Some(Ok(tlv)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .transpose()
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn read(&mut self) -> Result<Tlv<'a>, TlvError> {
        let header = Header::read(self.rest)?;
        let total = header.total().ok_or(TlvError::Length)?;
        let (raw, rest) = self
            .rest
            .split_at_checked(total)
            .ok_or(TlvError::Truncated)?;
        self.rest = rest;
        Ok(Tlv {
            tag: header.tag,
            value: &raw[header.header..],
            raw,
        })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Tlv<'a>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rest.first() {
            None => return None,
            Some(0x00 | 0xFF) if self.padded => {
                self.rest = &[];
                return None;
            }
            Some(_) => {}
        }
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        Some(read)
    }
}

/// Calls `visit` for every object in `bytes`, parents before children, with the nesting depth
/// (0 at the top).
///
/// # Errors
/// [`TlvError`] when an object is malformed or nested deeper than `max_depth`.
pub fn walk<'a>(
    bytes: &'a [u8],
    max_depth: usize,
    visit: &mut dyn FnMut(usize, &Tlv<'a>),
) -> Result<(), TlvError> {
    fn level<'a>(
        bytes: &'a [u8],
        depth: usize,
        max_depth: usize,
        visit: &mut dyn FnMut(usize, &Tlv<'a>),
    ) -> Result<(), TlvError> {
        for tlv in Reader::new(bytes) {
            let tlv = tlv?;
            if depth > max_depth {
                return Err(TlvError::TooDeep);
            }
            visit(depth, &tlv);
            if tlv.tag.is_constructed() {
                level(tlv.value, depth + 1, max_depth, visit)?;
            }
        }
        Ok(())
    }
    level(bytes, 0, max_depth, visit)
}

/// Appends one object to `out`, with the shortest length form.
pub fn write(out: &mut Vec<u8>, tag: impl Into<Tag>, value: &[u8]) {
    write_tag(out, tag);
    match value.len() {
        length @ 0..=0x7F => out.push(length as u8),
        length @ 0x80..=0xFF => out.extend([0x81, length as u8]),
        length @ 0x100..=0xFFFF => {
            out.push(0x82);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0x84);
            // Four gigabytes are far beyond anything a card or this program holds.
            out.extend((length as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(value);
}

/// Appends the identifier bytes of a tag alone, as tag lists and header lists want them.
pub fn write_tag(out: &mut Vec<u8>, tag: impl Into<Tag>) {
    out.extend_from_slice(&tag.into().bytes());
}

/// One object as bytes, with the shortest length form.
pub fn encode(tag: impl Into<Tag>, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 8);
    write(&mut out, tag, value);
    out
}

/// A constructed object made of already encoded objects.
pub fn encode_all<T: AsRef<[u8]>>(tag: impl Into<Tag>, children: &[T]) -> Vec<u8> {
    let children: Vec<u8> = children
        .iter()
        .flat_map(|child| child.as_ref())
        .copied()
        .collect();
    encode(tag, &children)
}

#[cfg(test)]
mod tests;
