//! Attributes of each class of object, as the bytes that PKCS#11 shows (2.40, §4 and §2 of its
//! mechanisms).

use std::collections::BTreeMap;

use cps_verify::{Hash, PublicKey};
use cryptoki_sys as ck;
use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_BBOOL, CK_ULONG};

use crate::certificate::Certificate;
use crate::objects::{Key, KeyType};

/// What becomes of a question for one attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Attribute<'a> {
    /// The value of the data object of this id, which the daemon holds.
    Fetch(&'a str),
    /// The object has it and does not show it: `CKR_ATTRIBUTE_SENSITIVE`.
    Sensitive,
    /// This object has no such attribute: `CKR_ATTRIBUTE_TYPE_INVALID`.
    Unknown,
    /// Its value.
    Value(&'a [u8]),
}

/// The attributes of one object.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    values: BTreeMap<CK_ATTRIBUTE_TYPE, Vec<u8>>,
    sensitive: &'static [CK_ATTRIBUTE_TYPE],
    /// Where `CKA_VALUE` is to be asked for.
    fetched: Option<String>,
}

impl Attributes {
    /// An X.509 certificate (§4.6.3).
    pub(crate) fn certificate(
        der: &[u8],
        fields: &Certificate<'_>,
        label: &str,
        authority: bool,
    ) -> Self {
        let category = match authority {
            true => ck::CK_CERTIFICATE_CATEGORY_AUTHORITY,
            false => ck::CK_CERTIFICATE_CATEGORY_TOKEN_USER,
        };
        let [first, last] = fields.days;
        Self::new(ck::CKO_CERTIFICATE, label)
            .number(ck::CKA_CERTIFICATE_TYPE, ck::CKC_X_509)
            .flag(ck::CKA_TRUSTED, false)
            .number(ck::CKA_CERTIFICATE_CATEGORY, category)
            // The first three bytes of the SHA-1 of the value (§4.6.2).
            .bytes(ck::CKA_CHECK_VALUE, &Hash::Sha1.digest(der)[..3])
            .bytes(ck::CKA_START_DATE, &first)
            .bytes(ck::CKA_END_DATE, &last)
            .bytes(ck::CKA_PUBLIC_KEY_INFO, fields.spki)
            .bytes(ck::CKA_SUBJECT, fields.subject)
            .bytes(ck::CKA_ID, &key_id(fields.spki))
            .bytes(ck::CKA_ISSUER, fields.issuer)
            .bytes(ck::CKA_SERIAL_NUMBER, fields.serial)
            .bytes(ck::CKA_VALUE, der)
            .bytes(ck::CKA_URL, &[])
            .bytes(ck::CKA_HASH_OF_SUBJECT_PUBLIC_KEY, &[])
            .bytes(ck::CKA_HASH_OF_ISSUER_PUBLIC_KEY, &[])
            .number(ck::CKA_NAME_HASH_ALGORITHM, ck::CKM_SHA_1)
            .number(
                ck::CKA_JAVA_MIDP_SECURITY_DOMAIN,
                ck::CK_SECURITY_DOMAIN_UNSPECIFIED,
            )
    }

    /// A public key (§4.8).
    pub(crate) fn public_key(key: &Key, label: &str, subject: &[u8]) -> Self {
        Self::new(ck::CKO_PUBLIC_KEY, label)
            .key(key, subject, ck::CKF_VERIFY | ck::CKF_ENCRYPT)
            .flag(ck::CKA_ENCRYPT, key.decrypts)
            .flag(ck::CKA_VERIFY, !key.schemes.is_empty())
            .flag(ck::CKA_VERIFY_RECOVER, false)
            .flag(ck::CKA_WRAP, false)
            .flag(ck::CKA_TRUSTED, false)
            .bytes(ck::CKA_WRAP_TEMPLATE, &[])
    }

    /// A private key (§4.9). How it came on the card is not known, so nothing is claimed of its
    /// past. With `login` it is hidden until the program logs in.
    pub(crate) fn private_key(key: &Key, label: &str, subject: &[u8], login: bool) -> Self {
        let mut attributes = Self::new(ck::CKO_PRIVATE_KEY, label)
            .key(key, subject, ck::CKF_SIGN | ck::CKF_DECRYPT)
            .flag(ck::CKA_PRIVATE, login)
            .flag(ck::CKA_SENSITIVE, true)
            .flag(ck::CKA_DECRYPT, key.decrypts)
            .flag(ck::CKA_SIGN, !key.schemes.is_empty())
            .flag(ck::CKA_SIGN_RECOVER, false)
            .flag(ck::CKA_UNWRAP, false)
            .flag(ck::CKA_EXTRACTABLE, false)
            .flag(ck::CKA_ALWAYS_SENSITIVE, false)
            .flag(ck::CKA_NEVER_EXTRACTABLE, false)
            .flag(ck::CKA_WRAP_WITH_TRUSTED, false)
            // Where programs do not log in, they must not ask for a PIN either.
            .flag(
                ck::CKA_ALWAYS_AUTHENTICATE,
                login && key.always_authenticate,
            )
            .bytes(ck::CKA_UNWRAP_TEMPLATE, &[]);
        attributes.sensitive = match key.kind {
            KeyType::P256 { .. } => &[ck::CKA_VALUE],
            KeyType::Rsa { .. } => &SECRETS_OF_RSA,
        };
        attributes
    }

    /// A data object (§4.5), whose value is asked of the daemon under `id`.
    pub(crate) fn data(id: &str, label: &str, private: bool) -> Self {
        let mut attributes = Self::new(ck::CKO_DATA, label)
            .flag(ck::CKA_PRIVATE, private)
            .bytes(ck::CKA_APPLICATION, &[])
            .bytes(ck::CKA_OBJECT_ID, &[]);
        attributes.fetched = Some(id.to_owned());
        attributes
    }

    /// Adds the identifier that no other object has (3.0, §4.4.1), made of these bytes.
    pub(crate) fn with_unique_id(self, identity: &[u8]) -> Self {
        let text: String = identity.iter().map(|byte| format!("{byte:02x}")).collect();
        self.bytes(ck::CKA_UNIQUE_ID, text.as_bytes())
    }

    /// What the object says of one attribute.
    pub(crate) fn attribute(&self, kind: CK_ATTRIBUTE_TYPE) -> Attribute<'_> {
        match (self.values.get(&kind), &self.fetched) {
            (Some(value), _) => Attribute::Value(value),
            (None, Some(id)) if kind == ck::CKA_VALUE => Attribute::Fetch(id),
            _ if self.sensitive.contains(&kind) => Attribute::Sensitive,
            _ => Attribute::Unknown,
        }
    }

    /// What all objects have (§4.4): they are on the token, and nobody changes them.
    fn new(class: CK_ULONG, label: &str) -> Self {
        let empty = Self {
            values: BTreeMap::new(),
            sensitive: &[],
            fetched: None,
        };
        empty
            .number(ck::CKA_CLASS, class)
            .flag(ck::CKA_TOKEN, true)
            .flag(ck::CKA_PRIVATE, false)
            .flag(ck::CKA_MODIFIABLE, false)
            .flag(ck::CKA_COPYABLE, false)
            .flag(ck::CKA_DESTROYABLE, false)
            .bytes(ck::CKA_LABEL, label.as_bytes())
    }

    /// What both halves of a pair have (§4.7, and §2.1.2, §2.3.3 of the mechanisms). `uses` are
    /// the flags of the mechanisms allowed for this half.
    fn key(self, key: &Key, subject: &[u8], uses: ck::CK_FLAGS) -> Self {
        let allowed: Vec<u8> = key
            .mechanisms()
            .iter()
            .filter(|(_, info)| info.flags & uses != 0)
            .flat_map(|(kind, _)| kind.to_ne_bytes())
            .collect();
        let attributes = self
            .bytes(ck::CKA_ID, &key_id(&key.spki))
            .bytes(ck::CKA_START_DATE, &[])
            .bytes(ck::CKA_END_DATE, &[])
            .flag(ck::CKA_DERIVE, false)
            .flag(ck::CKA_LOCAL, false)
            .number(ck::CKA_KEY_GEN_MECHANISM, ck::CK_UNAVAILABLE_INFORMATION)
            .bytes(ck::CKA_ALLOWED_MECHANISMS, &allowed)
            .bytes(ck::CKA_SUBJECT, subject)
            .bytes(ck::CKA_PUBLIC_KEY_INFO, &key.spki);
        match &key.kind {
            KeyType::P256 { point } => attributes
                .number(ck::CKA_KEY_TYPE, ck::CKK_EC)
                .bytes(ck::CKA_EC_PARAMS, PRIME256V1)
                .bytes(ck::CKA_EC_POINT, &octet_string(point)),
            KeyType::Rsa { modulus, exponent } => attributes
                .number(ck::CKA_KEY_TYPE, ck::CKK_RSA)
                .bytes(ck::CKA_MODULUS, modulus)
                // The standard has it in public keys; pkcs11-tool asks private ones too.
                .number(ck::CKA_MODULUS_BITS, key.bits)
                .bytes(ck::CKA_PUBLIC_EXPONENT, exponent),
        }
    }

    fn bytes(mut self, kind: CK_ATTRIBUTE_TYPE, value: &[u8]) -> Self {
        self.values.insert(kind, value.to_vec());
        self
    }

    fn flag(self, kind: CK_ATTRIBUTE_TYPE, value: bool) -> Self {
        self.bytes(kind, &[CK_BBOOL::from(value)])
    }

    fn number(self, kind: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> Self {
        self.bytes(kind, &value.to_ne_bytes())
    }
}

/// `CKA_ID`, the same for both halves of a pair and for its certificate: the SHA-1 of the modulus
/// or of the point, as hosts make it themselves.
fn key_id(spki: &[u8]) -> Vec<u8> {
    Hash::Sha1.digest(match PublicKey::parse(spki) {
        Some(PublicKey::P256 { point }) => point,
        Some(PublicKey::Rsa { modulus, .. }) => modulus,
        None => spki,
    })
}

/// DER of an `OCTET STRING` of less than 128 bytes, in which `CKA_EC_POINT` wraps the point.
fn octet_string(value: &[u8]) -> Vec<u8> {
    [&[0x04, value.len() as u8], value].concat()
}

/// DER of the curve's object identifier, 1.2.840.10045.3.1.7.
const PRIME256V1: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

const SECRETS_OF_RSA: [CK_ATTRIBUTE_TYPE; 6] = [
    ck::CKA_PRIVATE_EXPONENT,
    ck::CKA_PRIME_1,
    ck::CKA_PRIME_2,
    ck::CKA_EXPONENT_1,
    ck::CKA_EXPONENT_2,
    ck::CKA_COEFFICIENT,
];
