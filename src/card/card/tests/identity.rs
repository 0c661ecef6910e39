use super::*;
use crate::card::UpdateState;
use crate::error::Error;
use crate::pkcs15::dodf::DataPlace;

#[test]
fn a_cps3_is_known_by_one_command() {
    let card = cps3();
    assert_eq!(card.serial().as_str(), "90000001");
    assert_eq!(card.kind(), Kind::Cps3);
    assert!(card.recognised());
}

#[test]
fn a_cps4_is_known_by_two_commands() {
    let card = cps4();
    assert_eq!(
        (card.serial().as_str(), card.kind()),
        ("90000001", Kind::Cps4)
    );
}

#[test]
fn the_serial_number_is_read_by_path_when_the_card_stands_elsewhere() {
    open(
        CPS3_ATR,
        Protocol::T0,
        &[
            ("00 B0 9C 00 0C", "6A 82"),
            ("00 A4 09 0C 04 3F 00 D0 03", OK),
            ("00 B0 00 00 0C", &ok(EF_SN)),
        ],
    );
    // A file of another directory may answer to the same short identifier.
    open(
        CPS3_ATR,
        Protocol::T0,
        &[
            (
                "00 B0 9C 00 0C",
                "00 11 22 33 44 55 66 77 88 99 AA BB 90 00",
            ),
            ("00 A4 09 0C 04 3F 00 D0 03", OK),
            ("00 B0 00 00 0C", &ok(EF_SN)),
        ],
    );
}

#[test]
fn a_cps4_without_short_identifiers_is_opened_as_the_official_library_does() {
    open(
        CPS4_ATR,
        Protocol::T1,
        &[
            ("01 A4 04 0C 08 80 25 00 00 01 FF 01 00", OK),
            ("01 B0 9C 00 0C", "6A 82"),
            ("01 A4 08 00 02 D0 03 00", "6F 04 80 02 00 0C 90 00"),
            ("01 B0 00 00 0C", &ok(EF_SN)),
        ],
    );
}

#[test]
fn a_cps4_that_lost_its_applet_is_brought_back() {
    open(
        CPS4_ATR,
        Protocol::T1,
        &[
            ("01 A4 04 0C 08 80 25 00 00 01 FF 01 00", "6A 82"),
            ("01 A4 04 0C 07 A0 00 00 01 51 00 00", OK),
            ("00 A4 04 0C 08 80 25 00 00 01 FF 00 02", OK),
            ("01 A4 04 0C 08 80 25 00 00 01 FF 01 00", OK),
            ("01 B0 9C 00 0C", &ok(EF_SN)),
        ],
    );
}

#[test]
fn an_unknown_version_is_identified_by_questions_and_refused_a_pin() {
    let atr = "3B AC 00 40 2A 00 12 25 00 64 80 00 03 11 00 90 00";
    let card = open(
        atr,
        Protocol::T0,
        &[
            ("00 B0 9C 00 0C", &ok(EF_SN)),
            ("00 A4 09 04 04 3F 00 D0 03", "61 06"),
            ("00 C0 00 00 06", "62 04 80 02 00 0C 90 00"),
        ],
    );
    assert_eq!((card.kind(), card.recognised()), (Kind::Cps3, false));
    let mut card = known(card);
    let refused = Script::run(&[], |script| {
        card.verify(script, crate::PinRole::Pin, &"1234".into())
    });
    assert_eq!(refused, Err(Error::Unrecognised));
    card.allow_pin_on_unrecognised();
    Script::run(&[("00 20 00 01 04 31 32 33 34", OK)], |script| {
        card.verify(script, crate::PinRole::Pin, &"1234".into())
    })
    .unwrap();
}

#[test]
fn an_unknown_version_that_answers_on_channel_1_is_a_cps4() {
    let card = open(
        "3B 9B 18 80 01 00 12 25 00 64 80 05 01 00 00 90 45",
        Protocol::T1,
        &[
            ("00 B0 9C 00 0C", "69 86"),
            ("00 A4 09 0C 04 3F 00 D0 03", "6D 00"),
            ("01 A4 04 0C 08 80 25 00 00 01 FF 01 00", OK),
            ("01 B0 9C 00 0C", &ok(EF_SN)),
            ("01 A4 08 00 02 D0 03 00", "6F 04 80 02 00 0C 90 00"),
        ],
    );
    assert_eq!((card.kind(), card.recognised()), (Kind::Cps4, false));
}

#[test]
fn another_card_is_asked_nothing() {
    let atr = hex("3B 02 14 50");
    let refused = Script::run(&[], |script| Card::open(&atr, Protocol::T0, script)).err();
    assert_eq!(refused, Some(Error::UnknownCard { atr }));
}

#[test]
fn the_update_state_tells_never_done_and_unfinished_apart() {
    let select = "00 A4 09 0C 04 3F 00 D0 10";
    let state = |exchanges: &[(&str, &str)]| {
        let mut card = cps3();
        Script::run(exchanges, |script| card.update_state(script)).unwrap()
    };
    assert_eq!(state(&[(select, "6A 82")]), UpdateState::Never);

    let file = "EC 12 81 07 20 24 01 15 10 30 00 82 07 20 24 01 15 10 35 00";
    let done = state(&[(select, OK), ("00 B0 00 00 14", &ok(file))]);
    let UpdateState::Done { raw, dates } = done else {
        panic!("{done:?}")
    };
    assert_eq!(raw, hex(file));
    assert_eq!(dates.end.as_deref(), Some("20240115103500"));

    let empty = state(&[(select, OK), ("00 B0 00 00 14", "6B 00")]);
    assert_eq!(empty, UpdateState::Unfinished { raw: vec![] });
    let half = "EC 09 81 07 20 24 01 15 10 30 00";
    let begun = state(&[(select, OK), ("00 B0 00 00 14", &format!("{half} 62 82"))]);
    assert_eq!(begun, UpdateState::Unfinished { raw: hex(half) });
    let cut = state(&[(select, OK), ("00 B0 00 00 14", "EC 12 81 07 20 24 62 82")]);
    assert_eq!(
        cut,
        UpdateState::Unfinished {
            raw: hex("EC 12 81 07 20 24")
        }
    );
}

#[test]
fn neither_a_cps4_nor_a_contactless_card_is_asked_for_update_dates() {
    let mut card = cps4();
    let state = Script::run(&[], |script| card.update_state(script)).unwrap();
    assert_eq!(state, UpdateState::Never);
}

/// From insertion to the one certificate that names the holder, on the card that answers in the
/// dearest way: updated once, and `6C xx` for every file whose size was not known.
#[test]
fn the_identity_of_a_new_card_keeps_the_budget() {
    let der = certificate(2250);
    let pieces: Vec<(String, String)> = der
        .chunks(256)
        .enumerate()
        .map(|(index, piece)| {
            let [high, low] = (index as u16 * 256).to_be_bytes();
            let command = format!("00 B0 {high:02X} {low:02X} {:02X}", piece.len() & 0xFF);
            (command, ok(&Hex::from(piece).to_string()))
        })
        .collect();
    let update = "EC 12 81 07 20 24 01 15 10 30 00 82 07 20 24 01 15 10 35 00";
    let (dir, odf, cdf, sn, update) = (ok(EF_DIR), ok(ODF), ok(CDF), ok(EF_SN), ok(update));
    let mut exchanges: Vec<(&str, &str)> = vec![
        ("00 B0 9C 00 0C", &sn),
        ("00 A4 09 0C 04 3F 00 D0 10", OK),
        ("00 B0 00 00 14", &update),
        ("00 B0 9E 00 65", &dir),
        ("00 A4 09 0C 06 3F 00 00 01 50 31", OK),
        ("00 B0 00 00 00", "6C 3C"),
        ("00 B0 00 00 3C", &odf),
        ("00 A4 09 0C 06 3F 00 00 01 70 04", OK),
        ("00 B0 00 00 00", "6C 44"),
        ("00 B0 00 00 44", &cdf),
        ("00 A4 09 0C 06 3F 00 00 01 E0 01", OK),
    ];
    exchanges.extend(
        pieces
            .iter()
            .map(|(command, answer)| (&command[..], &answer[..])),
    );
    Script::run(&exchanges, |script| {
        let mut card = Card::open(&hex(CPS3_ATR), Protocol::T0, script).unwrap();
        card.update_state(script).unwrap();
        let certificates = card.certificates(script).unwrap();
        assert_eq!(certificates[0].label, "Certificat de Signature CPS");
        assert_eq!(
            card.read_certificate(script, &certificates[0]).unwrap(),
            der
        );
        assert!(script.apdus <= 20, "{} commands", script.apdus);
        assert!(script.bytes <= 3500, "{} bytes", script.bytes);
        // What was read is not read again.
        card.read_certificate(script, &certificates[0]).unwrap();
    });
}

#[test]
fn a_known_card_is_recognised_in_two_commands() {
    let files = known(cps3()).public_files().clone();
    let cached = serde_json::to_string(&files).unwrap();
    let sn = ok(EF_SN);
    let exchanges = [
        ("00 B0 9C 00 0C", &sn[..]),
        ("00 A4 09 0C 04 3F 00 D0 10", "6A 82"),
    ];
    Script::run(&exchanges, |script| {
        let mut card = Card::open(&hex(CPS3_ATR), Protocol::T0, script).unwrap();
        card.update_state(script).unwrap();
        assert!(card.restore(serde_json::from_str(&cached).unwrap()));
        assert_eq!(card.certificates(script).unwrap().len(), 1);
        assert!(
            script.apdus <= 2 && script.bytes <= 64,
            "{} bytes",
            script.bytes
        );
    });
}

#[test]
fn files_of_another_card_or_of_before_an_update_are_not_restored() {
    let files = known(cps3()).public_files().clone();
    let mut unasked = cps3();
    assert!(!unasked.restore(files.clone()));

    let update = ok("EC 12 81 07 20 24 01 15 10 30 00 82 07 20 24 01 15 10 35 00");
    let mut updated = cps3();
    let exchanges = [
        ("00 A4 09 0C 04 3F 00 D0 10", OK),
        ("00 B0 00 00 14", &update[..]),
    ];
    Script::run(&exchanges, |script| updated.update_state(script)).unwrap();
    assert!(!updated.restore(files.clone()));

    let other = ok("5A 0A 80 25 00 00 01 90 00 00 02 4F");
    let mut other = open(CPS3_ATR, Protocol::T0, &[("00 B0 9C 00 0C", &other)]);
    Script::run(&[("00 A4 09 0C 04 3F 00 D0 10", "6A 82")], |script| {
        other.update_state(script)
    })
    .unwrap();
    assert!(!other.restore(files));
}

#[test]
fn restored_files_that_make_no_sense_are_read_again() {
    let mut card = with_files(
        cps3(),
        &[
            ("3F002F00", "61 02 4F 00"),
            ("3F0000015031", "A4 7F"),
            ("3F0000017004", "30 82"),
            ("3F000001E001", "30 03 01"),
        ],
    );
    let (dir, odf, cdf) = (ok(EF_DIR), ok(ODF), ok(CDF));
    let der = ok("30 02 05 00");
    let exchanges = [
        ("00 B0 9E 00 65", &dir[..]),
        ("00 A4 09 0C 06 3F 00 00 01 50 31", OK),
        ("00 B0 00 00 00", &odf[..]),
        ("00 A4 09 0C 06 3F 00 00 01 70 04", OK),
        ("00 B0 00 00 00", &cdf[..]),
        ("00 A4 09 0C 06 3F 00 00 01 E0 01", OK),
        ("00 B0 00 00 00", &der[..]),
    ];
    Script::run(&exchanges, |script| {
        let entries = card.certificates(script).unwrap();
        assert_eq!(
            card.read_certificate(script, &entries[0]).unwrap(),
            hex("30 02 05 00")
        );
    });
}

#[test]
fn a_card_that_gives_less_than_asked_is_read_to_the_end() {
    let der = certificate(300);
    let first = ok(&Hex::from(&der[..231]).to_string());
    let rest = ok(&Hex::from(&der[231..]).to_string());
    let mut card = known(cps3());
    let exchanges = [
        ("00 A4 09 0C 06 3F 00 00 01 E0 01", OK),
        ("00 B0 00 00 00", &first[..]),
        ("00 B0 00 E7 45", &rest[..]),
    ];
    let read = Script::run(&exchanges, |script| {
        let entry = card.certificates(script).unwrap().remove(0);
        card.read_certificate(script, &entry)
    });
    assert_eq!(read.unwrap(), der);
}

#[test]
fn a_cut_certificate_is_an_error_and_is_not_kept() {
    let mut card = known(cps3());
    let cut = format!("{} 62 82", Hex::from(&certificate(300)[..100]));
    let exchanges = [
        ("00 A4 09 0C 06 3F 00 00 01 E0 01", OK),
        ("00 B0 00 00 00", &cut[..]),
    ];
    Script::run(&exchanges, |script| {
        let entry = card.certificates(script).unwrap().remove(0);
        let read = card.read_certificate(script, &entry);
        assert!(matches!(read, Err(Error::Malformed { .. })), "{read:?}");
    });
    assert_eq!(card.public_files().get(&Hex(hex("3F000001E001"))), None);
}

#[test]
fn a_card_that_wants_to_describe_its_files_is_let_do_so() {
    let mut card = cps3();
    let (dir, odf) = (ok(EF_DIR), ok(ODF));
    let exchanges = [
        ("00 B0 9E 00 65", &dir[..]),
        ("00 A4 09 0C 06 3F 00 00 01 50 31", "6A 86"),
        ("00 A4 04 04 08 80 25 00 00 01 FF 01 00", "61 16"),
        ("00 A4 09 0C 06 3F 00 00 01 50 31", "6A 86"),
        ("00 A4 09 04 06 3F 00 00 01 50 31", "61 06"),
        ("00 C0 00 00 06", "62 04 80 02 00 3C 90 00"),
        ("00 B0 00 00 3C", &odf[..]),
    ];
    let files = Script::run(&exchanges, |script| card.object_directory(script)).unwrap();
    assert_eq!(files.len(), 5);
}

#[test]
fn private_and_writable_objects_are_never_among_the_public_files() {
    let mut card = known(cps3());
    let before = card.public_files().len();
    let activity = ok("EE 00");
    let exchanges = [
        ("00 A4 09 0C 06 3F 00 00 01 D1 20", OK),
        ("00 B0 00 00 00", &activity[..]),
        ("00 A4 09 0C 06 3F 00 00 01 D1 07", OK),
        ("00 B0 00 00 00", "01 02 90 00"),
        ("00 A4 09 0C 06 3F 00 00 01 D1 02", OK),
        ("00 B0 00 00 00", "E4 00 90 00"),
    ];
    Script::run(&exchanges, |script| {
        let objects = card.data_objects(script).unwrap();
        for label in ["CPS_ACTIVITY_01_PS", "CPS_DATA"] {
            let entry = objects.iter().find(|entry| entry.label == label).unwrap();
            card.read_data(script, entry).unwrap();
            assert_eq!(card.public_files().len(), before, "{label}");
        }
        let name = objects
            .iter()
            .find(|entry| entry.label == "CPS_NAME_PS")
            .unwrap();
        card.read_data(script, name).unwrap();
        assert_eq!(card.public_files().len(), before + 1);
    });
}

#[test]
fn protected_and_missing_objects_are_told_apart() {
    let mut card = known(cps3());
    let exchanges = [
        ("00 A4 09 0C 06 3F 00 00 01 D1 20", OK),
        ("00 B0 00 00 00", "69 82"),
        ("00 A4 09 0C 06 3F 00 00 01 D1 20", "6A 82"),
    ];
    Script::run(&exchanges, |script| {
        let objects = card.data_objects(script).unwrap();
        let activity = objects
            .iter()
            .find(|entry| entry.label == "CPS_ACTIVITY_01_PS")
            .unwrap();
        assert_eq!(card.read_data(script, activity), Err(Error::PinRequired));
        let absent = Err(Error::NotPresent {
            what: "CPS_ACTIVITY_01_PS".into(),
        });
        assert_eq!(card.read_data(script, activity), absent);
    });
}

#[test]
fn billing_situations_are_read_through_the_second_application() {
    let mut card = known(cps3());
    let exchanges = [
        ("A0 A4 00 00 02 3F 00", "9F 07"),
        ("A0 A4 00 00 02 7F 01", "9F 07"),
        ("A0 A4 00 00 02 40 00", "9F 07"),
        ("A0 C0 00 00 07", "85 05 00 08 40 00 04 90 00"),
        ("A0 B0 00 00 08", "E0 06 A0 04 80 01 01 00 90 00"),
        ("00 A4 04 04 08 80 25 00 00 01 FF 01 00", "61 16"),
        ("A0 A4 00 00 02 3F 00", "9F 07"),
        ("A0 A4 00 00 02 40 10", "94 04"),
        ("00 A4 04 04 08 80 25 00 00 01 FF 01 00", "61 16"),
    ];
    Script::run(&exchanges, |script| {
        let objects = card.data_objects(script).unwrap();
        let billing = objects
            .iter()
            .find(|entry| entry.label == "CPS_SIT_FACT")
            .unwrap();
        assert!(matches!(billing.place, DataPlace::Cps2ter(_)));
        assert_eq!(
            card.read_data(script, billing).unwrap(),
            hex("E0 06 A0 04 80 01 01 00")
        );
        let label = "CPS2TER_ACTIVITY_01_PS";
        let twin = objects.iter().find(|entry| entry.label == label).unwrap();
        let absent = Err(Error::NotPresent { what: label.into() });
        assert_eq!(card.read_data(script, twin), absent);
    });
}
