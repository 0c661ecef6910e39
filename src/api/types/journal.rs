//! `GET /v1/journal`, and `GET /v1/journal/verify` as well as `GET /v1/mail/journal/verify`.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/journal?after=&limit=`: entries in the order in which they were written.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Journal {
    /// At most `limit` entries, the first ones numbered above `after` (0 when absent).
    pub entries: Vec<JournalEntry>,
    /// Whether the hash chain of the entries given is whole.
    pub verified: bool,
}

/// One use, or refused use, of a card. Never content, nor anything of a patient.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JournalEntry {
    /// Number of the entry, from 1, without holes.
    pub sequence: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What was done: `login`, `mail`, `sign_cms`, `tls_client_auth`, `grant`, `revoke`…
    pub operation: String,
    /// For whom.
    pub caller: Caller,
    /// Where, for a TLS use.
    pub destination: Option<String>,
    /// Serial number of the card.
    pub card: Option<String>,
    /// SHA-256 of the certificate used, lower-case hexadecimal.
    pub certificate: Option<String>,
    /// `done`, or the code of the refusal.
    pub result: String,
    /// What more there is to know of it: what was granted, what was found…
    #[serde(default)]
    pub note: Option<String>,
    /// Hash that chains this entry to the one before, lower-case hexadecimal.
    pub hash: String,
}

/// A program, as the kernel attests it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Caller {
    /// Path of the executable; null when it could not be attested.
    pub executable: Option<String>,
    /// Process number at the time of the request.
    pub pid: Option<u32>,
    /// Application identifier (Flatpak, Snap), when it runs in a sandbox.
    pub app_id: Option<String>,
    /// systemd unit, when known.
    pub unit: Option<String>,
    /// What to call it when speaking to a person.
    pub display: String,
}

/// Answer of `GET /v1/journal/verify` and of `GET /v1/mail/journal/verify`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JournalVerification {
    /// Whether every entry still chains to the one before, from the first to the last.
    pub verified: bool,
    /// How many entries were checked.
    pub entries: u64,
    /// Number of the first entry, when those before it were removed because of their age.
    #[serde(default)]
    pub begins_at: Option<u64>,
    /// Number of the first entry that does not chain, when one does not.
    pub broken_at: Option<u64>,
    /// What is wrong with it, in English, when one does not chain.
    pub detail: Option<String>,
}
