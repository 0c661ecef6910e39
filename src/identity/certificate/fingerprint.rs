//! Fingerprints, and the hexadecimal they are written in.

use std::fmt;
use std::str::FromStr;

/// SHA-256 of a DER certificate. Displays as lower-case hexadecimal.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// 64 hexadecimal digits of either case; `:` between bytes is accepted, as openssl prints it.
impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|character| *character != ':').collect();
        let bytes = decode_hex(&digits).ok_or(InvalidFingerprint)?;
        Ok(Self(bytes.try_into().map_err(|_| InvalidFingerprint)?))
    }
}

/// Not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a SHA-256 fingerprint is 64 hexadecimal digits")]
pub struct InvalidFingerprint;

/// Bytes of a text of hexadecimal digits, or `None`.
pub(crate) fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}
