//! PKCS#15 files (ISO 7816-15) of a layout.

use cps_card::KeyUse;

use super::objects;
use crate::asn1::{
    bcd, constructed, integer, named_bits, octets, oid, sequence, tlv, unsigned, utf8,
};
use crate::layout::{
    Algorithm, Application, CertificateFile, DirectoryKind, Key, Layout, Mechanism, PinObject,
};

/// Issuer number of the French health cards.
pub(super) const ISSUER: [u8; 5] = [0x80, 0x25, 0x00, 0x00, 0x01];

/// EF.DIR.
pub(super) fn application_templates(layout: &Layout) -> Vec<u8> {
    let main = &layout.application().aid;
    // Each record of a CPS names the contact application as the related one.
    let related = layout
        .applications
        .iter()
        .map(|a| &a.aid)
        .find(|aid| aid.ends_with(&[0x10]))
        .unwrap_or(main);
    layout
        .applications
        .iter()
        .flat_map(
            |Application {
                 aid, label, path, ..
             }| {
                constructed(
                    0x61,
                    &[
                        &tlv(0x4F, aid),
                        &tlv(0x50, label.as_bytes()),
                        &tlv(0x51, &absolute(path)),
                        &tlv(0x73, &tlv(0x4F, related)),
                    ],
                )
            },
        )
        .collect()
}

/// EF.SN.ICC of this 8-digit serial number.
pub(super) fn serial_number(serial: &str) -> Vec<u8> {
    let digits = format!("8025000001{serial}");
    let mut value = bcd(&digits);
    value.push(luhn(&digits) << 4 | 0x0F);
    tlv(0x5A, &value)
}

fn luhn(digits: &str) -> u8 {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(position, digit)| {
            let digit = u32::from(digit - b'0');
            if position % 2 == 0 {
                digit * 2 / 10 + digit * 2 % 10
            } else {
                digit
            }
        })
        .sum();
    ((10 - sum % 10) % 10) as u8
}

/// EF.ODF.
pub(super) fn object_directory(layout: &Layout) -> Vec<u8> {
    layout
        .directories
        .iter()
        .flat_map(|directory| {
            let tag = match directory.kind {
                DirectoryKind::Prkdf => 0xA0,
                DirectoryKind::Pukdf => 0xA1,
                DirectoryKind::Cdf => 0xA4,
                DirectoryKind::Dodf => 0xA7,
                DirectoryKind::Aodf => 0xA8,
            };
            tlv(tag, &path(&directory.path))
        })
        .collect()
}

/// EF.TokenInfo.
pub(super) fn token_info(layout: &Layout, card_number: &str) -> Vec<u8> {
    let mut label = layout.token_label.clone();
    if layout.token_label_has_number {
        label.push('-');
        label.push_str(card_number);
    }
    // loginRequired and prnGeneration, the latter only without a PIN.
    let flags: &[u8] = if layout.pin.is_some() { &[1, 2] } else { &[2] };
    let algorithms: Vec<u8> = layout.algorithms.iter().flat_map(algorithm).collect();
    sequence(&[
        &integer(0),
        &octets(&[&ISSUER[..], &bcd(card_number)].concat()),
        &utf8("ASIP SANTE"),
        &tlv(0x80, label.as_bytes()),
        &named_bits(flags),
        &tlv(0xA2, &algorithms),
    ])
}

fn algorithm(entry: &Algorithm) -> Vec<u8> {
    const SIGN: u8 = 1;
    const DECIPHER: u8 = 5;
    const HASH: u8 = 6;
    // PKCS#11 mechanism number, PKCS#15 operation, object identifier.
    let (mechanism, operation, identifier) = match entry.mechanism {
        Mechanism::Authenticate => (0x01, SIGN, "1.2.840.113549.1.1.1"),
        Mechanism::Decipher => (0x01, DECIPHER, "1.2.840.113549.1.1.1"),
        Mechanism::HashSha1 => (0x0220, HASH, "1.3.14.3.2.26"),
        Mechanism::HashSha256 => (0x0250, HASH, "2.16.840.1.101.3.4.2.1"),
        Mechanism::PssSha1 => (0x0E, SIGN, "1.2.840.113549.1.1.10"),
        Mechanism::PssSha256 => (0x43, SIGN, "1.2.840.113549.1.1.10"),
        Mechanism::SignSha1 => (0x06, SIGN, "1.2.840.113549.1.1.5"),
        Mechanism::SignSha256 => (0x40, SIGN, "1.2.840.113549.1.1.11"),
    };
    sequence(&[
        &integer(entry.reference.into()),
        &integer(mechanism),
        &tlv(0x05, &[]),
        &named_bits(&[operation]),
        &oid(identifier),
        &integer(entry.card.into()),
    ])
}

/// Content of one directory file.
pub(super) fn directory(
    kind: DirectoryKind,
    layout: &Layout,
    modulus_bits: u32,
    present: impl Fn(&str) -> bool,
) -> Vec<u8> {
    match kind {
        DirectoryKind::Aodf => {
            let puk_id = layout.puk.as_ref().map(|puk| &puk.auth_id[..]);
            let pin = layout
                .pin
                .iter()
                .flat_map(|pin| pin_object(pin, puk_id, false));
            pin.chain(
                layout
                    .puk
                    .iter()
                    .flat_map(|puk| pin_object(puk, None, true)),
            )
            .collect()
        }
        DirectoryKind::Cdf => layout.certificates.iter().flat_map(certificate).collect(),
        DirectoryKind::Dodf => layout
            .data
            .iter()
            .filter(|data| present(&data.label))
            .flat_map(|data| data_object(layout, &data.label, &data.path))
            .collect(),
        DirectoryKind::Prkdf => layout
            .keys
            .iter()
            .flat_map(|entry| key(layout, entry, modulus_bits))
            .collect(),
        DirectoryKind::Pukdf => Vec::new(),
    }
}

fn pin_object(pin: &PinObject, unblocked_by: Option<&[u8]>, unblocks: bool) -> Vec<u8> {
    let common = match unblocked_by {
        Some(id) => sequence(&[&utf8(&pin.label), &named_bits(&[0, 1]), &octets(id)]),
        None => sequence(&[&utf8(&pin.label), &named_bits(&[0])]),
    };
    // case-sensitive, initialized; needs-padding; unblockingPin and soPin.
    let mut flags = vec![0, 4];
    flags.extend(pin.padding.is_some().then_some(5));
    flags.extend(if unblocks { &[6, 7][..] } else { &[] });
    let padding = pin
        .padding
        .as_ref()
        .map(|byte| octets(byte))
        .unwrap_or_default();
    let attributes = sequence(&[
        &named_bits(&flags),
        &tlv(0x0A, &[1]),
        &integer(pin.min.into()),
        &integer(pin.stored.into()),
        &integer(pin.max.into()),
        // [0] is an implicit INTEGER, hence without the tag but with its sign byte.
        &tlv(0x80, &unsigned(&[pin.reference])[2..]),
        &padding,
        &path(&[]),
    ]);
    sequence(&[
        &common,
        &sequence(&[&octets(&pin.auth_id)]),
        &tlv(0xA1, &attributes),
    ])
}

fn key(layout: &Layout, key: &Key, bits: u32) -> Vec<u8> {
    const DECRYPT: u8 = 1;
    const SIGN: u8 = 2;
    const NON_REPUDIATION: u8 = 9;
    let label = utf8(&key.label);
    let protection = layout.pin.as_ref().map(|pin| octets(&pin.auth_id));
    let (flags, usage): (&[u8], &[u8]) = match key.key_use {
        KeyUse::Authentication => (&[0, 1], &[DECRYPT, SIGN]),
        KeyUse::Signature => (&[0], &[NON_REPUDIATION]),
        KeyUse::Technical => (&[], &[SIGN]),
    };
    sequence(&[
        &sequence(&[&label, &named_bits(flags), &protection.unwrap_or_default()]),
        // Access flags: sensitive, alwaysSensitive, neverExtract.
        &sequence(&[
            &octets(&key.id),
            &named_bits(usage),
            &named_bits(&[0, 2, 3]),
            &integer(key.reference.into()),
        ]),
        &tlv(
            0xA1,
            &sequence(&[&sequence(&[&octets(&[])]), &integer(bits)]),
        ),
    ])
}

fn certificate(entry: &CertificateFile) -> Vec<u8> {
    sequence(&[
        &sequence(&[&utf8(&entry.label), &named_bits(&[])]),
        &sequence(&[&octets(&entry.id)]),
        &tlv(0xA1, &sequence(&[&path(&entry.path)])),
    ])
}

fn data_object(layout: &Layout, label: &str, file: &[u8]) -> Vec<u8> {
    let protection = layout
        .pin
        .as_ref()
        .map(|pin| octets(&pin.auth_id))
        .unwrap_or_default();
    let common = if objects::is_private(label) {
        sequence(&[&utf8(label), &named_bits(&[0]), &protection])
    } else if objects::is_writable(label) {
        sequence(&[&utf8(label), &named_bits(&[1]), &protection])
    } else {
        sequence(&[&utf8(label), &named_bits(&[])])
    };
    sequence(&[&common, &sequence(&[&utf8("CPS")]), &tlv(0xA1, &path(file))])
}

fn path(relative: &[u8]) -> Vec<u8> {
    sequence(&[&octets(&absolute(relative))])
}

fn absolute(path: &[u8]) -> Vec<u8> {
    [&[0x3F, 0x00], path].concat()
}
