//! `GET /v1/trust`, `POST /v1/trust/anchors`, and the verdict that certificates carry elsewhere.

use serde::{Deserialize, Serialize};

use super::Environment;

/// Whether a certificate is believed now, and why not.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TrustReport {
    /// The answer.
    pub verdict: Verdict,
    /// The reason in English, with its dates and names; null when there is nothing to add.
    pub detail: Option<String>,
    /// What is known of its revocation, when it is otherwise believed.
    #[serde(default)]
    pub revocation: Option<Revocation>,
}

/// Why a certificate is believed or not.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A signature of its path does not verify.
    BadSignature,
    /// It seems out of date because the clock of this computer is wrong.
    ClockSkew,
    /// Its validity is over.
    Expired,
    /// Its private key may no longer be used (PrivateKeyUsagePeriod, RFC 3280 §4.2.1.4).
    KeyPeriodOver,
    /// Its validity has not begun.
    NotYetValid,
    /// It comes from an authority closed since, with algorithms no longer believed.
    Obsolete,
    /// Its authority revoked it.
    Revoked,
    /// A test certificate where only real ones are believed.
    TestInProduction,
    /// It is believed.
    Trusted,
    /// No anchor imported here has issued it.
    UnknownIssuer,
    /// Its key is not for this use.
    WrongUse,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// What is known of the revocation of a certificate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// A current list does not name it.
    Good,
    /// No current list is at hand.
    Unknown,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// Answer of `GET /v1/trust`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Trust {
    /// Whose authorities are believed.
    pub environment: Environment,
    /// The anchors of this environment, those still to import included.
    pub anchors: Vec<Anchor>,
    /// The revocation lists at hand.
    pub crls: Vec<Crl>,
}

/// A certification authority believed, or believed once imported.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Anchor {
    /// Name, for people.
    pub name: String,
    /// Root or intermediate.
    pub role: AnchorRole,
    /// SHA-256 of the DER encoding, lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// Whether the fingerprint is pinned by the project; false for an anchor of the configuration.
    pub pinned: bool,
    /// Whether the certificate itself is here.
    pub present: bool,
    /// End of validity, RFC 3339, when present.
    pub not_after: Option<String>,
    /// The certificate itself, DER in base64, when present.
    #[serde(default)]
    pub der: Option<String>,
}

/// Place of an authority in its path.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorRole {
    /// Issued by a root.
    Intermediate,
    /// Signs itself.
    Root,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// One revocation list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Crl {
    /// Authority that issues it.
    pub issuer: String,
    /// Where it is fetched.
    pub url: Option<String>,
    /// Whether it can be relied on.
    pub state: CrlState,
    /// When it was made, RFC 3339.
    pub this_update: Option<String>,
    /// When the next one is due, RFC 3339.
    pub next_update: Option<String>,
    /// When it is fetched next, RFC 3339.
    pub next_fetch: Option<String>,
}

/// Whether a revocation list can be relied on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CrlState {
    /// Current.
    Current,
    /// Past its date, within the grace allowed.
    Grace,
    /// Never fetched.
    Missing,
    /// Past its date and the grace: no longer believed.
    Stale,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// Answer of `POST /v1/trust/anchors`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Imported {
    /// Anchors new here.
    pub imported: Vec<Anchor>,
    /// Anchors that were here already.
    pub already_present: Vec<Anchor>,
}
