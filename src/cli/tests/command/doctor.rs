//! `cps doctor`, with and without a daemon.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::support::{Answer, Ended, Fake, cps};
use cps_api::{Code, Problem};
use serde_json::{Value, json};

fn finding(level: &str) -> Value {
    json!({"code": "reader.service_absent", "level": level, "subject": "pcscd", "fr": "Absent.",
        "en": "Missing.", "remedy_fr": "Démarrez-le.", "remedy_en": "Start it."})
}

/// Runs the doctor for a daemon that is not there, with a reader service at `pcscd`.
fn alone(socket: &Path, pcscd: &Path) -> (i32, Value) {
    let mut command = cps(socket, &["doctor", "--json"]);
    let ended = Ended::of(command.env("PCSCLITE_CSOCK_NAME", pcscd).output().unwrap());
    assert_eq!(ended.err, "");
    (ended.status, serde_json::from_str(&ended.out).unwrap())
}

#[test]
fn the_findings_of_the_daemon_are_shown() {
    let answer = |level: &str| Answer::json(&json!({ "findings": [finding(level)] }));
    let fake = Fake::answering(&[("GET /v1/doctor", answer("warning"))]);
    assert_eq!(
        fake.run(&["doctor"]).done(),
        "warning    pcscd: Missing. [reader.service_absent]\n           → Start it.\n"
    );
    let fake = Fake::answering(&[("GET /v1/doctor", answer("error"))]);
    let ended = fake.run_in_french(&["doctor"]);
    assert_eq!(ended.status, 1);
    assert!(ended.out.contains("→ Démarrez-le."), "{ended:?}");
}

#[test]
fn a_daemon_that_is_not_there_is_diagnosed_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let pcscd = folder.path().join("pcscd");
    let _pcscd = UnixListener::bind(&pcscd).unwrap();

    let (status, doctor) = alone(&folder.path().join("none"), &pcscd);
    assert_eq!(status, 1);
    assert_eq!(doctor["findings"][0]["code"], "daemon.absent");
    let socket = &doctor["findings"][1]["en"];
    assert!(
        socket.as_str().unwrap().contains("does not exist"),
        "{socket}"
    );
    assert_eq!(doctor["findings"][2]["level"], "ok");

    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    let (status, doctor) = alone(&stale, &folder.path().join("no pcscd"));
    assert_eq!(status, 1);
    let socket = &doctor["findings"][1]["en"];
    assert!(
        socket.as_str().unwrap().contains("stopped abruptly"),
        "{socket}"
    );
    assert_eq!(doctor["findings"][2]["code"], "reader.service_absent");
}

#[test]
fn something_else_at_the_socket_is_told() {
    let fake = Fake::answering(&[("GET /v1/doctor", Answer::raw("220 mail ready\r\n"))]);
    let (status, doctor) = alone(&fake.path("s"), Path::new("/nonexistent"));
    assert_eq!(status, 1);
    assert_eq!(doctor["findings"][0]["code"], "daemon.protocol");
}

#[test]
fn without_a_runtime_folder_the_doctor_still_speaks() {
    let mut command = cps(Path::new("unused"), &["doctor"]);
    let ended = Ended::of(command.env_remove("CPSD_SOCKET").output().unwrap());
    assert_eq!(ended.status, 1);
    assert!(ended.out.contains("[daemon.no_socket_path]"), "{ended:?}");
}

#[test]
fn the_card_report_is_written_whole_or_not_at_all() {
    let report = json!({"atr": "3b00", "files": [1, 2]});
    let absent = Answer::problem(&Problem::new(Code::CardAbsent));
    let fake = Fake::answering(&[
        ("GET /v1/card-report?card=1", Answer::json(&report)),
        ("GET /v1/card-report", absent),
    ]);
    let file = fake.path("report.json");
    let name = file.to_str().unwrap();
    fake.run(&["doctor", "--card-report", name])
        .refused(Code::CardAbsent);
    assert!(!file.exists());
    fake.run(&["doctor", "--card-report", name, "--card", "1"])
        .done();
    let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(written, report);
    let out = fake
        .run(&["doctor", "--card-report", "-", "--card", "1"])
        .done();
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), report);
}
