//! Trust material: imported and configured anchors, revocation lists and their fetching.
//!
//! # Layout
//!
//! - [`TrustStore`]: what is believed now, as an immutable [`Trust`] that readers share.
//! - `disk`: the state folder: `anchors/` and `crl/`, each file replaced as a whole.
//! - `fetch`: one revocation list over plain HTTP, bounded in size and time.
//!
//! Nothing runs on a timer. A list is fetched when a certificate that needs it is used and its
//! [`CrlSchedule`] says that the time has come: at most once a day, with jitter and back-off.

mod disk;
mod fetch;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cps_api::Code;
use cps_api::types::CrlState;
use cps_identity::{
    Anchors, Certificate, Crl, CrlSchedule, Environment, FetchFailure, Fingerprint, Purpose,
    Revocation, RevocationPolicy, Trust, Verdict,
};
use jiff::Timestamp;

use crate::broker::{TrustCheck, TrustRefusal};
use crate::config::{self, Config};
use crate::token::KeyRole;
use disk::Disk;

/// What is believed, shared by everything that judges a certificate.
#[derive(Clone, Debug)]
pub struct TrustStore {
    inner: Arc<Inner>,
}

/// One authority at hand.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The certificate.
    pub certificate: Certificate,
    /// Whether this project pins its fingerprint; otherwise the configuration vouches for it.
    pub pinned: bool,
}

/// One revocation list, or the address of one never fetched.
#[derive(Clone, Debug)]
pub struct List {
    /// Where it is fetched.
    pub url: String,
    /// The list, once there.
    pub crl: Option<Crl>,
    /// When it is fetched next.
    pub next_fetch: Timestamp,
}

impl List {
    /// Whether the list can be relied on.
    pub fn state(&self, now: Timestamp) -> CrlState {
        let grace = RevocationPolicy::default().grace;
        match &self.crl {
            None => CrlState::Missing,
            Some(crl) if crl.next_update() >= now => CrlState::Current,
            Some(crl) if now.duration_since(crl.next_update()) <= grace => CrlState::Grace,
            Some(_) => CrlState::Stale,
        }
    }
}

/// The trust material cannot be used.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file or folder of the configuration or of the state folder cannot be used.
    #[error("{operation} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An import, or a file of the configuration, that holds no certificate.
    #[error("{what}: {reason}")]
    Malformed {
        /// The file, or "the import".
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate that this environment does not believe.
    #[error("{subject} is not an authority that this version knows for this environment")]
    NotPinned {
        /// SHA-256 of the certificate.
        fingerprint: Fingerprint,
        /// Its subject.
        subject: String,
    },
}

impl TrustStore {
    /// Reads the anchors of `config` and everything imported and fetched before.
    ///
    /// # Errors
    ///
    /// [`TrustError`] for what the configuration names and cannot be used: starting without it
    /// would refuse servers for no visible reason. Damaged cache files are only logged.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, TrustError> {
        let disk = Disk::open(folder)?;
        let environment = match config.environment {
            config::Environment::Custom => Environment::Custom,
            config::Environment::Production => Environment::Production,
            config::Environment::Test => Environment::Test,
        };
        let mut authorities = disk::read_anchors(&config.anchors)?;
        if environment != Environment::Custom {
            authorities.extend(disk.imported());
        }
        let mut own = HashMap::new();
        let destinations = config.destinations.iter().map(|one| &one.anchors);
        let operators = config.operators.iter().map(|one| &one.anchors);
        for files in destinations
            .chain(operators)
            .filter(|files| !files.is_empty())
        {
            own.insert(files.clone(), disk::read_anchors(files)?);
        }
        let lists = disk.lists();
        let state = State {
            authorities,
            own,
            lists,
            general: None,
            special: HashMap::new(),
        };
        let inner = Inner {
            disk,
            environment,
            state: Mutex::new(state),
            flights: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Which set of authorities is in force.
    pub fn environment(&self) -> Environment {
        self.inner.environment
    }

    /// The trust material in force; the same `Arc` until something changes.
    pub fn trust(&self) -> Arc<Trust> {
        let mut state = self.inner.state();
        if let Some(trust) = &state.general {
            return Arc::clone(trust);
        }
        let trust = build(self.inner.environment, &state.authorities, &state.lists);
        state.general = Some(Arc::clone(&trust));
        trust
    }

    /// The trust material for a server with anchors of its own in these files or folders; that in
    /// force when it has none. Files that the configuration does not name hold no anchors.
    pub fn of_anchors(&self, files: &[PathBuf]) -> Arc<Trust> {
        if files.is_empty() {
            return self.trust();
        }
        let mut state = self.inner.state();
        if let Some(trust) = state.special.get(files) {
            return Arc::clone(trust);
        }
        let anchors = state.own.get(files).map_or(&[][..], Vec::as_slice);
        let trust = build(Environment::Custom, anchors, &state.lists);
        state.special.insert(files.to_owned(), Arc::clone(&trust));
        trust
    }

    /// Judges a certificate of a card, now.
    pub fn judge(&self, certificate: &Certificate, purpose: Purpose<'_>) -> Verdict {
        self.trust().check(certificate, purpose, Timestamp::now())
    }

    /// Takes the pinned authorities out of a DER, PEM or P7B file. Returns each with whether it
    /// is new here.
    ///
    /// # Errors
    ///
    /// [`TrustError::Malformed`], [`TrustError::NotPinned`] when no certificate of the file is
    /// known for this environment, [`TrustError::Io`] when it cannot be kept.
    pub fn import(&self, file: &[u8]) -> Result<Vec<(Authority, bool)>, TrustError> {
        let certificates =
            cps_identity::read_certificates(file).map_err(|error| TrustError::Malformed {
                what: "the import".to_owned(),
                reason: error.to_string(),
            })?;
        let mut taken = Vec::new();
        let mut refused = TrustError::Malformed {
            what: "the import".to_owned(),
            reason: "no certificate in it".to_owned(),
        };
        for der in certificates {
            let certificate = match Certificate::from_der(&der) {
                Ok(certificate) => certificate,
                Err(error) => {
                    tracing::debug!(%error, "a certificate of the import is left out");
                    continue;
                }
            };
            match Anchors::built_in().accept(&der) {
                Ok((_, pin)) if pin.environment == self.inner.environment => {
                    taken.push(certificate);
                }
                _ => {
                    refused = TrustError::NotPinned {
                        fingerprint: certificate.fingerprint_sha256(),
                        subject: certificate.subject().to_string(),
                    };
                }
            }
        }
        if taken.is_empty() {
            return Err(refused);
        }
        let mut outcome = Vec::new();
        for certificate in taken {
            let mut state = self.inner.state();
            let new = !state
                .authorities
                .iter()
                .any(|known| known == certificate.der());
            if new {
                self.inner.disk.keep_anchor(&certificate)?;
                state.authorities.push(certificate.der().to_vec());
                state.general = None;
            }
            outcome.push((
                Authority {
                    certificate,
                    pinned: true,
                },
                new,
            ));
        }
        Ok(outcome)
    }

    /// The authorities above a certificate of a card, below the root, DER: what it is sent with.
    pub fn chain_above(&self, certificate: &Certificate) -> Vec<Vec<u8>> {
        let above = self.issuers(certificate).into_iter();
        above
            .filter(|one| !one.is_self_issued())
            .map(|one| one.der().to_vec())
            .collect()
    }

    /// The authorities above a certificate of a card, up to the root, each issued by the next.
    pub fn issuers(&self, certificate: &Certificate) -> Vec<Certificate> {
        let trust = self.trust();
        let above = |name: &[u8]| {
            let mut authorities = trust.intermediates().chain(trust.roots());
            authorities.find(|one| one.subject_raw() == name)
        };
        let mut chain: Vec<Certificate> = Vec::new();
        let mut issuer = certificate.issuer_raw().to_vec();
        while let Some(found) = above(&issuer) {
            if chain.iter().any(|known| known.der() == found.der()) {
                break;
            }
            chain.push(found.clone());
            issuer = found.issuer_raw().to_vec();
        }
        chain
    }

    /// Every authority in force for cards and for servers without anchors of their own.
    pub fn authorities(&self) -> Vec<Authority> {
        let trust = self.trust();
        let all = trust.authorities();
        all.map(|certificate| Authority {
            pinned: Anchors::built_in()
                .find(certificate.fingerprint_sha256())
                .is_some(),
            certificate: certificate.clone(),
        })
        .collect()
    }

    /// Every revocation list known, sorted by address.
    pub fn lists(&self) -> Vec<List> {
        let state = self.inner.state();
        let mut lists: Vec<_> = state
            .lists
            .iter()
            .map(|(url, kept)| List {
                url: url.clone(),
                crl: kept.crl.clone(),
                next_fetch: kept.schedule.next_fetch(),
            })
            .collect();
        lists.sort_by(|a, b| a.url.cmp(&b.url));
        lists
    }

    /// Whether a list, of whatever age, says something about a certificate of the card.
    pub fn knows_revocation(&self, certificate: &Certificate, role: KeyRole) -> bool {
        let verdict = self.judge(certificate, purpose(role));
        let never_seen = Revocation::Unknown { age: None };
        !matches!(verdict, Verdict::Trusted { revocation } if revocation == never_seen)
    }

    /// Fetches the lists that `chain` needs under `trust` and whose time has come, each by one
    /// task only, and waits at most `limit`; what takes longer goes on in the background.
    ///
    /// Call it for certificates whose path is good only: the addresses are theirs.
    pub async fn refresh(&self, trust: &Trust, chain: Vec<Certificate>, limit: Duration) {
        let now = Timestamp::now();
        let Some((certificate, presented)) = chain.split_first() else {
            return;
        };
        let mut urls = trust.crl_urls(certificate, presented);
        urls.retain(|url| self.inner.is_due(url, now) || self.inner.is_in_flight(url));
        urls.truncate(LISTS_PER_CHAIN);
        if urls.is_empty() {
            return;
        }
        let store = self.clone();
        let work = tokio::spawn(async move {
            for url in urls {
                store.fetch(&url, &chain).await;
            }
        });
        let _ = tokio::time::timeout(limit, work).await;
    }

    async fn fetch(&self, url: &str, chain: &[Certificate]) {
        let flight = self.inner.flight(url);
        let _single = flight.lock().await;
        // Whoever waited here finds that the list has just been fetched.
        if !self.inner.is_due(url, Timestamp::now()) {
            return;
        }
        let (inner, address) = (Arc::clone(&self.inner), url.to_owned());
        blocking(move || inner.begin(&address)).await;
        let answer = fetch::get(url).await;
        let (store, address, chain) = (self.clone(), url.to_owned(), chain.to_vec());
        blocking(move || {
            let outcome = answer.and_then(|bytes| store.accept(&bytes, &chain));
            store.inner.record(&address, outcome);
        })
        .await;
    }

    /// A list replaces the one at hand only when an authority at hand has signed it: the network
    /// must not be able to destroy what is known.
    fn accept(&self, bytes: &[u8], chain: &[Certificate]) -> Result<Crl, FetchFailure> {
        let crl = Crl::from_der(bytes).map_err(|_| FetchFailure::Invalid)?;
        let trust = self.trust();
        let own: Vec<_> = {
            let state = self.inner.state();
            let anchors = state.own.values().flatten();
            anchors
                .filter_map(|der| Certificate::from_der(der).ok())
                .collect()
        };
        let named = |issuer: &&Certificate| issuer.subject_raw() == crl.issuer_raw();
        let mut known = trust.authorities().chain(&own).filter(named).peekable();
        // A server puts into its chain what it likes: for an authority at hand, only that counts.
        let signed = match known.peek() {
            Some(_) => known.any(|issuer| crl.verify(issuer).is_ok()),
            None => chain
                .iter()
                .filter(named)
                .any(|issuer| crl.verify(issuer).is_ok()),
        };
        if signed {
            Ok(crl)
        } else {
            Err(FetchFailure::Invalid)
        }
    }
}

impl TrustCheck for TrustStore {
    fn check(&self, certificate: &Certificate, role: KeyRole) -> Result<(), TrustRefusal> {
        refusal(self.judge(certificate, purpose(role))).map_or(Ok(()), Err)
    }
}

fn purpose(role: KeyRole) -> Purpose<'static> {
    match role {
        KeyRole::Authentication => Purpose::CardAuthentication,
        KeyRole::Signature => Purpose::CardSignature,
    }
}

/// What forbids the use of a certificate of the card; `None` when it may be used.
///
/// Unknown revocation does not forbid it: a practitioner works offline too, and the server that
/// relies on the certificate decides.
pub fn refusal(verdict: Verdict) -> Option<TrustRefusal> {
    let code = match verdict {
        Verdict::Trusted { .. } | Verdict::RevocationUnknown { .. } => return None,
        Verdict::ClockSkew { .. } => Code::CertificateClockSkew,
        Verdict::Expired { .. } => Code::CertificateExpired,
        Verdict::KeyPeriodOver { .. } => Code::CertificateKeyPeriodOver,
        Verdict::NotYetValid { .. } => Code::CertificateNotYetValid,
        Verdict::Obsolete => Code::CertificateObsolete,
        Verdict::Revoked { .. } => Code::CertificateRevoked,
        Verdict::TestInProduction => Code::CertificateTestInProduction,
        _ => Code::CertificateUntrusted,
    };
    let detail = verdict.to_string();
    Some(TrustRefusal { code, detail })
}

#[derive(Debug)]
struct Inner {
    disk: Disk,
    environment: Environment,
    state: Mutex<State>,
    flights: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug)]
struct State {
    authorities: Vec<Vec<u8>>,
    /// Of servers with anchors of their own, by the files that hold them.
    own: HashMap<Vec<PathBuf>, Vec<Vec<u8>>>,
    lists: HashMap<String, Kept>,
    general: Option<Arc<Trust>>,
    special: HashMap<Vec<PathBuf>, Arc<Trust>>,
}

/// A list and its schedule.
#[derive(Clone, Debug)]
struct Kept {
    crl: Option<Crl>,
    schedule: CrlSchedule,
}

impl Inner {
    fn is_due(&self, url: &str, now: Timestamp) -> bool {
        self.state()
            .lists
            .get(url)
            .is_none_or(|kept| kept.schedule.is_due(now))
    }

    fn flight(&self, url: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        Arc::clone(flights.entry(url.to_owned()).or_default())
    }

    /// Whether a fetch is under way.
    fn is_in_flight(&self, url: &str) -> bool {
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = flights.get(url);
        flight.is_some_and(|flight| Arc::strong_count(flight) > 1)
    }

    /// Notes on disk that a fetch begins: should we die in the middle of it, again and again, the
    /// publisher must not be asked each time.
    fn begin(&self, url: &str) {
        let now = Timestamp::now();
        let schedule = {
            let mut state = self.state();
            let kept = state.kept(url, now);
            kept.schedule.started(now);
            kept.schedule.clone()
        };
        if let Err(error) = self.disk.keep_schedule(url, &schedule) {
            tracing::warn!(%error, "the revocation list may be fetched again after a restart");
        }
    }

    fn record(&self, url: &str, outcome: Result<Crl, FetchFailure>) {
        match &outcome {
            Ok(crl) => tracing::info!(url, until = %crl.next_update(), "revocation list fetched"),
            Err(failure) => tracing::warn!(url, ?failure, "revocation list not fetched"),
        }
        let now = Timestamp::now();
        let kept = {
            let mut state = self.state();
            let kept = state.kept(url, now);
            match outcome {
                Ok(crl) => {
                    kept.schedule.succeeded(now);
                    let older = |held: &Crl| crl.this_update() < held.this_update();
                    if !kept.crl.as_ref().is_some_and(older) {
                        kept.crl = Some(crl);
                    }
                }
                Err(failure) => kept.schedule.failed(now, failure),
            }
            let kept = kept.clone();
            state.general = None;
            state.special.clear();
            kept
        };
        // Not under the lock, which every verdict takes: a disk can be slow.
        if let Err(error) = self.disk.keep_list(url, &kept) {
            tracing::warn!(%error, "the revocation list will be fetched again after a restart");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn kept(&mut self, url: &str, now: Timestamp) -> &mut Kept {
        let fresh = || Kept {
            crl: None,
            schedule: CrlSchedule::new(jitter(), now),
        };
        self.lists.entry(url.to_owned()).or_insert_with(fresh)
    }
}

/// Does what reads a large list or waits for the disk where it holds nobody up.
async fn blocking(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%error, "a revocation list is not kept");
    }
}

fn build(
    environment: Environment,
    authorities: &[Vec<u8>],
    lists: &HashMap<String, Kept>,
) -> Arc<Trust> {
    let mut trust = Trust::new(environment, RevocationPolicy::default());
    for der in authorities {
        if let Err(error) = trust.add_authority(der) {
            tracing::warn!(%error, "an anchor is not used");
        }
    }
    for crl in lists.values().filter_map(|kept| kept.crl.clone()) {
        if let Err(error) = trust.add_crl(crl) {
            tracing::warn!(%error, "a revocation list is not used");
        }
    }
    Arc::new(trust)
}

/// Spreads the fetches of many workstations over the day; no secret.
fn jitter() -> u32 {
    let random = RandomState::new().build_hasher().finish();
    u32::try_from(random >> 32).unwrap_or_default()
}

/// A path has at most three certificates with a list or two each.
const LISTS_PER_CHAIN: usize = 8;
