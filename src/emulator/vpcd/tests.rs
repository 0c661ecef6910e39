//! The test plays the reader: it listens and sends what `vpcd` sends.

use std::net::TcpListener;
use std::time::SystemTime;

use super::*;
use crate::{Fault, FaultPlan, Holder, Pki, Profile};

fn reader() -> (VpcdCard, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let card = VirtualCard::new(
        &Pki::new(SystemTime::now()),
        Holder::CpsMedecin,
        Profile::Cps3,
    );
    let inserted =
        VpcdCard::insert(Arc::new(Mutex::new(card)), &address).expect("somebody listens");
    let (stream, _) = listener.accept().expect("a card was inserted");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("settable");
    (inserted, stream)
}

/// Sends a frame in two writes, as `vpcd` 3.3 does.
fn ask(stream: &mut TcpStream, payload: &[u8]) {
    stream
        .write_all(&(payload.len() as u16).to_be_bytes())
        .expect("connected");
    stream.write_all(payload).expect("connected");
}

fn answer(stream: &mut TcpStream) -> Vec<u8> {
    receive(stream).expect("connected").expect("not closed")
}

const VERIFY: [u8; 9] = [0x00, 0x20, 0x00, 0x01, 0x04, 0x31, 0x32, 0x33, 0x34];

#[test]
fn the_presence_poll_changes_nothing() {
    let (inserted, mut stream) = reader();
    ask(&mut stream, &[POWER_ON]);
    ask(&mut stream, &VERIFY);
    assert_eq!(answer(&mut stream), [0x90, 0x00]);
    ask(&mut stream, &[GET_ATR]);
    assert_eq!(answer(&mut stream)[..4], [0x3B, 0xAC, 0x00, 0x40]);
    assert!(lock(inserted.card()).pin_verified());
    ask(&mut stream, &[RESET]);
    ask(&mut stream, &[GET_ATR]);
    answer(&mut stream);
    assert!(!lock(inserted.card()).pin_verified());
}

#[test]
fn a_thousand_commands_take_less_than_a_second() {
    let (_inserted, mut stream) = reader();
    let start = Instant::now();
    for _ in 0..1000 {
        ask(&mut stream, &[0x00, 0xB0, 0x9C, 0x00, 0x0C]);
        assert_eq!(answer(&mut stream).len(), 14);
    }
    // Without quick acknowledgements: 44 s.
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_removal_fault_closes_the_connection() {
    let (inserted, mut stream) = reader();
    lock(inserted.card()).arm(FaultPlan::at(1, Fault::Remove));
    ask(&mut stream, &VERIFY);
    assert_eq!(receive(&mut stream).expect("closed in order"), None);
    inserted.wait().expect("ended by itself");
}

#[test]
fn dropping_removes_the_card() {
    let (inserted, mut stream) = reader();
    let card = Arc::clone(inserted.card());
    drop(inserted);
    assert_eq!(receive(&mut stream).expect("closed in order"), None);
    assert_eq!(Arc::strong_count(&card), 1, "its thread ended");
}

#[test]
fn removal_does_not_wait_for_a_slow_answer() {
    let (inserted, mut stream) = reader();
    lock(inserted.card()).arm(FaultPlan::at(1, Fault::Delay(Duration::from_secs(60))));
    ask(&mut stream, &VERIFY);
    while lock(inserted.card()).counters().apdus == 0 {
        thread::yield_now();
    }
    let start = Instant::now();
    drop(inserted);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_rivals_reset_is_met_by_the_command() {
    let (inserted, mut stream) = reader();
    ask(&mut stream, &VERIFY);
    answer(&mut stream);
    lock(inserted.card()).arm(FaultPlan::from(1, Fault::Reset));
    // Asks whether the PIN is verified: it is not any more.
    ask(&mut stream, &[0x00, 0x20, 0x00, 0x01, 0x00]);
    assert_eq!(answer(&mut stream), [0x63, 0xC3]);
}
