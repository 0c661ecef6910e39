//! CMS SignedData (RFC 5652) with the signed attributes of CAdES-BES.
//!
//! ETSI EN 319 122-1 §6.3 (baseline level B-B) asks for four signed attributes: content-type and
//! message-digest (RFC 5652 §11.1, §11.2), signing-time (§11.3) and the signing certificate with
//! its SHA-256 (RFC 5035 §3). The last one binds the signature to one certificate, so that nobody
//! can exchange it for another certificate of the same key.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{Any, GeneralizedTime, Null, OctetString, SetOfVec, UtcTime};
use der::{DateTime, Encode, EncodeValue, Tagged};
use jiff::Timestamp;
use jiff::tz::Offset;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::asn1::*;
use crate::certificate::{SignerCertificate, SignerKey, chain_certificate};

/// Takes the content piece by piece and prepares what the card must sign.
///
/// A detached signature keeps only the running SHA-256, whatever the size of the content; an
/// attached one carries the content and therefore keeps it in memory.
#[derive(Clone, Debug)]
pub struct SignedDataBuilder {
    hasher: Sha256,
    attached: Option<Vec<u8>>,
}

impl SignedDataBuilder {
    /// A signature that travels beside its content (RFC 5652 §5.2, no `eContent`).
    pub fn detached() -> Self {
        Self {
            hasher: Sha256::new(),
            attached: None,
        }
    }

    /// A signature that contains its content. DER ends at 256 MiB; callers set a lower limit.
    pub fn attached() -> Self {
        Self {
            hasher: Sha256::new(),
            attached: Some(Vec::new()),
        }
    }

    /// Adds the next bytes of the content.
    pub fn update(&mut self, content: &[u8]) {
        self.hasher.update(content);
        if let Some(attached) = &mut self.attached {
            attached.extend_from_slice(content);
        }
    }

    /// Ends the content and says which digest the card must sign.
    ///
    /// `certificate` is the DER certificate of the signing key, `chain` its authorities in any
    /// order: they are included so that a verifier needs the root only. `time` is the claimed
    /// signing time, to the second.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] for a certificate that does not parse, or whose key is neither RSA nor
    /// on P-256;
    /// [`Error::Encoding`] for a content too large for DER or a year beyond 9999.
    pub fn prepare(
        self,
        certificate: &[u8],
        chain: &[impl AsRef<[u8]>],
        time: Timestamp,
    ) -> Result<ToBeSigned, Error> {
        let signer = SignerCertificate::from_der(certificate)?;
        let mut certificates = vec![Any::from(signer.der)];
        for der in chain {
            let der = Any::from(chain_certificate(der.as_ref())?);
            // A SET OF must not hold the same element twice (X.690 §11.6 leaves no place for it).
            if !certificates.contains(&der) {
                certificates.push(der);
            }
        }

        let signed_attrs = SetOfVec::try_from(vec![
            attribute(ID_CONTENT_TYPE, &ID_DATA)?,
            attribute(
                ID_MESSAGE_DIGEST,
                &octets(self.hasher.finalize().as_slice())?,
            )?,
            attribute(ID_SIGNING_TIME, &signing_time(time)?)?,
            attribute(
                SigningCertificateV2::OID,
                &signing_certificate(certificate, &signer)?,
            )?,
        ])?;
        // RFC 5652 §5.4: the digest covers the attributes as a SET OF, not with their [0] tag.
        let digest = Sha256::digest(signed_attrs.to_der()?).into();

        Ok(ToBeSigned {
            digest,
            key: signer.key,
            content: self.attached.map(OctetString::new).transpose()?,
            certificates: SetOfVec::try_from(certificates)?,
            signer: SignerInfo {
                version: 1,
                sid: IssuerAndSerialNumber {
                    issuer: signer.issuer.into(),
                    serial_number: signer.serial_number.into(),
                },
                digest_algorithm: sha256(),
                signed_attrs,
                signature_algorithm: match signer.key {
                    SignerKey::P256 => AlgorithmIdentifier {
                        oid: ECDSA_WITH_SHA256,
                        parameters: None,
                    },
                    SignerKey::Rsa(_) => AlgorithmIdentifier {
                        oid: RSA_ENCRYPTION,
                        parameters: Some(Null.into()),
                    },
                },
                signature: octets(&[])?,
            },
        })
    }
}

/// A document that lacks its signature only.
#[derive(Clone, Debug)]
pub struct ToBeSigned {
    digest: [u8; 32],
    key: SignerKey,
    content: Option<OctetString>,
    certificates: SetOfVec<Any>,
    signer: SignerInfo,
}

impl ToBeSigned {
    /// SHA-256 to be signed by the certificate's key, see [`Self::algorithm`].
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// How the digest is to be signed.
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            SignerKey::P256 => Algorithm::EcdsaSha256,
            SignerKey::Rsa(_) => Algorithm::RsaSha256,
        }
    }

    /// Puts the signature in place: a DER `ContentInfo`, media type `application/pkcs7-signature`.
    ///
    /// # Errors
    ///
    /// [`Error::SignatureLength`] when `signature` is not as long as the key's signatures are;
    /// [`Error::Encoding`] when the whole is too large for DER.
    pub fn finish(self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        let (fits, expected) = match self.key {
            SignerKey::P256 => (signature.len() <= P256_SIGNATURE, P256_SIGNATURE),
            SignerKey::Rsa(length) => (signature.len() == length, length),
        };
        if !fits {
            return Err(Error::SignatureLength {
                expected,
                found: signature.len(),
            });
        }
        let signer = SignerInfo {
            signature: octets(signature)?,
            ..self.signer
        };
        let document = ContentInfo {
            content_type: ID_SIGNED_DATA,
            content: SignedData {
                version: 1,
                digest_algorithms: SetOfVec::try_from(vec![sha256()])?,
                encap_content_info: EncapsulatedContentInfo {
                    econtent_type: ID_DATA,
                    econtent: self.content,
                },
                certificates: self.certificates,
                signer_infos: SetOfVec::try_from(vec![signer])?,
            },
        };
        Ok(document.to_der()?)
    }
}

/// How a digest is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// ECDSA on P-256 (RFC 5753 §2.1.1); the signature is a DER `Ecdsa-Sig-Value`.
    EcdsaSha256,
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaSha256,
}

impl From<der::Error> for Error {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

fn attribute<T: EncodeValue + Tagged>(
    attr_type: ObjectIdentifier,
    value: &T,
) -> Result<Attribute, Error> {
    Ok(Attribute {
        attr_type,
        attr_values: SetOfVec::try_from(vec![Any::encode_from(value)?])?,
    })
}

fn signing_time(time: Timestamp) -> Result<Time, Error> {
    let date = Offset::UTC.to_datetime(time);
    let part =
        |number: i8| u8::try_from(number).map_err(|error| Error::Encoding(error.to_string()));
    let year = u16::try_from(date.year()).map_err(|error| Error::Encoding(error.to_string()))?;
    let date = DateTime::new(
        year,
        part(date.month())?,
        part(date.day())?,
        part(date.hour())?,
        part(date.minute())?,
        part(date.second())?,
    )?;
    Ok(if date.year() <= UtcTime::MAX_YEAR {
        Time::Utc(UtcTime::from_date_time(date)?)
    } else {
        Time::General(GeneralizedTime::from_date_time(date))
    })
}

fn signing_certificate(
    der: &[u8],
    signer: &SignerCertificate<'_>,
) -> Result<SigningCertificateV2, Error> {
    Ok(SigningCertificateV2 {
        certs: vec![EssCertIdV2 {
            cert_hash: octets(Sha256::digest(der).as_slice())?,
            issuer_serial: IssuerSerial {
                issuer: vec![DirectoryName::Name(signer.issuer.into())],
                serial_number: signer.serial_number.into(),
            },
        }],
    })
}

/// RFC 5754 §2: SHA-256 is written without parameters.
fn sha256() -> AlgorithmIdentifier {
    AlgorithmIdentifier {
        oid: ID_SHA256,
        parameters: None,
    }
}

fn octets(bytes: &[u8]) -> Result<OctetString, Error> {
    Ok(OctetString::new(bytes)?)
}

/// The longest `Ecdsa-Sig-Value` on P-256: two integers of 33 bytes with their headers.
const P256_SIGNATURE: usize = 72;

#[cfg(test)]
mod tests;
