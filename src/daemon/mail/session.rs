//! A client that is logged in, until it leaves, its operator ends the session, or we do: the card
//! was taken out or locked, the machine sleeps, the network changed, a permission was taken back.

mod boundary;
mod submission;

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use cps_mail::imap::{Observed, Observer};
use cps_mail::{Protocol, Trouble};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use self::boundary::Boundary;
use self::submission::Sending;
use super::client::Client;
use super::passage::{Passage, Watch};
use super::sessions::{About, Entry};
use super::traces::{Author, Traces};
use super::upstream::{self, Opened};
use super::visit::{Front, Login, Visit, closing};

/// Serves a client that has just logged in.
pub(super) async fn run(visit: Visit, front: Front, login: Login) -> io::Result<()> {
    let Visit {
        app,
        client,
        protocol,
        seat,
        limits,
        ..
    } = visit;
    let about = About {
        caller: login.caller,
        card: login.opened.permission.card().cloned(),
        purpose: upstream::purpose(&login.mailbox),
        mailbox: login.mailbox.address.clone(),
        password: login.password,
        local: login.opened.local,
    };
    // Before the last look at what may have ended meanwhile.
    let mut entry = app.mail.gateway.open.enter(about);
    super::keeper::check(&app, &entry);
    keep_alive(login.opened.stream.get_ref().0);
    let (accepted, ahead) = front.into_rest();
    let outcome = match protocol {
        Protocol::Imap => {
            let imap = Reading {
                traces: &app.mail.traces,
                author: &login.author,
                client,
                opened: login.opened,
                ahead,
                patience: limits.write,
            };
            let farewell = |why: &Trouble| closing(protocol, why, &app);
            imap.run(&mut entry, farewell).await
        }
        Protocol::Smtp => {
            let smtp = Sending {
                app: &app,
                client,
                opened: login.opened,
                author: &login.author,
                accepted,
                ahead,
                patience: limits.write,
            };
            smtp.run(&mut entry).await
        }
    };
    drop(seat);
    outcome
}

/// An IMAP session: passed through.
struct Reading<'a> {
    traces: &'a Traces,
    author: &'a Author,
    client: Client,
    opened: Opened,
    /// What the client has sent behind its login.
    ahead: Vec<u8>,
    patience: Duration,
}

impl Reading<'_> {
    async fn run(
        self,
        entry: &mut Entry<'_>,
        farewell: impl Fn(&Trouble) -> Vec<u8>,
    ) -> io::Result<()> {
        let mut onlooker = Onlooker {
            boundary: Boundary::default(),
            observer: Observer::new(),
            tell: |observed| self.traces.note(self.author.observed(observed)),
        };
        let mut first = self.opened.forward;
        onlooker.boundary.received(&first);
        onlooker.received(&self.opened.rest);
        first.extend(self.opened.rest);
        onlooker.sent(&self.ahead);
        let stream = self.opened.stream;
        let mut passage = Passage::new(self.client, stream, self.ahead, first, self.patience);
        let why = tokio::select! {
            biased;
            why = entry.ended() => why,
            ended = poll_fn(|context| passage.poll(context, &mut onlooker)) => {
                onlooker.end();
                return ended;
            }
        };
        let boundary = onlooker.end();
        let mut last = passage.rest().to_vec();
        if boundary.is_between() {
            last.extend(farewell(&why));
        }
        part(passage.client, Some(passage.server), &last).await
    }
}

/// Looks on while bytes pass: for our own last words, and for the journal.
struct Onlooker<T> {
    boundary: Boundary,
    observer: Observer,
    tell: T,
}

impl<T: FnMut(Observed)> Onlooker<T> {
    /// The session is over.
    fn end(mut self) -> Boundary {
        self.observer.finish().into_iter().for_each(&mut self.tell);
        self.boundary
    }
}

impl<T: FnMut(Observed)> Watch for Onlooker<T> {
    fn sent(&mut self, bytes: &[u8]) {
        self.boundary.sent(bytes);
        let forgotten = self.observer.client(bytes);
        forgotten.into_iter().for_each(&mut self.tell);
    }

    fn received(&mut self, bytes: &[u8]) {
        self.boundary.received(bytes);
        let observed = self.observer.server(bytes);
        observed.into_iter().for_each(&mut self.tell);
    }
}

/// Last words to the client, then the end for both; a side that does not take it is left.
async fn part(
    mut client: Client,
    server: Option<TlsStream<TcpStream>>,
    last: &[u8],
) -> io::Result<()> {
    let told = async {
        client.write_all(last).await?;
        client.flush().await?;
        client.shutdown().await
    };
    let left = async {
        if let Some(mut server) = server {
            // It may be gone.
            let _ = server.shutdown().await;
        }
    };
    let (told, _) = tokio::join!(timeout(PARTING, told), timeout(PARTING, left));
    told.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Sessions wait for hours: the kernel finds out when the operator is gone, and keeps the entries of
/// routers on the way alive.
fn keep_alive(socket: &TcpStream) {
    use rustix::net::sockopt;
    let set = || {
        sockopt::set_socket_keepalive(socket, true)?;
        sockopt::set_tcp_keepidle(socket, Duration::from_secs(240))?;
        sockopt::set_tcp_keepintvl(socket, Duration::from_secs(30))?;
        sockopt::set_tcp_keepcnt(socket, 4)?;
        sockopt::set_tcp_nodelay(socket, true)
    };
    if let Err(error) = set() {
        tracing::debug!(%error, "a connection is not kept alive");
    }
}

/// The end of a session must be done within a second of its cause.
const PARTING: Duration = Duration::from_millis(800);
