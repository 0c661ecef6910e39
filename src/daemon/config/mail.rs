//! `[mail]` and `[[operator]]`: the MSSanté gateway, and the operators whose mailboxes it opens.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

/// How the gateway serves mail clients. Without a mailbox nothing listens.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// Where IMAP clients connect: a loopback address. Port 0 is any free port, here and below.
    pub imap: SocketAddr,
    /// Where SMTP clients connect.
    pub smtp: SocketAddr,
    /// Where clients ask for their settings.
    pub autoconfig: SocketAddr,
    /// Whether `imaps` and `smtps` listen too.
    pub tls: bool,
    /// Where IMAP clients that insist on TLS connect.
    pub imaps: SocketAddr,
    /// Where SMTP clients that insist on TLS connect.
    pub smtps: SocketAddr,
    /// Seconds a client is kept waiting for a person.
    pub hold_seconds: u32,
    /// Connections of clients at once.
    pub connections: u32,
    /// Minutes that open sessions outlive removal or lock of the card; 0: closed at once.
    pub keep_minutes: u32,
    /// The trust space: domains of operators and of recipients, sub-domains included.
    pub domains: Vec<String>,
    /// What becomes of mail to other domains.
    pub outside: Outside,
    /// Largest message in MiB.
    pub size_mib: u32,
    /// Value of `X-MSS-NIL`; the field is added only when this is not empty.
    pub product: String,
    /// Name servers asked instead of the system's.
    pub dns: Vec<SocketAddr>,
    /// Days the mail journal is kept.
    pub journal_days: u32,
}

/// What becomes of mail to recipients outside the trust space.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// The operator decides.
    Allow,
    /// The gateway refuses it.
    Refuse,
    /// The operator decides, and the person is told.
    #[default]
    Warn,
}

/// An operator that the administrator names. Its hosts are believed, also local ones.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct OperatorConfig {
    /// What the person knows it by.
    pub name: String,
    /// Domains of its mailboxes, each exactly (case does not matter).
    pub domains: Vec<String>,
    /// Where mail is read.
    pub imap: MailServer,
    /// Where mail is sent.
    pub smtp: MailServer,
    /// How one logs in.
    #[serde(default)]
    pub login: MailLogin,
    /// How one logs in to send; as `login` when absent.
    #[serde(default)]
    pub smtp_login: Option<MailLogin>,
    /// Anchors for its servers' certificates; those of the whole file when empty.
    #[serde(default)]
    pub anchors: Vec<PathBuf>,
    /// Program and arguments that print an access token.
    #[serde(default)]
    pub token_command: Vec<String>,
}

/// A server of an operator.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct MailServer {
    /// DNS name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// When TLS begins.
    #[serde(default)]
    pub tls: MailTls,
}

/// When TLS begins on a connection. There is none without TLS.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// With the first byte.
    Implicit,
    /// After the `STARTTLS` command.
    #[default]
    StartTls,
}

/// How one logs in at an operator.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum MailLogin {
    /// The card's certificate in the TLS handshake is enough; to send only.
    Certificate,
    /// The card's certificate, then SASL EXTERNAL (RFC 4422).
    #[default]
    External,
    /// An access token, SASL OAUTHBEARER (RFC 7628).
    OauthBearer,
    /// An access token, SASL XOAUTH2.
    Xoauth2,
}

impl MailLogin {
    /// Whether it takes an access token rather than the card.
    pub fn takes_token(self) -> bool {
        matches!(self, Self::OauthBearer | Self::Xoauth2)
    }
}

impl OperatorConfig {
    /// How one logs in to send.
    pub fn smtp_login(&self) -> MailLogin {
        self.smtp_login.unwrap_or(self.login)
    }

    /// Whether mailboxes of this domain are its own.
    pub fn serves(&self, domain: &str) -> bool {
        self.domains
            .iter()
            .any(|known| known.eq_ignore_ascii_case(domain))
    }
}

impl Default for MailConfig {
    fn default() -> Self {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            imap: local(1143),
            smtp: local(1587),
            autoconfig: local(1480),
            tls: false,
            imaps: local(1993),
            smtps: local(1465),
            hold_seconds: 20,
            connections: 1000,
            keep_minutes: 0,
            domains: vec!["mssante.fr".to_owned()],
            outside: Outside::default(),
            size_mib: 25,
            product: String::default(),
            dns: Vec::new(),
            journal_days: 184,
        }
    }
}

/// What is wrong with `[mail]`: the key, and why.
pub(super) fn check(mail: &MailConfig) -> Result<(), (String, &'static str)> {
    let refuse = |key: &str, what| Err((format!("mail.{key}"), what));
    let ports = [
        ("imap", mail.imap),
        ("smtp", mail.smtp),
        ("autoconfig", mail.autoconfig),
        ("imaps", mail.imaps),
        ("smtps", mail.smtps),
    ];
    let mut taken = BTreeSet::new();
    for (key, address) in ports {
        if !address.ip().is_loopback() {
            let what = "must be an address of this computer alone: 127.0.0.1 or [::1]";
            return refuse(key, what);
        }
        if address.port() != 0 && !taken.insert(address) {
            return refuse(key, "is already given to another key of [mail]");
        }
    }
    // Clients give up near 30 seconds.
    if !(1..=25).contains(&mail.hold_seconds) {
        return refuse("hold_seconds", "must be between 1 and 25");
    }
    if !(1..=10_000).contains(&mail.connections) {
        return refuse("connections", "must be between 1 and 10000");
    }
    if mail.keep_minutes > 24 * 60 {
        return refuse("keep_minutes", "must be at most 1440 (one day)");
    }
    if !mail.domains.iter().all(|name| is_domain(name)) {
        return refuse("domains", DOMAINS);
    }
    if !(1..=1024).contains(&mail.size_mib) {
        return refuse("size_mib", "must be between 1 and 1024");
    }
    // It becomes a header field of each message (RFC 5322 §2.1.1).
    let visible = |byte: u8| (b' '..=b'~').contains(&byte);
    if mail.product.len() > 128
        || !mail.product.bytes().all(visible)
        || mail.product.trim() != mail.product
    {
        return refuse("product", "must be at most 128 visible ASCII characters");
    }
    if mail.dns.len() > 8 || mail.dns.iter().any(|server| server.port() == 0) {
        return refuse(
            "dns",
            "must be at most 8 addresses with a port other than 0",
        );
    }
    if !(184..=3660).contains(&mail.journal_days) {
        return refuse("journal_days", "must be between 184 (six months) and 3660");
    }
    Ok(())
}

/// What is wrong with the operators: the key, and why.
pub(super) fn check_operators(operators: &[OperatorConfig]) -> Result<(), (String, &'static str)> {
    let mut names = BTreeSet::new();
    let mut domains = BTreeSet::new();
    for (index, operator) in operators.iter().enumerate() {
        let refuse = |name: &str, what| Err((format!("operator[{index}].{name}"), what));
        let name = &operator.name;
        if !(1..=64).contains(&name.chars().count())
            || name.chars().any(char::is_control)
            || name.trim() != name
        {
            return refuse("name", "must be 1 to 64 visible characters");
        }
        if !names.insert(name.to_lowercase()) {
            return refuse("name", "is already given above");
        }
        if operator.domains.is_empty() || !operator.domains.iter().all(|name| is_domain(name)) {
            return refuse("domains", DOMAINS);
        }
        for domain in &operator.domains {
            if !domains.insert(domain.to_ascii_lowercase()) {
                return refuse("domains", "one of them is already given above");
            }
        }
        for (key, server) in [("imap", &operator.imap), ("smtp", &operator.smtp)] {
            if !super::is_host(&server.host) {
                return refuse(&format!("{key}.host"), super::HOST);
            }
            if server.port == 0 {
                return refuse(&format!("{key}.port"), "must not be 0");
            }
        }
        if operator.login == MailLogin::Certificate {
            let what = "\"certificate\" alone opens no mailbox; it is for smtp_login";
            return refuse("login", what);
        }
        let takes_token = operator.login.takes_token() || operator.smtp_login().takes_token();
        let command = &operator.token_command;
        match command.first() {
            None if takes_token => return refuse("token_command", "is needed for this login"),
            Some(_) if !takes_token => {
                return refuse("token_command", "is for a login with a token only");
            }
            Some(program) if !program.starts_with('/') => {
                return refuse("token_command", "must begin with an absolute path");
            }
            _ => {}
        }
        if command.iter().any(|part| part.contains('\0')) {
            return refuse("token_command", "must not hold a zero byte");
        }
    }
    Ok(())
}

const DOMAINS: &str = "must be domains such as \"medecin.mssante.fr\" (international names in \
                       their xn-- form)";

/// Letters, digits and hyphens, as RFC 1123 §2.1 has it.
fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label) && name.parse::<IpAddr>().is_err()
}
