//! The cards as PKCS#11 tokens: what each shows, and which object an identifier means.
//!
//! A token is one key pair of one insertion of one card. What it shows is read from the card when
//! first asked for, and once: programs list objects far more often than they use them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cps_verify::Scheme;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::broker::BrokerError;
use crate::caller::Caller;
use crate::cards::{CardId, CardState, Phase};
use crate::token::{CertificateRole, DataObjectInfo, KeyRole, Token, TokenCertificate, TokenError};

/// What was read of the cards present.
#[derive(Default)]
pub struct Objects {
    known: Mutex<HashMap<CardId, Reading>>,
}

/// Shared by all that ask for the same insertion at once.
type Reading = Arc<OnceCell<Arc<Contents>>>;

/// What one insertion of a card shows.
#[derive(Debug)]
pub struct Contents {
    /// The keys that may be used, that of the authentication certificate first.
    pub keys: Vec<Key>,
    /// The data objects that the card declares, each label once.
    pub data: Vec<DataObjectInfo>,
}

/// A private key and its certificate.
#[derive(Clone, Debug)]
pub struct Key {
    /// Which one.
    pub role: KeyRole,
    /// The certificate of it.
    pub certificate: TokenCertificate,
    /// The ways in which it signs.
    pub schemes: Vec<Scheme>,
    /// Whether it decrypts.
    pub decrypts: bool,
}

impl Objects {
    /// The cards with a key that may be used, what they show, and whether these are all. Nobody is
    /// asked anything. A card that cannot be read now is left out: it must not hide the others.
    pub async fn list(
        &self,
        app: &App,
        caller: &Caller,
    ) -> (Vec<(CardState, Arc<Contents>)>, bool) {
        let until = Instant::now() + LISTING;
        let cards = app.settled_cards().await;
        let settled = !app.is_reading() && cards.iter().all(|card| card.phase != Phase::Reading);
        self.known()
            .retain(|id, _| cards.iter().any(|card| card.id == *id));
        let usable = cards.into_iter().filter(|card| {
            // Without contact there is no person's key.
            card.phase == Phase::Ready && !card.kind.is_technical()
        });
        let read = usable.map(|card| async {
            match timeout_at(until, self.of(app, caller, &card)).await {
                Ok(Ok(contents)) => Some((card, contents)),
                Ok(Err(error)) => {
                    tracing::warn!(card = %card.id, %error, "the objects of the card cannot be listed");
                    None
                }
                // Another program holds it.
                Err(_) => None,
            }
        });
        let all = futures_util::future::join_all(read).await;
        let complete = settled && all.iter().all(Option::is_some);
        (all.into_iter().flatten().collect(), complete)
    }

    /// What a card shows; read from it the first time.
    ///
    /// # Errors
    /// What the card service or the card reports; then nothing is remembered.
    pub async fn of(
        &self,
        app: &App,
        caller: &Caller,
        card: &CardState,
    ) -> Result<Arc<Contents>, BrokerError> {
        let reading = self.reading(card);
        let mut roles = vec![KeyRole::Authentication];
        if app.config.pkcs11.signature_key {
            roles.push(KeyRole::Signature);
        }
        let known = card.certificates.clone();
        let read = || async {
            let contents = app.run(&card.id, caller, move |token| read(token, &roles, &known));
            Ok(Arc::new(contents.await?))
        };
        reading.get_or_try_init(read).await.cloned()
    }

    /// The place for what a card shows; a new one when the card has other certificates than before,
    /// which happens when what was cached of it turned out to be old.
    fn reading(&self, card: &CardState) -> Reading {
        let still = |key: &Key| {
            let der = key.certificate.certificate.der();
            let mut present = card.certificates.iter();
            present.any(|one| one.certificate.der() == der)
        };
        let mut known = self.known();
        let reading = known.entry(card.id.clone()).or_default();
        if let Some(contents) = reading.get()
            && !contents.keys.iter().all(still)
        {
            *reading = Reading::default();
        }
        Arc::clone(reading)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<CardId, Reading>> {
        // Entries are whole: a panic elsewhere leaves no half of one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    /// The key of a role, if it may be used.
    pub fn key(&self, role: KeyRole) -> Option<&Key> {
        self.keys.iter().find(|key| key.role == role)
    }
}

/// Name of an object: of one insertion, in one run of the daemon. An identifier of an earlier run
/// or insertion names nothing, never something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ObjectId {
    run: i128,
    insertion: u64,
    /// Which object of the card.
    pub object: Object,
}

/// An object of a card.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Object {
    /// A data object, by its place among those that the card declares.
    Data(usize),
    /// A private key; also the token that shows it.
    Key(KeyRole),
}

impl ObjectId {
    /// The name of an object of a card, in the run of the daemon that began at `started`.
    pub fn new(started: Timestamp, card: &CardId, object: Object) -> Self {
        Self {
            run: started.as_nanosecond(),
            insertion: card.insertion,
            object,
        }
    }

    /// Reads a name that this run gave.
    pub fn parse(started: Timestamp, text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let run = i128::from_str_radix(parts.next()?, 16).ok()?;
        let insertion = parts.next()?.parse().ok()?;
        let object = match (parts.next()?, parts.next(), parts.next()) {
            ("authentication", None, None) => Object::Key(KeyRole::Authentication),
            ("signature", None, None) => Object::Key(KeyRole::Signature),
            ("data", Some(place), None) => Object::Data(place.parse().ok()?),
            _ => return None,
        };
        (run == started.as_nanosecond()).then_some(Self {
            run,
            insertion,
            object,
        })
    }

    /// Whether the object is, or was, on this insertion of a card.
    pub fn is_on(&self, card: &CardId) -> bool {
        self.insertion == card.insertion
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}-", self.run, self.insertion)?;
        match self.object {
            Object::Data(place) => write!(f, "data-{place}"),
            Object::Key(role) => role.fmt(f),
        }
    }
}

/// Reads what the card shows; a certificate is read only when it is not `known` yet.
fn read(
    token: &mut dyn Token,
    roles: &[KeyRole],
    known: &[TokenCertificate],
) -> Result<Contents, TokenError> {
    let mut keys = Vec::new();
    for role in roles {
        match key(token, *role, known) {
            Ok(key) => keys.push(key),
            Err(TokenError::NoKey(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let mut data: Vec<DataObjectInfo> = Vec::new();
    for object in token.data_objects()? {
        if !data.iter().any(|known| known.label == object.label) {
            data.push(object);
        }
    }
    Ok(Contents { keys, data })
}

fn key(
    token: &mut dyn Token,
    role: KeyRole,
    known: &[TokenCertificate],
) -> Result<Key, TokenError> {
    let wanted = match role {
        KeyRole::Authentication => CertificateRole::Authentication,
        KeyRole::Signature => CertificateRole::Signature,
    };
    let of_role = |one: &&TokenCertificate| one.role == wanted;
    let certificate = match known.iter().find(of_role) {
        Some(known) => known.clone(),
        None => {
            let all = token.certificates()?;
            let found = all.iter().find(of_role);
            found.cloned().ok_or(TokenError::NoKey(role))?
        }
    };
    Ok(Key {
        role,
        certificate,
        schemes: token.schemes(role)?,
        decrypts: token.decrypts(role)?,
    })
}

/// How long a listing takes at most. The module of a program waits for three seconds.
const LISTING: Duration = Duration::from_millis(2_500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_another_run_or_of_nothing_are_refused() {
        let started = Timestamp::from_nanosecond(0x1234).expect("a time");
        let card = CardId {
            serial: "90000001".to_owned(),
            insertion: 7,
        };
        for object in [
            Object::Data(3),
            Object::Key(KeyRole::Authentication),
            Object::Key(KeyRole::Signature),
        ] {
            let id = ObjectId::new(started, &card, object);
            assert_eq!(ObjectId::parse(started, &id.to_string()), Some(id));
            let later = started + jiff::SignedDuration::from_nanos(1);
            assert_eq!(ObjectId::parse(later, &id.to_string()), None);
        }
        for text in [
            "",
            "-",
            "1234-7",
            "1234-7-",
            "1234-7-data",
            "1234-7-data-x",
            "1234-7-data-1-",
            "1234-7-signature-1",
            "1234--authentication",
            "1234-7-authentication-",
        ] {
            assert_eq!(ObjectId::parse(started, text), None, "{text}");
        }
    }
}
