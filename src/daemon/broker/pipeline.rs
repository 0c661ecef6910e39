//! The stages, private to the broker.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use cps_card::PinRole;
use cps_identity::{Certificate, Practitioner};
use cps_verify::Scheme;
use futures_util::FutureExt;

use super::{Broker, BrokerError};
use crate::caller::{Application, Caller};
use crate::cards::{CallerKey, CardId, CardState, CardsError};
use crate::grants::{Grant, Lifetime, Term, Use};
use crate::journal::{DONE, Entry, Record};
use crate::login::Unlocked;
use crate::prompt::{ConfirmRequest, Decision, PendingSubject, Question, Subject};
use crate::purpose::{Purpose, PurposeKind};
use crate::token::{CertificateRole, KeyRole, Token, TokenCertificate, TokenError};

impl Broker {
    #[allow(
        clippy::too_many_arguments,
        reason = "the public call, plus the record it fills"
    )]
    pub(super) async fn sign_unjournalled(
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
    pub(super) async fn unlocked<R: Send + 'static>(
        &self,
        granted: Option<Grant>,
        caller: &Caller,
        state: &CardState,
        purpose: &Purpose,
        operation: impl Fn(&mut dyn Token) -> Result<R, TokenError> + Send + Sync + 'static,
    ) -> Result<R, BrokerError> {
        caller.verify()?;
        self.check_destination(purpose)?;
        let operation = Arc::new(operation);
        let mut granted = self.still_granted(granted, caller, state, purpose).await?;
        for last in [false, false, true] {
            let locks = self.inner.logins.locks().clone();
            let allowed_at = locks.count();
            let unlocked = self.unlock(caller, state, purpose).await?;
            let live = |grant: &Grant| self.inner.grants.holds(grant);
            let grant = match granted.take().filter(live) {
                Some(grant) => grant,
                None => self.consent(caller, state, purpose, unlocked).await?,
            };
            // The dialogs may have taken minutes.
            caller.verify()?;
            let operation = Arc::clone(&operation);
            let (grants, current) = (Arc::clone(&self.inner.grants), grant.clone());
            let result = self
                .run(caller.key(), &state.id, move |token| {
                    // Here and not before: until now the use waited for its turn.
                    if !grants.holds(&current) {
                        return Ok(None);
                    }
                    if !token.logged_in() || locks.count() != allowed_at {
                        return Err(TokenError::PinRequired);
                    }
                    operation(token).map(Some)
                })
                .await;
            match result {
                Ok(Some(result)) => return Ok(result),
                Ok(None) if last => return Err(BrokerError::Denied),
                Ok(None) => {}
                Err(CardsError::Token(TokenError::PinRequired)) if !last => granted = Some(grant),
                Err(error) => return Err(error.into()),
            }
        }
        Err(CardsError::Token(TokenError::PinRequired).into())
    }

    pub(super) async fn unlock(
        &self,
        caller: &Caller,
        state: &CardState,
        purpose: &Purpose,
    ) -> Result<Unlocked, BrokerError> {
        let subject = self.subject(caller, state, purpose);
        let logins = &self.inner.logins;
        Ok(logins.login(caller, state, purpose, subject).await?)
    }

    /// The grant for a use: the one in force, or the practitioner's answer. A PIN typed in a dialog
    /// that showed this very use is the answer, and so is what was answered to another request of the
    /// program while this one waited: a browser opens several connections at once.
    pub(super) async fn consent(
        &self,
        caller: &Caller,
        state: &CardState,
        purpose: &Purpose,
        unlocked: Unlocked,
    ) -> Result<Grant, BrokerError> {
        let each_time = purpose.needs_consent_each_time();
        let _alone = match each_time {
            true => None,
            false => Some(self.alone(caller, purpose, &state.id).await),
        };
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
        let application = self.application(caller).await;
        let give = move || grants.give(&caller_, application.as_ref(), &purpose_, &card, term);
        let grant = blocking(give).await??;
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

    /// Waits until no other request for this use is being asked about; none is until the guard is
    /// dropped.
    async fn alone(&self, caller: &Caller, purpose: &Purpose, card: &CardId) -> impl Drop + use<> {
        let question = {
            let mut questions = self
                .inner
                .questions
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            questions.retain(|_, question| question.strong_count() > 0);
            let key = (Use::of(caller, purpose), card.clone());
            let known = questions.entry(key).or_default();
            known.upgrade().unwrap_or_else(|| {
                let new = Arc::default();
                *known = Arc::downgrade(&new);
                new
            })
        };
        question.lock_owned().await
    }

    /// The grant a surface brought along, if it is for this very use and was not taken back since.
    async fn still_granted(
        &self,
        granted: Option<Grant>,
        caller: &Caller,
        state: &CardState,
        purpose: &Purpose,
    ) -> Result<Option<Grant>, BrokerError> {
        match granted {
            Some(grant) if !grant.is_for(caller, purpose, &state.id) => Err(BrokerError::Denied),
            Some(grant) if grant.lifetime == Lifetime::Once => Ok(Some(grant)),
            Some(_) => self.standing(caller, purpose, &state.id).await,
            None => Ok(None),
        }
    }

    pub(super) async fn standing(
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

    pub(super) async fn ask(
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
            subject: self.subject(caller, state, purpose).await,
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

    pub(super) async fn new_pin(
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
    pub(super) async fn certificate(
        &self,
        key: CallerKey,
        state: &CardState,
        role: KeyRole,
    ) -> Result<Arc<Certificate>, BrokerError> {
        let wanted = match role {
            KeyRole::Authentication => CertificateRole::Authentication,
            KeyRole::Signature => CertificateRole::Signature,
        };
        let of_role = |certificate: &&TokenCertificate| certificate.role == wanted;
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
    pub(super) fn state(&self, card: &CardId) -> Result<CardState, BrokerError> {
        let mut cards = self.inner.cards.cards().into_iter();
        Ok(cards
            .find(|state| state.id == *card)
            .ok_or(CardsError::Removed)?)
    }

    pub(super) async fn run<R: Send + 'static>(
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

    /// What the caller's program is called on this desktop.
    fn application(&self, caller: &Caller) -> impl Future<Output = Option<Application>> + use<> {
        let (applications, caller) = (Arc::clone(&self.inner.applications), caller.clone());
        let language = Subject::language(&caller, self.inner.config.language);
        let find = move || applications.of(&caller, language);
        // Without an answer (the daemon is stopping) it has no name but its file's.
        async move { blocking(find).await.ok().flatten() }
    }

    fn subject(&self, caller: &Caller, state: &CardState, purpose: &Purpose) -> PendingSubject {
        let (application, caller) = (self.application(caller), caller.clone());
        let (state, purpose) = (state.clone(), purpose.clone());
        let language = self.inner.config.language;
        let subject = async move {
            let holder = state.certificates.iter().find_map(|certificate| {
                let practitioner = Practitioner::from_certificate(&certificate.certificate).ok()?;
                let names = [practitioner.given_name, practitioner.family_name];
                let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
                (!name.is_empty()).then_some(name)
            });
            let application = application.await;
            Subject::new(
                &caller,
                application.as_ref(),
                purpose,
                state.id.serial,
                holder,
                language,
            )
        };
        subject.boxed().shared()
    }

    pub(super) fn record(
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
    pub(super) async fn release<R>(
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

    pub(super) async fn write(&self, record: Record) -> Result<Entry, BrokerError> {
        let journal = Arc::clone(&self.inner.journal);
        Ok(blocking(move || journal.append(record)).await??)
    }
}

/// Runs what blocks on the disk away from the runtime's own threads.
pub(super) async fn blocking<R: Send + 'static>(
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
