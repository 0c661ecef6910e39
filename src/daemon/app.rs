//! What every surface works with.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cps_api::{Fault, Problem};
use cps_identity::{Certificate, Dictionary};
use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::announce::PromptEvent;
use crate::broker::{Broker, BrokerError, TrustCheck};
use crate::caller::Caller;
use crate::cards::{
    CardId, CardState, Cards, CardsError, Phase, ReaderContent, ReaderState, ServiceState,
};
use crate::config::Config;
use crate::mail::Mail;
use crate::objects::Objects;
use crate::purpose::Purpose;
use crate::tls::Sessions;
use crate::token::{CertificateRole, KeyRole, Token, TokenCertificate, TokenError};
use crate::trust::TrustStore;

/// The parts of a running daemon.
pub struct App {
    /// The rules: who may use the card for what.
    pub broker: Broker,
    /// The card service.
    pub cards: Cards,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Labels that replace those built in.
    pub dictionary: Option<Dictionary>,
    /// The MSSanté gateway.
    pub mail: Mail,
    /// What the cards show as PKCS#11 tokens.
    pub objects: Objects,
    /// Where dialogs are announced.
    pub prompts: broadcast::Sender<PromptEvent>,
    /// TLS sessions of the cards.
    pub sessions: Sessions,
    /// The socket's path, unless systemd made it.
    pub socket: Option<PathBuf>,
    /// When the daemon started.
    pub started: Timestamp,
    /// The same moment, on the clock that nobody sets.
    pub began: Instant,
    /// What is believed.
    pub trust: TrustStore,
    /// The last failure that no caller was to blame for.
    pub last_failure: Mutex<Option<Failure>>,
}

/// A failure worth remembering, for the doctor.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When it was answered.
    pub at: Timestamp,
    /// What was answered.
    pub problem: Problem,
}

impl App {
    /// The card a request means, once it is read: a card just inserted is waited for, and so are
    /// the readers when the daemon has only just started (perhaps for this very request).
    ///
    /// # Errors
    ///
    /// No such card, several, or one that cannot be used.
    pub async fn card(&self, serial: Option<&str>) -> Result<CardState, BrokerError> {
        self.awaited(|| self.cards.find(serial)).await
    }

    /// The card that `is_meant`, as [`App::card`]; the first one if there are several.
    ///
    /// # Errors
    ///
    /// [`CardsError::Absent`] also when there are only other cards.
    pub async fn card_of(
        &self,
        is_meant: impl Fn(&CardState) -> bool,
    ) -> Result<CardState, BrokerError> {
        let find = || {
            let cards = self.cards.cards();
            let unread = |card: &&CardState| card.phase == Phase::Reading;
            let found = cards.iter().find(|card| is_meant(card));
            // Whose card it is shows once it is read.
            found
                .or_else(|| cards.iter().find(unread))
                .cloned()
                .ok_or_else(|| match self.cards.service() {
                    ServiceState::Running => CardsError::Absent,
                    ServiceState::Stopped => CardsError::ServiceStopped,
                })
        };
        self.awaited(find).await
    }

    async fn awaited(
        &self,
        find: impl Fn() -> Result<CardState, CardsError>,
    ) -> Result<CardState, BrokerError> {
        // Before the first look, so that no change falls between look and wait.
        let mut changes = self.cards.subscribe();
        let deadline = Instant::now() + READING;
        loop {
            let (until, now) = match find() {
                Ok(card) => match card.phase {
                    Phase::Ready => return Ok(card),
                    Phase::Unusable(error) => return Err(CardsError::Token(error).into()),
                    Phase::Reading => (deadline, CardsError::Mute),
                },
                Err(error @ (CardsError::Absent | CardsError::ServiceStopped)) => {
                    (self.expected_until(deadline), error)
                }
                Err(error) => return Err(error.into()),
            };
            match tokio::time::timeout_at(until.into(), changes.recv()).await {
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) => return Err(CardsError::ShuttingDown.into()),
                Err(_) => return Err(now.into()),
            }
        }
    }

    /// As [`App::card`], for what only a person's card can do.
    ///
    /// # Errors
    ///
    /// Also that of a contactless card: it has a technical key and no PIN.
    pub async fn person_card(&self, serial: Option<&str>) -> Result<CardState, BrokerError> {
        let card = self.card(serial).await?;
        match card.kind.is_technical() {
            true => Err(CardsError::Token(TokenError::TechnicalOnly).into()),
            false => Ok(card),
        }
    }

    /// The cards, once those now in a reader are read and, just after the start, the readers are
    /// known; waits for that a moment at most.
    pub async fn settled_cards(&self) -> Vec<CardState> {
        let mut changes = self.cards.subscribe();
        let deadline = Instant::now() + SETTLING;
        loop {
            let cards = self.cards.cards();
            let until = match self.cards.service() {
                _ if cards.iter().any(|card| card.phase == Phase::Reading) => deadline,
                ServiceState::Running if !self.is_reading() => return cards,
                _ => self.expected_until(deadline).min(deadline),
            };
            match tokio::time::timeout_at(until.into(), changes.recv()).await {
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) | Err(_) => return self.cards.cards(),
            }
        }
    }

    /// Until when a card that is not known may still show up.
    fn expected_until(&self, deadline: Instant) -> Instant {
        match self.is_reading() {
            true => deadline,
            false => self.began + SETTLING,
        }
    }

    /// Whether a reader holds a card that is not known yet.
    pub fn is_reading(&self) -> bool {
        let unread =
            |reader: ReaderState| reader.content == ReaderContent::Card && reader.card.is_none();
        self.cards.is_searching() || self.cards.readers().into_iter().any(unread)
    }

    /// Runs a card operation that needs neither PIN nor grant, in the caller's turn.
    ///
    /// # Errors
    ///
    /// What the card service or the card reports.
    pub async fn run<R: Send + 'static>(
        &self,
        card: &CardId,
        caller: &Caller,
        operation: impl FnOnce(&mut dyn Token) -> Result<R, TokenError> + Send + 'static,
    ) -> Result<R, BrokerError> {
        let deadline = Instant::now() + PATIENCE;
        let result = self.cards.run(card, caller.key(), deadline, operation);
        Ok(result.await?)
    }

    /// A certificate of the card, read if it is not known yet.
    ///
    /// # Errors
    ///
    /// The card has no such certificate, or cannot be read.
    pub async fn certificate(
        &self,
        card: &CardState,
        caller: &Caller,
        role: KeyRole,
    ) -> Result<Arc<Certificate>, BrokerError> {
        let wanted = match role {
            KeyRole::Authentication => CertificateRole::Authentication,
            KeyRole::Signature => CertificateRole::Signature,
        };
        let with = |all: &[TokenCertificate], role| {
            let mut all = all.iter();
            all.find(|one| one.role == role)
                .map(|one| Arc::clone(&one.certificate))
        };
        if let Some(known) = with(&card.certificates, wanted) {
            return Ok(known);
        }
        let all = self
            .run(&card.id, caller, |token| token.certificates())
            .await?;
        let missing = match with(&all, CertificateRole::Technical) {
            Some(_) => TokenError::TechnicalOnly,
            None => TokenError::NoKey(role),
        };
        with(&all, wanted).ok_or_else(|| CardsError::Token(missing).into())
    }

    /// Whether a certificate of the card may be used now for this purpose; a refusal is journalled.
    /// Its revocation lists are fetched when their time has come: in the background, unless nothing
    /// at all is known yet.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Certificate`]; the journal cannot be written.
    pub async fn may_use(
        &self,
        caller: &Caller,
        card: &CardId,
        purpose: &Purpose,
        certificate: &Certificate,
        role: KeyRole,
    ) -> Result<(), BrokerError> {
        let mut judged = self.trust.check(certificate, role);
        if judged.is_ok() {
            // The lists of a card that was never seen are on their way; those of the day are not
            // worth a wait.
            let limit = match self.trust.knows_revocation(certificate, role) {
                true => Duration::ZERO,
                false => FIRST_LISTS,
            };
            self.renew(certificate, limit).await;
            judged = self.trust.check(certificate, role);
        }
        match judged {
            Ok(()) => Ok(()),
            Err(reason) => {
                let broker = &self.broker;
                let noted = broker.note_refusal(caller, card, purpose, certificate, reason.into());
                noted.await
            }
        }
    }

    /// Fetches, in the background, the revocation lists of a certificate of the card that is
    /// otherwise good: the addresses of another one are anybody's.
    pub async fn renew_lists(&self, certificate: &Certificate, role: CertificateRole) {
        let role = match role {
            CertificateRole::Authentication => KeyRole::Authentication,
            CertificateRole::Signature => KeyRole::Signature,
            _ => return,
        };
        if self.trust.check(certificate, role).is_ok() {
            self.renew(certificate, Duration::ZERO).await;
        }
    }

    async fn renew(&self, certificate: &Certificate, limit: Duration) {
        let trust = self.trust.trust();
        let chain = vec![certificate.clone()];
        self.trust.refresh(&trust, chain, limit).await;
    }

    /// Remembers a failure for the doctor, unless the caller is to blame for it.
    pub fn note(&self, problem: &Problem) {
        if problem.fault() == Some(Fault::Caller) {
            return;
        }
        let failure = Failure {
            at: Timestamp::now(),
            problem: problem.clone(),
        };
        *self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }
}

/// A CPS3 that was never seen takes about four seconds; other programs may hold it meanwhile.
const READING: Duration = Duration::from_secs(20);

/// How long an operation may wait for its turn and run.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the first use of a new card waits for its revocation lists; without a network it goes on.
const FIRST_LISTS: Duration = Duration::from_secs(3);

/// How long after the start the reader service may take to name its readers.
const SETTLING: Duration = Duration::from_secs(2);
