//! `cps sign`.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::support::{Answer, Ended, Fake};
use cps_api::{Code, Problem};

const DER: &[u8] = &[0x30, 0x82, 0xff, 0x00, 0x0a];

fn signer() -> Fake {
    let answer = Answer::of("200 OK", "application/pkcs7-signature", DER);
    Fake::answering(&[("POST /v1/sign/cms", answer)])
}

fn names(fake: &Fake) -> Vec<String> {
    let entries = fs::read_dir(fake.folder.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_signature_is_written_beside_the_document() {
    let fake = signer();
    let content = vec![7; 300_000];
    let (file, out) = (fake.path("lettre.pdf"), fake.path("lettre.p7s"));
    fs::write(&file, &content).unwrap();
    let arguments = ["sign", file.to_str().unwrap(), "-o", out.to_str().unwrap()];
    let said = fake.run(&arguments).done();
    assert_eq!(said, format!("Signature written: {}\n", out.display()));
    assert_eq!(fs::read(&out).unwrap(), DER);
    assert_eq!(names(&fake), ["lettre.p7s", "lettre.pdf", "s"]);
    let request = &fake.requests()[0];
    assert_eq!(
        request.line,
        "POST /v1/sign/cms?attached=false&name=lettre.pdf"
    );
    assert_eq!(request.body, content);
}

#[test]
fn standard_input_and_output_can_be_joined() {
    let fake = signer();
    let mut command = fake.command(&["sign", "-", "-o", "-", "--attached"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"content").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, DER);
    let request = &fake.requests()[0];
    assert_eq!(request.line, "POST /v1/sign/cms?attached=true");
    assert_eq!(request.body, b"content");
}

#[test]
fn a_refused_signature_leaves_what_was_there() {
    let refusal = Answer::problem(&Problem::new(Code::GrantDenied));
    let fake = Fake::answering(&[("POST /v1/sign/cms", refusal)]);
    let (file, out) = (fake.path("doc"), fake.path("doc.p7s"));
    fs::write(&file, "x").unwrap();
    fs::write(&out, "older").unwrap();
    let arguments = ["sign", file.to_str().unwrap(), "-o", out.to_str().unwrap()];
    fake.run(&arguments).refused(Code::GrantDenied);
    assert_eq!(fs::read(&out).unwrap(), b"older");
    assert_eq!(names(&fake), ["doc", "doc.p7s", "s"]);
}

#[test]
fn half_a_signature_is_not_one() {
    let half = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    let fake = Fake::answering(&[("POST /v1/sign/cms", half)]);
    let file = fake.path("doc");
    fs::write(&file, "x").unwrap();
    let out = fake.path("doc.p7s");
    let arguments = ["sign", file.to_str().unwrap(), "-o", out.to_str().unwrap()];
    fake.run(&arguments).refused(Code::DaemonProtocol);
    assert_eq!(names(&fake), ["doc", "s"]);
    let ended: Ended = fake.run(&["sign", file.to_str().unwrap(), "-o", "-"]);
    assert_eq!((ended.status, ended.out.as_str()), (1, ""));
}

#[test]
fn nobody_is_asked_when_the_files_are_wrong() {
    let fake = signer();
    let file = fake.path("doc");
    fs::write(&file, "x").unwrap();
    let (file, none) = (file.to_str().unwrap(), fake.path("none"));
    let inside = none.join("out");
    fake.run(&["sign", none.to_str().unwrap(), "-o", "-"])
        .refused(Code::FileUnreadable);
    fake.run(&["sign", file, "-o", inside.to_str().unwrap()])
        .refused(Code::FileUnwritable);
    assert!(fake.requests().is_empty());
}
