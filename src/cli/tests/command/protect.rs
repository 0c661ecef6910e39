//! `cps mail protect`, up to the archive; `tests/e2e/mail_protect.rs` opens it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use cps_api::Code;
use serde_json::Value;

use crate::support::{Ended, cps};

/// A folder with files to protect.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("compte rendu.pdf"), "one").unwrap();
        fs::create_dir(folder.path().join("other")).unwrap();
        fs::write(folder.path().join("other/photo.jpg"), "two").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Without any daemon.
    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = cps(Path::new("unused"), &["mail", "protect"]);
        let command = command.args(arguments).current_dir(&self.folder);
        Ended::of(command.output().unwrap())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

const UNTOUCHED: [&str; 2] = ["compte rendu.pdf", "other"];

#[test]
fn the_passphrase_is_said_once_with_what_to_do_with_it() {
    let desk = Desk::new();
    let arguments = ["compte rendu.pdf", "other/photo.jpg", "-o", "out.zip"];
    let said = desk.run(&arguments).done();
    assert!(said.contains("another channel"), "{said}");
    assert!(
        said.contains("not secret: compte rendu.pdf, photo.jpg"),
        "{said}"
    );
    let document = desk.run(&[&arguments[..], &["--json", "--force"]].concat());
    let document: Value = serde_json::from_str(&document.done()).unwrap();
    assert_eq!(document["output"], "out.zip");
    assert_eq!(document["files"][1], "photo.jpg");
    let passphrase = document["passphrase"].as_str().unwrap();
    assert_eq!(passphrase.len(), 24, "{passphrase}");
    assert!(!said.contains(passphrase), "each archive has its own");
    assert_eq!(desk.names(), [&UNTOUCHED[..], &["out.zip"]].concat());
}

#[test]
fn the_language_is_that_of_the_session() {
    let desk = Desk::new();
    let said = desk
        .run(&["compte rendu.pdf", "-o", "out.zip", "--lang", "fr"])
        .done();
    assert!(said.contains("Phrase de passe\u{a0}: "), "{said}");
    assert!(said.contains("par un autre moyen"), "{said}");
}

#[test]
fn nothing_is_replaced_unless_asked_for() {
    let desk = Desk::new();
    fs::write(desk.path("out.zip"), "older").unwrap();
    let arguments = ["compte rendu.pdf", "-o", "out.zip"];
    desk.run(&arguments).refused(Code::FileExists);
    assert_eq!(fs::read(desk.path("out.zip")).unwrap(), b"older");
    desk.run(&[&arguments[..], &["--force"]].concat()).done();
    assert!(
        fs::read(desk.path("out.zip"))
            .unwrap()
            .starts_with(b"PK\x03\x04")
    );
    // Not even by a link to it, nor the file itself.
    symlink("compte rendu.pdf", desk.path("link.zip")).unwrap();
    for out in ["link.zip", "compte rendu.pdf"] {
        desk.run(&["compte rendu.pdf", "-o", out, "--force"])
            .refused(Code::FileAmongInputs);
    }
    assert_eq!(fs::read(desk.path("compte rendu.pdf")).unwrap(), b"one");
}

#[test]
fn only_the_files_that_are_named_are_taken() {
    let desk = Desk::new();
    symlink("compte rendu.pdf", desk.path("link.pdf")).unwrap();
    desk.run(&["link.pdf", "-o", "out.zip"])
        .refused(Code::FileLink);
    desk.run(&["other", "-o", "out.zip"])
        .refused(Code::FileFolder);
    desk.run(&["/dev/null", "-o", "out.zip"])
        .refused(Code::FileSpecial);
    desk.run(&["none", "-o", "out.zip"])
        .refused(Code::FileUnreadable);
    fs::write(desk.path("a\\b"), "").unwrap();
    desk.run(&["a\\b", "-o", "out.zip"]).refused(Code::FileName);
    assert!(!desk.path("out.zip").exists());
}

#[test]
fn two_files_of_one_name_are_refused_or_numbered() {
    let desk = Desk::new();
    fs::write(desk.path("PHOTO.JPG"), "three").unwrap();
    let arguments = ["PHOTO.JPG", "other/photo.jpg", "-o", "out.zip"];
    let told = desk.run(&arguments).refused(Code::FileSameName);
    assert!(told.contains("other/photo.jpg"), "{told}");
    let renamed = [&arguments[..], &["--name", "image", "--json"]].concat();
    let document: Value = serde_json::from_str(&desk.run(&renamed).done()).unwrap();
    let names = document["files"].as_array().unwrap();
    assert_eq!(names, &["image-1.JPG", "image-2.jpg"]);
    assert_eq!(
        desk.run(&["PHOTO.JPG", "-o", "o", "--name", "a/b"]).status,
        2
    );
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_leaves_nothing_behind() {
    let desk = Desk::new();
    // An ordinary file, as far as it says; nothing is at its beginning, and reading it fails.
    let told = desk
        .run(&["compte rendu.pdf", "/proc/self/mem", "-o", "out.zip"])
        .refused(Code::FileUnreadable);
    assert!(told.contains("/proc/self/mem"), "{told}");
    assert_eq!(desk.names(), UNTOUCHED);
    desk.run(&["compte rendu.pdf", "-o", "none/out.zip"])
        .refused(Code::FileUnwritable);
    assert_eq!(desk.names(), UNTOUCHED);
}
