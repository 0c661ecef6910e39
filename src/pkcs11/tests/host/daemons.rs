//! Daemons that are absent, silent, dying or talking nonsense.

use std::os::unix::fs::chown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use cryptoki_sys::*;

use crate::fake::{Answer, Fake, token};
use crate::host::Host;

#[test]
fn without_a_daemon_there_is_no_token_and_no_wait() {
    let host = Host::start();
    assert!(host.slots(true).is_empty());
    assert_eq!(host.slots(false).len(), 4);
    assert_eq!(host.token_info(0).err(), Some(CKR_TOKEN_NOT_PRESENT));
    assert_eq!(host.open(0), Err(CKR_TOKEN_NOT_PRESENT));
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    assert_eq!(host.slots(true), [0]);
}

#[test]
fn a_silent_daemon_is_not_asked_again_and_again() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.answer("/v1/events", Answer::Silence);
    for _ in 0..100 {
        assert!(host.slots(true).is_empty());
    }
    assert_eq!(fake.asked(), ["GET /v1/events"]);
}

#[test]
fn a_daemon_that_is_slow_for_once_loses_no_token() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    fake.answer("/v1/objects", Answer::Silence);
    fake.set(|_| ());
    assert!(host.session_state(session).is_ok());
    // Nor is it waited for as long as a person would be.
    assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
    assert_eq!(host.sign(session, &mut [1]), Err(CKR_DEVICE_ERROR));
    assert!(!fake.asked().iter().any(|asked| asked.ends_with("/sign")));
    fake.answer_well();
    fake.show(vec![token("1", "a", true), token("2", "b", true)]);
    assert_eq!(host.slots(true), [0, 1]);
    assert!(host.session_state(session).is_ok());
}

#[test]
fn a_daemon_that_shows_that_it_lives_has_no_news() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    assert_eq!(host.slots(true), [0]);
    fake.asked();
    fake.beat();
    assert_eq!(host.slots(true), [0]);
    assert_eq!(fake.asked(), Vec::<String>::new());
    fake.show(Vec::new());
    assert!(host.slots(true).is_empty());
}

#[test]
fn a_daemon_that_accepts_nobody_freezes_nobody() {
    let host = Host::start();
    let socket = host.socket();
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    // Room for one connection, which is taken.
    rustix::net::listen(&listener, 0).unwrap();
    let _waiting = UnixStream::connect(&socket).unwrap();
    assert!(host.slots(true).is_empty());
    assert!(host.slots(true).is_empty());
}

#[test]
fn nonsense_is_no_token() {
    let json = |body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    };
    let deep = "[".repeat(200_000);
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec();
    let long = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 9 << 20]].concat();
    for nonsense in [
        b"\0\xff nonsense".to_vec(),
        Vec::new(),
        huge,
        long,
        json(""),
        json("null"),
        json(&deep),
        json(r#"{"module":{"login":"none","program_pin":"refuse","wait_seconds":-1},"tokens":[]}"#),
        b"HTTP/1.1 500 Oops\r\n\r\n".to_vec(),
    ] {
        let host = Host::start();
        let fake = Fake::start(&host.socket());
        fake.show(vec![token("1", "a", true)]);
        fake.answer("/v1/objects", Answer::Raw(nonsense));
        assert!(host.slots(true).is_empty());
    }
}

#[test]
fn nonsense_in_a_token_is_left_out_of_it() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    let mut odd = token("1", "a", false);
    odd.label = "x".repeat(1 << 20);
    odd.keys[0].spki = "!".to_owned();
    odd.certificates[0].der = "AAAA".to_owned();
    let twin = token("1", "a", false);
    fake.show(vec![odd, twin]);
    let session = host.open(0).unwrap();
    assert!(host.find(session, CKO_PRIVATE_KEY).is_empty());
    assert!(host.find(session, CKO_CERTIFICATE).is_empty());
    assert!(host.token_info(1).is_ok());
}

#[test]
fn a_daemon_that_dies_in_the_middle_of_a_call_costs_that_call() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    for (answer, expected) in [
        (Answer::Die, CKR_DEVICE_ERROR),
        (Answer::Raw(Vec::new()), CKR_DEVICE_ERROR),
        (
            Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
            CKR_DEVICE_ERROR,
        ),
        (Answer::Refuse("grant.denied"), CKR_FUNCTION_CANCELED),
    ] {
        fake.answer("/v1/objects/a-rsa/sign", answer);
        assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
        assert_eq!(host.sign(session, &mut [1]), Err(expected));
        assert_eq!(
            host.sign(session, &mut [1]),
            Err(CKR_OPERATION_NOT_INITIALIZED)
        );
    }
    fake.answer_well();
    assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
    assert_eq!(host.sign(session, &mut [1]), Ok(vec![7; 256]));
}

#[test]
fn a_daemon_killed_while_it_works_ends_the_wait() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
    fake.hold();
    thread::scope(|scope| {
        let signing = scope.spawn(|| host.sign(session, &mut [1]));
        fake.wait_for("POST /v1/objects/a-rsa/sign");
        drop(fake);
        assert_eq!(signing.join().unwrap(), Err(CKR_DEVICE_ERROR));
    });
}

/// Only root can give a socket away; that nobody else's is spoken to is also proved, for every user,
/// by the tests of the client in `cps-api`.
#[test]
fn the_socket_of_another_user_is_not_spoken_to() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let refused = chown(&fake.socket, Some(12345), None);
    assert_eq!(refused.is_ok(), rustix::process::geteuid().is_root());
    assert_eq!(host.slots(true).is_empty(), refused.is_ok());
    assert_eq!(fake.asked().is_empty(), refused.is_ok());
}
