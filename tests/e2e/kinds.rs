//! Every family of card through the real reader service.

use cps_emulator::{Holder, Profile};
use cps_tests::Practice;

#[test]
fn a_cps3_says_who_the_practitioner_is() {
    identity(Profile::Cps3);
}

#[test]
fn a_cps4_says_who_the_practitioner_is() {
    identity(Profile::Cps4);
}

/// The contactless face holds a technical certificate only: the card is recognised, but it neither
/// names a person nor signs.
#[test]
fn a_contactless_cps3_is_recognised_and_refuses_what_needs_a_person() {
    let practice = Practice::new();
    let card = practice.insert(
        0,
        practice.card(Holder::CpsMedecin, Profile::Cps3Contactless),
    );
    let cards = practice.cpsd.client().cards().unwrap().cards;
    assert_eq!(cards[0].kind.as_str(), "cps3-contactless");
    assert_eq!(cards[0].serial, Holder::CpsMedecin.serial());
    practice.sandbox.write("document", "contenu");
    for refused in [
        &["login"][..],
        &["sign", "document", "-o", "document.p7s"][..],
    ] {
        let reason = practice.refused(refused);
        assert!(
            reason.contains("card.technical_only"),
            "{refused:?}: {reason}"
        );
    }
    assert_eq!(practice.pinentry.dialogs(), 0);
    assert_eq!(card.counters().verify, 0);
}

/// Budgets of the card dialogue hold behind a real reader service too.
#[test]
fn a_known_card_is_recognised_in_two_exchanges() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let practice = Practice::new();
        let card = practice.insert(0, practice.card(Holder::CpsMedecin, profile));
        practice.json(&["identity"]);
        let cold = card.counters();
        assert!(cold.apdus <= 20, "{profile}: {} exchanges", cold.apdus);
        assert!(cold.bytes() <= 3_500, "{profile}: {} bytes", cold.bytes());

        let card = practice.away_and_back(card);
        practice.json(&["identity"]);
        let warm = card.counters();
        assert!(warm.apdus <= 2, "{profile}: {} exchanges", warm.apdus);
        assert!(warm.bytes() <= 64, "{profile}: {} bytes", warm.bytes());
    }
}

fn identity(profile: Profile) {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, profile));
    let identity = practice.json(&["identity"]);
    assert_eq!(identity["national_id"], Holder::CpsMedecin.national_id());
    assert_eq!(identity["family_name"], "EXEMPLE");
    assert_eq!(identity["given_name"], "ALIX");
    assert_eq!(identity["profession"]["code"], "10");
    assert_eq!(identity["card"]["serial"], Holder::CpsMedecin.serial());
    assert_eq!(identity["card"]["kind"], profile.name());
    // Public: no PIN, no dialog.
    assert_eq!(practice.pinentry.dialogs(), 0);

    let exercises = practice.json(&["exercises"]);
    assert_eq!(
        exercises["exercises"][0]["structure"]["name"],
        "CABINET EXEMPLE"
    );
    assert_eq!(practice.pinentry.pins_asked(), 1);
}
