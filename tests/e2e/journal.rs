//! The journal of uses.

use std::fs;
use std::path::{Path, PathBuf};

use cps_emulator::{Holder, Profile};
use cps_tests::Practice;

/// Who, what, which certificate: written before the signature is released; never the content.
#[test]
fn each_use_is_in_the_journal_and_the_content_is_not() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice
        .sandbox
        .write("patient.txt", "Compte rendu confidentiel 7361948");
    practice.cps(&["sign", "patient.txt", "-o", "patient.p7s"]);
    practice.cps(&["journal", "verify"]);
    let journal = practice.json(&["journal", "list"]);
    let text = journal.to_string();
    assert!(text.contains("cps"), "the caller is missing: {text}");
    assert!(text.contains("sign"), "the use is missing: {text}");
    let leaks = practice.sandbox.files_with(b"confidentiel 7361948", &[]);
    assert_eq!(leaks, [practice.sandbox.join("patient.txt")]);
}

/// One changed byte anywhere in the journal is found.
#[test]
fn an_edited_journal_is_found() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.sandbox.write("document", "contenu");
    for _ in 0..3 {
        practice.cps(&["sign", "document", "-o", "document.p7s"]);
    }
    practice.cps(&["journal", "verify"]);

    let file = journal_files(practice.cpsd.state())
        .pop()
        .expect("a journal file");
    let honest = fs::read(&file).unwrap();
    let middle = honest.len() / 2;
    let digit = (middle..honest.len())
        .find(|index| honest[*index].is_ascii_digit())
        .expect("a digit");
    let mut edited = honest.clone();
    edited[digit] = if edited[digit] == b'0' { b'1' } else { b'0' };
    fs::write(&file, &edited).unwrap();
    let reason = practice.refused(&["journal", "verify"]);
    assert!(reason.contains("journal.broken"), "{reason}");

    let first_line = honest.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(&file, &honest[first_line..]).unwrap();
    let reason = practice.refused(&["journal", "verify"]);
    assert!(reason.contains("journal.broken"), "{reason}");

    fs::write(&file, &honest).unwrap();
    practice.cps(&["journal", "verify"]);
}

fn journal_files(state: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(state.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    files.sort();
    files
}
