//! Certificates in files: DER, PEM, and PKCS#7 (`.p7b`) in either encoding.

use const_oid::ObjectIdentifier;
use der::asn1::AnyRef;
use der::{Decode, Encode, Tag, Tagged};

use crate::name::elements;

/// Reads every certificate of a DER, PEM or P7B file, as DER, in the order of the file.
///
/// What they are is not judged here: see [`crate::Anchors::accept`].
///
/// # Errors
///
/// None of the three formats, a broken block, no certificate, or more of them (256) or of bytes
/// (1 MiB) than any bundle has.
pub fn read_certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, InvalidBundle> {
    if bytes.len() > MAX_BYTES {
        return Err(InvalidBundle::TooLarge);
    }
    let certificates = match find(bytes, BEGIN) {
        Some(_) => from_pem(bytes)?,
        None => from_der(bytes)?,
    };
    match certificates.len() {
        0 => Err(InvalidBundle::Empty),
        count if count > MAX_CERTIFICATES => Err(InvalidBundle::TooLarge),
        _ => Ok(certificates),
    }
}

/// The file holds no readable certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBundle {
    /// Readable, without a certificate.
    #[error("the file holds no certificate")]
    Empty,
    /// Neither DER, PEM nor PKCS#7, or broken.
    #[error("the file is neither a DER, PEM nor PKCS#7 certificate file, or it is damaged")]
    Malformed,
    /// Larger than any bundle of authorities.
    #[error("the file is larger than any bundle of certificates")]
    TooLarge,
}

/// Text around the blocks (as `openssl x509 -text` writes) and blocks of other kinds are skipped.
fn from_pem(bytes: &[u8]) -> Result<Vec<Vec<u8>>, InvalidBundle> {
    let mut certificates = Vec::new();
    let mut rest = bytes;
    while let Some(begin) = find(rest, BEGIN) {
        rest = &rest[begin..];
        let end = find(rest, END).ok_or(InvalidBundle::Malformed)?;
        let tail = &rest[end + END.len()..];
        let close = find(tail, DASHES).ok_or(InvalidBundle::Malformed)?;
        let length = end + END.len() + close + DASHES.len();
        let (block, tail) = rest.split_at(length);
        if [CERTIFICATE, PKCS7]
            .iter()
            .any(|label| block.starts_with(label))
        {
            let (_, der) = der::pem::decode_vec(block).map_err(|_| InvalidBundle::Malformed)?;
            certificates.extend(from_der(&der)?);
        }
        rest = tail;
    }
    Ok(certificates)
}

/// One certificate, or a `ContentInfo` that holds `SignedData` (RFC 5652 §3 and §5.1).
fn from_der(bytes: &[u8]) -> Result<Vec<Vec<u8>>, InvalidBundle> {
    let fields = sequence(AnyRef::from_der(bytes).map_err(|_| InvalidBundle::Malformed)?)?;
    let first = fields.first().ok_or(InvalidBundle::Malformed)?;
    if first.tag() != Tag::ObjectIdentifier {
        return Ok(vec![bytes.to_vec()]);
    }
    let kind: ObjectIdentifier = first.decode_as().map_err(|_| InvalidBundle::Malformed)?;
    let [_, content] = fields[..] else {
        return Err(InvalidBundle::Malformed);
    };
    if kind != SIGNED_DATA {
        return Err(InvalidBundle::Malformed);
    }
    let signed = AnyRef::from_der(content.value()).map_err(|_| InvalidBundle::Malformed)?;
    let Some(set) = sequence(signed)?
        .into_iter()
        .find(|field| is_certificates(field.tag()))
    else {
        return Ok(Vec::new());
    };
    elements(set.value())
        .map_err(|_| InvalidBundle::Malformed)?
        .into_iter()
        // The other choices are attribute certificates, which are tagged.
        .filter(|certificate| certificate.tag() == Tag::Sequence)
        .map(|certificate| certificate.to_der().map_err(|_| InvalidBundle::Malformed))
        .collect()
}

fn sequence(any: AnyRef<'_>) -> Result<Vec<AnyRef<'_>>, InvalidBundle> {
    match any.tag() {
        Tag::Sequence => elements(any.value()).map_err(|_| InvalidBundle::Malformed),
        _ => Err(InvalidBundle::Malformed),
    }
}

fn is_certificates(tag: Tag) -> bool {
    matches!(tag, Tag::ContextSpecific { constructed: true, number } if number.value() == 0)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
const PKCS7: &[u8] = b"-----BEGIN PKCS7-----";
const MAX_BYTES: usize = 1 << 20;
const MAX_CERTIFICATES: usize = 256;

#[cfg(test)]
mod tests;
