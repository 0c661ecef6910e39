//! `GET /v1/doctor`.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/doctor`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Doctor {
    /// What was looked at, in the order in which a person should read it.
    pub findings: Vec<Finding>,
}

/// One thing looked at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// Code of the API when something is wrong, `ok` otherwise.
    pub code: String,
    /// How bad it is.
    pub level: Level,
    /// What was looked at: `pcscd`, name of a reader, serial of a card, file…
    pub subject: String,
    /// What was found, in French.
    pub fr: String,
    /// What was found, in English.
    pub en: String,
    /// What to do, in French.
    pub remedy_fr: Option<String>,
    /// What to do, in English.
    pub remedy_en: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All is well.
    Ok,
    /// It works, but deserves attention.
    Warning,
    /// It does not work.
    Error,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}
