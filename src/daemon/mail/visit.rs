//! One connection of a mail client, from its first byte to its last: the front, the login, the
//! session.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cps_mail::sasl::Credentials;
use cps_mail::{Protocol, Reaction, Trouble, imap, smtp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::client::Client;
use super::conduct::Conduct;
use super::gateway::Limits;
use super::mailboxes::Mailbox;
use super::seats::Seat;
use super::session;
use super::traces::{Author, LOGIN};
use super::upstream::{self, Opened};
use crate::app::App;
use crate::caller::{Caller, CallerError, PeerSocket};

/// A client that is connected, and belongs to this user.
pub(super) struct Visit {
    pub(super) app: Arc<App>,
    pub(super) client: Client,
    pub(super) protocol: Protocol,
    pub(super) peer: Peer,
    pub(super) seat: Seat,
    pub(super) limits: Limits,
}

/// Who is at the other end, as far as it is known before a login.
pub(super) enum Peer {
    /// The process, from a Unix socket.
    Process(Arc<Caller>),
    /// The socket, of TCP.
    Socket(PeerSocket),
}

impl Visit {
    /// Serves the client until it leaves or is sent away.
    pub(super) async fn receive(mut self) -> io::Result<()> {
        let settings = self.app.mail.settings(&self.app.config);
        let mut front = match self.protocol {
            Protocol::Imap => Front::Imap(Box::new(imap::Front::new(settings.language))),
            Protocol::Smtp => Front::Smtp(Box::new(smtp::Front::new(settings))),
        };
        self.say(&front.greeting()).await?;
        match self.until_login(&mut front).await? {
            Some(login) => session::run(self, front, login).await,
            None => Ok(()),
        }
    }

    /// Nothing: the connection is over.
    async fn until_login(&mut self, front: &mut Front) -> io::Result<Option<Login>> {
        let mut deadline = Instant::now() + self.limits.login;
        // What is read here holds passwords.
        let mut buffer = Zeroizing::new(vec![0; PIECE]);
        loop {
            let read = timeout_at(deadline, self.client.read(&mut buffer)).await;
            let reactions = match read {
                Ok(read) => match buffer.get(..read?).unwrap_or_default() {
                    [] => return Ok(None),
                    bytes => front.receive(bytes),
                },
                Err(_) => {
                    let farewell = closing(self.protocol, &Trouble::Closing, &self.app);
                    self.say(&farewell).await?;
                    return Ok(None);
                }
            };
            let mut reactions = std::collections::VecDeque::from(reactions);
            while let Some(reaction) = reactions.pop_front() {
                match reaction {
                    Reaction::Send(bytes) => self.say(&bytes).await?,
                    Reaction::Close => {
                        timeout(self.limits.write, self.client.shutdown()).await??;
                        return Ok(None);
                    }
                    Reaction::TlsHello => self.tell_tls().await,
                    Reaction::Login(credentials) => {
                        let login = self.log_in(&credentials, front.tag()).await;
                        match login {
                            Ok(login) => return Ok(Some(login)),
                            Err(trouble) => {
                                tracing::info!(user = credentials.user, ?trouble, "mail refused");
                                reactions.extend(front.refuse(&trouble));
                            }
                        }
                        deadline = Instant::now() + self.limits.login;
                    }
                }
            }
        }
    }

    async fn log_in(&mut self, credentials: &Credentials, tag: &str) -> Result<Login, Trouble> {
        let app = &self.app;
        let caller = self.caller().await?;
        // A wrong password first: it is the answer that a client must hear, card or no card.
        let (mailbox, password) = app
            .mail
            .mailboxes
            .authenticate(&credentials.user, &credentials.password)?;
        self.seat.claim(caller.pid)?;
        let mailbox = Arc::new(mailbox);
        let author = Author {
            id: mailbox.holder.clone(),
            mailbox: mailbox.address.clone(),
            protocol: self.protocol,
            program: caller.program().path.display().to_string(),
        };
        let permission = Conduct::permission(app, &caller, &mailbox, self.protocol).await?;
        let opening = upstream::connect(app, &caller, &mailbox, self.protocol, tag, permission);
        let opened = match timeout(OPENING, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(Trouble::Unreachable),
        };
        let answer = opened.as_ref().map_or_else(
            |trouble| trouble.text(cps_mail::Language::English).into_owned(),
            |_| "OK".to_owned(),
        );
        let trace = author.trace(LOGIN, mailbox.operator.name.clone(), Some(answer));
        app.mail.traces.note(trace);
        if let Err(Trouble::CardNotAccepted(words) | Trouble::NotYourMailbox(words)) = &opened {
            app.mail.notices.card_refused(&mailbox.operator.name, words);
        }
        Ok(Login {
            author,
            caller,
            mailbox,
            password,
            opened: opened?,
        })
    }

    async fn caller(&self) -> Result<Arc<Caller>, Trouble> {
        let socket = match &self.peer {
            Peer::Process(caller) => return Ok(Arc::clone(caller)),
            Peer::Socket(socket) => *socket,
        };
        // Looks through the open files of all processes.
        let found = tokio::task::spawn_blocking(move || socket.caller()).await;
        match found.map_err(|_| Trouble::Closing)? {
            Ok(caller) => Ok(Arc::new(caller)),
            Err(error) => {
                tracing::warn!(%error, "a mail client that cannot be identified is refused");
                Err(match error {
                    CallerError::AnotherUser { .. } => Trouble::OtherUser,
                    _ => Trouble::NotAllowed,
                })
            }
        }
    }

    async fn tell_tls(&self) {
        let caller = self.caller().await.ok();
        let program = caller.as_ref().map(|caller| caller.display.as_str());
        self.app.mail.notices.tls_client(program, self.protocol);
    }

    /// Sends all of it, to a client that takes it.
    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = async {
            self.client.write_all(bytes).await?;
            self.client.flush().await
        };
        timeout(self.limits.write, sent).await?
    }
}

/// A login that succeeded.
pub(super) struct Login {
    /// In whose name the session acts.
    pub(super) author: Author,
    pub(super) caller: Arc<Caller>,
    pub(super) mailbox: Arc<Mailbox>,
    /// Name of the application password.
    pub(super) password: String,
    pub(super) opened: Opened,
}

/// What a client meets before its login.
pub(super) enum Front {
    Imap(Box<imap::Front>),
    Smtp(Box<smtp::Front>),
}

impl Front {
    fn greeting(&self) -> Vec<u8> {
        match self {
            Self::Imap(front) => front.greeting(),
            Self::Smtp(front) => front.greeting(),
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Vec<Reaction> {
        match self {
            Self::Imap(front) => front.receive(bytes),
            Self::Smtp(front) => front.receive(bytes),
        }
    }

    fn refuse(&mut self, trouble: &Trouble) -> Vec<Reaction> {
        match self {
            Self::Imap(front) => front.refuse(trouble),
            Self::Smtp(front) => front.refuse(trouble),
        }
    }

    fn tag(&self) -> &str {
        match self {
            Self::Imap(front) => front.tag(),
            Self::Smtp(_) => "",
        }
    }

    /// What the client is still to hear of its login, and what it has sent behind it.
    pub(super) fn into_rest(self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Imap(front) => (Vec::new(), front.into_rest()),
            Self::Smtp(front) => (front.accept(), front.into_rest()),
        }
    }
}

/// What ends a connection of this protocol.
pub(super) fn closing(protocol: Protocol, why: &Trouble, app: &App) -> Vec<u8> {
    let language = app.mail.settings(&app.config).language;
    match protocol {
        Protocol::Imap => why.imap_bye(language),
        Protocol::Smtp => why.smtp_closing(language),
    }
}

/// How much is read at once before the login.
const PIECE: usize = 2048;

/// How long the operator's side of a login may take: clients give up near a minute, and may have
/// waited for a person before.
const OPENING: Duration = Duration::from_secs(55);
