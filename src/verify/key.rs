//! Public keys as certificates hold them.

use der::Decode;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};

use crate::{Scheme, ecdsa, rsa};

/// A public key, borrowed from its SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PublicKey<'a> {
    /// A key on the curve P-256.
    P256 {
        /// The point (SEC 1 §2.3.3).
        point: &'a [u8],
    },
    /// An RSA key.
    Rsa {
        /// Big-endian, no leading zero.
        modulus: &'a [u8],
        /// Big-endian, no leading zero.
        exponent: &'a [u8],
    },
}

impl<'a> PublicKey<'a> {
    /// Reads a SubjectPublicKeyInfo (DER, RFC 5280 §4.1.2.7). `None` for another algorithm or
    /// curve, and for what is no key.
    pub fn parse(spki: &'a [u8]) -> Option<Self> {
        let parts = AnyRef::from_der(spki).ok()?.sequence(|fields| {
            let algorithm = AnyRef::decode(fields)?.sequence(|algorithm| {
                let oid = ObjectIdentifier::decode(algorithm)?;
                Ok::<_, der::Error>((oid, AnyRef::decode(algorithm)?))
            })?;
            Ok::<_, der::Error>((algorithm, BitStringRef::decode(fields)?))
        });
        let ((algorithm, parameters), key) = parts.ok()?;
        let key = key.as_bytes()?;
        match algorithm {
            RSA_ENCRYPTION => Self::parse_rsa(key),
            EC_PUBLIC_KEY if parameters.decode_as() == Ok(P256) => {
                ecdsa::is_point(key).then_some(Self::P256 { point: key })
            }
            _ => None,
        }
    }

    /// Whether `signature` is one of `digest` by this key. ECDSA signatures are in DER.
    pub fn verifies(&self, scheme: Scheme, digest: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256 { point } => ecdsa::verifies(point, scheme, digest, signature),
            Self::Rsa { modulus, exponent } => {
                rsa::verifies(modulus, exponent, scheme, digest, signature)
            }
        }
    }

    /// RSAES-PKCS1-v1_5 (RFC 8017 §7.2.1). `padding` is random bytes other than zero, eight at least,
    /// and as many as fill the modulus with three more and the message. The time it takes may tell
    /// something of the message to those who can measure it, as they could in the calling program.
    ///
    /// `None` for another padding, and for a key that is not RSA.
    pub fn encrypt(&self, message: &[u8], padding: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::P256 { .. } => None,
            Self::Rsa { modulus, exponent } => rsa::encrypt(modulus, exponent, message, padding),
        }
    }

    /// Size in bits of the modulus or of the curve's order.
    pub fn bits(&self) -> usize {
        match self {
            Self::P256 { .. } => 256,
            Self::Rsa { modulus, .. } => {
                let unused = modulus
                    .first()
                    .map_or(0, |byte| byte.leading_zeros() as usize);
                8 * modulus.len() - unused
            }
        }
    }

    /// RSAPublicKey (RFC 8017 appendix A.1.1).
    fn parse_rsa(key: &'a [u8]) -> Option<Self> {
        let numbers = AnyRef::from_der(key).ok()?.sequence(|integers| {
            let modulus = UintRef::decode(integers)?;
            let exponent = UintRef::decode(integers)?;
            Ok::<_, der::Error>((modulus, exponent))
        });
        let (modulus, exponent) = numbers.ok()?;
        let (modulus, exponent) = (modulus.as_bytes(), exponent.as_bytes());
        // An even modulus is no product of odd primes.
        let odd = modulus.last().is_some_and(|byte| byte & 1 == 1);
        (odd && modulus != [1]).then_some(Self::Rsa { modulus, exponent })
    }
}

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
