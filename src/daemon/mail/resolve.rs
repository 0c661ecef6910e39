//! From the address of a mailbox to its operator.
//!
//! Administrator first: what `[[operator]]` says needs no proof. Whatever else names a server is held
//! to the trust space (`[mail] domains`) and to public addresses, because anybody may have written it,
//! and a server gets the card's proof of identity. First DNS (RFC 6186, RFC 8314), then the document
//! that mail programs look for (domain page "mssante", section 2.2).

mod document;
mod fetch;

use std::net::IpAddr;
use std::time::Duration;

use cps_mail::Address;
use hyper::Uri;
use rustls::pki_types::CertificateDer;

use self::document::Server;
use self::fetch::Fetched;
use super::mailboxes::Source;
use super::names::{Names, NamesError, Service};
use super::operator::{Endpoint, LoginKind, Operator};
use super::public::is_public;
use crate::config::{Config, MailConfig, MailLogin, MailServer, MailTls, OperatorConfig};
use crate::trust::TrustStore;

/// Why no operator was found for an address.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
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

/// The operator of an address, and how it is known. Takes [`PATIENCE`] at most.
///
/// # Errors
/// [`ResolveError`].
pub async fn operator(
    address: &Address,
    config: &Config,
    trust: &TrustStore,
) -> Result<(Operator, Source), ResolveError> {
    if let Some(operator) = configured(address, config) {
        return Ok((operator, Source::Configuration));
    }
    if !address.is_under(&config.mail.domains) {
        return Err(ResolveError::Outside(address.clone()));
    }
    let roots = trust.authorities().into_iter().filter_map(|authority| {
        let certificate = authority.certificate;
        let der = || CertificateDer::from(certificate.der().to_vec());
        certificate.is_self_issued().then(der)
    });
    let search = Search {
        address,
        config: &config.mail,
        roots: roots.collect(),
        is_public,
        https: 443,
    };
    match tokio::time::timeout(PATIENCE, search.run()).await {
        Ok(found) => found,
        Err(_) => Err(search.lookup("it takes too long")),
    }
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

/// One search.
struct Search<'a> {
    address: &'a Address,
    config: &'a MailConfig,
    /// Believed for the published document, beside the system's.
    roots: Vec<CertificateDer<'static>>,
    /// Which addresses a server may have.
    is_public: fn(IpAddr) -> bool,
    /// Port of the published document.
    https: u16,
}

impl Search<'_> {
    async fn run(&self) -> Result<(Operator, Source), ResolveError> {
        let names = Names::new(&self.config.dns).map_err(|error| self.failed(&error))?;
        // Some networks answer nothing but addresses: the document may be within reach all the same.
        let silent = match self.services(&names).await {
            Ok(Some(operator)) => {
                self.check(&names, &operator).await?;
                return Ok((operator, Source::Dns));
            }
            Ok(None) => None,
            Err(error) => Some(self.failed(&error)),
        };
        match (self.published(&names).await, silent) {
            (Ok(Some(operator)), _) => {
                self.check(&names, &operator).await?;
                Ok((operator, Source::Autoconfig))
            }
            (Err(refused @ ResolveError::Refused { .. }), _) => Err(refused),
            (_, Some(silent)) => Err(silent),
            (Err(error), None) => Err(error),
            (Ok(None), None) => Err(ResolveError::Unknown {
                domain: self.domain().to_owned(),
            }),
        }
    }

    /// The operator that DNS names, if it names both its servers.
    async fn services(&self, names: &Names) -> Result<Option<Operator>, NamesError> {
        let domain = self.domain();
        let of = async |starttls: &str, implicit: &str| {
            let (starttls, implicit) = tokio::try_join!(
                names.services(starttls, domain),
                names.services(implicit, domain)
            )?;
            Ok::<_, NamesError>(preferred(&starttls, &implicit))
        };
        let (imap, smtp) = tokio::try_join!(
            of("_imap._tcp", "_imaps._tcp"),
            of("_submission._tcp", "_submissions._tcp")
        )?;
        Ok(imap.zip(smtp).map(|(imap, smtp)| Operator {
            name: domain.to_owned(),
            imap,
            smtp,
            login: LoginKind::External,
            smtp_login: LoginKind::External,
            anchors: Vec::new(),
            token_command: Vec::new(),
            found: true,
        }))
    }

    /// The operator that the published document names.
    async fn published(&self, names: &Names) -> Result<Option<Operator>, ResolveError> {
        let Some(bytes) = self.fetch(names).await? else {
            return Ok(None);
        };
        let document = document::read(&bytes).map_err(|error| self.refused(error.to_string()))?;
        let imap = document.incoming.iter().find_map(|one| one.of("imap"));
        let smtp = document.outgoing.iter().find_map(|one| one.of("smtp"));
        let (Some((imap, login)), Some((smtp, smtp_login))) = (imap, smtp) else {
            let reason = "its published settings name no IMAP and SMTP servers with TLS";
            return Err(self.refused(reason.to_owned()));
        };
        let visible = document.name.chars().filter(|one| !one.is_control());
        let name: String = visible.take(NAME).collect();
        Ok(Some(Operator {
            name: match name.trim() {
                "" => self.domain().to_owned(),
                name => name.to_owned(),
            },
            imap,
            smtp,
            // Without a login nobody reads mail; the certificate may be enough to send some.
            login: match login {
                LoginKind::Certificate => LoginKind::External,
                login => login,
            },
            smtp_login,
            anchors: Vec::new(),
            token_command: Vec::new(),
            found: true,
        }))
    }

    async fn fetch(&self, names: &Names) -> Result<Option<Vec<u8>>, ResolveError> {
        let domain = self.domain();
        let address = percent_encoded(&self.address.to_string());
        let mut place =
            format!("https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={address}");
        let mut config = None;
        for _ in 0..=REDIRECTIONS {
            let uri: Uri = place
                .parse()
                .map_err(|_| self.refused(format!("a redirection to {place}")))?;
            let within = uri
                .host()
                .filter(|host| is_within(host, &[domain.to_owned()]));
            let (Some("https"), Some(host), None) = (uri.scheme_str(), within, uri.port()) else {
                return Err(self.refused(format!("a redirection to {place}")));
            };
            let addresses = self.addresses(names, host).await?;
            if addresses.is_empty() {
                return Ok(None);
            }
            let config = match &config {
                Some(config) => config,
                None => {
                    let made = fetch::configuration(self.roots.clone()).await;
                    config.insert(made.map_err(|reason| self.lookup(&reason))?)
                }
            };
            let fetched = fetch::get(&uri, &addresses, self.https, config.clone()).await;
            match fetched.map_err(|reason| self.lookup(&format!("{host}: {reason}")))? {
                Fetched::Document(bytes) => return Ok(Some(bytes)),
                Fetched::Moved(to) => place = to,
                Fetched::Nothing => return Ok(None),
            }
        }
        Err(self.refused("too many redirections".to_owned()))
    }

    /// Whether both servers are where an operator's may be.
    async fn check(&self, names: &Names, operator: &Operator) -> Result<(), ResolveError> {
        for host in [&operator.imap.host, &operator.smtp.host] {
            if !is_within(host, &self.config.domains) {
                return Err(self.refused(format!("{host} is not in the trust space")));
            }
            if self.addresses(names, host).await?.is_empty() {
                return Err(self.refused(format!("{host} does not exist")));
            }
        }
        Ok(())
    }

    /// The addresses of a host, all of them public.
    async fn addresses(&self, names: &Names, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if host.parse::<IpAddr>().is_ok() {
            return Err(self.refused(format!("{host} is an address, not a name")));
        }
        let addresses = names.addresses(host).await;
        let addresses = addresses.map_err(|error| self.failed(&error))?;
        match addresses
            .iter()
            .find(|address| !(self.is_public)(**address))
        {
            Some(private) => Err(self.refused(format!("{host} is at {private}"))),
            None => Ok(addresses),
        }
    }

    fn domain(&self) -> &str {
        self.address.domain()
    }

    fn failed(&self, error: &NamesError) -> ResolveError {
        self.lookup(&error.to_string())
    }

    fn lookup(&self, reason: &str) -> ResolveError {
        ResolveError::Lookup {
            domain: self.domain().to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn refused(&self, reason: String) -> ResolveError {
        ResolveError::Refused {
            domain: self.domain().to_owned(),
            reason,
        }
    }
}

/// The server with the lowest priority (RFC 6186 §3.4); STARTTLS, the rule among MSSanté operators,
/// when they do not say.
fn preferred(starttls: &[Service], implicit: &[Service]) -> Option<Endpoint> {
    let (service, starttls) = match (starttls.first(), implicit.first()) {
        (Some(later), Some(sooner)) if sooner.priority < later.priority => (sooner, false),
        (Some(later), _) => (later, true),
        (None, sooner) => (sooner?, false),
    };
    Some(Endpoint {
        host: service.host.to_ascii_lowercase(),
        port: service.port,
        starttls,
    })
}

impl Server {
    /// Where it is and how one logs in, if it is of this kind and speaks TLS.
    fn of(&self, kind: &str) -> Option<(Endpoint, LoginKind)> {
        let starttls = match self.socket.as_str() {
            "STARTTLS" => true,
            "SSL" | "TLS" => false,
            _ => return None,
        };
        let port = self.port.parse().ok().filter(|port| *port != 0)?;
        let is = |name: &str| self.authentication.iter().any(|one| one == name);
        // What the card can do before what it cannot.
        let login = match () {
            () if is("TLS-client-cert") => LoginKind::External,
            () if is("OAuth2") => LoginKind::XOauth2,
            () if is("none") => LoginKind::Certificate,
            () => LoginKind::External,
        };
        let endpoint = Endpoint {
            host: self.host.to_ascii_lowercase(),
            port,
            starttls,
        };
        (self.kind == kind && !self.host.is_empty()).then_some((endpoint, login))
    }
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

/// For a query (RFC 3986 §2.3).
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::default(), |all, byte| {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => all + char::from(byte).encode_utf8(&mut [0; 4]),
            false => all + &format!("%{byte:02X}"),
        }
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

/// A person waits.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// From the name that programs know to the server that has it.
const REDIRECTIONS: usize = 3;

/// Letters of an operator's name.
const NAME: usize = 64;

#[cfg(test)]
mod tests;
