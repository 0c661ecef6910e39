//! Certificate and revocation-list extensions, each as one encoded `Extension` (RFC 5280 §4.2, §5.2,
//! and the private extensions of the French health PKI).

use super::issue::{Validity, generalized_time};
use crate::asn1;
use crate::rsa::{Hash, PrivateKey};

pub(super) const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
pub(super) const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
pub(super) const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
pub(super) const SMARTCARD_LOGON: &str = "1.3.6.1.4.1.311.20.2.2";

/// Policy named by every test certificate of the health PKI.
pub(super) const TEST_POLICY: &str = "1.2.250.1.213.1.7.2.1.1.1.1";
pub(super) const ANY_POLICY: &str = "2.5.29.32.0";

/// Named bits of KeyUsage.
pub(super) mod key_usage {
    pub(crate) const DIGITAL_SIGNATURE: u8 = 0;
    pub(crate) const NON_REPUDIATION: u8 = 1;
    pub(crate) const KEY_ENCIPHERMENT: u8 = 2;
    pub(crate) const KEY_CERT_SIGN: u8 = 5;
    pub(crate) const CRL_SIGN: u8 = 6;
}

fn extension(oid: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let flag = if critical {
        asn1::tlv(0x01, &[0xFF])
    } else {
        Vec::new()
    };
    asn1::sequence(&[&asn1::oid(oid), &flag, &asn1::octets(value)])
}

/// BasicConstraints of an end entity: not critical, empty.
pub(super) fn end_entity() -> Vec<u8> {
    extension("2.5.29.19", false, &asn1::sequence(&[]))
}

/// BasicConstraints of an authority.
pub(super) fn authority(path_length: Option<u32>) -> Vec<u8> {
    let limit = path_length.map(asn1::integer).unwrap_or_default();
    extension(
        "2.5.29.19",
        true,
        &asn1::sequence(&[&asn1::tlv(0x01, &[0xFF]), &limit]),
    )
}

fn key_identifier(key: &PrivateKey) -> Vec<u8> {
    Hash::Sha1.digest(&key.public_key())
}

pub(super) fn subject_key(key: &PrivateKey) -> Vec<u8> {
    extension("2.5.29.14", false, &asn1::octets(&key_identifier(key)))
}

pub(super) fn authority_key(key: &PrivateKey) -> Vec<u8> {
    let value = asn1::sequence(&[&asn1::tlv(0x80, &key_identifier(key))]);
    extension("2.5.29.35", false, &value)
}

pub(super) fn key_usage(bits: &[u8]) -> Vec<u8> {
    extension("2.5.29.15", true, &asn1::named_bits(bits))
}

pub(super) fn policy(oid: &str, statement: &str) -> Vec<u8> {
    let qualifier = asn1::sequence(&[
        &asn1::oid("1.3.6.1.5.5.7.2.1"),
        &asn1::tlv(0x16, statement.as_bytes()),
    ]);
    let information = asn1::sequence(&[&asn1::oid(oid), &asn1::sequence(&[&qualifier])]);
    extension("2.5.29.32", false, &asn1::sequence(&[&information]))
}

pub(super) fn extended_key_usage(purposes: &[&str]) -> Vec<u8> {
    let purposes: Vec<u8> = purposes
        .iter()
        .flat_map(|purpose| asn1::oid(purpose))
        .collect();
    extension("2.5.29.37", false, &asn1::tlv(0x30, &purposes))
}

/// SubjectAltName with a Microsoft user principal name.
pub(super) fn principal_name(name: &str) -> Vec<u8> {
    let value = asn1::tlv(0xA0, &asn1::utf8(name));
    let other = asn1::constructed(0xA0, &[&asn1::oid("1.3.6.1.4.1.311.20.2.3"), &value]);
    extension("2.5.29.17", false, &asn1::sequence(&[&other]))
}

/// SubjectAltName of a server: DNS names and IP addresses.
pub(super) fn server_names(names: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = names
        .iter()
        .flat_map(|name| match name.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(address)) => asn1::tlv(0x87, &address.octets()),
            Ok(std::net::IpAddr::V6(address)) => asn1::tlv(0x87, &address.octets()),
            Err(_) => asn1::tlv(0x82, name.as_bytes()),
        })
        .collect();
    extension("2.5.29.17", false, &asn1::tlv(0x30, &names))
}

pub(super) fn private_key_usage_period(validity: Validity) -> Vec<u8> {
    let value = asn1::sequence(&[
        &asn1::tlv(0x80, &generalized_time(validity.not_before)),
        &asn1::tlv(0x81, &generalized_time(validity.not_after)),
    ]);
    extension("2.5.29.16", false, &value)
}

fn distribution_point(url: &str) -> Vec<u8> {
    let name = asn1::tlv(0xA0, &asn1::tlv(0xA0, &asn1::tlv(0x86, url.as_bytes())));
    asn1::sequence(&[&name])
}

/// CRLDistributionPoints, one point for each address.
pub(super) fn revocation_lists(urls: &[&str]) -> Vec<u8> {
    let points: Vec<u8> = urls
        .iter()
        .flat_map(|url| distribution_point(url))
        .collect();
    extension("2.5.29.31", false, &asn1::tlv(0x30, &points))
}

/// FreshestCRL: where delta lists would be.
pub(super) fn freshest_list(url: &str) -> Vec<u8> {
    extension(
        "2.5.29.46",
        false,
        &asn1::sequence(&[&distribution_point(url)]),
    )
}

/// AuthorityInfoAccess: OCSP responder and issuer certificate.
pub(super) fn information_access(ocsp: &str, issuer: &str) -> Vec<u8> {
    let access = |method: &str, url: &str| {
        asn1::sequence(&[&asn1::oid(method), &asn1::tlv(0x86, url.as_bytes())])
    };
    let value = asn1::sequence(&[
        &access("1.3.6.1.5.5.7.48.1", ocsp),
        &access("1.3.6.1.5.5.7.48.2", issuer),
    ]);
    extension("1.3.6.1.5.5.7.1.1", false, &value)
}

/// NetscapeCertType, in the closed PKI only.
pub(super) fn netscape_type(bit: u8) -> Vec<u8> {
    extension("2.16.840.1.113730.1.1", false, &asn1::named_bits(&[bit]))
}

/// Product category (table G01 as hexadecimal digits): `80` test card, `83` test software.
pub(super) fn product_category(code: u8) -> Vec<u8> {
    extension("1.2.250.1.71.1.2.5", false, &asn1::octets(&[code]))
}

/// Card type (table G02).
pub(super) fn card_type(code: u8) -> Vec<u8> {
    extension("1.2.250.1.71.1.2.2", false, &asn1::integer(code.into()))
}

/// Issuer and number of the card.
pub(super) fn card_number(number: &str) -> Vec<u8> {
    extension("1.2.250.1.71.1.2.3", false, &asn1::printable(number))
}

/// Profession (table G15, decimal).
pub(super) fn profession(code: u8) -> Vec<u8> {
    extension("1.2.250.1.71.1.2.7", false, &asn1::integer(code.into()))
}

/// Profession in training (table G16, decimal).
pub(super) fn profession_in_training(code: u8) -> Vec<u8> {
    extension("1.2.250.1.71.1.2.8", false, &asn1::integer(code.into()))
}

/// Speciality (table R01).
pub(super) fn speciality(code: &str) -> Vec<u8> {
    extension(
        "1.2.250.1.71.4.2.5",
        false,
        &asn1::sequence(&[&asn1::utf8(code)]),
    )
}

/// CRLNumber.
pub(super) fn list_number(number: u32) -> Vec<u8> {
    extension("2.5.29.20", false, &asn1::integer(number))
}
