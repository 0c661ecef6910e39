//! What a pinentry program answers.
#![no_main]

use std::sync::LazyLock;

use cpsd::prompt::LockedBuffer;
use cpsd::prompt::assuan::{Lines, Response, decode, encode};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

fuzz_target!(|bytes: &[u8]| {
    RUNTIME.block_on(async {
        let mut lines = Lines::new(bytes).expect("locked memory");
        while let Ok(response) = lines.next().await {
            let mut data = LockedBuffer::new().expect("locked memory");
            match response {
                Response::Data(encoded) => drop(decode(encoded, &mut data)),
                Response::Error(_, text) => {
                    let line = encode(&text);
                    decode(line.as_bytes(), &mut data).expect("its own encoding");
                }
                Response::Aside | Response::Ok => {}
            }
        }
    });
});
