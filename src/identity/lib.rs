//! From certificate to practitioner: what a French health professional's card says about its
//! holder, and whether it can be believed.
//!
//! # Layout
//!
//! - [`Certificate`] and [`Name`]: X.509 as IGC-Santé and its ancestors issue it, original bytes kept.
//! - [`PersonId`], [`StructureId`]: national identifiers with their kind and check digits.
//! - [`Table`], [`Coded`], [`Dictionary`]: the national code tables, built in and importable.
//! - [`Practitioner`], [`Exercise`]: the identity model, fed by certificates and card data.
//! - [`select`]: which certificate of a card authenticates, which one signs.
//! - [`Anchors`], [`read_certificates`]: pinned authorities and the import of their files.
//! - [`Trust`], [`Verdict`]: path validation, each refusal told apart.
//! - [`Crl`], [`CrlSchedule`]: revocation lists and when to fetch the next one.
//!
//! The crate does no input or output: bytes and the time come from the caller.

#![forbid(unsafe_code)]

mod anchors;
mod bundle;
mod certificate;
mod crl;
mod identifier;
mod name;
mod practitioner;
mod schedule;
mod selection;
mod signature;
mod tables;
#[cfg(test)]
mod testing;
mod trust;

pub use anchors::{AllowedUse, Anchors, InvalidAnchors, NotPinned, PinnedAnchor};
pub use bundle::{InvalidBundle, read_certificates};
pub use certificate::{
    Certificate, CertificateUse, Fingerprint, InvalidCertificate, InvalidFingerprint, KeyPeriod,
};
pub use crl::{Crl, InvalidCrl, RevokedEntry};
pub use identifier::{
    Check, InvalidIdentifier, PersonId, PersonIdKind, StructureId, StructureIdKind,
};
pub use name::{Attribute, InvalidName, Name};
pub use practitioner::{
    ActivityData, Billing, BillingData, CardData, CardType, Exercise, NotAPractitioner,
    Practitioner, Structure,
};
pub use schedule::{CrlSchedule, FetchFailure};
pub use selection::{Candidate, Selection, select};
pub use tables::{Coded, Dictionary, InvalidDictionary, Table, UnknownTable};
pub use trust::{
    Environment, InvalidAuthority, Purpose, Revocation, RevocationPolicy, Trust, Verdict,
};
