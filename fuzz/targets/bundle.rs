//! Files given to `cps trust import`: DER, PEM or PKCS#7.
#![no_main]

use cps_identity::read_certificates;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_certificates(bytes);
});
