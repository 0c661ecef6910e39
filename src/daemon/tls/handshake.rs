//! The TLS handshake, on a blocking thread, cancelled with the caller's future.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::preflight::explain_version;
use super::resolver::{EXCHANGE, Exchange};
use super::{CardKey, Credential, Service, Target, TlsError, prelude};
use crate::mail::names::Names;

/// Handshakes at once. Each takes a thread of those that also write the journal, which the
/// signature of a handshake waits for: they must never take them all.
static HANDSHAKES: Semaphore = Semaphore::const_new(24);

/// Time for the TCP connection, the name look-up included.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Time for the handshake: the server's side, and one signature of a card that is unlocked
/// already.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

/// What is presented to the server: the card's certificate, and its key for this one connection.
pub struct Presented<'a> {
    /// The certificate.
    pub credential: &'a Arc<Credential>,
    /// The key.
    pub key: Box<dyn CardKey>,
}

/// Connects to `target` and authenticates with what is `presented`; with nothing, the server alone
/// is authenticated.
///
/// # Errors
///
/// [`TlsError`]; a handshake that succeeds without the server having asked for the certificate is
/// [`TlsError::NoClientAuth`], unless it resumed a session in which it did.
pub async fn connect(
    target: &Target,
    config: Arc<ClientConfig>,
    presented: Option<Presented<'_>>,
) -> Result<TlsStream<TcpStream>, TlsError> {
    let Some(Presented { credential, key }) = presented else {
        let (outcome, exchange) = run(target, config, None).await?;
        return explain(outcome, &exchange);
    };
    let (outcome, exchange) = run(target, config, Some(key)).await?;
    let stream = match explain(outcome, &exchange) {
        Ok(stream) => stream,
        // Nothing was asked of the card: perhaps only the protocol version stood in the way.
        Err(error) if !exchange.asked() => {
            return Err(explain_version(target, credential, error).await);
        }
        Err(error) => return Err(error),
    };
    let resumed = stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    match resumed || exchange.asked() {
        true => Ok(stream),
        false => Err(TlsError::NoClientAuth),
    }
}

/// What the handshake ended with, and what was seen on the way.
pub(super) type Outcome = Result<TlsStream<TcpStream>, TlsError>;

/// Runs one handshake; dropping the future ends the thread's work.
pub(super) async fn run(
    target: &Target,
    config: Arc<ClientConfig>,
    key: Option<Box<dyn CardKey>>,
) -> Result<(Outcome, Arc<Exchange>), TlsError> {
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| TlsError::ServerName(format!("{} is not a host name", target.host)))?;
    let mut socket = reach(target).await?;
    if let Service::MailStartTls(protocol) = target.service {
        prelude::start_tls(&mut socket, protocol).await?;
    }
    let place = HANDSHAKES
        .acquire()
        .await
        .map_err(|_| TlsError::Handshake("the daemon ends".to_owned()))?;
    let exchange = Exchange::new(key);
    let (_held, dropped) = oneshot::channel::<()>();
    let _guard = CancelOnDrop(Arc::clone(&exchange));
    let runtime = Handle::current();
    let inside = Arc::clone(&exchange);
    let thread = tokio::task::spawn_blocking(move || {
        let _place = place;
        runtime.block_on(EXCHANGE.scope(inside, async move {
            let handshake = TlsConnector::from(config).connect(name, socket);
            tokio::select! {
                done = tokio::time::timeout(HANDSHAKE_LIMIT, handshake) => match done {
                    Ok(Ok(stream)) => Ok(stream),
                    Ok(Err(error)) => Err(TlsError::from_io(&error)),
                    Err(_) => Err(TlsError::TimedOut(HANDSHAKE_LIMIT)),
                },
                _ = dropped => Err(TlsError::Handshake("cancelled".to_owned())),
            }
        }))
    });
    match thread.await {
        Ok(outcome) => Ok((outcome, exchange)),
        Err(_) => Err(TlsError::Handshake("the handshake thread ended".to_owned())),
    }
}

/// The reason noted on our side says more than the alert or the rustls error it led to.
pub(super) fn explain(outcome: Outcome, exchange: &Exchange) -> Outcome {
    match exchange.take_refusal() {
        Some(refusal) => Err(refusal),
        None => outcome,
    }
}

async fn reach(target: &Target) -> Result<TcpStream, TlsError> {
    let unreachable = |source| TlsError::Unreachable {
        host: target.host.clone(),
        port: target.port,
        source,
    };
    let connect = async {
        let mut places = places(target).await?;
        places.retain(|place| (target.may_be_at)(place.ip()));
        match places.is_empty() {
            true => Err(io::Error::other("its name leads to no address it may have")),
            false => TcpStream::connect(&*places).await,
        }
    };
    let socket = match tokio::time::timeout(CONNECT_LIMIT, connect).await {
        Ok(connected) => connected.map_err(unreachable)?,
        Err(_) => return Err(unreachable(io::ErrorKind::TimedOut.into())),
    };
    // Without them a connection works too, only less well.
    if let Err(error) = tune(&socket) {
        tracing::debug!(%error, host = target.host, "options of the connection are not set");
    }
    Ok(socket)
}

async fn places(target: &Target) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = (target.host.as_str(), target.port);
    if target.name_servers.is_empty() {
        return Ok(tokio::net::lookup_host((host, port)).await?.collect());
    }
    let names = Names::new(&target.name_servers).map_err(io::Error::other)?;
    let found = names.addresses(host).await.map_err(io::Error::other)?;
    let at_port = |address| SocketAddr::new(address, port);
    Ok(found.into_iter().map(at_port).collect())
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    // Small records both ways (mail commands, handshakes): waiting to fill packets only hurts.
    socket.set_nodelay(true)?;
    // A connection may be silent for half an hour (IMAP IDLE, RFC 2177). Routers forget it earlier
    // without traffic, and a network that is gone must show on this side.
    sockopt::set_tcp_keepidle(socket, SILENCE)?;
    sockopt::set_tcp_keepintvl(socket, PROBES_EVERY)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_user_timeout(socket, UNACKNOWLEDGED_MS)?;
    Ok(())
}

/// Silence after which the server's machine is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(120);

/// How often it is asked again.
const PROBES_EVERY: Duration = Duration::from_secs(30);

/// Unanswered questions after which the connection is over.
const PROBES: u32 = 4;

/// How long sent bytes may stay unacknowledged (RFC 5482): as long as that silence.
const UNACKNOWLEDGED_MS: u32 = 240_000;

struct CancelOnDrop(Arc<Exchange>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
