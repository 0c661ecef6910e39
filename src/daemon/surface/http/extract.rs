//! What handlers take from a request, each failure a problem document.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use cps_api::{Code, Problem};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::Refusal;
use crate::server::Connection;
use crate::server::body::BodyError;

/// A JSON body of at most 64 KiB; no body at all stands for the empty object.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let declared = request.headers().get(header::CONTENT_TYPE).cloned();
        let json = declared
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        let bytes = whole(request, JSON_LIMIT).await?;
        if !json && (declared.is_some() || !bytes.is_empty()) {
            let detail = "the body must be application/json";
            return Err(Refusal::new(Code::CallerMediaType, detail));
        }
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| Refusal::bad_request(format!("the JSON body: {error}")))
    }
}

/// Query parameters; names that are not known are refused, because a mistyped `card` would
/// otherwise choose another card.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(error) => Err(Refusal::bad_request(error.body_text())),
        }
    }
}

/// No parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Which card, in the query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhichCard {
    /// Serial number.
    pub card: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Connection {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        match parts.extensions.get::<Self>() {
            Some(connection) => Ok(connection.clone()),
            None => Err(Refusal::new(
                Code::Internal,
                "a request without a connection",
            )),
        }
    }
}

/// Reads a whole body.
pub async fn whole(request: Request, limit: usize) -> Result<Vec<u8>, Refusal> {
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) => Err(body_failure(&*error, limit)),
    }
}

/// Why a body could not be read; `limit` is the one that applied.
pub fn body_failure(error: &(dyn std::error::Error + 'static), limit: usize) -> Refusal {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return Problem::new(Code::CallerTooLarge)
                .with("limit_bytes", limit)
                .into();
        }
        if let Some(BodyError::Stalled) = error.downcast_ref() {
            return Code::CallerSlow.into();
        }
        cause = error.source();
    }
    Refusal::bad_request(format!("the body could not be read: {error}"))
}

/// Largest JSON body: every request is a handful of short members.
const JSON_LIMIT: usize = 64 * 1024;
