//! `/v1/grants`: who may, and no longer may.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use cps_api::types;

use super::extract::{Nothing, Query};
use super::problem::Refusal;
use super::wire;
use crate::app::App;
use crate::server::Connection;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(Nothing {}): Query<Nothing>,
) -> axum::Json<types::Grants> {
    let grants = app.broker.grants().into_iter().map(wire::grant).collect();
    axum::Json(types::Grants { grants })
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    connection: Connection,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    app.broker.revoke(&connection.caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
