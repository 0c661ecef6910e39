//! The client against a server that answers what it is told to.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::{self, JoinHandle};

use super::body::Body;
use super::*;
use crate::types::{EventKind, PcscState};
use crate::{Code, Problem};

/// Serves one connection with `serve`, in a folder of its own.
struct Fake<R> {
    client: Client,
    server: JoinHandle<R>,
    _folder: tempfile::TempDir,
}

impl<R: Send + 'static> Fake<R> {
    fn new(serve: impl FnOnce(UnixStream) -> R + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = thread::spawn(move || serve(listener.accept().unwrap().0));
        let patience = Patience {
            machine: Duration::from_secs(20),
            human: Duration::from_secs(20),
        };
        Self {
            client: Client::new(socket).with_patience(patience),
            server,
            _folder: folder,
        }
    }

    fn hasty(mut self) -> Self {
        let short = Duration::from_millis(100);
        self.client.patience = Patience {
            machine: short,
            human: short,
        };
        self
    }

    fn served(self) -> R {
        self.server.join().unwrap()
    }
}

/// Reads the head of a request.
fn head(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::default();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Answers `bytes` to one request, then closes; gives the head of the request.
fn answers(bytes: impl Into<Vec<u8>>) -> Fake<String> {
    let bytes = bytes.into();
    Fake::new(move |mut stream| {
        let request = head(&mut stream);
        let _ = stream.write_all(&bytes);
        request
    })
}

const STATUS: &str = r#"{"version":"1","pcsc":"running","readers":1,"cards":0,"pid":7,
    "started_at":"2026-01-02T03:04:05Z","environment":"moon","newer":[1]}"#;

fn with_length(status: &str, media_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn protocol(error: Error) -> String {
    match error {
        Error::Protocol(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_is_read_and_what_is_newer_is_accepted() {
    let fake = answers(with_length("200 OK", "application/json", STATUS));
    let status = fake.client.status().unwrap();
    assert_eq!(status.pcsc, PcscState::Running);
    assert_eq!(status.environment, crate::types::Environment::Other);
    let request = fake.served();
    assert!(
        request.starts_with("GET /v1/status HTTP/1.1\r\nHost: cpsd\r\n"),
        "{request}"
    );
}

#[test]
fn interim_answers_and_chunks_are_understood() {
    let (first, second) = STATUS.split_at(10);
    let fake = answers(format!(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    ));
    assert_eq!(fake.client.status().unwrap().pid, 7);
}

#[test]
fn a_problem_is_an_error_with_its_code() {
    let problem = Problem::new(Code::CardAmbiguous).with("serials", vec!["1", "2"]);
    let body = serde_json::to_string(&problem).unwrap();
    let fake = answers(with_length("409 Conflict", Problem::MEDIA_TYPE, &body));
    match fake.client.identity(Some("9")) {
        Err(Error::Problem(received)) => assert_eq!(*received, problem),
        other => panic!("{other:?}"),
    }
    assert!(fake.served().starts_with("GET /v1/identity?card=9 "));
}

#[test]
fn half_answers_are_told() {
    let whole = with_length("200 OK", "application/json", STATUS);
    for end in [0, 5, 30, whole.len() - 1] {
        let fake = answers(&whole.as_bytes()[..end]);
        let reason = protocol(fake.client.status().unwrap_err());
        assert!(reason.contains("closed before the end"), "{end}: {reason}");
    }
}

#[test]
fn other_protocols_are_told() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(100_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: a\r\n".repeat(1000));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(50);
    let bare = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned();
    let text = with_length("200 OK", "application/json", "{\"version\":");
    for answer in ["SSH-2.0-x\r\n".to_owned(), huge, many, interim, bare, text] {
        protocol(answers(answer).client.status().unwrap_err());
    }
}

#[test]
fn an_answer_longer_than_the_bound_is_refused() {
    let fake = Fake::new(|mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    });
    let reason = protocol(fake.client.status().unwrap_err());
    assert!(reason.contains("bound"), "{reason}");
    fake.served();
}

#[test]
fn a_silent_daemon_is_given_up() {
    let fake = Fake::new(|mut stream| {
        head(&mut stream);
        stream.read(&mut [0]).unwrap()
    });
    let fake = fake.hasty();
    assert!(matches!(fake.client.status(), Err(Error::TimedOut)));
    assert_eq!(fake.served(), 0, "the connection is closed, which cancels");
}

#[test]
fn a_daemon_that_accepts_nobody_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    // Room for one connection, which is taken.
    rustix::net::listen(&listener, 0).unwrap();
    let _waiting = UnixStream::connect(&socket).unwrap();
    let short = Duration::from_millis(100);
    let client = Client::new(socket).with_patience(Patience {
        machine: short,
        human: short,
    });
    assert!(matches!(client.status(), Err(Error::TimedOut)));
}

#[test]
fn a_daemon_that_drips_is_given_up() {
    let fake = Fake::new(|mut stream| {
        head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").unwrap();
        for _ in 0..1000 {
            thread::sleep(Duration::from_millis(20));
            if stream.write_all(b"x").is_err() {
                break;
            }
        }
    });
    // Each byte comes in time; the answer does not.
    let fake = fake.hasty();
    assert!(matches!(fake.client.status(), Err(Error::TimedOut)));
    fake.served();
}

#[test]
fn nothing_at_the_socket_is_an_absent_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("none");
    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for socket in [nowhere, stale, file] {
        let error = Client::new(&socket).status().unwrap_err();
        assert!(matches!(error, Error::Absent { .. }), "{error:?}");
        let problem = error.to_problem();
        assert_eq!(problem.code(), Some(Code::DaemonAbsent));
        assert!(problem.fr.contains(socket.to_str().unwrap()));
    }
}

#[test]
fn only_our_own_socket_is_spoken_to() {
    assert!(check_owner(1000, 1000, 1000));
    for (file, peer, own) in [(1000, 0, 1000), (0, 1000, 1000), (1000, 1000, 0), (1, 1, 2)] {
        assert!(!check_owner(file, peer, own));
    }
}

#[test]
fn nothing_is_sent_to_the_socket_of_another_user() {
    let fake = Fake::new(|mut stream| {
        let mut received = Vec::default();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    let another = rustix::process::geteuid().as_raw() + 1;
    let opened = Connection::open_as(another, fake.client.socket(), None);
    assert!(matches!(opened.err(), Some(Error::Foreign { .. })));
    assert_eq!(fake.served(), b"");
}

#[test]
fn the_socket_is_named_or_found() {
    let of = |named: Option<&str>, runtime: Option<&str>| {
        connection::socket_of(named.map(Into::into), runtime.map(Into::into)).ok()
    };
    assert_eq!(of(Some("/a"), Some("/run/user/1")), Some("/a".into()));
    assert_eq!(
        of(Some(""), Some("/run/user/1")),
        Some("/run/user/1/cpsd/cpsd.sock".into())
    );
    assert_eq!(of(None, Some("relative")), None);
    assert_eq!(of(None, None), None);
}

/// Reads a chunked request body, byte for byte what the client sent.
fn chunks(stream: &mut UnixStream) -> Vec<u8> {
    let mut body = Vec::default();
    Body::new(io::BufReader::new(stream), http::Framing::Chunked)
        .read_to_end(&mut body)
        .unwrap();
    body
}

#[test]
fn content_is_streamed_and_the_signature_written() {
    let fake = Fake::new(|mut stream| {
        let request = head(&mut stream);
        let body = chunks(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nDER");
        (request, body)
    });
    let content: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let parameters = CmsParameters {
        attached: true,
        name: Some("compte rendu.pdf".into()),
        ..CmsParameters::default()
    };
    let mut out = Vec::default();
    fake.client
        .sign_cms(&parameters, &mut &content[..], &mut out)
        .unwrap();
    assert_eq!(out, b"DER");
    let (request, body) = fake.served();
    assert!(request.starts_with("POST /v1/sign/cms?attached=true&name=compte%20rendu.pdf "));
    assert!(request.contains("Transfer-Encoding: chunked\r\n"));
    assert_eq!(body, content);
}

#[test]
fn a_refusal_before_the_end_of_the_content_is_told() {
    let problem = serde_json::to_string(&Problem::new(Code::CardAbsent)).unwrap();
    let fake = answers(with_length("409 Conflict", Problem::MEDIA_TYPE, &problem));
    let content = io::repeat(7).take(1 << 30);
    let error = fake
        .client
        .sign_cms(
            &CmsParameters::default(),
            &mut { content },
            &mut Vec::default(),
        )
        .unwrap_err();
    assert_eq!(error.to_problem().code(), Some(Code::CardAbsent));
}

#[test]
fn content_that_cannot_be_read_is_not_signed() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad disk"))
        }
    }
    let fake = Fake::new(|mut stream| {
        head(&mut stream);
        let mut rest = Vec::default();
        let _ = stream.read_to_end(&mut rest);
        rest
    });
    let error = fake
        .client
        .sign_cms(&CmsParameters::default(), &mut Failing, &mut Vec::default())
        .unwrap_err();
    assert!(matches!(error, Error::Content(_)), "{error:?}");
    assert_eq!(
        fake.served(),
        b"",
        "no last chunk: the request stays unfinished"
    );
}

#[test]
fn a_tunnel_joins_both_ways() {
    let fake = Fake::new(|mut stream| {
        let request = head(&mut stream);
        let length: usize = request
            .split("Content-Length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.parse().ok())
            .unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: cpsd-tunnel\r\nConnection: upgrade\r\n\r\nearly ")
            .unwrap();
        let mut sent = String::default();
        stream.read_to_string(&mut sent).unwrap();
        stream.write_all(b"late").unwrap();
        (request, String::from_utf8(body).unwrap(), sent)
    });
    let request = TunnelRequest {
        card: None,
        host: "dmp.example".into(),
        port: 443,
        purpose: None,
    };
    let (mut reader, mut writer) = fake.client.tunnel(&request).unwrap().split();
    writer.write_all(b"question").unwrap();
    writer.finish().unwrap();
    let mut received = String::default();
    reader.read_to_string(&mut received).unwrap();
    assert_eq!(received, "early late");
    let (head, body, sent) = fake.served();
    assert!(head.contains("Upgrade: cpsd-tunnel\r\n") && head.contains("Connection: Upgrade\r\n"));
    assert_eq!(body, r#"{"host":"dmp.example","port":443}"#);
    assert_eq!(sent, "question");
}

#[test]
fn a_tunnel_to_something_else_is_refused() {
    let request = TunnelRequest {
        card: None,
        host: "h".into(),
        port: 1,
        purpose: None,
    };
    let fake = answers("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    protocol(fake.client.tunnel(&request).unwrap_err());
    let fake = answers(with_length("200 OK", "application/json", "{}"));
    protocol(fake.client.tunnel(&request).unwrap_err());
}

#[test]
fn events_come_one_by_one() {
    let fake = answers(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n\
         event: card_ready\ndata: {\"reader\":\"R\",\"card\":\"90000001\"}\n\n\
         event: comet\ndata: {}\n\nevent: login\ndata: nonsense\n\n",
    );
    let mut events = fake.client.events().unwrap();
    let ready = events.next().unwrap().unwrap();
    assert_eq!(ready.kind(), Some(EventKind::CardReady));
    assert_eq!(ready.event.card.as_deref(), Some("90000001"));
    let newer = events.next().unwrap().unwrap();
    assert_eq!((newer.kind(), newer.name.as_str()), (None, "comet"));
    protocol(events.next().unwrap().unwrap_err());
    assert!(events.next().is_none());
}

#[test]
fn events_outlast_the_patience_of_other_calls() {
    let fake = Fake::new(|mut stream| {
        head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        thread::sleep(Duration::from_millis(1500));
        stream.write_all(b"event: logout\ndata: {}\n\n").unwrap();
    });
    let mut fake = fake.hasty();
    fake.client.patience.machine = Duration::from_secs(1);
    let mut events = fake.client.events().unwrap();
    let event = events.next().unwrap().unwrap();
    assert_eq!(event.kind(), Some(EventKind::Logout));
}
