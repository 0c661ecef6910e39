//! Drivers for the French health professional's cards: CPS3 (contact and contactless) and CPS4.
//!
//! No I/O: a driver is handed a [`Transmit`] at each call, bytes in and bytes out. Nothing that a
//! card declares about itself is assumed; what a card answers is never trusted to be well formed.
//!
//! # Layout
//! - [`apdu`]: commands and status words of ISO 7816-4, and their redacted display.
//! - [`tlv`]: BER-TLV, read and written.
//! - `card`: the [`Card`] that programs use; one file per family of operations.
//! - `driver`, `cps3`, `cps4`, `cps2ter`: what each applet does its own way.
//! - `exchange`, `read`: one transmit function for all commands, one read function for all files.
//! - [`metier`]: the professional data of the data objects.
//! - `pkcs15`: the directory of a card, `atr`, `serial`: what tells cards apart.
//! - `kind`, `pin`, `key`, `files`, `report`, `redact`: what the operations take and return.
//! - `transmit`, `error`: the seam to the card, and what can go wrong.

#![forbid(unsafe_code)]

pub mod apdu;
mod atr;
mod card;
mod cps2ter;
mod cps3;
mod cps4;
mod driver;
mod error;
mod exchange;
mod files;
mod hex;
mod key;
mod kind;
pub mod metier;
mod padding;
mod pin;
mod pkcs15;
mod read;
mod redact;
mod report;
#[cfg(test)]
mod script;
mod serial;
pub mod tlv;
mod transmit;

pub use apdu::{Protocol, StatusWord};
pub use card::{Card, UpdateState};
pub use error::{Error, Operation};
pub use files::PublicFiles;
pub use hex::{Hex, InvalidHex};
pub use key::{KeyEntry, KeyUse, Scheme};
pub use kind::Kind;
pub use pin::{Pin, PinEncoding, PinRole, PinRules, Tries};
pub use pkcs15::Location;
pub use pkcs15::cdf::CertificateEntry;
pub use pkcs15::dodf::{DataEntry, DataPlace};
pub use report::{FileRole, Report, ReportedAlgorithm, ReportedFile, ReportedKey, ReportedPin};
pub use serial::{InvalidSerial, Serial};
pub use transmit::{Transmit, TransmitError};
