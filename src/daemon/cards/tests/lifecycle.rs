//! Insertion, removal, readers, service.

use cps_card::Kind;
use cps_emulator::Layout;

use super::operations::sign;
use super::*;
use crate::token::KeyRole;

#[tokio::test]
async fn every_holder_of_every_profile_becomes_ready() {
    let mut rig = Rig::new();
    for profile in Profile::ALL {
        for holder in Holder::ALL {
            let state = rig.ready(VirtualCard::new(pki(), holder, profile)).await;
            assert_eq!(state.id.serial, holder.serial());
            assert_eq!(state.kind.to_string(), profile.name());
            assert_eq!(state.phase, Phase::Ready);
            assert!(!state.certificates.is_empty(), "{holder:?} {profile:?}");
            rig.slot.remove();
            let removed = rig
                .wait(|event| matches!(event, Event::CardRemoved { .. }))
                .await;
            assert_eq!(
                removed,
                Event::CardRemoved {
                    reader: READER.to_owned(),
                    card: Some(state.id)
                }
            );
        }
    }
}

#[tokio::test]
async fn identity_is_read_within_the_budget_and_a_known_card_within_two_commands() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cards")).unwrap();
    for profile in Profile::ALL {
        let mut rig = Rig::with(Some(cache.clone()), Options::default());
        rig.ready(card(profile)).await;
        let cold = rig.counters();
        assert!(cold.apdus <= 20, "{profile:?}: {} commands", cold.apdus);
        assert!(cold.bytes() <= 3_500, "{profile:?}: {} bytes", cold.bytes());
        rig.cards.shutdown().await;

        let mut rig = Rig::with(Some(cache.clone()), Options::default());
        let state = rig.ready(card(profile)).await;
        let warm = rig.counters();
        assert!(warm.apdus <= 2, "{profile:?}: {} commands", warm.apdus);
        assert!(warm.bytes() <= 64, "{profile:?}: {} bytes", warm.bytes());
        assert_eq!(state.certificates.len(), 1);
        rig.cards.shutdown().await;
        // The kinds share a holder, hence a serial number.
        std::fs::remove_dir_all(folder.path().join("cards")).unwrap();
        Cache::open(folder.path().join("cards")).unwrap();
    }
}

#[tokio::test]
async fn cards_with_other_files_identifiers_and_pin_rules_work_as_well() {
    for layout in [Layout::cps3_variant(), Layout::cps4_variant()] {
        let mut rig = Rig::new();
        let virtual_card = VirtualCard::with_layout(pki(), Holder::CpsMedecin, layout);
        let pin = virtual_card.pin_value().expect("a PIN").to_owned();
        assert_ne!(pin.len(), 4, "the PIN rules differ");
        let state = rig.ready(virtual_card).await;
        rig.run(&state, move |token| {
            token.verify(PinRole::Pin, &Pin::from(&*pin))
        })
        .await
        .unwrap();
        for role in [KeyRole::Authentication, KeyRole::Signature] {
            sign(&rig, &state, role).await.unwrap();
        }
        rig.run(&state, |token| token.practice()).await.unwrap();
    }
}

#[tokio::test]
async fn readers_come_and_go() {
    let mut rig = Rig::new();
    let first = rig.ready(card(Profile::Cps3)).await;
    let second = Slot::new("Second reader");
    rig.readers
        .plug("Second reader", Arc::new(SlotReader::new(second.clone())));
    let added = Event::ReaderAdded {
        reader: "Second reader".to_owned(),
    };
    rig.wait(|event| *event == added).await;
    second.insert(VirtualCard::new(pki(), Holder::CpfMedecin, Profile::Cps4));
    rig.wait(|event| matches!(event, Event::CardReady { .. }))
        .await;
    let serials = [Holder::CpfMedecin, Holder::CpsMedecin].map(Holder::serial);
    match rig.cards.find(None) {
        Err(CardsError::Ambiguous(mut found)) => {
            found.sort();
            let mut serials = serials;
            serials.sort();
            assert_eq!(found, serials);
        }
        other => panic!("{other:?}"),
    }
    let state = rig.cards.find(Some(&Holder::CpfMedecin.serial())).unwrap();
    assert_eq!(
        (state.kind, state.reader.as_str()),
        (CardKind::Cps(Kind::Cps4), "Second reader")
    );

    rig.readers.unplug("Second reader");
    rig.wait(|event| matches!(event, Event::ReaderRemoved { .. }))
        .await;
    assert_eq!(rig.cards.find(None).unwrap().id, first.id);
    assert_eq!(rig.cards.readers().len(), 1);
}

#[tokio::test]
async fn a_contact_card_goes_before_a_contactless_one() {
    let mut rig = Rig::new();
    let contact = rig.ready(card(Profile::Cps3)).await;
    let other = Slot::new("Contactless");
    rig.readers
        .plug("Contactless", Arc::new(SlotReader::new(other.clone())));
    other.insert(VirtualCard::new(
        pki(),
        Holder::CpfMedecin,
        Profile::Cps3Contactless,
    ));
    rig.wait(|event| matches!(event, Event::CardReady { .. }))
        .await;
    assert_eq!(rig.cards.find(None).unwrap().id, contact.id);
    rig.slot.remove();
    rig.wait(|event| matches!(event, Event::CardRemoved { .. }))
        .await;
    assert_eq!(
        rig.cards.find(None).unwrap().kind,
        CardKind::Cps(Kind::Cps3Contactless)
    );
}

#[tokio::test]
async fn a_swapped_card_is_another_card() {
    let mut rig = Rig::new();
    let first = rig.ready(card(Profile::Cps3)).await;
    rig.log_in(&first).await;
    // Removal and insertion in one step: one picture shows the first card, the next the second.
    rig.slot
        .insert(VirtualCard::new(pki(), Holder::CpfMedecin, Profile::Cps3));
    rig.wait(|event| matches!(event, Event::Logout { .. }))
        .await;
    rig.wait(|event| matches!(event, Event::CardReady { .. }))
        .await;
    let second = rig.cards.find(None).unwrap();
    assert_eq!(second.id.serial, Holder::CpfMedecin.serial());
    assert!(!second.logged_in);
    let stale = rig.run(&first, |token| token.tries(PinRole::Pin)).await;
    assert_eq!(stale, Err(CardsError::Removed));
    rig.run(&second, |token| token.tries(PinRole::Pin))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_same_card_inserted_again_is_another_insertion() {
    let mut rig = Rig::new();
    let first = rig.ready(card(Profile::Cps4)).await;
    rig.log_in(&first).await;
    let same = rig.slot.remove().unwrap();
    rig.wait(|event| matches!(event, Event::CardRemoved { .. }))
        .await;
    assert_eq!(rig.cards.find(None).unwrap_err(), CardsError::Absent);
    let second = rig.ready(same).await;
    assert_eq!(second.id.serial, first.id.serial);
    assert_ne!(second.id.insertion, first.id.insertion);
    assert!(!second.logged_in);
    let stale = rig.run(&first, |token| token.tries(PinRole::Pin)).await;
    assert_eq!(stale, Err(CardsError::Removed));
}

#[tokio::test]
async fn the_service_stops_and_comes_back() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    rig.log_in(&state).await;
    rig.readers.stop_service();
    rig.wait(|event| matches!(event, Event::Logout { .. }))
        .await;
    rig.wait(|event| *event == Event::ServiceStopped).await;
    assert_eq!(rig.cards.service(), ServiceState::Stopped);
    assert!(rig.cards.service_problem().is_some());
    assert!(rig.cards.readers().is_empty());
    let error = rig.run(&state, |token| token.tries(PinRole::Pin)).await;
    assert_eq!(error, Err(CardsError::ServiceStopped));

    rig.readers.start_service();
    rig.wait(|event| matches!(event, Event::CardReady { .. }))
        .await;
    let state = rig.cards.find(None).unwrap();
    assert!(!state.logged_in);
    rig.log_in(&state).await;
}

#[tokio::test]
async fn the_end_of_the_service_ends_the_login() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    rig.log_in(&state).await;
    assert_eq!(rig.slot.with_card(|card| card.pin_verified()), Some(true));
    rig.cards.shutdown().await;
    assert_eq!(rig.slot.with_card(|card| card.pin_verified()), Some(false));
    let error = rig.run(&state, |token| token.tries(PinRole::Pin)).await;
    assert_eq!(error, Err(CardsError::ShuttingDown));
}

#[tokio::test]
async fn a_card_that_is_not_ours_is_said_to_be_unknown() {
    let mut rig = Rig::new();
    let mut stranger = card(Profile::Cps3);
    stranger.set_atr(&[0x3B, 0x02, 0x14, 0x50]);
    rig.slot.insert(stranger);
    rig.wait(|event| matches!(event, Event::CardUnusable { .. }))
        .await;
    assert_eq!(rig.cards.readers()[0].content, ReaderContent::UnknownCard);
    assert!(matches!(
        rig.cards.find(None),
        Err(CardsError::Token(TokenError::UnknownCard(_)))
    ));
    assert_eq!(rig.counters().apdus, 0, "nothing is sent to a foreign card");
}
