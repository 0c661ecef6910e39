//! Tokens that go and come back, and the sessions with them.

use std::ptr;

use cps_api::types::ModuleLogin;
use cryptoki_sys::*;

use crate::fake::{Fake, token};
use crate::host::{Host, call, plain, text};

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

/// One card that two readers seem to hold, say.
#[test]
fn tokens_that_look_the_same_are_not_mixed_up() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true), token("1", "b", true)]);
    let sessions = [host.open(0).unwrap(), host.open(1).unwrap()];
    drop(fake);
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "c", true), token("1", "d", true)]);
    for (session, named) in sessions.into_iter().zip(["c", "d"]) {
        let key = host.find(session, CKO_PRIVATE_KEY)[0];
        fake.asked();
        assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
        assert_eq!(host.sign(session, &mut [1]), Ok(vec![7; 256]));
        let question = format!("POST /v1/objects/{named}-rsa/sign");
        assert_eq!(fake.asked(), [question]);
    }
}

#[test]
fn a_key_that_is_hidden_again_is_not_used() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.set(|objects| objects.module.login = ModuleLogin::ProtectedPath);
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    assert!(host.find(session, CKO_PRIVATE_KEY).is_empty());
    let login = || call!(host, C_Login, session, CKU_USER, ptr::null_mut(), 0);
    assert_eq!(login(), CKR_OK);
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    // The end of the daemon's login hides nothing: the daemon asks again when the key is used.
    fake.set(|objects| objects.tokens[0].logged_in = false);
    assert_eq!(host.session_state(session), Ok(CKS_RO_PUBLIC_SESSION));
    assert_eq!(host.find(session, CKO_PRIVATE_KEY), [key]);
    assert_eq!(login(), CKR_OK);
    assert_eq!(host.session_state(session), Ok(CKS_RO_USER_FUNCTIONS));
    assert_eq!(call!(host, C_Logout, session), CKR_OK);
    let refused = host.sign_init(session, CKM_SHA256_RSA_PKCS, key);
    assert_eq!(refused, CKR_USER_NOT_LOGGED_IN);
    let mut attribute = CK_ATTRIBUTE {
        type_: CKA_ID,
        ..Default::default()
    };
    let wanted = &raw mut attribute;
    let hidden = call!(host, C_GetAttributeValue, session, key, wanted, 1);
    assert_eq!(hidden, CKR_OBJECT_HANDLE_INVALID);
}

#[test]
fn a_program_that_closes_its_last_session_is_logged_out() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let closes: [fn(&Host, CK_SESSION_HANDLE) -> CK_RV; 2] = [
        |host, session| call!(host, C_CloseSession, session),
        |host, _| call!(host, C_CloseAllSessions, 0),
    ];
    for close in closes {
        let [one, other] = [host.open(0).unwrap(), host.open(0).unwrap()];
        let null = ptr::null_mut();
        assert_eq!(call!(host, C_Login, one, CKU_USER, null, 0), CKR_OK);
        assert_eq!(call!(host, C_CloseSession, other), CKR_OK);
        assert_eq!(host.session_state(one), Ok(CKS_RO_USER_FUNCTIONS));
        assert_eq!(close(&host, one), CKR_OK);
        let again = host.open(0).unwrap();
        assert_eq!(host.session_state(again), Ok(CKS_RO_PUBLIC_SESSION));
        assert_eq!(call!(host, C_CloseSession, again), CKR_OK);
    }
}

#[test]
fn a_login_for_one_use_needs_a_key_in_use() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    let login = |user| call!(host, C_Login, session, user, ptr::null_mut(), 0);
    assert_eq!(login(CKU_SO), CKR_USER_TYPE_INVALID);
    assert_eq!(login(CKU_CONTEXT_SPECIFIC), CKR_OPERATION_NOT_INITIALIZED);
    let mut mechanism = plain(CKM_RSA_PKCS);
    let begun = call!(host, C_DecryptInit, session, &raw mut mechanism, key);
    assert_eq!(begun, CKR_OK);
    assert_eq!(login(CKU_CONTEXT_SPECIFIC), CKR_OK);
    assert_eq!(call!(host, C_CloseSession, session), CKR_OK);
    let session = host.open(0).unwrap();
    let login = || {
        call!(
            host,
            C_Login,
            session,
            CKU_CONTEXT_SPECIFIC,
            ptr::null_mut(),
            0
        )
    };
    assert_eq!(login(), CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
    assert_eq!(login(), CKR_OK);
}

#[test]
fn a_session_says_whether_it_was_opened_to_write() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let mut writer = 0;
    let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    let null = ptr::null_mut();
    let opened = call!(host, C_OpenSession, 0, flags, null, None, &raw mut writer);
    assert_eq!(opened, CKR_OK);
    let reader = host.open(0).unwrap();
    assert_eq!(host.session_state(writer), Ok(CKS_RW_PUBLIC_SESSION));
    assert_eq!(
        call!(host, C_Login, reader, CKU_USER, null.cast(), 0),
        CKR_OK
    );
    assert_eq!(host.session_state(writer), Ok(CKS_RW_USER_FUNCTIONS));
    assert_eq!(host.session_state(reader), Ok(CKS_RO_USER_FUNCTIONS));
    let info = host.token_info(0).unwrap();
    assert_eq!((info.ulSessionCount, info.ulRwSessionCount), (2, 1));
}
