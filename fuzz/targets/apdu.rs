//! Commands, as the emulator and the traces read them: what decodes, encodes to the same bytes.
#![no_main]

use cps_card::Protocol;
use cps_card::apdu::Command;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(command) = Command::decode(bytes) {
        for protocol in [Protocol::T0, Protocol::T1] {
            let _ = command.encode(protocol);
        }
    }
});
