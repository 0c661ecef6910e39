//! The serial number of a card (EF.SN.ICC, file `D003`).

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::tlv::Reader;

/// The eight digits that tell one card from another.
///
/// Not the ten-digit number printed on the card: the relation between the two is not public.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String")]
pub struct Serial(String);

impl Serial {
    /// Reads EF.SN.ICC: tag `5A`, then issuer `8025000001`, eight digits, a check digit and a
    /// filler, as BCD. `None` when the file is anything else.
    pub(crate) fn read(file: &[u8]) -> Option<Self> {
        let number = Reader::padded(file).next()?.ok()?;
        if number.tag.0 != 0x5A || number.value.len() != NUMBER_LEN {
            return None;
        }
        let digits = number.value.strip_prefix(ISSUER)?.get(..4)?;
        let digits: String = digits.iter().map(|byte| format!("{byte:02X}")).collect();
        Self::try_from(digits).ok()
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Serial {
    type Error = InvalidSerial;

    fn try_from(digits: String) -> Result<Self, InvalidSerial> {
        let valid = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_digit());
        valid.then_some(Self(digits)).ok_or(InvalidSerial)
    }
}

/// The text is not eight digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a card serial number of eight digits")]
pub struct InvalidSerial;

/// 80 = health, 250 = France, 00001 = issuer.
const ISSUER: &[u8] = &[0x80, 0x25, 0x00, 0x00, 0x01];
const NUMBER_LEN: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: [u8; 12] = [
        0x5A, 0x0A, 0x80, 0x25, 0x00, 0x00, 0x01, 0x90, 0x00, 0x00, 0x01, 0x6F,
    ];

    #[test]
    fn reads_the_eight_digits() {
        assert_eq!(Serial::read(&FILE).unwrap().as_str(), "90000001");
    }

    #[test]
    fn refuses_other_issuers_tags_sizes_and_non_digits() {
        for (index, value) in [(0, 0x5B), (1, 0x09), (6, 0x02), (7, 0x9A)] {
            let mut file = FILE;
            file[index] = value;
            assert_eq!(Serial::read(&file), None, "byte {index}");
        }
        assert_eq!(Serial::read(&FILE[..11]), None);
        assert!(serde_json::from_str::<Serial>("\"../../etc\"").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(file in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Serial::read(&file);
        }
    }
}
