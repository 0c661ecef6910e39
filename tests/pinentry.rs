//! The person at the keyboard, as a script that speaks the Assuan protocol of pinentry.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::Sandbox;

/// What is answered to one dialog.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Closes the dialog.
    Cancel,
    /// Presses the third button ("not OK").
    NotOk,
    /// Presses OK.
    Ok,
    /// Types this and presses OK.
    Pin(String),
    /// Leaves the dialog open until the daemon closes it.
    Wait,
}

/// A program that can stand in the `pinentry` key of the configuration. Without other instructions
/// it types the PIN 1234 and agrees to everything.
#[derive(Debug)]
pub struct Pinentry {
    folder: PathBuf,
}

impl Pinentry {
    /// Folder, inside the sandbox, of the script with its answers: the only place that may hold a
    /// PIN.
    pub const FOLDER: &'static str = "pinentry";

    /// Writes the program.
    ///
    /// # Panics
    ///
    /// When the files cannot be written.
    pub fn new(sandbox: &Sandbox) -> Self {
        let program = sandbox.write("pinentry/pinentry", SCRIPT);
        fs::set_permissions(program, fs::Permissions::from_mode(0o700)).unwrap();
        let pinentry = Self {
            folder: sandbox.join(Self::FOLDER),
        };
        pinentry.always_type("1234");
        fs::write(pinentry.folder.join("log"), "").unwrap();
        pinentry
    }

    /// Puts a real program in place of the script.
    ///
    /// # Panics
    ///
    /// When it is missing, naming the Debian `package` that holds it.
    pub fn replace_by(&self, program: &str, package: &str) {
        assert!(
            fs::exists(program).unwrap(),
            "{program} is missing (package {package}: run tests/setup test)"
        );
        fs::remove_file(self.program()).unwrap();
        symlink(program, self.program()).unwrap();
    }

    /// Path for the configuration.
    pub fn program(&self) -> PathBuf {
        self.folder.join("pinentry")
    }

    /// What is typed when nothing else is queued.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn always_type(&self, pin: &str) {
        fs::write(self.folder.join("pin"), pin).unwrap();
    }

    /// Answers of the next dialogs, in order; afterwards the usual ones again.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn queue(&self, answers: &[Answer]) {
        let lines: String = answers
            .iter()
            .map(|answer| match answer {
                Answer::Cancel => "cancel\n".to_owned(),
                Answer::NotOk => "notok\n".to_owned(),
                Answer::Ok => "ok\n".to_owned(),
                Answer::Pin(pin) => format!("pin {pin}\n"),
                Answer::Wait => "wait\n".to_owned(),
            })
            .collect();
        fs::write(self.folder.join("queue"), lines).unwrap();
    }

    /// Everything the daemon sent so far, one Assuan line each.
    ///
    /// # Panics
    ///
    /// When the file cannot be read.
    pub fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("log")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// What the dialogs so far said, in plain text.
    pub fn questions(&self) -> Vec<String> {
        let text = |line: String| line.strip_prefix("SETDESC ").map(decoded);
        self.log().into_iter().filter_map(text).collect()
    }

    /// How many dialogs asked for a secret so far.
    pub fn pins_asked(&self) -> usize {
        self.log().iter().filter(|line| *line == "GETPIN").count()
    }

    /// Whether the program runs now: a dialog is on the screen.
    pub fn running(&self) -> bool {
        let started = fs::read_to_string(self.folder.join("processes")).unwrap_or_default();
        // The number alone proves nothing: it may have gone to another program since.
        let program = self.program().display().to_string();
        started.lines().any(|pid| {
            fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.contains(&program))
        })
    }

    /// How many dialogs of any kind were shown so far.
    pub fn dialogs(&self) -> usize {
        let shown =
            |line: &&String| *line == "GETPIN" || line.starts_with("CONFIRM") || *line == "MESSAGE";
        self.log().iter().filter(shown).count()
    }
}

/// Assuan escapes percent signs and line ends as `%25`, `%0A`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `ERR` codes: 83886179 is GPG_ERR_CANCELED, 83886194 GPG_ERR_NOT_CONFIRMED, both from the
/// error source "Pinentry" (libgpg-error).
const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
# The next queued answer, or else the one given.
answer() {
    if [ -s "$here/queue" ]; then
        head -n 1 "$here/queue"
        tail -n +2 "$here/queue" >"$here/queue.rest"
        mv "$here/queue.rest" "$here/queue"
    else
        echo "$1"
    fi
}
reply() {
    case $1 in
    cancel) echo "ERR 83886179 Operation cancelled <Pinentry>" ;;
    notok) echo "ERR 83886194 Not confirmed <Pinentry>" ;;
    ok) echo "OK" ;;
    pin*) printf 'D %s\nOK\n' "${1#pin }" ;;
    # Closed by the daemon: end of file, or a signal.
    wait) read -r _ && exit 0 || exit 0 ;;
    esac
}
echo $$ >>"$here/processes"
echo "OK Pleased to meet you"
while IFS= read -r line; do
    # An answer is taken before the question shows in the log: a test may end this program then.
    case $line in
    GETPIN) next=$(answer "pin $(cat "$here/pin")") ;;
    CONFIRM* | MESSAGE) next=$(answer ok) ;;
    esac
    printf '%s\n' "$line" >>"$here/log"
    case $line in
    GETPIN | CONFIRM* | MESSAGE) reply "$next" ;;
    BYE) echo "OK closing connection"; exit 0 ;;
    *) echo "OK" ;;
    esac
done
"#;
