//! `/v1/tls/tunnel` and `/v1/tls/sign`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_api::types::{self, TUNNEL_PROTOCOL};
use cps_api::{Code, Problem};
use cps_verify::Scheme;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::extract::Json;
use super::problem::Refusal;
use crate::app::App;
use crate::cards::{CardId, Event};
use crate::purpose::Purpose;
use crate::server::Connection;
use crate::tls::client;
use crate::tls::tunnel::join;
use crate::token::KeyRole;

/// Opens an authenticated connection; the answer is 101, then bytes both ways.
pub(super) async fn tunnel(
    State(app): State<Arc<App>>,
    connection: Connection,
    mut request: Request,
) -> Result<Response, Refusal> {
    let Some(upgrade) = upgrade(&mut request) else {
        let reason = format!("the request must ask for Upgrade: {TUNNEL_PROTOCOL}");
        return Err(Refusal::bad_request(reason));
    };
    let Json(wanted) = Json::<types::TunnelRequest>::from_request(request, &()).await?;
    let card = app.person_card(wanted.card.as_deref()).await?;
    let server = client::connect(&app, &connection.caller, &card, &wanted)
        .await
        .map_err(|obstacle| obstacle.problem(&wanted.host))?;
    // Listen first, then look: no end of the login falls between.
    let changes = app.cards.subscribe();
    if !app
        .cards
        .cards()
        .iter()
        .any(|now| now.id == card.id && now.logged_in)
    {
        return Err(Code::CardRemoved.into());
    }

    connection.tunnel.store(true, Ordering::Relaxed);
    let (host, port) = (wanted.host, wanted.port);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut caller = TokioIo::new(upgraded);
        let (seat, mut stopping) = (connection.seat, connection.stopping);
        tokio::select! {
            ended = join(&mut caller, server) => match ended {
                Ok((sent, received)) => tracing::debug!(host, port, sent, received, "tunnel ended"),
                Err(error) => tracing::info!(host, port, %error, "tunnel broken"),
            },
            () = login_ends(changes, card.id) => {
                tracing::info!(host, port, "tunnel closed: the card is no longer unlocked");
            }
            () = stopping.wait() => {}
        }
        drop(seat);
    });

    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(TUNNEL_PROTOCOL));
    Ok(response)
}

/// One handshake signature for a TLS stack of the caller.
pub(super) async fn sign(
    State(app): State<Arc<App>>,
    connection: Connection,
    Json(wanted): Json<types::TlsSignRequest>,
) -> Result<axum::Json<types::TlsSignature>, Refusal> {
    let scheme = match wanted.scheme {
        types::SignatureScheme::EcdsaSecp256r1Sha256 => Scheme::EcdsaSha256,
        types::SignatureScheme::RsaPkcs1Sha256 => Scheme::Pkcs1Sha256,
        types::SignatureScheme::RsaPkcs1Sha384 => Scheme::Pkcs1Sha384,
        types::SignatureScheme::RsaPkcs1Sha512 => Scheme::Pkcs1Sha512,
        types::SignatureScheme::RsaPssRsaeSha256 => Scheme::PssSha256,
        types::SignatureScheme::RsaPssRsaeSha384 => Scheme::PssSha384,
        types::SignatureScheme::RsaPssRsaeSha512 => Scheme::PssSha512,
    };
    let digest = STANDARD
        .decode(&wanted.digest)
        .map_err(|error| Refusal::bad_request(format!("digest: not base64: {error}")))?;
    if digest.len() != scheme.digest_len() {
        let reason = format!("digest: {} bytes expected", scheme.digest_len());
        return Err(Refusal::bad_request(reason));
    }
    let card = app.person_card(wanted.card.as_deref()).await?;
    let caller = &connection.caller;
    let role = KeyRole::Authentication;
    // Before anybody is asked anything.
    let schemes = app.run(&card.id, caller, move |token| token.schemes(role));
    if !schemes.await?.contains(&scheme) {
        let reason = format!("this card does not sign with {scheme}");
        return Err(Problem::new(Code::CardUnsupported)
            .with("reason", reason)
            .into());
    }
    let certificate = app.certificate(&card, caller, role).await?;
    let purpose = Purpose::RawTlsSign {
        destination: wanted.destination,
    };
    let signature = app
        .broker
        .sign(caller, &card.id, purpose, role, scheme, digest)
        .await?;
    let mut chain = vec![STANDARD.encode(certificate.der())];
    chain.extend(
        app.trust
            .chain_above(&certificate)
            .iter()
            .map(|der| STANDARD.encode(der)),
    );
    Ok(axum::Json(types::TlsSignature {
        signature: STANDARD.encode(signature),
        certificate_chain: chain,
    }))
}

/// The upgrade that the request asks for, if it is ours.
fn upgrade(request: &mut Request) -> Option<OnUpgrade> {
    let wanted = request.headers().get(header::UPGRADE)?.to_str().ok()?;
    if !wanted.eq_ignore_ascii_case(TUNNEL_PROTOCOL) {
        return None;
    }
    request.extensions_mut().remove::<OnUpgrade>()
}

/// Returns when the login that a connection was opened with is over: removal, reset, lock.
async fn login_ends(mut changes: Receiver<Event>, card: CardId) {
    loop {
        match changes.recv().await {
            Ok(Event::Logout { card: ended } | Event::CardReset { card: ended, .. })
                if ended == card =>
            {
                return;
            }
            Ok(Event::CardRemoved {
                card: Some(removed),
                ..
            }) if removed == card => return,
            Ok(_) => {}
            // Events were lost, or the card service ended: better close than miss a removal.
            Err(RecvError::Lagged(_) | RecvError::Closed) => return,
        }
    }
}
