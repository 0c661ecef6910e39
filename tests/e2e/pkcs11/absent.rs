//! The daemon comes and goes while a program runs.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use cps_emulator::{Holder, Profile};
use cps_tests::{InsertedCard, Sandbox, module, until};

use super::{command, finish, practice, succeeded};

/// `pkcs11-tool --test-hotplug`: lists the slots for each empty line that it is given, until `x`;
/// then waits for an event for each empty line, until `x`.
struct Hotplug {
    output: PathBuf,
    child: Child,
}

impl Hotplug {
    fn start(sandbox: &Sandbox) -> Self {
        let path = sandbox.join("log/hotplug");
        let output = File::create(&path).unwrap();
        // Its lines must not wait in a buffer of the C library.
        let mut command = command(sandbox, "stdbuf");
        command
            .args(["--output=0", "pkcs11-tool", "--test-hotplug", "--module"])
            .arg(module())
            .stdin(Stdio::piped())
            .stderr(output.try_clone().unwrap())
            .stdout(output);
        let this = Self {
            output: path,
            child: command.spawn().unwrap(),
        };
        this.asks_again(0);
        this
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    fn questions(&self) -> usize {
        self.said().matches(" to exit: ").count()
    }

    fn asks_again(&self, asked: usize) {
        until("the next question of pkcs11-tool", || {
            (self.questions() > asked).then_some(())
        });
    }

    fn write(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// What it answers to a line.
    fn answer(&mut self, line: &str) -> String {
        let (asked, before) = (self.questions(), self.said().len());
        self.write(line);
        self.asks_again(asked);
        self.said().split_off(before)
    }

    /// Asks for the slots until they show this.
    fn shows(&mut self, wanted: &str) -> String {
        until(wanted, || {
            let slots = self.answer("");
            slots.contains(wanted).then_some(slots)
        })
    }

    fn end(mut self) {
        self.write("x");
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}: {}", self.said());
    }
}

/// No daemon: four empty slots at once, and programs end well.
#[test]
fn without_a_daemon_the_slots_are_empty() {
    let mut practice = practice("");
    practice.cpsd.stop();
    let mut tool = command(&practice.sandbox, "pkcs11-tool");
    tool.arg("--list-slots").arg("--module").arg(module());
    let slots = succeeded(finish(&mut tool));
    assert_eq!(slots.matches("(empty)").count(), 4, "{slots}");
    let mut tool = command(&practice.sandbox, "p11tool");
    tool.arg("--list-tokens").arg("--provider").arg(module());
    let tokens = succeeded(finish(&mut tool));
    assert!(!tokens.contains("URL"), "{tokens}");
}

/// One process sees the daemon come, crash and come back with another card; an insertion wakes it.
#[test]
fn a_program_that_runs_finds_the_daemon() {
    let mut practice = practice("");
    practice.cpsd.stop();
    let card = practice.card(Holder::CpsMedecin, Profile::Cps3);
    let card = InsertedCard::new(&practice.pcscd, 0, card);
    let mut tool = Hotplug::start(&practice.sandbox);
    let empty = tool.answer("");
    assert_eq!(empty.matches("(empty)").count(), 4, "{empty}");

    practice.cpsd.restart(&practice.sandbox, &practice.pcscd);
    let present = tool.shows("CPS3");
    assert_eq!(present.matches("(empty)").count(), 3, "{present}");

    // A daemon that goes says nothing about the cards: the token stays as it was last seen.
    practice.cpsd.crash();
    let kept = tool.answer("");
    assert!(kept.contains("CPS3"), "{kept}");
    card.remove();
    let card = practice.card(Holder::CpsMedecin, Profile::Cps4);
    let card = InsertedCard::new(&practice.pcscd, 0, card);
    practice.cpsd.restart(&practice.sandbox, &practice.pcscd);
    let present = tool.shows("CPS4");
    assert!(!present.contains("CPS3"), "{present}");

    let waiting = tool.answer("x");
    assert!(waiting.contains("C_WaitForSlotEvent"), "{waiting}");
    let asked = tool.questions();
    tool.write("");
    drop(card);
    tool.asks_again(asked);
    tool.end();
}
