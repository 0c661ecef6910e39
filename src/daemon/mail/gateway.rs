//! Where mail clients connect: ports of the loopback interface and sockets of this user, opened by
//! systemd or here, as long as there is a mailbox to open.

mod doors;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cps_mail::{Protocol, Trouble};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

pub use self::doors::Given;
use self::doors::{Accepted, Door, Doors};
use super::client::Client;
use super::local_tls::LocalTls;
use super::seats::{Seat, Seats};
use super::sessions::Sessions;
use super::visit::{Peer, Visit};
use crate::app::App;
use crate::caller::{Caller, CallerError, PeerSocket};
use crate::server::Stopping;

/// Bounds in time on clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the connection to the login, and from one login to the next.
    pub login: Duration,
    /// Without a client, or an operator, taking what waits for it.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(180),
            write: Duration::from_secs(180),
        }
    }
}

/// Where clients connect; nothing where none may just now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Places {
    /// IMAP in the clear, on the loopback interface.
    pub imap: Option<SocketAddr>,
    /// Submission in the clear, on the loopback interface.
    pub smtp: Option<SocketAddr>,
    /// IMAP in TLS.
    pub imaps: Option<SocketAddr>,
    /// Submission in TLS.
    pub smtps: Option<SocketAddr>,
    /// IMAP on a Unix socket of this user.
    pub imap_socket: Option<PathBuf>,
    /// Submission on a Unix socket of this user.
    pub smtp_socket: Option<PathBuf>,
    /// The certificate of the local authority, to be imported by clients that use TLS.
    pub authority: Option<PathBuf>,
    /// What could not be opened, and why, in the system's words.
    pub problems: Vec<(String, String)>,
}

/// The gateway as the surfaces see it.
#[derive(Debug, Default)]
pub struct Gateway {
    places: Mutex<Places>,
    pub(super) open: Sessions,
}

impl Gateway {
    /// Where clients connect now.
    pub fn places(&self) -> Places {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.clone()
    }

    /// How many sessions are open: clients that are logged in.
    pub fn sessions(&self) -> usize {
        self.open.count()
    }

    fn set(&self, places: Places) {
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = places;
    }
}

/// What the gateway is started with.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    /// Sockets that systemd opened.
    pub(crate) given: Vec<Given>,
    /// Where Unix sockets are made; nowhere when absent.
    pub(crate) folder: Option<PathBuf>,
    /// Where the certificates of the local ports are kept.
    pub(crate) state: PathBuf,
}

/// Serves mail clients until the daemon ends; sessions have then had their last words.
pub(crate) async fn run(app: Arc<App>, setup: Setup, mut stopping: Stopping) {
    raise_open_files(app.config.mail.connections);
    let mut changed = app.mail.mailboxes.subscribe();
    let porter = Arc::new(Porter {
        seats: Seats::new(usize::try_from(app.config.mail.connections).unwrap_or(usize::MAX)),
        tls: Arc::new(LocalTls::new(&setup.state)),
        limits: setup.limits,
        app: Arc::clone(&app),
    });
    let mut doors = Doors::new(setup.given, setup.folder);
    let mut visits = JoinSet::new();
    loop {
        let wanted = !app.mail.mailboxes.is_empty();
        let authority = app.config.mail.tls.then(|| porter.tls.authority());
        if doors.follow(wanted, &app.config.mail) {
            let mut places = doors.places();
            places.authority = authority.filter(|_| places.imaps.is_some());
            app.mail.gateway.set(places);
        }
        tokio::select! {
            (door, accepted) = doors.accept() => porter.admit(door, accepted, &mut visits),
            Some(_) = visits.join_next() => {}
            change = changed.changed() => if change.is_err() { break },
            () = stopping.wait() => break,
        }
    }
    drop(doors);
    app.mail.gateway.set(Places::default());
    // The keeper has told the sessions to part.
    let parted = async { while visits.join_next().await.is_some() {} };
    if timeout(PARTING, parted).await.is_err() {
        tracing::debug!("mail clients that were not logged in are left");
    }
    visits.shutdown().await;
}

/// A session holds two sockets, and a process may often open 1024 files only unless it asks for more.
fn raise_open_files(connections: u32) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = OTHER_FILES + 2 * u64::from(connections);
    // No limit is none.
    let granted = limit.maximum.map_or(wanted, |most| wanted.min(most));
    if limit.current.is_none_or(|current| current >= granted) {
        return;
    }
    let raised = Rlimit {
        current: Some(granted),
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "mail clients may find no free file descriptor");
    }
}

struct Porter {
    app: Arc<App>,
    seats: Arc<Seats>,
    tls: Arc<LocalTls>,
    limits: Limits,
}

impl Porter {
    fn admit(self: &Arc<Self>, door: Door, accepted: Accepted, visits: &mut JoinSet<()>) {
        let porter = Arc::clone(self);
        match self.seats.take() {
            Some(seat) => visits.spawn(async move {
                match porter.serve(door, accepted, seat).await {
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "mail connection ended"),
                }
            }),
            None => {
                let Some(seat) = self.seats.take_to_refuse() else {
                    return;
                };
                visits.spawn(async move {
                    let client = accepted.into_client();
                    porter.refuse(door, client, &Trouble::TooMany).await;
                    drop(seat);
                })
            }
        };
    }

    async fn serve(&self, door: Door, accepted: Accepted, seat: Seat) -> std::io::Result<()> {
        let (client, peer) = match accepted {
            Accepted::Unix(stream) => {
                let caller = Caller::of_peer(std::os::fd::AsFd::as_fd(&stream));
                let peer = caller.map(|caller| Peer::Process(Arc::new(caller)));
                (Client::Unix(stream), peer)
            }
            Accepted::Tcp(stream, from) => {
                let local = stream.local_addr()?;
                // Reads tables of the kernel.
                let socket = tokio::task::spawn_blocking(move || PeerSocket::of(local, from));
                let peer = socket.await.map_err(std::io::Error::other)?;
                (Client::Tcp(stream), peer.map(Peer::Socket))
            }
        };
        let peer = match peer {
            Ok(peer) => peer,
            Err(error) => {
                tracing::warn!(%error, "a mail client is refused");
                let trouble = match error {
                    CallerError::AnotherUser { .. } => Trouble::OtherUser,
                    _ => Trouble::NotAllowed,
                };
                self.refuse(door, client, &trouble).await;
                return Ok(());
            }
        };
        let client = match (client, door.tls) {
            (Client::Tcp(stream), true) => {
                stream.set_nodelay(true)?;
                let tls = Arc::clone(&self.tls);
                let config = tokio::task::spawn_blocking(move || tls.config());
                let config = config.await.map_err(std::io::Error::other)??;
                let greeting = TlsAcceptor::from(config).accept(stream);
                Client::Tls(Box::new(timeout(self.limits.login, greeting).await??))
            }
            (Client::Tcp(stream), false) => {
                stream.set_nodelay(true)?;
                Client::Tcp(stream)
            }
            (client, _) => client,
        };
        let visit = Visit {
            app: Arc::clone(&self.app),
            client,
            protocol: door.protocol,
            peer,
            seat,
            limits: self.limits,
        };
        visit.receive().await
    }

    /// Tells a client why it is not served; in TLS there would be a handshake first, which is too
    /// much for that.
    async fn refuse(&self, door: Door, mut client: Client, trouble: &Trouble) {
        let language = self.app.mail.settings(&self.app.config).language;
        let words = match door.protocol {
            Protocol::Imap => trouble.imap_bye(language),
            Protocol::Smtp => trouble.smtp_greeting(language),
        };
        let told = async {
            if !door.tls {
                client.write_all(&words).await?;
            }
            client.shutdown().await
        };
        // Who does not listen is not told.
        let _ = timeout(PARTING, told).await;
    }
}

/// Files that the daemon opens for anything but mail sessions, at most.
const OTHER_FILES: u64 = 256;

/// How long parting may take, from sessions at the end and from those who are refused.
const PARTING: Duration = Duration::from_millis(1500);
