//! Unlocking the card: one dialog for all who wait, no try spent that nobody typed.
//!
//! - The tries left are read before the dialog opens and shown in it; the last one needs an
//!   explicit yes in a dialog of its own.
//! - A PIN that the card has refused is remembered (salted hash, locked memory, until the card is
//!   removed) and never sent again; neither is one whose form the card cannot accept.
//! - After a wrong PIN the request fails; a new try needs a new request. Only mail programs, which
//!   would ask again by themselves, have the person asked again at once.
//! - Callers that need the same login share one attempt. It is cancelled, and its dialog closed,
//!   when the last of them has gone.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cps_card::{Pin, PinRole, Tries};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::cards::{CallerKey, CardId, CardState, Cards, CardsError};
use crate::grants::Use;
use crate::prompt::{
    ConfirmRequest, Decision, InformRequest, LockedBuffer, Message, PendingSubject, PinNote,
    PinRequest, PromptError, Prompter, Question, Secret,
};
use crate::purpose::{Purpose, PurposeKind};
use crate::token::{PinEntry, PinRules, Token, TokenError};

/// The card is not unlocked, or its PIN not changed.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LoginError {
    /// Only PINs that the card had refused before were typed; none was sent.
    #[error("the card has just refused this PIN; it was not sent again")]
    AlreadyRefused {
        /// Tries left, when the card told.
        left: Option<u8>,
    },
    /// The PIN is blocked. `cps pin unblock` is the way out.
    #[error("the PIN is blocked; unblock it with the unblocking code (cps pin unblock)")]
    Blocked,
    /// The card service or the card.
    #[error(transparent)]
    Cards(#[from] CardsError),
    /// What was typed cannot be a PIN of this card, or the two entries of a new one differ;
    /// nothing was sent.
    #[error("the PIN must have {min} to {max} digits; nothing was sent to the card")]
    Form {
        /// Shortest length.
        min: usize,
        /// Longest length.
        max: usize,
    },
    /// The PIN is wrong. Nothing retries.
    #[error("the PIN is wrong")]
    Incorrect {
        /// Tries left, when the card told.
        left: Option<u8>,
    },
    /// One try is left and the person chose not to use it.
    #[error("only one try is left, and it was not used")]
    LastTryDeclined,
    /// The dialog gave no PIN.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The unblocking code is blocked too.
    #[error("the unblocking code is blocked; the card must be replaced")]
    PukBlocked,
    /// The unblocking code is wrong.
    #[error("the unblocking code is wrong")]
    PukIncorrect {
        /// Tries left, when the card told.
        left: Option<u8>,
    },
}

/// How a card came to be unlocked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unlocked {
    /// It was already.
    Already,
    /// In a dialog that showed another caller's purpose.
    ForAnother,
    /// In a dialog that showed this use, whichever request of the program began it: the PIN typed
    /// there is its consent.
    ForThis,
}

/// All logins.
#[derive(Clone)]
pub(crate) struct Logins {
    cards: Cards,
    prompter: Arc<dyn Prompter>,
    attempts: Arc<Mutex<Attempts>>,
    refused: Arc<Refused>,
    locks: Locks,
}

/// What the dialog of each shows, and its end.
type Attempts = HashMap<CardId, (Use, WeakShared<Attempt>)>;

type Attempt = BoxFuture<'static, Result<Unlocked, LoginError>>;

impl Logins {
    pub(crate) fn new(cards: Cards, prompter: Arc<dyn Prompter>) -> Self {
        Self {
            cards,
            prompter,
            attempts: Arc::default(),
            refused: Arc::default(),
            locks: Locks::default(),
        }
    }

    /// Counts the times that cards were locked.
    pub(crate) fn locks(&self) -> &Locks {
        &self.locks
    }

    /// The cards that somebody is unlocking just now.
    pub(crate) fn under_way(&self) -> Vec<CardId> {
        let running = |attempt: &WeakShared<Attempt>| {
            let attempt = attempt.upgrade();
            attempt.is_some_and(|attempt| attempt.peek().is_none())
        };
        let attempts = self.attempts();
        let under_way = attempts.iter().filter(|(_, (_, one))| running(one));
        under_way.map(|(card, _)| card.clone()).collect()
    }

    /// Unlocks the card, or waits for whoever is doing it already.
    pub(crate) async fn login(
        &self,
        caller: &Caller,
        card: &CardState,
        purpose: &Purpose,
        subject: PendingSubject,
    ) -> Result<Unlocked, LoginError> {
        // An attempt waits for the card in the turn of whoever began it: who needs no login must not
        // wait behind all that this other program has asked for.
        if card.logged_in {
            let talk = self.talk(caller.key(), &card.id, subject.clone());
            if talk.run(|token| Ok(token.logged_in())).await? {
                return Ok(Unlocked::Already);
            }
        }
        loop {
            let (attempt, ours) = self.attempt(caller, &card.id, purpose, subject.clone());
            return match attempt.await {
                Ok(Unlocked::Already) => Ok(Unlocked::Already),
                Ok(_) if ours => Ok(Unlocked::ForThis),
                Ok(_) => Ok(Unlocked::ForAnother),
                // The other program is held off, not this one.
                Err(LoginError::Prompt(PromptError::HeldOff { .. })) if !ours => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// Replaces the PIN; returns the tries the new one has.
    pub(crate) async fn change_pin(
        &self,
        caller: &Caller,
        card: &CardState,
        subject: PendingSubject,
    ) -> Result<(), LoginError> {
        let talk = self.talk(caller.key(), &card.id, subject);
        let changes = |token: &mut dyn Token| match token.changes_pin() {
            true => Ok(()),
            false => Err(TokenError::Unsupported("a change of its PIN".to_owned())),
        };
        talk.run(changes).await?;
        let state = talk.state(PinRole::Pin).await?;
        let accepted = talk.accept_last_try(&state).await?;
        let old = Arc::new(talk.secret(Secret::Current, &state, None).await?);
        let new = Arc::new(talk.new_pin(&state.rules).await?);
        let (refused, id) = (Arc::clone(&self.refused), card.id.clone());
        talk.unless_last_try(PinRole::Pin, accepted, move |token| {
            let result = token.change_pin(&pin(&old), &pin(&new));
            refused.note(&id, &old, &result);
            result
        })
        .await?;
        // What was refused as the old PIN may be the new one.
        self.refused.forget(&card.id);
        Ok(())
    }

    /// Gives a blocked PIN a new value with the unblocking code.
    pub(crate) async fn unblock_pin(
        &self,
        caller: &Caller,
        card: &CardState,
        subject: PendingSubject,
    ) -> Result<(), LoginError> {
        let talk = self.talk(caller.key(), &card.id, subject);
        let new_rules = talk.run(|token| token.pin_rules(PinRole::Pin)).await?;
        let state = talk.state(PinRole::Puk).await?;
        let accepted = talk.accept_last_try(&state).await?;
        let puk = talk.secret(Secret::Unblocking, &state, None).await?;
        let new = talk.new_pin(&new_rules).await?;
        let (refused, id) = (Arc::clone(&self.refused), card.id.clone());
        talk.unless_last_try(PinRole::Puk, accepted, move |token| {
            let result = token.unblock_pin(&pin(&puk), &pin(&new));
            refused.note(&id, &puk, &result);
            result
        })
        .await?;
        self.refused.forget(&card.id);
        Ok(())
    }

    /// Forgets what belonged to an insertion that has ended.
    pub(crate) fn forget(&self, card: &CardId) {
        self.refused.forget(card);
        self.attempts().remove(card);
    }

    /// The attempt under way, or a new one; and whether its dialog shows this use.
    fn attempt(
        &self,
        caller: &Caller,
        card: &CardId,
        purpose: &Purpose,
        subject: PendingSubject,
    ) -> (Shared<Attempt>, bool) {
        let wanted = Use::of(caller, purpose);
        let mut attempts = self.attempts();
        if let Some((shown, attempt)) = attempts.get(card)
            && let Some(attempt) = attempt.upgrade()
            && attempt.peek().is_none()
        {
            // One document is not another, though the same program signs both.
            let same = *shown == wanted && !purpose.needs_consent_each_time();
            return (attempt, same);
        }
        let mut talk = self.talk(caller.key(), card, subject);
        talk.patient = purpose.kind() == PurposeKind::Mail;
        let attempt = talk.login().boxed().shared();
        attempts.retain(|_, (_, attempt)| attempt.upgrade().is_some());
        if let Some(weak) = attempt.downgrade() {
            attempts.insert(card.clone(), (wanted, weak));
        }
        (attempt, true)
    }

    fn talk(&self, key: CallerKey, card: &CardId, subject: PendingSubject) -> Talk {
        Talk {
            cards: self.cards.clone(),
            prompter: Arc::clone(&self.prompter),
            refused: Arc::clone(&self.refused),
            locks: self.locks.clone(),
            key,
            card: card.clone(),
            subject,
            patient: false,
        }
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The times that cards were locked. What was allowed or typed before one of them counts no more
/// after it, however long it has to wait for the card.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks(Arc<AtomicU64>);

impl Locks {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One conversation with the person and the card.
struct Talk {
    cards: Cards,
    prompter: Arc<dyn Prompter>,
    refused: Arc<Refused>,
    locks: Locks,
    key: CallerKey,
    card: CardId,
    subject: PendingSubject,
    /// Whether the person is asked again after a wrong PIN.
    patient: bool,
}

/// What the card says of a PIN before it is asked for.
struct PinState {
    role: PinRole,
    rules: PinRules,
    tries: Tries,
    /// What the person has to be asked before a PIN may be sent.
    stake: Option<Question>,
}

impl PinState {
    fn of(token: &mut dyn Token, role: PinRole) -> Result<Self, TokenError> {
        let rules = token.pin_rules(role)?;
        let tries = token.tries(role)?;
        Ok(Self {
            role,
            rules,
            stake: stake(token, &tries),
            tries,
        })
    }
}

impl Talk {
    async fn login(self) -> Result<Unlocked, LoginError> {
        let mut note = None;
        for _ in 1..ENTRIES {
            match self.log_in(note).await {
                Err(LoginError::Incorrect { .. }) if self.patient => {
                    note = Some(PinNote::Incorrect);
                }
                outcome => return outcome,
            }
        }
        self.log_in(note).await
    }

    async fn log_in(&self, note: Option<PinNote>) -> Result<Unlocked, LoginError> {
        let known = self
            .run(|token| {
                let entry = token.pin_entry();
                if !token.logged_in() && entry == PinEntry::None {
                    token.unlock()?;
                }
                if token.logged_in() {
                    return Ok(None);
                }
                Ok(Some((entry, PinState::of(token, PinRole::Pin)?)))
            })
            .await?;
        let Some((entry, state)) = known else {
            return Ok(Unlocked::Already);
        };
        self.check_blocked(&state)?;
        let mut accepted = self.accept_last_try(&state).await?;
        if entry == PinEntry::Pad {
            return self.at_the_pad(accepted).await;
        }
        let typed = Arc::new(self.secret(Secret::Current, &state, note).await?);
        // With two tries left, a wrong PIN given by another program while the dialog was open
        // would make ours the last: look once more, in the same transaction.
        let near = state.tries.left.is_none_or(|left| left <= 2);
        let typed_at = self.locks.count();
        loop {
            let (secret, refused, id) = (
                Arc::clone(&typed),
                Arc::clone(&self.refused),
                self.card.clone(),
            );
            let (look, locks) = (near && !accepted, self.locks.clone());
            let verified = self
                .run(move |token| {
                    if locks.count() != typed_at {
                        return Err(TokenError::PinRequired);
                    }
                    if look && let Some(question) = stake_now(token, PinRole::Pin)? {
                        return Ok(Verified::Ask(question));
                    }
                    let result = token.verify(PinRole::Pin, &pin(&secret));
                    refused.note(&id, &secret, &result);
                    result.map(|()| Verified::Done)
                })
                .await;
            match self.outcome(verified).await? {
                Verified::Done => return Ok(Unlocked::ForThis),
                Verified::Ask(question) => {
                    self.ask_last_try(question).await?;
                    accepted = true;
                }
            }
        }
    }

    /// The PIN is typed where we do not see it: at the pad of the reader.
    async fn at_the_pad(&self, mut accepted: bool) -> Result<Unlocked, LoginError> {
        let request = ConfirmRequest {
            subject: self.subject.clone().await,
            question: Question::PinPad,
        };
        if self.prompter.confirm(request).await? != Decision::Once {
            return Err(PromptError::Cancelled.into());
        }
        let allowed_at = self.locks.count();
        loop {
            let (locks, look) = (self.locks.clone(), !accepted);
            let unlock = move |token: &mut dyn Token| {
                if locks.count() != allowed_at {
                    return Err(TokenError::PinRequired);
                }
                if look && let Some(question) = stake_now(token, PinRole::Pin)? {
                    return Ok(Verified::Ask(question));
                }
                token.unlock().map(|()| Verified::Done)
            };
            let deadline = Instant::now() + PAD_PATIENCE;
            let unlocked = self.cards.run(&self.card, self.key, deadline, unlock).await;
            match self.outcome(unlocked).await? {
                Verified::Done => return Ok(Unlocked::ForThis),
                Verified::Ask(question) => {
                    self.ask_last_try(question).await?;
                    accepted = true;
                }
            }
        }
    }

    async fn state(&self, role: PinRole) -> Result<PinState, LoginError> {
        let state = self.run(move |token| PinState::of(token, role)).await?;
        self.check_blocked(&state)?;
        Ok(state)
    }

    fn check_blocked(&self, state: &PinState) -> Result<(), LoginError> {
        match (state.tries.left, state.role) {
            (Some(0), PinRole::Pin) => Err(LoginError::Blocked),
            (Some(0), PinRole::Puk) => Err(LoginError::PukBlocked),
            _ => Ok(()),
        }
    }

    /// Whether the last try is at stake, and the person wants it used.
    async fn accept_last_try(&self, state: &PinState) -> Result<bool, LoginError> {
        let Some(question) = state.stake else {
            return Ok(false);
        };
        self.ask_last_try(question).await?;
        Ok(true)
    }

    /// Sends what spends a try when it is wrong. A try that another program has spent since the
    /// dialogs opened may have made this one the last: the card is asked in the same transaction,
    /// and the person unless they accepted that already.
    async fn unless_last_try(
        &self,
        role: PinRole,
        mut accepted: bool,
        send: impl Fn(&mut dyn Token) -> Result<(), TokenError> + Send + Sync + 'static,
    ) -> Result<(), LoginError> {
        let send = Arc::new(send);
        loop {
            let (send, look) = (Arc::clone(&send), !accepted);
            let sent = self
                .run(move |token| {
                    if look && let Some(question) = stake_now(token, role)? {
                        return Ok(Verified::Ask(question));
                    }
                    send(token).map(|()| Verified::Done)
                })
                .await;
            match self.outcome(sent).await? {
                Verified::Done => return Ok(()),
                Verified::Ask(question) => self.ask_last_try(question).await?,
            }
            accepted = true;
        }
    }

    async fn ask_last_try(&self, question: Question) -> Result<(), LoginError> {
        let request = ConfirmRequest {
            subject: self.subject.clone().await,
            question,
        };
        match self.prompter.confirm(request).await {
            Ok(Decision::Once) => Ok(()),
            Ok(_) | Err(PromptError::Cancelled) => Err(LoginError::LastTryDeclined),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks until what is typed may be sent, at most [`ENTRIES`] times.
    async fn secret(
        &self,
        secret: Secret,
        state: &PinState,
        mut note: Option<PinNote>,
    ) -> Result<LockedBuffer, LoginError> {
        let PinState { rules, tries, .. } = state;
        for _ in 0..ENTRIES {
            let typed = self
                .prompter
                .pin(self.request(secret, rules, tries.left, note).await)
                .await?;
            note = if !fits(&typed, rules) {
                Some(PinNote::WrongForm)
            } else if self.refused.contains(&self.card, state.role, &typed) {
                Some(PinNote::AlreadyRefused)
            } else {
                return Ok(typed);
            };
        }
        Err(match note {
            Some(PinNote::AlreadyRefused) => LoginError::AlreadyRefused { left: tries.left },
            _ => form(rules),
        })
    }

    /// A new PIN, typed twice.
    async fn new_pin(&self, rules: &PinRules) -> Result<LockedBuffer, LoginError> {
        let mut note = None;
        for _ in 0..ENTRIES {
            let first = self
                .prompter
                .pin(self.request(Secret::New, rules, None, note).await)
                .await?;
            if !fits(&first, rules) {
                note = Some(PinNote::WrongForm);
                continue;
            }
            let again = self
                .prompter
                .pin(self.request(Secret::Repeated, rules, None, None).await)
                .await?;
            if first.bytes() == again.bytes() {
                return Ok(first);
            }
            note = Some(PinNote::Mismatch);
        }
        Err(form(rules))
    }

    async fn request(
        &self,
        secret: Secret,
        rules: &PinRules,
        tries_left: Option<u8>,
        note: Option<PinNote>,
    ) -> PinRequest {
        PinRequest {
            subject: self.subject.clone().await,
            secret,
            tries_left,
            length: (rules.min, rules.max),
            note,
        }
    }

    async fn run<R: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut dyn Token) -> Result<R, TokenError> + Send + 'static,
    ) -> Result<R, CardsError> {
        self.cards
            .run(
                &self.card,
                self.key,
                Instant::now() + CARD_PATIENCE,
                operation,
            )
            .await
    }

    /// Puts the card's refusal of a PIN into our words; a PIN that this blocked is told at once,
    /// because the program that asked may keep it to itself.
    async fn outcome<R>(&self, result: Result<R, CardsError>) -> Result<R, LoginError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(CardsError::Token(error)) => error,
            Err(error) => return Err(error.into()),
        };
        Err(match error {
            TokenError::PinIncorrect { left: Some(0) } | TokenError::PinBlocked => {
                let request = InformRequest {
                    subject: self.subject.clone().await,
                    message: Message::PinBlocked,
                };
                if let Err(error) = self.prompter.inform(request).await {
                    tracing::warn!(%error, "the person could not be told that the PIN is blocked");
                }
                LoginError::Blocked
            }
            TokenError::PinIncorrect { left } => LoginError::Incorrect { left },
            TokenError::PukIncorrect { left: Some(0) } | TokenError::PukBlocked => {
                LoginError::PukBlocked
            }
            TokenError::PukIncorrect { left } => LoginError::PukIncorrect { left },
            TokenError::PinCancelled => PromptError::Cancelled.into(),
            TokenError::PinFormat(rules) => form(&rules),
            other => CardsError::Token(other).into(),
        })
    }
}

/// What became of a PIN that was to be sent.
enum Verified {
    Done,
    /// It was not sent: it may be the last try now.
    Ask(Question),
}

/// Salted hashes of the PINs and unblocking codes that a card refused since it was inserted.
#[derive(Default)]
struct Refused(Mutex<HashMap<(CardId, PinRole), LockedBuffer>>);

impl Refused {
    /// Remembers a PIN if the card's answer is that it is wrong.
    fn note<R>(&self, card: &CardId, typed: &LockedBuffer, result: &Result<R, TokenError>) {
        let role = match result {
            Err(TokenError::PinIncorrect { .. } | TokenError::PinBlocked) => PinRole::Pin,
            Err(TokenError::PukIncorrect { .. } | TokenError::PukBlocked) => PinRole::Puk,
            _ => return,
        };
        if let Err(error) = self.add((card.clone(), role), typed) {
            // The tries left are still shown and the last one still needs a yes.
            tracing::error!(%error, "a refused PIN could not be remembered");
        }
    }

    fn add(&self, code: (CardId, PinRole), typed: &LockedBuffer) -> io::Result<()> {
        let mut all = self.all();
        let page = match all.remove(&code) {
            Some(page) => page,
            None => {
                let mut salt = Zeroizing::new([0; HASH]);
                rustix::rand::getrandom(&mut salt[..], rustix::rand::GetRandomFlags::empty())?;
                LockedBuffer::holding(&salt[..])?
            }
        };
        let page = all.entry(code).or_insert(page);
        let hash = Self::hash(&page.bytes()[..HASH], typed)?;
        let length = page.bytes().len();
        if let Some(room) = page.room().get_mut(length..length + HASH) {
            room.copy_from_slice(&hash[..]);
            page.set_length(length + HASH);
        }
        Ok(())
    }

    fn contains(&self, card: &CardId, role: PinRole, typed: &LockedBuffer) -> bool {
        self.all().get(&(card.clone(), role)).is_some_and(|page| {
            let (salt, hashes) = page.bytes().split_at(HASH);
            Self::hash(salt, typed)
                .is_ok_and(|hash| hashes.chunks_exact(HASH).any(|known| known == &hash[..]))
        })
    }

    fn forget(&self, card: &CardId) {
        self.all().retain(|(known, _), _| known != card);
    }

    /// SHA-256 of salt, length and PIN. They fill whole blocks of a locked page, which the hasher
    /// reads where they are: its own buffer, which moves about on the stack, never holds the PIN.
    fn hash(salt: &[u8], typed: &LockedBuffer) -> io::Result<Zeroizing<[u8; HASH]>> {
        let typed = typed.bytes();
        let mut page = LockedBuffer::new()?;
        let length = (HASH + 8 + typed.len()).next_multiple_of(BLOCK);
        let message = page
            .room()
            .get_mut(..length)
            .ok_or_else(|| io::Error::other("no PIN is that long"))?;
        message[..HASH].copy_from_slice(salt);
        message[HASH..HASH + 8].copy_from_slice(&typed.len().to_be_bytes());
        message[HASH + 8..HASH + 8 + typed.len()].copy_from_slice(typed);
        page.set_length(length);
        Ok(Zeroizing::new(Sha256::digest(page.bytes()).into()))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(CardId, PinRole), LockedBuffer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the person has to be asked before a PIN may be sent.
fn stake(token: &dyn Token, tries: &Tries) -> Option<Question> {
    match tries.left {
        Some(1) => Some(Question::LastTry),
        _ => token.may_be_last(tries).then_some(Question::PerhapsLastTry),
    }
}

fn stake_now(token: &mut dyn Token, role: PinRole) -> Result<Option<Question>, TokenError> {
    let tries = token.tries(role)?;
    Ok(stake(token, &tries))
}

fn fits(typed: &LockedBuffer, rules: &PinRules) -> bool {
    let Ok(text) = std::str::from_utf8(typed.bytes()) else {
        return false;
    };
    (rules.min..=rules.max).contains(&text.chars().count())
        && (!rules.digits_only || text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn form(rules: &PinRules) -> LoginError {
    LoginError::Form {
        min: rules.min,
        max: rules.max,
    }
}

/// The copy that the driver takes: wiped when the command has been sent.
fn pin(typed: &LockedBuffer) -> Pin {
    Pin::new(Zeroizing::new(typed.bytes().to_vec()))
}

/// How often one request may show its dialog again before anything was sent to the card.
const ENTRIES: usize = 3;
/// How long one step may wait for its turn at the card.
const CARD_PATIENCE: Duration = Duration::from_secs(30);
/// How long the person may take to type the PIN at a pad, and the step before it its turn.
const PAD_PATIENCE: Duration = Duration::from_secs(150);
const HASH: usize = 32;
/// Block of SHA-256 (FIPS 180-4), in bytes.
const BLOCK: usize = 64;
