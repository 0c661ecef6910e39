//! A practice with mailboxes.

use std::path::PathBuf;

use cps_api::types::NewMailbox;
use cps_emulator::{Pki, ServerIdentity};

use super::clients::Account;
use super::{Dovecot, Impostor, Login, Mailboxes, Port, Postfix, Sink, Talk, Tokens};
use crate::{Practice, Sandbox, Settings, TlsVersions, until};

/// What operators are built on.
pub struct Ground<'a> {
    /// The private folder.
    pub sandbox: &'a Sandbox,
    /// The authorities.
    pub pki: &'a Pki,
    /// The identity of a server on this computer.
    pub identity: ServerIdentity,
    /// The mailboxes of all operators.
    pub mailboxes: &'a Mailboxes,
    /// Where mail goes behind them.
    pub sink: &'a Sink,
}

impl Ground<'_> {
    /// Starts a Dovecot as `name`.
    pub fn dovecot(&self, name: &str, login: Login<'_>) -> Dovecot {
        let identity = (self.pki, &self.identity);
        Dovecot::start(
            self.sandbox,
            name,
            identity,
            login,
            (self.mailboxes, self.sink),
        )
    }

    /// Starts a Postfix as `name`.
    pub fn postfix(&self, name: &str, versions: TlsVersions) -> Postfix {
        let identity = (self.pki, &self.identity);
        Postfix::start(self.sandbox, name, identity, versions, self.sink)
    }
}

/// An operator as the administrator of the practice writes it down, for the mailboxes of one domain.
#[derive(Clone, Debug)]
pub struct Operator {
    domain: String,
    host: String,
    imap: u16,
    smtp: u16,
    tls: &'static str,
    login: &'static str,
    smtp_login: Option<&'static str>,
    token_program: Option<PathBuf>,
}

impl Operator {
    /// Two ports with STARTTLS, and the card.
    pub fn at(domain: &str, imap: u16, smtp: u16) -> Self {
        Self {
            domain: domain.to_owned(),
            host: "localhost".to_owned(),
            imap,
            smtp,
            tls: "starttls",
            login: "external",
            smtp_login: None,
            token_program: None,
        }
    }

    /// A Dovecot with STARTTLS, and the card.
    pub fn dovecot(domain: &str, server: &Dovecot) -> Self {
        Self::at(
            domain,
            server.port(Port::Imap),
            server.port(Port::Submission),
        )
    }

    /// A Dovecot with TLS from the first byte, and the card.
    pub fn dovecot_in_tls(domain: &str, server: &Dovecot) -> Self {
        Self {
            tls: "implicit",
            ..Self::at(
                domain,
                server.port(Port::Imaps),
                server.port(Port::Submissions),
            )
        }
    }

    /// An impostor, and the card.
    pub fn impostor(domain: &str, server: &Impostor) -> Self {
        Self::at(domain, server.imap(), server.smtp())
    }

    /// Its host has this name or address.
    #[must_use]
    pub fn on(self, host: &str) -> Self {
        let host = host.to_owned();
        Self { host, ..self }
    }

    /// TLS from the first byte.
    #[must_use]
    pub fn in_tls(self) -> Self {
        Self {
            tls: "implicit",
            ..self
        }
    }

    /// The login is this one: `xoauth2`, `oauthbearer`; tokens come from there.
    #[must_use]
    pub fn by_token(self, login: &'static str, tokens: &Tokens) -> Self {
        Self {
            login,
            token_program: Some(tokens.program()),
            ..self
        }
    }

    /// Mail is sent there instead, without a login.
    #[must_use]
    pub fn sending_to(self, server: &Postfix) -> Self {
        Self {
            smtp: server.port(),
            smtp_login: Some("certificate"),
            ..self
        }
    }

    fn toml(&self) -> String {
        let Self {
            domain,
            host,
            imap,
            smtp,
            tls,
            login,
            ..
        } = self;
        let smtp_login = self
            .smtp_login
            .map(|login| format!("smtp_login = \"{login}\"\n"));
        let program = self.token_program.as_ref();
        let program = program.map(|path| format!("token_command = [\"{}\"]\n", path.display()));
        format!(
            "[[operator]]\nname = \"{domain}\"\ndomains = [\"{domain}\"]\n\
             imap = {{ host = \"{host}\", port = {imap}, tls = \"{tls}\" }}\n\
             smtp = {{ host = \"{host}\", port = {smtp}, tls = \"{tls}\" }}\n\
             login = \"{login}\"\n{}{}",
            smtp_login.unwrap_or_default(),
            program.unwrap_or_default(),
        )
    }
}

/// The lines of the configuration for these operators, with the gateway on any free ports and these
/// further lines in its table `[mail]`.
pub fn settings(more: &str, operators: &[Operator]) -> String {
    let operators: String = operators.iter().map(Operator::toml).collect();
    format!("{MAIL}{more}\n{operators}")
}

/// A practice whose daemon opens mailboxes at these servers. The fields end in the order in which
/// they stand here.
pub struct Office<S> {
    /// The operators.
    pub servers: S,
    /// Daemon, reader, person.
    pub practice: Practice,
    /// The mailboxes of the operators.
    pub mailboxes: Mailboxes,
    /// Where mail goes behind them.
    pub sink: Sink,
}

/// What a mail client needs to know of a mailbox.
#[derive(Clone, Debug)]
pub struct Access {
    /// To read.
    pub imap: Account,
    /// To send.
    pub smtp: Account,
}

impl<S> Office<S> {
    /// A practice with these operators.
    pub fn new(prepare: impl FnOnce(&Ground<'_>) -> (S, Vec<Operator>)) -> Self {
        Self::with("", prepare)
    }

    /// The same with further lines in the table `[mail]` of the configuration.
    pub fn with(more: &str, prepare: impl FnOnce(&Ground<'_>) -> (S, Vec<Operator>)) -> Self {
        Self::prepared(|ground| {
            let (servers, operators) = prepare(ground);
            (servers, operators, more.to_owned())
        })
    }

    /// The same, where the further lines depend on what was prepared. They may be tables of their own.
    ///
    /// # Panics
    ///
    /// When something does not start.
    pub fn prepared(prepare: impl FnOnce(&Ground<'_>) -> (S, Vec<Operator>, String)) -> Self {
        let mut rest = None;
        let practice = Practice::prepared(|sandbox, pki| {
            let mailboxes = Mailboxes::new(sandbox);
            let sink = Sink::start(&mailboxes);
            let identity = pki.server(&["localhost"]);
            let ground = Ground {
                sandbox,
                pki,
                identity,
                mailboxes: &mailboxes,
                sink: &sink,
            };
            let (servers, operators, more) = prepare(&ground);
            rest = Some((servers, mailboxes, sink));
            Settings {
                more: format!("language = \"fr\"\n{}", settings(&more, &operators)),
                ..Settings::default()
            }
        });
        let (servers, mailboxes, sink) = rest.unwrap();
        Self {
            servers,
            practice,
            mailboxes,
            sink,
        }
    }

    /// Adds a mailbox of the person whose card is in the reader.
    pub fn add(&self, address: &str) -> Access {
        self.add_as(address, false, None)
    }

    /// Adds a mailbox, shared by a team or not, of the person with this card (its serial number).
    ///
    /// # Panics
    ///
    /// When the daemon refuses.
    pub fn add_as(&self, address: &str, shared: bool, card: Option<String>) -> Access {
        let client = self.practice.cpsd.client();
        let added = client.add_mailbox(&NewMailbox {
            address: address.to_owned(),
            client: "e2e".to_owned(),
            shared,
            card,
        });
        let password = added.unwrap().password;
        let account = |place: fn(cps_api::types::Mail) -> Option<String>| Account {
            address: until("the ports of the gateway", || place(client.mail().unwrap()))
                .parse()
                .unwrap(),
            user: address.to_owned(),
            password: password.clone(),
        };
        Access {
            imap: account(|mail| mail.imap),
            smtp: account(|mail| mail.smtp),
        }
    }
}

impl Access {
    /// A bare connection that is not logged in, the greeting unread.
    pub fn imap(&self) -> Talk {
        Talk::tcp(self.imap.address)
    }

    /// A bare connection that is not logged in, the greeting unread.
    pub fn smtp(&self) -> Talk {
        Talk::tcp(self.smtp.address)
    }

    /// Logs in to read, on a connection of its own: the connection and the answer.
    pub fn read(&self) -> (Talk, String) {
        let mut talk = self.imap();
        let answer = talk.imap_login(&self.imap.user, &self.imap.password);
        (talk, answer)
    }

    /// Logs in to send, on a connection of its own: the connection and the answer.
    pub fn send(&self) -> (Talk, String) {
        let mut talk = self.smtp();
        let answer = talk.smtp_login(&self.smtp.user, &self.smtp.password);
        (talk, answer)
    }
}

const MAIL: &str = "[mail]\n\
    imap = \"127.0.0.1:0\"\nsmtp = \"127.0.0.1:0\"\nautoconfig = \"127.0.0.1:0\"\n\
    imaps = \"127.0.0.1:0\"\nsmtps = \"127.0.0.1:0\"\n";
