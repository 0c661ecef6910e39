//! X.501 distinguished names: original bytes, attributes by type, RFC 4514 text.

use std::fmt;

use const_oid::ObjectIdentifier;

/// A distinguished name. Equality is on the original bytes: old-PKI names do not survive a
/// re-encoding, so nothing else is a safe comparison.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Name {
    der: Vec<u8>,
    rdns: Vec<Vec<Attribute>>,
}

/// One attribute of a relative distinguished name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Attribute {
    /// Attribute type.
    pub kind: ObjectIdentifier,
    /// Value, decoded to text where it is a character string.
    pub value: String,
}

/// The bytes are not a distinguished name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed distinguished name")]
pub struct InvalidName;

impl Name {
    /// Decodes the DER of a `Name`.
    ///
    /// # Errors
    ///
    /// Not a SEQUENCE OF SET OF attribute, or an attribute that is not type and value.
    pub fn from_der(_der: &[u8]) -> Result<Self, InvalidName> {
        todo!()
    }

    /// The original DER.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The first value of this attribute type, wherever it stands.
    ///
    /// Never by position: members of a multi-valued RDN are sorted by their encoding, hence in a
    /// different order for each person.
    pub fn first(&self, kind: ObjectIdentifier) -> Option<&str> {
        self.attributes()
            .find(|a| a.kind == kind)
            .map(|a| a.value.as_str())
    }

    /// All attributes, in the order of the encoding.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.rdns.iter().flatten()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
