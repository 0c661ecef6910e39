//! Readers and cards come, go and are disturbed; the daemon is never restarted.

use std::time::{Duration, Instant};

use cps_api::types::{PcscState, ReaderState};
use cps_emulator::{Fault, FaultPlan, Holder, Profile};
use cps_tests::{Cpsd, Pcscd, Pinentry, Practice, Sandbox, Settings, openssl, until};

#[test]
fn a_card_that_leaves_takes_its_login_with_it() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.cps(&["login"]);
    let card = card.remove();
    let client = practice.cpsd.client();
    until("the card is gone", || {
        client.cards().unwrap().cards.is_empty().then_some(())
    });
    let reason = practice.refused(&["identity"]);
    assert!(reason.contains("card.absent"), "{reason}");

    let _card = practice.insert(0, card);
    assert!(!client.cards().unwrap().cards[0].logged_in);
    practice.cps(&["login"]);
    assert_eq!(practice.pinentry.pins_asked(), 2);
}

/// Another card in the same reader is another practitioner, never a mixture of the two.
#[test]
fn a_swapped_card_is_another_practitioner() {
    let practice = Practice::new();
    for holder in [Holder::CpsMedecin, Holder::CpsInfirmier, Holder::CpsMedecin] {
        let card = practice.insert(0, practice.card(holder, Profile::Cps3));
        let identity = practice.json(&["identity"]);
        assert_eq!(identity["national_id"], holder.national_id());
        assert_eq!(identity["card"]["serial"], holder.serial());
        card.remove();
        let client = practice.cpsd.client();
        until("the card is gone", || {
            client.cards().unwrap().cards.is_empty().then_some(())
        });
    }
}

/// Two cards: a verb without `--card` must not choose; with it, each answers for itself.
#[test]
fn two_readers_hold_two_practitioners() {
    let practice = Practice::new();
    let _first = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let _second = practice.insert(1, practice.card(Holder::CpsInfirmier, Profile::Cps4));
    let reason = practice.refused(&["identity"]);
    assert!(reason.contains("card.ambiguous"), "{reason}");
    for (holder, kind) in [(Holder::CpsMedecin, "cps3"), (Holder::CpsInfirmier, "cps4")] {
        assert!(reason.contains(&holder.serial()), "{reason}");
        let identity = practice.json(&["identity", "--card", &holder.serial()]);
        assert_eq!(identity["national_id"], holder.national_id());
        assert_eq!(identity["card"]["kind"], kind);
    }
}

/// OpenSC resets the card under the daemon: the login is gone, the next operation works.
#[test]
fn a_reset_by_another_program_costs_a_new_pin_only() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.sandbox.write("document", "contenu");
    practice.cps(&["sign", "document", "-o", "before.p7s"]);
    let verified = card.counters().verify;

    let resets = card.counters().resets;
    let mut rival = practice.sandbox.command("opensc-tool");
    practice.pcscd.open_to(&mut rival);
    let output = rival.args(["--reader", "0", "--reset"]).output().unwrap();
    assert!(card.counters().resets > resets, "{output:?}");

    practice.cps(&["sign", "document", "-o", "after.p7s"]);
    let signature = practice.sandbox.join("after.p7s");
    let document = practice.sandbox.join("document");
    let judged = openssl::cms_verify(
        &practice.sandbox,
        &signature,
        Some(&document),
        &practice.anchors,
    );
    assert!(judged.status.success(), "{judged:?}");
    assert_eq!(card.counters().verify, verified + 1);
    assert_eq!(practice.pinentry.pins_asked(), 2);
}

/// A card that stops answering is given up after ten seconds, even when the reader would wait for
/// ever; taken out and put back, it works, and no try is lost.
#[test]
fn a_card_that_falls_silent_is_given_up_and_can_come_back() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    card.arm(FaultPlan::at(1, Fault::Mute));
    let start = Instant::now();
    let reason = practice.refused(&["login"]);
    let taken = start.elapsed();
    assert!(reason.contains("card.mute"), "{reason}");
    assert!(taken < Duration::from_secs(20), "{taken:?}");

    let mut card = card.remove();
    assert_eq!(card.pin_tries(), Some(3));
    card.disarm();
    let client = practice.cpsd.client();
    until("the card gone", || {
        client.cards().unwrap().cards.is_empty().then_some(())
    });
    let _card = practice.insert(0, card);
    practice.cps(&["login"]);
}

#[test]
fn a_crash_of_pcscd_is_survived() {
    let mut practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let client = practice.cpsd.client();
    practice.pcscd.crash();
    until("pcscd reported as stopped", || {
        (client.status().unwrap().pcsc == PcscState::Stopped).then_some(())
    });
    let reason = practice.refused(&["identity"]);
    assert!(reason.contains("reader.service_absent"), "{reason}");

    let card = card.remove();
    practice.pcscd.restart(&practice.sandbox);
    let _card = practice.insert(0, card);
    assert_eq!(
        practice.json(&["identity"])["national_id"],
        Holder::CpsMedecin.national_id()
    );
}

/// The daemon starts on a machine without pcscd, says so, and notices when it comes.
#[test]
fn pcscd_may_start_after_the_daemon() {
    let sandbox = Sandbox::new();
    let pinentry = Pinentry::new(&sandbox);
    let mut pcscd = Pcscd::start(&sandbox);
    pcscd.stop();
    let cpsd = Cpsd::start(&sandbox, &pcscd, &pinentry, &Settings::default());
    let client = cpsd.client();
    assert_eq!(client.status().unwrap().pcsc, PcscState::Stopped);
    let reason = cpsd.cps_refused(&sandbox, &["identity"]);
    assert!(reason.contains("reader.service_absent"), "{reason}");
    let doctor = cpsd.cps(&sandbox, &["doctor"]);
    assert!(
        String::from_utf8_lossy(&doctor.stdout).contains("pcscd"),
        "{doctor:?}"
    );

    pcscd.restart(&sandbox);
    let readers = until("the readers", || {
        let readers = client.readers().unwrap().readers;
        (readers.len() == 2).then_some(readers)
    });
    assert!(
        readers
            .iter()
            .all(|reader| reader.state == ReaderState::Empty),
        "{readers:?}"
    );
}

/// A card of another kind in the reader is named as such and disturbs nothing.
#[test]
fn the_daemon_ends_cleanly_with_a_card_in_the_reader() {
    let mut practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.cps(&["login"]);
    let resets = card.counters().resets;
    let status = practice.cpsd.stop();
    assert!(status.success(), "{status}");
    // A PIN that stays verified in the card would serve the next program that connects.
    assert!(card.counters().resets > resets);
    assert!(!practice.cpsd.socket().exists());
}
