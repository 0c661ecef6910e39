use proptest::prelude::*;

use super::*;

#[test]
fn reads_multi_byte_tags_and_nested_values() {
    // GET DATA answer of a real CPS3 for its PIN.
    let bytes = [
        0x70, 0x16, 0xBF, 0x81, 0x01, 0x12, 0xA0, 0x10, 0x9A, 0x01, 0x03, 0x9B, 0x01, 0x03, 0xA1,
        0x08, 0x8C, 0x06, 0xF3, 0x00, 0x00, 0x13, 0xFF, 0x00,
    ];
    let outer = Reader::new(&bytes).next().unwrap().unwrap();
    assert_eq!(outer.tag, Tag(0x70));
    let object = outer.find(0xBF_8101).unwrap().unwrap();
    let attributes = object.find(0xA0).unwrap().unwrap();
    assert_eq!(attributes.find(0x9A).unwrap().unwrap().value, [3]);
    assert_eq!(attributes.find(0x9B).unwrap().unwrap().value, [3]);
    assert_eq!(attributes.find(0x9C).unwrap(), None);
}

#[test]
fn reads_long_lengths() {
    let mut bytes = vec![0x30, 0x82, 0x01, 0x00];
    bytes.extend([7; 256]);
    let tlv = Reader::new(&bytes).next().unwrap().unwrap();
    assert_eq!(tlv.value.len(), 256);
    assert_eq!(Header::read(&bytes[..4]).unwrap().total(), Some(260));
}

#[test]
fn refuses_what_cards_do_not_use() {
    assert_eq!(Header::read(&[0x30, 0x80]), Err(TlvError::Length));
    assert_eq!(
        Header::read(&[0x30, 0x85, 1, 1, 1, 1, 1]),
        Err(TlvError::Length)
    );
    assert_eq!(
        Header::read(&[0xBF, 0x81, 0x81, 0x81, 0x01, 0x00]),
        Err(TlvError::Tag)
    );
    assert_eq!(Header::read(&[0xBF, 0x81]), Err(TlvError::Truncated));
    assert_eq!(
        Reader::new(&[0x04, 0x02, 0x00]).next(),
        Some(Err(TlvError::Truncated))
    );
}

#[test]
fn stops_at_padding_only_when_asked() {
    let bytes = [0x04, 0x01, 0xAA, 0x00, 0x00];
    assert_eq!(Reader::padded(&bytes).count(), 1);
    assert_eq!(Reader::new(&bytes).count(), 2);
    let erased = [0x04, 0x01, 0xAA, 0xFF, 0xFF];
    assert_eq!(Reader::padded(&erased).count(), 1);
}

#[test]
fn bounds_the_depth() {
    let mut bytes = Vec::new();
    for _ in 0..40 {
        bytes = encode(0x30, &bytes);
    }
    assert_eq!(walk(&bytes, 38, &mut |_, _| {}), Err(TlvError::TooDeep));
    assert_eq!(walk(&bytes, 39, &mut |_, _| {}), Ok(()));
}

fn tag() -> impl Strategy<Value = u32> {
    prop_oneof![
        (1_u32..0xFF).prop_filter("a one-byte tag", |tag| tag & 0x1F != 0x1F),
        (0_u32..0x80).prop_map(|low| 0x7F00 | low),
        (0x81_u32..0xFF, 0_u32..0x80).prop_map(|(middle, low)| 0xBF_0000 | middle << 8 | low),
    ]
}

proptest! {
    #[test]
    fn reads_back_what_it_writes(
        objects in proptest::collection::vec(
            (tag(), proptest::collection::vec(any::<u8>(), 0..400)),
            0..6,
        ),
    ) {
        let mut bytes = Vec::new();
        for (tag, value) in &objects {
            write(&mut bytes, *tag, value);
        }
        let read: Result<Vec<_>, _> = Reader::new(&bytes)
            .map(|tlv| tlv.map(|tlv| (tlv.tag.0, tlv.value.to_vec())))
            .collect();
        prop_assert_eq!(read, Ok(objects));
    }

    #[test]
    fn never_panics_and_never_reads_beyond(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let total: usize = Reader::new(&bytes).flatten().map(|tlv| tlv.raw.len()).sum();
        prop_assert!(total <= bytes.len());
        let mut count = 0;
        let _ = walk(&bytes, 16, &mut |_, _| count += 1);
        prop_assert!(count * 2 <= bytes.len());
    }
}
