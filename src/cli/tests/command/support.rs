//! A daemon that answers what it is told to, and the `cps` command run against it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cps_api::{Code, Problem};
use serde_json::{Value, json};

/// What the daemon does with a request: the stream after its body.
pub(crate) type Handler = Arc<dyn Fn(&Request, UnixStream) + Send + Sync>;

/// A request as received.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `METHOD target`.
    pub(crate) line: String,
    pub(crate) body: Vec<u8>,
}

/// A daemon in a folder of its own.
pub(crate) struct Fake {
    pub(crate) folder: tempfile::TempDir,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    pub(crate) fn new(handler: impl Fn(&Request, UnixStream) + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let requests = Arc::new(Mutex::new(Vec::default()));
        let handler: Handler = Arc::new(handler);
        let received = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, handler) = (stream.unwrap(), Arc::clone(&handler));
                stream.set_read_timeout(Some(LONG)).unwrap();
                let received = Arc::clone(&received);
                thread::spawn(move || {
                    if let Some(request) = read_request(&stream) {
                        received.lock().unwrap().push(request.clone());
                        handler(&request, stream);
                    }
                });
            }
        });
        Self { folder, requests }
    }

    /// Answers each request whose line begins as given; `internal` to the others.
    pub(crate) fn answering(answers: &[(&str, Answer)]) -> Self {
        let answers: Vec<(String, Answer)> = answers
            .iter()
            .map(|(line, answer)| ((*line).to_owned(), answer.clone()))
            .collect();
        Self::new(move |request, mut stream| {
            let known = answers
                .iter()
                .find(|(line, _)| request.line.starts_with(line));
            let internal = Answer::problem(&Problem::new(Code::Internal));
            let answer = known.map_or(&internal, |(_, answer)| answer);
            let _ = stream.write_all(&answer.0);
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The command, speaking English to this daemon.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        cps(&self.path("s"), arguments)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_in_french(&self, arguments: &[&str]) -> Ended {
        Ended::of(
            self.command(arguments)
                .env("LANG", "fr_FR.UTF-8")
                .output()
                .unwrap(),
        )
    }
}

pub(crate) fn cps(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cps"));
    command
        .env_clear()
        .env("TZ", "UTC")
        .env("CPSD_SOCKET", socket);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.status, self.err.as_str()), (0, ""), "{self:?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn refused(self, code: Code) -> String {
        assert_eq!(self.status, 1, "{self:?}");
        assert!(self.err.contains(&format!("[{code}]")), "{self:?}");
        self.err
    }
}

/// The bytes of an answer.
#[derive(Clone)]
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    pub(crate) fn json(value: &Value) -> Self {
        Self::of("200 OK", "application/json", value.to_string().as_bytes())
    }

    pub(crate) fn problem(problem: &Problem) -> Self {
        let body = serde_json::to_vec(problem).unwrap();
        let status = format!("{} Problem", problem.status);
        Self::of(&status, Problem::MEDIA_TYPE, &body)
    }

    pub(crate) fn of(status: &str, media_type: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        Self([head.as_bytes(), body].concat())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn raw(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

/// Reads a request with its body, byte by byte so that nothing after it is taken.
fn read_request(stream: &UnixStream) -> Option<Request> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut lines = Vec::default();
    loop {
        let mut line = String::default();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
    let mut body = Vec::default();
    if let Some(length) = field("Content-Length: ") {
        body.resize(length.parse().unwrap(), 0);
        reader.read_exact(&mut body).ok()?;
    } else if field("Transfer-Encoding: chunked").is_some() {
        loop {
            let mut size = String::default();
            reader.read_line(&mut size).ok().filter(|n| *n > 0)?;
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    }
    let line = lines.first()?.strip_suffix(" HTTP/1.1")?.to_owned();
    Some(Request { line, body })
}

/// The identity of an invented practitioner.
pub(crate) fn identity() -> Value {
    json!({
        "national_id": "899700000013", "national_id_kind": "rpps",
        "family_name": "EXEMPLE", "given_name": null, "title": "Médecin",
        "profession": {"code": "10", "label": "Médecin", "table": "G15", "oid": null},
        "profession_in_training": null,
        "specialty": [{"code": "SM99", "label": null, "table": "R01", "oid": null}],
        "category": "CPS", "structure": null,
        "card": {"serial": "90000001", "kind": "cps3-contactless", "number": "9900000012"},
        "valid_from": "2026-01-02T00:00:00Z", "valid_until": "2029-01-02T12:00:00Z",
        "test": true, "obsolete": false,
        "trust": {"verdict": "expired", "detail": "since 2029-01-02", "revocation": null},
        "source": "certificate"
    })
}

/// Longer than anything takes: a test that waits for what never comes fails rather than hangs.
pub(crate) const LONG: Duration = Duration::from_secs(20);
