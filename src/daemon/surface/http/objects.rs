//! `/v1/objects`: the cards as PKCS#11 tokens, and what is done with their keys and data.

use std::sync::Arc;

use axum::extract::{Path, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_api::{Code, Problem, types};
use cps_verify::PublicKey;

use super::extract::{Json, Nothing, Query};
use super::problem::Refusal;
use super::wire;
use crate::app::App;
use crate::broker::BrokerError;
use crate::cards::{CardState, CardsError};
use crate::objects::{Contents, Key, Object, ObjectId};
use crate::purpose::Purpose;
use crate::server::Connection;
use crate::token::{DataObjectInfo, KeyRole};

/// Every token, read from the card the first time.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    connection: Connection,
    Query(Nothing {}): Query<Nothing>,
) -> axum::Json<types::Objects> {
    let (cards, complete) = app.objects.list(&app, &connection.caller).await;
    let tokens = cards.iter().flat_map(|(card, contents)| {
        let keys = contents.keys.iter();
        keys.map(|key| wire::objects::object_token(&app, card, contents, key))
    });
    axum::Json(types::Objects {
        complete,
        module: wire::objects::module_settings(&app.config.pkcs11),
        tokens: tokens.collect(),
    })
}

pub(super) async fn sign(
    State(app): State<Arc<App>>,
    connection: Connection,
    Path(id): Path<String>,
    Json(wanted): Json<types::ObjectSignRequest>,
) -> Result<axum::Json<types::ObjectSignature>, Refusal> {
    let (card, key) = key(&app, &connection, &id).await?;
    // Found out before anybody is asked anything.
    let scheme = wire::objects::scheme(wanted.scheme)
        .filter(|scheme| key.schemes.contains(scheme))
        .ok_or_else(|| unsupported("this key does not sign in this way"))?;
    let digest = base64("digest", &wanted.digest)?;
    if digest.len() != scheme.digest_len() {
        let reason = format!("digest: {} bytes expected", scheme.digest_len());
        return Err(Refusal::bad_request(reason));
    }
    let purpose = match key.role {
        KeyRole::Authentication => Purpose::KeyAuthenticate,
        KeyRole::Signature => Purpose::KeySign,
    };
    let certificate = &key.certificate.certificate;
    app.may_use(
        &connection.caller,
        &card.id,
        &purpose,
        certificate,
        key.role,
    )
    .await?;
    let signature = app
        .broker
        .sign(
            &connection.caller,
            &card.id,
            purpose,
            key.role,
            scheme,
            digest,
        )
        .await?;
    Ok(axum::Json(types::ObjectSignature {
        signature: STANDARD.encode(signature),
    }))
}

pub(super) async fn decrypt(
    State(app): State<Arc<App>>,
    connection: Connection,
    Path(id): Path<String>,
    Json(wanted): Json<types::ObjectDecryptRequest>,
) -> Result<axum::Json<types::ObjectPlaintext>, Refusal> {
    let (card, key) = key(&app, &connection, &id).await?;
    if !key.decrypts {
        return Err(unsupported("this key does not decrypt"));
    }
    let cryptogram = base64("cryptogram", &wanted.cryptogram)?;
    // RFC 8017 §7.2.2, step 1; found out before anybody is asked anything.
    if cryptogram.len() != modulus_len(&key) {
        return Err(Code::ObjectUndecryptable.into());
    }
    let plaintext = app
        .broker
        .decrypt(&connection.caller, &card.id, key.role, cryptogram)
        .await?;
    Ok(axum::Json(types::ObjectPlaintext {
        plaintext: STANDARD.encode(&*plaintext),
    }))
}

pub(super) async fn value(
    State(app): State<Arc<App>>,
    connection: Connection,
    Path(id): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<types::ObjectValue>, Refusal> {
    let (card, object, contents) = on_card(&app, &connection, &id).await?;
    let Object::Data(place) = object else {
        return Err(unknown());
    };
    let data = contents.data.get(place).cloned();
    let DataObjectInfo { label, private } = data.ok_or_else(unknown)?;
    let caller = &connection.caller;
    let value = match private {
        true => app.broker.private_data(caller, &card.id, label).await?,
        false => {
            let read = app.run(&card.id, caller, move |token| token.data_value(&label));
            read.await?
        }
    };
    Ok(axum::Json(types::ObjectValue {
        value: STANDARD.encode(&*value),
    }))
}

/// The key that a path names, and its card.
async fn key(app: &App, connection: &Connection, id: &str) -> Result<(CardState, Key), Refusal> {
    let (card, object, contents) = on_card(app, connection, id).await?;
    let key = match object {
        Object::Key(role) => contents.key(role).cloned(),
        Object::Data(_) => None,
    };
    Ok((card, key.ok_or_else(unknown)?))
}

/// The card that an object named in a path is on, and all that it shows.
async fn on_card(
    app: &App,
    connection: &Connection,
    id: &str,
) -> Result<(CardState, Object, Arc<Contents>), Refusal> {
    let id = ObjectId::parse(app.started, id).ok_or_else(unknown)?;
    let mut cards = app.cards.cards().into_iter();
    let removed = || Refusal::from(BrokerError::Cards(CardsError::Removed));
    let card = cards.find(|card| id.is_on(&card.id)).ok_or_else(removed)?;
    let contents = app.objects.of(app, &connection.caller, &card).await?;
    Ok((card, id.object, contents))
}

fn modulus_len(key: &Key) -> usize {
    match PublicKey::parse(key.certificate.certificate.public_key_spki()) {
        Some(public) => public.bits().div_ceil(8),
        None => 0,
    }
}

fn base64(member: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD
        .decode(text)
        .map_err(|error| Refusal::bad_request(format!("{member}: not base64: {error}")))
}

fn unknown() -> Refusal {
    Code::ObjectUnknown.into()
}

fn unsupported(reason: &str) -> Refusal {
    Problem::new(Code::CardUnsupported)
        .with("reason", reason)
        .into()
}
