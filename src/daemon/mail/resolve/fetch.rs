//! A document that an operator publishes, over HTTPS.
//!
//! Server authentication only, with the system's authorities and those in force here; neither card
//! nor token is near this connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What came of a request.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Fetched {
    /// The document.
    Document(Vec<u8>),
    /// It is elsewhere, says the server.
    Moved(String),
    /// There is none.
    Nothing,
}

/// A configuration that believes the system's authorities and these.
///
/// # Errors
/// In English.
pub(super) async fn configuration(
    authorities: Vec<CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, String> {
    // The system's are a file of some hundred kilobytes.
    let roots = tokio::task::spawn_blocking(move || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(authorities);
        roots
    });
    let roots = roots.await.map_err(|error| error.to_string())?;
    let config = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Asks the server of an `https` address at one of `addresses`, the first that takes connections.
///
/// # Errors
/// In English.
pub(super) async fn get(
    uri: &Uri,
    addresses: &[IpAddr],
    port: u16,
    config: Arc<ClientConfig>,
) -> Result<Fetched, String> {
    let host = uri.host().ok_or("an address without a host")?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let socket = connect(addresses, port).await?;
    let stream = TlsConnector::from(config).connect(name, socket).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let agent = concat!("cpsd/", env!("CARGO_PKG_VERSION"));
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, agent)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| error.to_string())?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => {
                let place = response.headers().get(header::LOCATION);
                let place = place.and_then(|place| place.to_str().ok());
                let place = place.ok_or("a redirection to nowhere")?;
                return Ok(Fetched::Moved(place.to_owned()));
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Fetched::Nothing),
            status => return Err(format!("HTTP status {status}")),
        }
        let body = Limited::new(response.into_body(), SIZE).collect().await;
        let body = body.map_err(|_| format!("no document of at most {SIZE} bytes"))?;
        Ok(Fetched::Document(body.to_bytes().to_vec()))
    };
    tokio::pin!(answer);
    tokio::select! {
        outcome = &mut answer => outcome,
        // The connection ends by itself only after the answer, whose bytes are then at hand.
        _ = connection => answer.await,
    }
}

async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, String> {
    let mut reason = "no address".to_owned();
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(socket) => return Ok(socket),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

/// Bytes of a document; real ones have some two thousand.
const SIZE: usize = 64 * 1024;
