//! The monitor thread: turns what the reader source sees into insertions and removals.

use std::sync::Arc;
use std::thread;

use super::desk::Desk;
use super::hub::{Hub, Inserted, Reader, State};
use super::threads::Threads;
use super::watchdog::Watchdog;
use super::worker::Worker;
use super::{CardsError, Event, Options, ReaderContent, ServiceState};
use crate::cache::Cache;
use crate::readers::{Connector, Observation, Presence, ReaderObservation, ReaderSource};

/// Watches a source until it ends.
pub(super) struct Monitor {
    pub(super) cache: Option<Cache>,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) hub: Arc<Hub>,
    pub(super) options: Options,
    pub(super) threads: Threads,
    pub(super) watchdog: Arc<Watchdog>,
}

impl Monitor {
    pub(super) fn run(self, mut source: Box<dyn ReaderSource>) {
        loop {
            match source.wait() {
                Observation::Ended => break,
                Observation::Readers(readers) => self.observe(&readers),
                Observation::Stopped(reason) => self.service_stopped(reason),
            }
        }
        let mut state = self.hub.lock();
        self.hub.end(&mut state);
        self.remove_all(&mut state, &CardsError::ShuttingDown);
    }

    fn service_stopped(&self, reason: String) {
        let mut state = self.hub.lock();
        if state.service == ServiceState::Running {
            tracing::warn!(%reason, "the PC/SC service stopped");
        } else {
            tracing::info!(%reason, "the PC/SC service is not reachable");
        }
        state.stopped_because = Some(reason);
        self.remove_all(&mut state, &CardsError::ServiceStopped);
        if state.service == ServiceState::Running {
            state.service = ServiceState::Stopped;
            self.hub.send(Event::ServiceStopped);
        }
        self.hub.observed(&mut state, true);
    }

    fn observe(&self, seen: &[ReaderObservation]) {
        let mut state = self.hub.lock();
        if state.service == ServiceState::Stopped {
            state.service = ServiceState::Running;
            state.stopped_because = None;
            self.hub.send(Event::ServiceStarted);
        }
        let gone: Vec<_> = state
            .readers
            .keys()
            .filter(|name| !seen.iter().any(|seen| seen.name == **name))
            .cloned()
            .collect();
        for name in &gone {
            self.remove_reader(&mut state, name, &CardsError::Removed);
        }
        let mut change = !gone.is_empty();
        for seen in seen {
            change |= self.observe_reader(&mut state, seen);
        }
        self.hub.observed(&mut state, change);
    }

    /// Whether a reader or a card came or went.
    fn observe_reader(&self, state: &mut State, seen: &ReaderObservation) -> bool {
        let name = &seen.name;
        let mut change = !state.readers.contains_key(name);
        if change {
            self.hub.send(Event::ReaderAdded {
                reader: name.clone(),
            });
        }
        let reader = state.readers.entry(name.clone()).or_insert(Reader {
            changes: seen.changes,
            inserted: None,
            presence: Presence::Empty,
        });
        let before = reader.presence;
        reader.presence = seen.presence;
        if reader.changes != seen.changes || !seen.presence.has_card() {
            change |= reader.changes != seen.changes;
            reader.changes = seen.changes;
            if let Some(gone) = reader.inserted.take() {
                change = true;
                self.hub.remove_card(state, gone, &CardsError::Removed);
            }
        }
        let Some(reader) = state.readers.get_mut(name) else {
            return change;
        };
        match reader.inserted {
            Some(inserted) if before == Presence::Exclusive && seen.presence == Presence::Card => {
                if let Some(inserted) = state.cards.get(&inserted) {
                    inserted.desk.try_again();
                }
            }
            None if seen.presence.has_card() => {
                state.last_insertion += 1;
                let insertion = state.last_insertion;
                let desk = Arc::new(Desk::new(self.options.queue));
                reader.inserted = Some(insertion);
                state.cards.insert(
                    insertion,
                    Inserted {
                        card: None,
                        content: ReaderContent::Card,
                        desk: Arc::clone(&desk),
                        place: name.clone(),
                        problem: None,
                        settled: false,
                    },
                );
                self.hub.send(Event::CardInserted {
                    reader: name.clone(),
                });
                self.start_worker(seen, insertion, desk);
                change = true;
            }
            _ => {}
        }
        change
    }

    fn start_worker(&self, seen: &ReaderObservation, insertion: u64, desk: Arc<Desk>) {
        let worker = Worker::new(self, seen, insertion, Arc::clone(&desk));
        let spawned = thread::Builder::new()
            .name(format!("card {insertion}"))
            .spawn(move || worker.run());
        if let Err(error) = spawned {
            tracing::error!(%error, reader = seen.name, "cannot start a thread for the card");
            desk.close(CardsError::Removed);
        }
    }

    fn remove_all(&self, state: &mut State, error: &CardsError) {
        let names: Vec<_> = state.readers.keys().cloned().collect();
        for name in names {
            self.remove_reader(state, &name, error);
        }
    }

    fn remove_reader(&self, state: &mut State, name: &str, error: &CardsError) {
        if let Some(reader) = state.readers.remove(name) {
            if let Some(inserted) = reader.inserted {
                self.hub.remove_card(state, inserted, error);
            }
            self.hub.send(Event::ReaderRemoved {
                reader: name.to_owned(),
            });
        }
    }
}
