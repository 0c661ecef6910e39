//! A whole card whose every answer is chosen by the fuzzer: recognition, directory (EF.DIR, ODF,
//! AODF, PrKDF, CDF, DODF), certificates, data, PIN and keys.
//!
//! Input: one byte that chooses the ATR, then answers, each after its length in two bytes.
#![no_main]

use cps_card::apdu::Protocol;
use cps_card::{Card, Pin, PinRole, Transmit, TransmitError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, answers)) = bytes.split_first() else {
        return;
    };
    let (atr, protocol) = ATRS[usize::from(*choice) % ATRS.len()];
    let mut transmit = Answers {
        rest: answers,
        exchanges: 0,
    };
    let Ok(mut card) = Card::open(atr, protocol, &mut transmit) else {
        return;
    };
    let _ = card.update_state(&mut transmit);
    for entry in card.certificates(&mut transmit).unwrap_or_default() {
        let _ = card.read_certificate(&mut transmit, &entry);
    }
    for entry in card.data_objects(&mut transmit).unwrap_or_default() {
        let _ = card.read_data(&mut transmit, &entry);
    }
    let _ = card.pin_rules(&mut transmit, PinRole::Pin);
    let _ = card.tries(&mut transmit, PinRole::Pin);
    let _ = card.verify(&mut transmit, PinRole::Pin, &Pin::new(b"1234".to_vec()));
    for key in card.keys(&mut transmit).unwrap_or_default() {
        for scheme in card.schemes(&key) {
            let digest = vec![0; scheme.digest_len()];
            let _ = card.sign(&mut transmit, &key, scheme, &digest);
        }
    }
    let _ = card.report(&mut transmit);
    // Whatever the card says, the dialogue ends.
    assert!(
        transmit.exchanges < 20_000,
        "{} exchanges",
        transmit.exchanges
    );
});

struct Answers<'a> {
    rest: &'a [u8],
    exchanges: u32,
}

impl Transmit for Answers<'_> {
    fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.exchanges += 1;
        let Some((length, rest)) = self.rest.split_first_chunk::<2>() else {
            // Out of answers: "file not found", for ever.
            return Ok(vec![0x6A, 0x82]);
        };
        let length = usize::from(u16::from_be_bytes(*length))
            .min(rest.len())
            .min(300);
        let (answer, rest) = rest.split_at(length);
        self.rest = rest;
        Ok(answer.to_vec())
    }
}

/// CPS3 contact, CPS3 contactless, CPS4, and an unknown French health card.
const ATRS: [(&[u8], Protocol); 4] = [
    (
        b"\x3b\xac\x00\x40\x2a\x00\x12\x25\x00\x64\x80\x00\x03\x10\x00\x90\x00",
        Protocol::T0,
    ),
    (
        b"\x3b\x8f\x80\x01\x00\x31\xb8\x64\x04\xb0\xec\xc1\x73\x94\x01\x80\x82\x90\x00\x0e",
        Protocol::T1,
    ),
    (
        b"\x3b\x9b\x18\x80\x01\x00\x12\x25\x00\x64\x80\x04\x01\x00\x00\x90\x44",
        Protocol::T1,
    ),
    (
        b"\x3b\x9b\x18\x80\x01\x00\x12\x25\x00\x64\x80\x09\x09\x00\x00\x90\x40",
        Protocol::T1,
    ),
];
