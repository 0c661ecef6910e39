//! PIN and PUK: the codes themselves, what the card's AODF says about them, and how they are
//! written in a command (PKCS#15 v1.1 §6.8, ISO 7816-15 §8.9).

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::hex::Hex;

/// Which of the two codes of a card.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinRole {
    /// *Code porteur*: opens the private keys and the protected data.
    Pin,
    /// *Code de déblocage*: only gives a new PIN.
    Puk,
}

impl fmt::Display for PinRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pin => "PIN",
            Self::Puk => "PUK",
        })
    }
}

impl PinRules {
    fn encode(&self, typed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let characters = core::str::from_utf8(typed).ok()?.chars().count();
        if !(self.min..=self.max).contains(&characters) {
            return None;
        }
        if self.digits_only && !typed.iter().all(u8::is_ascii_digit) {
            return None;
        }
        // The capacity is reserved at once: a growing buffer would leave copies behind.
        let stored = self.padding.map_or(0, |(_, stored)| stored);
        let mut encoded = Zeroizing::new(Vec::with_capacity(typed.len().max(stored)));
        match self.encoding {
            PinEncoding::AsciiNumeric | PinEncoding::Utf8 => encoded.extend_from_slice(typed),
            PinEncoding::Bcd => encoded.extend(typed.chunks(2).map(|pair| {
                let low = pair.get(1).map_or(0x0F, |digit| digit & 0x0F);
                (pair[0] & 0x0F) << 4 | low
            })),
        }
        if let Some((pad, stored)) = self.padding {
            if encoded.len() > stored {
                return None;
            }
            encoded.resize(stored, pad);
        }
        Some(encoded)
    }
}

/// A PIN or PUK as the holder typed it. Wiped when dropped; cannot be printed, copied or compared.
pub struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    /// A code from what was typed, in UTF-8.
    pub fn new(typed: impl Into<Zeroizing<Vec<u8>>>) -> Self {
        Self(typed.into())
    }

    /// What was typed, for a token that is not driven by this crate. Copies are the caller's to
    /// wipe.
    pub fn typed(&self) -> &[u8] {
        &self.0
    }

    /// The bytes that the card expects.
    ///
    /// # Errors
    /// [`Error::PinFormat`] when the code is too short, too long, or has a character that the card
    /// does not accept. Nothing needs to be sent to know that.
    pub(crate) fn encode(
        &self,
        role: PinRole,
        rules: &PinRules,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        rules.encode(&self.0).ok_or_else(|| Error::PinFormat {
            role,
            rules: Box::new(rules.clone()),
        })
    }
}

impl From<&str> for Pin {
    fn from(typed: &str) -> Self {
        Self(Zeroizing::new(typed.as_bytes().to_vec()))
    }
}

/// Tries left for a PIN or PUK.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tries {
    /// Tries left, where the card tells; zero means blocked.
    pub left: Option<u8>,
    /// How many there are after a success, where the card tells.
    pub max: Option<u8>,
    /// Whether the card said that the code is verified at this moment. A CPS4 says so instead of
    /// the tries left; a CPS3 is asked in a way that never tells.
    pub verified: bool,
}

/// How the characters of a code become bytes (PKCS#15 `PinType`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinEncoding {
    /// ASCII digits.
    AsciiNumeric,
    /// Two digits a byte, the last half byte filled with `F`.
    Bcd,
    /// Any text.
    Utf8,
}

/// What the card declares about a PIN or PUK (AODF).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PinRules {
    /// The card's own name for it.
    pub label: String,
    /// Fewest characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// Whether only digits are accepted.
    pub digits_only: bool,
    /// How characters become bytes.
    pub encoding: PinEncoding,
    /// What fills the code up to the stored length, and that length in bytes; `None` when the code
    /// is sent as typed.
    pub padding: Option<(u8, usize)>,
    /// Reference that the PIN commands carry in P2. Bit 8 clear means that it is valid wherever
    /// the card stands (ISO 7816-4 §11.5.2, "global reference data").
    pub reference: u8,
    /// Directory that holds it: path from the MF, `3F00` included.
    pub holder: Hex,
    /// Authentication id by which keys and data objects name it.
    pub auth_id: Vec<u8>,
    /// Authentication id of the code that unblocks it, where given.
    pub unblocked_by: Option<Vec<u8>>,
}
