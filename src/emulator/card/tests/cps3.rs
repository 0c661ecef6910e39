use super::*;

const IN_APPLICATION: &str = "00 A4 09 0C 04 3F 00 00 01";
const VERIFY: &str = "00 20 00 01 04 31 32 33 34";

fn cps3() -> VirtualCard {
    card(Holder::CpsMedecin, Profile::Cps3)
}

fn logged_in() -> VirtualCard {
    let mut card = cps3();
    assert_eq!(send(&mut card, VERIFY), [0x90, 0x00]);
    assert_eq!(send(&mut card, IN_APPLICATION), [0x90, 0x00]);
    card
}

/// Content of the file at an absolute path, read in chunks of 231 bytes like the official library.
fn read(card: &mut VirtualCard, path: &str) -> Vec<u8> {
    let fcp = send(
        card,
        &format!("00 A4 09 04 {:02X} {path}", bytes(path).len()),
    );
    assert_eq!(fcp[0], 0x61, "{}", hex(&fcp));
    let fcp = send(card, &format!("00 C0 00 00 {:02X}", fcp[1]));
    let size = usize::from(u16::from_be_bytes([fcp[4], fcp[5]]));
    let mut content = Vec::new();
    while content.len() < size {
        let [high, low] = (content.len() as u16).to_be_bytes();
        let chunk = (size - content.len()).min(231);
        let answer = send(card, &format!("00 B0 {high:02X} {low:02X} {chunk:02X}"));
        content.extend_from_slice(data(&answer));
    }
    content
}

#[test]
fn serial_number_by_short_identifier_and_by_path() {
    play(
        &mut cps3(),
        "> 00 B0 9C 00 0C
         < 5A 0A 80 25 00 00 01 90 00 00 01 6F 90 00
         > 00 A4 09 04 04 3F 00 D0 03
         < 61 27
         > 00 C0 00 00 27
         < 62 25 80 02 00 0C 82 01 01 83 02 D0 03 88 01 E0 A1 12 8C 07 7B FF FF FF FF FF 00 9C 07 7B FF FF FF FF FF 00 8A 01 05 90 00
         > 00 B0 00 00 C0
         < 6C 0C
         > 00 B0 00 0C 01
         < 62 82
         > 00 B0 00 0D 01
         < 6B 00
         > 00 A4 09 0C 04 3F 00 D0 10
         < 6A 82",
    );
}

#[test]
fn directory_files_have_the_documented_bytes() {
    let mut card = cps3();
    assert_eq!(
        hex(&read(&mut card, "3F 00 2F 00")),
        "61 32 4F 0D E8 28 BD 08 0F 80 25 00 00 01 FF 00 20 50 0A 43 50 58 20 49 41 53 20 43 4C 51 04 3F 00 00 02 73 0F 4F 0D E8 28 BD 08 0F 80 25 00 00 01 FF 00 10 61 2F 4F 0D E8 28 BD 08 0F 80 25 00 00 01 FF 00 10 50 07 43 50 58 20 49 41 53 51 04 3F 00 00 01 73 0F 4F 0D E8 28 BD 08 0F 80 25 00 00 01 FF 00 10"
    );
    assert_eq!(
        hex(&read(&mut card, "3F 00 2F 01")),
        "80 43 01 B8 46 04 04 B0 EC C1 47 03 94 01 80 4F 08 80 25 00 00 01 FF 01 00 E0 10 02 02 01 04 02 02 01 04 02 02 01 00 02 02 01 00 78 08 06 06 2B 81 22 F8 78 02 82 02 90 00"
    );
    assert_eq!(
        hex(&read(&mut card, "3F 00 00 01 50 31")),
        "A8 0A 30 08 04 06 3F 00 00 01 70 01 A0 0A 30 08 04 06 3F 00 00 01 70 02 A1 0A 30 08 04 06 3F 00 00 01 70 03 A4 0A 30 08 04 06 3F 00 00 01 70 04 A7 0A 30 08 04 06 3F 00 00 01 70 05"
    );
    let token = read(&mut card, "3F 00 00 01 50 32");
    assert_eq!(token.len(), 0xDB + 3);
    assert!(hex(&token).starts_with("30 81 DB 02 01 00 04 0A 80 25 00 00 01 99 00 00 00 12 0C 0A 41 53 49 50 20 53 41 4E 54 45 80 11 43 50 53 33 76 33 2D 39 39 30 30 30 30 30 30 31 32 03 02 05 60 A2 81 A6 30 17 02 01 01 02 02 02 20 05 00 03 02 01 02 06 05 2B 0E 03 02 1A 02 01 10"));
    assert!(hex(&token).ends_with(
        "30 1A 02 01 06 02 01 01 05 00 03 02 02 04 06 09 2A 86 48 86 F7 0D 01 01 01 02 01 1A"
    ));
}

#[test]
fn object_directories_have_the_documented_bytes() {
    let mut card = cps3();
    assert_eq!(
        hex(&read(&mut card, "3F 00 00 01 70 01")),
        "30 39 30 15 0C 0C 43 6F 64 65 20 70 6F 72 74 65 75 72 03 02 06 C0 04 01 02 30 03 04 01 01 A1 1B 30 19 03 02 03 88 0A 01 01 02 01 04 02 01 04 02 01 08 80 01 01 30 04 04 02 3F 00 30 3B 30 17 0C 11 43 6F 64 65 20 64 65 20 64 65 62 6C 6F 63 61 67 65 03 02 07 80 30 03 04 01 02 A1 1B 30 19 03 02 00 8B 0A 01 01 02 01 08 02 01 08 02 01 08 80 01 02 30 04 04 02 3F 00"
    );
    let aid = "E8 28 BD 08 0F 80 25 00 00 01 FF 00 10";
    assert_eq!(
        hex(&read(&mut card, "3F 00 00 01 70 02")),
        format!(
            "30 42 30 15 0C 0C 43 50 53 5F 50 52 49 56 5F 53 49 47 03 02 07 80 04 01 01 30 1D 04 0E {aid} 01 03 03 06 00 40 03 02 04 B0 02 02 00 81 A1 0A 30 08 30 02 04 00 02 02 08 00 30 41 30 15 0C 0C 43 50 53 5F 50 52 49 56 5F 41 55 54 03 02 06 C0 04 01 01 30 1C 04 0E {aid} 02 03 02 05 60 03 02 04 B0 02 02 00 82 A1 0A 30 08 30 02 04 00 02 02 08 00"
        )
    );
    assert!(read(&mut card, "3F 00 00 01 70 04").starts_with(&bytes(&format!(
        "30 42 30 20 0C 1B 43 65 72 74 69 66 69 63 61 74 20 64 65 20 53 69 67 6E 61 74 75 72 65 20 43 50 53 03 01 00 30 10 04 0E {aid} 01 A1 0C 30 0A 30 08 04 06 3F 00 00 01 E0 01"
    ))));
    let data_objects = hex(&read(&mut card, "3F 00 00 01 70 05"));
    for expected in [
        "30 25 30 10 0C 0B 43 50 53 5F 4E 41 4D 45 5F 50 53 03 01 00 30 05 0C 03 43 50 53 A1 0A 30 08 04 06 3F 00 00 01 D1 02",
        "30 30 30 1B 0C 12 43 50 53 5F 41 43 54 49 56 49 54 59 5F 30 31 5F 50 53 03 02 07 80 04 01 01 30 05 0C 03 43 50 53 A1 0A 30 08 04 06 3F 00 00 01 D1 20",
        "30 26 30 11 0C 08 43 50 53 5F 44 41 54 41 03 02 06 40 04 01 01 30 05 0C 03 43 50 53 A1 0A 30 08 04 06 3F 00 00 01 D1 07",
    ] {
        assert!(
            data_objects.contains(expected),
            "{expected}\n{data_objects}"
        );
    }
}

#[test]
fn certificates_are_those_of_the_holder() {
    let mut card = cps3();
    assert_eq!(
        read(&mut card, "3F 00 00 01 E0 01"),
        pki().signature_der(Holder::CpsMedecin)
    );
    assert_eq!(
        read(&mut card, "3F 00 00 01 E0 02"),
        pki().authentication_der(Holder::CpsMedecin)
    );
}

#[test]
fn t0_refuses_le_beside_data() {
    play(
        &mut cps3(),
        "> 00 A4 09 04 04 3F 00 D0 03 00
         < 67 00
         > 00 A4 04 04 08 80 25 00 00 01 FF 01 00
         < 61 16
         > 00 C0 00 00 10
         < 62 14 82 01 38 83 02 3F 00 A1 08 8C 02 02 00 9C 61 06
         > 00 C0 00 00 06
         < 02 02 00 8A 01 05 90 00
         > 00 C0 00 00 06
         < 69 85",
    );
}

#[test]
fn pin_tries_are_told_and_lost() {
    play(
        &mut cps3(),
        "> 00 20 00 01 00
         < 63 C3
         > 00 CB 3F FF 0A 4D 08 70 06 BF 81 01 02 A0 80
         < 61 18
         > 00 C0 00 00 18
         < 70 16 BF 81 01 12 A0 10 9A 01 03 9B 01 03 A1 08 8C 06 F3 00 00 13 FF 00 90 00
         > 00 CB 3F FF 0A 4D 08 70 06 BF 81 02 02 A0 80
         < 61 1C
         > 00 C0 00 00 1C
         < 70 1A BF 81 02 16 A0 14 9A 01 0A 9B 01 0A 9D 02 00 64 A1 08 8C 06 F3 FF 00 FF FF 00 90 00
         > 00 CB 3F FF 0B 4D 09 70 07 BF 81 01 03 7F 41 80
         < 6A 80
         > 00 20 00 01 04 30 30 30 30
         < 63 C2
         > 00 20 00 01 03 31 32 33
         < 67 00
         > 00 20 00 01 04 31 32 33 34
         < 90 00
         > 00 20 00 01 00
         < 90 00
         > 00 20 00 01 04 30 30 30 30
         < 63 C2
         > 00 20 00 01 04 30 30 30 30
         < 63 C1
         > 00 20 00 01 04 30 30 30 30
         < 63 C0
         > 00 20 00 01 04 31 32 33 34
         < 69 83
         > 00 2C 02 01 04 35 36 37 38
         < 69 82
         > 00 20 00 02 08 31 32 33 34 35 36 37 38
         < 90 00
         > 00 2C 02 01 04 35 36 37 38
         < 90 00
         > 00 20 00 01 04 35 36 37 38
         < 90 00
         > 00 24 00 01 08 35 36 37 38 31 32 33 34
         < 90 00
         > 00 20 00 01 04 31 32 33 34
         < 90 00
         > 00 CB 3F FF 0A 4D 08 70 06 BF 81 02 02 A0 80
         < 61 1C
         > 00 C0 00 00 1C
         < 70 1A BF 81 02 16 A0 14 9A 01 0A 9B 01 0A 9D 02 00 63 A1 08 8C 06 F3 FF 00 FF FF 00 90 00",
    );
}

#[test]
fn a_reset_ends_the_login_but_keeps_the_tries() {
    let mut card = logged_in();
    send(&mut card, "00 20 00 01 04 30 30 30 30");
    card.reset();
    play(&mut card, "> 00 20 00 01 00\n < 63 C2");
    assert_eq!(card.pin_tries(), Some(2));
}

#[test]
fn activities_need_the_pin() {
    let mut card = cps3();
    play(
        &mut card,
        "> 00 A4 09 0C 06 3F 00 00 01 D1 20
         < 90 00
         > 00 B0 00 00 36
         < 69 82
         > 00 20 00 01 04 31 32 33 34
         < 90 00
         > 00 B0 00 00 04
         < EE 34 80 02 90 00",
    );
}

#[test]
fn free_bytes_are_written_after_login_only() {
    let mut card = cps3();
    play(
        &mut card,
        "> 00 A4 09 0C 06 3F 00 00 01 D1 07
         < 90 00
         > 00 D6 00 01 02 AA BB
         < 69 82
         > 00 20 00 01 04 31 32 33 34
         < 90 00
         > 00 D6 00 01 02 AA BB
         < 90 00
         > 00 B0 00 00 04
         < 00 AA BB 00 90 00
         > 00 D6 00 FF 02 AA BB
         < 6B 00",
    );
}

#[test]
fn signature_of_a_digest_from_the_host() {
    let mut card = logged_in();
    // Both orders of the tags.
    for environment in ["80 01 42 84 01 81", "84 01 81 80 01 42"] {
        assert_eq!(
            send(&mut card, &format!("00 22 41 B6 06 {environment}")),
            [0x90, 0x00]
        );
        assert_eq!(
            send(&mut card, &format!("00 2A 9E 9A 20 {SHA256_ABC}")),
            [0x61, 0x00]
        );
        let answer = send(&mut card, "00 C0 00 00 00");
        let digest_info = bytes(&format!(
            "30 31 30 0D 06 09 60 86 48 01 65 03 04 02 01 05 00 04 20 {SHA256_ABC}"
        ));
        assert_eq!(
            opened(&card, KeyUse::Signature, data(&answer)),
            type_1(&digest_info)
        );
    }
    assert_eq!(card.counters().key_operations, 2);
}

#[test]
fn signature_of_a_block_hashed_by_the_card() {
    let mut card = logged_in();
    play(
        &mut card,
        "> 00 22 41 AA 03 80 01 40
         < 90 00
         > 00 2A 90 A0 32 90 28 DF 5B B8 1C E8 1E 06 26 FB 45 A8 94 4F D4 0F 31 B2 5E 68 16 D6 D4 99 C1 AB 90 49 29 00 63 5E 66 00 00 00 00 00 00 02 00 80 06 61 61 61 61 61 61
         < 90 00
         > 00 A4 09 0C 04 3F 00 00 01
         < 90 00
         > 00 22 41 B6 06 80 01 42 84 01 81
         < 90 00",
    );
    let answer = send(&mut card, "00 2A 9E 9A 00");
    let block = opened(&card, KeyUse::Signature, data(&answer));
    assert!(block.ends_with(&bytes(
        "6B D5 E5 03 48 55 A1 12 41 F0 DE E8 FC 72 85 0F FD 99 55 B2 83 47 A8 64 28 B5 FA 19 11 9F 6A D0"
    )));
    // The digest was used up.
    assert_eq!(send(&mut card, "00 2A 9E 9A 00"), [0x69, 0x85]);
}

#[test]
fn authentication_signs_what_it_is_given() {
    let mut card = logged_in();
    let digest_info =
        format!("30 31 30 0D 06 09 60 86 48 01 65 03 04 02 01 05 00 04 20 {SHA256_ABC}");
    assert_eq!(
        send(&mut card, "00 22 41 A4 06 80 01 02 84 01 82"),
        [0x90, 0x00]
    );
    assert_eq!(
        send(&mut card, &format!("00 88 00 00 33 {digest_info}")),
        [0x61, 0x00]
    );
    // The official library fetches 231 bytes, then the rest.
    let first = send(&mut card, "00 C0 00 00 E7");
    assert_eq!(first[231..], [0x61, 0x19]);
    let rest = send(&mut card, "00 C0 00 00 19");
    let signature = [&first[..231], data(&rest)].concat();
    assert_eq!(
        opened(&card, KeyUse::Authentication, &signature),
        type_1(&bytes(&digest_info))
    );
    let long = format!("00 88 00 00 67 {}", "5A ".repeat(103));
    assert_eq!(send(&mut card, &long), [0x6A, 0x80]);
}

#[test]
fn deciphering_strips_the_padding() {
    let mut card = logged_in();
    let message = b"secret of a test";
    let block = [&[0, 2][..], &vec![0x77; 253 - message.len()], &[0], message].concat();
    let cryptogram = opened(&card, KeyUse::Authentication, &block);
    let sent = [&[0x81][..], &cryptogram].concat();
    assert_eq!(
        send(&mut card, "00 22 41 B8 06 80 01 1A 84 01 82"),
        [0x90, 0x00]
    );
    assert_eq!(
        send(&mut card, &format!("10 2A 80 86 FF {}", hex(&sent[..255]))),
        [0x90, 0x00]
    );
    assert_eq!(
        send(&mut card, &format!("00 2A 80 86 02 {}", hex(&sent[255..]))),
        [0x61, 0x10]
    );
    assert_eq!(data(&send(&mut card, "00 C0 00 00 10")), message);
    // Bad padding, and a chain that was interrupted.
    send(&mut card, &format!("10 2A 80 86 FF {}", hex(&sent[..255])));
    assert_eq!(send(&mut card, "00 2A 80 86 02 00 00"), [0x6A, 0x80]);
    send(&mut card, &format!("10 2A 80 86 FF {}", hex(&sent[..255])));
    send(&mut card, "00 20 00 01 00");
    assert_eq!(
        send(&mut card, &format!("00 2A 80 86 02 {}", hex(&sent[255..]))),
        [0x6A, 0x80]
    );
}

#[test]
fn operations_out_of_turn_are_refused() {
    let mut card = cps3();
    let sign = format!("00 2A 9E 9A 20 {SHA256_ABC}");
    let environment = "00 22 41 B6 06 80 01 42 84 01 81";
    // Keys belong to the application.
    assert_eq!(send(&mut card, environment), [0x6A, 0x88]);
    send(&mut card, IN_APPLICATION);
    assert_eq!(send(&mut card, &sign), [0x69, 0x85], "no environment");
    assert_eq!(send(&mut card, environment), [0x90, 0x00]);
    assert_eq!(send(&mut card, &sign), [0x69, 0x82], "no PIN");
    send(&mut card, VERIFY);
    assert_eq!(
        send(
            &mut card,
            "00 2A 9E 9A 14 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13"
        ),
        [0x6A, 0x80]
    );
    assert_eq!(send(&mut card, &sign), [0x61, 0x00]);
    assert_eq!(
        send(&mut card, "00 22 41 B6 06 80 01 42 84 01 82"),
        [0x90, 0x00]
    );
    assert_eq!(
        send(&mut card, &sign),
        [0x69, 0x85],
        "authentication key in a signature"
    );
    assert_eq!(
        send(&mut card, "00 22 41 A4 06 80 01 02 84 01 81"),
        [0x90, 0x00]
    );
    assert_eq!(
        send(&mut card, "00 88 00 00 01 00"),
        [0x69, 0x85],
        "signature key in an authentication"
    );
    assert_eq!(
        send(&mut card, "00 22 41 B6 06 80 01 42 84 01 8F"),
        [0x6A, 0x88],
        "no such key"
    );
    assert_eq!(
        send(&mut card, "00 22 41 B6 06 80 01 77 84 01 81"),
        [0x6A, 0x80],
        "no such algorithm"
    );
    // Leaving the application ends its environments.
    send(&mut card, environment);
    send(&mut card, "00 A4 00 0C 02 3F 00");
    send(&mut card, IN_APPLICATION);
    assert_eq!(send(&mut card, &sign), [0x69, 0x85]);
}

#[test]
fn key_objects_answer_like_the_trace() {
    let mut card = cps3();
    play(
        &mut card,
        "> 00 CB 3F FF 0A 4D 08 70 06 BF 90 01 02 A0 80
         < 6A 88
         > 00 A4 09 0C 04 3F 00 00 01
         < 90 00
         > 00 CB 3F FF 0A 4D 08 70 06 BF 90 01 02 A0 80
         < 61 1A
         > 00 C0 00 00 1A
         < 70 18 BF 90 01 14 A0 12 A1 09 8C 07 FB 11 FF FF FF FF 00 80 02 01 00 9E 01 01 90 00
         > 00 CB 3F FF 0A 4D 08 70 06 BF 90 02 02 A0 80
         < 61 1A
         > 00 C0 00 00 1A
         < 70 18 BF 90 02 14 A0 12 A1 09 8C 07 FB FF 11 11 FF FF 00 80 02 01 00 9E 01 00 90 00",
    );
}

#[test]
fn the_volet_answers_and_then_is_foreign() {
    let mut card = logged_in();
    play(
        &mut card,
        "> A0 A4 00 00 02 3F 00
         < 9F 07
         > A0 A4 00 00 02 7F 01
         < 9F 07
         > A0 A4 00 00 02 40 00
         < 9F 07
         > A0 C0 00 00 07
         < 85 05 00 1B 40 00 04 90 00
         > A0 B0 00 00 1B
         < E0 19 A0 17 80 01 01 81 05 09 91 23 45 67 82 03 01 00 00 83 03 00 00 00 84 01 00 90 00
         > 00 A4 09 0C 04 3F 00 00 01
         < 6E 00
         > 00 A4 04 04 08 80 25 00 00 01 FF 01 00
         < 61 16
         > 00 A4 09 0C 04 3F 00 00 01
         < 90 00
         > A0 A4 00 00 02 3F 00
         < 9F 07
         > A0 A4 00 00 02 40 12
         < 94 04",
    );
    card.reset();
    play(
        &mut card,
        "> A0 A4 00 00 02 7F 01
         < 9F 07
         > A0 A4 00 00 02 40 00
         < 9F 07
         > A0 B0 00 00 1B
         < 98 04",
    );
}

#[test]
fn update_dates_are_as_documented() {
    let mut card = cps3();
    card.set_update_state(&UpdateState::Done {
        start: "20240115103000".into(),
        end: "20240115103500".into(),
    });
    play(
        &mut card,
        "> 00 A4 09 0C 04 3F 00 D0 10
         < 90 00
         > 00 B0 00 00 14
         < EC 12 81 07 20 24 01 15 10 30 00 82 07 20 24 01 15 10 35 00 90 00",
    );
    card.set_update_state(&UpdateState::Empty);
    play(
        &mut card,
        "> 00 A4 09 0C 04 3F 00 D0 10\n < 90 00\n > 00 B0 00 00 14\n < 62 82",
    );
    card.set_update_state(&UpdateState::Never);
    play(&mut card, "> 00 A4 09 0C 04 3F 00 D0 10\n < 6A 82");
}

#[test]
fn contactless_signs_without_a_pin() {
    let mut card = card(Holder::CpsMedecin, Profile::Cps3Contactless);
    let fcp = send(&mut card, "00 A4 09 04 04 3F 00 D0 03 00");
    assert_eq!(data(&fcp)[..2], [0x62, 0x25]);
    assert_eq!(
        send(&mut card, "00 A4 09 0C 04 3F 00 00 01"),
        [0x6A, 0x82],
        "the contact application"
    );
    assert_eq!(send(&mut card, "00 20 00 01"), [0x6A, 0x88]);
    send(&mut card, "00 A4 09 0C 04 3F 00 00 02");
    assert_eq!(
        send(&mut card, "00 22 41 A4 06 80 01 02 84 01 83"),
        [0x90, 0x00]
    );
    let digest_info =
        format!("30 31 30 0D 06 09 60 86 48 01 65 03 04 02 01 05 00 04 20 {SHA256_ABC}");
    let answer = send(&mut card, &format!("00 88 00 00 33 {digest_info} 00"));
    assert_eq!(
        opened(&card, KeyUse::Technical, data(&answer)),
        type_1(&bytes(&digest_info))
    );
    assert_eq!(send(&mut card, "00 2A 9E 9A 00"), [0x6D, 0x00]);
}

#[test]
fn the_variant_pads_its_pin_and_wants_the_mf() {
    let mut card = VirtualCard::with_layout(&pki(), Holder::CpsMedecin, Layout::cps3_variant());
    play(
        &mut card,
        "> 00 20 00 0B 06 31 32 33 34 35 36
         < 67 00
         > 00 20 00 0B 08 31 32 33 34 35 36 FF FF
         < 90 00
         > 00 20 00 01 00
         < 6A 88
         > 00 A4 09 0C 06 3F 00 7F 10 5F 20
         < 90 00
         > 00 20 00 0B 08 31 32 33 34 35 36 FF FF
         < 6A 88
         > 00 22 41 B6 06 80 01 52 84 01 92
         < 90 00
         > 00 22 41 B6 06 80 01 42 84 01 81
         < 6A 80
         > 00 A4 00 0C 02 3F 00
         < 90 00
         > 00 24 00 0B 10 31 32 33 34 35 36 FF FF 37 37 37 37 37 37 37 FF
         < 90 00
         > 00 20 00 0B 08 37 37 37 37 37 37 37 FF
         < 90 00",
    );
}
