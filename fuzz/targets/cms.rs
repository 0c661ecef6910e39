//! The certificates that a signature includes: from the card and from the trust store.
#![no_main]

use cps_sign::SignedDataBuilder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8], i64)| {
    let (signer, chain, seconds) = input;
    let Ok(time) = jiff::Timestamp::from_second(seconds) else {
        return;
    };
    if let Ok(unsigned) = SignedDataBuilder::attached().prepare(signer, &[chain, signer], time) {
        let _ = unsigned.finish(&[0; 256]);
    }
});
