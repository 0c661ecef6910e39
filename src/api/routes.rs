//! The paths of the local API.

/// Every path, in the order of the OpenAPI document. The daemon's router has these and no
/// others.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/v1/status"),
    Route::new("GET", "/v1/readers"),
    Route::new("GET", "/v1/cards"),
    Route::new("GET", "/v1/events"),
    Route::new("GET", "/v1/identity"),
    Route::new("GET", "/v1/exercises"),
    Route::new("POST", "/v1/login"),
    Route::new("POST", "/v1/lock"),
    Route::new("POST", "/v1/pin/change"),
    Route::new("POST", "/v1/pin/unblock"),
    Route::new("POST", "/v1/sign/cms"),
    Route::new("POST", "/v1/tls/tunnel"),
    Route::new("POST", "/v1/tls/sign"),
    Route::new("GET", "/v1/objects"),
    Route::new("POST", "/v1/objects/{id}/sign"),
    Route::new("POST", "/v1/objects/{id}/decrypt"),
    Route::new("GET", "/v1/objects/{id}/value"),
    Route::new("GET", "/v1/grants"),
    Route::new("DELETE", "/v1/grants/{id}"),
    Route::new("GET", "/v1/journal"),
    Route::new("GET", "/v1/journal/verify"),
    Route::new("GET", "/v1/mail"),
    Route::new("GET", "/v1/mail/journal"),
    Route::new("GET", "/v1/mail/journal/verify"),
    Route::new("POST", "/v1/mail/mailboxes"),
    Route::new("DELETE", "/v1/mail/mailboxes/{address}"),
    Route::new("POST", "/v1/mail/mailboxes/{address}/passwords"),
    Route::new("DELETE", "/v1/mail/mailboxes/{address}/passwords/{id}"),
    Route::new("POST", "/v1/mail/mailboxes/{address}/test"),
    Route::new("GET", "/v1/trust"),
    Route::new("POST", "/v1/trust/anchors"),
    Route::new("GET", "/v1/doctor"),
    Route::new("GET", "/v1/card-report"),
    Route::new("GET", "/v1/openapi.json"),
];

/// One method of one path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Route {
    /// HTTP method, upper case.
    pub method: &'static str,
    /// Path; `{name}` stands for one segment, as in OpenAPI and in axum.
    pub path: &'static str,
}

impl Route {
    const fn new(method: &'static str, path: &'static str) -> Self {
        Self { method, path }
    }
}
