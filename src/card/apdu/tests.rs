use proptest::prelude::*;

use super::*;

#[test]
fn encodes_the_four_cases_for_each_protocol() {
    let one = Command::new(0x00, 0x20, 0x00, 0x01);
    assert_eq!(sent(&one, Protocol::T0), [[0x00, 0x20, 0x00, 0x01, 0x00]]);
    assert_eq!(sent(&one, Protocol::T1), [[0x00, 0x20, 0x00, 0x01]]);

    let two = Command::new(0x00, 0x2A, 0x9E, 0x9A).expecting(256);
    assert_eq!(sent(&two, Protocol::T0), [[0x00, 0x2A, 0x9E, 0x9A, 0x00]]);
    assert_eq!(sent(&two, Protocol::T1), [[0x00, 0x2A, 0x9E, 0x9A, 0x00]]);

    let three = Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(&[0x3F, 0x00]);
    let expected = [[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x3F, 0x00]];
    assert_eq!(sent(&three, Protocol::T0), expected);
    assert_eq!(sent(&three, Protocol::T1), expected);

    let four = Command::new(0x00, 0xA4, 0x09, 0x04)
        .with_data(&[0x3F, 0x00])
        .expecting(256);
    assert_eq!(
        sent(&four, Protocol::T0),
        [vec![0x00, 0xA4, 0x09, 0x04, 0x02, 0x3F, 0x00]]
    );
    assert_eq!(
        sent(&four, Protocol::T1),
        [vec![0x00, 0xA4, 0x09, 0x04, 0x02, 0x3F, 0x00, 0x00]]
    );
}

#[test]
fn chains_long_data_with_le_on_the_last_block_only() {
    let data: Vec<u8> = (0..=255).collect();
    let command = Command::new(0x01, 0x2A, 0x80, 0x86)
        .with_data(&data)
        .expecting(256);
    let sent = sent(&command, Protocol::T1);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0][..5], [0x11, 0x2A, 0x80, 0x86, 0xFF]);
    assert_eq!(sent[0].len(), 5 + 255);
    assert_eq!(sent[1], [0x01, 0x2A, 0x80, 0x86, 0x01, 0xFF, 0x00]);
}

#[test]
fn hides_pins_in_every_form() {
    let verify = Command::new(0x00, 0x20, 0x00, 0x01).with_data(b"1234");
    assert!(!format!("{verify:?}").contains("31"));
    for ins in [0x20, 0x21, 0x24, 0x2C] {
        let shown = Redacted(&[0xA0, ins, 0x00, 0x01, 0x04, 0x31, 0x32, 0x33, 0x34]).to_string();
        assert!(!shown.contains("31 32"), "{shown}");
        assert!(shown.ends_with("[5 bytes hidden]"), "{shown}");
    }
    assert_eq!(
        Redacted(&[0x00, 0xB0, 0x9C, 0x00, 0x0C]).to_string(),
        "00 B0 9C 00 0C"
    );
    assert_eq!(Redacted(&[0x20]).to_string(), "20");
    assert_eq!(Redacted(&[]).to_string(), "");
}

#[test]
fn reads_the_tries_out_of_a_status_word() {
    assert_eq!(StatusWord(0x63C2).tries_left(), Some(2));
    assert_eq!(StatusWord(0x63C0).tries_left(), Some(0));
    assert_eq!(StatusWord(0x6300).tries_left(), None);
    assert_eq!(StatusWord(0x6983).tries_left(), None);
}

#[test]
fn serialises_a_status_word_as_four_digits() {
    assert_eq!(
        serde_json::to_string(&StatusWord::NOT_FOUND).unwrap(),
        "\"6A82\""
    );
    assert_eq!(
        serde_json::from_str::<StatusWord>("\"6A82\"").unwrap(),
        StatusWord::NOT_FOUND
    );
    assert!(serde_json::from_str::<StatusWord>("\"6A8200\"").is_err());
}

proptest! {
    #[test]
    fn decodes_what_it_encodes(
        header in any::<[u8; 4]>(),
        data in proptest::collection::vec(any::<u8>(), 0..=255),
        expected in 0_u16..=256,
    ) {
        let [cla, ins, p1, p2] = header;
        let command = Command::new(cla, ins, p1, p2).with_data(&data).expecting(expected);
        let blocks = command.encode(Protocol::T1);
        prop_assert_eq!(blocks.len(), 1);
        prop_assert_eq!(Command::decode(&blocks[0]), Ok(command));
    }

    #[test]
    fn decoding_and_redacting_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Command::decode(&bytes);
        let _ = Redacted(&bytes).to_string();
    }
}

fn sent(command: &Command, protocol: Protocol) -> Vec<Vec<u8>> {
    command
        .encode(protocol)
        .iter()
        .map(|block| block.to_vec())
        .collect()
}
