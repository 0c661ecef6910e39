//! Revocation lists, as fetched from the network.
#![no_main]

use cps_identity::Crl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(crl) = Crl::from_der(bytes) {
        let _ = (crl.issuer_raw(), crl.this_update(), crl.next_update());
    }
});
