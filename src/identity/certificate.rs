//! X.509 certificates as IGC-Santé and the PKIs before it issue them.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use x509_cert::time::Time;

use crate::Name;
use crate::name::{attribute, elements};

mod extensions;
mod fingerprint;

pub(crate) use extensions::{Extensions, purposes};
pub(crate) use fingerprint::decode_hex;
pub use fingerprint::{Fingerprint, InvalidFingerprint};

/// A parsed certificate that keeps its original bytes.
///
/// Signatures are verified and names compared on these bytes only: certificates of the old PKI
/// do not survive a re-encoding. Parsing proves nothing about trust, see [`crate::Trust`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    der: Vec<u8>,
    serial: Vec<u8>,
    signature_algorithm: ObjectIdentifier,
    issuer: Name,
    not_before: Timestamp,
    not_after: Timestamp,
    subject: Name,
    spki: Vec<u8>,
    rsa_bits: Option<usize>,
    extensions: Extensions,
}

impl Certificate {
    /// Parses a DER certificate (RFC 5280 §4.1), at most 64 kB.
    ///
    /// Unsorted SETs, TeletexString, SHA-1 and short keys are accepted: reading is not trusting.
    ///
    /// # Errors
    ///
    /// Not DER, trailing bytes, a version other than 3, a duplicated extension, or a standard
    /// extension that decides usage and cannot be decoded.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidCertificate> {
        if der.len() > MAX_CERTIFICATE {
            return Err(InvalidCertificate::new("longer than 65535 bytes"));
        }
        let outer = sequence(der, "not a DER SEQUENCE")?;
        let [tbs, _, signature] = elements(outer.value())
            .map_err(|_| InvalidCertificate::new("broken outer SEQUENCE"))?[..]
        else {
            return Err(InvalidCertificate::new("not three fields"));
        };
        if tbs.tag() != Tag::Sequence || signature.decode_as::<BitStringRef<'_>>().is_err() {
            return Err(InvalidCertificate::new(
                "signature or content of the wrong type",
            ));
        }
        Self::from_tbs(der, tbs.value())
    }

    /// The original DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Name of the holder; its `Display` is RFC 4514 text.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// Name of the issuing authority.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Original DER of the subject.
    pub fn subject_raw(&self) -> &[u8] {
        self.subject.as_der()
    }

    /// Original DER of the issuer.
    pub fn issuer_raw(&self) -> &[u8] {
        self.issuer.as_der()
    }

    /// Content octets of the serial number, big-endian two's complement.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Lower-case hexadecimal of the serial number, without the sign octet.
    pub fn serial_hex(&self) -> String {
        let octets = match self.serial.as_slice() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            octets => octets,
        };
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Start of validity.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// End of validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// DER of the SubjectPublicKeyInfo. Bind certificates to keys by it, never by label.
    pub fn public_key_spki(&self) -> &[u8] {
        &self.spki
    }

    /// Size of the RSA modulus in bits; `None` for another algorithm.
    pub fn rsa_bits(&self) -> Option<usize> {
        self.rsa_bits
    }

    /// SHA-256 of the DER.
    pub fn fingerprint_sha256(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(&self.der).into())
    }

    /// Subject key identifier.
    pub fn key_id(&self) -> Option<&[u8]> {
        self.extensions.subject_key_id.as_deref()
    }

    /// Authority key identifier.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.extensions.authority_key_id.as_deref()
    }

    /// What the certificate may be used for.
    pub fn usage(&self) -> CertificateUse {
        let extensions = &self.extensions;
        if self.is_authority() {
            CertificateUse::Authority
        } else if extensions.has_purpose(purposes::SERVER_AUTH) {
            CertificateUse::Server
        } else if extensions.non_repudiation() && !extensions.has_purpose(purposes::CLIENT_AUTH) {
            CertificateUse::Signature
        } else if extensions.digital_signature()
            && !extensions.non_repudiation()
            && extensions.has_purpose(purposes::CLIENT_AUTH)
        {
            CertificateUse::Authentication
        } else {
            CertificateUse::Other
        }
    }

    /// A certification authority: BasicConstraints say so and KeyUsage does not forbid it.
    pub fn is_authority(&self) -> bool {
        self.extensions.authority && self.extensions.may_sign_certificates()
    }

    /// Issuer and subject are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// A test product: category 80 or above in table G01, or an issuer whose name says TEST.
    pub fn is_test(&self) -> bool {
        let category = self.extensions.product_category;
        category.is_some_and(|category| category >= 0x80)
            || [
                attribute::ORGANIZATION,
                attribute::UNIT,
                attribute::COMMON_NAME,
            ]
            .into_iter()
            .flat_map(|kind| self.issuer.all(kind))
            .any(says_test)
    }

    /// From the PKIs closed in January 2021: SHA-1 or MD5 signature, RSA under 2048 bits, or an
    /// issuer of the GIP-CPS. Shown, never used.
    pub fn is_obsolete(&self) -> bool {
        OBSOLETE_SIGNATURES.contains(&self.signature_algorithm)
            || self.rsa_bits.is_some_and(|bits| bits < 2048)
            || self
                .issuer
                .attributes()
                .any(|attribute| attribute.value.starts_with("GIP-CPS"))
    }

    /// Addresses of the revocation list, `http` and `https` only.
    pub fn crl_urls(&self) -> &[String] {
        &self.extensions.crl_urls
    }

    /// When the private key may sign.
    pub fn private_key_usage_period(&self) -> Option<KeyPeriod> {
        self.extensions.key_period
    }

    /// User principal name of the subject alternative name, `<national id>@carte-cps.fr`.
    pub fn upn(&self) -> Option<&str> {
        self.extensions.upn.as_deref()
    }

    /// DNS names of the subject alternative name.
    pub fn dns_names(&self) -> &[String] {
        &self.extensions.dns_names
    }

    /// Card number, `<issuer, 10 digits>/<card, 10 digits>`.
    pub fn card_number(&self) -> Option<&str> {
        self.extensions.card_number.as_deref()
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    fn from_tbs(der: &[u8], tbs: &[u8]) -> Result<Self, InvalidCertificate> {
        let broken = |what| move |_: der::Error| InvalidCertificate { what };
        let mut reader = SliceReader::new(tbs).map_err(broken("content"))?;
        if reader.tlv_bytes().map_err(broken("version"))? != VERSION_3 {
            return Err(InvalidCertificate::new("not a version 3 certificate"));
        }
        let serial = AnyRef::decode(&mut reader).map_err(broken("serial number"))?;
        if serial.tag() != Tag::Integer || serial.value().len() > MAX_SERIAL {
            return Err(InvalidCertificate::new("serial number"));
        }
        let algorithm = AnyRef::decode(&mut reader).map_err(broken("signature algorithm"))?;
        let issuer = reader.tlv_bytes().map_err(broken("issuer"))?;
        let validity = AnyRef::decode(&mut reader).map_err(broken("validity"))?;
        let subject = reader.tlv_bytes().map_err(broken("subject"))?;
        let spki = reader.tlv_bytes().map_err(broken("public key"))?;
        let mut extensions = Extensions::default();
        while !reader.is_finished() {
            let optional = reader.tlv_bytes().map_err(broken("extensions"))?;
            // [1] and [2], the unique identifiers, are read over; [3] holds the extensions.
            if optional.first() == Some(&0xA3) {
                let field = AnyRef::from_der(optional).map_err(broken("extensions"))?;
                extensions = Extensions::from_der(field.value())?;
            }
        }
        let (not_before, not_after) = validity_of(validity)?;
        Ok(Self {
            der: der.to_vec(),
            serial: serial.value().to_vec(),
            signature_algorithm: algorithm_of(algorithm)
                .ok_or(InvalidCertificate::new("signature algorithm"))?,
            issuer: Name::from_der(issuer).map_err(|_| InvalidCertificate::new("issuer"))?,
            not_before,
            not_after,
            subject: Name::from_der(subject).map_err(|_| InvalidCertificate::new("subject"))?,
            spki: spki.to_vec(),
            rsa_bits: rsa_bits(spki)?,
            extensions,
        })
    }
}

/// What a certificate is for, from KeyUsage, ExtendedKeyUsage and BasicConstraints.
///
/// A contactless technical certificate is told by the card's label, not by the certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CertificateUse {
    /// Client authentication.
    Authentication,
    /// A certification authority.
    Authority,
    /// None of the others.
    Other,
    /// TLS server.
    Server,
    /// Signature with content commitment.
    Signature,
}

impl CertificateUse {
    /// Stable lower-case name, for interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Authority => "authority",
            Self::Other => "other",
            Self::Server => "server",
            Self::Signature => "signature",
        }
    }
}

/// PrivateKeyUsagePeriod (RFC 3280 §4.2.1.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyPeriod {
    /// The key may not sign before.
    pub not_before: Option<Timestamp>,
    /// The key may not sign after.
    pub not_after: Option<Timestamp>,
}

/// The bytes are not a certificate this crate can read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed certificate: {what}")]
#[non_exhaustive]
pub struct InvalidCertificate {
    /// The part that cannot be read.
    pub what: &'static str,
}

impl InvalidCertificate {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what }
    }
}

/// Seconds precision is what X.509 has; der's dates all lie within jiff's range.
pub(crate) fn timestamp(time: Time) -> Option<Timestamp> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
    Timestamp::from_second(seconds).ok()
}

fn sequence<'a>(der: &'a [u8], what: &'static str) -> Result<AnyRef<'a>, InvalidCertificate> {
    let any = AnyRef::from_der(der).map_err(|_| InvalidCertificate { what })?;
    match any.tag() {
        Tag::Sequence => Ok(any),
        _ => Err(InvalidCertificate { what }),
    }
}

fn algorithm_of(identifier: AnyRef<'_>) -> Option<ObjectIdentifier> {
    elements(identifier.value()).ok()?.first()?.decode_as().ok()
}

fn validity_of(validity: AnyRef<'_>) -> Result<(Timestamp, Timestamp), InvalidCertificate> {
    let broken = InvalidCertificate::new("validity");
    let fields = elements(validity.value()).map_err(|_| broken.clone())?;
    let [not_before, not_after] = fields[..] else {
        return Err(broken);
    };
    let date = |any: AnyRef<'_>| match any.tag() {
        Tag::UtcTime => any.decode_as().ok().map(Time::UtcTime).and_then(timestamp),
        Tag::GeneralizedTime => any
            .decode_as()
            .ok()
            .map(Time::GeneralTime)
            .and_then(timestamp),
        _ => None,
    };
    match (date(not_before), date(not_after)) {
        (Some(not_before), Some(not_after)) => Ok((not_before, not_after)),
        _ => Err(broken),
    }
}

/// Bits of the modulus when the key is RSA (RFC 3279 §2.3.1).
fn rsa_bits(spki: &[u8]) -> Result<Option<usize>, InvalidCertificate> {
    let broken = || InvalidCertificate::new("public key");
    let outer = sequence(spki, "public key")?;
    let [algorithm, key] = elements(outer.value()).map_err(|_| broken())?[..] else {
        return Err(broken());
    };
    if algorithm_of(algorithm).ok_or_else(broken)? != RSA_ENCRYPTION {
        return Ok(None);
    }
    let key: BitStringRef<'_> = key.decode_as().map_err(|_| broken())?;
    let key = sequence(key.raw_bytes(), "public key")?;
    let modulus = *elements(key.value())
        .map_err(|_| broken())?
        .first()
        .ok_or_else(broken)?;
    let bytes = modulus.value();
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    let significant = &bytes[leading..];
    Ok(Some(significant.first().map_or(0, |first| {
        significant.len() * 8 - first.leading_zeros() as usize
    })))
}

/// TEST as a word of its own, so that a hospital's name never counts.
fn says_test(value: &str) -> bool {
    value
        .split(|character: char| !character.is_alphanumeric())
        .any(|word| word == "TEST")
}

const MAX_CERTIFICATE: usize = 0xFFFF;
/// RFC 5280 allows 20 octets; a sign octet and some slack for issuers that do not count well.
const MAX_SERIAL: usize = 32;
/// `[0] { INTEGER 2 }`.
const VERSION_3: [u8; 5] = [0xA0, 0x03, 0x02, 0x01, 0x02];
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// md5WithRSA, sha1WithRSA, sha1WithRSA (OIW), ecdsa-with-SHA1.
const OBSOLETE_SIGNATURES: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
    ObjectIdentifier::new_unwrap("1.3.14.3.2.29"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
];

#[cfg(test)]
mod tests;
