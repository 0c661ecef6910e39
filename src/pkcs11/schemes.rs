//! Signature schemes between the wire and [`cps_verify`].

use cps_api::types::KeyScheme;
use cps_verify::Scheme;

/// `None` for one that only a newer daemon knows.
pub(crate) fn from_wire(scheme: KeyScheme) -> Option<Scheme> {
    Some(match scheme {
        KeyScheme::EcdsaSha256 => Scheme::EcdsaSha256,
        KeyScheme::EcdsaSha384 => Scheme::EcdsaSha384,
        KeyScheme::EcdsaSha512 => Scheme::EcdsaSha512,
        KeyScheme::Pkcs1Sha1 => Scheme::Pkcs1Sha1,
        KeyScheme::Pkcs1Sha256 => Scheme::Pkcs1Sha256,
        KeyScheme::Pkcs1Sha384 => Scheme::Pkcs1Sha384,
        KeyScheme::Pkcs1Sha512 => Scheme::Pkcs1Sha512,
        KeyScheme::PssSha1 => Scheme::PssSha1,
        KeyScheme::PssSha256 => Scheme::PssSha256,
        KeyScheme::PssSha384 => Scheme::PssSha384,
        KeyScheme::PssSha512 => Scheme::PssSha512,
        KeyScheme::Other => return None,
    })
}

/// The name that the daemon knows a scheme by.
pub(crate) fn to_wire(scheme: Scheme) -> KeyScheme {
    match scheme {
        Scheme::EcdsaSha256 => KeyScheme::EcdsaSha256,
        Scheme::EcdsaSha384 => KeyScheme::EcdsaSha384,
        Scheme::EcdsaSha512 => KeyScheme::EcdsaSha512,
        Scheme::Pkcs1Sha1 => KeyScheme::Pkcs1Sha1,
        Scheme::Pkcs1Sha256 => KeyScheme::Pkcs1Sha256,
        Scheme::Pkcs1Sha384 => KeyScheme::Pkcs1Sha384,
        Scheme::Pkcs1Sha512 => KeyScheme::Pkcs1Sha512,
        Scheme::PssSha1 => KeyScheme::PssSha1,
        Scheme::PssSha256 => KeyScheme::PssSha256,
        Scheme::PssSha384 => KeyScheme::PssSha384,
        Scheme::PssSha512 => KeyScheme::PssSha512,
    }
}
