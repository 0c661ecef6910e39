//! A token: what holds keys and certificates. Behind it the native card driver ([`crate::native`])
//! or a PKCS#11 module ([`crate::modules`]).

use std::fmt;
use std::sync::Arc;

use cps_card::{Error, Hex, Operation, Pin, PinRole, Report, StatusWord, TransmitError, Tries};
use cps_identity::{ActivityData, BillingData, CardData, Certificate};
use cps_verify::Scheme;
use zeroize::Zeroizing;

use crate::modules::HostError;
use crate::readers::ConnectError;

/// What an operation may do with a card. Every call blocks; all are made on the card's own thread
/// ([`crate::cards::Cards::run`]).
pub trait Token: Send {
    /// All certificates, those not known yet being read.
    fn certificates(&mut self) -> Result<Vec<TokenCertificate>, TokenError>;

    /// How the PIN comes to the token.
    fn pin_entry(&self) -> PinEntry {
        PinEntry::Dialog
    }

    /// Whether the PIN can be changed through us.
    fn changes_pin(&self) -> bool {
        true
    }

    /// What the card says a PIN must look like.
    fn pin_rules(&mut self, role: PinRole) -> Result<PinRules, TokenError>;

    /// The tries left, asked of the card.
    fn tries(&mut self, role: PinRole) -> Result<Tries, TokenError>;

    /// Whether a wrong PIN may block the token, as far as `tries` tells: the last try, or, of a token
    /// that does not count them, any after a wrong one.
    fn may_be_last(&self, tries: &Tries) -> bool {
        tries.left == Some(1)
    }

    /// Unlocks a token that takes no PIN from us, see [`Token::pin_entry`]: waits until the person
    /// has typed it at the token's own pad, or until nothing.
    fn unlock(&mut self) -> Result<(), TokenError> {
        Err(TokenError::Unsupported("a PIN pad".to_owned()))
    }

    /// Sends the PIN (or PUK) once; never a second time for the same call, whatever happens.
    fn verify(&mut self, role: PinRole, pin: &Pin) -> Result<(), TokenError>;

    /// Replaces the PIN. Spends a try when `old` is wrong.
    fn change_pin(&mut self, old: &Pin, new: &Pin) -> Result<(), TokenError>;

    /// Sets a new PIN with the PUK. Spends a try of the PUK when it is wrong.
    fn unblock_pin(&mut self, puk: &Pin, new: &Pin) -> Result<(), TokenError>;

    /// Whether the PIN was verified by us and the card was not reset since, as far as is known.
    fn logged_in(&self) -> bool;

    /// Ends the login. The card is reset when the operation ends, unless another program is
    /// connected to it; even then nothing signs here before the PIN is verified again.
    fn logout(&mut self);

    /// The ways the key can sign.
    fn schemes(&mut self, role: KeyRole) -> Result<Vec<Scheme>, TokenError>;

    /// Signs a digest. The result was checked against the certificate of that key; an ECDSA one is
    /// in DER.
    fn sign(&mut self, role: KeyRole, scheme: Scheme, digest: &[u8])
    -> Result<Vec<u8>, TokenError>;

    /// Whether the key decrypts RSAES-PKCS1-v1_5 cryptograms.
    fn decrypts(&mut self, role: KeyRole) -> Result<bool, TokenError>;

    /// Decrypts, and takes the padding off. Whatever is wrong with the cryptogram or with what it
    /// holds, the error is [`TokenError::Undecryptable`], so that it teaches nothing about it.
    fn decrypt(
        &mut self,
        role: KeyRole,
        cryptogram: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError>;

    /// The data objects that the card declares; their values are not read.
    fn data_objects(&mut self) -> Result<Vec<DataObjectInfo>, TokenError>;

    /// The value of a data object. One behind the PIN is kept nowhere.
    fn data_value(&mut self, label: &str) -> Result<Zeroizing<Vec<u8>>, TokenError>;

    /// The public data objects about the holder.
    fn card_data(&mut self) -> Result<CardData, TokenError>;

    /// The practice situations. Needs the PIN; never kept beyond the login.
    fn practice(&mut self) -> Result<PracticeData, TokenError>;

    /// What the card declares about itself, redacted. No PIN is asked.
    fn report(&mut self) -> Result<Report, TokenError>;
}

/// How the PIN comes to the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PinEntry {
    /// Typed in our dialog and sent by us.
    Dialog,
    /// The token takes none: whoever may ask the daemon may use it, with a grant.
    None,
    /// Typed at the token's own pad.
    Pad,
}

/// What a PIN must look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PinRules {
    /// Fewest characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// Whether only digits are accepted.
    pub digits_only: bool,
}

impl From<&cps_card::PinRules> for PinRules {
    fn from(rules: &cps_card::PinRules) -> Self {
        Self {
            min: rules.min,
            max: rules.max,
            digits_only: rules.digits_only,
        }
    }
}

/// Which key of the card.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyRole {
    /// The key of the authentication certificate.
    Authentication,
    /// The key of the signature certificate.
    Signature,
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authentication => "authentication",
            Self::Signature => "signature",
        })
    }
}

/// What a certificate on the card is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CertificateRole {
    /// Authenticates the holder.
    Authentication,
    /// Any other.
    Other,
    /// Signs in the holder's name.
    Signature,
    /// Contactless: proves the card, not its holder.
    Technical,
}

/// A certificate on the card.
#[derive(Clone, Debug)]
pub struct TokenCertificate {
    /// What it is for.
    pub role: CertificateRole,
    /// The label the card gives it.
    pub label: String,
    /// The certificate.
    pub certificate: Arc<Certificate>,
}

/// A data object of the card.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataObjectInfo {
    /// The label the card gives it.
    pub label: String,
    /// Whether the PIN is needed to read it.
    pub private: bool,
}

/// The practice situations and their billing data, as decoded from the card.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PracticeData {
    /// In the order of their index; holes are normal.
    pub activities: Vec<ActivityData>,
    /// Entries that activities link to.
    pub billing: Vec<BillingData>,
}

/// An operation failed. Says who is at fault; no variant holds a secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Another program has the card for itself alone.
    #[error("another program uses the card exclusively; end it or wait")]
    Exclusive,
    /// The card's content cannot be understood.
    #[error("the card's content cannot be understood: {0}")]
    Malformed(String),
    /// The card does not answer.
    #[error("the card does not answer; take it out, clean it and insert it again")]
    Mute,
    /// The process of a PKCS#11 module failed, or the module did.
    #[error(transparent)]
    Module(#[from] HostError),
    /// The card has no such key, or no certificate for it.
    #[error("the card has no {0} key")]
    NoKey(KeyRole),
    /// The card lacks something it should hold.
    #[error("the card does not hold {0}")]
    NotPresent(String),
    /// The PIN is blocked.
    #[error("the PIN is blocked; unblock it with the PUK (cps pin unblock)")]
    PinBlocked,
    /// The person gave up at the token's own pad.
    #[error("the PIN was not typed at the reader's pad")]
    PinCancelled,
    /// The PIN has a length or characters this card cannot take. Nothing was sent.
    #[error("the PIN must be {} to {} {}", .0.min, .0.max, if .0.digits_only { "digits" } else { "characters" })]
    PinFormat(PinRules),
    /// The PIN is wrong.
    #[error("the PIN is wrong")]
    PinIncorrect {
        /// Tries left, when the card told.
        left: Option<u8>,
    },
    /// The operation needs the PIN, and it was not verified or its effect was lost by a reset.
    #[error("the PIN must be entered first")]
    PinRequired,
    /// The PUK is blocked.
    #[error("the PUK is blocked; the card must be replaced")]
    PukBlocked,
    /// The PUK is wrong.
    #[error("the PUK is wrong")]
    PukIncorrect {
        /// Tries left, when the card told.
        left: Option<u8>,
    },
    /// The reader failed.
    #[error("the reader reports: {0}")]
    Reader(String),
    /// The card refused a command.
    #[error("the card refused {operation}: {status}")]
    Refused {
        /// What was being done.
        operation: Operation,
        /// What the card answered.
        status: StatusWord,
    },
    /// The card was removed.
    #[error("the card was removed")]
    Removed,
    /// The card was reset in the middle of something that is not repeated on its own.
    #[error(
        "another program or the reader reset the card in the middle of the operation; try again"
    )]
    Reset,
    /// The signature does not verify under the certificate, twice.
    #[error("the card returned a signature that its certificate does not confirm")]
    SignatureMismatch,
    /// A contactless card: it proves itself, not its holder.
    #[error(
        "this contactless card has only a technical key; insert the card into a contact reader"
    )]
    TechnicalOnly,
    /// The cryptogram cannot be decrypted with the key, whatever the reason.
    #[error("the cryptogram cannot be decrypted with this key")]
    Undecryptable,
    /// Not one of our cards.
    #[error("this is not a CPS card (ATR {0})")]
    UnknownCard(Hex),
    /// A French health card of an unknown version: its PIN is not used unless the configuration
    /// allows it.
    #[error("unknown version of the card: its PIN is not used unless the configuration allows it")]
    Unrecognised,
    /// The card cannot do this.
    #[error("the card does not support {0}")]
    Unsupported(String),
}

impl From<TransmitError> for TokenError {
    fn from(error: TransmitError) -> Self {
        match error {
            TransmitError::Removed => Self::Removed,
            TransmitError::Reset => Self::Reset,
            TransmitError::TimedOut => Self::Mute,
            TransmitError::Reader(text) => Self::Reader(text),
            other => Self::Reader(other.to_string()),
        }
    }
}

impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        match error {
            Error::Cryptogram => Self::Undecryptable,
            Error::Malformed { what } => Self::Malformed(what.to_owned()),
            Error::NotPresent { what } => Self::NotPresent(what),
            Error::PinBlocked { role: PinRole::Pin } => Self::PinBlocked,
            Error::PinBlocked { role: PinRole::Puk } => Self::PukBlocked,
            Error::PinFormat { rules, .. } => Self::PinFormat((&*rules).into()),
            Error::PinIncorrect {
                role: PinRole::Pin,
                left,
            } => Self::PinIncorrect { left },
            Error::PinIncorrect {
                role: PinRole::Puk,
                left,
            } => Self::PukIncorrect { left },
            Error::PinRequired => Self::PinRequired,
            Error::Refused { operation, status } => Self::Refused { operation, status },
            Error::Transmit { source, .. } => source.into(),
            Error::UnknownCard { atr } => Self::UnknownCard(atr.into()),
            Error::Unrecognised => Self::Unrecognised,
            Error::Unsupported { what } => Self::Unsupported(what.to_owned()),
            other => Self::Malformed(other.to_string()),
        }
    }
}

impl From<ConnectError> for TokenError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Busy => Self::Exclusive,
            ConnectError::Removed => Self::Removed,
            ConnectError::Unresponsive => Self::Mute,
            other => Self::Reader(other.to_string()),
        }
    }
}
