//! The fields of a `CertificateList`, borrowed: national lists hold hundreds of thousands of
//! entries, which are walked and never collected.
//!
//! The path validator's own parser is not used because it refuses a scope without an address,
//! which RFC 5280 allows and which the profile of the national lists does not exclude.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use jiff::Timestamp;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;
use x509_cert::ext::pkix::crl::{BaseCrlNumber, CrlNumber, CrlReason};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, name::DistributionPointName};
use x509_cert::time::Time;

use super::InvalidCrl;
use crate::certificate::timestamp;

/// A list in DER (RFC 5280 §5.1).
pub(super) struct List<'a> {
    /// TBSCertList, tag and length included: what is signed.
    pub(super) content: &'a [u8],
    /// Content of the AlgorithmIdentifier SEQUENCE.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    /// DER of the issuer's name.
    pub(super) issuer: &'a [u8],
    pub(super) this_update: Timestamp,
    pub(super) next_update: Timestamp,
    pub(super) scope: Option<IssuingDistributionPoint>,
    entries: &'a [u8],
}

impl<'a> List<'a> {
    pub(super) fn from_der(der: &'a [u8]) -> Result<Self, InvalidCrl> {
        let fault = |_: der::Error| InvalidCrl::Malformed("not a DER list");
        let outer = AnyRef::from_der(der).map_err(fault)?;
        let mut reader = SliceReader::new(value(outer, Tag::Sequence)?).map_err(fault)?;
        let content = reader.tlv_bytes().map_err(fault)?;
        let algorithm = reader.tlv_bytes().map_err(fault)?;
        let signature = BitStringRef::decode(&mut reader).map_err(fault)?;
        reader.finish().map_err(fault)?;
        let signed = AnyRef::from_der(content).map_err(fault)?;
        let mut list = Self::from_content(value(signed, Tag::Sequence)?, algorithm)?;
        list.content = content;
        list.signature = signature.raw_bytes();
        Ok(list)
    }

    /// The revoked certificates, in the order of the list.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Entry<'a>, InvalidCrl>> + use<'a> {
        let mut reader = SliceReader::new(self.entries).ok();
        std::iter::from_fn(move || {
            let remaining = reader.as_mut().filter(|reader| !reader.is_finished())?;
            let entry = AnyRef::decode(remaining)
                .map_err(|_| BROKEN_ENTRY)
                .and_then(Entry::from_any);
            if entry.is_err() {
                reader = None;
            }
            Some(entry)
        })
    }

    fn from_content(content: &'a [u8], algorithm: &'a [u8]) -> Result<Self, InvalidCrl> {
        let fault = |_: der::Error| InvalidCrl::Malformed("header");
        let mut reader = SliceReader::new(content).map_err(fault)?;
        if reader.tlv_bytes().map_err(fault)? != VERSION_2 {
            return Err(InvalidCrl::Malformed("not version 2"));
        }
        if reader.tlv_bytes().map_err(fault)? != algorithm {
            return Err(InvalidCrl::Malformed("two signature algorithms"));
        }
        let issuer = reader.tlv_bytes().map_err(fault)?;
        let this_update = date(&mut reader)?;
        let next_update = date(&mut reader)?;
        let mut optional = match reader.is_finished() {
            true => None,
            false => Some(AnyRef::decode(&mut reader).map_err(fault)?),
        };
        let entries = match optional.take_if(|field| field.tag() == Tag::Sequence) {
            Some(entries) => {
                if !reader.is_finished() {
                    optional = Some(AnyRef::decode(&mut reader).map_err(fault)?);
                }
                entries.value()
            }
            None => &[],
        };
        reader.finish().map_err(fault)?;
        let algorithm = AnyRef::from_der(algorithm).map_err(fault)?;
        Ok(Self {
            content,
            algorithm: value(algorithm, Tag::Sequence)?,
            signature: &[],
            issuer,
            this_update,
            next_update,
            scope: optional.map(scope).transpose()?.flatten(),
            entries,
        })
    }
}

/// A revoked certificate.
pub(super) struct Entry<'a> {
    /// Content octets of the serial number.
    pub(super) serial: &'a [u8],
    pub(super) since: Timestamp,
}

impl<'a> Entry<'a> {
    fn from_any(entry: AnyRef<'a>) -> Result<Self, InvalidCrl> {
        let fault = |_: der::Error| BROKEN_ENTRY;
        let mut reader = SliceReader::new(value(entry, Tag::Sequence)?).map_err(fault)?;
        let serial = AnyRef::decode(&mut reader).map_err(fault)?;
        let since = date(&mut reader)?;
        if !reader.is_finished() {
            let extensions = Extensions::decode(&mut reader).map_err(fault)?;
            let unknown = |kind| kind != CrlReason::OID && kind != INVALIDITY_DATE;
            if extensions
                .iter()
                .any(|one| one.critical && unknown(one.extn_id))
            {
                return Err(BROKEN_ENTRY);
            }
        }
        reader.finish().map_err(fault)?;
        Ok(Self {
            serial: value(serial, Tag::Integer)?,
            since,
        })
    }
}

/// Reads the extensions for the scope, and refuses what changes the meaning of the entries.
fn scope(field: AnyRef<'_>) -> Result<Option<IssuingDistributionPoint>, InvalidCrl> {
    let fault = |_: der::Error| InvalidCrl::Malformed("extensions");
    let mut scope = None;
    for extension in Extensions::from_der(field.value()).map_err(fault)? {
        match extension.extn_id {
            BaseCrlNumber::OID => return Err(InvalidCrl::Malformed("a delta list")),
            ISSUING_DISTRIBUTION_POINT => {
                let point = IssuingDistributionPoint::from_der(extension.extn_value.as_bytes());
                scope = Some(usable(point.map_err(fault)?)?);
            }
            CrlNumber::OID | AuthorityKeyIdentifier::OID => {}
            _ if extension.critical => {
                return Err(InvalidCrl::Malformed("an unknown critical extension"));
            }
            _ => {}
        }
    }
    Ok(scope)
}

fn usable(point: IssuingDistributionPoint) -> Result<IssuingDistributionPoint, InvalidCrl> {
    let relative = matches!(
        point.distribution_point,
        Some(DistributionPointName::NameRelativeToCRLIssuer(_))
    );
    let what = if point.indirect_crl {
        "an indirect list"
    } else if point.only_some_reasons.is_some() {
        "a list of some reasons only"
    } else if point.only_contains_attribute_certs {
        "a list of attribute certificates"
    } else if relative {
        "a scope with a relative name"
    } else {
        return Ok(point);
    };
    Err(InvalidCrl::Malformed(what))
}

fn value<'a>(any: AnyRef<'a>, tag: Tag) -> Result<&'a [u8], InvalidCrl> {
    match any.tag() == tag {
        true => Ok(any.value()),
        false => Err(InvalidCrl::Malformed("a field of another type")),
    }
}

fn date<'a>(reader: &mut SliceReader<'a>) -> Result<Timestamp, InvalidCrl> {
    Time::decode(reader)
        .ok()
        .and_then(timestamp)
        .ok_or(InvalidCrl::Malformed("a missing or broken date"))
}

const BROKEN_ENTRY: InvalidCrl = InvalidCrl::Malformed("a revoked entry");
/// INTEGER 1.
const VERSION_2: [u8; 3] = [0x02, 0x01, 0x01];
/// Not the type's own OID: x509-cert 0.3 gives it that of another extension.
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
