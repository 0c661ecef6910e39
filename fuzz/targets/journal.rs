//! A journal as another program left it: opened, read, checked, and written on. The first byte says
//! whether its lines get the hash they should have; the first line is the head file, the rest the
//! entries.
#![no_main]

use std::fmt::Write;
use std::fs;

use cpsd::journal::{Journal, Record};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else {
        return;
    };
    let end = input.iter().position(|byte| *byte == b'\n');
    let (head, entries) = input.split_at(end.map_or(input.len(), |end| end + 1));
    let entries = match choice % 2 {
        0 => entries.to_vec(),
        _ => sealed(entries),
    };
    let folder = folder();
    fs::write(folder.path().join("head"), head).expect("the head");
    fs::write(folder.path().join("000000000001.jsonl"), entries).expect("a volume");
    let Ok(journal) = Journal::open(folder.path(), 1 << 20) else {
        return;
    };
    let _ = journal.entries(0, 1000);
    let _ = journal.verify();
    // Whatever was there, what is journalled now can be read back.
    if let Ok(entry) = journal.append(Record::own("lock")) {
        let last = journal.entries(entry.sequence - 1, 1).expect("readable");
        assert_eq!(last, [entry]);
    }
});

/// In memory where there is such a place: every entry waits for the disk.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder")
}

/// Each line, without its closing brace, with the hash behind it.
fn sealed(lines: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let Some(covered) = line.strip_suffix(b"\n") else {
            all.extend(line);
            break;
        };
        let mut hash = String::new();
        for byte in Sha256::digest(covered) {
            // Writing to a String cannot fail.
            let _ = write!(hash, "{byte:02x}");
        }
        all.extend(covered);
        all.extend(format!(",\"hash\":\"{hash}\"}}\n").into_bytes());
    }
    all
}
