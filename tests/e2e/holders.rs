//! The whole daemon in process, for every family of card and every holder.

use cps_api::types::{CardPhase, CmsParameters};
use cps_emulator::{CrlVariant, Holder, Profile, VirtualCard};
use cps_tests::{Embedded, openssl};

#[test]
fn every_holder_of_a_cps3() {
    every_holder(Profile::Cps3);
}

#[test]
fn every_holder_of_a_cps4() {
    every_holder(Profile::Cps4);
}

/// The contactless face names no person, whoever holds the card.
#[test]
fn every_holder_of_a_contactless_cps3() {
    let practice = Embedded::new();
    let client = practice.client();
    for holder in Holder::ALL {
        practice.insert(VirtualCard::new(
            &practice.pki,
            holder,
            Profile::Cps3Contactless,
        ));
        let card = client.cards().unwrap().cards.remove(0);
        assert_eq!(card.serial, holder.serial());
        assert_eq!(card.kind.as_str(), Profile::Cps3Contactless.name());
        let error = client.identity(None).expect_err("no person").to_string();
        assert!(error.contains("card.technical_only"), "{holder}: {error}");
        practice.remove();
    }
}

/// Recognised, named, listed; used where the certificate allows it and refused with the reason
/// where it does not.
fn every_holder(profile: Profile) {
    let practice = Embedded::new();
    practice
        .publisher
        .publish(&practice.pki, CrlVariant::Revoked);
    let client = practice.client();
    for holder in Holder::ALL {
        practice.insert(VirtualCard::new(&practice.pki, holder, profile));
        let card = client.cards().unwrap().cards.remove(0);
        assert_eq!(card.state, CardPhase::Ready, "{holder}");
        assert_eq!(card.serial, holder.serial());
        assert_eq!(card.kind.as_str(), profile.name());

        let identity = client.identity(None).unwrap();
        assert_eq!(
            identity.family_name.as_deref(),
            holder.family_name(),
            "{holder}"
        );
        assert_eq!(
            identity.given_name.as_deref(),
            holder.given_name(),
            "{holder}"
        );
        assert_eq!(identity.obsolete, holder == Holder::CpsLegacy, "{holder}");
        // The closed authorities wrote the identifier of another register into the same place.
        if holder != Holder::CpsLegacy {
            assert_eq!(identity.national_id, holder.national_id());
        }

        let exercises = client.exercises(None).unwrap().exercises;
        let indexes: Vec<_> = exercises.iter().map(|exercise| exercise.index).collect();
        let expected: Vec<_> = holder
            .activities()
            .iter()
            .map(|activity| activity.index)
            .collect();
        assert_eq!(indexes, expected, "{holder}");
        for (exercise, activity) in exercises.iter().zip(holder.activities()) {
            let structure = exercise.structure.as_ref().unwrap();
            assert_eq!(
                structure.name.as_deref(),
                Some(activity.structure_name),
                "{holder}"
            );
            assert_eq!(
                structure.id.as_deref(),
                Some(activity.structure_id),
                "{holder}"
            );
        }

        let mut signature = Vec::new();
        let signed = client.sign_cms(&CmsParameters::default(), &mut &CONTENT[..], &mut signature);
        match refusal(holder) {
            None => {
                signed.unwrap_or_else(|error| panic!("{holder}: {error}"));
                let signature = practice.sandbox.write("signature", signature);
                let content = practice.sandbox.write("content", CONTENT);
                let verdict = openssl::cms_verify(
                    &practice.sandbox,
                    &signature,
                    Some(&content),
                    &practice.anchors,
                );
                assert!(verdict.status.success(), "{holder}: {verdict:?}");
            }
            Some(code) => {
                let Err(error) = signed else {
                    panic!("{holder}: signed")
                };
                let error = error.to_string();
                assert!(error.contains(code), "{holder}: {error}");
            }
        }
        practice.remove();
    }
}

/// Why a holder's card must not sign.
fn refusal(holder: Holder) -> Option<&'static str> {
    match holder {
        Holder::CpsExpired => Some("certificate.expired"),
        Holder::CpsRevoked => Some("certificate.revoked"),
        Holder::CpsLegacy => Some("certificate.obsolete"),
        _ => None,
    }
}

const CONTENT: &[u8] = b"Document d'essai";
