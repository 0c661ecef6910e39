//! Two programs use one card at the same time.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use cps_emulator::{Holder, Profile, Timing};
use cps_tests::Sandbox;

use super::java::configuration;
use super::{Desk, command, practice};

/// A Java program that signs in a loop, and tells each signature. Programs are told apart by the file
/// that runs, so this one has a launcher of its own.
struct Loop {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Loop {
    fn start(desk: &Desk, name: &str, threads: u32, times: u32) -> Self {
        let sandbox = &desk.practice.sandbox;
        let launcher = launcher(sandbox, name);
        let mut command = command(sandbox, launcher.to_str().unwrap());
        command
            .arg(sandbox.write("Loop.java", include_str!("Loop.java")))
            .arg(configuration(&desk.practice))
            .args([threads.to_string(), times.to_string()])
            .stdout(Stdio::piped())
            .stderr(File::create(sandbox.join("log").join(name)).unwrap());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            lines: output.lines(),
        }
    }

    fn signs(&mut self, times: usize) {
        for _ in 0..times {
            let line = self.lines.next();
            assert!(
                matches!(&line, Some(Ok(line)) if line == "signed"),
                "{line:?}"
            );
        }
    }

    fn end(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

/// A copy of `java`, beside links to what it needs.
fn launcher(sandbox: &Sandbox, name: &str) -> PathBuf {
    let found = sandbox
        .command("sh")
        .args(["-c", "readlink -f $(command -v java)"])
        .output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    let java = Path::new(found.trim());
    assert!(
        java.exists(),
        "java is missing (package default-jdk-headless: run tests/setup test)"
    );
    let home = java.ancestors().nth(2).unwrap();
    let own = sandbox.join(&format!("{name}-java"));
    fs::create_dir_all(own.join("bin")).unwrap();
    for part in ["conf", "lib"] {
        symlink(home.join(part), own.join(part)).unwrap();
    }
    let launcher = own.join("bin").join(name);
    // By a program of its own: no other thread's child can hold the copy open for writing.
    let copied = Command::new("cp").arg(java).arg(&launcher).status();
    assert!(copied.unwrap().success());
    launcher
}

/// One login for both; each is asked about; and the one with a single thread is served in turn with
/// the one that has eight requests waiting at any time.
#[test]
fn two_programs_share_one_login_and_one_card() {
    let practice = practice("");
    let mut slow = practice.card(Holder::CpsMedecin, Profile::Cps3);
    slow.set_timing(Timing {
        per_key_operation: Duration::from_millis(100),
        ..Timing::default()
    });
    let desk = Desk::holding(practice, slow);
    let mut greedy = Loop::start(&desk, "greedy", 8, 1000);
    greedy.signs(1);
    let mut modest = Loop::start(&desk, "modest", 1, 16);
    modest.signs(1);
    let before = desk.card.counters().key_operations;
    modest.signs(15);
    let others = desk.card.counters().key_operations - before - 15;
    modest.end();
    greedy.signs(1);
    // In turn: about fifteen. In the order of arrival: a hundred and twenty.
    assert!(others < 60, "{others} signatures of the other came first");
    assert_eq!(desk.card.counters().verify, 1);
    let asked = desk.practice.pinentry.questions();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(desk.practice.pinentry.pins_asked(), 1);
    greedy.child.kill().unwrap();
    greedy.child.wait().unwrap();
}
