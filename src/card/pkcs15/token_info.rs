//! EF.TokenInfo: label of the card and the algorithms it supports (PKCS#15 v1.1 §6.9).

use super::{BIT_STRING, INTEGER, OCTET_STRING, SEQUENCE, bits, integer, text};
use crate::error::Error;
use crate::tlv::Reader;

/// What EF.TokenInfo says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TokenInfo {
    pub(crate) label: Option<String>,
    pub(crate) serial_number: Vec<u8>,
    pub(crate) algorithms: Vec<Algorithm>,
}

/// An entry of `supportedAlgorithms`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Algorithm {
    /// By which key entries name it.
    pub(crate) reference: u32,
    /// PKCS#11 mechanism number.
    pub(crate) mechanism: u32,
    /// `Operations`, first bit of the standard least significant.
    pub(crate) operations: u32,
    /// What goes into a security environment.
    pub(crate) card_reference: Option<u8>,
}

impl Algorithm {
    pub(crate) fn signs(&self) -> bool {
        self.operations & 1 << 1 != 0
    }

    pub(crate) fn deciphers(&self) -> bool {
        self.operations & 1 << 5 != 0
    }
}

impl TokenInfo {
    pub(crate) fn read(file: &[u8]) -> Result<Self, Error> {
        let malformed = Error::Malformed { what: "TokenInfo" };
        let Some(Ok(info)) = Reader::padded(file).next() else {
            return Err(malformed);
        };
        if info.tag.0 != SEQUENCE {
            return Err(malformed);
        }
        let mut token = Self::default();
        for field in info.children() {
            let Ok(field) = field else {
                return Err(malformed);
            };
            match field.tag.0 {
                OCTET_STRING => token.serial_number = field.value.to_vec(),
                0x80 => token.label = Some(text(field.value)),
                0xA2 => {
                    token.algorithms = super::entries(field.value, "TokenInfo", |entry| {
                        Algorithm::read(entry.children())
                    })?;
                }
                _ => {}
            }
        }
        Ok(token)
    }
}

impl Algorithm {
    /// `SEQUENCE { reference, algorithm, parameters, operations, objId OPTIONAL, algRef OPTIONAL }`.
    fn read(fields: Reader<'_>) -> Option<Self> {
        let mut fields = fields.flatten();
        let mut number = || integer(fields.next().filter(|f| f.tag.0 == INTEGER)?.value);
        let (reference, mechanism) = (number()?, number()?);
        let _parameters = fields.next()?;
        let mut algorithm = Self {
            reference,
            mechanism,
            operations: 0,
            card_reference: None,
        };
        for field in fields {
            match field.tag.0 {
                BIT_STRING => algorithm.operations = bits(field.value),
                INTEGER => {
                    algorithm.card_reference =
                        integer(field.value).and_then(|reference| u8::try_from(reference).ok());
                }
                _ => {}
            }
        }
        Some(algorithm)
    }
}
