//! X.501 distinguished names: original bytes, attributes by type, RFC 4514 text.

use std::fmt;

use const_oid::ObjectIdentifier;
use der::asn1::AnyRef;
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};

/// A distinguished name. Equality is on the original bytes: old-PKI names do not survive a
/// re-encoding (their SETs are unsorted), so nothing else is a safe comparison.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Name {
    der: Vec<u8>,
    rdns: Vec<Vec<Attribute>>,
}

impl Name {
    /// Decodes the DER of a `Name` (RFC 5280 §4.1.2.4); SETs need not be sorted.
    ///
    /// # Errors
    ///
    /// Not a SEQUENCE OF SET OF attribute, an attribute that is not type and value, or more than
    /// 64 attributes.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidName> {
        let sequence = AnyRef::from_der(der).map_err(|_| InvalidName)?;
        if sequence.tag() != Tag::Sequence {
            return Err(InvalidName);
        }
        let mut rdns = Vec::new();
        let mut budget = MAX_ATTRIBUTES;
        for set in elements(sequence.value())? {
            if set.tag() != Tag::Set {
                return Err(InvalidName);
            }
            let mut attributes = Vec::new();
            for attribute in elements(set.value())? {
                budget = budget.checked_sub(1).ok_or(InvalidName)?;
                attributes.push(Attribute::from_any(attribute)?);
            }
            rdns.push(attributes);
        }
        Ok(Self {
            der: der.to_vec(),
            rdns,
        })
    }

    /// The original DER.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The first common name, which an authority is called by.
    pub fn common_name(&self) -> Option<&str> {
        self.first(attribute::COMMON_NAME)
    }

    /// The first value of this attribute type, wherever it stands.
    ///
    /// Never by position: members of a multi-valued RDN are sorted by their encoding, hence in a
    /// different order for each person.
    pub fn first(&self, kind: ObjectIdentifier) -> Option<&str> {
        self.all(kind).next()
    }

    /// Every value of this attribute type, in the order of the encoding.
    pub fn all(&self, kind: ObjectIdentifier) -> impl Iterator<Item = &str> {
        self.attributes()
            .filter(move |attribute| attribute.kind == kind)
            .map(|attribute| attribute.value.as_str())
    }

    /// All attributes, in the order of the encoding.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.rdns.iter().flatten()
    }
}

/// RFC 4514: last RDN first. Characters that could disturb a display (controls, direction marks)
/// are escaped as well, which §2.4 allows for any character.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.rdns.iter().rev().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            for (index, attribute) in rdn.iter().enumerate() {
                if index > 0 {
                    f.write_str("+")?;
                }
                attribute.fmt(f)?;
            }
        }
        Ok(())
    }
}

/// One attribute of a relative distinguished name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Attribute {
    /// Attribute type.
    pub kind: ObjectIdentifier,
    /// Value: the text of a character string (TeletexString read as Latin-1), else `#` and the
    /// hexadecimal of its DER, as RFC 4514 §2.4 writes it.
    pub value: String,
    /// Whether `value` is text.
    pub text: bool,
}

impl Attribute {
    fn from_any(any: AnyRef<'_>) -> Result<Self, InvalidName> {
        if any.tag() != Tag::Sequence {
            return Err(InvalidName);
        }
        let [kind, value] = elements(any.value())?[..] else {
            return Err(InvalidName);
        };
        let kind = kind.decode_as().map_err(|_| InvalidName)?;
        Ok(match text_of(value) {
            Some(value) => Self {
                kind,
                value,
                text: true,
            },
            None => Self {
                kind,
                value: hexadecimal(value)?,
                text: false,
            },
        })
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SHORT_NAMES.iter().find(|(kind, _)| *kind == self.kind) {
            Some((_, name)) => write!(f, "{name}=")?,
            None => write!(f, "{}=", self.kind)?,
        }
        match self.text {
            true => escape(&self.value, f),
            false => f.write_str(&self.value),
        }
    }
}

/// The bytes are not a distinguished name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed distinguished name")]
pub struct InvalidName;

/// Text of a character string, by its tag: the decoders of the `der` crate each accept one type.
pub(crate) fn text_of(any: AnyRef<'_>) -> Option<String> {
    let bytes = any.value();
    match any.tag() {
        Tag::Utf8String => Some(std::str::from_utf8(bytes).ok()?.to_owned()),
        // T.61 in the standard, Latin-1 in every issuer's practice, the old card PKI included.
        Tag::TeletexString | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            Some(bytes.iter().copied().map(char::from).collect())
        }
        Tag::BmpString => {
            let units = bytes
                .chunks(2)
                .map(|pair| <[u8; 2]>::try_from(pair).map(u16::from_be_bytes))
                .collect::<Result<Vec<u16>, _>>()
                .ok()?;
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// The TLVs that fill `bytes`, whatever their order.
pub(crate) fn elements(bytes: &[u8]) -> Result<Vec<AnyRef<'_>>, InvalidName> {
    let mut reader = SliceReader::new(bytes).map_err(|_| InvalidName)?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader).map_err(|_| InvalidName)?);
    }
    Ok(found)
}

fn hexadecimal(any: AnyRef<'_>) -> Result<String, InvalidName> {
    let der = any.to_der().map_err(|_| InvalidName)?;
    let mut text = String::from("#");
    text.extend(der.iter().map(|byte| format!("{byte:02X}")));
    Ok(text)
}

fn escape(value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{character}")?,
            ' ' if index == 0 || index == last => f.write_str("\\ ")?,
            '#' if index == 0 => f.write_str("\\#")?,
            _ if disturbs_display(character) => {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    write!(f, "\\{byte:02X}")?;
                }
            }
            _ => write!(f, "{character}")?,
        }
    }
    Ok(())
}

fn disturbs_display(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

pub(crate) mod attribute {
    //! Attribute types of the subject and issuer names (X.520).

    use const_oid::ObjectIdentifier;

    pub(crate) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
    pub(crate) const SURNAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.4");
    pub(crate) const LOCALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.7");
    pub(crate) const STATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.8");
    pub(crate) const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
    pub(crate) const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
    pub(crate) const TITLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.12");
    pub(crate) const GIVEN_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.42");
    pub(crate) const PSEUDONYM: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.65");
}

/// Names of RFC 4514 §3, and those of RFC 4519 that health professionals' names use.
const SHORT_NAMES: [(ObjectIdentifier, &str); 15] = [
    (attribute::COMMON_NAME, "CN"),
    (attribute::SURNAME, "SN"),
    (ObjectIdentifier::new_unwrap("2.5.4.5"), "serialNumber"),
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
    (attribute::LOCALITY, "L"),
    (attribute::STATE, "ST"),
    (ObjectIdentifier::new_unwrap("2.5.4.9"), "STREET"),
    (attribute::ORGANIZATION, "O"),
    (attribute::UNIT, "OU"),
    (attribute::TITLE, "title"),
    (attribute::GIVEN_NAME, "GN"),
    (attribute::PSEUDONYM, "pseudonym"),
    (
        ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1"),
        "UID",
    ),
    (
        ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"),
        "DC",
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"),
        "emailAddress",
    ),
];

const MAX_ATTRIBUTES: usize = 64;

#[cfg(test)]
mod tests;
