//! The served OpenAPI document against the real answers, by schemathesis.

use std::fs;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;

use cps_emulator::{Holder, Profile};
use cps_tests::Practice;

/// Every documented operation, with good and bad input, with a card in the reader: each answer is
/// one that the document describes, and the daemon is as well afterwards as before.
#[test]
fn every_answer_is_one_that_the_document_describes() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let port = bridge(practice.cpsd.socket().to_owned());
    let base = format!("http://127.0.0.1:{port}");

    let mut command = practice.sandbox.command(schemathesis());
    let output = command
        .args(["run", &format!("{base}/v1/openapi.json"), "--url", &base])
        // An event stream has no end; it is tested elsewhere.
        .args(["--exclude-path", "/v1/events"])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args([
            "--max-examples",
            "20",
            "--max-time",
            "45",
            "--request-timeout",
            "20",
        ])
        .args(["--generation-deterministic", "--no-color"])
        .args(["--suppress-health-check", "all"])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{report}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );

    practice.cps(&["login"]);
    assert_eq!(
        practice.json(&["identity"])["national_id"],
        Holder::CpsMedecin.national_id()
    );
    practice.cps(&["journal", "verify"]);
    drop(card);
}

/// Only those that judge the document; `positive_data_acceptance` would call a refused PIN an error.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,\
                      negative_data_rejection,unsupported_method";

/// schemathesis speaks TCP: joins a loopback port of the namespace to the daemon's socket.
fn bridge(socket: PathBuf) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(daemon)) = (client, UnixStream::connect(&socket)) else {
                continue;
            };
            join(client, daemon);
        }
    });
    port
}

fn join(client: TcpStream, daemon: UnixStream) {
    let (mut from_client, mut to_client) = (client.try_clone().unwrap(), client);
    let (mut from_daemon, mut to_daemon) = (daemon.try_clone().unwrap(), daemon);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_daemon);
        let _ = to_daemon.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_daemon, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}

/// `tools/bin/schemathesis` in the target folder, put there by tests/setup.
fn schemathesis() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let found = executable
        .ancestors()
        .map(|folder| folder.join("tools/bin/schemathesis"))
        .find(|path| fs::exists(path).unwrap_or(false));
    found.expect("schemathesis is not installed: run tests/setup test")
}
