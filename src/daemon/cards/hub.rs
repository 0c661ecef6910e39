//! What is known of readers and cards: written by the monitor and the card threads, read by all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use super::desk::Desk;
use super::{CardId, CardState, CardsError, Event, ReaderContent, ReaderState, ServiceState};
use crate::readers::Presence;
use crate::token::TokenError;

/// The state of the service, and its subscribers.
pub(super) struct Hub {
    events: broadcast::Sender<Event>,
    state: Mutex<State>,
}

pub(super) struct State {
    /// By insertion.
    pub(super) cards: BTreeMap<u64, Inserted>,
    pub(super) ended: bool,
    pub(super) last_insertion: u64,
    pub(super) readers: BTreeMap<String, Reader>,
    pub(super) service: ServiceState,
    pub(super) stopped_because: Option<String>,
}

/// A reader.
pub(super) struct Reader {
    pub(super) changes: u32,
    /// The insertion of the card in it.
    pub(super) inserted: Option<u64>,
    pub(super) presence: Presence,
}

/// One insertion of a card.
pub(super) struct Inserted {
    /// Nothing until its serial number is known.
    pub(super) card: Option<CardState>,
    pub(super) content: ReaderContent,
    pub(super) desk: Arc<Desk>,
    /// The reader it is in.
    pub(super) place: String,
    /// Why it cannot be used.
    pub(super) problem: Option<TokenError>,
}

impl Hub {
    pub(super) fn new() -> Self {
        Self {
            events: broadcast::Sender::new(EVENTS_KEPT),
            state: Mutex::new(State {
                cards: BTreeMap::new(),
                ended: false,
                last_insertion: 0,
                readers: BTreeMap::new(),
                service: ServiceState::Stopped,
                stopped_because: None,
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all subscribers. Called with the state locked, so that events come in its order.
    pub(super) fn send(&self, event: Event) {
        tracing::debug!(?event, "card service");
        // Without subscribers nobody needs to know.
        let _ = self.events.send(event);
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Changes what is known of one insertion, unless it is over.
    pub(super) fn update(&self, insertion: u64, change: impl FnOnce(&mut Inserted) -> Vec<Event>) {
        let mut state = self.lock();
        if let Some(inserted) = state.cards.get_mut(&insertion) {
            for event in change(inserted) {
                self.send(event);
            }
        }
    }

    /// Forgets a card and tells so.
    pub(super) fn remove_card(&self, state: &mut State, insertion: u64, error: &CardsError) {
        let Some(inserted) = state.cards.remove(&insertion) else {
            return;
        };
        inserted.desk.close(error.clone());
        let card = inserted.card.map(|card| {
            if card.logged_in {
                self.send(Event::Logout {
                    card: card.id.clone(),
                });
            }
            card.id
        });
        self.send(Event::CardRemoved {
            reader: inserted.place,
            card,
        });
    }
}

impl State {
    pub(super) fn readers(&self) -> Vec<ReaderState> {
        self.readers
            .iter()
            .map(|(name, reader)| {
                let inserted = self.inserted(reader);
                ReaderState {
                    name: name.clone(),
                    content: match (inserted, reader.presence) {
                        (Some(inserted), _) => inserted.content,
                        (None, Presence::Mute) => ReaderContent::Mute,
                        (None, Presence::Unavailable) => ReaderContent::Unavailable,
                        (None, _) => ReaderContent::Empty,
                    },
                    card: inserted
                        .and_then(|inserted| inserted.card.as_ref())
                        .map(|card| card.id.clone()),
                }
            })
            .collect()
    }

    pub(super) fn cards(&self) -> Vec<CardState> {
        let mut cards: Vec<_> = self
            .cards
            .values()
            .filter_map(|inserted| inserted.card.clone())
            .collect();
        cards.sort_by(|one, other| one.reader.cmp(&other.reader));
        cards
    }

    pub(super) fn find(&self, serial: Option<&str>) -> Result<CardState, CardsError> {
        if self.ended {
            return Err(CardsError::ShuttingDown);
        }
        if self.service == ServiceState::Stopped {
            return Err(CardsError::ServiceStopped);
        }
        let mut cards = self.cards();
        match serial {
            Some(serial) => cards.retain(|card| card.id.serial == serial),
            None if cards.iter().any(|card| !card.kind.is_technical()) => {
                cards.retain(|card| !card.kind.is_technical());
            }
            None => {}
        }
        match cards.len() {
            0 => Err(self
                .problem()
                .filter(|_| serial.is_none())
                .map_or(CardsError::Absent, CardsError::Token)),
            1 => Ok(cards.swap_remove(0)),
            _ => Err(CardsError::Ambiguous(
                cards.into_iter().map(|card| card.id.serial).collect(),
            )),
        }
    }

    /// What is wrong with a card that could not even be identified.
    fn problem(&self) -> Option<TokenError> {
        self.readers
            .values()
            .find_map(|reader| match (self.inserted(reader), reader.presence) {
                (Some(inserted), _) => inserted.problem.clone(),
                (None, Presence::Mute) => Some(TokenError::Mute),
                (None, _) => None,
            })
    }

    pub(super) fn desk(&self, id: &CardId) -> Result<Arc<Desk>, CardsError> {
        if self.ended {
            return Err(CardsError::ShuttingDown);
        }
        if self.service == ServiceState::Stopped {
            return Err(CardsError::ServiceStopped);
        }
        self.cards
            .values()
            .find(|inserted| inserted.card.as_ref().is_some_and(|card| card.id == *id))
            .map(|inserted| Arc::clone(&inserted.desk))
            .ok_or(CardsError::Removed)
    }

    fn inserted(&self, reader: &Reader) -> Option<&Inserted> {
        self.cards.get(&reader.inserted?)
    }
}

/// A subscriber that is further behind takes new snapshots.
const EVENTS_KEPT: usize = 256;
