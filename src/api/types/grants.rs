//! `GET /v1/grants` and `DELETE /v1/grants/{id}`.

use serde::{Deserialize, Serialize};

use super::Caller;

/// Answer of `GET /v1/grants`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Grants {
    /// Every grant in force.
    pub grants: Vec<Grant>,
}

/// A permission that the practitioner gave to a program.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Grant {
    /// Name of the grant, for its revocation.
    pub id: String,
    /// The program.
    pub caller: Caller,
    /// What the program was called when the person was asked: the name of its desktop entry, with
    /// the file's name behind it where any program of the user could have written that entry. Null
    /// for a program without one.
    pub program_name: Option<String>,
    /// Its icon on the desktop: a name of the icon theme, or the path of a picture.
    pub icon: Option<String>,
    /// What it may do: `tls_client_auth`, `mail`, `raw_tls_sign`, `sign_cms`, `read_exercises`…
    pub purpose: String,
    /// Where, `host:port` or host, for a TLS purpose.
    pub destination: Option<String>,
    /// Serial number of the card it is limited to; null for any.
    pub card: Option<String>,
    /// How long it lasts.
    pub duration: GrantDuration,
    /// When it was given, RFC 3339.
    pub granted_at: String,
    /// When it ends, RFC 3339; null when an event ends it rather than a date.
    pub expires_at: Option<String>,
}

/// What ends a grant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantDuration {
    /// A date.
    Days,
    /// The operation it was given for.
    Once,
    /// The end of the login, of the program, or of the session.
    Session,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}
