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
mod mail;
mod objects;
mod pin;
pub mod problem;
mod tls;
mod trust;
pub mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::handler::Handler;
use axum::http::{HeaderValue, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use cps_api::{Code, Route};

use crate::app::App;
use extract::{Nothing, Query};
use problem::Refusal;

/// The router of the API.
pub fn router(app: Arc<App>) -> Router {
    handlers()
        .into_iter()
        .fold(Router::new(), |router, (route, handler)| {
            router.route(route.path, handler)
        })
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

/// Who answers what: the routes of [`cps_api::ROUTES`].
fn handlers() -> Vec<(Route, MethodRouter<Arc<App>>)> {
    vec![
        get("/v1/status", cards::status),
        get("/v1/readers", cards::readers),
        get("/v1/cards", cards::cards),
        get("/v1/card-report", cards::report),
        get("/v1/events", events::events),
        get("/v1/identity", identity::identity),
        get("/v1/exercises", identity::exercises),
        post("/v1/login", pin::login),
        post("/v1/lock", pin::lock),
        post("/v1/pin/change", pin::change),
        post("/v1/pin/unblock", pin::unblock),
        post("/v1/sign/cms", documents::cms),
        post("/v1/tls/tunnel", tls::tunnel),
        post("/v1/tls/sign", tls::sign),
        get("/v1/objects", objects::list),
        post("/v1/objects/{id}/sign", objects::sign),
        post("/v1/objects/{id}/decrypt", objects::decrypt),
        get("/v1/objects/{id}/value", objects::value),
        get("/v1/grants", grants::list),
        delete("/v1/grants/{id}", grants::revoke),
        get("/v1/journal", journal::read),
        get("/v1/journal/verify", journal::verify),
        get("/v1/mail", mail::read),
        get("/v1/mail/journal", journal::read_mail),
        get("/v1/mail/journal/verify", journal::verify_mail),
        post("/v1/mail/mailboxes", mail::add),
        delete("/v1/mail/mailboxes/{address}", mail::remove),
        post(
            "/v1/mail/mailboxes/{address}/passwords",
            mail::make_password,
        ),
        delete(
            "/v1/mail/mailboxes/{address}/passwords/{id}",
            mail::revoke_password,
        ),
        post("/v1/mail/mailboxes/{address}/test", mail::test),
        get("/v1/trust", trust::trust),
        post("/v1/trust/anchors", trust::import),
        get("/v1/doctor", trust::doctor),
        get("/v1/openapi.json", openapi),
    ]
}

fn get<T: 'static>(
    path: &'static str,
    handler: impl Handler<T, Arc<App>>,
) -> (Route, MethodRouter<Arc<App>>) {
    (
        Route {
            method: "GET",
            path,
        },
        routing::get(handler),
    )
}

fn post<T: 'static>(
    path: &'static str,
    handler: impl Handler<T, Arc<App>>,
) -> (Route, MethodRouter<Arc<App>>) {
    (
        Route {
            method: "POST",
            path,
        },
        routing::post(handler),
    )
}

fn delete<T: 'static>(
    path: &'static str,
    handler: impl Handler<T, Arc<App>>,
) -> (Route, MethodRouter<Arc<App>>) {
    (
        Route {
            method: "DELETE",
            path,
        },
        routing::delete(handler),
    )
}

/// Runs what waits for the disk away from the runtime's own threads.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::new(Code::Internal, error.to_string()))
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn the_router_has_the_routes_of_the_contract_and_no_others() {
        let served: HashSet<_> = super::handlers()
            .into_iter()
            .map(|(route, _)| route)
            .collect();
        let promised: HashSet<_> = cps_api::ROUTES.iter().copied().collect();
        assert_eq!(served, promised);
    }
}
