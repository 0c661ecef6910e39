//! Just enough DER writing to issue certificates and to lay out PKCS#15 files.
//!
//! Everything is built from the inside out as byte strings; lengths are always definite and minimal
//! (ITU-T X.690 §10.1).

use der::asn1::ObjectIdentifier;

/// One TLV with the shortest length form.
pub(crate) fn tlv(tag: u32, content: &[u8]) -> Vec<u8> {
    cps_card::tlv::encode(tag, content)
}

/// One constructed TLV around parts already encoded.
pub(crate) fn constructed(tag: u32, parts: &[&[u8]]) -> Vec<u8> {
    tlv(tag, &parts.concat())
}

/// SEQUENCE.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    constructed(0x30, parts)
}

/// SET OF with its members in DER order (X.690 §11.6).
pub(crate) fn set_sorted(mut members: Vec<Vec<u8>>) -> Vec<u8> {
    members.sort();
    tlv(0x31, &members.concat())
}

/// OBJECT IDENTIFIER from its dotted form.
pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    tlv(
        0x06,
        ObjectIdentifier::new(dotted)
            .expect("object identifiers here are constants")
            .as_bytes(),
    )
}

/// Non-negative INTEGER from big-endian bytes.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let significant = &bytes[bytes.iter().position(|&b| b != 0).unwrap_or(bytes.len())..];
    match significant.first() {
        None => tlv(0x02, &[0]),
        Some(first) if *first >= 0x80 => tlv(0x02, &[&[0], significant].concat()),
        Some(_) => tlv(0x02, significant),
    }
}

/// Non-negative INTEGER.
pub(crate) fn integer(value: u32) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

/// BIT STRING of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes].concat())
}

/// Named BIT STRING: bit 0 is the most significant of the first byte, trailing zeros are dropped.
pub(crate) fn named_bits(bits: &[u8]) -> Vec<u8> {
    let Some(&last) = bits.iter().max() else {
        return tlv(0x03, &[0]);
    };
    let mut bytes = vec![0u8; usize::from(last / 8) + 1];
    for bit in bits {
        bytes[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
    }
    tlv(0x03, &[&[7 - last % 8], &bytes[..]].concat())
}

/// OCTET STRING.
pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(0x04, bytes)
}

/// UTF8String.
pub(crate) fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0C, text.as_bytes())
}

/// PrintableString.
pub(crate) fn printable(text: &str) -> Vec<u8> {
    tlv(0x13, text.as_bytes())
}

/// TeletexString, in Latin-1 as the closed PKI wrote it.
pub(crate) fn teletex(text: &str) -> Vec<u8> {
    tlv(0x14, &latin1(text))
}

/// ISO-8859-1 bytes; characters outside it become `?`.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

/// Binary-coded decimal, an odd digit count padded with a leading zero.
pub(crate) fn bcd(digits: &str) -> Vec<u8> {
    let padded = if digits.len().is_multiple_of(2) {
        digits.to_owned()
    } else {
        format!("0{digits}")
    };
    padded
        .as_bytes()
        .chunks(2)
        .map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        cps_card::Hex::from(bytes).to_string()
    }

    #[test]
    fn encodings_match_known_bytes() {
        // Policy identifier of every IGC-Santé test certificate, key usages and an INTEGER, as the
        // certificates carry them.
        assert_eq!(
            hex(&oid("1.2.250.1.213.1.7.2.1.1.1.1")),
            "060D2A817A018155010702010101 01".replace(' ', "")
        );
        assert_eq!(hex(&named_bits(&[0])), "03020780");
        assert_eq!(hex(&named_bits(&[1])), "03020640");
        assert_eq!(hex(&named_bits(&[0, 2])), "030205A0");
        assert_eq!(hex(&integer(60)), "02013C");
        assert_eq!(hex(&integer(0x81)), "02020081");
        assert_eq!(hex(&integer(0)), "020100");
        assert_eq!(bcd("991234567"), [0x09, 0x91, 0x23, 0x45, 0x67]);
    }

    proptest::proptest! {
        #[test]
        fn the_der_crate_reads_back_what_was_written(
            number in proptest::prelude::any::<u32>(),
            content in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..1000),
            text in ".{0,40}",
        ) {
            use der::Decode;
            use der::asn1::{OctetString, Utf8StringRef};

            proptest::prop_assert_eq!(u32::from_der(&integer(number)), Ok(number));
            let read = OctetString::from_der(&octets(&content)).map(|read| read.as_bytes().to_vec());
            proptest::prop_assert_eq!(read, Ok(content));
            let encoded = utf8(&text);
            proptest::prop_assert_eq!(Utf8StringRef::from_der(&encoded).map(|read| read.as_str()), Ok(&text[..]));
        }
    }
}
