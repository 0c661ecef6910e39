//! HTTP/1.1 and JSON on the local socket, described by the OpenAPI document that it serves.
//!
//! # Layout
//!
//! One module for each family of paths; [`problem`] turns failures into answers, [`extract`]
//! requests into values, [`wire`] our values into those of the API.

mod cards;
mod documents;
mod events;
pub mod extract;
mod grants;
mod identity;
mod journal;
mod pin;
pub mod problem;
mod tls;
mod trust;
pub mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use cps_api::Code;

use crate::app::App;
use extract::{Nothing, Query};
use problem::Refusal;

/// The router of the API.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/status", get(cards::status))
        .route("/v1/readers", get(cards::readers))
        .route("/v1/cards", get(cards::cards))
        .route("/v1/card-report", get(cards::report))
        .route("/v1/events", get(events::events))
        .route("/v1/identity", get(identity::identity))
        .route("/v1/exercises", get(identity::exercises))
        .route("/v1/login", post(pin::login))
        .route("/v1/lock", post(pin::lock))
        .route("/v1/pin/change", post(pin::change))
        .route("/v1/pin/unblock", post(pin::unblock))
        .route("/v1/sign/cms", post(documents::cms))
        .route("/v1/tls/tunnel", post(tls::tunnel))
        .route("/v1/tls/sign", post(tls::sign))
        .route("/v1/grants", get(grants::list))
        .route("/v1/grants/{id}", delete(grants::revoke))
        .route("/v1/journal", get(journal::read))
        .route("/v1/journal/verify", get(journal::verify))
        .route("/v1/trust", get(trust::trust))
        .route("/v1/trust/anchors", post(trust::import))
        .route("/v1/doctor", get(trust::doctor))
        .route("/v1/openapi.json", get(openapi))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        // Each handler that takes a body has a limit of its own, smaller or streamed.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::map_response_with_state(
            Arc::clone(&app),
            note_failure,
        ))
        .with_state(app)
}

async fn note_failure(State(app): State<Arc<App>>, response: Response) -> Response {
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        tracing::debug!(
            code = refusal.problem().code,
            detail = refusal.problem().detail,
            "refused"
        );
        app.note(refusal.problem());
    }
    response
}

async fn openapi(Query(Nothing {}): Query<Nothing>) -> impl IntoResponse {
    let media_type = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, media_type)], cps_api::OPENAPI)
}

async fn unknown_path(uri: Uri) -> Refusal {
    Refusal::new(Code::CallerNotFound, format!("there is no {}", uri.path()))
}

async fn unknown_method() -> Refusal {
    Code::CallerMethod.into()
}
