//! Programs that use the card's keys side by side, and what the practitioner is told they are.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cps_api::types::KeyPair;
use cps_emulator::{Holder, Profile, Timing};
use cps_tests::{Practice, until};

/// A program of the practitioner's that signs through the objects of the local API: `curl` under a
/// name of its own, one process for any number of signatures.
struct Program {
    path: PathBuf,
}

impl Program {
    fn new(practice: &Practice, name: &str) -> Self {
        let path = practice.sandbox.join(name);
        // By a program of its own: no other thread's child can hold the copy open for writing.
        let copied = Command::new("cp").arg("/usr/bin/curl").arg(&path).status();
        assert!(
            copied.unwrap().success(),
            "curl is missing (package curl: run tests/setup test)"
        );
        Self { path }
    }

    /// Starts signing with a key, `parallel` requests at a time.
    fn sign(&self, practice: &Practice, key: &str, times: usize, parallel: usize) -> Child {
        let url = format!("http://localhost/v1/objects/{key}/sign");
        // A digest of SHA-256's length.
        let digest = format!("{}=", "A".repeat(43));
        let body = format!(r#"{{"scheme":"pkcs1_sha256","digest":"{digest}"}}"#);
        let mut command = practice.sandbox.command(&self.path);
        if parallel > 1 {
            command.args(["--parallel", "--parallel-immediate", "--parallel-max"]);
            command.arg(parallel.to_string());
        }
        command
            .args(["--silent", "--fail", "--max-time", "60", "--unix-socket"])
            .arg(practice.cpsd.socket())
            .args([
                "--header",
                "Content-Type: application/json",
                "--data",
                &body,
            ])
            .args(vec![url; times])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn sign_and_wait(&self, practice: &Practice, key: &str, times: usize) {
        let done = self.sign(practice, key, times, 1).wait().unwrap();
        assert!(done.success(), "{}: {done}", self.path.display());
    }
}

/// The authentication key of the inserted card.
fn key(practice: &Practice) -> String {
    until("the card's keys", || {
        let objects = practice.cpsd.client().objects().unwrap();
        let mut tokens = objects.tokens.into_iter();
        let token = tokens.find(|token| token.pair == KeyPair::Authentication)?;
        Some(token.keys.first()?.id.clone())
    })
}

#[test]
fn a_program_bears_the_name_of_its_desktop_entry() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let key = key(&practice);
    let program = Program::new(&practice, "lps");
    let entry = format!(
        "[Desktop Entry]\nType=Application\nName=Practice Software\nIcon=lps\nExec={} %u\n",
        program.path.display()
    );
    let place = "home/.local/share/applications/lps.desktop";
    practice.sandbox.write(place, entry);
    program.sign_and_wait(&practice, &key, 1);
    let asked = practice.pinentry.questions();
    // The file's name is behind it: any program of the user could have written the entry.
    assert!(asked[0].contains("“Practice Software (lps)”"), "{asked:?}");
    assert!(
        asked[0].contains("Certificate: authentication"),
        "{asked:?}"
    );
    let grants = practice.cpsd.client().grants().unwrap().grants;
    assert_eq!(grants.len(), 1);
    assert_eq!(
        grants[0].program_name.as_deref(),
        Some("Practice Software (lps)")
    );
    assert_eq!(grants[0].icon.as_deref(), Some("lps"));
}

#[test]
fn two_programs_share_one_login_and_one_card_each_getting_its_turn() {
    let practice = Practice::new();
    let mut slow = practice.card(Holder::CpsMedecin, Profile::Cps3);
    slow.set_timing(Timing {
        per_key_operation: Duration::from_millis(50),
        ..Timing::default()
    });
    let card = practice.insert(0, slow);
    let key = key(&practice);
    let (greedy, modest) = (
        Program::new(&practice, "greedy"),
        Program::new(&practice, "modest"),
    );
    greedy.sign_and_wait(&practice, &key, 1);
    modest.sign_and_wait(&practice, &key, 1);
    let asked = practice.pinentry.questions();
    assert_eq!(
        asked.len(),
        2,
        "each program is asked about once: {asked:?}"
    );
    assert!(asked[0].contains("“greedy”") && asked[1].contains("“modest”"));
    assert_eq!(practice.pinentry.pins_asked(), 1, "one login for both");

    // The modest one asks five times in a row while the other has twelve requests waiting at any
    // time. In the order of arrival, sixty of those would be served before it is done.
    let mut busy = greedy.sign(&practice, &key, 120, 12);
    let before = card.counters().key_operations;
    until("the greedy program is at work", || {
        (card.counters().key_operations > before).then_some(())
    });
    let start = card.counters().key_operations;
    modest.sign_and_wait(&practice, &key, 5);
    let between = card.counters().key_operations - start - 5;
    assert!(
        busy.try_wait().unwrap().is_none(),
        "the greedy one was at work all the time"
    );
    assert!(between < 35, "{between} signatures of the other came first");
    assert!(busy.wait().unwrap().success());
    assert_eq!(card.counters().verify, 1);
    assert_eq!(practice.pinentry.questions().len(), 2);
}
