//! The operations.

use std::sync::Arc;

use cps_card::{
    Card, DataEntry, Error, KeyEntry, KeyUse, Kind, Pin, PinRole, Report, Transmit, Tries,
};
use cps_identity::{CardData, Certificate};
use cps_verify::{Scheme, verifies};
use zeroize::Zeroizing;

use super::{Native, NativeToken, data, is_reset};
use crate::readers::Exchange;
use crate::token::{
    CertificateRole, DataObjectInfo, KeyRole, PinRules, PracticeData, Token, TokenCertificate,
    TokenError,
};

impl<'a> NativeToken<'a> {
    /// The card in `native`, reached over `wire`.
    pub fn new(native: &'a mut Native, wire: &'a mut dyn Exchange) -> Self {
        Self { native, wire }
    }

    /// Does something that may be done twice. After a reset it is repeated once; an operation that
    /// needs the PIN is not, because the reset took the login away.
    pub(super) fn attempt<R>(
        &mut self,
        needs_pin: bool,
        mut operation: impl FnMut(&mut Card, &mut dyn Transmit) -> Result<R, Error>,
    ) -> Result<R, TokenError> {
        self.check_card()?;
        let result = operation(&mut self.native.card, self.wire);
        if !is_reset(&result) {
            return Ok(result?);
        }
        self.accept_reset()?;
        match needs_pin {
            true => Err(TokenError::PinRequired),
            false => Ok(operation(&mut self.native.card, self.wire)?),
        }
    }

    /// Does something that must never be done twice by itself.
    fn once<R>(
        &mut self,
        operation: impl FnOnce(&mut Card, &mut dyn Transmit) -> Result<R, Error>,
    ) -> Result<R, TokenError> {
        self.check_card()?;
        let result = operation(&mut self.native.card, self.wire);
        if is_reset(&result) {
            self.accept_reset()?;
        }
        Ok(result?)
    }

    fn accept_reset(&mut self) -> Result<(), TokenError> {
        self.native.after_reset();
        self.wire.reconnect()?;
        self.check_card()
    }

    /// Makes sure after a reset that it is still the same card.
    fn check_card(&mut self) -> Result<(), TokenError> {
        if !self.native.unchecked {
            return Ok(());
        }
        let known = &self.native.card;
        let found = Card::open(known.atr(), self.native.protocol, self.wire)?;
        if found.serial() != known.serial() {
            return Err(TokenError::Removed);
        }
        self.native.unchecked = false;
        Ok(())
    }

    fn all_certificates(&mut self) -> Result<(), TokenError> {
        if self.native.complete {
            return Ok(());
        }
        self.check_card()?;
        match self.native.read_all_certificates(self.wire) {
            Err(TokenError::Reset) => {
                self.accept_reset()?;
                self.native.read_all_certificates(self.wire)
            }
            result => result,
        }
    }

    /// The contactless face has neither PIN nor person's keys nor data.
    fn check_contact(&self) -> Result<(), TokenError> {
        match self.native.card.kind() {
            Kind::Cps3Contactless => Err(TokenError::TechnicalOnly),
            Kind::Cps3 | Kind::Cps4 => Ok(()),
        }
    }

    /// The certificate of a role, with the identifier that pairs it with its key. The others are
    /// not read for it.
    fn certificate(&mut self, role: KeyRole) -> Result<(Vec<u8>, Arc<Certificate>), TokenError> {
        self.check_contact()?;
        if let Some(known) = self.known_certificate(role) {
            return Ok(known);
        }
        self.all_certificates()?;
        self.known_certificate(role).ok_or_else(|| {
            self.native
                .unread
                .clone()
                .unwrap_or(TokenError::NoKey(role))
        })
    }

    fn known_certificate(&self, role: KeyRole) -> Option<(Vec<u8>, Arc<Certificate>)> {
        let role = match role {
            KeyRole::Authentication => CertificateRole::Authentication,
            KeyRole::Signature => CertificateRole::Signature,
        };
        let mut known = self.native.certificates.iter();
        let known = known.find(|known| known.token.role == role)?;
        Some((known.entry.id.clone(), Arc::clone(&known.token.certificate)))
    }

    /// The private key of a role. The card's identifiers pair keys with certificates where several
    /// keys have the same use; the signature itself proves the pair.
    fn key(&mut self, role: KeyRole, certificate_id: &[u8]) -> Result<KeyEntry, TokenError> {
        let key_use = match role {
            KeyRole::Authentication => KeyUse::Authentication,
            KeyRole::Signature => KeyUse::Signature,
        };
        let mut keys = self.attempt(false, |card, wire| card.keys(wire))?;
        keys.retain(|key| key.key_use == key_use);
        let position = keys.iter().position(|key| key.id == certificate_id);
        match position {
            Some(position) => Ok(keys.swap_remove(position)),
            None => keys.into_iter().next().ok_or(TokenError::NoKey(role)),
        }
    }

    /// One signature, checked.
    fn sign_once(
        &mut self,
        key: &KeyEntry,
        certificate: &Certificate,
        scheme: Scheme,
        digest: &[u8],
    ) -> Result<Result<Vec<u8>, Vec<u8>>, TokenError> {
        let way = card_scheme(scheme)
            .ok_or_else(|| TokenError::Unsupported(format!("signatures of {scheme}")))?;
        let signature = self.attempt(key.needs_pin, |card, wire| {
            card.sign(wire, key, way, digest)
        })?;
        let spki = certificate.public_key_spki();
        Ok(match verifies(spki, scheme, digest, &signature) {
            true => Ok(signature),
            false => Err(signature),
        })
    }

    /// Follows the login through the result of a PIN command.
    fn judge(&mut self, role: PinRole, result: Result<(), TokenError>) -> Result<(), TokenError> {
        let tries = |left| Tries {
            left,
            max: self.native.tries.and_then(|tries| tries.max),
            verified: false,
        };
        match (&result, role) {
            (Err(TokenError::PinIncorrect { left }), _) => self.native.tries = Some(tries(*left)),
            (Err(TokenError::PinBlocked), _) => self.native.tries = Some(tries(Some(0))),
            (Ok(()), PinRole::Pin) => self.native.tries = self.native.tries.map(refilled),
            _ => return result,
        }
        // A refused PIN ends an earlier login (ISO 7816-4, VERIFY).
        if result.is_err() {
            self.native.logged_in = false;
        }
        result
    }
}

impl Token for NativeToken<'_> {
    fn certificates(&mut self) -> Result<Vec<TokenCertificate>, TokenError> {
        self.all_certificates()?;
        Ok(self.native.known_certificates())
    }

    fn pin_rules(&mut self, role: PinRole) -> Result<PinRules, TokenError> {
        self.check_contact()?;
        let rules = self.attempt(false, |card, wire| card.pin_rules(wire, role))?;
        Ok((&rules).into())
    }

    fn tries(&mut self, role: PinRole) -> Result<Tries, TokenError> {
        self.check_contact()?;
        let tries = self.attempt(false, |card, wire| card.tries(wire, role))?;
        if role == PinRole::Pin {
            self.native.tries = Some(tries);
        }
        Ok(tries)
    }

    fn verify(&mut self, role: PinRole, pin: &Pin) -> Result<(), TokenError> {
        // Read apart, so that a reset meanwhile does not cost what the person typed.
        self.pin_rules(role)?;
        let result = self.once(|card, wire| card.verify(wire, role, pin));
        let result = self.judge(role, result);
        if result.is_ok() && role == PinRole::Pin {
            self.native.logged_in = true;
        }
        result
    }

    fn change_pin(&mut self, old: &Pin, new: &Pin) -> Result<(), TokenError> {
        self.pin_rules(PinRole::Pin)?;
        let result = self.once(|card, wire| card.change_pin(wire, old, new));
        // Some cards take it for a login; nobody asked for one.
        self.native.logout_requested |= !self.native.logged_in;
        self.judge(PinRole::Pin, result)
    }

    fn unblock_pin(&mut self, puk: &Pin, new: &Pin) -> Result<(), TokenError> {
        self.pin_rules(PinRole::Puk)?;
        self.pin_rules(PinRole::Pin)?;
        let result = self.once(|card, wire| card.unblock_pin(wire, puk, new));
        self.native.logout_requested |= !self.native.logged_in;
        self.judge(PinRole::Pin, result)
    }

    fn logged_in(&self) -> bool {
        self.native.logged_in
    }

    fn logout(&mut self) {
        self.native.logged_in = false;
        self.native.logout_requested = true;
    }

    fn schemes(&mut self, role: KeyRole) -> Result<Vec<Scheme>, TokenError> {
        let (id, _) = self.certificate(role)?;
        let key = self.key(role, &id)?;
        let schemes = self.native.card.schemes(&key);
        Ok(schemes.into_iter().filter_map(seam_scheme).collect())
    }

    fn sign(
        &mut self,
        role: KeyRole,
        scheme: Scheme,
        digest: &[u8],
    ) -> Result<Vec<u8>, TokenError> {
        let (id, certificate) = self.certificate(role)?;
        let key = self.key(role, &id)?;
        if key.needs_pin && !self.native.logged_in {
            return Err(TokenError::PinRequired);
        }
        let mut unfit = None;
        for last in [false, true] {
            match self.sign_once(&key, &certificate, scheme, digest) {
                Ok(Ok(signature)) => return Ok(signature),
                Ok(Err(signature)) => unfit = Some(signature),
                // The reset was noticed: there is no login to try with.
                Err(TokenError::PinRequired) if last || !self.native.logged_in => {
                    self.native.logged_in = false;
                    return Err(TokenError::PinRequired);
                }
                Err(TokenError::PinRequired | TokenError::Refused { .. }) if !last => {}
                Err(error) => return Err(error),
            }
            // Another program may have moved the card to where this key reference is another key.
            self.native.forget_position();
        }
        let Some(signature) = unfit.filter(|_| self.native.from_cache) else {
            return Err(TokenError::SignatureMismatch);
        };
        tracing::warn!(card = %self.native.serial(), "the card does not fit its cached certificate, reading it again");
        self.native.distrust_cache();
        let (_, certificate) = self.certificate(role)?;
        let spki = certificate.public_key_spki();
        match verifies(spki, scheme, digest, &signature) {
            true => Ok(signature),
            false => Err(TokenError::SignatureMismatch),
        }
    }

    fn decrypts(&mut self, role: KeyRole) -> Result<bool, TokenError> {
        let (id, _) = self.certificate(role)?;
        Ok(self.key(role, &id)?.deciphers())
    }

    fn decrypt(
        &mut self,
        role: KeyRole,
        cryptogram: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let (id, _) = self.certificate(role)?;
        let key = self.key(role, &id)?;
        if key.needs_pin && !self.native.logged_in {
            return Err(TokenError::PinRequired);
        }
        for last in [false, true] {
            let decrypted = self.attempt(key.needs_pin, |card, wire| {
                card.decipher(wire, &key, cryptogram)
            });
            match decrypted {
                // The reset was noticed: there is no login to try with.
                Err(TokenError::PinRequired) if last || !self.native.logged_in => {
                    self.native.logged_in = false;
                    return Err(TokenError::PinRequired);
                }
                // Another program may have moved the card to where this key reference is another
                // key. Every bad cryptogram is tried twice, whatever is wrong with it.
                Err(
                    TokenError::PinRequired
                    | TokenError::Refused { .. }
                    | TokenError::Undecryptable,
                ) if !last => self.native.forget_position(),
                result => return result,
            }
        }
        Err(TokenError::Undecryptable)
    }

    fn data_objects(&mut self) -> Result<Vec<DataObjectInfo>, TokenError> {
        let objects = self.attempt(false, |card, wire| card.data_objects(wire))?;
        let info = |object: DataEntry| DataObjectInfo {
            label: object.label,
            private: object.private,
        };
        Ok(objects.into_iter().map(info).collect())
    }

    fn data_value(&mut self, label: &str) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let objects = self.attempt(false, |card, wire| card.data_objects(wire))?;
        let object = objects
            .into_iter()
            .find(|object| object.label == label)
            .ok_or_else(|| TokenError::NotPresent(label.to_owned()))?;
        if object.private && !self.native.logged_in {
            return Err(TokenError::PinRequired);
        }
        let value = self.attempt(object.private, |card, wire| card.read_data(wire, &object));
        if let Err(TokenError::PinRequired) = value {
            self.native.logged_in = false;
        }
        value.map(Zeroizing::new)
    }

    fn card_data(&mut self) -> Result<CardData, TokenError> {
        let objects = self.attempt(false, |card, wire| card.data_objects(wire))?;
        let mut data = CardData::default();
        for object in objects.iter().filter(|object| !object.private) {
            let Some(add) = data::public_object(&object.label) else {
                continue;
            };
            match self.attempt(false, |card, wire| card.read_data(wire, object)) {
                Ok(bytes) => {
                    if let Err(error) = add(&mut data, &bytes) {
                        tracing::warn!(%error, label = object.label, "a data object is not understood");
                    }
                }
                Err(TokenError::NotPresent(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(data)
    }

    fn practice(&mut self) -> Result<PracticeData, TokenError> {
        self.check_contact()?;
        if !self.native.logged_in {
            return Err(TokenError::PinRequired);
        }
        let objects = self.attempt(true, |card, wire| card.data_objects(wire))?;
        let mut practice = PracticeData::default();
        for object in &objects {
            let Some(add) = data::practice_object(&object.label) else {
                continue;
            };
            match self.attempt(true, |card, wire| card.read_data(wire, object)) {
                Ok(bytes) => {
                    if let Err(error) = add(&mut practice, &object.label, &bytes) {
                        tracing::warn!(%error, label = object.label, "a data object is not understood");
                    }
                }
                Err(TokenError::NotPresent(_)) => {}
                Err(error) => {
                    self.native.logged_in &= error != TokenError::PinRequired;
                    return Err(error);
                }
            }
        }
        practice.activities.sort_by_key(|activity| activity.index);
        Ok(practice)
    }

    fn report(&mut self) -> Result<Report, TokenError> {
        self.attempt(false, |card, wire| card.report(wire))
    }
}

/// As the card names it.
fn card_scheme(scheme: Scheme) -> Option<cps_card::Scheme> {
    SCHEMES
        .into_iter()
        .find_map(|(ours, card)| (ours == scheme).then_some(card))
}

/// As the token seam names it.
fn seam_scheme(scheme: cps_card::Scheme) -> Option<Scheme> {
    SCHEMES
        .into_iter()
        .find_map(|(ours, card)| (card == scheme).then_some(ours))
}

/// After a success all tries are there again.
fn refilled(tries: Tries) -> Tries {
    Tries {
        left: tries.max.or(tries.left),
        ..tries
    }
}

/// What a CPS can do. A scheme that is not here is not offered: it could not be checked.
const SCHEMES: [(Scheme, cps_card::Scheme); 6] = [
    (Scheme::Pkcs1Sha1, cps_card::Scheme::Pkcs1Sha1),
    (Scheme::Pkcs1Sha256, cps_card::Scheme::Pkcs1Sha256),
    (Scheme::Pkcs1Sha384, cps_card::Scheme::Pkcs1Sha384),
    (Scheme::Pkcs1Sha512, cps_card::Scheme::Pkcs1Sha512),
    (Scheme::PssSha1, cps_card::Scheme::PssSha1),
    (Scheme::PssSha256, cps_card::Scheme::PssSha256),
];
