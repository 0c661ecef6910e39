//! `/v1/trust`, `/v1/trust/anchors`, `/v1/doctor`.

use std::sync::Arc;

use axum::extract::{Request, State};
use cps_api::types;

use super::extract::{Nothing, Query, whole};
use super::problem::Refusal;
use super::wire;
use crate::app::App;
use crate::doctor;

pub(super) async fn trust(
    State(app): State<Arc<App>>,
    Query(Nothing {}): Query<Nothing>,
) -> axum::Json<types::Trust> {
    axum::Json(wire::trust(&app.trust))
}

/// Takes pinned authorities out of a DER, PEM or P7B file.
pub(super) async fn import(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<axum::Json<types::Imported>, Refusal> {
    let file = whole(request, IMPORT_LIMIT).await?;
    let store = app.trust.clone();
    // Writing with fsync may take long on a slow disk.
    let taken = tokio::task::spawn_blocking(move || store.import(&file))
        .await
        .map_err(|error| Refusal::new(cps_api::Code::Internal, error.to_string()))??;
    let mut imported = types::Imported::default();
    for (authority, new) in taken {
        let list = if new {
            &mut imported.imported
        } else {
            &mut imported.already_present
        };
        list.push(wire::anchor(&authority));
    }
    Ok(axum::Json(imported))
}

pub(super) async fn doctor(
    State(app): State<Arc<App>>,
    Query(Nothing {}): Query<Nothing>,
) -> axum::Json<types::Doctor> {
    axum::Json(types::Doctor {
        findings: doctor::examine(&app),
    })
}

/// A bundle of all authorities of the IGC-Santé has about 20 kB.
const IMPORT_LIMIT: usize = 1024 * 1024;
