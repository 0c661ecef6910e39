//! What a session has begun: a digest, a signature, a verification, an encryption, a decryption.
//!
//! A session holds each in an `Option` and takes it out to finish it, so that an operation ends
//! with its call whatever comes of it, as the standard wants; only a question for a length leaves
//! it where it is. What needs the private key ends in a request, which the caller sends to the
//! daemon.

use cps_verify::{
    Hash, Hasher, PublicKey, Scheme, ecdsa_from_der, ecdsa_to_der, parse_digest_info, verifies,
};
use cryptoki_sys::{
    CK_OBJECT_HANDLE, CKR_DATA_INVALID, CKR_DATA_LEN_RANGE, CKR_DEVICE_ERROR,
    CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID,
    CKR_KEY_TYPE_INCONSISTENT, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID,
    CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE,
};
use zeroize::Zeroizing;

use crate::mechanisms::Mechanism;
use crate::objects::{Key, KeyType, Object};
use crate::rv::Rv;

/// `C_Digest…`
pub(crate) struct Digest {
    hasher: Hasher,
    output_len: usize,
}

impl Digest {
    /// # Errors
    /// `CKR_MECHANISM_INVALID`: the mechanism is no digest.
    pub(crate) fn new(mechanism: Mechanism) -> Result<Self, Rv> {
        let Mechanism::Digest(hash) = mechanism else {
            return Err(Rv(CKR_MECHANISM_INVALID));
        };
        Ok(Self {
            hasher: Hasher::new(hash),
            output_len: hash.len(),
        })
    }

    /// Length of the digest in bytes.
    pub(crate) fn output_len(&self) -> usize {
        self.output_len
    }

    /// Adds a part.
    pub(crate) fn update(&mut self, part: &[u8]) {
        self.hasher.update(part);
    }

    /// The digest of all parts.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.hasher.finish()
    }
}

/// `C_Sign…`
pub(crate) struct Signing {
    key: CK_OBJECT_HANDLE,
    input: Input,
    output_len: usize,
}

impl Signing {
    /// # Errors
    /// `CKR_KEY_HANDLE_INVALID`, `CKR_KEY_FUNCTION_NOT_PERMITTED`, `CKR_KEY_TYPE_INCONSISTENT`,
    /// `CKR_MECHANISM_INVALID`, `CKR_MECHANISM_PARAM_INVALID`: the key does not sign in this way.
    pub(crate) fn new(object: &Object, mechanism: Mechanism) -> Result<Self, Rv> {
        let key = half(object, true)?;
        Ok(Self {
            key: object.handle,
            input: Input::new(key, mechanism)?,
            output_len: key.block_len(),
        })
    }

    /// Length of the signature in bytes.
    pub(crate) fn output_len(&self) -> usize {
        self.output_len
    }

    /// Adds a part.
    ///
    /// # Errors
    /// `CKR_DATA_LEN_RANGE`; the operation has ended.
    pub(crate) fn update(&mut self, part: &[u8]) -> Result<(), Rv> {
        self.input.update(part)
    }

    /// What the daemon is to sign.
    ///
    /// # Errors
    /// `CKR_DATA_INVALID`, `CKR_DATA_LEN_RANGE`.
    pub(crate) fn finish(self) -> Result<SignRequest, Rv> {
        let (scheme, digest) = self.input.finish()?;
        Ok(SignRequest {
            key: self.key,
            scheme,
            digest,
            output_len: self.output_len,
        })
    }
}

/// A signature to ask the daemon for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SignRequest {
    /// Handle of the key.
    pub(crate) key: CK_OBJECT_HANDLE,
    pub(crate) scheme: Scheme,
    pub(crate) digest: Vec<u8>,
    output_len: usize,
}

impl SignRequest {
    /// The daemon's signature in the form of PKCS#11.
    ///
    /// # Errors
    /// `CKR_DEVICE_ERROR`: it has not the form of a signature.
    pub(crate) fn signature(&self, answer: Vec<u8>) -> Result<Vec<u8>, Rv> {
        let signature = match self.scheme.is_ecdsa() {
            true => ecdsa_from_der(&answer),
            false => Some(answer),
        };
        signature
            .filter(|signature| signature.len() == self.output_len)
            .ok_or(Rv(CKR_DEVICE_ERROR))
    }
}

/// `C_Verify…`: done here, with the public key.
pub(crate) struct Verification {
    spki: Vec<u8>,
    input: Input,
    signature_len: usize,
}

impl Verification {
    /// # Errors
    /// As [`Signing::new`].
    pub(crate) fn new(object: &Object, mechanism: Mechanism) -> Result<Self, Rv> {
        let key = half(object, false)?;
        Ok(Self {
            spki: key.spki.clone(),
            input: Input::new(key, mechanism)?,
            signature_len: key.block_len(),
        })
    }

    /// Adds a part.
    ///
    /// # Errors
    /// As [`Signing::update`].
    pub(crate) fn update(&mut self, part: &[u8]) -> Result<(), Rv> {
        self.input.update(part)
    }

    /// Checks the signature of all parts.
    ///
    /// # Errors
    /// `CKR_SIGNATURE_INVALID`, `CKR_SIGNATURE_LEN_RANGE`, or as [`Signing::finish`].
    pub(crate) fn finish(self, signature: &[u8]) -> Result<(), Rv> {
        let (scheme, digest) = self.input.finish()?;
        if signature.len() != self.signature_len {
            return Err(Rv(CKR_SIGNATURE_LEN_RANGE));
        }
        let signature = match scheme.is_ecdsa() {
            true => ecdsa_to_der(signature),
            false => Some(signature.to_vec()),
        };
        match signature.is_some_and(|it| verifies(&self.spki, scheme, &digest, &it)) {
            true => Ok(()),
            false => Err(Rv(CKR_SIGNATURE_INVALID)),
        }
    }
}

/// `C_Encrypt…`: done here, with the public key.
pub(crate) struct Encryption {
    spki: Vec<u8>,
    message: Zeroizing<Vec<u8>>,
    block_len: usize,
}

impl Encryption {
    /// # Errors
    /// As [`Decryption::new`].
    pub(crate) fn new(object: &Object, mechanism: Mechanism) -> Result<Self, Rv> {
        let key = block_cipher(object, false, mechanism)?;
        Ok(Self {
            spki: key.spki.clone(),
            message: Zeroizing::default(),
            block_len: key.block_len(),
        })
    }

    /// Length of the cryptogram in bytes.
    pub(crate) fn output_len(&self) -> usize {
        self.block_len
    }

    /// How many random bytes other than zero fill the block.
    pub(crate) fn padding_len(&self) -> usize {
        self.block_len.saturating_sub(3 + self.message.len())
    }

    /// Adds a part.
    ///
    /// # Errors
    /// `CKR_DATA_LEN_RANGE`; the operation has ended.
    pub(crate) fn update(&mut self, part: &[u8]) -> Result<(), Rv> {
        if part.len() > self.block_len.saturating_sub(11 + self.message.len()) {
            return Err(Rv(CKR_DATA_LEN_RANGE));
        }
        self.message.extend_from_slice(part);
        Ok(())
    }

    /// The cryptogram of all parts.
    ///
    /// # Errors
    /// `CKR_FUNCTION_FAILED`: the padding is not of [`Self::padding_len`], or the key is too odd.
    pub(crate) fn finish(self, padding: &[u8]) -> Result<Vec<u8>, Rv> {
        let key = PublicKey::parse(&self.spki);
        key.and_then(|key| key.encrypt(&self.message, padding))
            .ok_or(Rv::FUNCTION_FAILED)
    }
}

/// `C_Decrypt…`
pub(crate) struct Decryption {
    key: CK_OBJECT_HANDLE,
    cryptogram: Vec<u8>,
    block_len: usize,
}

impl Decryption {
    /// # Errors
    /// `CKR_KEY_HANDLE_INVALID`, `CKR_KEY_FUNCTION_NOT_PERMITTED`, `CKR_KEY_TYPE_INCONSISTENT`,
    /// `CKR_MECHANISM_INVALID`.
    pub(crate) fn new(object: &Object, mechanism: Mechanism) -> Result<Self, Rv> {
        let key = block_cipher(object, true, mechanism)?;
        Ok(Self {
            key: object.handle,
            cryptogram: Vec::new(),
            block_len: key.block_len(),
        })
    }

    /// The most that the plaintext can have, in bytes (RFC 8017 §7.2.2).
    pub(crate) fn max_output_len(&self) -> usize {
        self.block_len.saturating_sub(11)
    }

    /// Adds a part.
    ///
    /// # Errors
    /// `CKR_ENCRYPTED_DATA_LEN_RANGE`; the operation has ended.
    pub(crate) fn update(&mut self, part: &[u8]) -> Result<(), Rv> {
        if part.len() > self.block_len - self.cryptogram.len() {
            return Err(Rv(CKR_ENCRYPTED_DATA_LEN_RANGE));
        }
        self.cryptogram.extend_from_slice(part);
        Ok(())
    }

    /// What the daemon is to decrypt: the key and the cryptogram.
    ///
    /// # Errors
    /// `CKR_ENCRYPTED_DATA_LEN_RANGE`.
    pub(crate) fn finish(self) -> Result<(CK_OBJECT_HANDLE, Vec<u8>), Rv> {
        match self.cryptogram.len() == self.block_len {
            true => Ok((self.key, self.cryptogram)),
            false => Err(Rv(CKR_ENCRYPTED_DATA_LEN_RANGE)),
        }
    }
}

/// The half of a pair that decrypts or encrypts.
fn block_cipher(object: &Object, is_private: bool, mechanism: Mechanism) -> Result<&Key, Rv> {
    let key = half(object, is_private)?;
    match (mechanism, &key.kind) {
        (Mechanism::Pkcs1, KeyType::P256 { .. }) => Err(Rv(CKR_KEY_TYPE_INCONSISTENT)),
        (Mechanism::Pkcs1, _) if !key.decrypts => Err(Rv(CKR_KEY_FUNCTION_NOT_PERMITTED)),
        (Mechanism::Pkcs1, _) => Ok(key),
        _ => Err(Rv(CKR_MECHANISM_INVALID)),
    }
}

/// The private or the public half of a pair.
fn half(object: &Object, is_private: bool) -> Result<&Key, Rv> {
    let key = object.key().ok_or(Rv(CKR_KEY_HANDLE_INVALID))?;
    match key.is_private == is_private {
        true => Ok(key),
        false => Err(Rv(CKR_KEY_FUNCTION_NOT_PERMITTED)),
    }
}

/// What is signed, part by part.
enum Input {
    /// A digest that the host made, or its `DigestInfo`; neither is long.
    Digest {
        mechanism: Mechanism,
        schemes: Vec<Scheme>,
        data: Vec<u8>,
        max_len: usize,
    },
    /// A message.
    Message { scheme: Scheme, hasher: Hasher },
}

impl Input {
    fn new(key: &Key, mechanism: Mechanism) -> Result<Self, Rv> {
        let is_ecdsa = matches!(key.kind, KeyType::P256 { .. });
        let (for_ecdsa, offered) = match mechanism {
            Mechanism::Digest(_) => return Err(Rv(CKR_MECHANISM_INVALID)),
            Mechanism::Ecdsa => (true, key.schemes.iter().any(|it| it.is_ecdsa())),
            Mechanism::Pkcs1 => (false, key.schemes.iter().any(is_pkcs1)),
            Mechanism::Pss(hash) => (false, key.offers(Scheme::pss(hash))),
            Mechanism::Signature(scheme) => (scheme.is_ecdsa(), key.offers(scheme)),
        };
        if for_ecdsa != is_ecdsa {
            return Err(Rv(CKR_KEY_TYPE_INCONSISTENT));
        }
        if key.schemes.is_empty() {
            return Err(Rv(CKR_KEY_FUNCTION_NOT_PERMITTED));
        }
        let max_len = match mechanism {
            _ if !offered => return Err(not_offered(key, mechanism)),
            Mechanism::Signature(scheme) => {
                let hasher = Hasher::new(scheme.hash());
                return Ok(Self::Message { scheme, hasher });
            }
            // The room that PKCS#1 v1.5 leaves (RFC 8017 §9.2).
            Mechanism::Pkcs1 => key.block_len().saturating_sub(11),
            Mechanism::Pss(hash) => hash.len(),
            Mechanism::Ecdsa | Mechanism::Digest(_) => Hash::Sha512.len(),
        };
        Ok(Self::Digest {
            mechanism,
            schemes: key.schemes.clone(),
            data: Vec::new(),
            max_len,
        })
    }

    fn update(&mut self, part: &[u8]) -> Result<(), Rv> {
        match self {
            Self::Message { hasher, .. } => hasher.update(part),
            Self::Digest { data, max_len, .. } if part.len() > *max_len - data.len() => {
                return Err(Rv(CKR_DATA_LEN_RANGE));
            }
            Self::Digest { data, .. } => data.extend_from_slice(part),
        }
        Ok(())
    }

    fn finish(self) -> Result<(Scheme, Vec<u8>), Rv> {
        let (mechanism, schemes, data) = match self {
            Self::Message { scheme, hasher } => return Ok((scheme, hasher.finish())),
            Self::Digest {
                mechanism,
                schemes,
                data,
                ..
            } => (mechanism, schemes, data),
        };
        let hash = Hash::with_len(data.len());
        let (scheme, digest) = match mechanism {
            Mechanism::Pkcs1 => {
                let (hash, digest) = parse_digest_info(&data).ok_or(Rv(CKR_DATA_INVALID))?;
                (Some(Scheme::pkcs1(hash)), digest.to_vec())
            }
            Mechanism::Pss(expected) => {
                let hash = hash.filter(|hash| *hash == expected);
                (hash.map(Scheme::pss), data)
            }
            _ => (hash.and_then(Scheme::ecdsa), data),
        };
        match scheme {
            Some(scheme) if schemes.contains(&scheme) => Ok((scheme, digest)),
            Some(_) => Err(Rv(CKR_DATA_INVALID)),
            None => Err(Rv(CKR_DATA_LEN_RANGE)),
        }
    }
}

/// The mechanism belongs to the type of the key, and this key does not do it.
fn not_offered(key: &Key, mechanism: Mechanism) -> Rv {
    let other_pss = key.schemes.iter().any(|scheme| scheme.is_pss());
    Rv(match mechanism {
        Mechanism::Pss(_) if other_pss => CKR_MECHANISM_PARAM_INVALID,
        _ => CKR_MECHANISM_INVALID,
    })
}

fn is_pkcs1(scheme: &Scheme) -> bool {
    !scheme.is_ecdsa() && !scheme.is_pss()
}

#[cfg(test)]
mod tests;
