//! Tells listeners when a dialog waits for the practitioner.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use crate::prompt::{
    ConfirmRequest, Decision, InformRequest, LockedBuffer, PinRequest, PromptError, Prompter,
};

/// A dialog opened or closed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PromptEvent {
    /// It closed, answered or not.
    Closed {
        /// Serial number of the card it was about.
        card: String,
    },
    /// It waits.
    Opened {
        /// Serial number of the card it is about.
        card: String,
    },
}

/// A [`Prompter`] that announces the dialogs of another one.
pub struct Announced {
    inner: Arc<dyn Prompter>,
    events: broadcast::Sender<PromptEvent>,
}

impl Announced {
    /// Announces the dialogs of `inner` on `events`.
    #[must_use]
    pub fn new(inner: Arc<dyn Prompter>, events: broadcast::Sender<PromptEvent>) -> Self {
        Self { inner, events }
    }

    fn open(&self, card: &str) -> Open {
        let open = Open {
            events: self.events.clone(),
            card: card.to_owned(),
        };
        // Sending fails only when nobody listens.
        let _ = self.events.send(PromptEvent::Opened {
            card: card.to_owned(),
        });
        open
    }
}

impl Prompter for Announced {
    fn pin(&self, request: PinRequest) -> BoxFuture<'_, Result<LockedBuffer, PromptError>> {
        Box::pin(async move {
            let _open = self.open(&request.subject.card);
            self.inner.pin(request).await
        })
    }

    fn confirm(&self, request: ConfirmRequest) -> BoxFuture<'_, Result<Decision, PromptError>> {
        Box::pin(async move {
            let _open = self.open(&request.subject.card);
            self.inner.confirm(request).await
        })
    }

    fn inform(&self, request: InformRequest) -> BoxFuture<'_, Result<(), PromptError>> {
        Box::pin(async move {
            let _open = self.open(&request.subject.card);
            self.inner.inform(request).await
        })
    }
}

/// Announces the end even when the dialog's future is dropped.
struct Open {
    events: broadcast::Sender<PromptEvent>,
    card: String,
}

impl Drop for Open {
    fn drop(&mut self) {
        let card = std::mem::take(&mut self.card);
        let _ = self.events.send(PromptEvent::Closed { card });
    }
}
