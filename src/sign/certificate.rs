//! The fields of the signer's certificate that a signature names, as the bytes the issuer signed.

use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::{Decode, Sequence, Tag, Tagged};

use crate::Error;
use crate::asn1::{AlgorithmIdentifier, ID_EC_PUBLIC_KEY, RSA_ENCRYPTION, SECP256R1};

/// Borrowed view of a certificate, never re-encoded.
pub(crate) struct SignerCertificate<'a> {
    pub(crate) der: AnyRef<'a>,
    pub(crate) issuer: AnyRef<'a>,
    pub(crate) serial_number: AnyRef<'a>,
    pub(crate) key: SignerKey,
}

/// What the signer's key can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignerKey {
    /// On the curve P-256.
    P256,
    /// RSA with a modulus, and so signatures, of this many bytes.
    Rsa(usize),
}

impl<'a> SignerCertificate<'a> {
    /// Reads a DER `Certificate`, RFC 5280 §4.1.
    pub(crate) fn from_der(der: &'a [u8]) -> Result<Self, Error> {
        Self::parse(der).map_err(|reason| Error::Certificate {
            which: "the signer's certificate",
            reason,
        })
    }

    fn parse(der: &'a [u8]) -> Result<Self, String> {
        let text = |error: der::Error| error.to_string();
        let tbs = Certificate::from_der(der).map_err(text)?.tbs_certificate;
        for (field, expected) in [
            (tbs.serial_number, Tag::Integer),
            (tbs.issuer, Tag::Sequence),
        ] {
            field.tag().assert_eq(expected).map_err(text)?;
        }
        Ok(Self {
            der: AnyRef::from_der(der).map_err(text)?,
            issuer: tbs.issuer,
            serial_number: tbs.serial_number,
            key: SignerKey::of(&tbs.subject_public_key_info)?,
        })
    }
}

impl SignerKey {
    fn of(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, String> {
        let text = |error: der::Error| error.to_string();
        let curve = || info.algorithm.parameters.as_ref()?.decode_as().ok();
        match info.algorithm.oid {
            RSA_ENCRYPTION => {
                let key = info.subject_public_key.as_bytes().unwrap_or_default();
                let key = RsaPublicKey::from_der(key).map_err(text)?;
                Ok(Self::Rsa(key.modulus.as_bytes().len()))
            }
            ID_EC_PUBLIC_KEY if curve() == Some(SECP256R1) => Ok(Self::P256),
            other => Err(format!("its key is neither RSA nor on P-256 ({other})")),
        }
    }
}

/// Checks that `der` is one whole certificate, so that it can stand in a `CertificateSet`.
pub(crate) fn chain_certificate(der: &[u8]) -> Result<AnyRef<'_>, Error> {
    Certificate::from_der(der)
        .and_then(|_| AnyRef::from_der(der))
        .map_err(|error| Error::Certificate {
            which: "a certificate of the chain",
            reason: error.to_string(),
        })
}

/// Certificate, RFC 5280 §4.1.
#[derive(Sequence)]
struct Certificate<'a> {
    tbs_certificate: TbsCertificate<'a>,
    signature_algorithm: AnyRef<'a>,
    signature_value: BitStringRef<'a>,
}

/// TBSCertificate, RFC 5280 §4.1.
#[derive(Sequence)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<u8>,
    serial_number: AnyRef<'a>,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: AnyRef<'a>,
    subject: AnyRef<'a>,
    subject_public_key_info: SubjectPublicKeyInfo<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<AnyRef<'a>>,
}

/// SubjectPublicKeyInfo, RFC 5280 §4.1.
#[derive(Sequence)]
struct SubjectPublicKeyInfo<'a> {
    algorithm: AlgorithmIdentifier,
    subject_public_key: BitStringRef<'a>,
}

/// RSAPublicKey, RFC 8017 appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}
