//! Chromium, without a window.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};

use crate::{Browser, Peer, Sandbox, nss};

/// A Chromium with a home folder of its own, obeying the commands of the DevTools protocol. Which
/// certificate it takes is decided by the policy that `tests/ns-init` installs.
#[derive(Debug)]
pub struct Chromium {
    requests: File,
    messages: Receiver<Value>,
    /// Received since the last page was asked for.
    seen: Vec<Value>,
    last: u64,
    tab: Option<String>,
    peer: Peer,
}

impl Chromium {
    /// Makes the database that all programs of the Chromium family share. `root` (DER) may certify
    /// servers.
    ///
    /// # Panics
    ///
    /// When the tools of NSS are missing.
    pub fn database(sandbox: &Sandbox, root: &[u8]) {
        nss::database(sandbox, &sandbox.join("home/.pki/nssdb"), root);
    }

    /// Starts it with an empty profile.
    ///
    /// # Panics
    ///
    /// When it is missing or does not start.
    pub fn start(sandbox: &Sandbox) -> Self {
        let [requests, answers] = ["requests", "answers"].map(|name| {
            let path = sandbox.join("tmp").join(name);
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
            path
        });
        // It reads commands from descriptor 3 and answers on 4. A named pipe that is opened for
        // both directions waits for nobody.
        let mut command = sandbox.command("sh");
        command
            .args(["-c", "exec 3<>\"$1\" 4<>\"$2\"; shift 2; exec \"$@\"", "sh"])
            .args([&requests, &answers])
            .args(["chromium", "--headless", "--remote-debugging-pipe"])
            .arg(format!(
                "--user-data-dir={}",
                sandbox.join("chromium").display()
            ))
            .args(ARGUMENTS);
        let peer = Peer::start(sandbox, "chromium", "chromium", command);
        let mut chromium = Self {
            requests: File::options().write(true).open(requests).unwrap(),
            messages: messages(File::open(answers).unwrap()),
            seen: Vec::new(),
            last: 0,
            tab: None,
            peer,
        };
        let target = chromium.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = chromium.call("Target.attachToTarget", &attach);
        chromium.tab = session["sessionId"].as_str().map(str::to_owned);
        chromium.call("Page.enable", &json!({}));
        chromium.call(
            "Page.setLifecycleEventsEnabled",
            &json!({ "enabled": true }),
        );
        chromium
    }

    /// One command and its result.
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(tab) = &self.tab {
            message["sessionId"] = json!(tab);
        }
        write!(self.requests, "{message}\0").unwrap();
        let id = self.last;
        let answer = self.wait(method, |message| message["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The first message like this one.
    fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(message) = self.seen.iter().find(|message| wanted(message)) {
            return message.clone();
        }
        loop {
            let Ok(message) = self.messages.recv_timeout(PATIENCE) else {
                panic!("chromium does not answer to: {what}\n{}", self.peer.log());
            };
            self.seen.push(message.clone());
            if wanted(&message) {
                return message;
            }
        }
    }
}

impl Browser for Chromium {
    fn open(&mut self, url: &str) -> Result<(), String> {
        self.seen.clear();
        let page = self.call("Page.navigate", &json!({ "url": url }));
        let loaded = json!({ "loader": page["loaderId"], "name": "load" });
        self.wait("a page", |message| {
            let event = &message["params"];
            json!({ "loader": event["loaderId"], "name": event["name"] }) == loaded
        });
        match page["errorText"].as_str() {
            None => Ok(()),
            Some(error) => Err(error.to_owned()),
        }
    }

    fn begin(&mut self, url: &str) {
        let script = json!({ "expression": format!("location = {}", json!(url)) });
        self.call("Runtime.evaluate", &script);
    }

    fn text(&mut self) -> String {
        let script = json!({ "expression": "document.body.innerText" });
        let text = self.call("Runtime.evaluate", &script);
        text["result"]["value"].as_str().unwrap().to_owned()
    }

    fn picture(&mut self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", &json!({}));
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }
}

/// Reads messages, each JSON and a zero byte, until the other end is closed.
fn messages(pipe: File) -> Receiver<Value> {
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        for message in BufReader::new(pipe).split(0).map_while(Result::ok) {
            let message = serde_json::from_slice(&message).unwrap();
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    messages
}

/// No graphics card, and nothing but the test's server can be reached.
const ARGUMENTS: [&str; 7] = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1024,640",
];

/// How long a loaded machine may take to start a browser or to load a page.
const PATIENCE: Duration = Duration::from_secs(90);
