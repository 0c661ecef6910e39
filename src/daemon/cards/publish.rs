//! What a card thread tells about its card.

use std::sync::Arc;

use cps_card::Tries;

use super::hub::Hub;
use super::{CardId, CardKind, CardState, Event, Phase, ReaderContent, Warning};
use crate::native::Native;
use crate::token::{TokenCertificate, TokenError};

/// Publishes for one insertion; says nothing once that is over.
#[derive(Clone)]
pub(super) struct Publisher {
    hub: Arc<Hub>,
    insertion: u64,
    reader: String,
}

impl Publisher {
    pub(super) fn new(hub: Arc<Hub>, reader: String, insertion: u64) -> Self {
        Self {
            hub,
            insertion,
            reader,
        }
    }

    pub(super) fn reader(&self) -> &str {
        &self.reader
    }

    /// Where the modules are preferred to our own driver, waits until they had their look.
    pub(super) fn let_modules_look_first(&self) {
        self.hub.let_modules_look_first(self.insertion);
    }

    /// Why the card cannot be used.
    pub(super) fn problem(&self) -> TokenError {
        let mut problem = None;
        self.hub.update(self.insertion, |inserted| {
            problem = inserted.problem.clone();
            Vec::new()
        });
        problem.unwrap_or(TokenError::Removed)
    }

    /// The card, as far as it is known.
    pub(super) fn card(&self, known: impl Into<Known>, phase: Phase) {
        let reader = self.reader.clone();
        let known = known.into();
        let was_reset = known.was_reset;
        let state = known.state(self.insertion, reader.clone(), phase);
        self.hub.update(self.insertion, |inserted| {
            let before = inserted.card.take();
            let (before, mut events) = match before {
                // Another card without a removal in between: too quick for the reader.
                Some(other) if other.id != state.id => {
                    let mut events = logout(&other);
                    events.push(Event::CardRemoved {
                        reader: reader.clone(),
                        card: Some(other.id),
                    });
                    (None, events)
                }
                before => (before, Vec::new()),
            };
            let card = state.id.clone();
            if was_reset {
                events.push(Event::CardReset {
                    reader: reader.clone(),
                    card: card.clone(),
                });
            }
            let was_logged_in = before.as_ref().is_some_and(|before| before.logged_in);
            match (was_logged_in, state.logged_in) {
                (false, true) => events.push(Event::Login { card: card.clone() }),
                (true, false) => events.push(Event::Logout { card: card.clone() }),
                _ => {}
            }
            let was_ready = before.is_some_and(|before| before.phase == Phase::Ready);
            if state.phase == Phase::Ready && !was_ready {
                events.push(Event::CardReady { reader, card });
            }
            inserted.card = Some(state);
            inserted.content = ReaderContent::Card;
            inserted.problem = None;
            events
        });
    }

    /// The first attempts to make sense of the card are over, whatever came of them.
    pub(super) fn settled(&self) {
        self.hub.update(self.insertion, |inserted| {
            inserted.settled = true;
            Vec::new()
        });
    }

    /// The card cannot be used.
    pub(super) fn unusable(&self, error: TokenError) {
        let reader = self.reader.clone();
        self.hub.update(self.insertion, |inserted| {
            let mut events = Vec::new();
            if let Some(card) = &mut inserted.card {
                events = logout(card);
                card.logged_in = false;
                card.phase = Phase::Unusable(error.clone());
            }
            inserted.content = match &error {
                TokenError::Mute => ReaderContent::Mute,
                TokenError::UnknownCard(_) => ReaderContent::UnknownCard,
                _ => ReaderContent::Unavailable,
            };
            inserted.problem = Some(error.clone());
            events.push(Event::CardUnusable { reader, error });
            events
        });
    }
}

/// What a thread knows of its card.
pub(super) struct Known {
    pub(super) serial: String,
    pub(super) kind: CardKind,
    pub(super) logged_in: bool,
    pub(super) tries: Option<Tries>,
    pub(super) certificates: Vec<TokenCertificate>,
    pub(super) warnings: Vec<Warning>,
    /// Whether a reset was noticed since it was last told.
    pub(super) was_reset: bool,
}

impl Known {
    pub(super) fn state(self, insertion: u64, reader: String, phase: Phase) -> CardState {
        CardState {
            id: CardId {
                serial: self.serial,
                insertion,
            },
            kind: self.kind,
            reader,
            phase,
            logged_in: self.logged_in,
            tries: self.tries,
            certificates: self.certificates,
            warnings: self.warnings,
        }
    }
}

impl From<&mut Native> for Known {
    fn from(native: &mut Native) -> Self {
        Self {
            serial: native.serial().to_string(),
            kind: CardKind::Cps(native.kind()),
            logged_in: native.logged_in(),
            tries: native.known_tries(),
            certificates: native.known_certificates(),
            warnings: native.warnings(),
            was_reset: native.take_reset(),
        }
    }
}

fn logout(card: &CardState) -> Vec<Event> {
    match card.logged_in {
        true => vec![Event::Logout {
            card: card.id.clone(),
        }],
        false => Vec::new(),
    }
}
