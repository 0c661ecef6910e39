//! `GET /v1/objects` and what is done with one of them: the cards as a PKCS#11 module shows them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/objects`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Objects {
    /// Whether all cards are listed. When not, one is still being read or cannot be read now, and
    /// may be there the next time without an event.
    pub complete: bool,
    /// How the module behaves towards its host program.
    pub module: ModuleSettings,
    /// One token for each key pair that may be used, in the order of the readers.
    pub tokens: Vec<ObjectToken>,
}

/// What the configuration says about the PKCS#11 module.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ModuleSettings {
    /// Which face `C_GetTokenInfo` shows.
    pub login: ModuleLogin,
    /// What becomes of a PIN that a program gives to `C_Login`. It never travels here.
    pub program_pin: ProgramPin,
    /// Bound, in seconds, of a call that may wait for a person.
    pub wait_seconds: u32,
}

/// How a token tells programs that its use needs a person.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModuleLogin {
    /// Not at all: the daemon asks when a key is used.
    None,
    /// `CKF_LOGIN_REQUIRED` with `CKF_PROTECTED_AUTHENTICATION_PATH`: programs call `C_Login`
    /// without a PIN, and the daemon asks then.
    ProtectedPath,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// What becomes of a PIN that a program gives to `C_Login`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramPin {
    /// The module leaves it unread, and the daemon asks the person.
    Ignore,
    /// The call fails with `CKR_ARGUMENTS_BAD`.
    Refuse,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// One PKCS#11 token: one key pair of one insertion of one card.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectToken {
    /// Opaque; another one for each insertion.
    pub id: String,
    /// Serial number of the card: what `card` parameters name.
    pub card: String,
    /// Which key pair.
    pub pair: KeyPair,
    /// Label of the token, at most 32 bytes of UTF-8: the holder's name, else the card's number.
    pub label: String,
    /// Who issues the cards, or the PKCS#11 module that drives the token; at most 32 bytes of UTF-8.
    pub manufacturer: String,
    /// Which kind of token, at most 16 bytes of UTF-8.
    pub model: String,
    /// Serial number of the token, at most 16 bytes of UTF-8.
    pub serial: String,
    /// Name of the reader.
    pub reader: String,
    /// Whether the PIN is verified.
    pub logged_in: bool,
    /// What is known of the PIN; the card is not asked.
    pub pin: PinFlags,
    /// The private keys.
    pub keys: Vec<ObjectKey>,
    /// The certificate of the key first, then those of its issuers, each issued by the next.
    pub certificates: Vec<ObjectCertificate>,
    /// Data objects; those behind the PIN only while it is verified.
    pub data: Vec<ObjectData>,
}

/// Which key pair of a card.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPair {
    /// That of the authentication certificate.
    Authentication,
    /// That of the signature certificate.
    Signature,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// State of the PIN, in the terms of `CK_TOKEN_INFO`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct PinFlags {
    /// A wrong PIN was given since the last correct one.
    pub count_low: bool,
    /// One more wrong PIN blocks it.
    pub final_try: bool,
    /// It is blocked.
    pub locked: bool,
}

/// A private key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectKey {
    /// Names the key in the paths of its uses.
    pub id: String,
    /// Label of the key.
    pub label: String,
    /// The public key: DER `SubjectPublicKeyInfo` in base64.
    pub spki: String,
    /// The ways in which it signs.
    pub schemes: Vec<KeyScheme>,
    /// Whether it decrypts (RSAES-PKCS1-v1_5).
    pub decrypts: bool,
    /// Whether programs must be told that each use needs the person (`CKA_ALWAYS_AUTHENTICATE`).
    pub always_authenticate: bool,
}

/// A certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectCertificate {
    /// Label of the certificate.
    pub label: String,
    /// DER in base64.
    pub der: String,
    /// Whether it is that of a certification authority.
    pub authority: bool,
}

/// A data object.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectData {
    /// Names the object in the path of its value.
    pub id: String,
    /// Label that the card gives it.
    pub label: String,
    /// Whether it is behind the PIN.
    pub private: bool,
}

/// A way to sign a digest. PSS is with MGF1 of the same hash and a salt as long as that.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyScheme {
    /// ECDSA of a SHA-256 digest.
    EcdsaSha256,
    /// ECDSA of a SHA-384 digest.
    EcdsaSha384,
    /// ECDSA of a SHA-512 digest.
    EcdsaSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-1.
    Pkcs1Sha1,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Pkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Pkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Pkcs1Sha512,
    /// RSASSA-PSS with SHA-1.
    PssSha1,
    /// RSASSA-PSS with SHA-256.
    PssSha256,
    /// RSASSA-PSS with SHA-384.
    PssSha384,
    /// RSASSA-PSS with SHA-512.
    PssSha512,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// Body of `POST /v1/objects/{id}/sign`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectSignRequest {
    /// How to sign: one of the `schemes` of the key.
    pub scheme: KeyScheme,
    /// Digest to sign, base64; its length is that of the scheme's hash.
    pub digest: String,
}

/// Answer of `POST /v1/objects/{id}/sign`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectSignature {
    /// The signature, base64; DER `Ecdsa-Sig-Value` (RFC 3279 §2.2.3) for ECDSA.
    pub signature: String,
}

/// Body of `POST /v1/objects/{id}/decrypt`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectDecryptRequest {
    /// The cryptogram, base64; as long as the modulus of the key.
    pub cryptogram: String,
}

/// Answer of `POST /v1/objects/{id}/decrypt`.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectPlaintext {
    /// What was encrypted, base64.
    pub plaintext: String,
}

impl fmt::Debug for ObjectPlaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectPlaintext").finish_non_exhaustive()
    }
}

/// Answer of `GET /v1/objects/{id}/value`.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct ObjectValue {
    /// The bytes of the data object, base64.
    pub value: String,
}

impl fmt::Debug for ObjectValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectValue").finish_non_exhaustive()
    }
}
