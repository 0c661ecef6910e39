//! What the process of a PKCS#11 module answers: frames, JSON, bounds, secrets.
#![no_main]

use cpsd::modules::protocol::{self, Reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut line = bytes;
    while let Ok(Some(frame)) = protocol::read(&mut line) {
        assert!(frame.len() <= protocol::FRAME_LIMIT);
        let Ok(reply) = Reply::decode(&frame) else {
            return;
        };
        // What is accepted is accepted again.
        let mut again = Vec::new();
        protocol::write(&mut again, &reply, None).expect("memory");
        let again = protocol::read(&mut &again[..]).expect("its own frame");
        assert_eq!(Reply::decode(&again.expect("a frame")).ok(), Some(reply.clone()));
        if reply.secret && protocol::read_secret(&mut line).is_err() {
            return;
        }
    }
});
