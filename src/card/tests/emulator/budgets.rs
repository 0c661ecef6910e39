//! How many commands and bytes each phase costs.

use std::time::SystemTime;

use cps_card::{KeyUse, PinRole, Scheme, UpdateState};
use cps_emulator::{Holder, Layout, Pki, UpdateState as Update};

use crate::{Reader, key};

/// From insertion to the certificate that names the holder, then again from the cache.
fn identity(layout: Layout, update: Option<Update>) -> [u64; 4] {
    let name = layout.name.clone();
    let mut reader = Reader::new(layout, Holder::CpsMedecin);
    if let Some(update) = update {
        reader.card.set_update_state(&update);
    }
    let (files, cold_apdus, cold_bytes) = reader.cost(|reader| {
        let mut card = reader.open().unwrap();
        card.update_state(reader).unwrap();
        let entries = card.certificates(reader).unwrap();
        let entry = entries
            .iter()
            .find(|entry| entry.label.contains("Authentif"))
            .unwrap();
        card.read_certificate(reader, entry).unwrap();
        card.public_files().clone()
    });
    reader.insert_again();
    let ((), warm_apdus, warm_bytes) = reader.cost(|reader| {
        let mut card = reader.open().unwrap();
        card.update_state(reader).unwrap();
        assert!(card.restore(files), "{name}");
        let entries = card.certificates(reader).unwrap();
        let entry = entries
            .iter()
            .find(|entry| entry.label.contains("Authentif"))
            .unwrap();
        card.read_certificate(reader, entry).unwrap();
    });
    [cold_apdus, cold_bytes, warm_apdus, warm_bytes]
}

#[test]
fn the_identity_of_every_contact_card_keeps_the_budget() {
    for layout in [Layout::cps3(), Layout::cps4()] {
        let name = layout.name.clone();
        let [cold_apdus, cold_bytes, warm_apdus, warm_bytes] = identity(layout, None);
        assert!(cold_apdus <= 20, "{name}: {cold_apdus} commands cold");
        assert!(cold_bytes <= 3500, "{name}: {cold_bytes} bytes cold");
        assert!(warm_apdus <= 2, "{name}: {warm_apdus} commands warm");
        assert!(warm_bytes <= 64, "{name}: {warm_bytes} bytes warm");
    }
}

/// A card that was updated on line holds the dates in a file without short identifier: it takes
/// one command more to be sure that nothing changed since.
#[test]
fn an_updated_card_costs_one_command_more() {
    let update = Update::Done {
        start: "20240115103000".into(),
        end: "20240115103500".into(),
    };
    let [cold_apdus, cold_bytes, warm_apdus, warm_bytes] = identity(Layout::cps3(), Some(update));
    assert!(
        cold_apdus <= 20 && cold_bytes <= 3500,
        "{cold_apdus} commands, {cold_bytes} bytes"
    );
    assert!(
        warm_apdus <= 3 && warm_bytes <= 64,
        "{warm_apdus} commands, {warm_bytes} bytes"
    );
}

#[test]
fn an_update_makes_the_cache_stale_and_an_unfinished_one_is_seen() {
    let mut reader = Reader::new(Layout::cps3(), Holder::CpsMedecin);
    let mut card = reader.open().unwrap();
    assert_eq!(card.update_state(&mut reader), Ok(UpdateState::Never));
    card.certificates(&mut reader).unwrap();
    let files = card.public_files().clone();

    let update = Update::Done {
        start: "20240115103000".into(),
        end: "20240115103500".into(),
    };
    reader.card.set_update_state(&update);
    let mut card = reader.open().unwrap();
    card.update_state(&mut reader).unwrap();
    assert!(!card.restore(files));

    for unfinished in [
        Update::Empty,
        Update::Unfinished {
            start: "20240115103000".into(),
        },
    ] {
        reader.card.set_update_state(&unfinished);
        reader.insert_again();
        let mut card = reader.open().unwrap();
        let state = card.update_state(&mut reader).unwrap();
        assert!(matches!(state, UpdateState::Unfinished { .. }), "{state:?}");
        assert!(!card.certificates(&mut reader).unwrap().is_empty());
    }
}

#[test]
fn a_login_is_one_command_and_a_signature_at_most_three() {
    for layout in crate::contact_layouts() {
        let name = layout.name.clone();
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        let keys = card.keys(&mut reader).unwrap();
        card.tries(&mut reader, PinRole::Pin).unwrap();
        let pin = reader.pin();
        let (login, apdus, _) = reader.cost(|reader| card.verify(reader, PinRole::Pin, &pin));
        login.unwrap();
        assert_eq!(apdus, 1, "{name}: login");
        // The first signature enters the application.
        card.sign(&mut reader, &keys[0], Scheme::Pkcs1Sha256, &[7; 32])
            .unwrap();
        for key in &keys {
            let (signed, apdus, _) =
                reader.cost(|reader| card.sign(reader, key, Scheme::Pkcs1Sha256, &[7; 32]));
            signed.unwrap();
            assert!(apdus <= 3, "{name}: {apdus} commands for {}", key.label);
        }
    }
}

#[test]
fn a_contactless_card_gives_its_certificate_and_signs_without_a_pin() {
    let mut reader = Reader::new(Layout::cps3_contactless(), Holder::CpsMedecin);
    let mut card = reader.open().unwrap();
    let key = key(&mut card, &mut reader, KeyUse::Technical);
    card.sign(&mut reader, &key, Scheme::Pkcs1Sha256, &[7; 32])
        .unwrap();
    let (_, apdus, _) = reader.cost(|reader| {
        card.sign(reader, &key, Scheme::Pkcs1Sha256, &[7; 32])
            .unwrap();
    });
    assert_eq!(apdus, 2);
}

#[test]
fn a_renewed_certificate_is_noticed_without_update_dates() {
    for layout in crate::contact_layouts() {
        let name = layout.name.clone();
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        let read = crate::certificates(&mut card, &mut reader);
        card.keys(&mut reader).unwrap();
        assert_eq!(card.check_files(&mut reader), Ok(true), "{name}");

        let renewed = Pki::new(SystemTime::now()).authentication_der(Holder::CpsInfirmier);
        reader
            .card
            .set_certificate(KeyUse::Authentication, &renewed);
        assert_eq!(card.check_files(&mut reader), Ok(false), "{name}");
        let again = crate::certificates(&mut card, &mut reader);
        assert!(again.contains(&renewed) && again != read, "{name}");
        assert_eq!(card.check_files(&mut reader), Ok(true), "{name}");
    }
}
