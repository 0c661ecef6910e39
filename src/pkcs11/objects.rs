//! The objects of a token, built from what the daemon says of it.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cps_api::types::{ModuleLogin, ObjectKey, ObjectToken};
use cps_verify::{Hash, Hasher, PublicKey, Scheme};
use cryptoki_sys::{
    CK_ATTRIBUTE_TYPE, CK_OBJECT_CLASS, CK_OBJECT_HANDLE, CK_TRUE, CK_ULONG, CKA_PRIVATE,
    CKO_CERTIFICATE, CKO_DATA, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY,
};

use crate::attributes::{Attribute, Attributes};
use crate::certificate::Certificate;
use crate::schemes;

/// An object of a token.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// The same as long as the token holds the object, also across restarts of the daemon.
    pub(crate) handle: CK_OBJECT_HANDLE,
    /// Whether it is shown only to a program that logged in.
    pub(crate) private: bool,
    attributes: Attributes,
    key: Option<Key>,
}

impl Object {
    /// What the object says of one attribute.
    pub(crate) fn attribute(&self, kind: CK_ATTRIBUTE_TYPE) -> Attribute<'_> {
        self.attributes.attribute(kind)
    }

    /// Whether the object has every one of these values (`C_FindObjectsInit`). Those that it does
    /// not show match nothing, lest they be found by guessing.
    pub(crate) fn matches(&self, template: &[(CK_ATTRIBUTE_TYPE, &[u8])]) -> bool {
        template
            .iter()
            .all(|(kind, value)| self.attribute(*kind) == Attribute::Value(value))
    }

    /// The half of a key pair that this object is; `None` for other objects.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }
}

/// One half of a key pair.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Names the key to the daemon, which gives it another id when it starts anew: not to be kept.
    pub(crate) id: String,
    /// DER `SubjectPublicKeyInfo`.
    pub(crate) spki: Vec<u8>,
    pub(crate) kind: KeyType,
    /// Size of the modulus, or of the curve's order.
    pub(crate) bits: CK_ULONG,
    /// Whether this is the private half.
    pub(crate) is_private: bool,
    pub(crate) schemes: Vec<Scheme>,
    /// Whether it opens RSAES-PKCS1-v1_5.
    pub(crate) decrypts: bool,
    pub(crate) always_authenticate: bool,
}

impl Key {
    /// `None` for a kind of key that PKCS#11 hosts cannot be told about here.
    fn new(key: &ObjectKey, is_private: bool) -> Option<Self> {
        let spki = BASE64_STANDARD.decode(&key.spki).ok()?;
        let public = PublicKey::parse(&spki)?;
        let bits = public.bits() as CK_ULONG;
        let kind = match public {
            PublicKey::P256 { point } => KeyType::P256 {
                point: point.to_vec(),
            },
            PublicKey::Rsa { modulus, exponent } => KeyType::Rsa {
                modulus: modulus.to_vec(),
                exponent: exponent.to_vec(),
            },
        };
        let is_ecdsa = matches!(kind, KeyType::P256 { .. });
        let schemes = key.schemes.iter().copied().filter_map(schemes::from_wire);
        Some(Self {
            id: key.id.clone(),
            spki,
            bits,
            is_private,
            schemes: schemes
                .filter(|scheme| scheme.is_ecdsa() == is_ecdsa)
                .collect(),
            decrypts: key.decrypts && !is_ecdsa,
            always_authenticate: key.always_authenticate,
            kind,
        })
    }

    /// Whether it signs, or checks signatures, in this way.
    pub(crate) fn offers(&self, scheme: Scheme) -> bool {
        self.schemes.contains(&scheme)
    }

    /// Length of a signature as PKCS#11 gives it, and of a cryptogram.
    pub(crate) fn block_len(&self) -> usize {
        match &self.kind {
            KeyType::P256 { .. } => 64,
            KeyType::Rsa { modulus, .. } => modulus.len(),
        }
    }
}

/// The public numbers of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum KeyType {
    /// A key on P-256: the point.
    P256 { point: Vec<u8> },
    /// An RSA key: big-endian, no leading zero.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

/// The objects of a token, as a face with or without login shows them. What cannot be understood
/// is left out.
pub(crate) fn objects(token: &ObjectToken, login: ModuleLogin) -> Vec<Object> {
    let login = login == ModuleLogin::ProtectedPath;
    let mut shelf = Shelf::new(token);
    let certificates: Vec<Vec<u8>> = token
        .certificates
        .iter()
        .map(|certificate| BASE64_STANDARD.decode(&certificate.der).unwrap_or_default())
        .collect();
    let parsed: Vec<Option<Certificate<'_>>> = certificates
        .iter()
        .map(|der| Certificate::parse(der))
        .collect();
    for ((certificate, der), fields) in token.certificates.iter().zip(&certificates).zip(&parsed) {
        let Some(fields) = fields else {
            continue;
        };
        let attributes =
            Attributes::certificate(der, fields, &certificate.label, certificate.authority);
        shelf.add(CKO_CERTIFICATE, der, attributes, None);
    }
    for key in &token.keys {
        for is_private in [true, false] {
            let Some(half) = Key::new(key, is_private) else {
                continue;
            };
            let subject = parsed
                .iter()
                .flatten()
                .find(|fields| fields.spki == half.spki)
                .map_or(&[][..], |fields| fields.subject);
            let (class, attributes) = match is_private {
                true => (
                    CKO_PRIVATE_KEY,
                    Attributes::private_key(&half, &key.label, subject, login),
                ),
                false => (
                    CKO_PUBLIC_KEY,
                    Attributes::public_key(&half, &key.label, subject),
                ),
            };
            shelf.add(class, &half.spki.clone(), attributes, Some(half));
        }
    }
    for data in &token.data {
        let attributes = Attributes::data(&data.id, &data.label, login && data.private);
        shelf.add(CKO_DATA, data.label.as_bytes(), attributes, None);
    }
    shelf.objects
}

/// Where the objects of a token are put.
struct Shelf<'a> {
    token: &'a ObjectToken,
    taken: BTreeSet<CK_OBJECT_HANDLE>,
    objects: Vec<Object>,
}

impl<'a> Shelf<'a> {
    fn new(token: &'a ObjectToken) -> Self {
        Self {
            token,
            taken: BTreeSet::new(),
            objects: Vec::new(),
        }
    }

    /// The handle comes from what the object is and not from its place in the daemon's answer, so
    /// that it outlives a restart of the daemon and objects that come and go with the login.
    fn add(
        &mut self,
        class: CK_OBJECT_CLASS,
        content: &[u8],
        attributes: Attributes,
        key: Option<Key>,
    ) {
        let mut hasher = Hasher::new(Hash::Sha256);
        hasher.update(self.token.card.as_bytes());
        hasher.update(&[self.token.pair as u8]);
        hasher.update(&class.to_be_bytes());
        hasher.update(content);
        let identity = hasher.finish();
        let start = identity.first_chunk().copied().unwrap_or_default();
        // Positive also for a host that keeps handles in 32 bits with a sign; zero is no handle.
        let mut handle = CK_OBJECT_HANDLE::from(u32::from_be_bytes(start) >> 1).max(1);
        while !self.taken.insert(handle) {
            handle = handle % MAX_HANDLE + 1;
        }
        self.objects.push(Object {
            handle,
            private: attributes.attribute(CKA_PRIVATE) == Attribute::Value(&[CK_TRUE]),
            attributes: attributes.with_unique_id(&identity),
            key,
        });
    }
}

const MAX_HANDLE: CK_OBJECT_HANDLE = 0x7FFF_FFFF;

#[cfg(test)]
mod tests;
