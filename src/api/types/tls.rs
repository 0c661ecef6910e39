//! `POST /v1/tls/tunnel` and `POST /v1/tls/sign`.

use serde::{Deserialize, Serialize};

/// Value of the `Upgrade` header of `POST /v1/tls/tunnel` and of its 101 answer.
pub const TUNNEL_PROTOCOL: &str = "cpsd-tunnel";

/// Body of `POST /v1/tls/tunnel`. The answer is 101, then the bytes of the application both ways.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TunnelRequest {
    /// Serial number of the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// Name of the server, which its certificate must carry.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// Which of the configured purposes of this destination is meant, when there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

/// Body of `POST /v1/tls/sign`: one handshake signature for a TLS stack of the caller.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TlsSignRequest {
    /// Serial number of the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// How to sign.
    pub scheme: SignatureScheme,
    /// Digest of what TLS signs, base64 (RFC 4648 §4); its length is that of the scheme's hash.
    pub digest: String,
    /// Host of the server, as told by the caller: shown, and written in the journal as told.
    pub destination: String,
}

/// TLS signature schemes, by their names of RFC 8446 §4.2.3.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureScheme {
    /// ECDSA on P-256 with SHA-256; PKCS#11 tokens only. The signature is in DER.
    EcdsaSecp256r1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256; not CPS3.
    RsaPssRsaeSha256,
    /// RSASSA-PSS with SHA-384; some PKCS#11 tokens only.
    RsaPssRsaeSha384,
    /// RSASSA-PSS with SHA-512; some PKCS#11 tokens only.
    RsaPssRsaeSha512,
}

/// Answer of `POST /v1/tls/sign`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TlsSignature {
    /// The signature, base64.
    pub signature: String,
    /// The authentication certificate and its issuers, leaf first, each DER in base64.
    pub certificate_chain: Vec<String>,
}
