use super::*;
use crate::error::Error;
use crate::key::Scheme;
use crate::pkcs15::token_info::TokenInfo;

/// SHA-256 of "abc".
const DIGEST: &str = "BA 78 16 BF 8F 01 CF EA 41 41 40 DE 5D AE 22 23 B0 03 61 A3 96 17 7A 9C B4 10 FF 61 F2 00 15 AD";
const DIGEST_INFO: &str = "30 31 30 0D 06 09 60 86 48 01 65 03 04 02 01 05 00 04 20";

fn signature() -> String {
    ok(&"5A".repeat(256))
}

fn sign(card: &mut Card, key: &crate::KeyEntry, scheme: Scheme, exchanges: &[(&str, &str)]) {
    let signature = Script::run(exchanges, |s| card.sign(s, key, scheme, &hex(DIGEST))).unwrap();
    assert_eq!(signature, [0x5A; 256]);
}

#[test]
fn a_cps3_signs_in_three_commands_once_it_stands_in_its_application() {
    let mut card = known(cps3());
    let (signature, authentication) = (
        key(&mut card, KeyUse::Signature),
        key(&mut card, KeyUse::Authentication),
    );
    let response = self::signature();
    let pso = format!("00 2A 9E 9A 20 {DIGEST}");
    sign(
        &mut card,
        &signature,
        Scheme::Pkcs1Sha256,
        &[
            ("00 A4 09 0C 04 3F 00 00 01", OK),
            ("00 22 41 B6 06 80 01 42 84 01 81", OK),
            (&pso, "61 00"),
            ("00 C0 00 00 00", &response),
        ],
    );
    let authenticate = format!("00 88 00 00 33 {DIGEST_INFO} {DIGEST}");
    sign(
        &mut card,
        &authentication,
        Scheme::Pkcs1Sha256,
        &[
            ("00 22 41 A4 06 80 01 02 84 01 82", OK),
            (&authenticate, "61 00"),
            ("00 C0 00 00 00", &response),
        ],
    );
}

#[test]
fn a_cps3_signs_sha_1_with_its_own_algorithm() {
    let mut card = known(cps3());
    let key = key(&mut card, KeyUse::Signature);
    let response = signature();
    let exchanges = [
        ("00 A4 09 0C 04 3F 00 00 01", OK),
        ("00 22 41 B6 06 80 01 12 84 01 81", OK),
        (
            "00 2A 9E 9A 14 0000000000000000000000000000000000000000",
            "61 00",
        ),
        ("00 C0 00 00 00", &response[..]),
    ];
    Script::run(&exchanges, |s| {
        card.sign(s, &key, Scheme::Pkcs1Sha1, &[0; 20])
    })
    .unwrap();
}

#[test]
fn the_directory_of_a_real_card_is_understood() {
    let token = TokenInfo::read(&hex(TOKEN_INFO)).unwrap();
    assert_eq!(token.label.as_deref(), Some("CPS3v3-9900000012"));
    assert_eq!(token.serial_number, hex("80 25 00 00 01 99 00 00 00 12"));
    let algorithms: Vec<_> = token
        .algorithms
        .iter()
        .map(|a| (a.reference, a.mechanism, a.card_reference))
        .collect();
    assert_eq!(
        algorithms,
        [
            (1, 0x220, Some(0x10)),
            (2, 0x250, Some(0x40)),
            (3, 0x06, Some(0x12)),
            (4, 0x40, Some(0x42)),
            (5, 0x01, Some(0x02)),
            (6, 0x01, Some(0x1A)),
        ]
    );

    let mut card = known(cps3());
    let keys = Script::run(&[], |script| card.keys(script)).unwrap();
    let [signature, authentication] = &keys[..] else {
        panic!("two keys expected")
    };
    assert_eq!(
        (&signature.label[..], signature.key_use),
        ("CPS_PRIV_SIG", KeyUse::Signature)
    );
    assert_eq!((signature.usage, signature.reference), (0x200, 0x81));
    assert_eq!(
        (&authentication.label[..], authentication.key_use),
        ("CPS_PRIV_AUT", KeyUse::Authentication)
    );
    assert_eq!(
        (authentication.usage, authentication.reference),
        (0x06, 0x82)
    );
    assert!(
        keys.iter()
            .all(|key| key.needs_pin && key.modulus_bits == 2048)
    );
    assert!(authentication.deciphers() && !signature.deciphers());
}

#[test]
fn references_come_from_the_card() {
    let token = TOKEN_INFO.replace("2A864886F70D01010B 02 01 42", "2A864886F70D01010B 02 01 77");
    let keys = PRKDF.replacen("02 02 00 81", "02 02 00 95", 1);
    let mut card = with_files(
        cps3(),
        &[
            ("3F002F00", EF_DIR),
            ("3F0000015031", ODF),
            ("3F0000015032", &token),
            ("3F0000017002", &keys),
        ],
    );
    let key = key(&mut card, KeyUse::Signature);
    let (pso, response) = (format!("00 2A 9E 9A 20 {DIGEST}"), signature());
    sign(
        &mut card,
        &key,
        Scheme::Pkcs1Sha256,
        &[
            ("00 A4 09 0C 04 3F 00 00 01", OK),
            ("00 22 41 B6 06 80 01 77 84 01 95", OK),
            (&pso, "61 00"),
            ("00 C0 00 00 00", &response),
        ],
    );
}

#[test]
fn a_contactless_card_signs_without_get_response() {
    let card = open(CPS3_CL_ATR, Protocol::T1, &[("00 B0 9C 00 0C", &ok(EF_SN))]);
    let keys = "30 3F 30 13 0C 11 43 50 53 5F 50 52 49 56 5F 54 45 43 48 5F 41 55 54 30 1C 04 0E \
        E828BD080F8025000001FF0020 03 03 02 05 60 03 02 04 B0 02 02 00 83 \
        A1 0A 30 08 30 02 04 00 02 02 08 00";
    let mut card = with_files(
        card,
        &[
            ("3F002F00", EF_DIR),
            ("3F0000025031", &ODF.replace("0001", "0002")),
            ("3F0000025032", "30 00"),
            ("3F0000027002", keys),
        ],
    );
    let key = key(&mut card, KeyUse::Technical);
    assert!(!key.needs_pin);
    let authenticate = format!("00 88 00 00 33 {DIGEST_INFO} {DIGEST} 00");
    let response = signature();
    sign(
        &mut card,
        &key,
        Scheme::Pkcs1Sha256,
        &[
            ("00 A4 09 0C 04 3F 00 00 02", OK),
            ("00 22 41 A4 06 80 01 02 84 01 83", OK),
            (&authenticate, &response),
        ],
    );
}

/// A CPS4 whose signature key has reference 21 and whose authentication key has reference 20.
fn cps4_with_keys() -> Card {
    let keys = PRKDF
        .replace("02 02 00 81", "02 02 00 21")
        .replace("02 02 00 82", "02 02 00 20");
    with_files(
        cps4(),
        &[
            ("3F002F00", EF_DIR),
            ("3F0000015031", ODF),
            ("3F0000015032", "30 00"),
            ("3F0000017001", AODF),
            ("3F0000017002", &keys),
        ],
    )
}

#[test]
fn a_cps4_signs_each_way() {
    let mut card = cps4_with_keys();
    let (signature, authentication) = (
        key(&mut card, KeyUse::Signature),
        key(&mut card, KeyUse::Authentication),
    );
    let response = self::signature();
    let pso = format!("01 2A 9E 9A 20 {DIGEST} 00");
    sign(
        &mut card,
        &signature,
        Scheme::Pkcs1Sha256,
        &[
            ("01 A4 08 00 02 00 01", "61 25"),
            ("01 22 81 B6 04 91 02 28 A1", OK),
            (&pso, &response),
        ],
    );
    sign(
        &mut card,
        &signature,
        Scheme::PssSha256,
        &[("01 22 81 B6 04 91 02 2C A1", OK), (&pso, &response)],
    );
    sign(
        &mut card,
        &authentication,
        Scheme::PssSha256,
        &[("01 22 81 B6 04 91 02 2C A0", OK), (&pso, &response)],
    );
    let padded = format!("00 01 {} 00 {DIGEST_INFO} {DIGEST}", "FF".repeat(202));
    let padded: String = padded.split_whitespace().collect();
    let (first, last) = padded.split_at(2 * 255);
    let (first, last) = (
        format!("11 2A 80 86 FF {first}"),
        format!("01 2A 80 86 01 {last} 00"),
    );
    sign(
        &mut card,
        &authentication,
        Scheme::Pkcs1Sha256,
        &[
            ("01 22 41 B8 03 83 01 20", OK),
            (&first, OK),
            (&last, &response),
        ],
    );
}

#[test]
fn a_cps4_whose_applet_was_deselected_is_brought_back() {
    let mut card = cps4_with_keys();
    let key = key(&mut card, KeyUse::Signature);
    card.state.position = crate::exchange::Position::in_directory(&hex("3F000001"));
    let pso = format!("01 2A 9E 9A 20 {DIGEST} 00");
    let response = signature();
    sign(
        &mut card,
        &key,
        Scheme::Pkcs1Sha256,
        &[
            ("01 22 81 B6 04 91 02 28 A1", "69 85"),
            ("01 A4 04 0C 07 A0 00 00 01 51 00 00", OK),
            ("00 A4 04 0C 08 80 25 00 00 01 FF 00 02", "6A 82"),
            ("01 A4 04 0C 08 80 25 00 00 01 FF 01 00", OK),
            ("01 A4 08 00 02 00 01", OK),
            ("01 22 81 B6 04 91 02 28 A1", OK),
            (&pso, &response),
        ],
    );
}

#[test]
fn a_cps3_moved_by_another_program_signs_after_one_more_selection() {
    let mut card = known(cps3());
    let key = key(&mut card, KeyUse::Signature);
    card.state.position = crate::exchange::Position::in_directory(&hex("3F000001"));
    let (pso, response) = (format!("00 2A 9E 9A 20 {DIGEST}"), signature());
    sign(
        &mut card,
        &key,
        Scheme::Pkcs1Sha256,
        &[
            ("00 22 41 B6 06 80 01 42 84 01 81", "6A 88"),
            ("00 A4 09 0C 04 3F 00 00 01", OK),
            ("00 22 41 B6 06 80 01 42 84 01 81", OK),
            (&pso, "61 00"),
            ("00 C0 00 00 00", &response),
        ],
    );
    // The second application is current: class 00 is foreign until the first is selected.
    sign(
        &mut card,
        &key,
        Scheme::Pkcs1Sha256,
        &[
            ("00 22 41 B6 06 80 01 42 84 01 81", "6E 00"),
            ("00 A4 04 04 08 80 25 00 00 01 FF 01 00", "61 16"),
            ("00 A4 09 0C 04 3F 00 00 01", OK),
            ("00 22 41 B6 06 80 01 42 84 01 81", OK),
            (&pso, "61 00"),
            ("00 C0 00 00 00", &response),
        ],
    );
}

#[test]
fn a_signature_without_login_says_so_and_is_not_repeated() {
    let mut card = known(cps3());
    let key = key(&mut card, KeyUse::Signature);
    let pso = format!("00 2A 9E 9A 20 {DIGEST}");
    let exchanges = [
        ("00 A4 09 0C 04 3F 00 00 01", OK),
        ("00 22 41 B6 06 80 01 42 84 01 81", OK),
        (&pso[..], "69 82"),
    ];
    let result = Script::run(&exchanges, |s| {
        card.sign(s, &key, Scheme::Pkcs1Sha256, &hex(DIGEST))
    });
    assert_eq!(result, Err(Error::PinRequired));
}

#[test]
fn what_a_key_does_not_offer_is_refused_without_a_command() {
    let mut card = known(cps3());
    let key = key(&mut card, KeyUse::Signature);
    assert_eq!(key.schemes(), [Scheme::Pkcs1Sha256, Scheme::Pkcs1Sha1]);
    // The selection precedes; the card is told nothing of the digest.
    let exchanges = [("00 A4 09 0C 04 3F 00 00 01", OK)];
    let result = Script::run(&exchanges, |s| {
        card.sign(s, &key, Scheme::PssSha256, &hex(DIGEST))
    });
    assert!(
        matches!(result, Err(Error::Unsupported { .. })),
        "{result:?}"
    );
    let result = Script::run(&[], |s| card.sign(s, &key, Scheme::Pkcs1Sha256, &[0; 20]));
    assert!(
        matches!(result, Err(Error::Unsupported { .. })),
        "{result:?}"
    );
    let result = Script::run(&[], |s| {
        card.decipher(s, &key, &[0; 256]).map(|m| m.to_vec())
    });
    assert!(
        matches!(result, Err(Error::Unsupported { .. })),
        "{result:?}"
    );
}

#[test]
fn a_signature_of_another_length_is_refused() {
    let mut card = known(cps3());
    let key = key(&mut card, KeyUse::Signature);
    let pso = format!("00 2A 9E 9A 20 {DIGEST}");
    let exchanges = [
        ("00 A4 09 0C 04 3F 00 00 01", OK),
        ("00 22 41 B6 06 80 01 42 84 01 81", OK),
        (&pso[..], OK),
    ];
    let result = Script::run(&exchanges, |s| {
        card.sign(s, &key, Scheme::Pkcs1Sha256, &hex(DIGEST))
    });
    assert_eq!(result, Err(Error::Malformed { what: "signature" }));
}

#[test]
fn deciphering() {
    let mut card = known(cps3());
    let key_of_cps3 = key(&mut card, KeyUse::Authentication);
    let first = format!("10 2A 80 86 FF 81 {}", "C7".repeat(254));
    let exchanges = [
        ("00 A4 09 0C 04 3F 00 00 01", OK),
        ("00 22 41 B8 06 80 01 1A 84 01 82", OK),
        (&first[..], OK),
        ("00 2A 80 86 02 C7 C7", "61 03"),
        ("00 C0 00 00 03", "01 02 03 90 00"),
    ];
    let message =
        Script::run(&exchanges, |s| card.decipher(s, &key_of_cps3, &[0xC7; 256])).unwrap();
    assert_eq!(*message, [1, 2, 3]);

    let mut card = cps4_with_keys();
    let key = key(&mut card, KeyUse::Authentication);
    let first = format!("11 2A 80 86 FF {}", "C7".repeat(255));
    let good = ok(&format!("00 02 {} 00 01 02 03", "55".repeat(250)));
    let bad = ok(&format!("00 01 {} 00 01 02 03", "55".repeat(250)));
    let exchanges = [
        ("01 A4 08 00 02 00 01", OK),
        ("01 22 41 B8 03 83 01 20", OK),
        (&first[..], OK),
        ("01 2A 80 86 01 C7 00", &good[..]),
        ("01 22 41 B8 03 83 01 20", OK),
        (&first[..], OK),
        ("01 2A 80 86 01 C7 00", &bad[..]),
        ("01 22 41 B8 03 83 01 20", OK),
        (&first[..], OK),
        ("01 2A 80 86 01 C7 00", "6A 80"),
    ];
    Script::run(&exchanges, |s| {
        assert_eq!(*card.decipher(s, &key, &[0xC7; 256]).unwrap(), [1, 2, 3]);
        for _ in 0..2 {
            let failed = card.decipher(s, &key, &[0xC7; 256]).map(|m| m.to_vec());
            assert_eq!(failed, Err(Error::Cryptogram));
        }
    });
}
