//! The card service against virtual cards, in process.

mod cached;
mod faults;
mod lifecycle;
mod modules;
mod operations;
mod sharing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cps_card::{Pin, PinRole};
use cps_emulator::{Counters, Holder, Profile, Slot, VirtualCard};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::*;
use crate::readers::simulated::SimulatedReaders;
use crate::readers::slots::SlotReader;
use crate::testing::pki;

/// A service with one reader.
struct Rig {
    cards: Cards,
    events: broadcast::Receiver<Event>,
    reader: SlotReader,
    readers: SimulatedReaders,
    slot: Slot,
}

impl Rig {
    fn new() -> Self {
        Self::with(None, Options::default())
    }

    fn with(cache: Option<Cache>, options: Options) -> Self {
        let readers = SimulatedReaders::default();
        let slot = Slot::new(READER);
        let reader = SlotReader::new(slot.clone());
        readers.plug(READER, Arc::new(reader.clone()));
        let cards = Cards::start(Box::new(readers.source()), cache, options);
        Self {
            events: cards.subscribe(),
            cards,
            reader,
            readers,
            slot,
        }
    }

    /// Inserts a card and waits until it is ready.
    async fn ready(&mut self, card: VirtualCard) -> CardState {
        self.slot.insert(card);
        self.wait(|event| matches!(event, Event::CardReady { .. }))
            .await;
        self.cards.find(None).expect("the card that is ready")
    }

    async fn wait(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        let mut seen = Vec::new();
        let found = timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.expect("the service runs");
                if wanted(&event) {
                    return event;
                }
                seen.push(event);
            }
        });
        match found.await {
            Ok(event) => event,
            Err(_) => panic!("only {seen:?} happened"),
        }
    }

    async fn run<R: Send + 'static>(
        &self,
        card: &CardState,
        operation: impl FnOnce(&mut dyn Token) -> Result<R, TokenError> + Send + 'static,
    ) -> Result<R, CardsError> {
        self.cards
            .run(&card.id, CallerKey(1), Instant::now() + PATIENCE, operation)
            .await
    }

    async fn log_in(&self, card: &CardState) {
        self.run(card, |token| token.verify(PinRole::Pin, &Pin::from("1234")))
            .await
            .expect("the PIN is right");
    }

    /// Waits until the connection to the card is closed: nothing is left to do.
    async fn released(&self) {
        let end = Instant::now() + PATIENCE;
        while self.reader.open_connections() > 0 {
            assert!(Instant::now() < end, "the connection stays open");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn counters(&self) -> Counters {
        self.slot.counters().expect("a card")
    }
}

fn card(profile: Profile) -> VirtualCard {
    VirtualCard::new(pki(), Holder::CpsMedecin, profile)
}

const PATIENCE: Duration = Duration::from_secs(10);
const READER: &str = "Virtual reader";
