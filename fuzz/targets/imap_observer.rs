//! An IMAP session that is passed through: parts of it, each after a byte that says whose it is
//! (the highest bit: the server's) and how long.
#![no_main]

use cps_mail::imap::{Observed, Observer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let observed = observe(bytes, usize::MAX);
    assert_eq!(observe(bytes, 1), observed);
    for observed in observed {
        let answer = observed.answer.unwrap_or_default();
        for text in [observed.request, answer] {
            assert!(text.len() <= 200);
            assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
});

fn observe(mut bytes: &[u8], piece: usize) -> Vec<Observed> {
    let mut observer = Observer::new();
    let mut observed = Vec::new();
    while let Some((head, rest)) = bytes.split_first() {
        let (part, behind) = rest.split_at(usize::from(head & 0x7F).min(rest.len()));
        bytes = behind;
        for part in part.chunks(piece) {
            observed.extend(match head & 0x80 {
                0 => observer.client(part),
                _ => observer.server(part),
            });
        }
    }
    observed.extend(observer.finish());
    observed
}
