//! ASN.1 structures of CMS and ESS, as far as a signature made by one card needs them.
//!
//! Certificates and names stay [`Any`]: older CPS certificates hold unsorted SETs, which a typed
//! decoder would put in order when encoding, and a re-ordered certificate no longer verifies.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{Any, GeneralizedTime, OctetString, SetOfVec, UtcTime};
use der::{Choice, Sequence, ValueOrd};

/// id-data, RFC 5652 §4.
pub(crate) const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// id-signedData, RFC 5652 §5.1.
pub(crate) const ID_SIGNED_DATA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// id-contentType, RFC 5652 §11.1.
pub(crate) const ID_CONTENT_TYPE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
/// id-messageDigest, RFC 5652 §11.2.
pub(crate) const ID_MESSAGE_DIGEST: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// id-signingTime, RFC 5652 §11.3.
pub(crate) const ID_SIGNING_TIME: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
/// id-sha256, RFC 5754 §2.2.
pub(crate) const ID_SHA256: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// rsaEncryption, RFC 8017 appendix A.1; the signature algorithm that RFC 5754 §3.2 obliges every
/// CMS implementation to accept.
pub(crate) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// ecdsa-with-SHA256, RFC 5758 §3.2; written without parameters.
pub(crate) const ECDSA_WITH_SHA256: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// id-ecPublicKey, RFC 5480 §2.1.1.
pub(crate) const ID_EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// secp256r1, RFC 5480 §2.1.1.1.
pub(crate) const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// AlgorithmIdentifier, RFC 5280 §4.1.1.2.
#[derive(Clone, Debug, Eq, PartialEq, Sequence, ValueOrd)]
pub(crate) struct AlgorithmIdentifier {
    pub(crate) oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    pub(crate) parameters: Option<Any>,
}

/// ContentInfo, RFC 5652 §3.
#[derive(Debug, Sequence)]
pub(crate) struct ContentInfo {
    pub(crate) content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(crate) content: SignedData,
}

/// SignedData, RFC 5652 §5.1.
#[derive(Debug, Sequence)]
pub(crate) struct SignedData {
    /// 1: content of type id-data, X.509 certificates only, signers named by issuer and serial.
    pub(crate) version: u8,
    pub(crate) digest_algorithms: SetOfVec<AlgorithmIdentifier>,
    pub(crate) encap_content_info: EncapsulatedContentInfo,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", constructed = "true")]
    pub(crate) certificates: SetOfVec<Any>,
    pub(crate) signer_infos: SetOfVec<SignerInfo>,
}

/// EncapsulatedContentInfo, RFC 5652 §5.2; without `econtent` the signature is detached.
#[derive(Debug, Sequence)]
pub(crate) struct EncapsulatedContentInfo {
    pub(crate) econtent_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) econtent: Option<OctetString>,
}

/// SignerInfo, RFC 5652 §5.3.
#[derive(Clone, Debug, Eq, PartialEq, Sequence, ValueOrd)]
pub(crate) struct SignerInfo {
    /// 1: the signer is named by issuer and serial number.
    pub(crate) version: u8,
    pub(crate) sid: IssuerAndSerialNumber,
    pub(crate) digest_algorithm: AlgorithmIdentifier,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", constructed = "true")]
    pub(crate) signed_attrs: SetOfVec<Attribute>,
    pub(crate) signature_algorithm: AlgorithmIdentifier,
    pub(crate) signature: OctetString,
}

/// IssuerAndSerialNumber, RFC 5652 §10.2.4; both fields are the certificate's own bytes.
#[derive(Clone, Debug, Eq, PartialEq, Sequence, ValueOrd)]
pub(crate) struct IssuerAndSerialNumber {
    pub(crate) issuer: Any,
    pub(crate) serial_number: Any,
}

/// Attribute, RFC 5652 §5.3.
#[derive(Clone, Debug, Eq, PartialEq, Sequence, ValueOrd)]
pub(crate) struct Attribute {
    pub(crate) attr_type: ObjectIdentifier,
    pub(crate) attr_values: SetOfVec<Any>,
}

/// Time, RFC 5652 §11.3: UTCTime through 2049, GeneralizedTime from 2050 on.
#[derive(Clone, Copy, Debug, Choice)]
pub(crate) enum Time {
    #[asn1(type = "UTCTime")]
    Utc(UtcTime),
    #[asn1(type = "GeneralizedTime")]
    General(GeneralizedTime),
}

/// SigningCertificateV2, RFC 5035 §3; `policies` is left out.
#[derive(Debug, Sequence)]
pub(crate) struct SigningCertificateV2 {
    pub(crate) certs: Vec<EssCertIdV2>,
}

impl AssociatedOid for SigningCertificateV2 {
    /// id-aa-signingCertificateV2.
    const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
}

/// ESSCertIDv2, RFC 5035 §4; `hashAlgorithm` has the default SHA-256, which DER leaves out.
#[derive(Debug, Sequence)]
pub(crate) struct EssCertIdV2 {
    pub(crate) cert_hash: OctetString,
    pub(crate) issuer_serial: IssuerSerial,
}

/// IssuerSerial, RFC 5035 §4.
#[derive(Debug, Sequence)]
pub(crate) struct IssuerSerial {
    pub(crate) issuer: Vec<DirectoryName>,
    pub(crate) serial_number: Any,
}

/// The one alternative of GeneralName (RFC 5280 §4.2.1.6) that names an issuer. The tag is
/// explicit, because Name is itself a CHOICE.
#[derive(Debug, Choice)]
pub(crate) enum DirectoryName {
    #[asn1(context_specific = "4", tag_mode = "EXPLICIT", constructed = "true")]
    Name(Any),
}
