//! The one place where a failure becomes an HTTP answer.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cps_api::{Code, Problem};

use crate::broker::BrokerError;
use crate::mail::mailboxes::MailboxError;
use crate::mail::resolve::ResolveError;
use crate::trust::TrustError;

/// A problem document (RFC 9457) as an answer.
#[derive(Clone, Debug)]
pub struct Refusal(Box<Problem>);

impl Refusal {
    /// The answer for `code`, with what happened this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code).detail(detail).into()
    }

    /// A request that makes no sense: the caller's programmer must read `reason`.
    pub fn bad_request(reason: impl Into<String>) -> Self {
        Problem::new(Code::CallerBadRequest)
            .with("reason", reason.into())
            .into()
    }

    /// The document.
    pub fn problem(&self) -> &Problem {
        &self.0
    }
}

impl From<BrokerError> for Refusal {
    fn from(error: BrokerError) -> Self {
        error.problem().into()
    }
}

impl From<MailboxError> for Refusal {
    fn from(error: MailboxError) -> Self {
        let detail = error.to_string();
        let problem = match error {
            MailboxError::Exists(address) => {
                Problem::new(Code::MailMailboxExists).with("address", address.to_string())
            }
            MailboxError::Io { .. } => Problem::new(Code::Internal),
            MailboxError::NoPassword(_) => Problem::new(Code::MailPasswordUnknown),
            MailboxError::TooMany(limit) => Problem::new(Code::MailTooMany).with("limit", limit),
            MailboxError::Unknown(address) => {
                Problem::new(Code::MailMailboxUnknown).with("address", address.to_string())
            }
        };
        problem.detail(detail).into()
    }
}

impl From<ResolveError> for Refusal {
    fn from(error: ResolveError) -> Self {
        let detail = error.to_string();
        let problem = match error {
            ResolveError::Lookup { domain, reason } => Problem::new(Code::MailLookupFailed)
                .with("domain", domain)
                .with("reason", reason),
            ResolveError::Outside(address) => {
                Problem::new(Code::MailDomainNotAllowed).with("address", address.to_string())
            }
            ResolveError::Refused { domain, reason } => Problem::new(Code::MailOperatorRefused)
                .with("domain", domain)
                .with("reason", reason),
            ResolveError::Unknown { domain } => {
                Problem::new(Code::MailOperatorUnknown).with("domain", domain)
            }
        };
        problem.detail(detail).into()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Problem::new(code).into()
    }
}

impl From<TrustError> for Refusal {
    fn from(error: TrustError) -> Self {
        let detail = error.to_string();
        match error {
            TrustError::Malformed { reason, .. } => Problem::new(Code::TrustMalformed)
                .with("reason", reason)
                .into(),
            TrustError::NotPinned { fingerprint, .. } => Problem::new(Code::TrustNotPinned)
                .with("fingerprint", fingerprint.to_string())
                .detail(detail)
                .into(),
            TrustError::Io { .. } => Self::new(Code::Internal, detail),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let media_type = HeaderValue::from_static(Problem::MEDIA_TYPE);
        let mut response = (status, [(header::CONTENT_TYPE, media_type)], body).into_response();
        // For whoever notes failures on their way out.
        response.extensions_mut().insert(self);
        response
    }
}
