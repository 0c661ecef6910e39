//! The pipeline every use of a card goes through:
//! caller → certificate → destination → grant → login → queue and card → journal → result.
//!
//! Every rule is here, once, whichever surface the request came by. A result leaves only after its
//! journal entry is on disk; refusals and failures are journalled as well.

mod error;
mod pipeline;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use cps_identity::Certificate;
use cps_verify::Scheme;
use tokio::sync::broadcast;
use zeroize::Zeroizing;

pub use self::error::{BrokerError, TrustRefusal, cards as cards_code, token as token_code};

use self::pipeline::blocking;
use crate::caller::{Applications, Caller};
use crate::cards::{CallerKey, CardId, Cards, CardsError};
use crate::config::{Config, Destination, OperatorConfig};
use crate::desktop::Leaving;
use crate::grants::{Grant, Grants, Use};
use crate::journal::{Journal, Record};
use crate::login::{Logins, Unlocked};
use crate::mail::mailboxes::Mailboxes;
use crate::prompt::Prompter;
use crate::purpose::Purpose;
use crate::token::{KeyRole, PracticeData, Token};

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
    /// The mailboxes: mail takes the card to their operators only.
    pub mailboxes: Mailboxes,
    /// The dialogs.
    pub prompter: Arc<dyn Prompter>,
    /// The judge of certificates.
    pub trust: Arc<dyn TrustCheck>,
}

/// What people do that changes what is lent, as far as the card service does not tell it.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A card is locked, or all of them; also those that were not unlocked.
    Locked {
        /// Which one; nothing: all.
        card: Option<CardId>,
        /// Why.
        why: Why,
    },
    /// The practitioner is back: the screen was unlocked.
    Returned,
    /// The practitioner took a grant back.
    Revoked(Box<Grant>),
}

/// Why cards are locked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// A program was told to: `cps lock`.
    Asked,
    /// The daemon ends.
    End,
    /// The card was not used for a while.
    Idle,
    /// The practitioner leaves.
    Leaving(Leaving),
}

impl Why {
    /// The word for the journal; for what a program asked, its own entry says all.
    fn note(self) -> Option<&'static str> {
        match self {
            Self::Asked => None,
            Self::End => Some("the daemon ends"),
            Self::Idle => Some("idle"),
            Self::Leaving(leaving) => Some(leaving.as_str()),
        }
    }
}

/// Lends the card, one purpose at a time. Clones share everything.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    applications: Arc<Applications>,
    cards: Cards,
    config: Arc<Config>,
    grants: Arc<Grants>,
    journal: Arc<Journal>,
    mailboxes: Mailboxes,
    logins: Logins,
    notices: broadcast::Sender<Notice>,
    prompter: Arc<dyn Prompter>,
    /// Uses that a person is being asked about.
    questions: Mutex<HashMap<(Use, CardId), Weak<Question>>>,
    trust: Arc<dyn TrustCheck>,
    /// When each card was last used, for the idle time.
    used: Mutex<HashMap<CardId, Instant>>,
}

/// Held by the one request that asks.
type Question = tokio::sync::Mutex<()>;

impl Broker {
    /// Starts the broker, and the task that ends logins and session grants with their cause. The
    /// task ends with the last clone. Must be called inside the runtime.
    pub fn start(parts: Parts) -> Self {
        let idle = match parts.config.idle_minutes {
            0 => None,
            minutes => Some(Duration::from_secs(u64::from(minutes) * 60)),
        };
        Self::start_with_idle(parts, idle)
    }

    /// As [`Broker::start`], with another idle time than the configuration's; nothing: never.
    pub fn start_with_idle(parts: Parts, idle: Option<Duration>) -> Self {
        let Parts {
            cards,
            config,
            grants,
            journal,
            mailboxes,
            prompter,
            trust,
        } = parts;
        let inner = Arc::new(Inner {
            applications: Arc::new(Applications::of_environment()),
            notices: broadcast::Sender::new(NOTICES_KEPT),
            logins: Logins::new(cards.clone(), Arc::clone(&prompter)),
            grants: Arc::new(grants),
            journal: Arc::new(journal),
            mailboxes,
            questions: Mutex::default(),
            used: Mutex::default(),
            cards,
            config,
            prompter,
            trust,
        });
        watch::start(&inner, idle);
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

    /// Journals a use that was refused before it was asked of [`Broker::sign`].
    ///
    /// # Errors
    /// The reason given, or that the journal cannot be written.
    pub async fn note_refusal(
        &self,
        caller: &Caller,
        card: &CardId,
        purpose: &Purpose,
        certificate: &Certificate,
        reason: BrokerError,
    ) -> Result<(), BrokerError> {
        let fingerprint = certificate.fingerprint_sha256().to_string();
        let record = self.record(caller, purpose, Some(card), Some(fingerprint));
        self.release(record, Err(reason)).await
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
        let work = async {
            caller.verify()?;
            self.check_destination(purpose)?;
            let state = self.state(card)?;
            let unlocked = self.unlock(caller, &state, purpose).await?;
            self.consent(caller, &state, purpose, unlocked).await
        };
        match work.await {
            // The use itself is journalled when it is made.
            Ok(grant) => Ok(grant),
            refused => {
                let record = self.record(caller, purpose, Some(card), None);
                self.release(record, refused).await
            }
        }
    }

    /// The grant under which a use needs nobody now: the card is unlocked, the use was allowed.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub async fn granted(
        &self,
        caller: &Caller,
        card: &CardId,
        purpose: &Purpose,
    ) -> Result<Option<Grant>, BrokerError> {
        caller.verify()?;
        self.check_destination(purpose)?;
        match self.state(card)?.logged_in {
            true => self.standing(caller, purpose, card).await,
            false => Ok(None),
        }
    }

    /// Whether the configuration, or a mailbox, allows the purpose's destination, if it has one.
    ///
    /// # Errors
    /// [`BrokerError::DestinationNotAllowed`].
    pub fn check_destination(&self, purpose: &Purpose) -> Result<(), BrokerError> {
        let Some(destination) = purpose.destination() else {
            return Ok(());
        };
        // Exactly: what is shown and journalled has one spelling for each destination.
        let known = |allowed: &Destination| {
            let Destination { host, port, .. } = allowed;
            destination.eq_ignore_ascii_case(&format!("{host}:{port}"))
                || destination.eq_ignore_ascii_case(&format!("[{host}]:{port}"))
        };
        let config = &self.inner.config;
        let allowed = match purpose {
            Purpose::Mail { operator } => {
                let named = |one: &OperatorConfig| one.imap.host.eq_ignore_ascii_case(operator);
                config.operators.iter().any(named) || self.inner.mailboxes.is_operator(operator)
            }
            _ => config.destinations.iter().any(known),
        };
        if allowed {
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

    /// Decrypts with one of the card's keys. Nobody relies on its certificate here, so what was
    /// encrypted for a certificate that has expired since can still be read.
    ///
    /// # Errors
    /// See [`BrokerError`]; [`crate::token::TokenError::Undecryptable`] whatever is wrong with the cryptogram.
    pub async fn decrypt(
        &self,
        caller: &Caller,
        card: &CardId,
        role: KeyRole,
        cryptogram: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, BrokerError> {
        let purpose = Purpose::KeyDecrypt;
        let mut record = self.record(caller, &purpose, Some(card), None);
        let work = async {
            let state = self.state(card)?;
            let certificate = self.certificate(caller.key(), &state, role).await?;
            record.certificate = Some(certificate.fingerprint_sha256().to_string());
            self.unlocked(None, caller, &state, &purpose, move |token| {
                token.decrypt(role, &cryptogram)
            })
            .await
        };
        let plaintext = work.await;
        self.release(record, plaintext).await
    }

    /// Reads a data object that is behind the PIN.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub async fn private_data(
        &self,
        caller: &Caller,
        card: &CardId,
        label: String,
    ) -> Result<Zeroizing<Vec<u8>>, BrokerError> {
        let purpose = Purpose::ReadExercises;
        let mut record = self.record(caller, &purpose, Some(card), None);
        record.note = Some(label.clone());
        let work = async {
            let state = self.state(card)?;
            self.unlocked(None, caller, &state, &purpose, move |token| {
                token.data_value(&label)
            })
            .await
        };
        let value = work.await;
        self.release(record, value).await
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
    /// unlocked. `caller` is nothing when the daemon does it by itself.
    ///
    /// # Errors
    /// The journal cannot be written; the cards are locked all the same.
    pub async fn lock(
        &self,
        caller: Option<&Caller>,
        card: Option<&CardId>,
        why: Why,
    ) -> Result<Vec<String>, BrokerError> {
        // Nobody may be listening.
        let _ = self.inner.notices.send(Notice::Locked {
            card: card.cloned(),
            why,
        });
        // First: what waits for a card now, a PIN just typed included, must find it locked.
        self.inner.logins.locks().add();
        // Before the states: an attempt that has ended since shows there.
        let under_way = self.inner.logins.under_way();
        let open = self
            .inner
            .cards
            .cards()
            .into_iter()
            .filter(|state| state.logged_in || under_way.contains(&state.id));
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
            record.note = why.note().map(str::to_owned);
            match result {
                Ok(true) => {}
                // It was not unlocked after all.
                Ok(false) => continue,
                // It went away by itself: that ends the login too.
                Err(CardsError::Removed | CardsError::Absent) => {}
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
        let _ = self
            .inner
            .notices
            .send(Notice::Revoked(Box::new(grant.clone())));
        let record = Record {
            destination: grant.destination.clone(),
            card: Some(grant.card.clone()),
            note: Some(format!("{} for {}", grant.purpose, grant.program)),
            ..Record::of("revoke", caller)
        };
        self.write(record).await?;
        Ok(grant)
    }

    /// Journals something done for a caller that used no key.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub async fn note(&self, record: Record) -> Result<(), BrokerError> {
        self.write(record).await.map(drop)
    }

    /// What people do from now on. Who lags must look for itself.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.inner.notices.subscribe()
    }

    /// The journal, for reading.
    pub fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.inner.journal)
    }

    /// The card service.
    pub fn cards(&self) -> &Cards {
        &self.inner.cards
    }
}

impl Inner {
    /// Ends a login, and what was granted for it.
    /// Whether there was one to end.
    async fn end_login(&self, card: &CardId) -> Result<bool, CardsError> {
        self.grants.end_session(card);
        let (cards, id) = (self.cards.clone(), card.clone());
        // A task of its own: when another program holds the card for longer than we wait, the card
        // is still locked as soon as it is free.
        let ending = tokio::spawn(async move {
            let deadline = Instant::now() + LOCK_INSISTENCE;
            let operation = |token: &mut dyn Token| {
                let open = token.logged_in();
                if open {
                    token.logout();
                }
                Ok(open)
            };
            cards.run(&id, OURSELVES, deadline, operation).await
        });
        match tokio::time::timeout(LOCK_PATIENCE, ending).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => Err(CardsError::ShuttingDown),
            Err(_) => Err(CardsError::Busy),
        }
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

/// Locking must be done within a second of its cause (an operation under way may delay it).
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How long a card that is not free stays to be locked: longer than any program holds one.
const LOCK_INSISTENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// Locks and revocations come from people: a listener that is this far behind is gone.
const NOTICES_KEPT: usize = 32;
/// The daemon's own turn in the queue; no process has start time zero.
const OURSELVES: CallerKey = CallerKey(0);
