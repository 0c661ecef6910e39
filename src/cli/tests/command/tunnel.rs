//! `cps tunnel`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use crate::support::{Answer, Ended, Fake, LONG, Request};
use cps_api::{Code, Problem};

/// A server that greets, reads to the end, then says what it read: a half-close in each direction.
fn echo(_: &Request, mut stream: UnixStream) {
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: cpsd-tunnel\r\n\r\n";
    stream
        .write_all(format!("{head}hello ").as_bytes())
        .unwrap();
    let mut sent = String::default();
    stream.read_to_string(&mut sent).unwrap();
    stream.write_all(format!("<{sent}>").as_bytes()).unwrap();
}

/// Ends the command with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn listening(fake: &Fake) -> (Running, String) {
    let mut command = fake.command(&["tunnel", "dmp.example:443", "--listen", "0"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut address = String::default();
    let out = child.0.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut address).unwrap();
    (child, address.trim_end().to_owned())
}

#[test]
fn standard_input_and_output_are_joined() {
    let fake = Fake::new(echo);
    let arguments = [
        "tunnel",
        "dmp.example:443",
        "--purpose",
        "dmp",
        "--card",
        "90000001",
    ];
    let mut command = fake.command(&arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"question").unwrap();
    let out = Ended::of(child.wait_with_output().unwrap()).done();
    assert_eq!(out, "hello <question>");
    let request = &fake.requests()[0];
    assert_eq!(request.line, "POST /v1/tls/tunnel");
    let body = String::from_utf8(request.body.clone()).unwrap();
    assert_eq!(
        body,
        r#"{"card":"90000001","host":"dmp.example","port":443,"purpose":"dmp"}"#
    );
}

#[test]
fn the_end_of_the_server_is_the_end() {
    let fake = Fake::answering(&[(
        "POST /v1/tls/tunnel",
        Answer::raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: cpsd-tunnel\r\n\r\nbye"),
    )]);
    let mut command = fake.command(&["tunnel", "dmp.example:443"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Standard input stays open: it must not be waited for.
    let _stdin = child.stdin.take();
    assert_eq!(Ended::of(child.wait_with_output().unwrap()).done(), "bye");
}

#[test]
fn a_refused_tunnel_tells_why() {
    let problem = Problem::new(Code::TlsNeedsTls13).with("host", "dmp.example");
    let fake = Fake::answering(&[("POST /v1/tls/tunnel", Answer::problem(&problem))]);
    let err = fake
        .run_in_french(&["tunnel", "dmp.example:443"])
        .refused(Code::TlsNeedsTls13);
    assert!(
        err.contains("Le serveur dmp.example n'accepte que TLS 1.3"),
        "{err}"
    );
}

#[test]
fn each_connection_is_a_tunnel() {
    let fake = Fake::new(echo);
    let (_child, address) = listening(&fake);
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    // Both are open at once.
    let mut streams = [(); 2].map(|()| TcpStream::connect(&address).unwrap());
    for (index, stream) in streams.iter_mut().enumerate() {
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut hello = [0; 6];
        stream.read_exact(&mut hello).unwrap();
        assert_eq!(&hello, b"hello ");
        write!(stream, "question {index}").unwrap();
    }
    for (index, mut stream) in streams.into_iter().enumerate() {
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::default();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("<question {index}>"));
    }
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn a_refused_connection_does_not_end_the_others() {
    let problem = Problem::new(Code::CardAbsent);
    let fake = Fake::answering(&[("POST /v1/tls/tunnel", Answer::problem(&problem))]);
    let (mut child, address) = listening(&fake);
    for _ in 0..2 {
        let mut nothing = Vec::default();
        TcpStream::connect(&address)
            .unwrap()
            .read_to_end(&mut nothing)
            .unwrap();
        assert_eq!(nothing, b"");
    }
    let mut first = String::default();
    let err = child.0.stderr.take().unwrap();
    BufReader::new(err).read_line(&mut first).unwrap();
    assert!(first.contains("[card.absent]"), "{first}");
    assert!(child.0.try_wait().unwrap().is_none(), "it still listens");
}

#[test]
fn an_address_that_is_taken_is_told() {
    let fake = Fake::new(echo);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = fake.run(&["tunnel", "dmp.example:443", "--listen", &address]);
    let err = ended.refused(Code::AddressUnavailable);
    assert!(err.contains(&address), "{err}");
}
