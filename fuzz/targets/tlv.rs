//! BER-TLV of the card's files, to any depth.
#![no_main]

use cps_card::tlv::{Reader, Tlv};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for tlv in Reader::new(bytes).flatten() {
        descend(tlv, 0);
    }
    let _ = Reader::padded(bytes).count();
});

fn descend(tlv: Tlv<'_>, depth: usize) {
    if depth < 32 {
        for child in tlv.children().flatten() {
            descend(child, depth + 1);
        }
    }
}
