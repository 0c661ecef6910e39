//! A daemon that answers what a test tells it to.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cps_api::types::{
    KeyPair, KeyScheme, ModuleLogin, ModuleSettings, ObjectCertificate, ObjectData, ObjectKey,
    ObjectToken, Objects, PinFlags, ProgramPin,
};

/// A daemon at a socket; ends when dropped, as if killed.
pub(crate) struct Fake {
    pub(crate) socket: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    objects: Objects,
    answers: HashMap<&'static str, Answer>,
    listeners: Vec<UnixStream>,
    /// Every connection, to be cut when the daemon ends.
    open: Vec<UnixStream>,
    asked: Vec<String>,
    /// How many questions of a person wait, and whether those may go on.
    waiting: usize,
    held: bool,
    /// Whether connections are closed at once.
    hangs_up: bool,
    ended: bool,
}

/// What is answered to questions of one kind, in place of what is right.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Closes in the middle.
    Die,
    /// These bytes.
    Raw(Vec<u8>),
    /// A problem document of this code.
    Refuse(&'static str),
    /// Nothing, for ever.
    Silence,
}

impl Fake {
    pub(crate) fn start(socket: &Path) -> Self {
        fs::create_dir_all(socket.parent().expect("a folder")).expect("a folder");
        let _ = fs::remove_file(socket);
        let listener = UnixListener::bind(socket).expect("a socket");
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                objects: Objects {
                    complete: true,
                    module: ModuleSettings {
                        login: ModuleLogin::None,
                        program_pin: ProgramPin::Refuse,
                        wait_seconds: 60,
                    },
                    tokens: Vec::new(),
                },
                answers: HashMap::new(),
                listeners: Vec::new(),
                open: Vec::new(),
                asked: Vec::new(),
                waiting: 0,
                held: false,
                hangs_up: false,
                ended: false,
            }),
            changed: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let mut state = serving.lock();
                if state.ended {
                    return;
                }
                if state.hangs_up {
                    continue;
                }
                state.open.push(stream.try_clone().expect("a descriptor"));
                drop(state);
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(stream));
            }
        });
        Self {
            socket: socket.to_owned(),
            shared,
        }
    }

    /// These tokens are there, and everyone is told.
    pub(crate) fn show(&self, tokens: Vec<ObjectToken>) {
        self.set(|objects| objects.tokens = tokens);
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Objects)) {
        let mut state = self.shared.lock();
        change(&mut state.objects);
        for listener in &mut state.listeners {
            let event = b"event: card_ready\ndata: {\"reader\":null,\"card\":null}\n\n";
            let _ = listener.write_all(event);
        }
    }

    /// As [`Self::set`], and nobody is told.
    pub(crate) fn set_silently(&self, change: impl FnOnce(&mut Objects)) {
        change(&mut self.shared.lock().objects);
    }

    /// The empty comment that the daemon sends now and then, in a chunk as it sends it.
    pub(crate) fn beat(&self) {
        for listener in &mut self.shared.lock().listeners {
            let _ = listener.write_all(b"3\r\n:\n\n\r\n");
        }
    }

    /// From now on, questions whose path begins so are answered so.
    pub(crate) fn answer(&self, path: &'static str, answer: Answer) {
        self.shared.lock().answers.insert(path, answer);
    }

    pub(crate) fn answer_well(&self) {
        self.shared.lock().answers.clear();
    }

    /// Method and path of every question since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().asked)
    }

    /// From now on, connections are closed without a word.
    pub(crate) fn hang_up(&self) {
        self.shared.lock().hangs_up = true;
    }

    /// Uses of keys wait until released.
    pub(crate) fn hold(&self) {
        self.shared.lock().held = true;
    }

    /// Waits until so many uses of keys wait at once, then lets them go on.
    pub(crate) fn release(&self, waiting: usize) {
        let state = self.shared.lock();
        let arrived = self
            .shared
            .changed
            .wait_while(state, |it| it.waiting < waiting);
        arrived.expect("the state").held = false;
        self.shared.changed.notify_all();
    }

    /// Waits until somebody asked this.
    pub(crate) fn wait_for(&self, question: &str) {
        let state = self.shared.lock();
        let asked = self.shared.changed.wait_while(state, |state| {
            !state.asked.iter().any(|asked| asked.starts_with(question))
        });
        drop(asked.expect("the state"));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.held = false;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the thread that accepts, which lets the socket go.
        let _ = UnixStream::connect(&self.socket);
        let _ = fs::remove_file(&self.socket);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    fn serve(&self, mut stream: UnixStream) {
        let Some((question, path)) = self.question(&mut stream) else {
            return;
        };
        let answer = {
            let mut state = self.lock();
            state.asked.push(question.clone());
            self.changed.notify_all();
            let known = state
                .answers
                .iter()
                .find(|(start, _)| path.starts_with(**start));
            known.map(|(_, answer)| answer.clone())
        };
        let bytes = match answer {
            Some(Answer::Die) => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec(),
            Some(Answer::Raw(bytes)) => bytes,
            Some(Answer::Refuse(code)) => refusal(code),
            Some(Answer::Silence) => {
                // Until the daemon ends.
                let state = self.lock();
                drop(self.changed.wait_while(state, |state| !state.ended));
                return;
            }
            None => match self.right_answer(&question, &path, &stream) {
                Some(bytes) => bytes,
                None => return,
            },
        };
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }

    /// The method and path, and the path alone; the body is read too.
    fn question(&self, stream: &mut UnixStream) -> Option<(String, String)> {
        let mut reader = BufReader::new(stream);
        let (mut head, mut line) = (String::new(), String::new());
        let mut length = 0;
        while reader.read_line(&mut line).ok()? > 2 {
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().ok()?;
            }
            head.push_str(&line);
            line.clear();
        }
        reader.take(length).read_to_string(&mut line).ok()?;
        let mut words = head.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        Some((format!("{method} {path}"), path.to_owned()))
    }

    fn right_answer(&self, question: &str, path: &str, stream: &UnixStream) -> Option<Vec<u8>> {
        let mut state = self.lock();
        if path == "/v1/events" {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n";
            let mut listener = stream.try_clone().expect("a descriptor");
            let _ = listener.write_all(head);
            state.listeners.push(listener);
            return None;
        }
        if path == "/v1/objects" {
            return Some(success(&state.objects));
        }
        if path == "/v1/login" {
            for token in &mut state.objects.tokens {
                token.logged_in = true;
            }
            let card = serde_json::json!({"card": "1", "logged_in": true});
            drop(state);
            return Some(success(&card));
        }
        let token = state.objects.tokens.iter().find(|it| path.contains(&it.id));
        if token.is_none() {
            return Some(refusal("object.unknown"));
        }
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |it| it.held).ok()?;
        state.waiting -= 1;
        let value = if question.ends_with("/sign") {
            // An Ecdsa-Sig-Value of small numbers, or a block of an RSA key.
            let bytes = match path.contains("rsa") {
                true => vec![7; 256],
                false => vec![0x30, 6, 2, 1, 1, 2, 1, 2],
            };
            serde_json::json!({"signature": BASE64_STANDARD.encode(bytes)})
        } else if question.ends_with("/decrypt") {
            serde_json::json!({"plaintext": BASE64_STANDARD.encode("plain")})
        } else {
            let value = if path.contains("other") {
                "other"
            } else {
                "value"
            };
            serde_json::json!({"value": BASE64_STANDARD.encode(value)})
        };
        Some(success(&value))
    }
}

fn success(value: &impl serde::Serialize) -> Vec<u8> {
    let body = serde_json::to_string(value).expect("JSON");
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn refusal(code: &str) -> Vec<u8> {
    let known = code.parse::<cps_api::Code>().expect("a code");
    let body = serde_json::to_string(&cps_api::Problem::new(known)).expect("JSON");
    let length = body.len();
    format!(
        "HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\nContent-Length:          {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A token of a card, with an RSA or a P-256 key; `insertion` is part of every id.
pub(crate) fn token(card: &str, insertion: &str, rsa: bool) -> ObjectToken {
    let kind = if rsa { "rsa" } else { "p256" };
    let (spki, schemes) = match rsa {
        true => (RSA, vec![KeyScheme::Pkcs1Sha256, KeyScheme::PssSha256]),
        false => (P256, vec![KeyScheme::EcdsaSha256]),
    };
    let certificates = ObjectCertificate {
        label: "Certificate".to_owned(),
        der: CERTIFICATE.to_owned(),
        authority: false,
    };
    ObjectToken {
        id: insertion.to_owned(),
        card: card.to_owned(),
        pair: KeyPair::Authentication,
        label: format!("Card {card}"),
        manufacturer: "Maker".to_owned(),
        model: "Model".to_owned(),
        serial: card.to_owned(),
        reader: "Reader".to_owned(),
        logged_in: false,
        pin: PinFlags::default(),
        keys: vec![ObjectKey {
            id: format!("{insertion}-{kind}"),
            label: "Key".to_owned(),
            spki: spki.to_owned(),
            schemes,
            decrypts: rsa,
            always_authenticate: false,
        }],
        certificates: if rsa { Vec::new() } else { vec![certificates] },
        data: vec![ObjectData {
            id: format!("{insertion}-data"),
            label: "Data".to_owned(),
            private: true,
        }],
    }
}

/// Public keys made for these tests, and a certificate of the second.
const RSA: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAm68VCqiJg0+U4CESLt2o/KtDCbctlt8i6C3VR88HfQdp29iRHnRoVoOE/kPOTbTuJXAkO55hLe1NZzmWxkGZUA5WkPNUVJr0Br55ZuFEMIvMOubt6bFYssSgXug1Q294XD4al2ysVuq3S3ai+8Y56REGt1WJ+9557K4ELM+aTFlNobBaymuUMX/OOC8ykhkwSYxP3h8Jy7zz8XzFCEWjrR7ZIjIydT1aQpn1PCs/FXg5+kjH0b6u7ZFwxwBWIUNPIl2UrFJrxxNSql+Wzolnh49RvqncSIRKl/XkfzfodVLlM8XfP05BVorSJZa0/f8HucICPLU7bmB+Zmfdu/tVNQIDAQAB";
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOlSUjeFaGybCbtlmvty+7LLJmNnhY/t4HaGxKnpTyCurVO4KzEc2gCq0Din49nnGFyZPLm+wWphj5B+g1QOqsw==";
const CERTIFICATE: &str = "MIIBfTCCASOgAwIBAgIUJ6GnibfEmuFvr+0IGd2nvBMx5NAwCgYIKoZIzj0EAwIwEzERMA8GA1UEAwwIRHIuIFRlc3QwIBcNMjYxMTIyMDIxODI0WhgPMjEyNjEwMjkwMjE4MjRaMBMxETAPBgNVBAMMCERyLiBUZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOlSUjeFaGybCbtlmvty+7LLJmNnhY/t4HaGxKnpTyCurVO4KzEc2gCq0Din49nnGFyZPLm+wWphj5B+g1QOqs6NTMFEwHQYDVR0OBBYEFHMdByNUruUDABAssx/eeCvSZRcrMB8GA1UdIwQYMBaAFHMdByNUruUDABAssx/eeCvSZRcrMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhALYaS/uSzeasOQNqbfx6Dumex4SdIjeXqkp9yy//CM+RAiBzOEoM6n+0hOTAJAnzwt8RDCOy6GO+bYARANc2uyjWxg==";
