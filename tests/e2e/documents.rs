//! What the documents say of the tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A document that names a test, in italics, as a proof is right that there is one.
#[test]
fn every_test_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions(&root.join(folder), &mut tests);
    }
    for document in ["SECURITY.md", "docs/mail.md"] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let names: Vec<&str> = named(&text).collect();
        assert!(names.len() > 20, "{document}: {names:?}");
        for name in names {
            let known = match name.strip_suffix('…') {
                Some(start) => tests.iter().any(|test| test.starts_with(start)),
                None => tests.contains(name),
            };
            assert!(known, "{document} names {name}, which is no test");
        }
    }
    // The must-have list is whole: ten lines, each with its proof.
    let list = fs::read_to_string(root.join("docs/mail.md")).unwrap();
    for number in 1..=10 {
        let start = format!("| {number} |");
        let line = list.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("line {number} is missing"));
        assert!(named(line).next().is_some(), "no proof: {line}");
    }
}

/// Words in italics that look like the name of a test.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('*').skip(1).step_by(2).filter(|name| {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_…".contains(c);
        name.contains('_') && name.chars().all(letters)
    })
}

/// The functions that carry `#[test]` or `#[tokio::test]` below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut test = false;
            for line in text.lines().map(str::trim) {
                test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let name = line.trim_start_matches("async ").strip_prefix("fn ");
                if let (true, Some(name)) = (test, name) {
                    found.extend(name.split('(').next().map(str::to_owned));
                    test = false;
                }
            }
        }
    }
}
