//! An MSSanté operator: where it is, how one logs in there, who vouches for it.

use std::net::IpAddr;
use std::path::PathBuf;

use cps_mail::Protocol;
use serde::{Deserialize, Serialize};

use super::public::is_public;

/// One operator, as configured or as found for an address. Kept with the mailboxes found there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// What the person calls it.
    pub name: String,
    /// Where mailboxes are read.
    pub imap: Endpoint,
    /// Where messages are submitted.
    pub smtp: Endpoint,
    /// How one logs in to read.
    pub login: LoginKind,
    /// How one logs in to submit.
    pub smtp_login: LoginKind,
    /// Files or folders of the anchors of its certificates; those in force when empty.
    #[serde(default)]
    pub anchors: Vec<PathBuf>,
    /// Program and arguments that print an access token, for logins that need one.
    #[serde(default)]
    pub token_command: Vec<String>,
    /// Whether it was looked up, rather than named by the administrator: its servers may then only
    /// be at public addresses ([`Operator::may_be_at`]).
    #[serde(default)]
    pub found: bool,
}

/// Where one protocol is spoken.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// DNS name or address, as its certificate says it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether TLS begins with STARTTLS (RFC 3501 §6.2.1, RFC 3207); with the first byte otherwise.
    pub starttls: bool,
}

/// How one logs in (domain page "mssante", section 4).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginKind {
    /// The card's certificate in TLS, then SASL EXTERNAL (RFC 4422 appendix A).
    External,
    /// The card's certificate in TLS is enough: submission only.
    Certificate,
    /// An access token by SASL XOAUTH2; TLS without a client certificate.
    XOauth2,
    /// An access token by SASL OAUTHBEARER (RFC 7628); TLS without a client certificate.
    OauthBearer,
}

impl Operator {
    /// Where `protocol` is spoken.
    #[must_use]
    pub fn endpoint(&self, protocol: Protocol) -> &Endpoint {
        match protocol {
            Protocol::Imap => &self.imap,
            Protocol::Smtp => &self.smtp,
        }
    }

    /// Which addresses its servers may have. To be asked of the address that is connected to: a name
    /// may have got another one since it was looked up.
    #[must_use]
    pub fn may_be_at(&self) -> fn(IpAddr) -> bool {
        match self.found {
            true => is_public,
            false => |_| true,
        }
    }

    /// How one logs in to `protocol`.
    #[must_use]
    pub fn login(&self, protocol: Protocol) -> LoginKind {
        match protocol {
            Protocol::Imap => self.login,
            Protocol::Smtp => self.smtp_login,
        }
    }
}

impl LoginKind {
    /// Whether the card's key proves who logs in; a token does otherwise.
    #[must_use]
    pub fn needs_card(self) -> bool {
        matches!(self, Self::External | Self::Certificate)
    }
}
