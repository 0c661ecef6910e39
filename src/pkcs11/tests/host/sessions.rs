//! Tokens that go and come back, and the sessions with them.

use cryptoki_sys::*;

use crate::fake::{Fake, token};
use crate::host::{Host, call, text};

#[test]
fn a_token_keeps_its_slot_and_not_its_sessions() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true), token("2", "b", true)]);
    let (one, two) = (host.open(0).unwrap(), host.open(1).unwrap());
    fake.show(vec![token("2", "b", true)]);
    assert_eq!(host.slots(true), [1]);
    assert_eq!(host.session_state(one), Err(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(host.session_state(two), Ok(CKS_RO_PUBLIC_SESSION));
    // Another card takes the free place; the first one another when it comes back.
    fake.show(vec![token("2", "b", true), token("3", "c", true)]);
    assert_eq!(text(&host.token_info(0).unwrap().serialNumber), "3");
    fake.show(vec![
        token("1", "d", true),
        token("2", "b", true),
        token("3", "c", true),
    ]);
    assert_eq!(text(&host.token_info(2).unwrap().serialNumber), "1");
    fake.show(vec![token("1", "d", true)]);
    fake.show(vec![token("1", "d", true), token("2", "e", true)]);
    assert_eq!(text(&host.token_info(1).unwrap().serialNumber), "2");
    assert_eq!(host.session_state(two), Err(CKR_SESSION_HANDLE_INVALID));
}

#[test]
fn a_card_taken_out_and_put_in_again_between_two_calls_is_another_token() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    fake.show(vec![token("1", "b", true)]);
    assert_eq!(host.session_state(session), Err(CKR_SESSION_HANDLE_INVALID));
    assert!(host.open(0).is_ok());
}

#[test]
fn more_tokens_than_slots_make_more_slots() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    let cards: Vec<_> = (0..6).map(|n| n.to_string()).collect();
    fake.show(cards.iter().map(|card| token(card, card, true)).collect());
    assert_eq!(host.slots(true), [0, 1, 2, 3, 4, 5]);
    fake.show(Vec::new());
    assert!(host.slots(true).is_empty());
    assert_eq!(host.slots(false), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn sessions_close_one_by_one_and_together() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true), token("2", "b", true)]);
    let sessions = [0, 0, 1].map(|slot| host.open(slot).unwrap());
    assert_eq!(host.token_info(0).unwrap().ulSessionCount, 2);
    assert_eq!(call!(host, C_CloseSession, sessions[0]), CKR_OK);
    assert_eq!(
        call!(host, C_CloseSession, sessions[0]),
        CKR_SESSION_HANDLE_INVALID
    );
    assert_eq!(call!(host, C_CloseAllSessions, 0), CKR_OK);
    assert_eq!(
        host.session_state(sessions[1]),
        Err(CKR_SESSION_HANDLE_INVALID)
    );
    assert!(host.session_state(sessions[2]).is_ok());
}

#[test]
fn the_daemon_started_again_goes_on_with_the_same_sessions() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", false)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    assert_eq!(host.sign_init(session, CKM_ECDSA_SHA256, key), CKR_OK);
    let other = host.open(0).unwrap();
    drop(fake);
    // Nobody says that the card was taken out; but nobody signs with it.
    assert_eq!(host.slots(true), [0]);
    assert_eq!(host.session_state(session), Ok(CKS_RO_PUBLIC_SESSION));
    assert_eq!(host.sign_init(other, CKM_ECDSA_SHA256, key), CKR_OK);
    assert_eq!(host.sign(other, &mut [1, 2, 3]), Err(CKR_DEVICE_ERROR));

    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "z", false)]);
    assert_eq!(host.session_state(session), Ok(CKS_RO_PUBLIC_SESSION));
    assert_eq!(host.find(session, CKO_PRIVATE_KEY), [key]);
    // Begun with one daemon, done by the other, which knows the key by another name.
    let signature = host.sign(session, &mut [1, 2, 3]).unwrap();
    assert_eq!((signature[31], signature[63], signature.len()), (1, 2, 64));
    assert!(
        fake.asked()
            .contains(&"POST /v1/objects/z-p256/sign".to_owned())
    );

    // Another card in the place of the first, while nobody looked.
    drop(fake);
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("2", "z", false)]);
    assert_eq!(host.session_state(session), Err(CKR_SESSION_HANDLE_INVALID));
}

#[test]
fn a_daemon_that_reads_the_card_anew_ends_no_session() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true), token("2", "b", true)]);
    let (one, two) = (host.open(0).unwrap(), host.open(1).unwrap());
    let key = host.find(one, CKO_PRIVATE_KEY)[0];
    drop(fake);
    let fake = Fake::start(&host.socket());
    fake.set(|objects| objects.complete = false);
    assert_eq!(host.slots(true), [0, 1]);
    assert_eq!(host.session_state(one), Ok(CKS_RO_PUBLIC_SESSION));
    fake.set(|objects| {
        objects.complete = true;
        objects.tokens = vec![token("1", "c", true)];
    });
    assert_eq!(host.sign_init(one, CKM_SHA256_RSA_PKCS, key), CKR_OK);
    assert_eq!(host.sign(one, &mut [1]), Ok(vec![7; 256]));
    assert_eq!(host.session_state(two), Err(CKR_SESSION_HANDLE_INVALID));
    // This daemon knows its names: another one is another insertion, whatever else is not listed.
    fake.set(|objects| {
        objects.complete = false;
        objects.tokens = vec![token("1", "d", true)];
    });
    assert_eq!(host.session_state(one), Err(CKR_SESSION_HANDLE_INVALID));
}
