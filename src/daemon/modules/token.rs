//! A token of a PKCS#11 module behind the seam of all tokens ([`crate::token::Token`]).
//!
//! Nothing the module says is believed: certificates are parsed here, each signature is checked
//! against the certificate, and a PIN goes to the token it was typed for or nowhere.

use std::sync::Arc;
use std::time::Duration;

use cps_card::{Pin, PinRole, Report, Tries};
use cps_identity::{CardData, Certificate, select};
use cps_verify::{PublicKey, Scheme};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::protocol::{Reason, TokenInfo};
use super::{Driver, HostError, Module};
use crate::prompt::LockedBuffer;
use crate::token::{
    CertificateRole, DataObjectInfo, KeyRole, PinEntry, PinRules, PracticeData, Token,
    TokenCertificate, TokenError,
};

/// One token of a module, for as long as it is present.
pub struct ModuleToken {
    module: Module,
    info: TokenInfo,
    certificates: Vec<Known>,
    /// The losses of the module when its token was logged in: another number, and the login is gone.
    login: Option<u64>,
    /// Whether a PIN was refused since the last that was not.
    refused: bool,
    tries: Option<Tries>,
    /// Something went wrong that a look at the tokens present explains.
    suspect: bool,
}

struct Known {
    /// `CKA_ID`, which its private key has too; may be empty.
    id: String,
    token: TokenCertificate,
}

impl ModuleToken {
    /// Reads what a token shows to everybody. `None`: it has no certificate of a person.
    ///
    /// # Errors
    /// The module failed.
    pub fn open(module: &Module, info: TokenInfo) -> Result<Option<Self>, HostError> {
        let read = module.ask(|driver| driver.certificates(&info.id, PATIENCE))?;
        let mut certificates = Vec::new();
        for object in read {
            match Certificate::from_der(&object.der) {
                Ok(certificate) if certificate.is_authority() => {}
                Ok(certificate) => certificates.push(Known {
                    id: object.id,
                    token: TokenCertificate {
                        role: CertificateRole::Other,
                        label: object.label,
                        certificate: Arc::new(certificate),
                    },
                }),
                Err(error) => {
                    tracing::warn!(module = %module.name, label = object.label, %error, "a certificate of a token cannot be read");
                }
            }
        }
        assign_roles(&mut certificates);
        let usable = |known: &Known| known.token.role != CertificateRole::Other;
        if !certificates.iter().any(usable) {
            return Ok(None);
        }
        let tries = Some(tries(&info));
        Ok(Some(Self {
            module: module.clone(),
            info,
            certificates,
            login: None,
            refused: false,
            tries,
            suspect: false,
        }))
    }

    /// What the module tells of it.
    pub fn info(&self) -> &TokenInfo {
        &self.info
    }

    /// Whose token it is.
    pub fn module_name(&self) -> &Arc<str> {
        &self.module.name
    }

    /// Its certificates.
    pub fn known_certificates(&self) -> Vec<TokenCertificate> {
        self.certificates
            .iter()
            .map(|known| known.token.clone())
            .collect()
    }

    /// The tries as last told.
    pub fn known_tries(&self) -> Option<Tries> {
        self.tries
    }

    /// Whether the module should be asked again which tokens are present.
    pub fn take_suspicion(&mut self) -> bool {
        std::mem::take(&mut self.suspect)
    }

    fn certificate(&self, role: KeyRole) -> Result<&Known, TokenError> {
        let wanted = match role {
            KeyRole::Authentication => CertificateRole::Authentication,
            KeyRole::Signature => CertificateRole::Signature,
        };
        self.certificates
            .iter()
            .find(|known| known.token.role == wanted)
            .ok_or(TokenError::NoKey(role))
    }

    /// Asks the module, and follows the login through its answer.
    fn ask<R>(
        &mut self,
        call: impl FnOnce(&dyn Driver, &TokenInfo) -> Result<R, HostError>,
    ) -> Result<R, TokenError> {
        let error = match self.module.ask(|driver| call(driver, &self.info)) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        self.suspect |= error.lost();
        let HostError::Refused { reason, .. } = &error else {
            return Err(error.into());
        };
        Err(match reason {
            Reason::Cancelled => TokenError::PinCancelled,
            Reason::NotLoggedIn => {
                self.login = None;
                TokenError::PinRequired
            }
            Reason::PinIncorrect => TokenError::PinIncorrect { left: None },
            Reason::PinInvalid => TokenError::PinFormat(rules(&self.info)),
            Reason::PinLocked => TokenError::PinBlocked,
            Reason::TokenGone => {
                self.suspect = true;
                TokenError::Removed
            }
            _ => error.into(),
        })
    }

    /// Asks the module anew what it tells of the token: its flags stand for a counter of tries.
    fn refresh(&mut self) -> Result<Tries, TokenError> {
        let tokens = self.ask(|driver, _| driver.tokens(PATIENCE))?;
        let Some(info) = tokens.into_iter().find(|info| info.id == self.info.id) else {
            self.suspect = true;
            return Err(TokenError::Removed);
        };
        self.info = info;
        let tries = tries(&self.info);
        self.tries = Some(tries);
        Ok(tries)
    }

    /// Sends a PIN, or waits for the one typed at the pad.
    fn log_in(&mut self, pin: Option<LockedBuffer>, patience: Duration) -> Result<(), TokenError> {
        let losses = self.module.losses();
        // A refused PIN ends an earlier login.
        self.login = None;
        match self.ask(|driver, info| driver.login(&info.id, pin, patience)) {
            Ok(()) => {
                self.login = Some(losses);
                self.refused = false;
                // All tries are there again; the token was not asked.
                self.tries = None;
                Ok(())
            }
            Err(TokenError::PinIncorrect { .. }) => {
                self.refused = true;
                // What the token tells now is better than nothing; what it does not is unknown.
                let left = self.refresh().ok().and_then(|tries| tries.left);
                Err(TokenError::PinIncorrect { left })
            }
            Err(TokenError::PinBlocked) => {
                self.tries = Some(known(0));
                Err(TokenError::PinBlocked)
            }
            Err(error) => Err(error),
        }
    }

    /// Why a key that should be usable is not.
    fn explain(&mut self, id: &str, role: KeyRole, error: TokenError) -> TokenError {
        let Ok(keys) = self
            .module
            .ask(|driver| driver.keys(&self.info.id, PATIENCE))
        else {
            return error;
        };
        match keys.iter().find(|key| key.id == id) {
            Some(key) if key.always_authenticate => {
                TokenError::Unsupported("a key that wants its PIN for each signature".to_owned())
            }
            Some(_) => error,
            None if error == TokenError::PinRequired => error,
            // Without a login, most tokens show no key.
            None if keys.is_empty() && self.info.login_required => {
                self.login = None;
                TokenError::PinRequired
            }
            None => TokenError::NoKey(role),
        }
    }
}

impl Token for ModuleToken {
    fn certificates(&mut self) -> Result<Vec<TokenCertificate>, TokenError> {
        Ok(self.known_certificates())
    }

    fn pin_entry(&self) -> PinEntry {
        match (self.info.login_required, self.info.protected_path) {
            (false, _) => PinEntry::None,
            (true, true) => PinEntry::Pad,
            (true, false) => PinEntry::Dialog,
        }
    }

    fn changes_pin(&self) -> bool {
        false
    }

    fn pin_rules(&mut self, role: PinRole) -> Result<PinRules, TokenError> {
        match role {
            PinRole::Pin => Ok(rules(&self.info)),
            PinRole::Puk => Err(unsupported("an unblocking code")),
        }
    }

    fn tries(&mut self, role: PinRole) -> Result<Tries, TokenError> {
        match role {
            PinRole::Pin => self.refresh(),
            PinRole::Puk => Err(unsupported("an unblocking code")),
        }
    }

    fn may_be_last(&self, tries: &Tries) -> bool {
        match tries.left {
            Some(left) => left == 1,
            // The flags of PKCS#11 need not be kept by a token (§4.6.2 of 2.40): a PIN refused here
            // counts as much as the flag.
            None => self.info.count_low || self.refused,
        }
    }

    fn unlock(&mut self) -> Result<(), TokenError> {
        match self.pin_entry() {
            PinEntry::None => {
                self.login = Some(self.module.losses());
                Ok(())
            }
            PinEntry::Pad => self.log_in(None, PAD_PATIENCE),
            PinEntry::Dialog => Err(unsupported("a PIN pad")),
        }
    }

    fn verify(&mut self, role: PinRole, pin: &Pin) -> Result<(), TokenError> {
        if role == PinRole::Puk || self.pin_entry() != PinEntry::Dialog {
            return Err(unsupported("such a PIN"));
        }
        let pin = LockedBuffer::holding(pin.typed())
            .map_err(|error| TokenError::Reader(format!("no locked memory: {error}")))?;
        self.log_in(Some(pin), PATIENCE)
    }

    fn change_pin(&mut self, _: &Pin, _: &Pin) -> Result<(), TokenError> {
        Err(unsupported("a change of its PIN"))
    }

    fn unblock_pin(&mut self, _: &Pin, _: &Pin) -> Result<(), TokenError> {
        Err(unsupported("an unblocking code"))
    }

    fn logged_in(&self) -> bool {
        self.login == Some(self.module.losses())
    }

    fn logout(&mut self) {
        self.login = None;
        if self.info.login_required
            && let Err(error) = self.ask(|driver, info| driver.logout(&info.id, PATIENCE))
        {
            // Nothing signs here before the next PIN all the same.
            tracing::warn!(module = %self.module.name, %error, "a token was not logged out");
        }
    }

    fn schemes(&mut self, role: KeyRole) -> Result<Vec<Scheme>, TokenError> {
        let spki = self.certificate(role)?.token.certificate.public_key_spki();
        let ecdsa = match PublicKey::parse(spki) {
            Some(PublicKey::P256 { .. }) => true,
            Some(PublicKey::Rsa { .. }) => false,
            None => return Err(unsupported("keys of this kind")),
        };
        let mut schemes = self.info.schemes.clone();
        schemes.retain(|scheme| scheme.is_ecdsa() == ecdsa);
        Ok(schemes)
    }

    fn sign(
        &mut self,
        role: KeyRole,
        scheme: Scheme,
        digest: &[u8],
    ) -> Result<Vec<u8>, TokenError> {
        let known = self.certificate(role)?;
        let (id, certificate) = (known.id.clone(), Arc::clone(&known.token.certificate));
        if !self.logged_in() {
            return Err(TokenError::PinRequired);
        }
        let signed = self.ask(|driver, info| driver.sign(&info.id, &id, scheme, digest, PATIENCE));
        let signature = match signed {
            Err(error) if explicable(&error) => return Err(self.explain(&id, role, error)),
            signed => signed?,
        };
        let spki = certificate.public_key_spki();
        match cps_verify::verifies(spki, scheme, digest, &signature) {
            true => Ok(signature),
            false => Err(TokenError::SignatureMismatch),
        }
    }

    fn decrypts(&mut self, role: KeyRole) -> Result<bool, TokenError> {
        let spki = self.certificate(role)?.token.certificate.public_key_spki();
        let rsa = matches!(PublicKey::parse(spki), Some(PublicKey::Rsa { .. }));
        Ok(rsa && self.info.decrypts)
    }

    fn decrypt(
        &mut self,
        role: KeyRole,
        cryptogram: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let id = self.certificate(role)?.id.clone();
        if !self.logged_in() {
            return Err(TokenError::PinRequired);
        }
        let opened = self.ask(|driver, info| driver.decrypt(&info.id, &id, cryptogram, PATIENCE));
        opened.map_err(|error| match error {
            TokenError::Module(HostError::Refused {
                reason: Reason::Failed,
                ..
            }) => TokenError::Undecryptable,
            other => other,
        })
    }

    fn data_objects(&mut self) -> Result<Vec<DataObjectInfo>, TokenError> {
        Ok(Vec::new())
    }

    fn data_value(&mut self, label: &str) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        Err(TokenError::NotPresent(label.to_owned()))
    }

    fn card_data(&mut self) -> Result<CardData, TokenError> {
        Ok(CardData::default())
    }

    fn practice(&mut self) -> Result<PracticeData, TokenError> {
        Err(unsupported("practice situations"))
    }

    fn report(&mut self) -> Result<Report, TokenError> {
        Err(unsupported("a report"))
    }
}

/// By key usage, as on a card.
fn assign_roles(certificates: &mut [Known]) {
    let offered = certificates.iter().map(|known| &*known.token.certificate);
    let chosen = select(offered, Timestamp::now());
    for (index, known) in certificates.iter_mut().enumerate() {
        known.token.role = if chosen.authentication == Some(index) {
            CertificateRole::Authentication
        } else if chosen.signature == Some(index) {
            CertificateRole::Signature
        } else {
            CertificateRole::Other
        };
    }
}

/// What the flags tell; a number only where they name one.
fn tries(info: &TokenInfo) -> Tries {
    match (info.locked, info.final_try) {
        (true, _) => known(0),
        (false, true) => known(1),
        (false, false) => Tries {
            left: None,
            max: None,
            verified: false,
        },
    }
}

fn known(left: u8) -> Tries {
    Tries {
        left: Some(left),
        max: None,
        verified: false,
    }
}

fn rules(info: &TokenInfo) -> PinRules {
    let max = usize::from(info.pin_max).clamp(1, LockedBuffer::CAPACITY);
    PinRules {
        min: usize::from(info.pin_min).clamp(1, max),
        max,
        digits_only: false,
    }
}

/// Whether the key itself may be the reason.
fn explicable(error: &TokenError) -> bool {
    let refused = |reason| matches!(reason, Reason::NoKey | Reason::Failed);
    match error {
        TokenError::PinRequired => true,
        TokenError::Module(HostError::Refused { reason, .. }) => refused(*reason),
        _ => false,
    }
}

fn unsupported(what: &str) -> TokenError {
    TokenError::Unsupported(format!("{what} (a token of a PKCS#11 module)"))
}

/// What a call to a module may take; a CPS3 signs in less than a second.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a person may take to type the PIN at a pad.
const PAD_PATIENCE: Duration = Duration::from_secs(120);
