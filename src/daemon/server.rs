//! The local socket: opening it, accepting, limits, the end.
//!
//! # Layout
//!
//! - [`socket`]: the listening socket, from systemd or made here.
//! - [`Seats`]: how many connections there may be, in all and from one process.
//! - [`body`]: request bodies that must not stall.
//!
//! Each connection is a task of its own. The caller is identified once, when it connects; when it
//! goes away, the task and with it every request under way is dropped.

pub mod body;
mod seats;
pub mod socket;
mod steady;

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use cps_api::{Code, Problem};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::caller::{Caller, CallerError};
use crate::surface::http::problem::Refusal;
use body::Patient;
pub use seats::{Limits, Seat, Seats};
use socket::Listener;
use steady::Steady;

/// What a request knows about the connection it came on.
#[derive(Clone)]
pub struct Connection {
    /// The process at the other end.
    pub caller: Arc<Caller>,
    /// The place this connection takes; a tunnel keeps it as long as it lasts.
    pub seat: Arc<Seat>,
    /// Tells when the daemon ends.
    pub stopping: Stopping,
    /// To be set when the connection becomes a tunnel: its bytes may then wait for ever.
    pub tunnel: Arc<AtomicBool>,
}

/// Tells when the daemon ends.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// A signal not given yet, and what gives it (also by being dropped).
    #[must_use]
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns once the daemon ends.
    pub async fn wait(&mut self) {
        // An error means that the sender is gone: the end as well.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

/// Serves `router` on `listener` until `stopping`, then lets requests end for
/// [`GRACE`] and drops the rest: their dialogs close, their operations are cancelled.
///
/// # Errors
///
/// The listening socket cannot be used at all.
pub async fn serve(
    listener: Listener,
    router: Router,
    seats: Arc<Seats>,
    mut stopping: Stopping,
) -> io::Result<()> {
    let socket = listener.socket.try_clone()?;
    socket.set_nonblocking(true)?;
    let socket = UnixListener::from_std(socket)?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Some(connection) = admit(stream, &router, &seats, &stopping) {
                        connections.spawn(connection);
                    }
                }
                Err(error) => {
                    // Out of descriptors or memory: the client waits, nothing else suffers.
                    tracing::warn!(%error, "cannot accept a connection now");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopping.wait() => break,
        }
    }
    drop(socket);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        tracing::info!("requests still under way are cancelled");
    }
    connections.shutdown().await;
    Ok(())
}

/// Identifies the caller and gives it a seat; `None` when it is not even answered.
fn admit(
    stream: UnixStream,
    router: &Router,
    seats: &Arc<Seats>,
    stopping: &Stopping,
) -> Option<impl Future<Output = ()> + use<>> {
    let caller = match Caller::of_peer(stream.as_fd()) {
        Ok(caller) => Ok(Arc::new(caller)),
        Err(error @ CallerError::AnotherUser { .. }) => {
            tracing::warn!(%error, "connection refused");
            return None;
        }
        Err(error) => Err(Problem::new(Code::CallerUnknown).detail(error.to_string())),
    };
    let tunnel = Arc::new(AtomicBool::new(false));
    let (front, seat) = match caller {
        Ok(caller) => match seats.take(caller.pid) {
            Some(seat) => {
                let stopping = stopping.clone();
                let connection = Connection {
                    caller,
                    seat: Arc::clone(&seat),
                    stopping,
                    tunnel: Arc::clone(&tunnel),
                };
                (Front::Serve(router.clone(), Box::new(connection)), seat)
            }
            None => (
                Front::Refuse(Box::new(Code::CallerTooMany.into())),
                seats.take_to_refuse()?,
            ),
        },
        Err(problem) => (Front::Refuse(Box::new(problem)), seats.take_to_refuse()?),
    };
    let stopping = stopping.clone();
    Some(converse(
        stream,
        front,
        seat,
        tunnel,
        seats.limits,
        stopping,
    ))
}

/// One connection from its first byte to its last.
async fn converse(
    stream: UnixStream,
    front: Front,
    seat: Arc<Seat>,
    tunnel: Arc<AtomicBool>,
    limits: Limits,
    mut stopping: Stopping,
) {
    let Ok(gone) = second_handle(&stream) else {
        return;
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(matches!(front, Front::Serve(..)));
    let front = Arc::new(front);
    let service = service_fn(move |request| Arc::clone(&front).answer(request, limits.body));
    let conversation = http
        .serve_connection(Steady::new(stream, limits.body, tunnel), service)
        .with_upgrades();
    tokio::pin!(conversation);
    tokio::select! {
        // A client that stalls or breaks the protocol hurts itself only: nothing to report.
        _ = conversation.as_mut() => {}
        _ = gone.ready(HANG_UP) => {}
        () = stopping.wait() => {
            conversation.as_mut().graceful_shutdown();
            let _ = conversation.await;
        }
    }
    drop(seat);
}

/// Who answers the requests of a connection.
enum Front {
    Refuse(Box<Problem>),
    Serve(Router, Box<Connection>),
}

impl Front {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        patience: Duration,
    ) -> Result<Response, Infallible> {
        match &*self {
            Self::Refuse(problem) => Ok(Refusal::from(problem.as_ref().clone()).into_response()),
            Self::Serve(router, connection) => {
                let mut request = request.map(|body| Body::new(Patient::new(body, patience)));
                request.extensions_mut().insert(connection.as_ref().clone());
                router.clone().oneshot(request).await
            }
        }
    }
}

/// A second handle that tells when the other end is closed, whatever bytes it has left unread in
/// the socket. hyper notices that only while nothing is buffered, so a client could leave a dialog
/// behind.
fn second_handle(stream: &UnixStream) -> io::Result<UnixStream> {
    let descriptor = stream.as_fd().try_clone_to_owned()?;
    UnixStream::from_std(descriptor.into())
}

/// "Priority" data does not exist on Unix sockets, so only the end of the other side wakes who
/// waits for it.
const HANG_UP: Interest = Interest::PRIORITY;

/// How long requests may go on after the daemon was told to end.
pub const GRACE: Duration = Duration::from_secs(2);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 32 * 1024;
