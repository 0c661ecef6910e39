//! `/v1/events`: server-sent events (WHATWG HTML §9.2).
//!
//! Each client reads at its own pace from bounded channels. One that lags is told, with a comment
//! and the end of the stream: it reconnects and reads the states anew.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event as Sse, KeepAlive};
use cps_api::types::{self, EventKind};
use futures_util::stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::extract::{Nothing, Query};
use crate::announce::PromptEvent;
use crate::app::App;
use crate::cards::Event;
use crate::server::{Connection, Stopping};

pub(super) async fn events(
    State(app): State<Arc<App>>,
    connection: Connection,
    Query(Nothing {}): Query<Nothing>,
) -> impl IntoResponse {
    let listener = Listener {
        cards: app.cards.subscribe(),
        prompts: app.prompts.subscribe(),
        stopping: connection.stopping,
    };
    // Some clients show nothing before the first bytes; this also tells that the state may be
    // read now without missing a change.
    let begun = stream::iter([Ok::<_, Infallible>(Sse::default().comment("listening"))]);
    let changes = stream::unfold(Some(listener), |listener| async move {
        let mut listener = listener?;
        match listener.next().await {
            Heard::Change(event) => Some((Ok(event), Some(listener))),
            Heard::Lagged => {
                let notice = Sse::default().comment("too slow: events were lost, connect again");
                Some((Ok(notice), None))
            }
            Heard::End => None,
        }
    });
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("");
    let stream =
        axum::response::Sse::new(stream::StreamExt::chain(begun, changes)).keep_alive(heartbeat);
    // A client that was dropped must see the end at once, not an idle connection.
    (
        [(header::CONNECTION, HeaderValue::from_static("close"))],
        stream,
    )
}

struct Listener {
    cards: Receiver<Event>,
    prompts: Receiver<PromptEvent>,
    stopping: Stopping,
}

enum Heard {
    Change(Sse),
    End,
    Lagged,
}

impl Listener {
    async fn next(&mut self) -> Heard {
        loop {
            let told = tokio::select! {
                event = self.cards.recv() => match event {
                    Ok(event) => of_card(event),
                    Err(RecvError::Lagged(_)) => return Heard::Lagged,
                    Err(RecvError::Closed) => return Heard::End,
                },
                event = self.prompts.recv() => match event {
                    Ok(event) => Some(of_prompt(event)),
                    Err(RecvError::Lagged(_)) => return Heard::Lagged,
                    Err(RecvError::Closed) => return Heard::End,
                },
                () = self.stopping.wait() => return Heard::End,
            };
            let Some((kind, event)) = told else { continue };
            // These values are plain text: encoding them cannot fail.
            if let Ok(event) = Sse::default().event(kind.as_str()).json_data(event) {
                return Heard::Change(event);
            }
        }
    }
}

/// `None` for a change that this version of the API has no name for.
fn of_card(event: Event) -> Option<(EventKind, types::Event)> {
    let reader = |reader| types::Event {
        reader: Some(reader),
        card: None,
    };
    let card = |card: crate::cards::CardId| types::Event {
        reader: None,
        card: Some(card.serial),
    };
    let both = |reader, card: Option<crate::cards::CardId>| types::Event {
        reader: Some(reader),
        card: card.map(|card| card.serial),
    };
    Some(match event {
        Event::CardInserted { reader: name } => (EventKind::CardInserted, reader(name)),
        Event::CardReady { reader, card } => (EventKind::CardReady, both(reader, Some(card))),
        Event::CardRemoved { reader, card } => (EventKind::CardRemoved, both(reader, card)),
        Event::CardReset { reader, card } => (EventKind::CardReset, both(reader, Some(card))),
        Event::Login { card: id } => (EventKind::Login, card(id)),
        Event::Logout { card: id } => (EventKind::Logout, card(id)),
        Event::ReaderAdded { reader: name } => (EventKind::ReaderAdded, reader(name)),
        Event::ReaderRemoved { reader: name } => (EventKind::ReaderRemoved, reader(name)),
        Event::ServiceStarted => (EventKind::PcscStarted, types::Event::default()),
        Event::ServiceStopped => (EventKind::PcscStopped, types::Event::default()),
        _ => return None,
    })
}

fn of_prompt(event: PromptEvent) -> (EventKind, types::Event) {
    let (kind, card) = match event {
        PromptEvent::Opened { card } => (EventKind::PromptOpened, card),
        PromptEvent::Closed { card } => (EventKind::PromptClosed, card),
    };
    (
        kind,
        types::Event {
            reader: None,
            card: Some(card),
        },
    )
}

/// Often enough to notice a client that died without closing, rare enough to let a laptop sleep.
const HEARTBEAT: Duration = Duration::from_secs(30);
