//! One revocation list over plain HTTP (RFC 5280 §4.2.1.13): the list is signed, so the
//! transport need not be.

use std::time::Duration;

use cps_identity::FetchFailure;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Fetches `url`; only `http`, no redirection, no proxy.
pub(super) async fn get(url: &str) -> Result<Vec<u8>, FetchFailure> {
    match tokio::time::timeout(TIME_LIMIT, exchange(url)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(FetchFailure::Unreachable),
    }
}

async fn exchange(url: &str) -> Result<Vec<u8>, FetchFailure> {
    // Old certificates write spaces in their addresses.
    let uri: Uri = url
        .replace(' ', "%20")
        .parse()
        .map_err(|_| FetchFailure::Invalid)?;
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(FetchFailure::Invalid);
    };
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let socket = TcpStream::connect((address, uri.port_u16().unwrap_or(80)))
        .await
        .map_err(|_| FetchFailure::Unreachable)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(|_| FetchFailure::Unreachable)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(header::HOST, authority)
        .header(
            header::USER_AGENT,
            concat!("cpsd/", env!("CARGO_PKG_VERSION")),
        )
        // The publisher asks for no lingering connections.
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchFailure::Invalid)?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|_| FetchFailure::Unreachable)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
                return Err(FetchFailure::Refused);
            }
            status if status.is_server_error() => return Err(FetchFailure::Unreachable),
            _ => return Err(FetchFailure::Invalid),
        }
        let body = Limited::new(response.into_body(), SIZE_LIMIT)
            .collect()
            .await;
        Ok(body.map_err(|_| FetchFailure::Invalid)?.to_bytes().to_vec())
    };
    tokio::pin!(answer);
    tokio::select! {
        outcome = &mut answer => outcome,
        // The connection ends by itself only after the answer, whose bytes are then at hand.
        _ = connection => answer.await,
    }
}

const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Ten times the size of a list that names every card ever issued by one authority.
const SIZE_LIMIT: usize = 16 * 1024 * 1024;
