//! Mail programs find their settings by address alone: the documents that they look for, over HTTP on
//! the loopback interface, as long as there is a mailbox.
//!
//! They hold no secret; still, nobody but this user's programs is answered, and no web page: a
//! browser names its page (`Origin`) or another host.

mod answer;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use self::answer::Offer;
use crate::app::App;
use crate::caller::PeerSocket;
use crate::server::Stopping;

/// Where programs find their settings.
#[derive(Debug, Default)]
pub struct Autoconfig {
    place: Mutex<Place>,
}

/// The port of the documents.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Place {
    /// There is no mailbox.
    #[default]
    Closed,
    /// It cannot be opened: why, in the system's words.
    Failed(String),
    /// Programs are answered here.
    Open(SocketAddr),
}

impl Autoconfig {
    /// Where programs are answered now.
    pub fn place(&self) -> Place {
        self.place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, place: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

/// Answers while there is a mailbox, until the daemon ends.
pub(crate) async fn run(app: Arc<App>, mut stopping: Stopping) {
    let mut changed = app.mail.mailboxes.subscribe();
    let mut listener: Option<TcpListener> = None;
    let mut visits = JoinSet::new();
    loop {
        follow(&app, &mut listener).await;
        tokio::select! {
            accepted = accept(listener.as_ref()), if visits.len() < VISITS => match accepted {
                Ok((stream, from)) => {
                    visits.spawn(visit(Arc::clone(&app), stream, from));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot answer a mail program now");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = visits.join_next() => {}
            change = changed.changed() => if change.is_err() { break },
            () = stopping.wait() => break,
        }
    }
    app.mail.autoconfig.set(Place::Closed);
}

/// Opens or closes the port, as the mailboxes demand.
async fn follow(app: &App, listener: &mut Option<TcpListener>) {
    let wanted = !app.mail.mailboxes.is_empty();
    if !wanted {
        *listener = None;
        app.mail.autoconfig.set(Place::Closed);
    } else if app.mail.autoconfig.place() == Place::Closed {
        let address = app.config.mail.autoconfig;
        let opened = TcpListener::bind(address).await;
        let place = opened.and_then(|opened| {
            let place = opened.local_addr()?;
            *listener = Some(opened);
            Ok(place)
        });
        app.mail.autoconfig.set(match place {
            Ok(place) => Place::Open(place),
            Err(error) => {
                tracing::error!(%address, %error, "mail programs do not find their settings there");
                Place::Failed(error.to_string())
            }
        });
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// One connection: one request, one answer.
async fn visit(app: Arc<App>, stream: TcpStream, from: SocketAddr) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    // Reads tables of the kernel.
    let peer = tokio::task::spawn_blocking(move || PeerSocket::of(local, from));
    match peer.await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "a program that asks for mail settings is refused");
            return;
        }
        Err(_) => return,
    }
    let offer = Arc::new(offer(&app));
    let service = service_fn(move |request| {
        let offer = Arc::clone(&offer);
        async move { Ok::<_, Infallible>(offer.answer(&request)) }
    });
    let conversation = http1::Builder::new()
        .keep_alive(false)
        .max_headers(64)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    // A program that stalls hurts itself only.
    let _ = tokio::time::timeout(PATIENCE, conversation).await;
}

/// What there is to tell just now.
fn offer(app: &App) -> Offer {
    let places = app.mail.gateway.places();
    let domain = |mailbox: super::mailboxes::Mailbox| mailbox.address.domain().to_owned();
    let mut domains: Vec<String> = app.mail.mailboxes.list().into_iter().map(domain).collect();
    domains.sort();
    domains.dedup();
    let servers = match (places.imaps.zip(places.smtps), places.imap.zip(places.smtp)) {
        (Some(tls), _) => Some((true, tls)),
        (None, plain) => plain.map(|plain| (false, plain)),
    };
    Offer {
        domains,
        servers: servers.map(|(tls, (imap, smtp))| answer::Servers { tls, imap, smtp }),
    }
}

/// Programs answered at once; the others wait in the queue of the port.
const VISITS: usize = 16;

/// For the whole of a connection.
const PATIENCE: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(100);
