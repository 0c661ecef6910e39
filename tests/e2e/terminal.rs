//! A real pinentry on the caller's terminal.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use cps_emulator::{Holder, Profile};
use cps_tests::{Practice, binary, until};

/// The daemon has no terminal. The dialog opens on that of the program that asked (`GPG_TTY`), takes
/// the PIN typed there, and the PIN is not shown.
#[test]
fn pinentry_asks_on_the_terminal_of_the_caller() {
    let practice = Practice::new();
    practice
        .pinentry
        .replace_by("/usr/bin/pinentry-curses", "pinentry-curses");
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));

    let login = format!(
        "GPG_TTY=$(tty) exec {} --socket {} login",
        binary("cps").display(),
        practice.cpsd.socket().display()
    );
    let screen = practice.sandbox.join("screen");
    // script(1) gives the command a terminal and records what appears on it.
    let mut terminal = practice
        .sandbox
        .command("script")
        .args(["--quiet", "--flush", "--return", "--command", &login])
        .arg(&screen)
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("script is missing (package bsdutils)");
    let shown = || String::from_utf8_lossy(&fs::read(&screen).unwrap_or_default()).into_owned();
    until("the dialog on the terminal", || {
        shown()
            .contains(Holder::CpsMedecin.family_name()?)
            .then_some(())
    });
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(b"1234\r").unwrap();
    let status = until("the end of the login", || terminal.try_wait().unwrap());
    assert!(status.success(), "{status}: {}", shown());
    assert_eq!(card.counters().verify, 1);
    assert!(practice.cpsd.client().cards().unwrap().cards[0].logged_in);
    assert!(!shown().contains("1234"), "{}", shown());
}
