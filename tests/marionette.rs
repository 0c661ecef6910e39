//! The remote control of Mozilla's programs (Marionette), as much of it as the tests need.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{Peer, until_within};

/// A session with a running program.
#[derive(Debug)]
pub(crate) struct Marionette {
    answers: BufReader<TcpStream>,
    requests: TcpStream,
    last: u64,
}

impl Marionette {
    /// Command-line arguments that make a program listen. Its preferences must hold
    /// [`Marionette::PREFERENCES`].
    pub(crate) const ARGUMENTS: [&str; 2] = ["--marionette", "--remote-allow-system-access"];

    /// Any free port, which the program then writes into its profile; and no other preferences
    /// than a person has.
    pub(crate) const PREFERENCES: &str = "\
        user_pref(\"marionette.port\", 0);\n\
        user_pref(\"remote.prefs.recommended\", false);\n";

    /// Waits until the program with this profile listens, and opens a session.
    pub(crate) fn open(program: &mut Peer, profile: &Path) -> Self {
        let port = until_within(PATIENCE, "the remote control of the program", || {
            if let Some(status) = program.ended() {
                panic!("it ended with {status}: {}", program.log());
            }
            let port = std::fs::read_to_string(profile.join("MarionetteActivePort")).ok()?;
            port.trim().parse::<u16>().ok()
        });
        let requests = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut session = Self {
            answers: BufReader::new(requests.try_clone().unwrap()),
            requests,
            last: 0,
        };
        session.set_patience(PATIENCE);
        session.message().unwrap(); // the greeting
        session.call("WebDriver:NewSession", &json!({})).unwrap();
        session
    }

    /// One command and its result; an error as the program words it, or why it did not answer.
    pub(crate) fn call(&mut self, command: &str, parameters: &Value) -> Result<Value, String> {
        self.last += 1;
        let message = json!([0, self.last, command, parameters]).to_string();
        let message = format!("{}:{message}", message.len());
        let answer = self.requests.write_all(message.as_bytes());
        let answer = answer.and_then(|()| self.message());
        let answer = answer.map_err(|error| format!("{command}: no answer: {error}"))?;
        assert_eq!(answer[1], self.last, "{answer}");
        match &answer[2] {
            Value::Null => Ok(answer[3].clone()),
            error => Err(format!("{}: {}", error["error"], error["message"])),
        }
    }

    /// Runs the body of a function, which knows `arguments`; what it returns, or what the promise
    /// that it returns becomes.
    pub(crate) fn script(&mut self, body: &str, arguments: &Value) -> Result<Value, String> {
        let script = json!({ "script": body, "args": arguments });
        let mut answer = self.call("WebDriver:ExecuteScript", &script)?;
        Ok(answer["value"].take())
    }

    /// How long an answer may take from now on.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.requests.set_read_timeout(Some(patience)).unwrap();
    }

    /// What the window shows, as PNG.
    pub(crate) fn picture(&mut self) -> Result<Vec<u8>, String> {
        let picture = self.call("WebDriver:TakeScreenshot", &json!({ "full": false }))?;
        Ok(STANDARD.decode(picture["value"].as_str().unwrap()).unwrap())
    }

    /// The length in decimal, a colon, JSON.
    fn message(&mut self) -> io::Result<Value> {
        let mut length = Vec::new();
        self.answers.read_until(b':', &mut length)?;
        if length.pop() != Some(b':') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = str::from_utf8(&length).unwrap();
        let mut message = vec![0; length.parse().unwrap()];
        self.answers.read_exact(&mut message)?;
        Ok(serde_json::from_slice(&message).unwrap())
    }
}

/// How long a loaded machine may take to start a browser or to load a page.
const PATIENCE: Duration = Duration::from_secs(90);
