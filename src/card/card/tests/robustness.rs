//! What hostile or broken cards get: an error, in bounded time, and no PIN.

use proptest::prelude::*;

use super::*;
use crate::error::{Error, Operation};
use crate::key::Scheme;
use crate::pin::PinRole;
use crate::script::Babble;
use crate::transmit::{Transmit, TransmitError};

#[test]
fn a_very_short_answer_means_that_the_card_is_gone() {
    for answer in ["", "90"] {
        let result = Script::run(&[("00 B0 9C 00 0C", answer)], |script| {
            Card::open(&hex(CPS3_ATR), Protocol::T0, script).err()
        });
        let removed = Error::Transmit {
            operation: Operation::Identify,
            source: TransmitError::Removed,
        };
        assert_eq!(result, Some(removed));
    }
}

#[test]
fn an_endless_answer_is_given_up() {
    for answer in ["61 01", "AA 61 01", "6C 01", "9F 01"] {
        let mut card = known(cps3());
        let key = key(&mut card, KeyUse::Signature);
        let mut babble = Babble {
            answers: vec![hex(OK), hex(OK), hex(answer)],
            asked: 0,
        };
        babble.answers.extend(std::iter::repeat_n(hex(answer), 500));
        let result = card.sign(&mut babble, &key, Scheme::Pkcs1Sha256, &[0; 32]);
        assert!(result.is_err());
        assert!(babble.asked < 64, "{answer}: {} commands", babble.asked);
    }
}

#[test]
fn an_answer_longer_than_a_short_apdu_is_refused() {
    let long = "00".repeat(300);
    let result = Script::run(&[("00 B0 9C 00 0C", &long)], |script| {
        script
            .transmit(&hex("00 B0 9C 00 0C"))
            .map(|answer| answer.len())
    });
    assert_eq!(result, Ok(300));
    let mut card = known(cps3());
    let mut babble = Babble {
        answers: vec![hex(&long)],
        asked: 0,
    };
    let result = card.tries(&mut babble, PinRole::Pin);
    assert!(matches!(result, Err(Error::Malformed { .. })), "{result:?}");
}

#[test]
fn a_wrong_applet_is_selected_again_once_only() {
    let mut card = known(cps3());
    let exchanges = [
        ("00 20 00 01 04 31 32 33 34", "6E 00"),
        ("00 A4 04 04 08 80 25 00 00 01 FF 01 00", "6E 00"),
        ("00 20 00 01 04 31 32 33 34", "6E 00"),
    ];
    let result = Script::run(&exchanges, |script| {
        card.verify(script, PinRole::Pin, &"1234".into())
    });
    assert!(matches!(result, Err(Error::Refused { .. })), "{result:?}");
}

/// The daemon keeps each card on a thread of its own.
#[test]
fn a_card_can_be_handed_to_another_thread() {
    fn handed_over<T: Send>(value: T) -> T {
        value
    }
    assert_eq!(handed_over(cps3()).kind(), Kind::Cps3);
}

#[test]
fn the_position_is_unknown_after_a_lost_answer() {
    let mut card = known(cps3());
    let mut gone = Babble {
        answers: vec![],
        asked: 0,
    };
    assert!(card.tries(&mut gone, PinRole::Pin).is_err());
    assert_eq!(card.state.position, crate::exchange::Position::Unknown);
}

/// Counts the commands that could spend a try.
struct Watch<'a> {
    card: &'a mut Babble,
    pins: usize,
}

impl Transmit for Watch<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        if matches!(command, [_, 0x20 | 0x24 | 0x2C, _, _, _, _, ..]) {
            self.pins += 1;
        }
        self.card.transmit(command)
    }
}

fn answer() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![
        Just(vec![0x90, 0x00]),
        Just(vec![0x62, 0x82]),
        Just(vec![0x6E, 0x00]),
        Just(vec![0x6A, 0x86]),
        Just(vec![0x69, 0x85]),
        Just(vec![0x6A, 0x88]),
        any::<u8>().prop_map(|le| vec![0x61, le]),
        any::<u8>().prop_map(|le| vec![0x6C, le]),
        any::<[u8; 2]>().prop_map(|status| status.to_vec()),
    ];
    let file = |text: &'static str| {
        (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(
            move |(at, byte, mutate)| {
                let mut content = hex(text);
                if mutate {
                    let index = at.index(content.len());
                    content[index] = byte;
                }
                content
            },
        )
    };
    let data = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..260),
        file(EF_SN),
        file(EF_DIR),
        file(ODF),
        file(TOKEN_INFO),
        file(AODF),
        file(PRKDF),
        file(CDF),
        file(DODF),
    ];
    (data, status).prop_map(|(data, status)| [data, status].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_operation_ends_whatever_the_card_says(
        answers in proptest::collection::vec(answer(), 1..40),
        kind in 0_usize..3,
        directory_known in any::<bool>(),
    ) {
        let mut babble = Babble { answers, asked: 0 };
        let (atr, protocol) = [
            (CPS3_ATR, Protocol::T0),
            (CPS3_CL_ATR, Protocol::T1),
            (CPS4_ATR, Protocol::T1),
        ][kind];
        let _ = Card::open(&hex(atr), protocol, &mut babble);
        let mut card = match kind {
            2 => cps4(),
            _ => cps3(),
        };
        if directory_known {
            card = known(card);
        }
        let mut watch = Watch { card: &mut babble, pins: 0 };
        let t = &mut watch;
        let _ = card.update_state(t);
        if let Ok(certificates) = card.certificates(t) {
            for entry in certificates.iter().take(2) {
                let _ = card.read_certificate(t, entry);
            }
        }
        if let Ok(objects) = card.data_objects(t) {
            for entry in objects.iter().take(4) {
                let _ = card.read_data(t, entry);
            }
        }
        let _ = card.tries(t, PinRole::Pin);
        let _ = card.report(t);
        prop_assert_eq!(t.pins, 0, "a code was sent by an operation that has none");
        if let Ok(keys) = card.keys(t) {
            for key in keys.iter().take(2) {
                for scheme in key.schemes() {
                    let _ = card.sign(t, key, scheme, &vec![1; scheme.digest_len()]);
                }
                let _ = card.decipher(t, key, &vec![1; key.modulus_len().min(4096)]);
            }
        }
        prop_assert_eq!(t.pins, 0);
        let _ = card.verify(t, PinRole::Pin, &"1234".into());
        // Sent again only after a status that spends no try.
        prop_assert!(t.pins <= 4);
        prop_assert!(babble.asked < 20_000, "{} commands", babble.asked);
    }
}
