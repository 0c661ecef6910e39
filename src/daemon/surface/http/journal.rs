//! `/v1/journal`, `/v1/mail/journal`, and `verify` of both.

use std::sync::Arc;

use axum::extract::State;
use cps_api::{Code, types};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::extract::{Nothing, Query};
use super::problem::Refusal;
use super::wire;
use crate::app::App;
use crate::journal::{Chain, Content, Entry, JournalError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

pub(super) async fn read(
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<axum::Json<types::Journal>, Refusal> {
    let (entries, verified) = entries(app.broker.journal(), page).await?;
    let entries = entries.into_iter().map(wire::journal_entry).collect();
    Ok(axum::Json(types::Journal { entries, verified }))
}

pub(super) async fn read_mail(
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<axum::Json<types::MailJournal>, Refusal> {
    let (entries, verified) = entries(app.mail.traces.journal(), page).await?;
    let entries = entries.into_iter().map(wire::mail::journal_entry).collect();
    Ok(axum::Json(types::MailJournal { entries, verified }))
}

pub(super) async fn verify(
    State(app): State<Arc<App>>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<types::JournalVerification>, Refusal> {
    verification(app.broker.journal()).await
}

pub(super) async fn verify_mail(
    State(app): State<Arc<App>>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<types::JournalVerification>, Refusal> {
    verification(app.mail.traces.journal()).await
}

/// A page of a journal, and whether the journal is whole.
async fn entries<C: Content + Send + 'static>(
    journal: Arc<Chain<C>>,
    page: Page,
) -> Result<(Vec<Entry<C>>, bool), Refusal> {
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    on_disk(journal, move |journal| {
        Ok((
            journal.entries(page.after, limit)?,
            journal.verify()?.is_whole(),
        ))
    })
    .await
}

async fn verification<C: Content + Send + 'static>(
    journal: Arc<Chain<C>>,
) -> Result<axum::Json<types::JournalVerification>, Refusal> {
    let verification = on_disk(journal, |journal| journal.verify()).await?;
    let first = verification.findings.first();
    Ok(axum::Json(types::JournalVerification {
        verified: verification.is_whole(),
        entries: verification.entries,
        begins_at: (verification.begins > 1).then_some(verification.begins),
        broken_at: first.map(|finding| finding.sequence),
        detail: first.map(ToString::to_string),
    }))
}

async fn on_disk<C: Content + Send + 'static, R: Send + 'static>(
    journal: Arc<Chain<C>>,
    work: impl FnOnce(&Chain<C>) -> Result<R, JournalError> + Send + 'static,
) -> Result<R, Refusal> {
    let turn = READING
        .acquire()
        .await
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    match tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(&journal)
    })
    .await
    {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Refusal::new(Code::JournalUnavailable, error.to_string())),
        Err(error) => Err(Refusal::new(Code::Internal, error.to_string())),
    }
}

/// A whole journal takes long to read: one at a time, also when its reader has left, so that disk
/// and threads are left for writing it.
static READING: Semaphore = Semaphore::const_new(1);

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
