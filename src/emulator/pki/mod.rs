//! The test PKI: shape of the French health PKI, under names that no one can mistake for it.
//!
//! Keys are committed, certificates are issued when asked for, relative to the moment given to
//! [`Pki::new`] rounded down to the day: the suite keeps working in ten years, and two instances
//! made the same day issue the same bytes.

mod extensions;
mod issue;
pub(crate) mod keys;
mod names;
mod profiles;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use der::pem::LineEnding;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::Holder;
use crate::rsa::{Hash, PrivateKey};
use issue::{Issuer, Validity};

/// Assurance level: one root each.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Gamme {
    /// Software certificates and servers.
    Elementaire,
    /// CPS and CPF cards.
    Fort,
    /// CPE and CPA cards.
    Standard,
}

/// What an intermediate certifies.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Domain {
    /// Servers and organisations.
    Organisations,
    /// Persons.
    Personnes,
}

/// A certification authority of the test PKI.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Authority {
    /// Intermediate of an assurance level.
    Intermediate(Gamme, Domain),
    /// The closed PKI: self-signed with SHA-1, certifies [`Holder::CpsLegacy`].
    Legacy,
    /// Root of an assurance level.
    Root(Gamme),
}

/// State of a revocation list.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CrlVariant {
    /// Current, nothing revoked.
    Empty,
    /// Empty, nextUpdate three days ago.
    Expired,
    /// Current, with the revoked fixtures of that authority, since ten days.
    Revoked,
    /// Like `Empty`, last byte of the signature altered.
    WrongSignature,
}

/// What is wrong with a server certificate.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ServerFlaw {
    /// Validity over since 30 days.
    Expired,
    /// Nothing.
    None,
    /// Listed in [`CrlVariant::Revoked`] of the issuing authority.
    Revoked,
    /// Issued by authorities that copy the names of the test PKI but not its keys ([`Pki::rogue`]).
    RogueRoot,
}

/// Certificate chain and key of a TLS server or of an organisation's software.
#[derive(Clone)]
pub struct SoftwareIdentity {
    /// Certificate, then intermediate, PEM.
    pub chain_pem: String,
    /// Private key, PKCS#8 PEM.
    pub key_pem: String,
    /// Certificate, then intermediate, DER.
    pub chain_der: Vec<Vec<u8>>,
    /// The root that ends this chain, DER.
    pub root_der: Vec<u8>,
}

/// [`SoftwareIdentity`] of a TLS server.
pub type ServerIdentity = SoftwareIdentity;

/// The test PKI.
#[derive(Clone)]
pub struct Pki {
    today: Timestamp,
    base_url: String,
    rogue: bool,
    /// Certificates already issued: signing with a 4096-bit key costs tens of milliseconds.
    issued: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Pki {
    /// A PKI whose certificates are current at `now`.
    pub fn new(now: SystemTime) -> Self {
        let now = Timestamp::try_from(now)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .as_second();
        let today =
            Timestamp::from_second(now - now.rem_euclid(86_400)).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            today,
            base_url: "http://127.0.0.1:8089".into(),
            rogue: false,
            issued: Arc::default(),
        }
    }

    /// The same PKI with revocation lists and issuer certificates announced under this URL (without
    /// a slash at the end; `http://127.0.0.1:8089` unless told otherwise).
    #[must_use]
    pub fn with_base_url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.base_url);
        self.issued = Arc::default();
        self
    }

    /// Authorities with the same names and other keys: everything issued by them must be refused.
    #[must_use]
    pub fn rogue(&self) -> Self {
        Self {
            rogue: true,
            issued: Arc::default(),
            ..self.clone()
        }
    }

    /// Certificate of an authority, DER.
    pub fn authority_der(&self, authority: Authority) -> Vec<u8> {
        self.once(format!("authority {}", authority.file_name()), || {
            self.issue_authority(authority)
        })
    }

    /// The three roots, DER. The legacy authority is not among them.
    pub fn anchors_der(&self) -> Vec<Vec<u8>> {
        Gamme::ALL
            .map(|gamme| self.authority_der(Authority::Root(gamme)))
            .to_vec()
    }

    /// The six intermediates, DER.
    pub fn intermediates_der(&self) -> Vec<Vec<u8>> {
        Authority::ALL
            .into_iter()
            .filter(|authority| matches!(authority, Authority::Intermediate(..)))
            .map(|authority| self.authority_der(authority))
            .collect()
    }

    /// Revocation list of an authority, DER.
    pub fn crl_der(&self, authority: Authority, variant: CrlVariant) -> Vec<u8> {
        let current = (0, 7);
        let (from, until) = if variant == CrlVariant::Expired {
            (-10, -3)
        } else {
            current
        };
        let revoked = if variant == CrlVariant::Revoked {
            self.revoked_by(authority)
        } else {
            Vec::new()
        };
        let since = self.day(-10);
        let revoked: Vec<_> = revoked.into_iter().map(|serial| (serial, since)).collect();
        let issuer = self.issuer(authority);
        let mut list = issue::revocation_list(
            &issuer,
            self.day(from),
            self.day(until),
            &revoked,
            &[
                extensions::authority_key(&issuer.key),
                extensions::list_number(1),
            ],
        );
        if variant == CrlVariant::WrongSignature
            && let Some(last) = list.last_mut()
        {
            *last ^= 1;
        }
        list
    }

    /// Path of the URL at which certificates announce that list: `/CRL/ACI-FO-PP-TEST.crl`.
    pub fn crl_path(&self, authority: Authority) -> String {
        format!("/CRL/{}.crl", authority.file_name())
    }

    /// Path of the URL at which certificates announce their issuer's certificate.
    pub fn issuer_path(&self, authority: Authority) -> String {
        format!(
            "/AC%20TEST/{}.cer",
            authority.file_name().replace(' ', "%20")
        )
    }

    /// The authority that certifies a holder's card.
    pub fn issuer_of(holder: Holder) -> Authority {
        match holder.person().card_type {
            _ if holder == Holder::CpsLegacy => Authority::Legacy,
            0 | 1 => Authority::Intermediate(Gamme::Fort, Domain::Personnes),
            _ => Authority::Intermediate(Gamme::Standard, Domain::Personnes),
        }
    }

    /// Authentication certificate of a holder's contact card, DER.
    pub fn authentication_der(&self, holder: Holder) -> Vec<u8> {
        self.once(format!("{holder} authentication"), || {
            self.issue_authentication(holder)
        })
    }

    /// Signature certificate of a holder's contact card, DER.
    pub fn signature_der(&self, holder: Holder) -> Vec<u8> {
        self.once(format!("{holder} signature"), || {
            let validity = self.validity_of(holder);
            self.issue_signature(holder, validity)
        })
    }

    /// Signature certificate of the same key whose PrivateKeyUsagePeriod ended ten days ago while
    /// its own validity goes on, DER.
    pub fn signature_with_key_period_over_der(&self, holder: Holder) -> Vec<u8> {
        let mut key_period = self.validity_of(holder);
        key_period.not_after = self.day(-10);
        self.issue_signature(holder, key_period)
    }

    /// Technical certificate of a holder's contactless card, DER.
    pub fn technical_der(&self, holder: Holder) -> Vec<u8> {
        self.once(format!("{holder} technical"), || {
            self.issue_technical(holder)
        })
    }

    /// TLS server certificate for these DNS names or IP addresses.
    pub fn server(&self, names: &[&str]) -> ServerIdentity {
        self.server_with(names, ServerFlaw::None)
    }

    /// TLS server certificate with a flaw.
    pub fn server_with(&self, names: &[&str], flaw: ServerFlaw) -> ServerIdentity {
        match flaw {
            ServerFlaw::RogueRoot => self.rogue().server(names),
            _ => self.software("server", self.issue_server(names, flaw)),
        }
    }

    /// Authentication certificate of an organisation's software (ORG AUTH_CLI).
    pub fn organisation_authentication(&self) -> SoftwareIdentity {
        self.software(
            "org-authentication",
            self.issue_organisation_authentication(),
        )
    }

    /// Seal certificate of an organisation's software (ORG SIGN).
    pub fn organisation_signature(&self) -> SoftwareIdentity {
        self.software("org-signature", self.issue_organisation_signature())
    }

    /// Dates written on a holder's card, `YYYYMMDD`.
    pub(crate) fn card_dates(&self, holder: Holder) -> CardDates {
        let validity = self.validity_of(holder);
        let day = |moment: Timestamp| {
            moment
                .to_zoned(TimeZone::UTC)
                .strftime("%Y%m%d")
                .to_string()
        };
        CardDates {
            from: day(validity.not_before),
            until: day(validity.not_after),
        }
    }

    fn software(&self, key_name: &str, certificate: Vec<u8>) -> SoftwareIdentity {
        let chain_der = vec![certificate, self.authority_der(ORGANISATIONS)];
        SoftwareIdentity {
            chain_pem: chain_der.iter().map(|der| certificate_pem(der)).collect(),
            key_pem: keys::pem(key_name).to_owned(),
            chain_der,
            root_der: self.authority_der(ORGANISATIONS.parent()),
        }
    }

    /// Midnight (UTC) that many days from today.
    fn day(&self, offset: i64) -> Timestamp {
        self.today
            .saturating_add(SignedDuration::from_hours(24 * offset))
            .unwrap_or(self.today)
    }

    fn validity(&self, from: i64, until: i64) -> Validity {
        // One second short of midnight, like "until the end of that day".
        let not_after = self
            .day(until)
            .saturating_sub(SignedDuration::from_secs(1))
            .unwrap_or(self.today);
        Validity {
            not_before: self.day(from),
            not_after,
        }
    }

    /// Three years, one of them past; for the expired holder, all of them.
    fn validity_of(&self, holder: Holder) -> Validity {
        if holder == Holder::CpsExpired {
            self.validity(-1125, -30)
        } else {
            self.validity(-365, 730)
        }
    }

    fn issuer(&self, authority: Authority) -> Issuer {
        Issuer {
            name: authority.subject(),
            key: self.authority_key(authority),
            hash: if authority == Authority::Legacy {
                Hash::Sha1
            } else {
                Hash::Sha256
            },
        }
    }

    fn authority_key(&self, authority: Authority) -> PrivateKey {
        PrivateKey::from_pem(keys::pem(&match authority {
            Authority::Root(_) if self.rogue => "root-rogue".into(),
            Authority::Intermediate(..) if self.rogue => "ca-rogue".into(),
            _ => authority.key_name(),
        }))
    }

    fn once(&self, name: String, issue: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let known = self
            .issued
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&name)
            .cloned();
        known.unwrap_or_else(|| {
            // Issued without the lock, since an issuer may itself have to be issued.
            let der = issue();
            self.issued
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name, der.clone());
            der
        })
    }
}

/// First and last day of a card, `YYYYMMDD`.
pub(crate) struct CardDates {
    pub(crate) from: String,
    pub(crate) until: String,
}

/// Issuer of servers and organisations.
const ORGANISATIONS: Authority = Authority::Intermediate(Gamme::Elementaire, Domain::Organisations);

/// A DER certificate in PEM.
pub fn certificate_pem(der: &[u8]) -> String {
    der::pem::encode_string("CERTIFICATE", LineEnding::LF, der)
        .expect("certificates are shorter than memory")
}

/// The key of a holder's contact card.
pub(crate) fn holder_key(holder: Holder, purpose: &str) -> PrivateKey {
    PrivateKey::from_pem(keys::pem(&format!("{holder}-{purpose}")))
}

/// The key of every contactless card.
pub(crate) fn technical_key() -> PrivateKey {
    PrivateKey::from_pem(keys::pem("technical"))
}

#[cfg(test)]
mod tests;
