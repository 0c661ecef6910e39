//! `/v1/login`, `/v1/lock`, `/v1/pin/change`, `/v1/pin/unblock`. The dialogs are the daemon's: no
//! PIN is ever in a request.

use std::sync::Arc;

use axum::extract::State;
use cps_api::types;

use super::extract::Json;
use super::problem::Refusal;
use crate::app::App;
use crate::broker::Why;
use crate::server::Connection;

pub(super) async fn login(
    State(app): State<Arc<App>>,
    connection: Connection,
    Json(which): Json<types::CardSelector>,
) -> Result<axum::Json<types::LoginState>, Refusal> {
    let card = app.person_card(which.card.as_deref()).await?;
    app.broker.login(&connection.caller, &card.id).await?;
    Ok(axum::Json(types::LoginState {
        card: card.id.serial,
        logged_in: true,
    }))
}

/// Without a card in the request, all cards are locked: whoever asks wants to leave the desk.
pub(super) async fn lock(
    State(app): State<Arc<App>>,
    connection: Connection,
    Json(which): Json<types::CardSelector>,
) -> Result<axum::Json<types::Locked>, Refusal> {
    let card = match which.card {
        Some(serial) => Some(
            app.cards
                .find(Some(&serial))
                .map_err(crate::broker::BrokerError::from)?
                .id,
        ),
        None => None,
    };
    let caller = Some(connection.caller.as_ref());
    let locked = app.broker.lock(caller, card.as_ref(), Why::Asked).await?;
    Ok(axum::Json(types::Locked { locked }))
}

pub(super) async fn change(
    State(app): State<Arc<App>>,
    connection: Connection,
    Json(which): Json<types::CardSelector>,
) -> Result<axum::Json<types::PinState>, Refusal> {
    let card = app.person_card(which.card.as_deref()).await?;
    let tries_left = app.broker.change_pin(&connection.caller, &card.id).await?;
    Ok(axum::Json(types::PinState {
        card: card.id.serial,
        tries_left,
    }))
}

pub(super) async fn unblock(
    State(app): State<Arc<App>>,
    connection: Connection,
    Json(which): Json<types::CardSelector>,
) -> Result<axum::Json<types::PinState>, Refusal> {
    let card = app.person_card(which.card.as_deref()).await?;
    let tries_left = app.broker.unblock_pin(&connection.caller, &card.id).await?;
    Ok(axum::Json(types::PinState {
        card: card.id.serial,
        tries_left,
    }))
}
