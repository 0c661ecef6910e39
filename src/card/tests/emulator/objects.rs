//! The data objects of the holders.

use cps_card::metier::{Activity, IdCard, Info, Name, SitFact};
use cps_card::{Card, DataEntry, Error};
use cps_emulator::{Holder, Layout};

use crate::{Reader, contact_layouts, logged_in};

fn read(card: &mut Card, reader: &mut Reader, label: &str) -> Result<Vec<u8>, Error> {
    let objects = card.data_objects(reader).unwrap();
    let entry = objects.iter().find(|entry| entry.label == label);
    card.read_data(
        reader,
        entry.ok_or_else(|| Error::NotPresent { what: label.into() })?,
    )
}

/// Numbers of the activities that the card declares.
fn activities(objects: &[DataEntry]) -> Vec<&DataEntry> {
    objects
        .iter()
        .filter(|entry| entry.label.starts_with("CPS_ACTIVITY_"))
        .collect()
}

#[test]
fn free_objects_are_read_without_login() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        assert_eq!(card.serial().as_str(), Holder::CpsMedecin.serial());
        let id = IdCard::parse(&read(&mut card, &mut reader, "CPS_ID_CARD").unwrap()).unwrap();
        assert_eq!(
            id.number.as_deref(),
            Some(Holder::CpsMedecin.card_number()),
            "{name}"
        );
        let holder = Name::parse(&read(&mut card, &mut reader, "CPS_NAME_PS").unwrap()).unwrap();
        assert_eq!(
            holder.family_name.as_deref(),
            Holder::CpsMedecin.family_name(),
            "{name}"
        );
        let info = Info::parse(&read(&mut card, &mut reader, "CPS_INFO_PS").unwrap()).unwrap();
        assert_eq!(
            info.national_id.as_deref(),
            Some(Holder::CpsMedecin.national_id())
        );
    }
}

#[test]
fn activities_with_holes_need_the_pin_and_carry_their_structures() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let (mut reader, mut card) = logged_in(layout, Holder::CpsMulti);
        let objects = card.data_objects(&mut reader).unwrap();
        let mut found: Vec<(u8, Option<String>, Option<String>)> = activities(&objects)
            .into_iter()
            .map(|entry| {
                assert!(entry.private, "{name}");
                let index = entry.label[13..15].parse().unwrap();
                let value = card.read_data(&mut reader, entry).unwrap();
                let activity = Activity::parse(&value).unwrap();
                (index, activity.structure_name, activity.structure_id)
            })
            .collect();
        found.sort();
        let expected: Vec<_> = Holder::CpsMulti
            .activities()
            .iter()
            .map(|activity| {
                let text = |text: &str| Some(text.to_owned());
                (
                    activity.index,
                    text(activity.structure_name),
                    text(activity.structure_id),
                )
            })
            .collect();
        assert_eq!(found, expected, "{name}");
        let contiguous = expected
            .iter()
            .enumerate()
            .all(|(at, (index, ..))| at + 1 == usize::from(*index));
        assert!(!contiguous, "the fixture has holes");
    }
}

#[test]
fn protected_objects_are_refused_without_login_and_never_kept() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        for label in ["CPS_ACTIVITY_01_PS", "CPS_SIT_FACT"] {
            let refused = read(&mut card, &mut reader, label);
            assert_eq!(refused, Err(Error::PinRequired), "{name}, {label}");
        }
        let pin = reader.pin();
        card.verify(&mut reader, cps_card::PinRole::Pin, &pin)
            .unwrap();
        let before = card.public_files().clone();
        for label in ["CPS_ACTIVITY_01_PS", "CPS_SIT_FACT", "CPS_DATA"] {
            read(&mut card, &mut reader, label).unwrap();
        }
        assert_eq!(*card.public_files(), before, "{name}");
    }
}

#[test]
fn billing_situations_are_read_and_the_card_is_left_usable() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let (mut reader, mut card) = logged_in(layout, Holder::CpsMedecin);
        let billing = read(&mut card, &mut reader, "CPS_SIT_FACT").unwrap();
        let all = SitFact::parse(&billing).unwrap();
        assert!(!all.situations.is_empty(), "{name}");
        // The next operation, of this driver or of another program, finds the main application.
        let class = if name.starts_with("cps4") { 0x01 } else { 0x00 };
        let question = [class, 0xB0, 0x9D, 0x00, 0x01];
        let cps_emulator::Outcome::Answer(answer, _) = reader.card.command(&question) else {
            panic!("{name}: no answer");
        };
        assert_ne!(answer[answer.len() - 2], 0x6E, "{name}");
        read(&mut card, &mut reader, "CPS_ACTIVITY_01_PS").unwrap();
    }
}

#[test]
fn the_twin_of_an_activity_is_read_or_absent() {
    let (mut reader, mut card) = logged_in(Layout::cps3(), Holder::CpsMedecin);
    match read(&mut card, &mut reader, "CPS2TER_ACTIVITY_01_PS") {
        Ok(_) | Err(Error::NotPresent { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_holder_is_readable() {
    for holder in Holder::ALL {
        for layout in [Layout::cps3(), Layout::cps4()] {
            let name = format!("{}, {holder}", layout.name);
            let (mut reader, mut card) = logged_in(layout, holder);
            assert_eq!(
                crate::certificates(&mut card, &mut reader).len(),
                2,
                "{name}"
            );
            for entry in card.data_objects(&mut reader).unwrap() {
                match card.read_data(&mut reader, &entry) {
                    Ok(_) | Err(Error::NotPresent { .. }) => {}
                    Err(error) => panic!("{name}, {}: {error}", entry.label),
                }
            }
        }
    }
}
