//! The card report: what one card declares about itself, without anything that names its holder.
//!
//! The report is one JSON object. Byte strings are upper-case hexadecimal text, status words four
//! hexadecimal digits. It is a complete card layout: the emulator plays a card from it. Contents
//! that name a person, a number or a key are replaced by filler of the same length inside an
//! unchanged TLV structure, and marked `redacted`; PIN-protected contents are never read.

use serde::{Deserialize, Serialize};

use crate::apdu::{Protocol, StatusWord};
use crate::hex::Hex;
use crate::key::KeyUse;
use crate::kind::Kind;
use crate::pin::PinRole;

/// What one card declares.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Version of this format: [`Report::FORMAT`].
    pub format: u32,
    /// Which profile the card follows.
    pub kind: Kind,
    /// Whether its ATR is one of the known ones.
    pub recognised: bool,
    /// The ATR.
    pub atr: Hex,
    /// The protocol that the reader chose.
    pub protocol: Protocol,
    /// The directories and files met, in the order met.
    pub files: Vec<ReportedFile>,
    /// PIN and PUK, and what the card says about them.
    pub pins: Vec<ReportedPin>,
    /// Private keys, and what the card says about them.
    pub keys: Vec<ReportedKey>,
    /// The algorithms of EF.TokenInfo.
    pub algorithms: Vec<ReportedAlgorithm>,
}

impl Report {
    /// Version of the format that this program writes and reads.
    pub const FORMAT: u32 = 1;
}

/// A directory or file of the card.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReportedFile {
    /// Path from the MF, `3F00` included.
    pub path: Hex,
    /// What it is.
    pub role: FileRole,
    /// Label of the object it holds, for certificates and data.
    pub label: Option<String>,
    /// Status word of the SELECT command.
    pub select: StatusWord,
    /// File control template, whole (`62 …` or `6F …`); empty when the card gave none.
    pub fcp: Hex,
    /// Size in bytes: declared by the file control template, else what was read.
    pub size: Option<usize>,
    /// Status word of the last READ BINARY; `None` when it was not read.
    pub read: Option<StatusWord>,
    /// The content, or filler of the same length and TLV structure; `None` when it was not read.
    pub content: Option<Hex>,
    /// Whether parts of the content are filler.
    pub redacted: bool,
    /// Whether the card declares it PIN protected. Such a file is never read for a report.
    pub private: bool,
}

/// What a file is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileRole {
    /// Directory of PINs.
    Aodf,
    /// Directory of certificates.
    Cdf,
    /// A certificate.
    Certificate,
    /// A data object.
    Data,
    /// Directory of an application.
    Df,
    /// Directory of data objects.
    Dodf,
    /// Dates of the last update (`D010`).
    EfActua,
    /// Capabilities (`2F01`).
    EfAtr,
    /// Applications (`2F00`).
    EfDir,
    /// Serial number (`D003`).
    EfSn,
    /// Master file.
    Mf,
    /// Where the directories are.
    Odf,
    /// Directory of private keys.
    Prkdf,
    /// Directory of public keys.
    Pukdf,
    /// Label and algorithms.
    TokenInfo,
}

/// A PIN or PUK.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReportedPin {
    /// Which code.
    pub role: PinRole,
    /// Its reference.
    pub reference: u8,
    /// Command that asked for the tries left.
    pub question: Hex,
    /// Status word of the answer.
    pub status: StatusWord,
    /// Data of the answer.
    pub answer: Hex,
}

/// A private key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReportedKey {
    /// The card's own label.
    pub label: String,
    /// What it is for.
    pub key_use: KeyUse,
    /// Its reference.
    pub reference: u8,
    /// Modulus length in bits.
    pub modulus_bits: usize,
    /// Command that asked for the description of the key; empty on cards that have none.
    pub question: Hex,
    /// Status word of the answer.
    pub status: Option<StatusWord>,
    /// Data of the answer.
    pub answer: Hex,
}

/// An entry of `supportedAlgorithms` in EF.TokenInfo.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReportedAlgorithm {
    /// Reference by which key entries name it.
    pub reference: u32,
    /// PKCS#11 mechanism number.
    pub mechanism: u32,
    /// Reference that goes into a security environment, where given.
    pub card_reference: Option<u8>,
}
