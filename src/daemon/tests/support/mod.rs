//! A broker over a virtual card, with scripted dialogs. Shared by the tests of the broker.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test program uses a part"
)]

pub mod desk;
pub mod logind;
#[path = "../../readers/slots.rs"]
pub mod reader;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use cps_emulator::{Holder, Pki, Profile, Slot, VirtualCard};
use cps_identity::Certificate;
use cpsd::broker::{Broker, Parts, TrustCheck, TrustRefusal};
use cpsd::caller::Caller;
use cpsd::cards::{CardId, Cards, Options, Phase};
use cpsd::config::{Config, Destination};
use cpsd::grants::Grants;
use cpsd::journal::Journal;
use cpsd::mail::mailboxes::Mailboxes;
use cpsd::readers::simulated::SimulatedReaders;
use cpsd::token::KeyRole;
use tempfile::TempDir;

use self::desk::Desk;
use self::reader::SlotReader;

/// The PIN of every virtual card, and a wrong one.
pub const PIN: &str = "1234";
pub const WRONG: &str = "9999";
pub const HOST: &str = "dmp.example";

pub struct Bench {
    pub broker: Broker,
    pub caller: Caller,
    pub card: CardId,
    pub cards: Cards,
    pub desk: Arc<Desk>,
    pub folder: TempDir,
    pub slot: Slot,
    pub verdict: Arc<Verdict>,
    _readers: SimulatedReaders,
}

/// Accepts every certificate until told otherwise.
#[derive(Default)]
pub struct Verdict(pub Mutex<Option<TrustRefusal>>);

impl TrustCheck for Verdict {
    fn check(&self, _: &Certificate, _: KeyRole) -> Result<(), TrustRefusal> {
        match &*self.0.lock().expect("verdict") {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(()),
        }
    }
}

/// What differs from bench to bench.
pub struct Setting {
    pub profile: Profile,
    pub idle: Option<Duration>,
    pub journal_rotate_at: u64,
    pub grant_days: u16,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            profile: Profile::Cps3,
            idle: None,
            journal_rotate_at: u64::MAX,
            grant_days: 0,
        }
    }
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Setting::default()).await
    }

    pub async fn with(setting: Setting) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let slot = Slot::new("Virtual reader");
        slot.insert(card(setting.profile));
        let readers = SimulatedReaders::default();
        readers.plug("Virtual reader", Arc::new(SlotReader::new(slot.clone())));
        let cards = Cards::start(Box::new(readers.source()), None, Options::default());
        let config = Config {
            destinations: vec![Destination {
                host: HOST.to_owned(),
                port: 443,
                purpose: "dmp".to_owned(),
                anchors: Vec::new(),
            }],
            grant_days: setting.grant_days,
            ..Config::default()
        };
        let (desk, verdict) = (Arc::new(Desk::default()), Arc::new(Verdict::default()));
        let journal = folder.path().join("journal");
        let mailboxes = Mailboxes::open(&folder.path().join("mailboxes.json"), &config);
        let parts = Parts {
            cards: cards.clone(),
            config: Arc::new(config),
            grants: Grants::open(&folder.path().join("grants.json")).expect("grants"),
            journal: Journal::open(&journal, setting.journal_rotate_at).expect("journal"),
            mailboxes: mailboxes.expect("mailboxes"),
            prompter: desk.clone(),
            trust: verdict.clone(),
        };
        let broker = Broker::start_with_idle(parts, setting.idle);
        let card = ready(&cards, None).await;
        let caller = Caller::of_pid(std::process::id()).expect("this process");
        Self {
            broker,
            caller,
            card,
            cards,
            desk,
            folder,
            slot,
            verdict,
            _readers: readers,
        }
    }

    /// VERIFY commands that carried a PIN, since the card was inserted.
    pub fn verifies(&self) -> u64 {
        self.slot.counters().map_or(0, |counters| counters.verify)
    }

    /// Signatures made by the card.
    pub fn signatures(&self) -> u64 {
        self.slot
            .counters()
            .map_or(0, |counters| counters.key_operations)
    }

    pub fn tries(&self) -> Option<u8> {
        self.slot.with_card(|card| card.pin_tries()).flatten()
    }

    pub fn logged_in(&self) -> bool {
        self.cards.cards().iter().any(|state| state.logged_in)
    }

    /// Whether the card itself still has the PIN verified.
    pub fn verified_on_card(&self) -> bool {
        self.slot.with_card(|card| card.pin_verified()) == Some(true)
    }

    /// `operation result` of every journal entry, and that the chain is whole.
    pub fn journal(&self) -> Vec<String> {
        let journal = self.broker.journal();
        assert!(journal.verify().expect("verify").is_whole());
        let entries = journal.entries(0, 1000).expect("entries");
        entries
            .into_iter()
            .map(|entry| format!("{} {}", entry.record.operation, entry.record.result))
            .collect()
    }

    /// Takes the card out and puts it, or another one, in again.
    pub async fn reinsert(&mut self) {
        let card = self.slot.remove().expect("a card");
        let cards = self.cards.clone();
        until("the card is gone", || cards.cards().is_empty()).await;
        self.slot.insert(card);
        self.card = ready(&self.cards, Some(&self.card)).await;
    }
}

pub fn card(profile: Profile) -> VirtualCard {
    static PKI: OnceLock<Pki> = OnceLock::new();
    let pki = PKI.get_or_init(|| Pki::new(SystemTime::now()));
    VirtualCard::new(pki, Holder::CpsMedecin, profile)
}

/// The identifier of the card once it can be used, other than an earlier one.
async fn ready(cards: &Cards, earlier: Option<&CardId>) -> CardId {
    let mut found = None;
    until("the card is read", || {
        found = cards.cards().into_iter().find(|state| {
            state.phase == Phase::Ready && earlier.is_none_or(|earlier| *earlier != state.id)
        });
        found.is_some()
    })
    .await;
    found.expect("a card").id
}

/// Waits for what must come; the limit is only there to fail a test that would hang.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < limit, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
