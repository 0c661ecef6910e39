//! Cards laid out in another way than the default: other file identifiers, labels, key references,
//! paddings and PIN rules. Nothing of a card is assumed that the card itself declares.

use std::time::Duration;

use cps_api::Client;
use cps_emulator::{Holder, Layout, VirtualCard};
use cps_tests::{Answer, Practice, openssl};

#[test]
fn a_cps3_of_another_layout_does_everything() {
    does_everything(Layout::cps3_variant());
}

#[test]
fn a_cps4_of_another_layout_does_everything() {
    does_everything(Layout::cps4_variant());
}

/// What a card declares of itself is enough for the emulator to play a card of that layout, which
/// is then used like the first; and it names nobody.
#[test]
fn a_card_report_is_a_layout_without_a_person() {
    for layout in [Layout::cps3(), Layout::cps4_variant()] {
        let practice = Practice::new();
        let card = VirtualCard::with_layout(&practice.pki, Holder::CpsMedecin, layout);
        let card = practice.insert(0, card);
        practice.cps(&["doctor", "--card-report", "report.json"]);
        assert_eq!(card.counters().verify, 0);
        let report = std::fs::read_to_string(practice.sandbox.join("report.json")).unwrap();
        for secret in [
            "EXEMPLE",
            Holder::CpsMedecin.national_id(),
            Holder::CpsMedecin.card_number(),
            &Holder::CpsMedecin.serial(),
        ] {
            assert!(!report.contains(secret), "{secret} is in the report");
        }
        card.remove();
        let client = practice.cpsd.client();
        wait_for_no_card(&client);

        let replayed = Layout::from_json(&report).unwrap();
        let card = VirtualCard::with_layout(&practice.pki, Holder::CpsInfirmier, replayed);
        let _card = practice.insert(0, card);
        let identity = practice.json(&["identity"]);
        assert_eq!(identity["national_id"], Holder::CpsInfirmier.national_id());
    }
}

fn does_everything(layout: Layout) {
    let pin = layout.pin.clone().expect("a PIN").value;
    let puk = layout.puk.clone().expect("a PUK").value;
    let practice = Practice::new();
    let card = VirtualCard::with_layout(&practice.pki, Holder::CpsMulti, layout);
    let card = practice.insert(0, card);
    assert_eq!(
        practice.json(&["identity"])["national_id"],
        Holder::CpsMulti.national_id()
    );

    // Four digits are too few for this card: said without spending a try.
    practice
        .pinentry
        .queue(&[Answer::Pin("1234".to_owned()), Answer::Cancel]);
    practice.refused(&["login"]);
    assert_eq!(card.counters().verify, 0);
    // After a cancelled dialog a program has to wait for a second.
    std::thread::sleep(Duration::from_millis(1200));

    practice.pinentry.always_type(&pin);
    let exercises = practice.json(&["exercises"]);
    assert_eq!(exercises["exercises"].as_array().map(Vec::len), Some(3));
    sign(&practice);

    let new = || Answer::Pin("24681357".to_owned());
    practice.pinentry.queue(&[Answer::Pin(pin), new(), new()]);
    practice.cps(&["pin", "change"]);
    practice.pinentry.always_type("24681357");
    practice.cps(&["lock"]);
    sign(&practice);

    let other = || Answer::Pin("97531864".to_owned());
    practice
        .pinentry
        .queue(&[Answer::Pin(puk), other(), other()]);
    practice.cps(&["pin", "unblock"]);
    practice.pinentry.always_type("97531864");
    practice.cps(&["lock"]);
    sign(&practice);
}

fn sign(practice: &Practice) {
    let document = practice.sandbox.write("document", "contenu");
    practice.cps(&["sign", "document", "-o", "document.p7s"]);
    let signature = practice.sandbox.join("document.p7s");
    let verdict = openssl::cms_verify(
        &practice.sandbox,
        &signature,
        Some(&document),
        &practice.anchors,
    );
    assert!(verdict.status.success(), "{verdict:?}");
}

fn wait_for_no_card(client: &Client) {
    cps_tests::until("the card gone", || {
        client.cards().unwrap().cards.is_empty().then_some(())
    });
}
