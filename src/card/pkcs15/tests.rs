use proptest::prelude::*;

use super::aodf::PinObject;
use super::odf::Directory;
use super::*;
use crate::pin::{Pin, PinEncoding, PinRole, PinRules};
use crate::script::hex;
use crate::tlv;

const APPLICATION: &[u8] = &[0x3F, 0x00, 0x00, 0x01];
/// AODF entry with the type attributes of the code left open.
fn code(attributes: &str, auth_id: u8, unblocked_by: u8) -> Vec<u8> {
    let common = tlv::encode_all(
        0x30,
        &[
            tlv::encode(UTF8_STRING, b"Code"),
            tlv::encode(OCTET_STRING, &[unblocked_by]),
        ],
    );
    let class = tlv::encode(0x30, &tlv::encode(OCTET_STRING, &[auth_id]));
    let kind = tlv::encode(0xA1, &tlv::encode(0x30, &hex(attributes)));
    tlv::encode_all(0x30, &[common, class, kind])
}

fn rules(attributes: &str) -> PinRules {
    aodf::read(&code(attributes, 1, 2), APPLICATION)
        .unwrap()
        .remove(0)
        .rules
}

fn encoded(rules: &PinRules, typed: &str) -> Option<Vec<u8>> {
    Pin::from(typed)
        .encode(PinRole::Pin, rules)
        .ok()
        .map(|code| code.to_vec())
}

#[test]
fn pins_are_written_as_the_card_wants_them() {
    // ASCII, minimum 4, stored 8, maximum 8, needs padding with FF.
    let padded = rules("03 02 02 04 0A 01 01 02 01 04 02 01 08 02 01 08 80 01 05 04 01 FF");
    assert_eq!(padded.padding, Some((0xFF, 8)));
    assert_eq!(
        encoded(&padded, "1234"),
        Some(hex("31 32 33 34 FF FF FF FF"))
    );
    assert_eq!(encoded(&padded, "123456789"), None);

    // BCD, minimum 4, stored 4 bytes, needs padding with 00.
    let bcd = rules("03 02 02 04 0A 01 00 02 01 04 02 01 04 04 01 00");
    assert_eq!(
        (bcd.encoding, bcd.max, bcd.reference),
        (PinEncoding::Bcd, 8, 0)
    );
    assert_eq!(encoded(&bcd, "12345"), Some(hex("12 34 5F 00")));
    assert_eq!(encoded(&bcd, "12345678"), Some(hex("12 34 56 78")));

    // UTF-8, not padded: characters are counted, not bytes.
    let text = rules("03 02 03 08 0A 01 02 02 01 04 02 01 0C");
    assert!(!text.digits_only);
    assert_eq!(encoded(&text, "éàüö"), Some("éàüö".as_bytes().to_vec()));
    assert_eq!(encoded(&text, "éàü"), None);
}

#[test]
fn padded_text_that_exceeds_the_stored_length_in_bytes_is_refused() {
    let text = rules("03 02 02 04 0A 01 02 02 01 04 02 01 08 04 01 00");
    assert_eq!(encoded(&text, "éàüöé"), None);
    assert_eq!(encoded(&text, "éàüö"), Some("éàüö".as_bytes().to_vec()));
}

#[test]
fn the_puk_is_the_code_that_the_pin_names_even_without_flags() {
    let plain = "03 02 03 08 0A 01 01 02 01 04 02 01 08";
    let file = [code(plain, 7, 9), code(plain, 9, 9)].concat();
    let all = aodf::read(&file, APPLICATION).unwrap();
    let pins: Vec<&PinObject> = aodf::pins(&all).collect();
    assert_eq!(pins.len(), 1);
    assert_eq!(pins[0].rules.auth_id, [7]);
    assert_eq!(aodf::puk(&all, Some(pins[0])).unwrap().rules.auth_id, [9]);
}

#[test]
fn codes_of_unknown_types_and_impossible_lengths_are_not_guessed() {
    let all = aodf::read(
        &code("03 02 03 08 0A 01 04 02 01 04 02 01 08", 1, 2),
        APPLICATION,
    );
    assert!(!all.unwrap()[0].supported);
    for impossible in [
        "03 02 03 08 0A 01 01 02 01 09 02 01 04 02 01 08",
        "03 02 03 08 0A 01 01 02 01 00 02 01 00",
        "03 02 03 08 0A 01 01 02 01 04 02 02 7F FF",
    ] {
        assert_eq!(
            aodf::read(&code(impossible, 1, 2), APPLICATION).unwrap(),
            []
        );
    }
}

#[test]
fn paths_are_absolute_relative_or_empty() {
    let path = |text: &str| absolute(&hex(text), APPLICATION);
    assert_eq!(path("3F 00 00 02 50 31"), Some(hex("3F 00 00 02 50 31")));
    assert_eq!(path("70 04"), Some(hex("3F 00 00 01 70 04")));
    assert_eq!(path("3F FF 70 04"), Some(hex("3F 00 00 01 70 04")));
    assert_eq!(path(""), Some(hex("3F 00 00 01")));
    assert_eq!(path("70"), None);
    assert_eq!(absolute(&[1; 18], APPLICATION), None);
}

#[test]
fn entries_of_other_types_and_padding_are_passed_over() {
    let file = hex("A8 04 30 02 04 00 A2 06 30 04 04 02 70 09 A4 06 30 04 04 02 70 04 00 00 FF");
    let found = odf::read(&file, APPLICATION).unwrap();
    assert_eq!(
        found,
        [
            (Directory::Authentication, Hex(hex("3F000001"))),
            (Directory::Certificates, Hex(hex("3F0000017004"))),
        ]
    );
}

#[test]
fn a_cut_file_is_an_error() {
    assert!(odf::read(&hex("A4 06 30 04 04"), APPLICATION).is_err());
    assert!(token_info::TokenInfo::read(&[]).is_err());
    assert_eq!(
        dir::application(&hex("61 32 4F 01 AA 51 02 00 01"), &[0xAA]),
        None
    );
}

#[test]
fn a_path_may_name_a_part_of_a_file() {
    let entry = Reader::new(&hex("30 0E 04 04 3F 00 E0 01 02 02 01 00 80 02 08 00"))
        .next()
        .unwrap()
        .map(|path| Location::read(&path, APPLICATION));
    let expected = Location {
        path: Hex(hex("3F00E001")),
        offset: 256,
        length: Some(2048),
    };
    assert_eq!(entry, Ok(Some(expected)));
}

#[test]
fn references_written_as_negative_numbers_are_read_as_bytes() {
    assert_eq!(integer(&[0x81]), Some(0x81));
    assert_eq!(integer(&[0x00, 0x81]), Some(0x81));
    assert_eq!(integer(&[]), None);
    assert_eq!(integer(&[1, 0, 0, 0, 0]), None);
    // nonRepudiation is bit 9 of KeyUsageFlags, sign and decrypt bits 2 and 1.
    assert_eq!(bits(&[0x06, 0x00, 0x40]), 0x200);
    assert_eq!(bits(&[0x05, 0x60]), 0x06);
}

proptest! {
    #[test]
    fn no_parser_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        nested in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let object = tlv::encode_all(0x30, &[
            tlv::encode(0x30, &nested),
            tlv::encode(0x30, &bytes[..bytes.len() / 2]),
            tlv::encode(0xA1, &tlv::encode(0x30, &nested)),
        ]);
        for file in [&bytes, &object] {
            let _ = dir::application(file, APPLICATION);
            let _ = dir::applications(file);
            let _ = odf::read(file, APPLICATION);
            let _ = aodf::read(file, APPLICATION);
            let _ = prkdf::read(file, APPLICATION);
            let _ = cdf::read(file, APPLICATION);
            let _ = dodf::read(file, APPLICATION);
            let _ = token_info::TokenInfo::read(file);
        }
    }

    #[test]
    fn an_encoded_code_fits_the_rules(typed in "[0-9]{0,20}", max in 1_usize..12) {
        let rules = PinRules {
            min: 1,
            max,
            ..rules("03 02 02 04 0A 01 01 02 01 04 02 01 0C 04 01 FF")
        };
        match encoded(&rules, &typed) {
            Some(code) => prop_assert!(typed.len() <= max && code.len() == 12),
            None => prop_assert!(typed.is_empty() || typed.len() > max),
        }
    }
}
