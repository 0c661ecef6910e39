//! Threads, forks and signals of the host program.

use std::ptr;
use std::sync::Barrier;
use std::thread;

use cryptoki_sys::*;

use crate::fake::{Answer, Fake, token};
use crate::host::{Host, call};

#[test]
fn signatures_of_many_threads_wait_for_the_daemon_at_once() {
    const THREADS: usize = 8;
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    fake.hold();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let session = host.open(0).unwrap();
                let key = host.find(session, CKO_PRIVATE_KEY)[0];
                assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
                assert_eq!(host.sign(session, &mut [1]), Ok(vec![7; 256]));
                assert_eq!(call!(host, C_CloseSession, session), CKR_OK);
            });
        }
        fake.release(THREADS);
    });
}

#[test]
fn other_calls_do_not_wait_for_the_person_who_is_asked() {
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
        // In another session, and in the same one.
        let other = host.open(0).unwrap();
        assert_eq!(host.find(other, CKO_PRIVATE_KEY), [key]);
        assert!(host.session_state(session).is_ok());
        assert_eq!(call!(host, C_CloseSession, session), CKR_OK);
        fake.release(1);
        assert_eq!(signing.join().unwrap(), Ok(vec![7; 256]));
    });
}

#[test]
fn threads_may_do_anything_at_any_time() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let begin = Barrier::new(8);
    thread::scope(|scope| {
        for worker in 0..8_u64 {
            let (host, begin, fake) = (&host, &begin, &fake);
            scope.spawn(move || {
                begin.wait();
                for round in 0..30 {
                    match (worker + round) % 8 {
                        0 => {
                            host.initialize();
                        }
                        1 if round % 10 == 0 => {
                            call!(host, C_Finalize, ptr::null_mut());
                        }
                        2 => fake.show(vec![token("1", &round.to_string(), true)]),
                        3 => fake.show(Vec::new()),
                        _ => {
                            let Ok(session) = host.open(round % 4) else {
                                continue;
                            };
                            let _ = host.sign_init(session, CKM_SHA256_RSA_PKCS, round);
                            let _ = host.sign(session, &mut [1]);
                            let _ = host.session_state(session);
                            let _ = host.token_info(0);
                            call!(host, C_CloseSession, session);
                        }
                    }
                }
            });
        }
    });
    host.initialize();
    fake.show(vec![token("1", "end", true)]);
    assert!(!host.slots(true).is_empty());
}

#[test]
fn a_child_begins_anew_whatever_its_parent_was_doing() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    // One thread is in the middle of a question, which the child does not have.
    fake.answer("/v1/objects", Answer::Silence);
    fake.set(|_| ());
    fake.asked();
    thread::scope(|scope| {
        scope.spawn(|| host.slots(true));
        fake.wait_for("GET /v1/objects");
        let environment = host.environment();
        // SAFETY: the child calls the library and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child if it is stuck, which the parent sees.
            unsafe { libc::alarm(30) };
            let failed = in_the_child(&host, session);
            // SAFETY: nothing of the parent is to run on the way out.
            unsafe { libc::_exit(failed) };
        }
        drop(environment);
        assert!(child > 0);
        let mut status = 0;
        // SAFETY: a child of this process.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "exit code {}", libc::WEXITSTATUS(status));
    });
    fake.answer_well();
    fake.set(|_| ());
    // The parent goes on as if nothing had happened.
    assert!(host.session_state(session).is_ok());
}

/// 0, or which step failed. No allocation that could matter, no panic: half of the process is gone.
fn in_the_child(host: &Host, session: CK_SESSION_HANDLE) -> i32 {
    let mut slots = [0; 8];
    let mut count = 8;
    let list = slots.as_mut_ptr();
    let null = ptr::null_mut();
    let steps = [
        call!(host, C_GetSlotList, CK_FALSE, list, &raw mut count) == CKR_CRYPTOKI_NOT_INITIALIZED,
        call!(host, C_CloseSession, session) == CKR_CRYPTOKI_NOT_INITIALIZED,
        call!(host, C_Finalize, null) == CKR_CRYPTOKI_NOT_INITIALIZED,
        call!(host, C_Initialize, null) == CKR_OK,
        call!(host, C_Initialize, null) == CKR_CRYPTOKI_ALREADY_INITIALIZED,
        call!(host, C_CloseSession, session) == CKR_SESSION_HANDLE_INVALID,
        call!(host, C_GetSlotList, CK_FALSE, list, &raw mut count) == CKR_OK,
        count == 4,
        call!(host, C_Finalize, null) == CKR_OK,
    ];
    let failed = steps.iter().position(|done| !done);
    failed.map_or(0, |step| step as i32 + 1)
}

/// A host in C has not told the system that it does not want to die of a closed connection.
#[test]
fn a_daemon_that_hangs_up_kills_no_host() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let environment = host.environment();
    // SAFETY: the child calls the library and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the state of every new process, which Rust's own start changes.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        // SAFETY: ends the child if it is stuck, which the parent sees.
        unsafe { libc::alarm(30) };
        call!(host, C_Initialize, ptr::null_mut());
        let session = host.open(0).unwrap_or_default();
        // Until the daemon hangs up, and then often enough to meet a connection already closed.
        let mut refused = 0;
        while refused < 100 {
            let answered = call!(host, C_Login, session, CKU_USER, ptr::null_mut(), 0);
            refused += i32::from(answered == CKR_DEVICE_ERROR);
            call!(host, C_Logout, session);
        }
        // SAFETY: nothing of the parent is to run on the way out.
        unsafe { libc::_exit(0) };
    }
    drop(environment);
    assert!(child > 0);
    // Only now: the child has its session.
    fake.wait_for("POST /v1/login");
    fake.hang_up();
    let mut status = 0;
    // SAFETY: a child of this process.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
}

/// A program that becomes a service closes every descriptor, whoever's, and opens its own.
#[test]
fn a_descriptor_that_the_host_took_back_is_the_hosts() {
    let host = Host::load();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let environment = host.environment();
    // SAFETY: the child calls the library and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child if it is stuck, which the parent sees.
        unsafe { libc::alarm(30) };
        let failed = with_descriptors_taken_back(&host);
        // SAFETY: nothing of the parent is to run on the way out.
        unsafe { libc::_exit(failed) };
    }
    drop(environment);
    assert!(child > 0);
    let mut status = 0;
    // SAFETY: a child of this process.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "exit code {}", libc::WEXITSTATUS(status));
}

/// 0, or which step failed.
fn with_descriptors_taken_back(host: &Host) -> i32 {
    let null = ptr::null_mut();
    let shown = || {
        let (mut slots, mut count) = ([0; 8], 8);
        let list = slots.as_mut_ptr();
        call!(host, C_GetSlotList, CK_TRUE, list, &raw mut count) == CKR_OK && count == 1
    };
    close_all();
    if call!(host, C_Initialize, null) != CKR_OK || !shown() {
        return 1;
    }
    // Once used by the library again, once only finalised.
    for finalises in [false, true] {
        close_all();
        let pairs = [(); 8].map(|()| pair());
        let used = match finalises {
            false => shown(),
            true => call!(host, C_Finalize, null) == CKR_OK,
        };
        if !used {
            return 2;
        }
        for [one, other] in pairs {
            let mut letter = [0_u8; 1];
            let place = letter.as_mut_ptr().cast();
            // SAFETY: room for one byte; the other end wrote one.
            let read = unsafe { libc::recv(one, place, 1, libc::MSG_DONTWAIT) };
            // SAFETY: a number that is open, or not.
            let open = unsafe { libc::fcntl(other, libc::F_GETFD) };
            if read != 1 || letter != *b"x" || open < 0 {
                return 3 + i32::from(finalises);
            }
        }
    }
    0
}

/// Closes all but the standard descriptors.
fn close_all() {
    // SAFETY: what is open in this child belongs to nobody else.
    let closed = unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    assert_eq!(closed, 0);
}

/// Two connected sockets, each with a byte to read.
fn pair() -> [libc::c_int; 2] {
    let mut pair = [0; 2];
    // SAFETY: room for two.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) };
    assert_eq!(made, 0);
    for end in pair {
        // SAFETY: one byte.
        assert_eq!(unsafe { libc::write(end, b"x".as_ptr().cast(), 1) }, 1);
    }
    pair
}

/// Signals whose handler does not restart what they interrupt, as C programs set them.
#[test]
fn a_call_goes_on_after_a_signal() {
    let host = Host::load();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    fake.hold();
    let environment = host.environment();
    // SAFETY: the child calls the library and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        extern "C" fn nothing(_: libc::c_int) {}
        // SAFETY: a whole structure, with a handler that does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut());
            // Ends the child if it is stuck, which the parent sees.
            libc::alarm(30);
        }
        call!(host, C_Initialize, ptr::null_mut());
        let session = host.open(0).unwrap_or_default();
        let key = host.find(session, CKO_PRIVATE_KEY)[0];
        let begun = host.sign_init(session, CKM_SHA256_RSA_PKCS, key);
        let signed = host.sign(session, &mut [1]) == Ok(vec![7; 256]);
        // SAFETY: nothing of the parent is to run on the way out.
        unsafe { libc::_exit(i32::from(begun != CKR_OK || !signed)) };
    }
    drop(environment);
    assert!(child > 0);
    fake.wait_for("POST /v1/objects/a-rsa/sign");
    for _ in 0..50 {
        // SAFETY: a child of this process.
        assert_eq!(unsafe { libc::kill(child, libc::SIGUSR1) }, 0);
        // A signal that comes before the last one was taken is lost.
        thread::sleep(std::time::Duration::from_millis(1));
    }
    fake.release(1);
    let mut status = 0;
    // SAFETY: a child of this process.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
}
