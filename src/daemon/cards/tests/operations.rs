//! What a token does.

use cps_card::{Hex, Tries};
use cps_verify::Scheme;
use ring::digest;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
};

use super::*;
use crate::token::{CertificateRole, KeyRole};

#[tokio::test]
async fn both_keys_sign_and_the_certificates_confirm_it() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let mut rig = Rig::new();
        let state = rig.ready(card(profile)).await;
        rig.log_in(&state).await;
        for (role, certificate_role) in [
            (KeyRole::Authentication, CertificateRole::Authentication),
            (KeyRole::Signature, CertificateRole::Signature),
        ] {
            let (schemes, certificates) = rig
                .run(&state, move |token| {
                    Ok((token.schemes(role)?, token.certificates()?))
                })
                .await
                .unwrap();
            assert!(schemes.contains(&Scheme::Pkcs1Sha256), "{profile:?} {role}");
            assert_eq!(
                schemes.iter().any(|scheme| scheme.is_pss()),
                profile == Profile::Cps4
            );
            let certificate = certificates
                .iter()
                .find(|certificate| certificate.role == certificate_role)
                .unwrap();
            let key = public_key(certificate.certificate.public_key_spki());
            for scheme in schemes {
                let (algorithm, verification) = match scheme {
                    Scheme::Pkcs1Sha256 => (&digest::SHA256, &RSA_PKCS1_2048_8192_SHA256),
                    Scheme::Pkcs1Sha384 => (&digest::SHA384, &RSA_PKCS1_2048_8192_SHA384),
                    Scheme::Pkcs1Sha512 => (&digest::SHA512, &RSA_PKCS1_2048_8192_SHA512),
                    Scheme::PssSha256 => (&digest::SHA256, &RSA_PSS_2048_8192_SHA256),
                    // The library that judges here does not know SHA-1 any more.
                    _ => continue,
                };
                let hash = digest::digest(algorithm, MESSAGE).as_ref().to_vec();
                let signature = rig
                    .run(&state, move |token| token.sign(role, scheme, &hash))
                    .await
                    .unwrap();
                UnparsedPublicKey::new(verification, &key)
                    .verify(MESSAGE, &signature)
                    .unwrap_or_else(|_| panic!("{profile:?} {role} {scheme}"));
            }
        }
    }
}

#[tokio::test]
async fn a_login_takes_one_command_and_a_signature_three() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let mut rig = Rig::new();
        let state = rig.ready(card(profile)).await;
        // What precedes the dialog.
        rig.run(&state, |token| {
            token.pin_rules(PinRole::Pin)?;
            token.tries(PinRole::Pin)
        })
        .await
        .unwrap();
        let before = rig.counters().apdus;
        rig.log_in(&state).await;
        assert_eq!(rig.counters().apdus - before, 1, "{profile:?} login");
        for role in [KeyRole::Authentication, KeyRole::Signature] {
            sign(&rig, &state, role).await.unwrap();
            let before = rig.counters().apdus;
            sign(&rig, &state, role).await.unwrap();
            let apdus = rig.counters().apdus - before;
            assert!(apdus <= 3, "{profile:?} {role}: {apdus}");
        }
    }
}

#[tokio::test]
async fn without_login_nothing_is_signed_even_on_a_verified_card() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    // Another program verified the PIN.
    rig.slot
        .transmit(&[0x00, 0x20, 0x00, 0x01, 0x04, 0x31, 0x32, 0x33, 0x34])
        .unwrap();
    assert_eq!(rig.slot.with_card(|card| card.pin_verified()), Some(true));
    assert_eq!(
        sign(&rig, &state, KeyRole::Signature).await,
        Err(CardsError::Token(TokenError::PinRequired))
    );
    assert_eq!(rig.counters().key_operations, 0);
}

#[tokio::test]
async fn a_wrong_pin_costs_one_try_and_ends_an_earlier_login() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let mut rig = Rig::new();
        let state = rig.ready(card(profile)).await;
        rig.log_in(&state).await;
        let error = rig
            .run(&state, |token| {
                token.verify(PinRole::Pin, &Pin::from("9999"))
            })
            .await;
        let refused = TokenError::PinIncorrect { left: Some(2) };
        assert_eq!(error, Err(CardsError::Token(refused)), "{profile:?}");
        let state = rig.cards.find(None).unwrap();
        assert!(!state.logged_in);
        assert_eq!(state.tries.and_then(|tries| tries.left), Some(2));
        let verify = rig.counters().verify;
        assert_eq!(verify, 2, "{profile:?}: one for each call");
        assert!(sign(&rig, &state, KeyRole::Signature).await.is_err());
    }
}

#[tokio::test]
async fn an_unknown_version_is_sent_no_pin_unless_the_configuration_names_it() {
    // The historical bytes of a French health card (ISO 7816-4 §8.1: country 250, issuer data).
    const UNKNOWN: [u8; 17] = [
        0x3B, 0xAC, 0x00, 0x40, 0x2A, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x00, 0x09, 0x10, 0x00,
        0x90, 0x00,
    ];
    for accepted in [false, true] {
        let options = Options {
            accepted_atrs: match accepted {
                true => [Hex::from(UNKNOWN.as_slice())].into(),
                false => Arc::default(),
            },
            ..Options::default()
        };
        let mut rig = Rig::with(None, options);
        let mut stranger = card(Profile::Cps3);
        stranger.set_atr(&UNKNOWN);
        let state = rig.ready(stranger).await;
        assert_eq!(state.warnings, [Warning::UnrecognisedVersion]);
        let outcome = rig
            .run(&state, |token| {
                token.verify(PinRole::Pin, &Pin::from("1234"))
            })
            .await;
        match accepted {
            true => assert_eq!(outcome, Ok(())),
            false => assert_eq!(outcome, Err(CardsError::Token(TokenError::Unrecognised))),
        }
        assert_eq!(rig.counters().verify, u64::from(accepted));
    }
}

#[tokio::test]
async fn a_pin_of_the_wrong_form_is_not_sent() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    let error = rig
        .run(&state, |token| token.verify(PinRole::Pin, &Pin::from("12")))
        .await;
    assert!(matches!(
        error,
        Err(CardsError::Token(TokenError::PinFormat(_)))
    ));
    assert_eq!(rig.counters().verify, 0);
}

#[tokio::test]
async fn a_blocked_pin_is_unblocked_with_the_puk() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let mut rig = Rig::new();
        let state = rig.ready(card(profile)).await;
        rig.slot.with_card(|card| card.set_pin_tries(0));
        let error = rig
            .run(&state, |token| {
                token.verify(PinRole::Pin, &Pin::from("1234"))
            })
            .await;
        assert_eq!(
            error,
            Err(CardsError::Token(TokenError::PinBlocked)),
            "{profile:?}"
        );
        let error = rig
            .run(&state, |token| {
                token.unblock_pin(&Pin::from("87654321"), &Pin::from("4321"))
            })
            .await;
        assert!(
            matches!(
                error,
                Err(CardsError::Token(TokenError::PukIncorrect { .. }))
            ),
            "{profile:?}: {error:?}"
        );
        rig.run(&state, |token| {
            token.unblock_pin(&Pin::from("12345678"), &Pin::from("4321"))
        })
        .await
        .unwrap();
        assert!(!rig.cards.find(None).unwrap().logged_in);
        assert_eq!(
            rig.slot.with_card(|card| card.pin_verified()),
            Some(false),
            "{profile:?}: unblocking is no login"
        );
        rig.run(&state, |token| {
            token.verify(PinRole::Pin, &Pin::from("4321"))
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_changed_pin_replaces_the_old_one() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let mut rig = Rig::new();
        let state = rig.ready(card(profile)).await;
        rig.run(&state, |token| {
            token.change_pin(&Pin::from("1234"), &Pin::from("5678"))
        })
        .await
        .unwrap();
        assert_eq!(
            rig.slot.with_card(|card| card.pin_verified()),
            Some(false),
            "{profile:?}: a change is no login"
        );
        let old = rig
            .run(&state, |token| {
                token.verify(PinRole::Pin, &Pin::from("1234"))
            })
            .await;
        assert!(matches!(
            old,
            Err(CardsError::Token(TokenError::PinIncorrect { .. }))
        ));
        rig.run(&state, |token| {
            token.verify(PinRole::Pin, &Pin::from("5678"))
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn logout_resets_the_card_unless_another_program_uses_it() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    rig.log_in(&state).await;
    rig.wait(|event| matches!(event, Event::Login { .. })).await;
    rig.run(&state, |token| {
        token.logout();
        Ok(())
    })
    .await
    .unwrap();
    rig.wait(|event| matches!(event, Event::Logout { .. }))
        .await;
    assert_eq!(rig.slot.with_card(|card| card.pin_verified()), Some(false));
    assert!(!rig.cards.find(None).unwrap().logged_in);

    rig.log_in(&state).await;
    rig.reader.set_shared(true);
    rig.run(&state, |token| {
        token.logout();
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(rig.slot.with_card(|card| card.pin_verified()), Some(true));
    assert_eq!(
        sign(&rig, &state, KeyRole::Signature).await,
        Err(CardsError::Token(TokenError::PinRequired)),
        "the card would sign, we do not"
    );
}

#[tokio::test]
async fn practice_situations_need_the_login() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        for holder in [Holder::CpsMedecin, Holder::CpsMulti, Holder::CpeService] {
            let mut rig = Rig::new();
            let state = rig.ready(VirtualCard::new(pki(), holder, profile)).await;
            assert_eq!(
                rig.run(&state, |token| token.practice()).await,
                Err(CardsError::Token(TokenError::PinRequired))
            );
            rig.log_in(&state).await;
            let practice = rig.run(&state, |token| token.practice()).await.unwrap();
            let found: Vec<_> = practice
                .activities
                .iter()
                .map(|activity| (activity.index, activity.structure_name.as_deref()))
                .collect();
            let expected: Vec<_> = holder
                .activities()
                .iter()
                .map(|activity| (activity.index, Some(activity.structure_name)))
                .collect();
            assert_eq!(found, expected, "{profile:?} {holder}");
        }
    }
}

#[tokio::test]
async fn public_data_completes_the_identity() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let mut rig = Rig::new();
        let state = rig.ready(card(profile)).await;
        let data = rig.run(&state, |token| token.card_data()).await.unwrap();
        let holder = Holder::CpsMedecin;
        assert_eq!(data.card_number.as_deref(), Some(holder.card_number()));
        assert_eq!(data.national_id.as_deref(), Some(holder.national_id()));
        assert!(data.valid_from < data.valid_until);
    }
}

#[tokio::test]
async fn a_contactless_card_has_only_its_technical_certificate() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3Contactless)).await;
    let roles: Vec<_> = state
        .certificates
        .iter()
        .map(|certificate| certificate.role)
        .collect();
    assert_eq!(roles, [CertificateRole::Technical]);
    assert_eq!(
        sign(&rig, &state, KeyRole::Authentication).await,
        Err(CardsError::Token(TokenError::TechnicalOnly))
    );
}

#[tokio::test]
async fn the_card_report_asks_no_pin() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps4)).await;
    let report = rig.run(&state, |token| token.report()).await.unwrap();
    assert_eq!(report.kind.as_str(), "cps4");
    assert_eq!(rig.counters().verify, 0);
}

#[tokio::test]
async fn tries_are_asked_of_the_card() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    rig.slot.with_card(|card| card.set_pin_tries(1));
    let tries = rig
        .run(&state, |token| token.tries(PinRole::Pin))
        .await
        .unwrap();
    assert!(matches!(
        tries,
        Tries {
            left: Some(1),
            max: Some(3),
            ..
        }
    ));
    assert_eq!(rig.cards.find(None).unwrap().tries, Some(tries));
}

pub(super) async fn sign(
    rig: &Rig,
    state: &CardState,
    role: KeyRole,
) -> Result<Vec<u8>, CardsError> {
    rig.run(state, move |token| {
        let hash = digest::digest(&digest::SHA256, MESSAGE);
        token.sign(role, Scheme::Pkcs1Sha256, hash.as_ref())
    })
    .await
}

/// The RSAPublicKey inside a SubjectPublicKeyInfo, found by its form: it ends it.
fn public_key(spki: &[u8]) -> Vec<u8> {
    let start = spki
        .windows(3)
        .position(|window| window == [0x00, 0x30, 0x82])
        .expect("a bit string with a long sequence");
    spki[start + 1..].to_vec()
}

const MESSAGE: &[u8] = b"a message";
