//! `GET /v1/cards`, `POST /v1/login`, `POST /v1/lock`, `POST /v1/pin/…`.

use serde::{Deserialize, Serialize};

use super::TrustReport;

/// Answer of `GET /v1/cards`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cards {
    /// Every card present.
    pub cards: Vec<Card>,
}

/// One card, as known without asking it anything more.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Card {
    /// Serial number of the chip: what `card` parameters name.
    pub serial: String,
    /// Family of the card.
    pub kind: CardKind,
    /// Name of the reader that holds it.
    pub reader: String,
    /// Whether it can be used yet.
    pub state: CardPhase,
    /// Whether the PIN is verified, by this daemon, since the card was last reset.
    pub logged_in: bool,
    /// What is known of the PIN.
    pub pin: PinTries,
    /// Number printed on the card.
    pub card_number: Option<String>,
    /// Certificates read so far.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// Codes of the API that deserve attention (`certificate.expired`…), empty when all is well.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Family of a card.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardKind {
    /// CPS3 (IAS-ECC), in a contact reader.
    Cps3,
    /// The contactless face of a CPS3: a technical certificate, no PIN, no person's key.
    Cps3Contactless,
    /// CPS4 (ChipDoc).
    Cps4,
    /// A token of a PKCS#11 module from the configuration; `serial` begins with the module's name.
    Pkcs11,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

impl CardKind {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cps3 => "cps3",
            Self::Cps3Contactless => "cps3-contactless",
            Self::Cps4 => "cps4",
            Self::Pkcs11 => "pkcs11",
            Self::Other => "other",
        }
    }
}

/// How far a card is read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CardPhase {
    /// Being read: the identity comes in a moment.
    Reading,
    /// Usable.
    Ready,
    /// Recognised, but its content cannot be used; `warnings` says why.
    Unusable,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// Tries of a PIN.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct PinTries {
    /// Wrong entries still allowed; null when the card was not asked or does not tell.
    pub tries_left: Option<u8>,
    /// Wrong entries allowed after a correct one, when known.
    pub max: Option<u8>,
}

/// One certificate of a card.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Certificate {
    /// What its key is for.
    #[serde(rename = "use")]
    pub usage: CertificateUse,
    /// Subject, RFC 4514 text.
    pub subject: String,
    /// Issuer, RFC 4514 text.
    pub issuer: String,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// Start of validity, RFC 3339.
    pub not_before: String,
    /// End of validity, RFC 3339.
    pub not_after: String,
    /// SHA-256 of the DER encoding, lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// Whether it is believed now.
    pub trust: TrustReport,
}

/// What the key of a certificate is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateUse {
    /// Of a certification authority.
    Authority,
    /// Proves the identity of the holder to a server.
    Authentication,
    /// Of a server.
    Server,
    /// Signs documents.
    Signature,
    /// Proves the presence of the card only (contactless).
    Technical,
    /// None of those.
    #[serde(other)]
    Other,
}

/// Answer of `POST /v1/login`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LoginState {
    /// Serial number of the card.
    pub card: String,
    /// True: a refused login is a problem document, never a body.
    pub logged_in: bool,
}

/// Answer of `POST /v1/lock`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Locked {
    /// Serial numbers of the cards whose login was ended; empty when there was none.
    pub locked: Vec<String>,
}

/// Answer of `POST /v1/pin/change` and `POST /v1/pin/unblock`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PinState {
    /// Serial number of the card.
    pub card: String,
    /// Wrong entries of the new PIN allowed, when the card tells.
    pub tries_left: Option<u8>,
}
