//! The pipeline every use of a card goes through:
//! caller → certificate → destination → grant → login → queue and card → journal → result.
//!
//! Every rule is here, once, whichever surface the request came by. A result leaves only after its
//! journal entry is on disk; refusals and failures are journalled as well.

mod error;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cps_card::{PinRole, Scheme};
use cps_identity::{Certificate, Practitioner};

pub use self::error::{BrokerError, TrustRefusal, cards as cards_code, token as token_code};

use crate::caller::Caller;
use crate::cards::{CallerKey, CardId, CardState, Cards, CardsError};
use crate::config::Config;
use crate::grants::{Grant, Grants, Term};
use crate::journal::{DONE, Entry, Journal, Record};
use crate::login::{Logins, Unlocked};
use crate::prompt::{ConfirmRequest, Decision, Prompter, Question, Subject};
use crate::purpose::{Purpose, PurposeKind};
use crate::token::{CertificateRole, KeyRole, PracticeData, Token, TokenError};

/// Judges the card's own certificates; the trust store implements it.
pub trait TrustCheck: Send + Sync {
    /// Whether the certificate may be used for this role now.
    ///
    /// # Errors
    /// The verdict, with its code.
    fn check(&self, certificate: &Certificate, role: KeyRole) -> Result<(), TrustRefusal>;
}

/// What a broker works with.
pub struct Parts {
    /// The card service.
    pub cards: Cards,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The grants.
    pub grants: Grants,
    /// The journal.
    pub journal: Journal,
    /// The dialogs.
    pub prompter: Arc<dyn Prompter>,
    /// The judge of certificates.
    pub trust: Arc<dyn TrustCheck>,
}

/// Lends the card, one purpose at a time. Clones share everything.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    cards: Cards,
    config: Arc<Config>,
    grants: Arc<Grants>,
    journal: Arc<Journal>,
    logins: Logins,
    prompter: Arc<dyn Prompter>,
    trust: Arc<dyn TrustCheck>,
    /// When each card was last used, for the idle time.
    used: Mutex<HashMap<CardId, Instant>>,
}

impl Broker {
    /// Starts the broker, and the task that ends logins and session grants with their cause. The
    /// task ends with the last clone. Must be called inside the runtime.
    pub fn start(parts: Parts) -> Self {
        let Parts {
            cards,
            config,
            grants,
            journal,
            prompter,
            trust,
        } = parts;
        let inner = Arc::new(Inner {
            logins: Logins::new(cards.clone(), Arc::clone(&prompter)),
            grants: Arc::new(grants),
            journal: Arc::new(journal),
            used: Mutex::default(),
            cards,
            config,
            prompter,
            trust,
        });
        watch::start(&inner);
        Self { inner }
    }

    /// Unlocks a card; returns at once when it is unlocked already.
    ///
    /// # Errors
    /// [`BrokerError::Login`] and what the card service reports.
    pub async fn login(&self, caller: &Caller, card: &CardId) -> Result<(), BrokerError> {
        let work = async {
            caller.verify()?;
            let state = self.state(card)?;
            match self.unlock(caller, &state, &Purpose::Login).await? {
                // Nothing happened, so there is nothing to journal.
                Unlocked::Already => Ok(None),
                _ => Ok(Some(())),
            }
        };
        let record = self.record(caller, &Purpose::Login, Some(card), None);
        match work.await {
            Ok(None) => Ok(()),
            done => self.release(record, done.map(|_| ())).await,
        }
    }

    /// Signs a digest with one of the card's keys, after all that has to come before: the caller
    /// checked, the certificate judged, the destination allowed, consent, login.
    ///
    /// # Errors
    /// See [`BrokerError`]. Nothing is returned before its journal entry is on disk.
    pub async fn sign(
        &self,
        caller: &Caller,
        card: &CardId,
        purpose: Purpose,
        role: KeyRole,
        scheme: Scheme,
        digest: Vec<u8>,
    ) -> Result<Vec<u8>, BrokerError> {
        let mut record = self.record(caller, &purpose, Some(card), None);
        let signature = self
            .sign_unjournalled(
                None,
                caller,
                card,
                &purpose,
                role,
                scheme,
                digest,
                &mut record,
            )
            .await;
        self.release(record, signature).await
    }

    /// As [`Broker::sign`], under the grant that [`Broker::authorise`] has just returned for the
    /// same request: what was allowed once is not asked twice.
    ///
    /// # Errors
    /// See [`BrokerError`].
    #[allow(clippy::too_many_arguments, reason = "those of `sign`, and the grant")]
    pub async fn sign_authorised(
        &self,
        grant: Grant,
        caller: &Caller,
        card: &CardId,
        purpose: Purpose,
        role: KeyRole,
        scheme: Scheme,
        digest: Vec<u8>,
    ) -> Result<Vec<u8>, BrokerError> {
        let mut record = self.record(caller, &purpose, Some(card), None);
        let grant = Some(grant);
        let signature = self
            .sign_unjournalled(
                grant,
                caller,
                card,
                &purpose,
                role,
                scheme,
                digest,
                &mut record,
            )
            .await;
        self.release(record, signature).await
    }

    /// Journals that a TLS session was resumed: the card signs nothing then, but the identity it
    /// proved before is used again.
    ///
    /// # Errors
    /// The journal cannot be written; the connection must not be used.
    pub async fn note_resumption(
        &self,
        caller: &Caller,
        card: &CardId,
        purpose: &Purpose,
        certificate: &Certificate,
    ) -> Result<(), BrokerError> {
        let fingerprint = certificate.fingerprint_sha256().to_string();
        let mut record = self.record(caller, purpose, Some(card), Some(fingerprint));
        record.note = Some("session resumed".to_owned());
        self.release(record, Ok(())).await
    }

    /// Asks for consent, and for the PIN if need be, without using a key yet: so that a program
    /// learns before it opens a connection whether it may.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub async fn authorise(
        &self,
        caller: &Caller,
        card: &CardId,
        purpose: &Purpose,
    ) -> Result<Grant, BrokerError> {
        caller.verify()?;
        self.check_destination(purpose)?;
        let state = self.state(card)?;
        let unlocked = self.unlock(caller, &state, purpose).await?;
        self.consent(caller, &state, purpose, unlocked).await
    }

    /// Whether the configuration allows the purpose's destination, if it has one.
    ///
    /// # Errors
    /// [`BrokerError::DestinationNotAllowed`].
    pub fn check_destination(&self, purpose: &Purpose) -> Result<(), BrokerError> {
        let Some(destination) = purpose.destination() else {
            return Ok(());
        };
        let known = destination.rsplit_once(':').is_some_and(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            port.parse()
                .is_ok_and(|port| self.inner.config.destination(host, port).is_some())
        });
        if known {
            Ok(())
        } else {
            Err(BrokerError::DestinationNotAllowed { destination })
        }
    }

    /// Reads the practice situations, which the card shows after the PIN only.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub async fn practice(
        &self,
        caller: &Caller,
        card: &CardId,
    ) -> Result<PracticeData, BrokerError> {
        let purpose = Purpose::ReadExercises;
        let record = self.record(caller, &purpose, Some(card), None);
        let work = async {
            let state = self.state(card)?;
            self.unlocked(None, caller, &state, &purpose, |token| token.practice())
                .await
        };
        let data = work.await;
        self.release(record, data).await
    }

    /// Replaces the PIN; the dialogs are ours. Returns the tries of the new PIN, when the card
    /// tells.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub async fn change_pin(
        &self,
        caller: &Caller,
        card: &CardId,
    ) -> Result<Option<u8>, BrokerError> {
        self.new_pin(caller, card, Purpose::ChangePin).await
    }

    /// Gives a blocked PIN a new value with the unblocking code; the dialogs are ours. Returns the
    /// tries of the new PIN, when the card tells.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub async fn unblock_pin(
        &self,
        caller: &Caller,
        card: &CardId,
    ) -> Result<Option<u8>, BrokerError> {
        self.new_pin(caller, card, Purpose::UnblockPin).await
    }

    /// Ends the login of one card, or of all; returns the serial numbers of those that were
    /// unlocked. `caller` is nothing when the daemon does it by itself, and `why` then says why.
    ///
    /// # Errors
    /// The journal cannot be written; the cards are locked all the same.
    pub async fn lock(
        &self,
        caller: Option<&Caller>,
        card: Option<&CardId>,
        why: Option<&str>,
    ) -> Result<Vec<String>, BrokerError> {
        let open = self
            .inner
            .cards
            .cards()
            .into_iter()
            .filter(|state| state.logged_in);
        let open: Vec<CardId> = open
            .map(|state| state.id)
            .filter(|id| card.is_none_or(|card| card == id))
            .collect();
        let ends = open.iter().map(|id| self.inner.end_login(id));
        let ended = futures_util::future::join_all(ends).await;
        let mut locked = Vec::new();
        for (id, result) in open.into_iter().zip(ended) {
            let mut record = match caller {
                Some(caller) => Record::of("lock", caller),
                None => Record::own("lock"),
            };
            record.card = Some(id.serial.clone());
            record.note = why.map(str::to_owned);
            match result {
                // It went away by itself: that ends the login too.
                Ok(()) | Err(CardsError::Removed | CardsError::Absent) => {}
                Err(error) => {
                    tracing::error!(card = %id, %error, "the card could not be locked");
                    record.result = error::cards(&error).as_str().to_owned();
                    self.write(record).await?;
                    continue;
                }
            }
            self.write(record).await?;
            locked.push(id.serial);
        }
        Ok(locked)
    }

    /// The grants in force.
    pub fn grants(&self) -> Vec<Grant> {
        self.inner.grants.list()
    }

    /// Takes a grant back.
    ///
    /// # Errors
    /// No grant has this name, or the change cannot be kept.
    pub async fn revoke(&self, caller: &Caller, id: &str) -> Result<Grant, BrokerError> {
        let grants = Arc::clone(&self.inner.grants);
        let name = id.to_owned();
        let revoked = blocking(move || grants.revoke(&name)).await??;
        let grant = revoked.ok_or_else(|| BrokerError::GrantUnknown { id: id.to_owned() })?;
        let record = Record {
            destination: grant.destination.clone(),
            card: Some(grant.card.clone()),
            note: Some(format!("{} for {}", grant.purpose, grant.program)),
            ..Record::of("revoke", caller)
        };
        self.write(record).await?;
        Ok(grant)
    }

    /// The journal, for reading.
    pub fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.inner.journal)
    }

    /// The card service.
    pub fn cards(&self) -> &Cards {
        &self.inner.cards
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the public call, plus the record it fills"
    )]
    async fn sign_unjournalled(
        &self,
        granted: Option<Grant>,
        caller: &Caller,
        card: &CardId,
        purpose: &Purpose,
        role: KeyRole,
        scheme: Scheme,
        digest: Vec<u8>,
        record: &mut Record,
    ) -> Result<Vec<u8>, BrokerError> {
        let state = self.state(card)?;
        let certificate = self.certificate(caller.key(), &state, role).await?;
        record.certificate = Some(certificate.fingerprint_sha256().to_string());
        self.inner.trust.check(&certificate, role)?;
        self.unlocked(granted, caller, &state, purpose, move |token| {
            token.sign(role, scheme, &digest)
        })
        .await
    }

    /// Runs an operation that needs the PIN and a grant. A card that has lost its PIN state
    /// unnoticed (reset by another program) is unlocked once more and asked again.
    async fn unlocked<R: Send + 'static>(
        &self,
        mut granted: Option<Grant>,
        caller: &Caller,
        state: &CardState,
        purpose: &Purpose,
        operation: impl Fn(&mut dyn Token) -> Result<R, TokenError> + Send + Sync + 'static,
    ) -> Result<R, BrokerError> {
        caller.verify()?;
        self.check_destination(purpose)?;
        let operation = Arc::new(operation);
        for last in [false, true] {
            let unlocked = self.unlock(caller, state, purpose).await?;
            if granted.is_none() {
                granted = Some(self.consent(caller, state, purpose, unlocked).await?);
            }
            // The dialogs may have taken minutes.
            caller.verify()?;
            let operation = Arc::clone(&operation);
            let result = self
                .run(caller.key(), &state.id, move |token| {
                    if !token.logged_in() {
                        return Err(TokenError::PinRequired);
                    }
                    operation(token)
                })
                .await;
            match result {
                Err(CardsError::Token(TokenError::PinRequired)) if !last => {}
                result => return Ok(result?),
            }
        }
        Err(CardsError::Token(TokenError::PinRequired).into())
    }

    async fn unlock(
        &self,
        caller: &Caller,
        state: &CardState,
        purpose: &Purpose,
    ) -> Result<Unlocked, BrokerError> {
        let subject = self.subject(caller, state, purpose);
        Ok(self.inner.logins.login(caller, state, subject).await?)
    }

    /// The grant for a use: the one in force, or the practitioner's answer. A PIN typed in a dialog
    /// that showed this very use is the answer.
    async fn consent(
        &self,
        caller: &Caller,
        state: &CardState,
        purpose: &Purpose,
        unlocked: Unlocked,
    ) -> Result<Grant, BrokerError> {
        let each_time = purpose.needs_consent_each_time();
        if !each_time && let Some(grant) = self.standing(caller, purpose, &state.id).await? {
            return Ok(grant);
        }
        let term = match (unlocked, each_time) {
            (Unlocked::ForThis, true) => Term::Once,
            (Unlocked::ForThis, false) => Term::Session,
            _ if !purpose.needs_grant() => Term::Once,
            _ => self.ask(caller, state, purpose).await?,
        };
        let (grants, caller_, purpose_, card) = (
            Arc::clone(&self.inner.grants),
            caller.clone(),
            purpose.clone(),
            state.id.clone(),
        );
        let grant = blocking(move || grants.give(&caller_, &purpose_, &card, term)).await??;
        if term != Term::Once {
            let mut record = self.record(caller, purpose, Some(&state.id), None);
            record.operation = "grant".to_owned();
            record.note = Some(match term {
                Term::Days(days) => format!("{} for {days} days", purpose.kind()),
                _ => format!("{} for this session", purpose.kind()),
            });
            self.write(record).await?;
        }
        Ok(grant)
    }

    async fn standing(
        &self,
        caller: &Caller,
        purpose: &Purpose,
        card: &CardId,
    ) -> Result<Option<Grant>, BrokerError> {
        // May read the whole executable once, so not on the runtime's own threads.
        let (grants, caller, purpose, card) = (
            Arc::clone(&self.inner.grants),
            caller.clone(),
            purpose.clone(),
            card.clone(),
        );
        blocking(move || grants.find(&caller, &purpose, &card)).await
    }

    async fn ask(
        &self,
        caller: &Caller,
        state: &CardState,
        purpose: &Purpose,
    ) -> Result<Term, BrokerError> {
        let question = if purpose.needs_consent_each_time() {
            Question::AllowOnce
        } else {
            Question::Allow {
                days: self.inner.config.grant_days,
            }
        };
        let request = ConfirmRequest {
            subject: self.subject(caller, state, purpose),
            question,
        };
        match (self.inner.prompter.confirm(request).await?, question) {
            (Decision::Deny, _) => Err(BrokerError::Denied),
            // Whatever a prompter answers, a document's signature is never allowed for longer.
            (_, Question::AllowOnce) | (Decision::Once, _) => Ok(Term::Once),
            (Decision::ForSession, _) => Ok(Term::Session),
            (Decision::Days(days), _) => Ok(Term::Days(days)),
        }
    }

    async fn new_pin(
        &self,
        caller: &Caller,
        card: &CardId,
        purpose: Purpose,
    ) -> Result<Option<u8>, BrokerError> {
        let record = self.record(caller, &purpose, Some(card), None);
        let work = async {
            caller.verify()?;
            let state = self.state(card)?;
            let subject = self.subject(caller, &state, &purpose);
            let logins = &self.inner.logins;
            match purpose.kind() {
                PurposeKind::UnblockPin => logins.unblock_pin(caller, &state, subject).await?,
                _ => logins.change_pin(caller, &state, subject).await?,
            }
            // The change is made: not being told how many tries there are is no failure of it.
            let tries = self
                .run(caller.key(), card, |token| token.tries(PinRole::Pin))
                .await;
            Ok(tries.ok().and_then(|tries| tries.left.or(tries.max)))
        };
        let result = work.await;
        self.release(record, result).await
    }

    /// The certificate of a key, read from the card if it is not known yet.
    async fn certificate(
        &self,
        key: CallerKey,
        state: &CardState,
        role: KeyRole,
    ) -> Result<Arc<Certificate>, BrokerError> {
        let wanted = match role {
            KeyRole::Authentication => CertificateRole::Authentication,
            KeyRole::Signature => CertificateRole::Signature,
        };
        let of_role = |certificate: &&crate::token::TokenCertificate| certificate.role == wanted;
        if let Some(known) = state.certificates.iter().find(of_role) {
            return Ok(Arc::clone(&known.certificate));
        }
        let certificates = self
            .run(key, &state.id, |token| token.certificates())
            .await?;
        match certificates.iter().find(of_role) {
            Some(found) => Ok(Arc::clone(&found.certificate)),
            None => Err(CardsError::Token(TokenError::NoKey(role)).into()),
        }
    }

    /// The state of this very insertion.
    fn state(&self, card: &CardId) -> Result<CardState, BrokerError> {
        let mut cards = self.inner.cards.cards().into_iter();
        Ok(cards
            .find(|state| state.id == *card)
            .ok_or(CardsError::Removed)?)
    }

    async fn run<R: Send + 'static>(
        &self,
        key: CallerKey,
        card: &CardId,
        operation: impl FnOnce(&mut dyn Token) -> Result<R, TokenError> + Send + 'static,
    ) -> Result<R, CardsError> {
        self.inner.touch(card);
        let result = self
            .inner
            .cards
            .run(card, key, Instant::now() + PATIENCE, operation)
            .await;
        self.inner.touch(card);
        result
    }

    fn subject(&self, caller: &Caller, state: &CardState, purpose: &Purpose) -> Subject {
        let holder = state.certificates.iter().find_map(|certificate| {
            let practitioner = Practitioner::from_certificate(&certificate.certificate).ok()?;
            let names = [practitioner.given_name, practitioner.family_name];
            let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
            (!name.is_empty()).then_some(name)
        });
        let serial = state.id.serial.clone();
        Subject::new(
            caller,
            purpose.clone(),
            serial,
            holder,
            self.inner.config.language,
        )
    }

    fn record(
        &self,
        caller: &Caller,
        purpose: &Purpose,
        card: Option<&CardId>,
        certificate: Option<String>,
    ) -> Record {
        Record {
            destination: purpose.destination(),
            card: card.map(|card| card.serial.clone()),
            certificate,
            ..Record::of(purpose.kind().as_str(), caller)
        }
    }

    /// Journals how a request ended, and only then lets its result go.
    async fn release<R>(
        &self,
        mut record: Record,
        result: Result<R, BrokerError>,
    ) -> Result<R, BrokerError> {
        record.result = match &result {
            Ok(_) => DONE.to_owned(),
            Err(error) => error.code().as_str().to_owned(),
        };
        self.write(record).await?;
        result
    }

    async fn write(&self, record: Record) -> Result<Entry, BrokerError> {
        let journal = Arc::clone(&self.inner.journal);
        Ok(blocking(move || journal.append(record)).await??)
    }
}

impl Inner {
    /// Ends a login, and what was granted for it.
    async fn end_login(&self, card: &CardId) -> Result<(), CardsError> {
        self.grants.end_session(card);
        let deadline = Instant::now() + LOCK_PATIENCE;
        let operation = |token: &mut dyn Token| {
            token.logout();
            Ok(())
        };
        self.cards.run(card, OURSELVES, deadline, operation).await
    }

    fn touch(&self, card: &CardId) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(card.clone(), Instant::now());
    }

    fn last_use(&self, card: &CardId) -> Option<Instant> {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(card)
            .copied()
    }

    fn forget_use(&self, card: &CardId) {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(card);
    }
}

/// Runs what blocks on the disk away from the runtime's own threads.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, BrokerError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| BrokerError::Internal {
            what: "a disk task was stopped",
        })
}

/// How long an operation may wait for its turn at the card and run.
const PATIENCE: Duration = Duration::from_secs(60);
/// Locking must be done within a second of its cause (an operation under way may delay it).
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// The daemon's own turn in the queue; no process has start time zero.
const OURSELVES: CallerKey = CallerKey(0);

#[cfg(test)]
mod tests;
