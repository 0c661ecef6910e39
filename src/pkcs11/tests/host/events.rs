//! `C_WaitForSlotEvent`.

use std::ptr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cryptoki_sys::*;

use crate::fake::{Fake, token};
use crate::host::{Host, call};

fn wait(host: &Host, flags: CK_FLAGS) -> Result<CK_SLOT_ID, CK_RV> {
    let mut slot = CK_SLOT_ID::MAX;
    match call!(
        host,
        C_WaitForSlotEvent,
        flags,
        &raw mut slot,
        ptr::null_mut()
    ) {
        CKR_OK => Ok(slot),
        error => Err(error),
    }
}

#[test]
fn each_change_is_told_once() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    assert_eq!(wait(&host, CKF_DONT_BLOCK), Err(CKR_NO_EVENT));
    fake.show(vec![token("1", "a", true), token("2", "b", true)]);
    assert_eq!(wait(&host, CKF_DONT_BLOCK), Ok(0));
    assert_eq!(wait(&host, CKF_DONT_BLOCK), Ok(1));
    assert_eq!(wait(&host, CKF_DONT_BLOCK), Err(CKR_NO_EVENT));
    fake.show(vec![token("1", "c", true), token("2", "b", true)]);
    assert_eq!(wait(&host, CKF_DONT_BLOCK), Ok(0));
    // News that changes nothing here.
    fake.set(|_| ());
    assert_eq!(wait(&host, CKF_DONT_BLOCK), Err(CKR_NO_EVENT));
    // A daemon that goes takes no card out.
    drop(fake);
    assert_eq!(wait(&host, CKF_DONT_BLOCK), Err(CKR_NO_EVENT));
}

/// The first answer of a thread that waits, given what happens meanwhile.
fn woken_by(host: &Host, happens: impl FnOnce()) -> Result<CK_SLOT_ID, CK_RV> {
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || tell.send(wait(host, 0)));
        // Nothing happens, so nothing is told, however fast this machine is.
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
        happens();
        told.recv_timeout(LONG).unwrap_or_else(|_| {
            call!(host, C_Finalize, ptr::null_mut());
            panic!("nothing woke the thread that waits");
        })
    })
}

#[test]
fn an_insertion_wakes_who_waits() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    assert_eq!(
        woken_by(&host, || fake.show(vec![token("1", "a", true)])),
        Ok(0)
    );
    assert_eq!(woken_by(&host, || fake.show(Vec::new())), Ok(0));
}

#[test]
fn a_change_that_another_thread_saw_first_wakes_who_waits() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    let seen = woken_by(&host, || {
        fake.show(vec![token("1", "a", true)]);
        assert_eq!(host.slots(true), [0]);
    });
    assert_eq!(seen, Ok(0));
}

#[test]
fn a_daemon_that_appears_wakes_who_waits() {
    let host = Host::start();
    let socket = host.socket();
    let mut daemon = None;
    let appears = || {
        // Its folder is made as well, step by step.
        let fake = Fake::start(&socket);
        fake.show(vec![token("1", "a", true)]);
        daemon = Some(fake);
    };
    assert_eq!(woken_by(&host, appears), Ok(0));
    // Another one, started while the card was changed.
    let again = || {
        daemon = None;
        let fake = Fake::start(&socket);
        fake.show(vec![token("2", "b", true)]);
        daemon = Some(fake);
    };
    assert_eq!(woken_by(&host, again), Ok(0));
}

#[test]
fn a_card_that_could_not_be_listed_comes_without_news() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.set(|objects| objects.complete = false);
    fake.show(vec![token("1", "a", true)]);
    assert_eq!(wait(&host, 0), Ok(0));
    let listed = || {
        fake.set_silently(|objects| {
            objects.complete = true;
            objects.tokens.push(token("2", "b", true));
        });
    };
    assert_eq!(woken_by(&host, listed), Ok(1));
    // All are there: nobody is asked any more.
    fake.asked();
    assert_eq!(host.slots(true), [0, 1]);
    assert_eq!(fake.asked(), Vec::<String>::new());
}

#[test]
fn finalisation_wakes_who_waits() {
    let host = Host::start();
    let finalised = || assert_eq!(call!(host, C_Finalize, ptr::null_mut()), CKR_OK);
    assert_eq!(
        woken_by(&host, finalised),
        Err(CKR_CRYPTOKI_NOT_INITIALIZED)
    );
    // NSS cancels a wait so, and goes on at once.
    assert_eq!(host.initialize(), CKR_OK);
    let fake = Fake::start(&host.socket());
    let finalised = || assert_eq!(call!(host, C_Finalize, ptr::null_mut()), CKR_OK);
    assert_eq!(
        woken_by(&host, finalised),
        Err(CKR_CRYPTOKI_NOT_INITIALIZED)
    );
    drop(fake);
}

const LONG: Duration = Duration::from_secs(30);
