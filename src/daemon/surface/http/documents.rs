//! `/v1/sign/cms`: the content streams through the hash, the card signs, the CMS is the answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use cps_api::types::CMS_MEDIA_TYPE;
use cps_api::{Code, Problem};
use cps_card::Scheme;
use cps_sign::SignedDataBuilder;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde::Deserialize;

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
    app.may_use(&signer, KeyRole::Signature).await?;

    let (content, size) = read(request, parameters.attached).await?;
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
    let signature = app
        .broker
        .sign(
            caller,
            &card.id,
            purpose,
            KeyRole::Signature,
            Scheme::Pkcs1Sha256,
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
async fn read(request: Request, attached: bool) -> Result<(SignedDataBuilder, u64), Refusal> {
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
        content.update(bytes);
    }
    Ok((content, size))
}

/// An attached document is held in memory, several times over while it is encoded.
const ATTACHED_LIMIT: usize = 64 * 1024 * 1024;

/// Longer than any file name; the dialog shows less.
const NAME_LIMIT: usize = 1024;
