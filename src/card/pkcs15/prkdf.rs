//! PrKDF: the private keys (PKCS#15 v1.1 §6.3).

use super::{
    BIT_STRING, INTEGER, Location, OCTET_STRING, Object, SEQUENCE, bits, entries, integer,
};
use crate::error::Error;
use crate::hex::Hex;

/// An RSA private key as the card declares it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyObject {
    pub(crate) label: String,
    pub(crate) id: Vec<u8>,
    /// `KeyUsageFlags`, first bit of the standard least significant.
    pub(crate) usage: u32,
    pub(crate) reference: u8,
    pub(crate) private: bool,
    pub(crate) auth_id: Option<Vec<u8>>,
    pub(crate) modulus_bits: usize,
    /// `algReference`: which entries of `supportedAlgorithms` it may use; empty when not said.
    pub(crate) algorithms: Vec<u32>,
    /// Where it is: the application's directory when the entry does not say.
    pub(crate) path: Hex,
}

impl KeyObject {
    pub(crate) fn signs(&self) -> bool {
        self.usage & (1 << 2) != 0
    }

    pub(crate) fn deciphers(&self) -> bool {
        self.usage & (1 << 1 | 1 << 5) != 0
    }

    pub(crate) fn binds(&self) -> bool {
        self.usage & (1 << 9) != 0
    }
}

/// The RSA keys, in order. Entries without a reference are skipped: nothing could be done with
/// them.
pub(crate) fn read(file: &[u8], application: &[u8]) -> Result<Vec<KeyObject>, Error> {
    entries(file, "PrKDF", |entry| {
        if entry.tag.0 != SEQUENCE {
            return None;
        }
        let Object {
            common,
            class,
            kind,
        } = Object::read(&entry)?;
        let (mut id, mut usage, mut reference) = (Vec::new(), None, None);
        let mut algorithms = Vec::new();
        for field in class.children().flatten() {
            match field.tag.0 {
                OCTET_STRING => id = field.value.to_vec(),
                // The second bit string holds the access flags.
                BIT_STRING => usage = usage.or_else(|| Some(bits(field.value))),
                INTEGER => reference = reference.or_else(|| integer(field.value)),
                0xA1 => {
                    let references = field.children().flatten();
                    algorithms = references.filter_map(|r| integer(r.value)).collect();
                }
                _ => {}
            }
        }
        let attributes = kind
            .children()
            .flatten()
            .next()
            .filter(|a| a.tag.0 == SEQUENCE)?;
        let path = attributes
            .find(SEQUENCE)
            .ok()
            .flatten()
            .and_then(|path| Location::read(&path, application))
            .map_or_else(|| Hex::from(application), |location| location.path);
        let modulus_bits = attributes.find(INTEGER).ok().flatten()?;
        Some(KeyObject {
            label: common.label,
            id,
            usage: usage.unwrap_or_default(),
            reference: u8::try_from(reference?).ok()?,
            private: common.private,
            auth_id: common.auth_id,
            modulus_bits: integer(modulus_bits.value)? as usize,
            algorithms,
            path,
        })
    })
}
