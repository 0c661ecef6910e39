//! `cps setup system`, which needs neither a daemon nor a home folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Ended, cps};
use cps_api::Code;
use serde_json::Value;

/// A system to prepare, and a module.
struct System {
    folder: tempfile::TempDir,
}

impl System {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        fs::write(folder.path().join("libcpsd_pkcs11.so"), "").unwrap();
        Self { folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cps(Path::new("unused"), &["setup", "system"]);
        command
            .arg("--destdir")
            .arg(self.folder.path().join("root"));
        command
            .arg("--module")
            .arg(self.folder.path().join("libcpsd_pkcs11.so"));
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// What the person types.
    fn answered(&self, answer: &str) -> Ended {
        let file = self.folder.path().join("answer");
        fs::write(&file, answer).unwrap();
        let mut command = self.command(&[]);
        Ended::of(command.stdin(File::open(file).unwrap()).output().unwrap())
    }

    fn policies(&self) -> PathBuf {
        self.folder
            .path()
            .join("root/etc/firefox/policies/policies.json")
    }
}

#[test]
fn nothing_is_changed_without_a_yes() {
    let system = System::new();
    let shown = system.run(&["--dry-run"]).done();
    assert!(shown.contains("    + this file:\n        {\n"), "{shown}");
    system.answered("").refused(Code::SetupDeclined);
    system.answered("n\n").refused(Code::SetupDeclined);
    // A script that reads the plan has not agreed to it.
    let plan: Value = serde_json::from_str(&system.run(&["--json"]).done()).unwrap();
    assert_eq!(plan["steps"][1]["outcome"], "planned");
    assert_eq!(plan["steps"][1]["changes"][0]["change"], "write_file");
    assert!(!system.policies().exists());
    assert_eq!(system.run(&["--dry-run", "--yes"]).status, 2);

    assert_eq!(system.answered("y\n").status, 0);
    assert!(system.policies().is_file());
    // Without anything to change nobody is asked.
    system.run(&[]).done();
    system.run(&["--undo", "--yes"]).done();
    assert!(!system.policies().exists());
}

#[test]
fn one_file_of_somebody_else_does_not_keep_the_others_out() {
    let system = System::new();
    let foreign = system
        .folder
        .path()
        .join("root/etc/thunderbird/policies/policies.json");
    fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    fs::write(&foreign, "{ }").unwrap();
    let told = system.run(&["--yes"]).refused(Code::SetupForeignFile);
    assert!(told.contains("\"SecurityDevices\""), "{told}");
    assert!(system.policies().is_file());
    assert_eq!(fs::read(&foreign).unwrap(), b"{ }");
}

#[test]
fn a_module_that_is_not_there_is_told_before_anything_else() {
    let system = System::new();
    fs::remove_file(system.folder.path().join("libcpsd_pkcs11.so")).unwrap();
    system.run(&["--yes"]).refused(Code::SetupModuleAbsent);
    assert!(!system.policies().exists());
}

#[test]
fn the_settings_of_another_user_are_not_changed() {
    let mut command = cps(Path::new("unused"), &["setup", "mail", "--yes"]);
    // The folder of nobody who runs tests: an administrator with the HOME of a person.
    let ended = Ended::of(
        command
            .env("HOME", "/proc/self/nonexistent")
            .output()
            .unwrap(),
    );
    ended.refused(Code::SetupAnotherUser);
}
