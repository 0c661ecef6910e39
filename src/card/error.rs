//! What can go wrong with a card, and who is at fault.

use core::fmt;

use thiserror::Error;

use crate::apdu::StatusWord;
use crate::pin::{PinRole, PinRules};
use crate::transmit::TransmitError;

/// Why a card operation failed.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Error {
    /// The card could not decipher the cryptogram, or what came out is not a padded message. One
    /// error for all causes, so that it teaches nothing about the plaintext.
    #[error("the cryptogram cannot be deciphered with this key")]
    Cryptogram,
    /// The card answered something that its own standards forbid. Report the card.
    #[error("the card gave a malformed {what}")]
    Malformed {
        /// What was malformed.
        what: &'static str,
    },
    /// The card does not have it. Normal for optional objects.
    #[error("the card has no {what}")]
    NotPresent {
        /// What is absent.
        what: String,
    },
    /// No try is left. The PIN is unblocked with the PUK; a blocked PUK needs a new card.
    #[error("the {role} is blocked")]
    PinBlocked {
        /// Which code.
        role: PinRole,
    },
    /// The typed code cannot be right, and was not sent: no try is spent. Ask again.
    #[error("the {role} must be {} to {} {}", .rules.min, .rules.max, if .rules.digits_only { "digits" } else { "characters" })]
    PinFormat {
        /// Which code.
        role: PinRole,
        /// What the card accepts.
        rules: Box<PinRules>,
    },
    /// The card refused the code. Never send the same one again.
    #[error("wrong {role}")]
    PinIncorrect {
        /// Which code.
        role: PinRole,
        /// Tries left, where the card tells; zero means that it is now blocked.
        left: Option<u8>,
    },
    /// The PIN must be verified first: it never was, or a reset took it away. Log in again.
    #[error("the PIN must be verified first")]
    PinRequired,
    /// The card answered, but refused.
    #[error("the card refused {operation}: {status}")]
    Refused {
        /// What was being done.
        operation: Operation,
        /// What the card answered.
        status: StatusWord,
    },
    /// There was no answer from the card.
    #[error("{source} during {operation}")]
    Transmit {
        /// What was being done.
        operation: Operation,
        /// Why there was no answer.
        source: TransmitError,
    },
    /// Not a card that this driver knows; it was asked nothing that could change it.
    #[error("unknown card, ATR {}", Spaced(.atr))]
    UnknownCard {
        /// Its ATR.
        atr: Vec<u8>,
    },
    /// A French health card of an unknown version: it is read, but is not sent a PIN unless
    /// [`Card::allow_pin_on_unrecognised`](crate::Card::allow_pin_on_unrecognised) was called.
    #[error("unknown version of the card, its PIN is not used unless the configuration allows it")]
    Unrecognised,
    /// This card, or this key, cannot do that.
    #[error("the card does not support {what}")]
    Unsupported {
        /// What was asked.
        what: &'static str,
    },
}

/// What was being done when a card refused or went away.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operation {
    /// Changing a PIN.
    ChangePin,
    /// Deciphering.
    Decipher,
    /// Reading the serial number.
    Identify,
    /// Reading a certificate.
    ReadCertificate,
    /// Reading a data object.
    ReadData,
    /// Reading the directory of keys, certificates, PINs or data objects.
    ReadDirectory,
    /// Reading the number of tries left.
    ReadTries,
    /// Reading the dates of the last update of the card.
    ReadUpdateState,
    /// Writing the card report.
    Report,
    /// Selecting the application.
    SelectApplication,
    /// Signing.
    Sign,
    /// Giving a new PIN with the PUK.
    UnblockPin,
    /// Verifying a PIN or PUK.
    VerifyPin,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChangePin => "the PIN change",
            Self::Decipher => "the decipherment",
            Self::Identify => "the reading of its serial number",
            Self::ReadCertificate => "the reading of a certificate",
            Self::ReadData => "the reading of a data object",
            Self::ReadDirectory => "the reading of its directory",
            Self::ReadTries => "the reading of the tries left",
            Self::ReadUpdateState => "the reading of its update dates",
            Self::Report => "the card report",
            Self::SelectApplication => "the selection of the application",
            Self::Sign => "the signature",
            Self::UnblockPin => "the PIN unblocking",
            Self::VerifyPin => "the PIN verification",
        })
    }
}

struct Spaced<'a>(&'a [u8]);

impl fmt::Display for Spaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{byte:02X}")?;
        }
        Ok(())
    }
}
