//! Exchanges as the official library, OpenSC and real cards show them. The expected bytes come from
//! public documents and traces, never from this code.

use std::time::SystemTime;

use super::*;
use crate::rsa::Hash;

mod cps3;
mod cps4;
mod faults;
mod random;

pub(super) fn pki() -> Pki {
    // One for the whole test program: issuing costs more than everything else here.
    static PKI: std::sync::LazyLock<Pki> = std::sync::LazyLock::new(|| Pki::new(SystemTime::now()));
    PKI.clone()
}

pub(super) fn card(holder: Holder, profile: Profile) -> VirtualCard {
    VirtualCard::new(&pki(), holder, profile)
}

pub(super) fn bytes(text: &str) -> Vec<u8> {
    text.replace(' ', "")
        .parse::<cps_card::Hex>()
        .expect("hexadecimal")
        .0
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Sends a command and returns the whole answer.
pub(super) fn send(card: &mut VirtualCard, command: &str) -> Vec<u8> {
    match card.command(&bytes(command)) {
        Outcome::Answer(answer, _) => answer,
        other => panic!("{command}: {other:?}"),
    }
}

/// Plays lines of `> command` and `< answer`, the answer in full.
pub(super) fn play(card: &mut VirtualCard, script: &str) {
    let mut answer = None;
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        match line.split_at(1) {
            (">", command) => answer = Some((command, send(card, command))),
            ("<", expected) => {
                let (command, answer) = answer.take().expect("a command first");
                assert_eq!(hex(&answer), expected.trim(), "answer to{command}");
            }
            _ => panic!("neither command nor answer: {line}"),
        }
    }
}

/// Data of an answer that must end with `90 00`.
pub(super) fn data(answer: &[u8]) -> &[u8] {
    answer
        .strip_suffix(&[0x90, 0x00])
        .unwrap_or_else(|| panic!("not 90 00: {}", hex(answer)))
}

pub(super) const SHA256_ABC: &str = "BA 78 16 BF 8F 01 CF EA 41 41 40 DE 5D AE 22 23 B0 03 61 A3 96 17 7A 9C B4 10 FF 61 F2 00 15 AD";

/// The block that a signature was made of: public-key operation with the key of the card.
pub(super) fn opened(card: &VirtualCard, key_use: KeyUse, signature: &[u8]) -> Vec<u8> {
    card.private_key(key_use)
        .unwrap_or_else(|_| panic!("has the key"))
        .public(signature)
}

/// PKCS#1 type 1 block of a payload.
pub(super) fn type_1(payload: &[u8]) -> Vec<u8> {
    [&[0, 1][..], &vec![0xFF; 253 - payload.len()], &[0], payload].concat()
}

#[test]
fn every_shipped_layout_is_a_card() {
    for layout in Layout::shipped() {
        let text = serde_json::to_string(&layout).expect("serialises");
        assert_eq!(Layout::from_json(&text).expect("reads back"), layout);
        for holder in Holder::ALL {
            VirtualCard::with_layout(&pki(), holder, layout.clone());
        }
    }
}

#[test]
fn atrs_are_those_of_real_cards() {
    let atr = |profile| hex(card(Holder::CpsMedecin, profile).atr());
    assert_eq!(
        atr(Profile::Cps3),
        "3B AC 00 40 2A 00 12 25 00 64 80 00 03 10 00 90 00"
    );
    assert_eq!(
        atr(Profile::Cps3Contactless),
        "3B 8F 80 01 00 31 B8 64 04 B0 EC C1 73 94 01 80 82 90 00 0E"
    );
    assert_eq!(
        atr(Profile::Cps4),
        "3B 9B 18 80 01 00 12 25 00 64 80 04 01 00 00 90 44"
    );
}

#[test]
fn the_log_hides_codes() {
    let mut card = card(Holder::CpsMedecin, Profile::Cps3);
    send(&mut card, "00 20 00 01 04 31 32 33 34");
    send(&mut card, "00 24 00 01 08 31 32 33 34 35 36 37 38");
    assert_eq!(card.log().len(), 2);
    for exchange in card.log() {
        assert!(!exchange.command.contains("31 32"), "{}", exchange.command);
        assert_eq!(exchange.status, Some(0x9000));
    }
    assert_eq!(card.counters().verify, 1);
}

#[test]
fn counters_count_bytes_both_ways() {
    let mut card = card(Holder::CpsMedecin, Profile::Cps3);
    send(&mut card, "00 B0 9C 00 0C");
    let counters = card.counters();
    assert_eq!(
        (counters.apdus, counters.bytes_in, counters.bytes_out),
        (1, 5, 14)
    );
}

#[test]
fn partial_hashes_continue_from_the_intermediate_state() {
    // 70 × "a": state after the first 64 bytes, and the complete digest.
    let state = "DF 5B B8 1C E8 1E 06 26 FB 45 A8 94 4F D4 0F 31 B2 5E 68 16 D6 D4 99 C1 AB 90 49 29 00 63 5E 66 00 00 00 00 00 00 02 00";
    let digest = Hash::Sha256
        .finish(&bytes(state), b"aaaaaa")
        .expect("well formed");
    assert_eq!(
        hex(&digest),
        "6B D5 E5 03 48 55 A1 12 41 F0 DE E8 FC 72 85 0F FD 99 55 B2 83 47 A8 64 28 B5 FA 19 11 9F 6A D0"
    );
    assert_eq!(Hash::Sha256.finish(&bytes(state), b""), None);
    assert_eq!(Hash::Sha256.finish(&bytes(state)[1..], b"a"), None);
    assert_eq!(
        Hash::Sha1.finish(&[], b"abc"),
        Some(Hash::Sha1.digest(b"abc"))
    );
}
