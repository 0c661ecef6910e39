//! Cards that were seen before and keep no update date: compared with the cache when nobody asks
//! for anything.

use cps_card::KeyUse;
use cps_emulator::{Fault, FaultPlan};
use tempfile::TempDir;
use tokio::time::sleep;

use super::*;

#[tokio::test]
async fn a_renewed_certificate_is_found_without_an_update_date() {
    for profile in [Profile::Cps4, Profile::Cps3Contactless] {
        let (_folder, cache) = cached(profile).await;
        let (renewed, certificate) = renewed(profile);
        let mut rig = Rig::with(Some(cache.clone()), Options::default());
        let state = rig.ready(renewed).await;
        let warm = rig.counters().apdus;
        assert!(warm <= 2, "{profile:?}: {warm} commands hold the card back");
        assert_ne!(shown(&state), certificate);

        rig.wait(|event| matches!(event, Event::CardReady { .. }))
            .await;
        assert_eq!(shown(&rig.cards.find(None).unwrap()), certificate);
        let renewed = rig.slot.remove().unwrap();
        rig.cards.shutdown().await;

        let mut rig = Rig::with(Some(cache), Options::default());
        let before = renewed.counters().apdus;
        let state = rig.ready(renewed).await;
        assert_eq!(shown(&state), certificate, "{profile:?}: out of the cache");
        assert!(rig.counters().apdus <= before + 2, "{profile:?}");
    }
}

#[tokio::test]
async fn an_unchanged_card_is_compared_once_and_not_read_again() {
    for profile in [Profile::Cps4, Profile::Cps3Contactless] {
        let (_folder, cache) = cached(profile).await;
        let mut rig = Rig::with(Some(cache), quick());
        let state = rig.ready(card(profile)).await;
        rig.released().await;
        let compared = rig.counters();
        assert!(
            (3..=16).contains(&compared.apdus) && compared.bytes() < 2_000,
            "{profile:?}: {compared:?}"
        );
        rig.run(&state, |_| Ok(())).await.unwrap();
        rig.released().await;
        assert_eq!(rig.counters().apdus, compared.apdus, "{profile:?}: once");
        assert_eq!(shown(&rig.cards.find(None).unwrap()), shown(&state));
        if let Ok(event) = rig.events.try_recv() {
            panic!("{profile:?}: {event:?} though nothing changed");
        }
    }
}

#[tokio::test]
async fn a_contact_cps3_has_its_update_date_and_is_not_compared() {
    let (_folder, cache) = cached(Profile::Cps3).await;
    let mut rig = Rig::with(Some(cache), quick());
    rig.ready(card(Profile::Cps3)).await;
    rig.released().await;
    assert!(rig.counters().apdus <= 2);
}

#[tokio::test]
async fn the_comparison_gives_way_to_callers_and_is_taken_up_again() {
    let (_folder, cache) = cached(Profile::Cps4).await;
    let mut rig = Rig::with(Some(cache), quick());
    let mut slow = card(Profile::Cps4);
    slow.arm(FaultPlan::at(WARM + 1, Fault::Delay(SLOW)));
    let state = rig.ready(slow).await;
    while rig.counters().apdus <= u64::from(WARM) {
        sleep(STEP).await;
    }
    // The first command of the comparison is under way.
    let slot = rig.slot.clone();
    let sent = rig
        .run(&state, move |_| Ok(slot.counters().map(|all| all.apdus)))
        .await
        .unwrap();
    assert_eq!(sent, Some(u64::from(WARM) + 1), "the caller was next");
    rig.released().await;
    let compared = rig.counters().apdus;
    assert!(compared > u64::from(WARM) + 3, "{compared}");
}

#[tokio::test]
async fn a_changed_card_ends_the_login() {
    let (_folder, cache) = cached(Profile::Cps4).await;
    let mut rig = Rig::with(Some(cache), Options::default());
    let state = rig.ready(renewed(Profile::Cps4).0).await;
    rig.log_in(&state).await;
    rig.wait(|event| matches!(event, Event::Logout { .. }))
        .await;
    rig.wait(|event| matches!(event, Event::CardReady { .. }))
        .await;
    assert_eq!(rig.slot.with_card(|card| card.pin_verified()), Some(false));
}

#[tokio::test]
async fn a_comparison_that_fails_leaves_a_card_that_works() {
    let (_folder, cache) = cached(Profile::Cps4).await;
    let mut rig = Rig::with(Some(cache), quick());
    rig.ready(card(Profile::Cps4)).await;
    rig.released().await;
    let commands = rig.counters().apdus as u32 - WARM;
    for fault in [Fault::Reset, Fault::Garbage, Fault::Short, Fault::Long] {
        for nth in 1..=commands {
            let (_folder, cache) = cached(Profile::Cps4).await;
            let mut rig = Rig::with(Some(cache), quick());
            let mut faulty = card(Profile::Cps4);
            faulty.arm(FaultPlan::at(WARM + nth, fault));
            rig.ready(faulty).await;
            rig.released().await;
            let state = rig.cards.find(None).unwrap();
            assert_eq!(state.phase, Phase::Ready, "{fault} at {nth}");
            let certificate = pki().authentication_der(Holder::CpsMedecin);
            assert_eq!(shown(&state), certificate, "{fault} at {nth}");
            rig.log_in(&state).await;
        }
    }
}

/// A cache that knows the card.
async fn cached(profile: Profile) -> (TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let mut rig = Rig::with(Some(cache.clone()), Options::default());
    rig.ready(card(profile)).await;
    rig.cards.shutdown().await;
    (folder, cache)
}

/// The same card with another certificate, and no other trace of a change.
fn renewed(profile: Profile) -> (VirtualCard, Vec<u8>) {
    let (key_use, certificate) = match profile {
        Profile::Cps3Contactless => (KeyUse::Technical, pki().technical_der(Holder::CpsInfirmier)),
        _ => (
            KeyUse::Authentication,
            pki().authentication_der(Holder::CpsInfirmier),
        ),
    };
    let mut card = card(profile);
    card.set_certificate(key_use, &certificate);
    (card, certificate)
}

fn shown(state: &CardState) -> Vec<u8> {
    state.certificates[0].certificate.der().to_vec()
}

fn quick() -> Options {
    Options {
        linger: Duration::from_millis(50),
        settle: Duration::from_millis(50),
        ..Options::default()
    }
}

const SLOW: Duration = Duration::from_millis(900);
const STEP: Duration = Duration::from_millis(1);
/// What it takes to recognise a CPS4 that was seen before.
const WARM: u32 = 2;
