//! What is known of readers and cards: written by the monitor and the card threads, read by all.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::broadcast;

use super::desk::Desk;
use super::{
    CardId, CardKind, CardState, CardsError, Event, Phase, ReaderContent, ReaderState, ServiceState,
};
use crate::config::Prefer;
use crate::modules::HostError;
use crate::readers::Presence;
use crate::token::{CertificateRole, TokenError};

/// The state of the service, and its subscribers.
pub(super) struct Hub {
    /// Wakes the threads that look for tokens, and those that wait for them.
    changed: Condvar,
    prefer: Prefer,
    events: broadcast::Sender<Event>,
    state: Mutex<State>,
}

pub(super) struct State {
    /// By insertion.
    pub(super) cards: BTreeMap<u64, Inserted>,
    pub(super) ended: bool,
    pub(super) last_insertion: u64,
    /// Whether the readers were seen at all.
    observed: bool,
    pub(super) readers: BTreeMap<String, Reader>,
    /// The modules, in the order of the configuration.
    searches: Vec<Search>,
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
    /// Whether its driver has found out which card it is, or has given that up.
    pub(super) settled: bool,
}

/// Where the search for the tokens of a module stands.
#[derive(Clone)]
struct Search {
    /// Something has changed since it last began.
    due: bool,
    /// Why the last one found nothing.
    problem: Option<HostError>,
    running: bool,
}

impl Hub {
    pub(super) fn new(modules: usize, prefer: Prefer) -> Self {
        let search = Search {
            due: true,
            problem: None,
            running: false,
        };
        Self {
            changed: Condvar::new(),
            prefer,
            events: broadcast::Sender::new(EVENTS_KEPT),
            state: Mutex::new(State {
                cards: BTreeMap::new(),
                ended: false,
                last_insertion: 0,
                observed: false,
                readers: BTreeMap::new(),
                searches: vec![search; modules],
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
        let Some(inserted) = state.cards.get_mut(&insertion) else {
            return;
        };
        let events = change(inserted);
        if !state.is_hidden(insertion) {
            for event in events {
                self.send(event);
            }
        }
        self.changed.notify_all();
    }

    /// Puts a token of a module among the cards, unless one of them is the same card already.
    pub(super) fn add_token(
        &self,
        describe: impl FnOnce(u64, &State) -> CardState,
        desk: &Arc<Desk>,
    ) -> Option<CardState> {
        let mut state = self.lock();
        let insertion = state.last_insertion + 1;
        let card = describe(insertion, &state);
        if state.ended || state.has_twin(insertion, &card) {
            return None;
        }
        state.last_insertion = insertion;
        self.send(Event::CardInserted {
            reader: card.reader.clone(),
        });
        self.send(Event::CardReady {
            reader: card.reader.clone(),
            card: card.id.clone(),
        });
        state.cards.insert(
            insertion,
            Inserted {
                card: Some(card.clone()),
                content: ReaderContent::Card,
                desk: Arc::clone(desk),
                place: card.reader.clone(),
                problem: None,
                settled: true,
            },
        );
        Some(card)
    }

    /// Forgets a card and tells so. What a module shows of a card that was taken out goes with it;
    /// a card that a module no longer shows is there to be driven natively.
    pub(super) fn remove_card(&self, state: &mut State, insertion: u64, error: &CardsError) {
        let hidden = state.is_hidden(insertion);
        let Some(inserted) = state.cards.remove(&insertion) else {
            return;
        };
        inserted.desk.close(error.clone());
        let twins: Vec<u64> = inserted
            .card
            .iter()
            .flat_map(|card| state.twins(insertion, card))
            .collect();
        let native = inserted.is_native();
        let card = inserted.card.filter(|_| !hidden).map(|card| {
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
        for twin in twins {
            match native {
                true => self.remove_card(state, twin, error),
                false => self.show(state, twin),
            }
        }
        self.changed.notify_all();
    }

    /// Tells of a card that was hidden until now.
    fn show(&self, state: &State, insertion: u64) {
        let shown = state.cards.get(&insertion);
        if let Some(card) = shown.and_then(|inserted| inserted.card.as_ref())
            && card.phase == Phase::Ready
            && !state.is_hidden(insertion)
        {
            self.send(Event::CardReady {
                reader: card.reader.clone(),
                card: card.id.clone(),
            });
        }
    }

    /// Notes that the readers were seen, and whether something came or went.
    pub(super) fn observed(&self, state: &mut State, change: bool) {
        if change || !state.observed {
            state.observed = true;
            state
                .searches
                .iter_mut()
                .for_each(|search| search.due = true);
        }
        self.changed.notify_all();
    }

    /// Has the tokens of a module looked for again.
    pub(super) fn search_again(&self, module: usize) {
        if let Some(search) = self.lock().searches.get_mut(module) {
            search.due = true;
        }
        self.changed.notify_all();
    }

    /// Waits until the tokens of a module are to be looked for, at `retry` at the latest. `false`:
    /// the service ends. Whoever is to drive the cards looks first: unless the modules are
    /// preferred, every card in a reader is read before.
    pub(super) fn begin_search(&self, module: usize, retry: Option<Instant>) -> bool {
        let mut state = self.lock();
        loop {
            if state.ended {
                return false;
            }
            let ours = self.prefer == Prefer::Module || state.is_settled();
            let retry = retry.map(|retry| retry.saturating_duration_since(Instant::now()));
            let now = retry.is_some_and(|left| left.is_zero());
            if let Some(search) = state.searches.get_mut(module)
                && ours
                && (search.due || now)
            {
                search.due = false;
                search.running = true;
                return true;
            }
            state = match retry.filter(|_| !now) {
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Notes that a search is over, and why it found nothing.
    pub(super) fn end_search(&self, module: usize, problem: Option<HostError>) {
        let mut state = self.lock();
        if let Some(search) = state.searches.get_mut(module) {
            search.running = false;
            search.problem = problem;
        }
        self.send(Event::ModuleSearched);
        self.changed.notify_all();
    }

    /// Where the modules are preferred, waits until they have looked for their tokens; or until the
    /// insertion that asks is over.
    pub(super) fn let_modules_look_first(&self, insertion: u64) {
        if self.prefer == Prefer::Native {
            return;
        }
        let mut state = self.lock();
        while !state.ended && state.cards.contains_key(&insertion) && state.is_searching() {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Why the last search in a module found nothing.
    pub(super) fn module_problem(&self, module: usize) -> Option<HostError> {
        self.lock().searches.get(module)?.problem.clone()
    }

    /// Whether tokens of a module are being looked for, or about to be.
    pub(super) fn is_searching(&self) -> bool {
        self.lock().is_searching()
    }

    /// Ends the service.
    pub(super) fn end(&self, state: &mut State) {
        state.ended = true;
        self.changed.notify_all();
    }
}

impl Inserted {
    fn is_native(&self) -> bool {
        !matches!(&self.card, Some(card) if matches!(card.kind, CardKind::Module(_)))
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
                        .map(|card| self.shown_as(card)),
                }
            })
            .collect()
    }

    pub(super) fn cards(&self) -> Vec<CardState> {
        let mut cards: Vec<_> = self
            .cards
            .iter()
            .filter(|(insertion, _)| !self.is_hidden(**insertion))
            .filter_map(|(_, inserted)| inserted.card.clone())
            .collect();
        cards.sort_by(|one, other| one.reader.cmp(&other.reader));
        cards
    }

    pub(super) fn find(&self, serial: Option<&str>) -> Result<CardState, CardsError> {
        if self.ended {
            return Err(CardsError::ShuttingDown);
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
            0 if self.service == ServiceState::Stopped => Err(CardsError::ServiceStopped),
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
        self.cards
            .get(&id.insertion)
            .filter(|inserted| inserted.card.as_ref().is_some_and(|card| card.id == *id))
            .filter(|_| !self.is_hidden(id.insertion))
            .map(|inserted| Arc::clone(&inserted.desk))
            .ok_or(match self.service {
                ServiceState::Running => CardsError::Removed,
                ServiceState::Stopped => CardsError::ServiceStopped,
            })
    }

    /// Other insertions that are the same card: they show the same certificate.
    fn twins(&self, insertion: u64, card: &CardState) -> impl Iterator<Item = u64> {
        self.cards.iter().filter_map(move |(other, inserted)| {
            let same = |inserted: &CardState| is_same(inserted, card);
            (*other != insertion && inserted.card.as_ref().is_some_and(same)).then_some(*other)
        })
    }

    fn has_twin(&self, insertion: u64, card: &CardState) -> bool {
        self.twins(insertion, card).next().is_some()
    }

    /// Whether this is a card in a reader that a module drives.
    fn is_hidden(&self, insertion: u64) -> bool {
        let inserted = self.cards.get(&insertion);
        let native = inserted.filter(|inserted| inserted.is_native());
        native
            .and_then(|inserted| inserted.card.as_ref())
            .is_some_and(|card| self.has_twin(insertion, card))
    }

    /// The card, or the token of a module that stands for it.
    fn shown_as(&self, card: &CardState) -> CardId {
        let insertion = card.id.insertion;
        self.is_hidden(insertion)
            .then(|| self.twins(insertion, card).next())
            .flatten()
            .and_then(|twin| self.cards.get(&twin)?.card.as_ref())
            .map_or_else(|| card.id.clone(), |twin| twin.id.clone())
    }

    /// Whether it is known which cards are in the readers.
    fn is_settled(&self) -> bool {
        self.observed && self.cards.values().all(|inserted| inserted.settled)
    }

    fn is_searching(&self) -> bool {
        let under_way = |search: &Search| search.due || search.running;
        self.searches.iter().any(under_way)
    }

    fn inserted(&self, reader: &Reader) -> Option<&Inserted> {
        self.cards.get(&reader.inserted?)
    }
}

/// Whether two cards show the same certificate of a person.
fn is_same(one: &CardState, other: &CardState) -> bool {
    one.certificates
        .iter()
        .filter(|one| {
            matches!(
                one.role,
                CertificateRole::Authentication | CertificateRole::Signature
            )
        })
        .any(|one| {
            let der = one.certificate.der();
            let mut others = other.certificates.iter();
            others.any(|other| other.certificate.der() == der)
        })
}

/// A subscriber that is further behind takes new snapshots.
const EVENTS_KEPT: usize = 256;
