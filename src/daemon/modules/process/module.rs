//! The module itself, through `cryptoki`.

use std::collections::BTreeMap;
use std::path::Path;

use cps_verify::{Hash, Scheme};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeType, CertificateType, KeyType, ObjectClass, ObjectHandle,
};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;
use zeroize::Zeroizing;

use super::super::protocol::{
    CERTIFICATE_LIMIT, CERTIFICATES_LIMIT, COUNT_LIMIT, Certificate, Key, KeyKind, Reason, Refusal,
    SIGNATURE_LIMIT, TEXT_LIMIT, TokenId, TokenInfo,
};
use crate::hex::hex;
use crate::prompt::LockedBuffer;

/// A loaded and initialised module.
pub(super) struct Module {
    /// One for each token in use: the login lasts as long as a session is open. Before `library`,
    /// because they close themselves through it.
    sessions: BTreeMap<u64, Session>,
    library: Pkcs11,
}

impl Module {
    pub(super) fn load(path: &Path) -> Result<Self, Refusal> {
        let not_loaded = |error: Error| Refusal {
            reason: Reason::NotLoaded,
            text: text(&error.to_string()),
        };
        let library = Pkcs11::new(path).map_err(not_loaded)?;
        let locking = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        library.initialize(locking).map_err(not_loaded)?;
        Ok(Self {
            sessions: BTreeMap::new(),
            library,
        })
    }

    /// Slots whose token cannot be described, and tokens that were never initialised, are left out.
    pub(super) fn tokens(&mut self) -> Result<Vec<TokenInfo>, Refusal> {
        let slots = self.library.get_slots_with_token().map_err(refused)?;
        let tokens = slots.into_iter().take(COUNT_LIMIT);
        Ok(tokens.filter_map(|slot| self.token_info(slot)).collect())
    }

    fn token_info(&self, slot: Slot) -> Option<TokenInfo> {
        let place = self.library.get_slot_info(slot).ok()?;
        let token = self.library.get_token_info(slot).ok()?;
        let mechanisms = self.library.get_mechanism_list(slot).unwrap_or_default();
        let length = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        token.token_initialized().then(|| TokenInfo {
            id: TokenId {
                slot: slot.id(),
                serial: text(token.serial_number()),
            },
            label: text(token.label()),
            manufacturer: text(token.manufacturer_id()),
            model: text(token.model()),
            slot_description: text(place.slot_description()),
            login_required: token.login_required(),
            protected_path: token.protected_authentication_path(),
            pin_min: length(token.min_pin_length()),
            pin_max: length(token.max_pin_length()),
            count_low: token.user_pin_count_low(),
            final_try: token.user_pin_final_try(),
            locked: token.user_pin_locked(),
            schemes: schemes(&mechanisms).collect(),
            decrypts: mechanisms.contains(&MechanismType::RSA_PKCS),
        })
    }

    pub(super) fn certificates(&mut self, token: &TokenId) -> Result<Vec<Certificate>, Refusal> {
        let template = [
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
        ];
        let wanted = [
            AttributeType::Id,
            AttributeType::Label,
            AttributeType::Value,
        ];
        self.with_session(token, |session| {
            let (mut certificates, mut size) = (Vec::new(), 0);
            for object in find(session, &template)? {
                let mut one = Certificate {
                    id: String::new(),
                    label: String::new(),
                    der: Vec::new(),
                };
                for attribute in session.get_attributes(object, &wanted)? {
                    match attribute {
                        Attribute::Id(id) => one.id = identifier(&id),
                        Attribute::Label(label) => {
                            one.label = text(&String::from_utf8_lossy(&label))
                        }
                        Attribute::Value(der) => one.der = der,
                        _ => {}
                    }
                }
                size += one.der.len();
                let fits = one.der.len() <= CERTIFICATE_LIMIT && size <= CERTIFICATES_LIMIT;
                if fits && !one.der.is_empty() {
                    certificates.push(one);
                }
            }
            Ok(certificates)
        })
    }

    /// Keys without identifier cannot be named, and are left out.
    pub(super) fn keys(&mut self, token: &TokenId) -> Result<Vec<Key>, Refusal> {
        let mechanisms = self.mechanisms(token)?;
        self.with_session(token, |session| {
            let objects = find(session, &[Attribute::Class(ObjectClass::PRIVATE_KEY)])?;
            let keys = objects
                .into_iter()
                .map(|object| describe(session, object, &mechanisms));
            let keys = keys.collect::<Result<Vec<_>, _>>()?;
            Ok(keys.into_iter().flatten().collect())
        })
    }

    fn mechanisms(&self, token: &TokenId) -> Result<Vec<MechanismType>, Refusal> {
        self.library
            .get_mechanism_list(slot(token)?)
            .map_err(refused)
    }

    pub(super) fn login(&mut self, token: &TokenId, pin: Option<&[u8]>) -> Result<(), Refusal> {
        // A session may have outlived its token in a module that does not follow the standard.
        self.expect(token)?;
        self.with_session(token, |session| {
            let state = session.get_session_info()?.session_state();
            if matches!(state, SessionState::RoUser | SessionState::RwUser) {
                session.logout()?;
            }
            match pin {
                Some(pin) => {
                    session.login_with_raw(UserType::User, &RawAuthPin::new(pin.to_vec().into()))
                }
                None => session.login(UserType::User, None),
            }
        })
    }

    /// Without a session there is no login to end.
    pub(super) fn logout(&mut self, token: &TokenId) -> Result<(), Refusal> {
        match self.sessions.remove(&token.slot) {
            Some(session) => match session.logout() {
                Ok(()) | Err(Error::Pkcs11(RvError::UserNotLoggedIn, _)) => Ok(()),
                Err(error) => Err(refused(error)),
            },
            None => Ok(()),
        }
    }

    pub(super) fn sign(
        &mut self,
        token: &TokenId,
        key: &str,
        scheme: Scheme,
        digest: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        if digest.len() != scheme.digest_len() {
            return Err(nonsense("a digest of another length"));
        }
        let signature = self.with_session(token, |session| {
            let kind = if scheme.is_ecdsa() {
                KeyType::EC
            } else {
                KeyType::RSA
            };
            let Some(key) = private_key(session, key, kind)? else {
                return Ok(None);
            };
            let pss = PkcsPssParams {
                hash_alg: hash_mechanism(scheme.hash()),
                mgf: mask_generation(scheme.hash()),
                s_len: (scheme.digest_len() as u64).into(),
            };
            if scheme.is_ecdsa() {
                // FIPS 186-5 §6.4: the leftmost bits, as many as the order of the curve has.
                let digest = digest.get(..P256_LEN).unwrap_or(digest);
                session.sign(&Mechanism::Ecdsa, key, digest)
            } else if scheme.is_pss() {
                session.sign(&Mechanism::RsaPkcsPss(pss), key, digest)
            } else {
                let info = cps_verify::digest_info(scheme.hash(), digest);
                session.sign(&Mechanism::RsaPkcs, key, &info)
            }
            .map(Some)
        })?;
        let signature = signature.ok_or_else(no_key)?;
        if scheme.is_ecdsa() {
            return cps_verify::ecdsa_to_der(&signature)
                .ok_or_else(|| nonsense("a signature of another form"));
        }
        if signature.len() > SIGNATURE_LIMIT {
            return Err(nonsense("a signature of another length"));
        }
        Ok(signature)
    }

    pub(super) fn decrypt(
        &mut self,
        token: &TokenId,
        key: &str,
        cryptogram: &[u8],
    ) -> Result<LockedBuffer, Refusal> {
        let plaintext = self.with_session(token, |session| {
            let Some(key) = private_key(session, key, KeyType::RSA)? else {
                return Ok(None);
            };
            let plaintext = session.decrypt(&Mechanism::RsaPkcs, key, cryptogram)?;
            Ok(Some(Zeroizing::new(plaintext)))
        })?;
        let plaintext = plaintext.ok_or_else(no_key)?;
        LockedBuffer::holding(&plaintext).map_err(|error| nonsense(&error.to_string()))
    }

    /// Does something with the session of a token, opened when there is none. One that failed
    /// because it has ended is forgotten.
    fn with_session<T>(
        &mut self,
        token: &TokenId,
        work: impl FnOnce(&Session) -> Result<T, Error>,
    ) -> Result<T, Refusal> {
        if !self.sessions.contains_key(&token.slot) {
            self.expect(token)?;
        }
        // Taken out, so that it is gone if the work panics.
        let session = match self.sessions.remove(&token.slot) {
            Some(session) => session,
            None => self
                .library
                .open_ro_session(slot(token)?)
                .map_err(refused)?,
        };
        let outcome = work(&session).map_err(refused);
        let ended = |refusal: &Refusal| refusal.reason == Reason::TokenGone;
        if !outcome.as_ref().is_err_and(ended) {
            self.sessions.insert(token.slot, session);
        }
        outcome
    }

    /// Whether the slot holds the token that is meant.
    fn expect(&self, token: &TokenId) -> Result<(), Refusal> {
        let info = self.library.get_token_info(slot(token)?).map_err(refused)?;
        if text(info.serial_number()) != token.serial {
            return Err(Refusal {
                reason: Reason::TokenGone,
                text: "another token is in the slot".to_owned(),
            });
        }
        Ok(())
    }
}

fn slot(token: &TokenId) -> Result<Slot, Refusal> {
    Slot::try_from(token.slot).map_err(refused)
}

/// The first objects that match; a module may pretend to have any number.
fn find(session: &Session, template: &[Attribute]) -> Result<Vec<ObjectHandle>, Error> {
    session.iter_objects(template)?.take(COUNT_LIMIT).collect()
}

fn describe(
    session: &Session,
    object: ObjectHandle,
    mechanisms: &[MechanismType],
) -> Result<Option<Key>, Error> {
    let wanted = [
        AttributeType::AlwaysAuthenticate,
        AttributeType::Decrypt,
        AttributeType::EcParams,
        AttributeType::Id,
        AttributeType::KeyType,
        AttributeType::Sign,
    ];
    let (mut id, mut kind, mut curve) = (String::new(), None, Vec::new());
    let (mut signs, mut decrypts, mut always_authenticate) = (false, false, false);
    for attribute in session.get_attributes(object, &wanted)? {
        match attribute {
            Attribute::AlwaysAuthenticate(value) => always_authenticate = value,
            Attribute::Decrypt(value) => decrypts = value,
            Attribute::EcParams(value) => curve = value,
            Attribute::Id(value) => id = identifier(&value),
            Attribute::KeyType(value) => kind = Some(value),
            Attribute::Sign(value) => signs = value,
            _ => {}
        }
    }
    let kind = match kind {
        Some(KeyType::RSA) => KeyKind::Rsa,
        Some(KeyType::EC) if curve == P256_PARAMETERS => KeyKind::P256,
        _ => return Ok(None),
    };
    if id.is_empty() {
        return Ok(None);
    }
    let fits = |scheme: &Scheme| signs && scheme.is_ecdsa() == (kind == KeyKind::P256);
    Ok(Some(Key {
        id,
        kind,
        schemes: schemes(mechanisms).filter(fits).collect(),
        decrypts: decrypts && kind == KeyKind::Rsa && mechanisms.contains(&MechanismType::RSA_PKCS),
        always_authenticate,
    }))
}

/// The ways to sign that these mechanisms allow, whatever the key.
fn schemes(mechanisms: &[MechanismType]) -> impl Iterator<Item = Scheme> {
    SCHEMES.into_iter().filter(|scheme| {
        let mechanism = if scheme.is_ecdsa() {
            MechanismType::ECDSA
        } else if scheme.is_pss() {
            MechanismType::RSA_PKCS_PSS
        } else {
            MechanismType::RSA_PKCS
        };
        mechanisms.contains(&mechanism)
    })
}

fn private_key(session: &Session, id: &str, kind: KeyType) -> Result<Option<ObjectHandle>, Error> {
    let template = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(kind),
    ];
    for object in find(session, &template)? {
        let attributes = session.get_attributes(object, &[AttributeType::Id])?;
        let named = |attribute: &Attribute| matches!(attribute, Attribute::Id(value) if identifier(value) == id);
        if attributes.iter().any(named) {
            return Ok(Some(object));
        }
    }
    Ok(None)
}

/// Too long an identifier is none.
fn identifier(id: &[u8]) -> String {
    if id.len() * 2 > TEXT_LIMIT {
        return String::new();
    }
    hex(id)
}

/// Printable and short; the same text always gives the same.
pub(super) fn text(from: &str) -> String {
    let mut text: String = from
        .chars()
        .map(|char| if char.is_control() { '?' } else { char })
        .collect();
    text.truncate(text.floor_char_boundary(TEXT_LIMIT));
    text
}

fn refused(error: Error) -> Refusal {
    let reason = match error {
        Error::Pkcs11(code, _) => match code {
            RvError::FunctionCanceled => Reason::Cancelled,
            RvError::KeyHandleInvalid
            | RvError::KeyTypeInconsistent
            | RvError::KeyFunctionNotPermitted
            | RvError::MechanismInvalid
            | RvError::MechanismParamInvalid => Reason::NoKey,
            RvError::PinIncorrect => Reason::PinIncorrect,
            RvError::PinInvalid | RvError::PinLenRange => Reason::PinInvalid,
            RvError::PinLocked => Reason::PinLocked,
            RvError::DeviceRemoved
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::SlotIdInvalid
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized => Reason::TokenGone,
            RvError::UserNotLoggedIn => Reason::NotLoggedIn,
            _ => Reason::Failed,
        },
        _ => Reason::Failed,
    };
    let told = match error {
        // The sentences of the standard that `Display` gives are of no help in a log.
        Error::Pkcs11(code, function) => format!("{function}: {code:?}"),
        other => other.to_string(),
    };
    Refusal {
        reason,
        text: text(&told),
    }
}

fn nonsense(what: &str) -> Refusal {
    Refusal {
        reason: Reason::Failed,
        text: text(what),
    }
}

fn no_key() -> Refusal {
    Refusal {
        reason: Reason::NoKey,
        text: "no such key".to_owned(),
    }
}

fn hash_mechanism(hash: Hash) -> MechanismType {
    match hash {
        Hash::Sha1 => MechanismType::SHA1,
        Hash::Sha256 => MechanismType::SHA256,
        Hash::Sha384 => MechanismType::SHA384,
        Hash::Sha512 => MechanismType::SHA512,
    }
}

fn mask_generation(hash: Hash) -> PkcsMgfType {
    match hash {
        Hash::Sha1 => PkcsMgfType::MGF1_SHA1,
        Hash::Sha256 => PkcsMgfType::MGF1_SHA256,
        Hash::Sha384 => PkcsMgfType::MGF1_SHA384,
        Hash::Sha512 => PkcsMgfType::MGF1_SHA512,
    }
}

/// All of them, in the order in which they are told.
const SCHEMES: [Scheme; 11] = [
    Scheme::EcdsaSha256,
    Scheme::EcdsaSha384,
    Scheme::EcdsaSha512,
    Scheme::Pkcs1Sha256,
    Scheme::Pkcs1Sha384,
    Scheme::Pkcs1Sha512,
    Scheme::Pkcs1Sha1,
    Scheme::PssSha256,
    Scheme::PssSha384,
    Scheme::PssSha512,
    Scheme::PssSha1,
];

/// `CKA_EC_PARAMS` of P-256: its object identifier, 1.2.840.10045.3.1.7.
const P256_PARAMETERS: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

/// Length in bytes of the order of P-256.
const P256_LEN: usize = 32;
