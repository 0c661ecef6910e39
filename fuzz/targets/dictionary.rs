//! Dictionaries of the national code tables in the GIP format.
#![no_main]

use cps_identity::Dictionary;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Dictionary::from_gip(bytes);
});
