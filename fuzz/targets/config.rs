//! The configuration file.
#![no_main]

use cpsd::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Config::parse(text, "fuzz");
});
