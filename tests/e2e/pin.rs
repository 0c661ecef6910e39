//! PIN: what a person types, and what it costs on the card.

use cps_emulator::{Holder, Profile};
use cps_tests::{Answer, Pinentry, Practice, until};

/// The tries left are told, nothing is repeated by the daemon, and the next try succeeds.
#[test]
fn a_wrong_pin_costs_one_try_and_tells_what_is_left() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.pinentry.queue(&[Answer::Pin("9876".to_owned())]);
    let reason = practice.refused(&["login"]);
    assert!(reason.contains("pin.incorrect"), "{reason}");
    assert!(reason.contains('2'), "the tries left are missing: {reason}");
    assert_eq!(card.counters().verify, 1);

    practice.cps(&["login"]);
    assert_eq!(card.counters().verify, 2);
}

/// Closing the dialog spends no try.
#[test]
fn a_cancelled_dialog_costs_nothing() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.pinentry.queue(&[Answer::Cancel]);
    let reason = practice.refused(&["login"]);
    assert!(reason.contains("pin.cancelled"), "{reason}");
    assert_eq!(card.counters().verify, 0);
}

/// A blocked PIN: no dialog that cannot succeed, and the way out is named. Then the way out works.
#[test]
fn a_blocked_pin_is_explained_and_unblocked() {
    let practice = Practice::new();
    let mut card = practice.card(Holder::CpsMedecin, Profile::Cps3);
    card.set_pin_tries(0);
    let card = practice.insert(0, card);
    let reason = practice.refused(&["login"]);
    assert!(reason.contains("pin.blocked"), "{reason}");
    assert!(reason.contains("cps pin unblock"), "{reason}");
    assert_eq!(practice.pinentry.pins_asked(), 0);
    assert_eq!(card.counters().verify, 0);

    let new = || Answer::Pin(MARKER.to_owned());
    practice
        .pinentry
        .queue(&[Answer::Pin("12345678".to_owned()), new(), new()]);
    practice.cps(&["pin", "unblock"]);
    practice.pinentry.always_type(MARKER);
    practice.cps(&["login"]);
}

/// The PIN changes; the old one no longer opens the card; neither is anywhere on the disk.
#[test]
fn a_changed_pin_replaces_the_old_one_and_is_written_nowhere() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4));
    let new = || Answer::Pin(MARKER.to_owned());
    practice
        .pinentry
        .queue(&[Answer::Pin("1234".to_owned()), new(), new()]);
    practice.cps(&["pin", "change"]);
    practice.cps(&["lock"]);

    let reason = practice.refused(&["login"]);
    assert!(reason.contains("pin.incorrect"), "{reason}");
    practice.pinentry.always_type(MARKER);
    practice.cps(&["login"]);
    practice.sandbox.write("document", "contenu");
    practice.cps(&["sign", "document", "-o", "document.p7s"]);

    let leaks = practice
        .sandbox
        .files_with(MARKER.as_bytes(), &[Pinentry::FOLDER]);
    assert!(leaks.is_empty(), "the PIN is in {leaks:?}");
}

/// Two entries of a new PIN that differ never reach the card.
#[test]
fn a_mistyped_new_pin_changes_nothing() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.pinentry.queue(&[
        Answer::Pin("1234".to_owned()),
        Answer::Pin("11112222".to_owned()),
        Answer::Pin("33334444".to_owned()),
        Answer::Cancel,
    ]);
    practice.refused(&["pin", "change"]);
    // A dialog that was closed holds the next one of the same program off for a moment.
    let login = until("another dialog to be allowed", || {
        let output = practice.cpsd.cps(&practice.sandbox, &["login"]);
        let held_off = String::from_utf8_lossy(&output.stderr).contains("prompt.held_off");
        (!held_off).then_some(output)
    });
    assert!(login.status.success(), "{login:?}");
}

/// `cps lock` ends the login on the card itself, not only in the daemon.
#[test]
fn lock_makes_the_card_ask_for_the_pin_again() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.cps(&["login"]);
    let resets = card.counters().resets;
    practice.cps(&["lock"]);
    assert!(card.counters().resets > resets);
    practice.cps(&["login"]);
    assert_eq!(practice.pinentry.pins_asked(), 2);
}

/// Digits that appear nowhere else, so that a search of the disk means something.
const MARKER: &str = "83746152";
