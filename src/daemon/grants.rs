//! Who may use the card for what: decisions of the practitioner, remembered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::caller::Executable;
use crate::purpose::PurposeKind;

/// A live permission. Using a key needs one that matches program, purpose, destination and card.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Name for listing and revoking: 16 hexadecimal digits, random.
    pub id: String,
    /// The program it was given to. Replacing the file ends the grant.
    pub executable: Executable,
    /// SHA-256 (hexadecimal) of that file, for grants that outlive the daemon.
    pub sha256: Option<String>,
    /// Sandboxed application, see [`crate::caller::Caller::app_id`].
    pub app_id: Option<String>,
    /// Short name of the program, for listing.
    pub program: String,
    /// What for.
    pub purpose: PurposeKind,
    /// `host:port`, for purposes that have one.
    pub destination: Option<String>,
    /// Serial number of the card.
    pub card: String,
    /// When it was given.
    pub given: Timestamp,
    /// How long it lasts.
    pub lifetime: Lifetime,
}

/// How long a grant lasts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// This one operation; never stored.
    Once,
    /// Until the card is removed or locked; never written to disk.
    Session,
    /// Until this time.
    Until(Timestamp),
}
