//! The test PKI.

use std::time::SystemTime;

use crate::Holder;

/// Assurance level: one root each.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Gamme {
    /// Software certificates and servers.
    Elementaire,
    /// CPE and CPA cards.
    Standard,
    /// CPS and CPF cards.
    Fort,
}

/// What an intermediate certifies.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Domain {
    /// Persons.
    Personnes,
    /// Servers and organisations.
    Organisations,
}

/// A certification authority of the test PKI.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Authority {
    /// Root of an assurance level.
    Root(Gamme),
    /// Intermediate of an assurance level.
    Intermediate(Gamme, Domain),
    /// The closed PKI (SHA-1, RSA 1024 holders).
    Legacy,
}

/// State of a revocation list.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CrlVariant {
    /// Current, nothing revoked.
    Empty,
    /// Current, with the revoked fixtures.
    Revoked,
    /// Empty, nextUpdate in the past.
    Expired,
    /// Like `Empty`, last signature byte altered.
    WrongSignature,
}

/// What is wrong with a server certificate.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ServerFlaw {
    /// Nothing.
    None,
    /// Validity over.
    Expired,
    /// Listed in [`CrlVariant::Revoked`] of the issuing authority.
    Revoked,
    /// Issued under a self-made root and intermediate that copy the names of the real test ones.
    RogueRoot,
}

/// Certificate chain and key of a TLS server.
#[derive(Clone)]
pub struct ServerIdentity {
    /// Certificate, then intermediate, PEM.
    pub chain_pem: String,
    /// Private key, PKCS#8 PEM.
    pub key_pem: String,
    /// Certificate, then intermediate, DER.
    pub chain_der: Vec<Vec<u8>>,
    /// The root that ends this chain, DER.
    pub root_der: Vec<u8>,
}

/// A software certificate and its key.
#[derive(Clone)]
pub struct SoftwareIdentity {
    /// Certificate, DER.
    pub certificate_der: Vec<u8>,
    /// Certificate, then intermediate, PEM.
    pub chain_pem: String,
    /// Private key, PKCS#8 PEM.
    pub key_pem: String,
}

/// The test PKI: names `CPSD-TEST`, committed keys, certificates issued relative to `now`.
#[derive(Clone)]
pub struct Pki {
    #[allow(dead_code)]
    now: SystemTime,
    base_url: String,
}

impl Pki {
    /// A PKI whose certificates are current at `now` (rounded down to the day).
    pub fn new(now: SystemTime) -> Self {
        Self {
            now,
            base_url: "http://127.0.0.1:8089".into(),
        }
    }
    /// Same PKI, with revocation lists and issuers published under this URL (no trailing slash).
    pub fn with_base_url(mut self, url: &str) -> Self {
        self.base_url = url.into();
        self
    }
    /// DER of an authority's certificate.
    pub fn authority_der(&self, _authority: Authority) -> Vec<u8> {
        Vec::new()
    }
    /// The three roots, DER.
    pub fn anchors_der(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
    /// The six intermediates, DER.
    pub fn intermediates_der(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
    /// Revocation list of an authority, DER.
    pub fn crl_der(&self, _issuer: Authority, _variant: CrlVariant) -> Vec<u8> {
        Vec::new()
    }
    /// Path part of the URL at which the certificates announce that list: `/CRL/ACI-FO-PP-TEST.crl`.
    pub fn crl_path(&self, _issuer: Authority) -> String {
        String::new()
    }
    /// Authentication certificate of a holder's contact card, DER.
    pub fn authentication_der(&self, _holder: Holder) -> Vec<u8> {
        Vec::new()
    }
    /// Signature certificate of a holder's contact card, DER.
    pub fn signature_der(&self, _holder: Holder) -> Vec<u8> {
        Vec::new()
    }
    /// Signature certificate whose PrivateKeyUsagePeriod is over while its validity is not, DER.
    pub fn signature_with_key_period_over_der(&self, _holder: Holder) -> Vec<u8> {
        Vec::new()
    }
    /// Technical certificate of a holder's contactless card, DER.
    pub fn technical_der(&self, _holder: Holder) -> Vec<u8> {
        Vec::new()
    }
    /// The authority that issued a holder's certificates.
    pub fn issuer_of(holder: Holder) -> Authority {
        match holder.person().card_type {
            _ if holder == Holder::CpsLegacy => Authority::Legacy,
            0 | 1 => Authority::Intermediate(Gamme::Fort, Domain::Personnes),
            _ => Authority::Intermediate(Gamme::Standard, Domain::Personnes),
        }
    }
    /// TLS server certificate for these DNS names or IP addresses.
    pub fn server(&self, names: &[&str]) -> ServerIdentity {
        self.server_with(names, ServerFlaw::None)
    }
    /// TLS server certificate with a flaw.
    pub fn server_with(&self, _names: &[&str], _flaw: ServerFlaw) -> ServerIdentity {
        ServerIdentity {
            chain_pem: String::new(),
            key_pem: String::new(),
            chain_der: Vec::new(),
            root_der: Vec::new(),
        }
    }
    /// Software authentication certificate of an organisation (ORG AUTH_CLI).
    pub fn organisation_authentication(&self) -> SoftwareIdentity {
        SoftwareIdentity {
            certificate_der: Vec::new(),
            chain_pem: String::new(),
            key_pem: String::new(),
        }
    }
    /// Software seal certificate of an organisation (ORG SIGN).
    pub fn organisation_signature(&self) -> SoftwareIdentity {
        SoftwareIdentity {
            certificate_der: Vec::new(),
            chain_pem: String::new(),
            key_pem: String::new(),
        }
    }
}
