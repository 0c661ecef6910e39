//! `/v1/status`, `/v1/readers`, `/v1/cards`, `/v1/card-report`: states, and what a card declares.

use std::sync::Arc;

use axum::extract::State;
use cps_api::types;

use super::extract::{Nothing, Query, WhichCard};
use super::problem::Refusal;
use super::wire;
use crate::app::App;
use crate::server::Connection;

pub(super) async fn status(
    State(app): State<Arc<App>>,
    Query(Nothing {}): Query<Nothing>,
) -> axum::Json<types::Status> {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    axum::Json(types::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pcsc: wire::service(app.cards.service()),
        readers: count(app.cards.readers().len()),
        cards: count(app.cards.cards().len()),
        pid: std::process::id(),
        started_at: app.started.to_string(),
        environment: wire::environment(app.trust.environment()),
    })
}

pub(super) async fn readers(
    State(app): State<Arc<App>>,
    Query(Nothing {}): Query<Nothing>,
) -> axum::Json<types::Readers> {
    let readers = app.cards.readers().into_iter().map(wire::reader).collect();
    axum::Json(types::Readers { readers })
}

pub(super) async fn cards(
    State(app): State<Arc<App>>,
    Query(Nothing {}): Query<Nothing>,
) -> axum::Json<types::Cards> {
    let cards = app.cards.cards();
    let cards = cards
        .iter()
        .map(|card| wire::card(card, &app.trust))
        .collect();
    axum::Json(types::Cards { cards })
}

/// What the card declares about itself, redacted, in the form that the emulator loads.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    connection: Connection,
    Query(which): Query<WhichCard>,
) -> Result<axum::Json<cps_card::Report>, Refusal> {
    let card = app.card(which.card.as_deref()).await?;
    let report = app
        .run(&card.id, &connection.caller, |token| token.report())
        .await?;
    Ok(axum::Json(report))
}
