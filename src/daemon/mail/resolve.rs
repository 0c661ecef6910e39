//! From the address of a mailbox to its operator.
//!
//! Administrator first: what `[[operator]]` says needs no proof. Whatever else names a server is held
//! to the trust space (`[mail] domains`) and to public addresses, because anybody may have written it,
//! and a server gets the card's proof of identity.

use cps_mail::Address;

use super::mailboxes::Source;
use super::operator::{Endpoint, LoginKind, Operator};
use crate::config::{Config, MailLogin, MailServer, MailTls, OperatorConfig};

/// Why no operator was found for an address.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nobody answered, for all that is known here.
    #[error("the servers of {domain} cannot be looked up: {reason}")]
    Lookup {
        /// Domain of the address.
        domain: String,
        /// What happened, in English.
        reason: String,
    },
    /// The address is in no domain that the configuration allows.
    #[error("{0} is not in the trust space")]
    Outside(Address),
    /// A server was named that may not get the card.
    #[error("the server named for {domain} is refused: {reason}")]
    Refused {
        /// Domain of the address.
        domain: String,
        /// Which, and why, in English.
        reason: String,
    },
    /// Neither DNS nor the operator itself says where its servers are.
    #[error("no server is published for {domain}")]
    Unknown {
        /// Domain of the address.
        domain: String,
    },
}

/// The operator of an address, and how it is known.
///
/// # Errors
/// [`ResolveError`].
pub async fn operator(
    address: &Address,
    config: &Config,
) -> Result<(Operator, Source), ResolveError> {
    if let Some(operator) = configured(address, config) {
        return Ok((operator, Source::Configuration));
    }
    if !address.is_under(&config.mail.domains) {
        return Err(ResolveError::Outside(address.clone()));
    }
    Err(ResolveError::Unknown {
        domain: address.domain().to_owned(),
    })
}

/// The operator that the administrator names for this address.
pub fn configured(address: &Address, config: &Config) -> Option<Operator> {
    let mut operators = config.operators.iter();
    operators
        .find(|operator| operator.serves(address.domain()))
        .map(Operator::from)
}

/// Whether an operator that was looked up may be used.
pub fn is_allowed(operator: &Operator, config: &Config) -> bool {
    [&operator.imap, &operator.smtp]
        .into_iter()
        .all(|endpoint| is_within(&endpoint.host, &config.mail.domains))
}

/// Whether the name is one of these domains, or under one of these.
fn is_within(name: &str, domains: &[String]) -> bool {
    domains.iter().any(|domain| {
        let before = name.len().checked_sub(domain.len());
        before
            .and_then(|length| name.split_at_checked(length))
            .is_some_and(|(before, end)| {
                end.eq_ignore_ascii_case(domain) && (before.is_empty() || before.ends_with('.'))
            })
    })
}

impl From<&OperatorConfig> for Operator {
    fn from(named: &OperatorConfig) -> Self {
        Self {
            name: named.name.clone(),
            imap: Endpoint::from(&named.imap),
            smtp: Endpoint::from(&named.smtp),
            login: named.login.into(),
            smtp_login: named.smtp_login().into(),
            anchors: named.anchors.clone(),
            token_command: named.token_command.clone(),
            found: false,
        }
    }
}

impl From<&MailServer> for Endpoint {
    fn from(server: &MailServer) -> Self {
        Self {
            host: server.host.clone(),
            port: server.port,
            starttls: server.tls == MailTls::StartTls,
        }
    }
}

impl From<MailLogin> for LoginKind {
    fn from(login: MailLogin) -> Self {
        match login {
            MailLogin::Certificate => Self::Certificate,
            MailLogin::External => Self::External,
            MailLogin::OauthBearer => Self::OauthBearer,
            MailLogin::Xoauth2 => Self::XOauth2,
        }
    }
}
