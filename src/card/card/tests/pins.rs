use super::*;
use crate::apdu::StatusWord;
use crate::error::{Error, Operation};
use crate::pin::{Pin, PinEncoding, PinRole, Tries};

const PIN_TRIES: &str = "70 16 BF 81 01 12 A0 10 9A 01 03 9B 01 03 A1 08 8C 06 F3 00 00 13 FF 00";
const PUK_TRIES: &str =
    "70 1A BF 81 02 16 A0 14 9A 01 0A 9B 01 0A 9D 02 00 64 A1 08 8C 06 F3 FF 00 FF FF 00";

fn pin() -> Pin {
    "1234".into()
}

#[test]
fn the_rules_come_from_the_card() {
    let mut card = known(cps3());
    let rules = Script::run(&[], |script| card.pin_rules(script, PinRole::Pin)).unwrap();
    assert_eq!(rules.label, "Code porteur");
    assert_eq!((rules.min, rules.max, rules.reference), (4, 8, 1));
    assert_eq!(
        (rules.encoding, rules.padding),
        (PinEncoding::AsciiNumeric, None)
    );
    let rules = Script::run(&[], |script| card.pin_rules(script, PinRole::Puk)).unwrap();
    assert_eq!((rules.min, rules.max, rules.reference), (8, 8, 2));
}

#[test]
fn tries_of_a_cps3_then_a_login_in_one_command() {
    let mut card = known(cps3());
    card.forget_position();
    let tries = ok(PIN_TRIES);
    let exchanges = [
        ("00 A4 09 0C 02 3F 00", OK),
        ("00 CB 3F FF 0A 4D 08 70 06 BF 81 01 02 A0 80", "61 18"),
        ("00 C0 00 00 18", &tries[..]),
        ("00 20 00 01 04 31 32 33 34", OK),
    ];
    Script::run(&exchanges, |script| {
        let tries = card.tries(script, PinRole::Pin).unwrap();
        assert_eq!(
            tries,
            Tries {
                left: Some(3),
                max: Some(3),
                verified: false
            }
        );
        card.verify(script, PinRole::Pin, &pin()).unwrap();
    });
}

#[test]
fn tries_of_the_puk() {
    let mut card = known(cps3());
    let tries = ok(PUK_TRIES);
    let exchanges = [
        ("00 CB 3F FF 0A 4D 08 70 06 BF 81 02 02 A0 80", "61 1C"),
        ("00 C0 00 00 1C", &tries[..]),
    ];
    let tries = Script::run(&exchanges, |script| card.tries(script, PinRole::Puk)).unwrap();
    assert_eq!((tries.left, tries.max), (Some(10), Some(10)));
}

#[test]
fn a_cps3_that_does_not_describe_its_pin_is_asked_the_general_question() {
    let mut card = known(cps3());
    let exchanges = [
        ("00 CB 3F FF 0A 4D 08 70 06 BF 81 01 02 A0 80", "6A 88"),
        ("00 20 00 01 00", "63 C2"),
    ];
    let tries = Script::run(&exchanges, |script| card.tries(script, PinRole::Pin)).unwrap();
    assert_eq!(tries.left, Some(2));
}

#[test]
fn tries_of_a_cps4_blocked_left_or_verified() {
    for (status, left, verified) in [
        ("63 C3", Some(3), false),
        ("69 83", Some(0), false),
        ("90 00", None, true),
    ] {
        let mut card = known(cps4());
        let exchanges = [("01 20 00 01", status)];
        let tries = Script::run(&exchanges, |script| card.tries(script, PinRole::Pin)).unwrap();
        assert_eq!(
            tries,
            Tries {
                left,
                max: None,
                verified
            }
        );
    }
    let mut card = known(cps4());
    card.forget_position();
    let exchanges = [("01 A4 00 00 02 3F 00", "61 25"), ("01 20 00 02", "63 CA")];
    let tries = Script::run(&exchanges, |script| card.tries(script, PinRole::Puk)).unwrap();
    assert_eq!(tries.left, Some(10));
}

#[test]
fn a_wrong_pin_tells_the_tries_left_and_is_sent_once() {
    for (status, expected) in [
        (
            "63 C2",
            Error::PinIncorrect {
                role: PinRole::Pin,
                left: Some(2),
            },
        ),
        (
            "63 C0",
            Error::PinIncorrect {
                role: PinRole::Pin,
                left: Some(0),
            },
        ),
        (
            "63 00",
            Error::PinIncorrect {
                role: PinRole::Pin,
                left: None,
            },
        ),
        ("69 83", Error::PinBlocked { role: PinRole::Pin }),
        (
            "69 84",
            Error::Refused {
                operation: Operation::VerifyPin,
                status: StatusWord::INVALIDATED,
            },
        ),
    ] {
        let mut card = known(cps3());
        let exchanges = [("00 20 00 01 04 31 32 33 34", status)];
        let result = Script::run(&exchanges, |s| card.verify(s, PinRole::Pin, &pin()));
        assert_eq!(result, Err(expected));
    }
}

#[test]
fn a_code_that_cannot_be_right_is_not_sent() {
    let mut card = known(cps3());
    for typed in ["", "123", "123456789", "12a4", "12 4", "١٢٣٤"] {
        let result = Script::run(&[], |s| card.verify(s, PinRole::Pin, &typed.into()));
        assert!(
            matches!(result, Err(Error::PinFormat { .. })),
            "{typed:?}: {result:?}"
        );
    }
    let result = Script::run(&[], |s| card.change_pin(s, &pin(), &"12".into()));
    assert!(
        matches!(
            result,
            Err(Error::PinFormat {
                role: PinRole::Pin,
                ..
            })
        ),
        "{result:?}"
    );
    let result = Script::run(&[], |s| card.unblock_pin(s, &"1234567".into(), &pin()));
    assert!(
        matches!(
            result,
            Err(Error::PinFormat {
                role: PinRole::Puk,
                ..
            })
        ),
        "{result:?}"
    );
}

#[test]
fn a_global_pin_is_verified_anywhere_and_again_at_home_when_not_found() {
    let mut card = known(cps3());
    card.forget_position();
    let exchanges = [
        ("00 20 00 01 04 31 32 33 34", "6A 88"),
        ("00 A4 02 0C 02 3F 00", OK),
        ("00 20 00 01 04 31 32 33 34", OK),
    ];
    Script::run(&exchanges, |s| card.verify(s, PinRole::Pin, &pin())).unwrap();
}

#[test]
fn the_home_of_the_pin_is_selected_when_the_card_stands_elsewhere() {
    let mut card = known(cps3());
    card.state.position = crate::exchange::Position::in_directory(&hex("3F000001"));
    let exchanges = [
        ("00 A4 02 0C 02 3F 00", OK),
        ("00 20 00 01 04 31 32 33 34", OK),
    ];
    Script::run(&exchanges, |s| card.verify(s, PinRole::Pin, &pin())).unwrap();

    let mut card = known(cps4());
    card.state.position = crate::exchange::Position::in_directory(&hex("3F000001"));
    let exchanges = [
        ("01 A4 00 00 02 3F 00", OK),
        ("01 20 00 01 04 31 32 33 34", OK),
    ];
    Script::run(&exchanges, |s| card.verify(s, PinRole::Pin, &pin())).unwrap();
}

#[test]
fn a_local_pin_is_sent_only_in_its_own_directory() {
    let local = AODF
        .replacen("80 01 01", "80 01 81", 1)
        .replacen("30 1B 30 19", "30 1D 30 1B", 1)
        .replacen("30 39 30 15", "30 3B 30 15", 1)
        .replacen("A1 1B 30 19", "A1 1D 30 1B", 1)
        .replacen("30 04 04 02 3F 00", "30 06 04 04 3F 00 00 01", 1);
    let mut card = with_files(
        cps3(),
        &[
            ("3F002F00", EF_DIR),
            ("3F0000015031", ODF),
            ("3F0000017001", &local),
        ],
    );
    card.forget_position();
    let exchanges = [
        ("00 A4 09 0C 04 3F 00 00 01", OK),
        ("00 20 00 81 04 31 32 33 34", OK),
    ];
    Script::run(&exchanges, |s| card.verify(s, PinRole::Pin, &pin())).unwrap();
}

#[test]
fn changing_the_pin() {
    let mut card = known(cps3());
    card.forget_position();
    let exchanges = [
        ("00 A4 02 0C 02 3F 00", OK),
        ("00 24 00 01 08 31 32 33 34 35 36 37 38", OK),
    ];
    Script::run(&exchanges, |s| card.change_pin(s, &pin(), &"5678".into())).unwrap();

    let mut card = known(cps4());
    let exchanges = [
        ("01 20 00 01 04 31 32 33 34", OK),
        ("01 24 01 01 04 35 36 37 38", OK),
    ];
    Script::run(&exchanges, |s| card.change_pin(s, &pin(), &"5678".into())).unwrap();

    // A wrong old PIN: the new one is not sent.
    let exchanges = [("01 20 00 01 04 31 32 33 34", "63 C1")];
    let result = Script::run(&exchanges, |s| card.change_pin(s, &pin(), &"5678".into()));
    assert_eq!(
        result,
        Err(Error::PinIncorrect {
            role: PinRole::Pin,
            left: Some(1)
        })
    );
}

#[test]
fn unblocking_the_pin() {
    let puk = || Pin::from("12345678");
    let mut card = known(cps3());
    let exchanges = [
        ("00 20 00 02 08 31 32 33 34 35 36 37 38", OK),
        ("00 2C 02 01 04 35 36 37 38", OK),
    ];
    Script::run(&exchanges, |s| card.unblock_pin(s, &puk(), &"5678".into())).unwrap();

    let exchanges = [("00 20 00 02 08 31 32 33 34 35 36 37 38", "63 C9")];
    let result = Script::run(&exchanges, |s| card.unblock_pin(s, &puk(), &"5678".into()));
    assert_eq!(
        result,
        Err(Error::PinIncorrect {
            role: PinRole::Puk,
            left: Some(9)
        })
    );

    let mut card = known(cps4());
    let exchanges = [
        ("01 20 00 02 08 31 32 33 34 35 36 37 38", OK),
        ("01 2C 03 81", OK),
        ("01 24 01 01 04 35 36 37 38", OK),
    ];
    Script::run(&exchanges, |s| card.unblock_pin(s, &puk(), &"5678".into())).unwrap();
}

#[test]
fn a_contactless_card_has_no_pin() {
    let card = open(CPS3_CL_ATR, Protocol::T1, &[("00 B0 9C 00 0C", &ok(EF_SN))]);
    let odf = ODF[ODF.find("A0 0A").unwrap()..].replace("0001", "0002");
    let mut card = with_files(card, &[("3F002F00", EF_DIR), ("3F0000025031", &odf)]);
    let result = Script::run(&[], |s| card.verify(s, PinRole::Pin, &pin()));
    assert_eq!(result, Err(Error::NotPresent { what: "PIN".into() }));
}
