//! `/v1/sign/cms`: the content streams through the hash, the card signs, the CMS is the answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use cps_api::types::CMS_MEDIA_TYPE;
use cps_api::{Code, Problem};
use cps_sign::{Algorithm, SignedDataBuilder};
use cps_verify::Scheme;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::extract::{Query, body_failure};
use super::problem::Refusal;
use crate::app::App;
use crate::purpose::Purpose;
use crate::server::Connection;
use crate::token::KeyRole;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    card: Option<String>,
    #[serde(default)]
    attached: bool,
    name: Option<String>,
}

pub(super) async fn cms(
    State(app): State<Arc<App>>,
    connection: Connection,
    Query(parameters): Query<Parameters>,
    request: Request,
) -> Result<Response, Refusal> {
    if parameters
        .name
        .as_ref()
        .is_some_and(|name| name.len() > NAME_LIMIT)
    {
        return Err(Refusal::bad_request(format!(
            "name: at most {NAME_LIMIT} bytes"
        )));
    }
    let card = app.person_card(parameters.card.as_deref()).await?;
    let caller = &connection.caller;
    let signer = app.certificate(&card, caller, KeyRole::Signature).await?;
    // Before the content is read, and long before anybody is asked anything.
    let unread = Purpose::SignCms {
        name: None,
        size: 0,
    };
    app.may_use(caller, &card.id, &unread, &signer, KeyRole::Signature)
        .await?;

    // Held until the answer is made.
    let mut room = Room::of(&ATTACHED);
    let (content, size) = read(request, parameters.attached, &mut room).await?;
    let prepared = content
        .prepare(
            signer.der(),
            &app.trust.chain_above(&signer),
            Timestamp::now(),
        )
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    let purpose = Purpose::SignCms {
        name: parameters.name,
        size,
    };
    let digest = prepared.digest().to_vec();
    let scheme = match prepared.algorithm() {
        Algorithm::EcdsaSha256 => Scheme::EcdsaSha256,
        Algorithm::RsaSha256 => Scheme::Pkcs1Sha256,
    };
    let signature = app
        .broker
        .sign(
            caller,
            &card.id,
            purpose,
            KeyRole::Signature,
            scheme,
            digest,
        )
        .await?;
    let document = prepared
        .finish(&signature)
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    let media_type = HeaderValue::from_static(CMS_MEDIA_TYPE);
    Ok(([(header::CONTENT_TYPE, media_type)], document).into_response())
}

/// Hashes the body as it comes, whatever its size; an attached one is kept, hence limited.
async fn read(
    request: Request,
    attached: bool,
    room: &mut Room,
) -> Result<(SignedDataBuilder, u64), Refusal> {
    let mut content = match attached {
        true => SignedDataBuilder::attached(),
        false => SignedDataBuilder::detached(),
    };
    let mut size: u64 = 0;
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| body_failure(&error, ATTACHED_LIMIT))?;
        let Some(bytes) = frame.data_ref() else {
            continue;
        };
        size += bytes.len() as u64;
        if attached && size > ATTACHED_LIMIT as u64 {
            return Err(Problem::new(Code::CallerTooLarge)
                .with("limit_bytes", ATTACHED_LIMIT)
                .into());
        }
        if attached && !room.grow_to(size) {
            let detail = "too many attached documents are being signed at once";
            return Err(Refusal::new(Code::CallerTooMany, detail));
        }
        content.update(bytes);
    }
    Ok((content, size))
}

/// One document's part of the memory that all attached ones may take together.
struct Room {
    all: &'static Semaphore,
    taken: Option<SemaphorePermit<'static>>,
}

impl Room {
    fn of(all: &'static Semaphore) -> Self {
        Self { all, taken: None }
    }

    /// Whether there is room for this many bytes; it is taken then, until the value is dropped.
    fn grow_to(&mut self, bytes: u64) -> bool {
        let have = self.taken.as_ref().map_or(0, SemaphorePermit::num_permits);
        let more = usize::try_from(bytes.div_ceil(UNIT))
            .unwrap_or(usize::MAX)
            .saturating_sub(have);
        if more == 0 {
            return true;
        }
        let Ok(permit) = u32::try_from(more).map(|more| self.all.try_acquire_many(more)) else {
            return false;
        };
        match (permit, &mut self.taken) {
            (Ok(permit), Some(taken)) => taken.merge(permit),
            (Ok(permit), none) => *none = Some(permit),
            (Err(_), _) => return false,
        }
        true
    }
}

/// In units of 64 KiB: four documents of the largest size, or very many ordinary ones.
static ATTACHED: Semaphore = Semaphore::const_new(4 * ATTACHED_LIMIT / UNIT as usize);

const UNIT: u64 = 64 * 1024;

/// An attached document is held in memory, several times over while it is encoded.
const ATTACHED_LIMIT: usize = 64 * 1024 * 1024;

/// Longer than any file name; the dialog shows less.
const NAME_LIMIT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    static TWO: Semaphore = Semaphore::const_new(2);

    #[test]
    fn attached_documents_share_bounded_memory() {
        let (mut first, mut second) = (Room::of(&TWO), Room::of(&TWO));
        assert!(first.grow_to(1) && first.grow_to(UNIT) && first.grow_to(UNIT + 1));
        assert!(!second.grow_to(1), "no third part");
        drop(first);
        assert!(second.grow_to(2 * UNIT));
        assert!(!second.grow_to(u64::MAX));
    }
}
