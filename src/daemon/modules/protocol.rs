//! What the daemon and the process of a module say to each other.
//!
//! A frame is a length (four bytes, most significant first) and that many bytes. A message is a
//! frame of JSON; when its `secret` says so, a second frame with the bytes of a secret follows: a
//! PIN or a plaintext is never part of a text, it goes from one locked page to the other.
//!
//! The daemon sends [`Setup`] once and then [`Request`]s, one at a time; the process answers each
//! with a [`Reply`], the first one to the set-up. What the process answers is in the hands of the
//! module's author: every type here is bounded when it is read ([`FRAME_LIMIT`], [`Reply::decode`]),
//! and nothing in it is believed beyond its form.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use cps_verify::Scheme;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::prompt::LockedBuffer;

/// The longest frame of JSON, in bytes.
pub const FRAME_LIMIT: usize = 1 << 20;

/// The longest secret, in bytes.
pub const SECRET_LIMIT: usize = LockedBuffer::CAPACITY;

/// The most tokens, and the most certificates or keys of one token.
pub const COUNT_LIMIT: usize = 64;

/// The longest label, serial number, identifier or description, in bytes.
pub const TEXT_LIMIT: usize = 256;

/// The longest certificate, in bytes of DER.
pub const CERTIFICATE_LIMIT: usize = 32 * 1024;

/// The certificates of one token together, in bytes of DER: with base64 around them they fit a frame.
pub const CERTIFICATES_LIMIT: usize = 512 * 1024;

/// The longest signature or cryptogram, in bytes: RSA of 8192 bits.
pub const SIGNATURE_LIMIT: usize = 1024;

/// What the process loads and what it may do; the first frame it reads.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The module: a shared library.
    pub module: PathBuf,
    /// Whether it may open other sockets than Unix ones.
    pub network: bool,
    /// Files and folders it may change; it can read, never write, everything else.
    pub writable: Vec<PathBuf>,
}

/// One call, answered before the next one is made.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Repeated in the answer.
    pub id: u64,
    /// What to do.
    pub call: Call,
    /// Whether a frame with a secret follows.
    #[serde(default)]
    pub secret: bool,
}

/// What a module can be asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// The X.509 certificates of a token.
    Certificates {
        /// Which token.
        token: TokenId,
    },
    /// Undoes RSAES-PKCS1-v1_5. The plaintext follows as a secret.
    Decrypt {
        /// Which token.
        token: TokenId,
        /// Which key, see [`Key::id`].
        key: String,
        /// As long as the modulus.
        #[serde(with = "bytes")]
        cryptogram: Vec<u8>,
    },
    /// The private keys of a token that are visible now: most tokens show none before the login.
    Keys {
        /// Which token.
        token: TokenId,
    },
    /// `C_Login` as the user. The PIN follows as a secret; without one, the token asks for it
    /// itself (protected authentication path).
    Login {
        /// Which token.
        token: TokenId,
    },
    /// `C_Logout`.
    Logout {
        /// Which token.
        token: TokenId,
    },
    /// Signs a digest.
    Sign {
        /// Which token.
        token: TokenId,
        /// Which key, see [`Key::id`].
        key: String,
        /// How.
        scheme: Scheme,
        /// As long as the hash of the scheme.
        #[serde(with = "bytes")]
        digest: Vec<u8>,
    },
    /// The tokens present.
    Tokens,
}

/// Names a token. A slot number alone may mean another token after a swap or a restart of the
/// process; a PIN must never reach that one.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenId {
    /// `CK_SLOT_ID`.
    pub slot: u64,
    /// The token's serial number.
    pub serial: String,
}

/// The answer to a [`Request`], or to the [`Setup`] with the identifier 0.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// That of the request.
    pub id: u64,
    /// What came of it.
    pub result: Result<Answer, Refusal>,
    /// Whether a frame with a secret follows.
    #[serde(default)]
    pub secret: bool,
}

/// What a call gives.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// Of [`Call::Certificates`].
    Certificates(Vec<Certificate>),
    /// Of [`Call::Login`] and [`Call::Logout`]; of [`Call::Decrypt`], with the plaintext as a secret.
    Done,
    /// Of [`Call::Keys`].
    Keys(Vec<Key>),
    /// Of the set-up: the module is loaded and initialised.
    Ready {
        /// The version of Landlock that keeps files from the module; 0: the kernel has none.
        landlock: u8,
    },
    /// Of [`Call::Sign`]: ECDSA as a DER `Ecdsa-Sig-Value`.
    Signature(#[serde(with = "bytes")] Vec<u8>),
    /// Of [`Call::Tokens`].
    Tokens(Vec<TokenInfo>),
}

/// A token, as its module describes it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenInfo {
    /// What calls name it by.
    pub id: TokenId,
    /// Its label.
    pub label: String,
    /// Who made it.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Where it is: a reader's name, mostly.
    pub slot_description: String,
    /// Whether private keys need a login.
    pub login_required: bool,
    /// Whether the token asks for the PIN itself: on a reader's own pad.
    pub protected_path: bool,
    /// Shortest PIN, in bytes.
    pub pin_min: u16,
    /// Longest PIN, in bytes.
    pub pin_max: u16,
    /// A wrong PIN was typed since the last login.
    pub count_low: bool,
    /// One try is left.
    pub final_try: bool,
    /// The PIN is blocked.
    pub locked: bool,
    /// The ways its mechanisms sign a digest: which keys it has, most tokens say after the login
    /// only.
    pub schemes: Vec<Scheme>,
    /// Whether its mechanisms undo RSAES-PKCS1-v1_5.
    pub decrypts: bool,
}

/// A certificate object.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// `CKA_ID` in hexadecimal digits: that of its private key. May be empty.
    pub id: String,
    /// `CKA_LABEL`.
    pub label: String,
    /// `CKA_VALUE`, which need not be a certificate.
    #[serde(with = "bytes")]
    pub der: Vec<u8>,
}

/// A private key object.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// `CKA_ID` in hexadecimal digits, never empty.
    pub id: String,
    /// What kind of key.
    pub kind: KeyKind,
    /// The ways it can sign a digest.
    pub schemes: Vec<Scheme>,
    /// Whether it undoes RSAES-PKCS1-v1_5.
    pub decrypts: bool,
    /// Whether each use needs a PIN of its own (`CKA_ALWAYS_AUTHENTICATE`), which cannot be sent:
    /// such a key refuses with [`Reason::NotLoggedIn`].
    pub always_authenticate: bool,
}

/// What kind of key; others are not shown.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// ECDSA on P-256.
    P256,
    /// RSA.
    Rsa,
}

/// The module, or the process around it, did not do what it was asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Why, as far as it matters to us.
    pub reason: Reason,
    /// The function and its return code, for the log.
    pub text: String,
}

/// Why a module refused.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The person gave up at the token's own pad (`CKR_FUNCTION_CANCELED`).
    Cancelled,
    /// Any other return code, or values that no module may give.
    Failed,
    /// The library cannot be loaded or initialised.
    NotLoaded,
    /// The operation needs a login (`CKR_USER_NOT_LOGGED_IN`).
    NotLoggedIn,
    /// No such key, or it cannot do this.
    NoKey,
    /// `CKR_PIN_INCORRECT`.
    PinIncorrect,
    /// The PIN has a length or characters that the token does not take (`CKR_PIN_LEN_RANGE`,
    /// `CKR_PIN_INVALID`).
    PinInvalid,
    /// The PIN is blocked (`CKR_PIN_LOCKED`).
    PinLocked,
    /// The token is gone, or another one is in its slot.
    TokenGone,
}

/// A message that breaks the rules of this page.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProtocolError(String);

impl Reply {
    /// Reads an answer; its bounds are checked, its texts made printable.
    ///
    /// # Errors
    /// Not JSON of this form, or a bound is broken.
    pub fn decode(frame: &[u8]) -> Result<Self, ProtocolError> {
        let mut reply: Self =
            serde_json::from_slice(frame).map_err(|error| ProtocolError(error.to_string()))?;
        match &mut reply.result {
            Ok(answer) => answer.check()?,
            Err(refusal) => printable(&mut refusal.text)?,
        }
        Ok(reply)
    }
}

impl Answer {
    fn check(&mut self) -> Result<(), ProtocolError> {
        match self {
            Self::Certificates(certificates) => {
                count(certificates)?;
                for one in certificates.iter_mut() {
                    hexadecimal(&one.id)?;
                    printable(&mut one.label)?;
                    within("a certificate", one.der.len(), CERTIFICATE_LIMIT)?;
                }
            }
            Self::Done | Self::Ready { .. } => {}
            Self::Keys(keys) => {
                count(keys)?;
                for one in keys.iter() {
                    hexadecimal(&one.id)?;
                    if one.id.is_empty() {
                        return Err(ProtocolError("a key without identifier".to_owned()));
                    }
                }
            }
            Self::Signature(signature) => {
                within("a signature", signature.len(), SIGNATURE_LIMIT)?;
            }
            Self::Tokens(tokens) => {
                count(tokens)?;
                for one in tokens.iter_mut() {
                    // Part of a name: it is compared, so it is refused rather than changed.
                    let serial = one.id.serial.clone();
                    printable(&mut one.id.serial)?;
                    if serial != one.id.serial {
                        return Err(ProtocolError("an unprintable serial number".to_owned()));
                    }
                    printable(&mut one.label)?;
                    printable(&mut one.manufacturer)?;
                    printable(&mut one.model)?;
                    printable(&mut one.slot_description)?;
                }
            }
        }
        Ok(())
    }
}

fn count<T>(items: &[T]) -> Result<(), ProtocolError> {
    within("the number of objects", items.len(), COUNT_LIMIT)
}

fn within(what: &str, value: usize, limit: usize) -> Result<(), ProtocolError> {
    if value > limit {
        return Err(ProtocolError(format!("{what} is beyond {limit}")));
    }
    Ok(())
}

fn hexadecimal(text: &str) -> Result<(), ProtocolError> {
    within("an identifier", text.len(), TEXT_LIMIT)?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ProtocolError("an identifier is not hexadecimal".to_owned()));
    }
    Ok(())
}

/// What is shown and logged must not steer a terminal or forge a line.
fn printable(text: &mut String) -> Result<(), ProtocolError> {
    within("a text", text.len(), TEXT_LIMIT)?;
    if text.chars().any(char::is_control) {
        *text = text.replace(char::is_control, "?");
    }
    Ok(())
}

/// Writes a message, and the secret that belongs to it.
///
/// # Errors
/// The other side is gone or does not read; the message is longer than a frame.
pub fn write(
    to: &mut impl Write,
    message: &impl Serialize,
    secret: Option<&LockedBuffer>,
) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    write_frame(to, &json, FRAME_LIMIT)?;
    if let Some(secret) = secret {
        write_frame(to, secret.bytes(), SECRET_LIMIT)?;
    }
    to.flush()
}

fn write_frame(to: &mut impl Write, bytes: &[u8], limit: usize) -> io::Result<()> {
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|_| bytes.len() <= limit)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "too long for a frame"))?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(bytes)
}

/// Reads the JSON of a message. `None`: the other side closed before it began one.
///
/// # Errors
/// The other side is gone in the middle of it or silent for too long; a frame that is too long
/// (`InvalidData`).
pub fn read(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    // A read with a time-out is not resumed after a signal; here nothing else would do it.
    let first = loop {
        match from.read(&mut length[..1]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            first => break first?,
        }
    };
    if first == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let length = frame_length(length, FRAME_LIMIT)?;
    // Grows as bytes arrive: a length alone costs nothing.
    let mut frame = Vec::new();
    from.take(length as u64).read_to_end(&mut frame)?;
    if frame.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(frame))
}

/// Reads the secret that a message announced, straight into locked memory.
///
/// # Errors
/// As [`read`]; no memory can be locked.
pub fn read_secret(from: &mut impl Read) -> io::Result<LockedBuffer> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = frame_length(length, SECRET_LIMIT)?;
    let mut secret = LockedBuffer::new()?;
    let read = from.read_exact(&mut secret.room()[..length]);
    if read.is_err() {
        secret.room().zeroize();
    }
    read?;
    secret.set_length(length);
    Ok(secret)
}

fn frame_length(bytes: [u8; 4], limit: usize) -> io::Result<usize> {
    usize::try_from(u32::from_be_bytes(bytes))
        .ok()
        .filter(|length| *length <= limit)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame that is too long"))
}

/// Bytes in JSON: base64 (RFC 4648 §4).
mod bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
