//! The tokens of PKCS#11 modules among the cards. One thread looks for those of a module; each
//! token has a thread of its own, the only one that uses it.
//!
//! Tokens are looked for at the start, when a reader or a card comes or goes, and after failures;
//! in between the thread sleeps.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::desk::{Desk, Next};
use super::hub::{Hub, State};
use super::publish::{Known, Publisher};
use super::threads::{Alive, Threads};
use super::{CardKind, CardState, CardsError, Options, Phase};
use crate::modules::protocol::TokenInfo;
use crate::modules::{HostError, Module, ModuleToken};
use crate::token::Token;

/// Looks for the tokens of one module.
pub(super) struct Scout {
    pub(super) hub: Arc<Hub>,
    /// Its place in the configuration.
    pub(super) index: usize,
    pub(super) module: Module,
    pub(super) options: Options,
    pub(super) threads: Threads,
}

/// What is known of the tokens of a module.
#[derive(Default)]
struct Found {
    /// Those among the cards, with their insertion.
    added: Vec<(TokenInfo, u64)>,
    /// Those that are the same card as another one, which may go.
    twins: Vec<ModuleToken>,
    /// Those without a certificate of a person.
    useless: Vec<TokenInfo>,
}

impl Scout {
    pub(super) fn run(self) {
        let mut found = Found::default();
        let (mut failures, mut retry) = (0, None);
        while self.hub.begin_search(self.index, retry) {
            retry = None;
            let problem = self.look(&mut found).err();
            match &problem {
                None => failures = 0,
                Some(error) => {
                    tracing::warn!(%error, "the tokens of a module are not known");
                    // One failure is forgiven: the process is started anew.
                    if failures > 0 {
                        self.remove(&mut found, |_| true);
                    }
                    retry = PAUSES.get(failures).map(|pause| Instant::now() + *pause);
                    failures += 1;
                }
            }
            self.hub.end_search(self.index, problem);
        }
    }

    fn look(&self, found: &mut Found) -> Result<(), HostError> {
        let seen = self.module.ask(|driver| driver.tokens(PATIENCE))?;
        let gone = |info: &TokenInfo| !seen.iter().any(|seen| is_same(seen, info));
        self.remove(found, gone);
        found.twins.retain(|token| !gone(token.info()));
        found.useless.retain(|info| !gone(info));
        // The process may have been lost, and the logins with it.
        self.tell(found);

        let mut new: Vec<ModuleToken> = std::mem::take(&mut found.twins);
        let mut failure = None;
        for info in &seen {
            let known = found.added.iter().map(|(info, _)| info);
            let mut known = known
                .chain(&found.useless)
                .chain(new.iter().map(ModuleToken::info));
            if known.any(|known| is_same(known, info)) {
                continue;
            }
            match ModuleToken::open(&self.module, info.clone()) {
                Ok(Some(token)) => new.push(token),
                Ok(None) => found.useless.push(info.clone()),
                Err(error @ HostError::Refused { .. }) => {
                    tracing::warn!(%error, token = info.label, "a token cannot be read");
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        for token in new {
            self.add(found, token);
        }
        failure.map_or(Ok(()), Err)
    }

    /// Puts a token among the cards, unless it is the same card as another one.
    fn add(&self, found: &mut Found, token: ModuleToken) {
        let desk = Arc::new(Desk::new(self.options.queue));
        let describe = |insertion, state: &State| {
            let name = self.name(state, token.info());
            self.known(&token, name)
                .state(insertion, self.place(token.info()), Phase::Ready)
        };
        let Some(card) = self.hub.add_token(describe, &desk) else {
            let info = token.info();
            tracing::info!(module = %self.module.name, token = info.label, "this card is driven already");
            return found.twins.push(token);
        };
        tracing::info!(card = %card.id, reader = card.reader, "a token of a PKCS#11 module");
        let insertion = card.id.insertion;
        found.added.push((token.info().clone(), insertion));
        let worker = Worker {
            desk: Arc::clone(&desk),
            hub: Arc::clone(&self.hub),
            index: self.index,
            name: card.id.serial,
            publisher: Publisher::new(Arc::clone(&self.hub), card.reader, insertion),
            token,
            _alive: self.threads.alive(),
        };
        let spawned = thread::Builder::new()
            .name(format!("card {insertion}"))
            .spawn(move || worker.run());
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start a thread for a token");
            desk.close(CardsError::Removed);
        }
    }

    /// Takes tokens out of the cards.
    fn remove(&self, found: &mut Found, gone: impl Fn(&TokenInfo) -> bool) {
        let mut state = self.hub.lock();
        found.added.retain(|(info, insertion)| {
            if gone(info) {
                self.hub
                    .remove_card(&mut state, *insertion, &CardsError::Removed);
            }
            state.cards.contains_key(insertion)
        });
    }

    /// Has the threads of all tokens tell their state.
    fn tell(&self, found: &Found) {
        let state = self.hub.lock();
        for (_, insertion) in &found.added {
            if let Some(inserted) = state.cards.get(insertion) {
                inserted.desk.try_again();
            }
        }
    }

    fn known(&self, token: &ModuleToken, serial: String) -> Known {
        known(
            token,
            serial,
            CardKind::Module(Arc::clone(&self.module.name)),
        )
    }

    /// What the token is called: unlike any CPS, and unlike the other tokens there are.
    fn name(&self, state: &State, info: &TokenInfo) -> String {
        let serial = match info.id.serial.trim() {
            "" => info.label.trim(),
            serial => serial,
        };
        let serial = serial.replace(char::is_whitespace, "_");
        let name = format!("{}:{serial}", self.module.name);
        let taken = |name: &str| {
            let named = |card: &CardState| card.id.serial == name;
            let mut cards = state.cards.values();
            cards.any(|inserted| inserted.card.as_ref().is_some_and(named))
        };
        let mut names = std::iter::once(name.clone())
            .chain((2..).map(|number: u32| format!("{name}-{number}")));
        names.find(|name| !taken(name)).unwrap_or(name)
    }

    fn place(&self, info: &TokenInfo) -> String {
        format!("{} ({})", info.slot_description.trim(), self.module.name)
    }
}

/// The thread of one token.
struct Worker {
    desk: Arc<Desk>,
    hub: Arc<Hub>,
    index: usize,
    name: String,
    publisher: Publisher,
    token: ModuleToken,
    _alive: Alive,
}

impl Worker {
    fn run(mut self) {
        loop {
            match self.desk.next(None) {
                Next::Close => break,
                Next::Idle => {}
                Next::Run(job) if job.is_late() => job.fail(CardsError::Deadline { begun: false }),
                Next::Run(job) => {
                    let deliver = job.run(&mut self.token);
                    self.publish();
                    deliver();
                    if self.token.take_suspicion() {
                        self.hub.search_again(self.index);
                    }
                }
                Next::TryAgain => self.publish(),
            }
        }
        if self.token.logged_in() {
            self.token.logout();
        }
    }

    fn publish(&self) {
        let kind = CardKind::Module(Arc::clone(self.token.module_name()));
        let known = known(&self.token, self.name.clone(), kind);
        self.publisher.card(known, Phase::Ready);
    }
}

fn known(token: &ModuleToken, serial: String, kind: CardKind) -> Known {
    Known {
        serial,
        kind,
        logged_in: token.logged_in(),
        tries: token.known_tries(),
        certificates: token.known_certificates(),
        warnings: Vec::new(),
        was_reset: false,
    }
}

/// Whether this is the same token in the same slot; flags and counters change.
fn is_same(one: &TokenInfo, other: &TokenInfo) -> bool {
    one.id == other.id && one.label == other.label
}

/// What a module may take to say which tokens are present.
const PATIENCE: Duration = Duration::from_secs(15);

/// Before a search that failed is repeated by itself; after the last one only an event does.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
