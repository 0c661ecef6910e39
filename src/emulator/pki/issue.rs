//! Encoding and signing of certificates and revocation lists (RFC 5280 §4.1, §5.1).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::asn1;
use crate::rsa::{Hash, PrivateKey};

/// Who signs.
pub(super) struct Issuer {
    /// Distinguished name, DER.
    pub(super) name: Vec<u8>,
    pub(super) key: PrivateKey,
    pub(super) hash: Hash,
}

/// First and last moment of a certificate.
#[derive(Clone, Copy)]
pub(super) struct Validity {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// What is certified.
pub(super) struct Request<'a> {
    pub(super) serial: &'a [u8],
    /// Distinguished name, DER.
    pub(super) subject: &'a [u8],
    pub(super) validity: Validity,
    /// SubjectPublicKeyInfo.
    pub(super) public_key: &'a [u8],
    /// Extensions in their order, each already encoded.
    pub(super) extensions: &'a [Vec<u8>],
}

/// Signed certificate, DER.
pub(super) fn certificate(issuer: &Issuer, request: &Request<'_>) -> Vec<u8> {
    let body = asn1::sequence(&[
        &asn1::tlv(0xA0, &asn1::integer(2)),
        &asn1::unsigned(request.serial),
        &signature_algorithm(issuer.hash),
        &issuer.name,
        &asn1::sequence(&[
            &time(request.validity.not_before),
            &time(request.validity.not_after),
        ]),
        request.subject,
        request.public_key,
        &asn1::tlv(0xA3, &asn1::tlv(0x30, &request.extensions.concat())),
    ]);
    signed(issuer, body)
}

/// Signed revocation list, DER.
pub(super) fn revocation_list(
    issuer: &Issuer,
    this_update: Timestamp,
    next_update: Timestamp,
    revoked: &[(Vec<u8>, Timestamp)],
    extensions: &[Vec<u8>],
) -> Vec<u8> {
    let entries: Vec<Vec<u8>> = revoked
        .iter()
        .map(|(serial, since)| asn1::sequence(&[&asn1::unsigned(serial), &time(*since)]))
        .collect();
    // An empty list is left out, not encoded as an empty SEQUENCE (RFC 5280 §5.1.2.6).
    let list = if entries.is_empty() {
        Vec::new()
    } else {
        asn1::tlv(0x30, &entries.concat())
    };
    let body = asn1::sequence(&[
        &asn1::integer(1),
        &signature_algorithm(issuer.hash),
        &issuer.name,
        &time(this_update),
        &time(next_update),
        &list,
        &asn1::tlv(0xA0, &asn1::tlv(0x30, &extensions.concat())),
    ]);
    signed(issuer, body)
}

fn signed(issuer: &Issuer, body: Vec<u8>) -> Vec<u8> {
    let signature = issuer
        .key
        .sign_pkcs1(issuer.hash, &issuer.hash.digest(&body));
    asn1::sequence(&[
        &body,
        &signature_algorithm(issuer.hash),
        &asn1::bit_string(&signature),
    ])
}

fn signature_algorithm(hash: Hash) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha1 => "1.2.840.113549.1.1.5",
        Hash::Sha256 => "1.2.840.113549.1.1.11",
    };
    asn1::sequence(&[&asn1::oid(algorithm), &asn1::tlv(0x05, &[])])
}

/// UTCTime until 2049, GeneralizedTime afterwards (RFC 5280 §4.1.2.5).
fn time(moment: Timestamp) -> Vec<u8> {
    let civil = moment.to_zoned(TimeZone::UTC);
    if civil.year() < 2050 {
        asn1::tlv(0x17, civil.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        asn1::tlv(0x18, &generalized_time(moment))
    }
}

/// Content of a GeneralizedTime.
pub(super) fn generalized_time(moment: Timestamp) -> Vec<u8> {
    moment
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d%H%M%SZ")
        .to_string()
        .into_bytes()
}
