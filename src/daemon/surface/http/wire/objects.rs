//! A key pair of a card as a PKCS#11 token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_api::types::{self, KeyScheme};
use cps_identity::{Certificate, Practitioner};
use cps_verify::Scheme;

use crate::app::App;
use crate::cards::{CardKind, CardState};
use crate::config::{ModuleLogin, Pkcs11, ProgramPin};
use crate::objects::{Contents, Key, Object, ObjectId};
use crate::token::KeyRole;

pub(in super::super) fn module_settings(settings: &Pkcs11) -> types::ModuleSettings {
    types::ModuleSettings {
        login: match settings.login {
            ModuleLogin::None => types::ModuleLogin::None,
            ModuleLogin::ProtectedPath => types::ModuleLogin::ProtectedPath,
        },
        program_pin: match settings.program_pin {
            ProgramPin::Ignore => types::ProgramPin::Ignore,
            ProgramPin::Refuse => types::ProgramPin::Refuse,
        },
        wait_seconds: settings.wait_seconds,
    }
}

pub(in super::super) fn object_token(
    app: &App,
    card: &CardState,
    contents: &Contents,
    key: &Key,
) -> types::ObjectToken {
    let id = |object| ObjectId::new(app.started, &card.id, object).to_string();
    let key_id = id(Object::Key(key.role));
    let leaf = &key.certificate;
    let mut certificates = vec![certificate(&leaf.label, &leaf.certificate, false)];
    let issuers = app.trust.issuers(&leaf.certificate);
    certificates.extend(issuers.iter().map(|issuer| {
        let name = issuer.subject().common_name().unwrap_or_default();
        certificate(name, issuer, true)
    }));
    // The data are about the holder: once for a card is enough.
    let data = contents.data.iter().enumerate().filter(|(_, object)| {
        key.role == KeyRole::Authentication && (card.logged_in || !object.private)
    });
    types::ObjectToken {
        card: card.id.serial.clone(),
        pair: match key.role {
            KeyRole::Authentication => types::KeyPair::Authentication,
            KeyRole::Signature => types::KeyPair::Signature,
        },
        label: token_label(card, key),
        manufacturer: match &card.kind {
            CardKind::Cps(_) => "ANS".to_owned(),
            CardKind::Module(name) => name.to_string(),
        },
        model: super::kind(&card.kind).as_str().to_uppercase(),
        // There is room for little more than the token's own.
        serial: match card.id.serial.split_once(':') {
            Some((_, serial)) => serial.to_owned(),
            None => card.id.serial.clone(),
        },
        reader: card.reader.clone(),
        logged_in: card.logged_in,
        pin: pin_flags(card),
        keys: vec![types::ObjectKey {
            id: key_id.clone(),
            label: leaf.label.clone(),
            spki: STANDARD.encode(leaf.certificate.public_key_spki()),
            schemes: key.schemes.iter().map(|one| key_scheme(*one)).collect(),
            decrypts: key.decrypts,
            // Only programs that open logins at all know what to do with it.
            always_authenticate: key.role == KeyRole::Signature
                && app.config.pkcs11.login == ModuleLogin::ProtectedPath,
        }],
        certificates,
        data: data
            .map(|(place, object)| types::ObjectData {
                id: id(Object::Data(place)),
                label: object.label.clone(),
                private: object.private,
            })
            .collect(),
        id: key_id,
    }
}

/// The name of the holder, else of the card, and which of two tokens it is.
fn token_label(card: &CardState, key: &Key) -> String {
    let names = Practitioner::from_certificate(&key.certificate.certificate)
        .map(|holder| [holder.given_name, holder.family_name]);
    let names = names.into_iter().flatten().flatten().collect::<Vec<_>>();
    let name = match names.is_empty() {
        true => format!("CPS {}", card.id.serial),
        false => names.join(" "),
    };
    let suffix = match key.role {
        KeyRole::Authentication => "",
        KeyRole::Signature => " (signature)",
    };
    let end = name.floor_char_boundary(LABEL_LIMIT - suffix.len());
    format!("{}{suffix}", name[..end].trim_end())
}

fn pin_flags(card: &CardState) -> types::PinFlags {
    let tries = card.tries;
    let left = tries.and_then(|tries| tries.left);
    let max = tries.and_then(|tries| tries.max);
    types::PinFlags {
        count_low: left.zip(max).is_some_and(|(left, max)| left < max),
        final_try: left == Some(1),
        locked: left == Some(0),
    }
}

fn certificate(
    label: &str,
    certificate: &Certificate,
    authority: bool,
) -> types::ObjectCertificate {
    types::ObjectCertificate {
        label: label.to_owned(),
        der: STANDARD.encode(certificate.der()),
        authority,
    }
}

/// `None` for a way that is newer than this daemon.
pub(in super::super) fn scheme(scheme: KeyScheme) -> Option<Scheme> {
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
        _ => return None,
    })
}

fn key_scheme(scheme: Scheme) -> KeyScheme {
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

/// Bytes in the label of a token (`CK_TOKEN_INFO`).
const LABEL_LIMIT: usize = 32;

#[cfg(test)]
mod tests {
    use cps_verify::Hash;

    use super::*;

    #[test]
    fn every_scheme_of_a_card_has_one_name() {
        for hash in Hash::ALL {
            let all = [
                Scheme::ecdsa(hash),
                Some(Scheme::pkcs1(hash)),
                Some(Scheme::pss(hash)),
            ];
            for one in all.into_iter().flatten() {
                assert_eq!(scheme(key_scheme(one)), Some(one));
            }
        }
    }
}
