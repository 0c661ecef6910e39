//! JSON bodies of the local API.

mod cards;
mod doctor;
mod events;
mod grants;
mod identity;
mod journal;
mod mail;
mod objects;
mod sign;
mod status;
mod tls;
mod trust;

pub use cards::{
    Card, CardKind, CardPhase, Cards, Certificate, CertificateUse, Locked, LoginState, PinState,
    PinTries,
};
pub use doctor::{Doctor, Finding, Level};
pub use events::{Event, EventKind};
pub use grants::{Grant, GrantDuration, Grants};
pub use identity::{
    Billing, CardRef, Coded, Exercise, Exercises, HolderCategory, Identity, IdentitySource,
    NationalIdKind, Structure, StructureKind, UnknownField,
};
pub use journal::{Caller, Journal, JournalEntry, JournalVerification};
pub use mail::{
    AddedMailbox, MAIL_ACTIONS, MadeMailPassword, Mail, MailJournal, MailJournalEntry, MailLogin,
    MailPassword, MailServer, MailTest, MailTls, MailTrial, Mailbox, NewMailPassword, NewMailbox,
    OperatorSource,
};
pub use objects::{
    KeyPair, KeyScheme, ModuleLogin, ModuleSettings, ObjectCertificate, ObjectData,
    ObjectDecryptRequest, ObjectKey, ObjectPlaintext, ObjectSignRequest, ObjectSignature,
    ObjectToken, ObjectValue, Objects, PinFlags, ProgramPin,
};
pub use sign::{CMS_MEDIA_TYPE, CmsParameters};
pub use status::{Environment, PcscState, Reader, ReaderState, Readers, Status};
pub use tls::{SignatureScheme, TUNNEL_PROTOCOL, TlsSignRequest, TlsSignature, TunnelRequest};
pub use trust::{
    Anchor, AnchorRole, Crl, CrlState, Imported, Revocation, Trust, TrustReport, Verdict,
};

use serde::{Deserialize, Serialize};

/// Which card a request is about: body of the requests that need nothing else.
///
/// Without `card`, the only contact card present is meant; several give `card.ambiguous`, none
/// `card.absent`. The same member is a query parameter (`?card=`) of the requests without a body.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CardSelector {
    /// Serial number of the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
}
