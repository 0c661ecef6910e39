//! A connection to an operator, logged in to one mailbox, or why there is none.
//!
//! Two stages: [`authorise`] may need a person (the card, its PIN, consent) and returns a
//! [`Permission`]; [`connect`] needs nobody. [`open`] is both.

mod holder;
mod trouble;

use std::net::IpAddr;
use std::time::Duration;

use cps_mail::sasl::Login;
use cps_mail::{Protocol, Refused, Trouble, imap, smtp};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::app::App;
use crate::caller::Caller;
use crate::cards::CardId;
use crate::grants::Grant;
use crate::mail::conversation::{Failed, client_name, hold, local_address};
use crate::mail::mailboxes::Mailbox;
use crate::mail::operator::LoginKind;
use crate::mail::token::{CommandSource, TokenSource};
use crate::purpose::Purpose;
use crate::tls::Service;
use crate::tls::client::{Permit, Way};

/// What [`connect`] needs of a person, given.
#[derive(Clone, Debug)]
pub struct Permission {
    /// Nothing for a login with a token.
    permit: Option<Permit>,
}

impl Permission {
    /// The insertion of the card whose identity is lent; nothing for a login with a token.
    #[must_use]
    pub fn card(&self) -> Option<&CardId> {
        self.permit.as_ref().map(Permit::card)
    }

    /// The grant under which it is lent; nothing for a login with a token.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        self.permit.as_ref().map(Permit::grant)
    }
}

/// A mailbox, open.
#[derive(Debug)]
pub struct Opened {
    /// The operator.
    pub stream: TlsStream<TcpStream>,
    /// What the client gets first (IMAP): untagged lines and the answer under its own tag.
    pub forward: Vec<u8>,
    /// What the operator has already sent behind it (IMAP), which is the client's as well.
    pub rest: Vec<u8>,
    /// Our own address on the network.
    pub local: IpAddr,
    /// What the operator offers (SMTP).
    pub smtp: Option<smtp::Session>,
    /// Under what the card's identity is lent.
    pub permission: Permission,
}

/// Asks the person whatever is to be asked so that `mailbox` can be opened; before that, makes
/// sure that it could be.
///
/// # Errors
///
/// What stands in the way.
pub async fn authorise(
    app: &App,
    caller: &Caller,
    mailbox: &Mailbox,
    protocol: Protocol,
) -> Result<Permission, Trouble> {
    if !mailbox.operator.login(protocol).needs_card() {
        return Ok(Permission { permit: None });
    }
    let card = holder::card(app, &mailbox.holder).await?;
    let permit = way(app, caller, mailbox, protocol)
        .authorise(&card, purpose(mailbox))
        .await?;
    Ok(Permission {
        permit: Some(permit),
    })
}

/// As [`authorise`], but nothing where the person would have to be asked.
///
/// # Errors
///
/// What stands in the way.
pub async fn granted(
    app: &App,
    caller: &Caller,
    mailbox: &Mailbox,
    protocol: Protocol,
) -> Result<Option<Permission>, Trouble> {
    if !mailbox.operator.login(protocol).needs_card() {
        return Ok(Some(Permission { permit: None }));
    }
    let card = holder::card(app, &mailbox.holder).await?;
    let permit = way(app, caller, mailbox, protocol)
        .granted(&card, purpose(mailbox))
        .await?;
    Ok(permit.map(|permit| Permission {
        permit: Some(permit),
    }))
}

/// Connects to the operator and logs in. `tag` is that of the client's login (IMAP). A token that
/// is refused is replaced by a fresh one, once.
///
/// # Errors
///
/// What stands in the way.
pub async fn connect(
    app: &App,
    caller: &Caller,
    mailbox: &Mailbox,
    protocol: Protocol,
    tag: &str,
    permission: Permission,
) -> Result<Opened, Trouble> {
    let way = way(app, caller, mailbox, protocol);
    let mut fresh = false;
    loop {
        let turn = way.turn(permission.permit.as_ref()).await?;
        let mut stream = way.open(permission.permit.as_ref()).await?;
        // Not earlier: a token lives for minutes only, and an operator may be slow.
        let login = login(mailbox, protocol, fresh).await?;
        match log_in(&mut stream, protocol, way.service, login, tag).await {
            Err(Failed::Refused(Refused::Token)) if !fresh => fresh = true,
            outcome => {
                let Entered {
                    forward,
                    rest,
                    smtp,
                } = outcome?;
                if let Some(turn) = turn {
                    turn.done();
                }
                return Ok(Opened {
                    local: local_address(stream.get_ref().0),
                    stream,
                    forward,
                    rest,
                    smtp,
                    permission,
                });
            }
        }
    }
}

/// Opens `mailbox`: [`authorise`], then [`connect`].
///
/// # Errors
///
/// What stands in the way.
pub async fn open(
    app: &App,
    caller: &Caller,
    mailbox: &Mailbox,
    protocol: Protocol,
    tag: &str,
) -> Result<Opened, Trouble> {
    let permission = authorise(app, caller, mailbox, protocol).await?;
    connect(app, caller, mailbox, protocol, tag, permission).await
}

/// Opens `mailbox` and leaves again.
///
/// # Errors
///
/// What stands in the way.
pub async fn test(
    app: &App,
    caller: &Caller,
    mailbox: &Mailbox,
    protocol: Protocol,
) -> Result<(), Trouble> {
    let mut opened = open(app, caller, mailbox, protocol, TEST_TAG).await?;
    let farewell: &[u8] = match protocol {
        Protocol::Imap => b"cpsd2 LOGOUT\r\n",
        Protocol::Smtp => b"QUIT\r\n",
    };
    // The answer is known; an operator that does not wait for a farewell is no failure.
    let farewell = async {
        opened.stream.write_all(farewell).await?;
        opened.stream.shutdown().await
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
    Ok(())
}

/// What an operator said when it let us in.
#[derive(Default)]
struct Entered {
    forward: Vec<u8>,
    rest: Vec<u8>,
    smtp: Option<smtp::Session>,
}

async fn log_in(
    stream: &mut TlsStream<TcpStream>,
    protocol: Protocol,
    service: Service,
    login: Login,
    tag: &str,
) -> Result<Entered, Failed> {
    // After STARTTLS there is no second greeting.
    let greeting = service == Service::Mail;
    match protocol {
        Protocol::Imap => {
            let dialogue = imap::Authentication::new(login, tag.to_owned(), greeting);
            let imap::Authenticated { forward, rest } = hold(stream, dialogue).await?;
            Ok(Entered {
                forward,
                rest,
                smtp: None,
            })
        }
        Protocol::Smtp => {
            let name = client_name(stream.get_ref().0);
            let dialogue = smtp::Authentication::new(login, name, greeting);
            let smtp = Some(hold(stream, dialogue).await?);
            Ok(Entered {
                smtp,
                ..Entered::default()
            })
        }
    }
}

/// How one logs in to this mailbox; with a token, as new as can be.
async fn login(mailbox: &Mailbox, protocol: Protocol, fresh: bool) -> Result<Login, Trouble> {
    let operator = &mailbox.operator;
    let user = mailbox.address.to_string();
    let source = CommandSource::new(&operator.token_command);
    Ok(match operator.login(protocol) {
        LoginKind::Certificate if protocol == Protocol::Smtp => Login::None,
        // Reading takes a login in any case.
        LoginKind::Certificate | LoginKind::External => Login::External {
            authorization: mailbox.shared.then_some(user),
        },
        LoginKind::XOauth2 => Login::XOauth2 {
            user,
            token: source.token(fresh).await?,
        },
        LoginKind::OauthBearer => Login::OauthBearer {
            user,
            host: operator.endpoint(protocol).host.clone(),
            port: operator.endpoint(protocol).port,
            token: source.token(fresh).await?,
        },
    })
}

/// One purpose for both protocols, so that the person is asked once.
pub fn purpose(mailbox: &Mailbox) -> Purpose {
    Purpose::Mail {
        operator: mailbox.operator.imap.host.clone(),
    }
}

fn way<'a>(app: &'a App, caller: &'a Caller, mailbox: &'a Mailbox, protocol: Protocol) -> Way<'a> {
    let endpoint = mailbox.operator.endpoint(protocol);
    Way {
        app,
        caller,
        host: &endpoint.host,
        port: endpoint.port,
        service: match endpoint.starttls {
            true => Service::MailStartTls(protocol),
            false => Service::Mail,
        },
        may_be_at: mailbox.operator.may_be_at(),
        // Those that found it; the administrator's names are the system's.
        name_servers: match mailbox.operator.found {
            true => &app.config.mail.dns,
            false => &[],
        },
        anchors: &mailbox.operator.anchors,
    }
}

/// The tag of our own login.
const TEST_TAG: &str = "cpsd1";

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);
