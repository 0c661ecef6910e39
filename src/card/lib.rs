//! Drivers for the French health professional's cards: CPS3 (contact and contactless) and CPS4.
//!
//! No I/O: a driver is handed a [`Transmit`] at each call, bytes in and bytes out. Nothing that a
//! card declares about itself is assumed; what a card answers is never trusted to be well formed.
//!
//! # Layout
//! - [`apdu`]: commands and status words of ISO 7816-4, and their redacted display.
//! - [`tlv`]: BER-TLV, read and written.
//! - `transmit`, `error`: the seam to the card, and what can go wrong.
//! - `kind`, `pin`, `key`, `report`: the types that the operations take and return.

#![forbid(unsafe_code)]

pub mod apdu;
mod error;
mod hex;
mod key;
mod kind;
mod pin;
mod report;
pub mod tlv;
mod transmit;

pub use apdu::{Protocol, StatusWord};
pub use error::{Error, Operation};
pub use hex::{Hex, InvalidHex};
pub use key::{KeyUse, Scheme};
pub use kind::Kind;
pub use pin::{Pin, PinEncoding, PinRole, PinRules, Tries};
pub use report::{Report, ReportedAlgorithm, ReportedFile, ReportedKey, ReportedPin};
pub use transmit::{Transmit, TransmitError};
