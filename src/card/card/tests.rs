//! The operations against transcripts: the exact bytes that the ANS Cryptolib and OpenSC exchange
//! with these cards, except that a file or directory believed to be current is not selected again.

mod identity;
mod keys;
mod pins;
mod robustness;

use super::Card;
use crate::apdu::Protocol;
use crate::hex::Hex;
use crate::key::KeyUse;
use crate::kind::Kind;
use crate::script::{Script, hex};
use crate::tlv;

const CPS3_ATR: &str = "3B AC 00 40 2A 00 12 25 00 64 80 00 03 10 00 90 00";
const CPS3_CL_ATR: &str = "3B 8F 80 01 00 31 B8 64 04 B0 EC C1 73 94 01 80 82 90 00 0E";
const CPS4_ATR: &str = "3B 9B 18 80 01 00 12 25 00 64 80 04 01 00 00 90 44";
const EF_SN: &str = "5A 0A 80 25 00 00 01 90 00 00 01 6F";
const EF_DIR: &str = "61 32 4F 0D E8 28 BD 08 0F 80 25 00 00 01 FF 00 20 50 0A 43 50 58 20 49 41 53 \
    20 43 4C 51 04 3F 00 00 02 73 0F 4F 0D E8 28 BD 08 0F 80 25 00 00 01 FF 00 10 61 2F 4F 0D E8 28 \
    BD 08 0F 80 25 00 00 01 FF 00 10 50 07 43 50 58 20 49 41 53 51 04 3F 00 00 01 73 0F 4F 0D E8 28 \
    BD 08 0F 80 25 00 00 01 FF 00 10";
const ODF: &str = "A8 0A 30 08 04 06 3F00 0001 7001 A0 0A 30 08 04 06 3F00 0001 7002 \
    A1 0A 30 08 04 06 3F00 0001 7003 A4 0A 30 08 04 06 3F00 0001 7004 A7 0A 30 08 04 06 3F00 0001 7005";
const TOKEN_INFO: &str = "30 81 DB 02 01 00 04 0A 80 25 00 00 01 99 00 00 00 12 \
    0C 0A 41 53 49 50 20 53 41 4E 54 45 80 11 43 50 53 33 76 33 2D 39 39 30 30 30 30 30 30 31 32 \
    03 02 05 60 A2 81 A6 \
    30 17 02 01 01 02 02 02 20 05 00 03 02 01 02 06 05 2B0E03021A 02 01 10 \
    30 1B 02 01 02 02 02 02 50 05 00 03 02 01 02 06 09 608648016503040201 02 01 40 \
    30 1A 02 01 03 02 01 06 05 00 03 02 06 40 06 09 2A864886F70D010105 02 01 12 \
    30 1A 02 01 04 02 01 40 05 00 03 02 06 40 06 09 2A864886F70D01010B 02 01 42 \
    30 1A 02 01 05 02 01 01 05 00 03 02 06 40 06 09 2A864886F70D010101 02 01 02 \
    30 1A 02 01 06 02 01 01 05 00 03 02 02 04 06 09 2A864886F70D010101 02 01 1A";
const AODF: &str = "30 39 30 15 0C 0C 43 6F 64 65 20 70 6F 72 74 65 75 72 03 02 06 C0 04 01 02 \
    30 03 04 01 01 A1 1B 30 19 03 02 03 88 0A 01 01 02 01 04 02 01 04 02 01 08 80 01 01 \
    30 04 04 02 3F 00 \
    30 3B 30 17 0C 11 43 6F 64 65 20 64 65 20 64 65 62 6C 6F 63 61 67 65 03 02 07 80 \
    30 03 04 01 02 A1 1B 30 19 03 02 00 8B 0A 01 01 02 01 08 02 01 08 02 01 08 80 01 02 \
    30 04 04 02 3F 00";
const PRKDF: &str = "30 42 30 15 0C 0C 43 50 53 5F 50 52 49 56 5F 53 49 47 03 02 07 80 04 01 01 \
    30 1D 04 0E E828BD080F8025000001FF0010 01 03 03 06 00 40 03 02 04 B0 02 02 00 81 \
    A1 0A 30 08 30 02 04 00 02 02 08 00 \
    30 41 30 15 0C 0C 43 50 53 5F 50 52 49 56 5F 41 55 54 03 02 06 C0 04 01 01 \
    30 1C 04 0E E828BD080F8025000001FF0010 02 03 02 05 60 03 02 04 B0 02 02 00 82 \
    A1 0A 30 08 30 02 04 00 02 02 08 00";
const CDF: &str = "30 42 30 20 0C 1B 43 65 72 74 69 66 69 63 61 74 20 64 65 20 53 69 67 6E 61 74 75 72 \
    65 20 43 50 53 03 01 00 30 10 04 0E E828BD080F8025000001FF0010 01 \
    A1 0C 30 0A 30 08 04 06 3F000001E001";
const DODF: &str = "30 25 30 10 0C 0B 43 50 53 5F 4E 41 4D 45 5F 50 53 03 01 00 \
    30 05 0C 03 43 50 53 A1 0A 30 08 04 06 3F000001D102 \
    30 30 30 1B 0C 12 43 50 53 5F 41 43 54 49 56 49 54 59 5F 30 31 5F 50 53 03 02 07 80 04 01 01 \
    30 05 0C 03 43 50 53 A1 0A 30 08 04 06 3F000001D120 \
    30 26 30 11 0C 08 43 50 53 5F 44 41 54 41 03 02 06 40 04 01 01 \
    30 05 0C 03 43 50 53 A1 0A 30 08 04 06 3F000001D107";
const OK: &str = "90 00";

/// A CPS3 just inserted, whose EF.SN was read.
fn cps3() -> Card {
    open(CPS3_ATR, Protocol::T0, &[("00 B0 9C 00 0C", &ok(EF_SN))])
}

/// A CPS4 just inserted, whose EF.SN was read.
fn cps4() -> Card {
    open(
        CPS4_ATR,
        Protocol::T1,
        &[
            ("01 A4 04 0C 08 80 25 00 00 01 FF 01 00", OK),
            ("01 B0 9C 00 0C", &ok(EF_SN)),
        ],
    )
}

/// A card whose directory is known, so that operations show their own commands only.
fn known(card: Card) -> Card {
    let token_info = if card.kind() == Kind::Cps4 {
        "30 00"
    } else {
        TOKEN_INFO
    };
    with_files(
        card,
        &[
            ("3F002F00", EF_DIR),
            ("3F0000015031", ODF),
            ("3F0000015032", token_info),
            ("3F0000017001", AODF),
            ("3F0000017002", PRKDF),
            ("3F0000017004", CDF),
            ("3F0000017005", DODF),
        ],
    )
}

/// A card of which these files are known, and no others.
fn with_files(mut card: Card, files: &[(&str, &str)]) -> Card {
    card.forget_files();
    for (path, content) in files {
        card.files.insert(Hex(hex(path)), hex(content));
    }
    card
}

fn open(atr: &str, protocol: Protocol, exchanges: &[(&str, &str)]) -> Card {
    Script::run(exchanges, |script| Card::open(&hex(atr), protocol, script)).unwrap()
}

/// Content followed by `90 00`.
fn ok(content: &str) -> String {
    format!("{content} 90 00")
}

/// A DER object of this total length, as a certificate stands in for one here.
fn certificate(total: usize) -> Vec<u8> {
    tlv::encode(0x30, &vec![0xA5; total - 4])
}

fn key(card: &mut Card, key_use: KeyUse) -> crate::KeyEntry {
    let keys = Script::run(&[], |script| card.keys(script)).unwrap();
    keys.into_iter().find(|key| key.key_use == key_use).unwrap()
}
