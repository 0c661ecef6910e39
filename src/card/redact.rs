//! Filler for what a card report must not hold: same length, same TLV structure, nothing about the
//! holder. Used on content of any form: what cannot be understood is filled whole.

use crate::tlv::{Header, Tag};

/// EF.SN: the serial digits become zeros, the check digit the one that fits them.
pub(crate) fn serial(content: &mut [u8]) {
    let digits = 7..11;
    match content.get_mut(digits) {
        Some(serial) => serial.fill(0),
        None => return content.fill(0),
    }
    if let Some(last) = content.get(11).copied() {
        content[11] = luhn(&content[2..11]) << 4 | last & 0x0F;
    }
}

/// A PKCS#15 directory file: long numbers and identifiers, and every name, are replaced; labels,
/// flags, paths and references stay.
pub(crate) fn directory(content: &mut [u8]) {
    fields(
        content,
        Place::Top,
        &mut |tag, place, value| match (place, tag.0) {
            (Place::InName, 0x06) => {}
            (Place::InName, _) => shape(value),
            (_, 0x04) if value.len() > MAX_PATH && !is_application_object(value) => value.fill(0),
            (_, 0x02) if value.len() > MAX_REFERENCE => value.fill(1),
            (_, 0x03) if value.len() > MAX_FLAGS => value[1..].fill(0),
            (_, 0x0C | 0x13 | 0x14 | 0x16 | 0x80..=0x9F) => long_numbers(value),
            _ => {}
        },
    );
}

/// EF.TokenInfo: the serial number and the card number in the label are replaced.
pub(crate) fn token_info(content: &mut [u8]) {
    fields(content, Place::Top, &mut |tag, _, value| match tag.0 {
        0x04 => value.fill(0),
        0x0C | 0x80..=0x9F => long_numbers(value),
        _ => {}
    });
}

/// Bytes that only the program that wrote them understands.
pub(crate) fn opaque(content: &mut [u8]) {
    content.fill(0);
}

/// A certificate: only the tree of its ASN.1 stays, with the object identifiers.
pub(crate) fn certificate(content: &mut [u8]) {
    fields(content, Place::Top, &mut |tag, _, value| match tag.0 {
        0x01 | 0x05 | 0x06 => {}
        0x02 if value.len() <= 2 => {}
        // Positive, and without a superfluous leading byte.
        0x02 => value.fill(0x01),
        0x03 => value.iter_mut().skip(1).for_each(|byte| *byte = 0),
        0x17 if value.len() == UTC_TIME.len() => value.copy_from_slice(UTC_TIME),
        0x18 if value.len() == GENERALIZED_TIME.len() => value.copy_from_slice(GENERALIZED_TIME),
        0x0C | 0x13 | 0x14 | 0x16 => value.fill(b'X'),
        _ => value.fill(0),
    });
}

/// A data object: text keeps its length and the separators of first names, the rest becomes zeros,
/// inside the same TLVs.
pub(crate) fn data(content: &mut [u8]) {
    fields(content, Place::Top, &mut |_, _, value| shape(value));
}

#[derive(Clone, Copy)]
enum Place {
    Top,
    /// Inside a SET: part of a distinguished name.
    InName,
}

/// Calls `fill` on every primitive value. Whatever is not TLV becomes zeros.
fn fields(bytes: &mut [u8], place: Place, fill: &mut dyn FnMut(Tag, Place, &mut [u8])) {
    level(bytes, place, MAX_DEPTH, fill);
}

fn level(
    bytes: &mut [u8],
    place: Place,
    depth: usize,
    fill: &mut dyn FnMut(Tag, Place, &mut [u8]),
) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let header = Header::read(rest).ok().filter(|header| header.tag.0 != 0);
        let end = header
            .and_then(|header| header.total())
            .filter(|end| *end <= rest.len());
        let (Some(header), Some(end)) = (header, end) else {
            return rest.fill(0);
        };
        let (object, after) = rest.split_at_mut(end);
        let value = &mut object[header.header..];
        match (header.tag.is_constructed(), depth.checked_sub(1)) {
            (true, Some(depth)) => {
                let place = if header.tag.0 == SET {
                    Place::InName
                } else {
                    place
                };
                level(value, place, depth, fill);
            }
            (true, None) => value.fill(0),
            (false, _) => fill(header.tag, place, value),
        }
        rest = after;
    }
}

/// Text becomes `X` and `0`, anything else zeros: a number in binary-coded digits must not pass for
/// text because some of its bytes are letters.
fn shape(value: &mut [u8]) {
    let text = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ' || *byte >= 0xC0;
    if !value.iter().all(text) || !value.iter().any(u8::is_ascii_alphabetic) {
        return value.fill(0);
    }
    for byte in value {
        *byte = match *byte {
            b'0'..=b'9' => b'0',
            // Between first names.
            0xFF => 0xFF,
            _ => b'X',
        };
    }
}

/// Whether an identifier is that of the application and an index, which every card has alike.
fn is_application_object(id: &[u8]) -> bool {
    id.starts_with(AID) && id.len() <= AID.len() + 5
}

/// Zeros for the digits of every run that is long enough to tell a person or a card.
pub(crate) fn long_numbers(value: &mut [u8]) {
    for run in value.chunk_by_mut(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        if run.len() >= LONG_NUMBER && run[0].is_ascii_digit() {
            run.fill(b'0');
        }
    }
}

/// Check digit (ISO/IEC 7812-1) of the digits of `bcd`, which come in pairs.
fn luhn(bcd: &[u8]) -> u8 {
    let sum: u32 = bcd
        .iter()
        .map(|byte| {
            // The check digit follows, so that the low digit of each pair is the doubled one.
            let doubled = u32::from(byte & 0x0F) * 2;
            u32::from(byte >> 4) + doubled / 10 + doubled % 10
        })
        .sum();
    // Below ten.
    ((10 - sum % 10) % 10) as u8
}

const AID: &[u8] = &[0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01];
const GENERALIZED_TIME: &[u8] = b"19700101000000Z";
const LONG_NUMBER: usize = 5;
const MAX_DEPTH: usize = 16;
const MAX_FLAGS: usize = 5;
const MAX_PATH: usize = 8;
const MAX_REFERENCE: usize = 2;
const SET: u32 = 0x31;
const UTC_TIME: &[u8] = b"700101000000Z";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tlv::{self, Reader};

    #[test]
    fn computes_the_check_digit_of_a_card() {
        // EF.SN of a card: 8025000001 90000001, check digit 6.
        assert_eq!(
            luhn(&[0x80, 0x25, 0x00, 0x00, 0x01, 0x90, 0x00, 0x00, 0x01]),
            6
        );
    }

    #[test]
    fn hides_the_serial_number_and_stays_readable() {
        let mut file = [
            0x5A, 0x0A, 0x80, 0x25, 0x00, 0x00, 0x01, 0x90, 0x00, 0x00, 0x01, 0x6F,
        ];
        serial(&mut file);
        assert_eq!(crate::Serial::read(&file).unwrap().as_str(), "00000000");
        assert_eq!(file[11] & 0x0F, 0x0F);
    }

    #[test]
    fn hides_the_card_number_in_a_label() {
        let mut info = tlv::encode(0x30, &tlv::encode(0x80, b"CPS3v3-9900000012"));
        token_info(&mut info);
        assert!(info.ends_with(b"CPS3v3-0000000000"));
    }

    #[test]
    fn hides_names_numbers_and_key_of_a_certificate() {
        let name = tlv::encode_all(
            0x31,
            &[tlv::encode_all(
                0x30,
                &[
                    tlv::encode(0x06, &[0x55, 0x04, 0x03]),
                    tlv::encode(0x0C, b"DOC0012345 ALIX"),
                ],
            )],
        );
        let key = tlv::encode(0x03, &[0x00, 0xAB, 0xCD]);
        let serial = tlv::encode(0x02, &[0x4D, 0x11, 0x22, 0x33]);
        let mut der = tlv::encode_all(0x30, &[name, key, serial]);
        let before = der.clone();
        certificate(&mut der);
        let text = String::from_utf8_lossy(&der);
        assert!(!text.contains("ALIX") && !text.contains("12345"), "{text}");
        assert!(
            !der.windows(2)
                .any(|pair| pair == [0xAB, 0xCD] || pair == [0x11, 0x22])
        );
        assert!(der.windows(3).any(|oid| oid == [0x55, 0x04, 0x03]));
        assert_eq!(tags(&der), tags(&before));
    }

    #[test]
    fn hides_short_serial_numbers_and_identifiers_of_a_directory() {
        // A certificate serial number of three bytes, a key identifier that is a hash, a path and
        // the reference of a key.
        let mut file = tlv::encode_all(
            0x30,
            &[
                tlv::encode(0x02, &[0x12, 0x34, 0x56]),
                tlv::encode(0x04, &[0xAB; 20]),
                tlv::encode(0x04, &[0x3F, 0x00, 0x00, 0x01, 0x70, 0x01]),
                tlv::encode(0x02, &[0x00, 0x81]),
            ],
        );
        let before = file.clone();
        directory(&mut file);
        assert_eq!(tags(&file), tags(&before));
        let values: Vec<_> = Reader::new(&file[2..])
            .map(|tlv| tlv.unwrap().value)
            .collect();
        assert_eq!(values[0], [1, 1, 1]);
        assert_eq!(values[1], [0; 20]);
        assert_eq!(values[2], [0x3F, 0x00, 0x00, 0x01, 0x70, 0x01]);
        assert_eq!(values[3], [0x00, 0x81]);
    }

    #[test]
    fn hides_binary_coded_digits_that_look_like_text() {
        let mut card = tlv::encode(0xE3, &tlv::encode(0x81, &[0x20, 0x41, 0x99, 0x31, 0x20]));
        data(&mut card);
        assert!(card.ends_with(&[0; 5]));
        let mut name = tlv::encode(0xE4, &tlv::encode(0x83, b"ALIX\xFFANNE-\xC9VE"));
        data(&mut name);
        assert!(name.ends_with(b"XXXX\xFFXXXXXXXX"));
    }

    proptest! {
        #[test]
        fn never_panics_and_keeps_the_length(
            content in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            for redact in [serial, directory, token_info, certificate, data, opaque] {
                let mut copy = content.clone();
                redact(&mut copy);
                prop_assert_eq!(copy.len(), content.len());
            }
        }

        #[test]
        fn keeps_the_structure_of_data(text in "[A-Z0-9 ]{0,40}", tag in 0x80_u32..0x9E) {
            let object = tlv::encode(0xE4, &tlv::encode(tag, text.as_bytes()));
            let mut hidden = object.clone();
            data(&mut hidden);
            prop_assert_eq!(tags(&hidden), tags(&object));
            let outer = Reader::new(&hidden).next().unwrap().unwrap();
            let value = outer.children().next().unwrap().unwrap().value;
            prop_assert!(value.iter().all(|byte| matches!(byte, b'X' | b'0' | 0)));
        }
    }

    fn tags(bytes: &[u8]) -> Vec<(usize, u32, usize)> {
        let mut all = Vec::new();
        tlv::walk(bytes, 16, &mut |depth, tlv| {
            all.push((depth, tlv.tag.0, tlv.value.len()))
        })
        .unwrap();
        all
    }
}
