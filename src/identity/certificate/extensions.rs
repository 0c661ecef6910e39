//! The extensions of a certificate: the standard ones and those of the national nomenclatures.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage, KeyUsage,
    PrivateKeyUsagePeriod, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::time::Time;

use super::{InvalidCertificate, KeyPeriod, timestamp};
use crate::name::{elements, text_of};

/// What this project uses of a certificate's extensions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Extensions {
    pub(crate) authority: bool,
    key_usage: Option<KeyUsage>,
    purposes: Vec<ObjectIdentifier>,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) authority_key_id: Option<Vec<u8>>,
    pub(crate) key_period: Option<KeyPeriod>,
    pub(crate) upn: Option<String>,
    pub(crate) dns_names: Vec<String>,
    pub(crate) crl_urls: Vec<String>,
    /// Table G01, as the byte of the extension (`0x80` is the code `80`).
    pub(crate) product_category: Option<u8>,
    /// Table G02.
    pub(crate) card_type: Option<String>,
    pub(crate) card_number: Option<String>,
    /// Table G15, decimal.
    pub(crate) profession: Option<String>,
    /// Table G16, decimal.
    pub(crate) profession_in_training: Option<String>,
    /// Table R01.
    pub(crate) specialities: Vec<String>,
    /// Table G05.
    pub(crate) pharmacist_sections: Vec<String>,
}

impl Extensions {
    /// Decodes the content of the `[3]` field: one SEQUENCE OF Extension.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, InvalidCertificate> {
        let broken = InvalidCertificate::new("extensions");
        let list = AnyRef::from_der(der).map_err(|_| broken.clone())?;
        let list = match list.tag() {
            Tag::Sequence => elements(list.value()).map_err(|_| broken.clone())?,
            _ => return Err(broken),
        };
        if list.len() > MAX_EXTENSIONS {
            return Err(InvalidCertificate::new("too many extensions"));
        }
        let mut found = Self::default();
        let mut seen = Vec::new();
        for extension in list {
            let fields = elements(extension.value()).map_err(|_| broken.clone())?;
            // The optional BOOLEAN in the middle is "critical": the path validator enforces it.
            let (Some(kind), Some(value)) = (fields.first(), fields.last()) else {
                return Err(broken);
            };
            let kind: ObjectIdentifier = kind.decode_as().map_err(|_| broken.clone())?;
            let value: &OctetStringRef = value.decode_as().map_err(|_| broken.clone())?;
            if seen.contains(&kind) {
                return Err(InvalidCertificate::new("duplicated extension"));
            }
            seen.push(kind);
            found.remember(kind, value.as_bytes())?;
        }
        Ok(found)
    }

    pub(crate) fn digital_signature(&self) -> bool {
        self.key_usage
            .is_some_and(|usage| usage.digital_signature())
    }

    pub(crate) fn non_repudiation(&self) -> bool {
        self.key_usage.is_some_and(|usage| usage.non_repudiation())
    }

    pub(crate) fn has_purpose(&self, purpose: ObjectIdentifier) -> bool {
        self.purposes.contains(&purpose)
    }

    /// Absent KeyUsage allows everything (RFC 5280 §4.2.1.3).
    pub(crate) fn may_sign_certificates(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage.key_cert_sign())
    }

    pub(crate) fn may_sign_crls(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage.crl_sign())
    }

    /// Signs or receives the key of a TLS handshake.
    pub(crate) fn may_secure_tls(&self) -> bool {
        self.key_usage
            .is_none_or(|usage| usage.digital_signature() || usage.key_encipherment())
    }

    fn remember(&mut self, kind: ObjectIdentifier, der: &[u8]) -> Result<(), InvalidCertificate> {
        if kind == BasicConstraints::OID {
            self.authority = standard::<BasicConstraints>(der, "basic constraints")?.ca;
        } else if kind == KeyUsage::OID {
            self.key_usage = Some(standard(der, "key usage")?);
        } else if kind == ExtendedKeyUsage::OID {
            self.purposes = standard::<ExtendedKeyUsage>(der, "extended key usage")?.0;
        } else if kind == SubjectKeyIdentifier::OID {
            let id = standard::<SubjectKeyIdentifier>(der, "subject key identifier")?;
            self.subject_key_id = Some(id.0.as_bytes().to_vec());
        } else if kind == AuthorityKeyIdentifier::OID {
            let id = standard::<AuthorityKeyIdentifier>(der, "authority key identifier")?;
            self.authority_key_id = id.key_identifier.map(|id| id.as_bytes().to_vec());
        } else if kind == PrivateKeyUsagePeriod::OID {
            let period = standard::<PrivateKeyUsagePeriod>(der, "private key usage period")?;
            let date = |date| timestamp(Time::GeneralTime(date));
            self.key_period = Some(KeyPeriod {
                not_before: period.not_before.and_then(date),
                not_after: period.not_after.and_then(date),
            });
        } else if kind == SubjectAltName::OID {
            self.remember_names(der);
        } else if kind == CrlDistributionPoints::OID {
            self.crl_urls = crl_urls(der);
        } else {
            self.remember_private(kind, der);
        }
        Ok(())
    }

    /// Names decide nothing here (the path validator reads a server's names itself), so a broken
    /// one is only not shown.
    fn remember_names(&mut self, der: &[u8]) {
        let names = SubjectAltName::from_der(der).map_or_else(|_| Vec::new(), |names| names.0);
        for name in names {
            match name {
                GeneralName::DnsName(name) => self.dns_names.push(name.as_str().to_owned()),
                GeneralName::OtherName(name) if name.type_id == UPN => {
                    self.upn = text_of(AnyRef::from(&name.value));
                }
                _ => {}
            }
        }
    }

    /// Extensions named after the nomenclature of their value. None is critical: one that cannot
    /// be read is left out.
    fn remember_private(&mut self, kind: ObjectIdentifier, der: &[u8]) {
        if kind == PRODUCT_CATEGORY {
            self.product_category = match AnyRef::from_der(der) {
                Ok(any) if any.tag() == Tag::OctetString => any.value().first().copied(),
                _ => None,
            };
        } else if kind == CARD_TYPE {
            self.card_type = codes(der).into_iter().next();
        } else if kind == CARD_NUMBER {
            self.card_number = AnyRef::from_der(der).ok().and_then(text_of);
        } else if kind == PROFESSION {
            self.profession = codes(der).into_iter().next();
        } else if kind == PROFESSION_IN_TRAINING {
            self.profession_in_training = codes(der).into_iter().next();
        } else if kind == SPECIALITY {
            self.specialities = codes(der);
        } else if kind == PHARMACIST_SECTION {
            self.pharmacist_sections = codes(der);
        }
    }
}

fn standard<'a, T: Decode<'a>>(der: &'a [u8], what: &'static str) -> Result<T, InvalidCertificate> {
    T::from_der(der).map_err(|_| InvalidCertificate { what })
}

/// LDAP addresses and relative names are left out on purpose: revocation is fetched over HTTP.
fn crl_urls(der: &[u8]) -> Vec<String> {
    let points =
        CrlDistributionPoints::from_der(der).map_or_else(|_| Vec::new(), |points| points.0);
    points
        .into_iter()
        .filter_map(|point| match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => Some(names),
            _ => None,
        })
        .flatten()
        .filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
            _ => None,
        })
        .filter(|uri| uri.starts_with("http://") || uri.starts_with("https://"))
        .take(MAX_CRL_URLS)
        .collect()
}

/// Codes of a private extension: INTEGER (the decimal code, `0A` is `10`), OCTET STRING (hex
/// digits), a character string, or a SEQUENCE OF these.
///
/// The encodings of two nomenclatures (in training, pharmacist section) were never published, so
/// each form that a sibling uses is read.
fn codes(der: &[u8]) -> Vec<String> {
    let Ok(any) = AnyRef::from_der(der) else {
        return Vec::new();
    };
    match any.tag() {
        Tag::Sequence => elements(any.value())
            .unwrap_or_default()
            .into_iter()
            .filter_map(code)
            .take(MAX_CODES)
            .collect(),
        _ => code(any).into_iter().collect(),
    }
}

fn code(any: AnyRef<'_>) -> Option<String> {
    match any.tag() {
        Tag::Integer => any
            .decode_as::<u16>()
            .ok()
            .map(|value| format!("{value:02}")),
        Tag::OctetString if any.value().len() == 1 => {
            any.value().first().map(|byte| format!("{byte:02X}"))
        }
        _ => text_of(any).filter(|text| !text.is_empty() && text.len() <= MAX_CODE),
    }
}

/// Extended key usages (RFC 5280 §4.2.1.12).
pub(crate) mod purposes {
    use const_oid::ObjectIdentifier;

    pub(crate) const CLIENT_AUTH: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
    pub(crate) const SERVER_AUTH: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
    /// Microsoft smart card logon.
    pub(crate) const SMARTCARD_LOGON: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.2");
}

/// Microsoft user principal name.
const UPN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");

const PRODUCT_CATEGORY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.250.1.71.1.2.5");
const CARD_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.250.1.71.1.2.2");
const CARD_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.250.1.71.1.2.3");
const PROFESSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.250.1.71.1.2.7");
const PROFESSION_IN_TRAINING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.250.1.71.1.2.8");
const SPECIALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.250.1.71.4.2.5");
const PHARMACIST_SECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.250.1.71.4.2.6");

const MAX_EXTENSIONS: usize = 64;
const MAX_CRL_URLS: usize = 8;
const MAX_CODES: usize = 16;
const MAX_CODE: usize = 16;
