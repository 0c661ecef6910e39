use proptest::prelude::*;

use super::*;

/// One TLV with a short length.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag, u8::try_from(content.len()).unwrap()];
    assert!(content.len() < 0x80);
    bytes.extend(content);
    bytes
}

/// An attribute of the X.520 arc 2.5.4.
fn attribute(kind: u8, tag: u8, value: &[u8]) -> Vec<u8> {
    tlv(
        0x30,
        &[tlv(0x06, &[0x55, 0x04, kind]), tlv(tag, value)].concat(),
    )
}

fn name(rdns: &[&[Vec<u8>]]) -> Vec<u8> {
    let sets: Vec<u8> = rdns
        .iter()
        .flat_map(|rdn| tlv(0x31, &rdn.concat()))
        .collect();
    tlv(0x30, &sets)
}

const UTF8: u8 = 0x0C;
const PRINTABLE: u8 = 0x13;
const TELETEX: u8 = 0x14;
const BMP: u8 = 0x1E;

#[test]
fn attributes_are_found_by_type_whatever_their_order() {
    let given = attribute(42, UTF8, b"ALIX");
    let common = attribute(3, UTF8, b"899700000013");
    let family = attribute(4, UTF8, b"EXEMPLE");
    let sorted = name(&[&[given.clone(), common.clone(), family.clone()]]);
    let unsorted = name(&[&[family, given, common]]);
    for der in [&sorted, &unsorted] {
        let name = Name::from_der(der).unwrap();
        assert_eq!(name.first(attribute::SURNAME), Some("EXEMPLE"));
        assert_eq!(name.first(attribute::COMMON_NAME), Some("899700000013"));
        assert_eq!(name.as_der(), &der[..]);
    }
    assert_ne!(Name::from_der(&sorted), Name::from_der(&unsorted));
}

#[test]
fn every_string_type_is_read() {
    let der = name(&[
        &[attribute(11, TELETEX, b"M\xE9decin")],
        &[attribute(10, BMP, &[0x00, 0x4F, 0x00, 0xE9])],
        &[attribute(6, PRINTABLE, b"FR")],
    ]);
    let name = Name::from_der(&der).unwrap();
    assert_eq!(name.first(attribute::UNIT), Some("Médecin"));
    assert_eq!(name.first(attribute::ORGANIZATION), Some("Oé"));
    assert_eq!(name.to_string(), "C=FR,O=Oé,OU=Médecin");
}

/// RFC 4514 §4: the examples of the standard, in its own encoding.
#[test]
fn text_is_rfc_4514() {
    let der = name(&[
        &[attribute(10, UTF8, b"Sue, Grabbit and Runn")],
        &[
            attribute(11, UTF8, b"Sales"),
            attribute(3, UTF8, b"J.  Smith"),
        ],
    ]);
    let text = Name::from_der(&der).unwrap().to_string();
    assert_eq!(text, r"OU=Sales+CN=J.  Smith,O=Sue\, Grabbit and Runn");

    let serial = tlv(
        0x30,
        &[
            tlv(0x06, &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x8B, 0x3A, 0x00]),
            tlv(0x04, b"Hi"),
        ]
        .concat(),
    );
    let text = Name::from_der(&name(&[&[serial]])).unwrap().to_string();
    assert_eq!(text, "1.3.6.1.4.1.1466.0=#04024869");
}

#[test]
fn leading_trailing_and_disturbing_characters_are_escaped() {
    let value = " #a\"b\\\u{202E}\r\u{1F600} ";
    let der = name(&[&[attribute(3, UTF8, value.as_bytes())]]);
    let text = Name::from_der(&der).unwrap().to_string();
    assert_eq!(text, "CN=\\ #a\\\"b\\\\\\E2\\80\\AE\\0D\u{1F600}\\ ");
}

#[test]
fn string_with_bytes_of_no_encoding_is_shown_as_hexadecimal() {
    let der = name(&[&[attribute(3, UTF8, &[0xFF])]]);
    assert_eq!(Name::from_der(&der).unwrap().to_string(), "CN=#0C01FF");
}

#[test]
fn a_flood_of_attributes_is_refused() {
    let one = attribute(3, PRINTABLE, b"");
    let set: Vec<u8> = std::iter::repeat_n(one, 65).flatten().collect();
    let long = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], content].concat()
    };
    let der = long(0x30, &long(0x31, &set));
    assert_eq!(Name::from_der(&der), Err(InvalidName));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(name) = Name::from_der(&bytes) {
            let _ = name.to_string();
        }
    }

    /// Whatever a value holds, the text has no bare control and no unescaped separator.
    #[test]
    fn any_value_renders_safely(value in "\\PC{0,20}|.{0,20}") {
        prop_assume!(value.len() < 100);
        let der = name(&[&[attribute(3, UTF8, value.as_bytes())]]);
        let name = Name::from_der(&der).unwrap();
        prop_assert_eq!(name.first(attribute::COMMON_NAME), Some(value.as_str()));
        let text = name.to_string();
        prop_assert!(!text.chars().any(char::is_control));
        let mut characters = text["CN=".len()..].chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => prop_assert!(characters.next().is_some()),
                _ => prop_assert!(!",+\"<>;".contains(character)),
            }
        }
    }

    #[test]
    fn mutated_names_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut der = name(&[&[attribute(11, TELETEX, b"M\xE9decin"), attribute(3, UTF8, b"8")]]);
        let at = at.index(der.len());
        der[at] = byte;
        if let Ok(name) = Name::from_der(&der) {
            let _ = name.to_string();
        }
    }
}
