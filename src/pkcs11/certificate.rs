//! The fields of a certificate that PKCS#11 shows, as they are encoded (RFC 5280 §4.1).
//!
//! They are found by a walk over the DER and not by a certificate library, because hosts compare
//! the encoded names and serial numbers byte by byte, and those of older certificates do not
//! survive being decoded and encoded again.

use der::asn1::AnyRef;
use der::{Decode, Error, Reader, SliceReader, Tag, TagNumber, Tagged};

/// Fields of a certificate, borrowed from its DER.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Certificate<'a> {
    /// DER `INTEGER`.
    pub(crate) serial: &'a [u8],
    /// DER `Name`.
    pub(crate) issuer: &'a [u8],
    /// DER `Name`.
    pub(crate) subject: &'a [u8],
    /// DER `SubjectPublicKeyInfo`.
    pub(crate) spki: &'a [u8],
    /// First and last day, `YYYYMMDD` in ASCII, in UTC (`CK_DATE`).
    pub(crate) days: [[u8; 8]; 2],
}

impl<'a> Certificate<'a> {
    /// `None` for what is no certificate.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        AnyRef::from_der(der).ok()?.sequence(Self::outer).ok()
    }

    fn outer(reader: &mut SliceReader<'a>) -> Result<Self, Error> {
        let content = AnyRef::decode(reader)?.sequence(|fields| {
            if Tag::peek(fields)? == VERSION {
                fields.tlv_bytes()?;
            }
            let serial = fields.tlv_bytes()?;
            let _signature_algorithm = fields.tlv_bytes()?;
            let issuer = fields.tlv_bytes()?;
            let days = AnyRef::decode(fields)?.sequence(|validity| {
                Ok::<_, Error>([
                    day(AnyRef::decode(validity)?)?,
                    day(AnyRef::decode(validity)?)?,
                ])
            })?;
            let subject = fields.tlv_bytes()?;
            let spki = fields.tlv_bytes()?;
            while !fields.is_finished() {
                fields.tlv_bytes()?;
            }
            Ok::<_, Error>(Self {
                serial,
                issuer,
                subject,
                spki,
                days,
            })
        })?;
        let _signature_algorithm = reader.tlv_bytes()?;
        let _signature = reader.tlv_bytes()?;
        Ok(content)
    }
}

/// The day of a `Time` (RFC 5280 §4.1.2.5): `YYMMDD…` of 1950 to 2049, or `YYYYMMDD…`.
fn day(time: AnyRef<'_>) -> Result<[u8; 8], Error> {
    let text = time.value();
    let digits: Vec<u8> = match (time.tag(), text.first()) {
        (Tag::UtcTime, Some(b'0'..=b'4')) => [b"20", text].concat(),
        (Tag::UtcTime, _) => [b"19", text].concat(),
        (Tag::GeneralizedTime, _) => text.to_vec(),
        (tag, _) => return Err(tag.value_error().into()),
    };
    let day = digits.first_chunk().copied();
    day.filter(|day: &[u8; 8]| day.iter().all(u8::is_ascii_digit))
        .ok_or_else(|| time.tag().value_error().into())
}

/// `version [0]`
const VERSION: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(0),
};

#[cfg(test)]
mod tests;
