//! PIN and PUK on every layout.

use cps_card::{Error, Pin, PinRole};
use cps_emulator::{Holder, Layout};

use crate::{Reader, contact_layouts};

/// A code of the right form that is not the card's.
fn wrong(layout: &Layout, role: PinRole) -> Pin {
    let rules = match role {
        PinRole::Pin => layout.pin.as_ref(),
        PinRole::Puk => layout.puk.as_ref(),
    };
    let length = rules.unwrap().value.len();
    Pin::from(&"0".repeat(length)[..])
}

fn another(layout: &Layout) -> Pin {
    let length = layout.pin.as_ref().unwrap().value.len();
    Pin::from(&"9".repeat(length)[..])
}

#[test]
fn the_pin_is_accepted_on_every_layout() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let tries = layout.pin.as_ref().unwrap().tries;
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        let told = card.tries(&mut reader, PinRole::Pin).unwrap();
        assert_eq!((told.left, told.verified), (Some(tries), false), "{name}");
        let pin = reader.pin();
        card.verify(&mut reader, PinRole::Pin, &pin).unwrap();
        assert!(reader.card.pin_verified(), "{name}");
        assert_eq!(reader.card.counters().verify, 1, "{name}");
    }
}

#[test]
fn a_wrong_pin_costs_one_try_and_says_how_many_are_left_until_it_is_blocked() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let tries = layout.pin.as_ref().unwrap().tries;
        let mut reader = Reader::new(layout.clone(), Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        for left in (0..tries).rev() {
            let result = card.verify(&mut reader, PinRole::Pin, &wrong(&layout, PinRole::Pin));
            let expected = Error::PinIncorrect {
                role: PinRole::Pin,
                left: Some(left),
            };
            assert_eq!(result, Err(expected), "{name}");
            assert_eq!(reader.card.pin_tries(), Some(left), "{name}");
        }
        let pin = reader.pin();
        let result = card.verify(&mut reader, PinRole::Pin, &pin);
        assert_eq!(
            result,
            Err(Error::PinBlocked { role: PinRole::Pin }),
            "{name}"
        );
        assert_eq!(
            card.tries(&mut reader, PinRole::Pin).unwrap().left,
            Some(0),
            "{name}"
        );
    }
}

#[test]
fn a_login_after_another_program_left_the_card_anywhere_spends_no_try() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let tries = layout.pin.as_ref().unwrap().tries;
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        // Leaves the card in the application.
        card.data_objects(&mut reader).unwrap();
        card.pin_rules(&mut reader, PinRole::Pin).unwrap();
        card.forget_position();
        let pin = reader.pin();
        card.verify(&mut reader, PinRole::Pin, &pin).unwrap();
        assert_eq!(reader.card.pin_tries(), Some(tries), "{name}");
    }
}

#[test]
fn the_pin_is_changed() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let tries = layout.pin.as_ref().unwrap().tries;
        let mut reader = Reader::new(layout.clone(), Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        let wrong = wrong(&layout, PinRole::Pin);
        let refused = card.change_pin(&mut reader, &wrong, &another(&layout));
        let expected = Error::PinIncorrect {
            role: PinRole::Pin,
            left: Some(tries - 1),
        };
        assert_eq!(refused, Err(expected), "{name}");

        let old = reader.pin();
        card.change_pin(&mut reader, &old, &another(&layout))
            .unwrap();
        reader.insert_again();
        let mut card = reader.open().unwrap();
        card.verify(&mut reader, PinRole::Pin, &another(&layout))
            .unwrap();
        let refused = card.verify(&mut reader, PinRole::Pin, &old);
        assert!(
            matches!(refused, Err(Error::PinIncorrect { .. })),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn a_blocked_pin_is_unblocked_with_the_puk() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let (tries, puk_tries) = (
            layout.pin.as_ref().unwrap().tries,
            layout.puk.as_ref().unwrap().tries,
        );
        let mut reader = Reader::new(layout.clone(), Holder::CpsMedecin);
        reader.card.set_pin_tries(0);
        let mut card = reader.open().unwrap();
        let refused = card.unblock_pin(
            &mut reader,
            &wrong(&layout, PinRole::Puk),
            &another(&layout),
        );
        let expected = Error::PinIncorrect {
            role: PinRole::Puk,
            left: Some(puk_tries - 1),
        };
        assert_eq!(refused, Err(expected), "{name}");
        assert_eq!(reader.card.pin_tries(), Some(0), "{name}");

        let puk = reader.puk();
        card.unblock_pin(&mut reader, &puk, &another(&layout))
            .unwrap();
        assert_eq!(reader.card.pin_tries(), Some(tries), "{name}");
        card.verify(&mut reader, PinRole::Pin, &another(&layout))
            .unwrap();
    }
}

#[test]
fn a_blocked_puk_says_so() {
    let mut reader = Reader::new(Layout::cps3(), Holder::CpsMedecin);
    reader.card.set_puk_tries(0);
    let mut card = reader.open().unwrap();
    let puk = reader.puk();
    let refused = card.unblock_pin(&mut reader, &puk, &"5678".into());
    assert_eq!(refused, Err(Error::PinBlocked { role: PinRole::Puk }));
}

#[test]
fn codes_of_the_wrong_form_never_reach_the_card() {
    for layout in contact_layouts() {
        let max = usize::from(layout.pin.as_ref().unwrap().max);
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        for typed in ["1", "12ab", &"1".repeat(max + 1)] {
            let refused = card.verify(&mut reader, PinRole::Pin, &typed.into());
            assert!(
                matches!(refused, Err(Error::PinFormat { .. })),
                "{refused:?}"
            );
        }
        assert_eq!(reader.card.counters().verify, 0);
    }
}

#[test]
fn a_contactless_card_has_no_pin() {
    let mut reader = Reader::new(Layout::cps3_contactless(), Holder::CpsMedecin);
    let mut card = reader.open().unwrap();
    let refused = card.verify(&mut reader, PinRole::Pin, &"1234".into());
    assert_eq!(refused, Err(Error::NotPresent { what: "PIN".into() }));
}

#[test]
fn a_card_of_unknown_version_is_read_but_sent_no_pin() {
    for layout in [Layout::cps3(), Layout::cps4()] {
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut atr = reader.card.atr().to_vec();
        // A byte of the version in the historical bytes.
        let version = atr.len() - 5;
        atr[version] ^= 0x40;
        reader.card.set_atr(&atr);
        let mut card = reader.open().unwrap();
        assert!(!card.recognised());
        assert_eq!(card.kind().as_str(), reader.card.layout().profile.name());
        assert_eq!(card.certificates(&mut reader).unwrap().len(), 2);
        let pin = reader.pin();
        let refused = card.verify(&mut reader, PinRole::Pin, &pin);
        assert_eq!(refused, Err(Error::Unrecognised));
        assert_eq!(reader.card.counters().verify, 0);
    }
}
