//! Other programs on the card, and several callers at the queue.

use std::future::ready;
use std::pin::pin;
use std::sync::{Condvar, Mutex};

use cps_emulator::{Fault, FaultPlan};
use futures_util::FutureExt;
use futures_util::future::Either;
use tokio::time::sleep;

use super::operations::sign;
use super::*;
use crate::token::KeyRole;

#[tokio::test]
async fn a_reset_by_another_program_ends_the_login_and_nothing_else() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let mut rig = Rig::new();
        let state = rig.ready(card(profile)).await;
        rig.log_in(&state).await;
        rig.slot.reset_by_rival();
        assert_eq!(
            sign(&rig, &state, KeyRole::Authentication).await,
            Err(CardsError::Token(TokenError::PinRequired)),
            "{profile:?}"
        );
        rig.wait(|event| matches!(event, Event::CardReset { .. }))
            .await;
        rig.wait(|event| matches!(event, Event::Logout { .. }))
            .await;
        rig.log_in(&state).await;
        // An operation that needs no PIN finds the reset, goes on, and tells the end of the login.
        rig.slot.reset_by_rival();
        rig.run(&state, |token| token.card_data()).await.unwrap();
        assert!(!rig.cards.find(None).unwrap().logged_in);
        rig.wait(|event| matches!(event, Event::Logout { .. }))
            .await;
        rig.log_in(&state).await;
        sign(&rig, &state, KeyRole::Authentication).await.unwrap();
        assert_eq!(rig.counters().verify, 3);
    }
}

#[tokio::test]
async fn another_program_may_move_the_card() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    rig.log_in(&state).await;
    for role in [KeyRole::Signature, KeyRole::Authentication] {
        for select in [
            // The MF, the contactless application, the second applet.
            &[0x00, 0xA4, 0x09, 0x0C, 0x02, 0x3F, 0x00][..],
            &[0x00, 0xA4, 0x09, 0x0C, 0x04, 0x3F, 0x00, 0x00, 0x02],
            &[0xA0, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00],
        ] {
            sign(&rig, &state, role).await.unwrap();
            rig.slot.transmit(select).unwrap();
            sign(&rig, &state, role)
                .await
                .unwrap_or_else(|error| panic!("{role} {select:02X?}: {error}"));
        }
    }
}

#[tokio::test]
async fn another_program_may_move_the_card_before_it_decrypts() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    rig.log_in(&state).await;
    let spki = state.certificates[0].certificate.public_key_spki();
    let cryptogram = crate::testing::encrypt(spki, 2, b"a key");
    for select in [
        // The MF, the contactless application, the second applet.
        &[0x00, 0xA4, 0x09, 0x0C, 0x02, 0x3F, 0x00][..],
        &[0x00, 0xA4, 0x09, 0x0C, 0x04, 0x3F, 0x00, 0x00, 0x02],
        &[0xA0, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00],
    ] {
        rig.slot.transmit(select).unwrap();
        let cryptogram = cryptogram.clone();
        let decrypt =
            move |token: &mut dyn Token| token.decrypt(KeyRole::Authentication, &cryptogram);
        let message = rig.run(&state, decrypt).await;
        let message = message.unwrap_or_else(|error| panic!("{select:02X?}: {error}"));
        assert_eq!(**message, *b"a key");
    }
    rig.slot.reset_by_rival();
    let decrypt = move |token: &mut dyn Token| token.decrypt(KeyRole::Authentication, &cryptogram);
    let refused = rig.run(&state, decrypt).await.map(|_| ());
    assert_eq!(refused, Err(CardsError::Token(TokenError::PinRequired)));
}

#[tokio::test]
async fn a_signature_that_does_not_fit_the_cached_certificate_drops_it() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let mut rig = Rig::with(Some(cache.clone()), Options::default());
    let state = rig.ready(card(Profile::Cps3)).await;
    rig.log_in(&state).await;
    sign(&rig, &state, KeyRole::Authentication).await.unwrap();
    rig.cards.shutdown().await;

    // A card with the same serial number and other keys: reissued, or a forged cache.
    let mut other = VirtualCard::new(pki(), Holder::CpsInfirmier, Profile::Cps3);
    assert!(other.set_file(&[0xD003], &serial_file(Holder::CpsMedecin)));
    let mut rig = Rig::with(Some(cache), Options::default());
    let state = rig.ready(other).await;
    assert_eq!(state.id.serial, Holder::CpsMedecin.serial());
    let medecin = state.certificates[0].certificate.subject().to_string();
    rig.log_in(&state).await;
    sign(&rig, &state, KeyRole::Authentication).await.unwrap();
    let state = rig.cards.find(None).unwrap();
    assert!(
        state
            .certificates
            .iter()
            .all(|certificate| certificate.certificate.subject().to_string() != medecin),
        "the certificates are those of the card again"
    );
}

#[tokio::test]
async fn an_expired_certificate_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    for _ in 0..2 {
        let mut rig = Rig::with(Some(cache.clone()), Options::default());
        rig.ready(VirtualCard::new(pki(), Holder::CpsExpired, Profile::Cps3))
            .await;
        assert!(rig.counters().apdus > 2);
        rig.cards.shutdown().await;
    }
}

/// The greedy caller keeps eight operations in the queue, the modest one sends one at a time. So that
/// it is always there to be served, however slow this machine is, the greedy one's operations wait
/// until it has sent its next.
#[tokio::test]
async fn a_greedy_caller_and_a_modest_one_get_the_same() {
    const ROUNDS: u32 = 50;
    #[derive(Default)]
    struct Served {
        begun: bool,
        greedy: u32,
        modest: u32,
        sent: u32,
    }
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    let shared = Arc::new((Mutex::new(Served::default()), Condvar::new()));
    let mut greedy = Vec::new();
    for _ in 0..8 {
        let (cards, id, shared) = (rig.cards.clone(), state.id.clone(), Arc::clone(&shared));
        greedy.push(tokio::spawn(async move {
            loop {
                let shared = Arc::clone(&shared);
                let operation = move |_: &mut dyn Token| {
                    let (served, changed) = &*shared;
                    let absent = |it: &mut Served| it.sent <= it.modest && it.modest < ROUNDS;
                    let mut served = served.lock().unwrap();
                    served.begun = true;
                    let waited = changed.wait_timeout_while(served, PATIENCE, absent);
                    let mut served = waited.unwrap().0;
                    served.greedy += u32::from(served.modest < ROUNDS);
                    Ok(())
                };
                let deadline = Instant::now() + PATIENCE;
                let done = cards.run(&id, CallerKey(0), deadline, operation).await;
                if done.is_err() {
                    return;
                }
            }
        }));
    }
    // The first one waits inside, the others in the queue: the modest caller never has it alone.
    while !shared.0.lock().unwrap().begun {
        tokio::task::yield_now().await;
    }
    for _ in 0..ROUNDS {
        let counter = Arc::clone(&shared);
        let operation = move |_: &mut dyn Token| {
            counter.0.lock().unwrap().modest += 1;
            Ok(())
        };
        let deadline = Instant::now() + PATIENCE;
        let mut sent = pin!(rig.cards.run(&state.id, CallerKey(1), deadline, operation));
        // Now it is in the queue.
        let early = (&mut sent).now_or_never();
        shared.0.lock().unwrap().sent += 1;
        shared.1.notify_all();
        match early {
            Some(done) => done.unwrap(),
            None => sent.await.unwrap(),
        }
    }
    let Served { greedy: served, .. } = *shared.0.lock().unwrap();
    greedy.iter().for_each(|caller| caller.abort());
    assert!(served.abs_diff(ROUNDS) <= 2, "{served} : {ROUNDS}");
}

#[tokio::test]
async fn a_dropped_request_is_not_begun() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let (cards, id) = (rig.cards.clone(), state.id.clone());
    let first = tokio::spawn(async move {
        let deadline = Instant::now() + PATIENCE;
        cards
            .run(&id, CallerKey(1), deadline, move |_| {
                let _ = blocked.recv();
                Ok(())
            })
            .await
    });
    sleep(Duration::from_millis(50)).await;
    let begun = Arc::new(Mutex::new(false));
    let flag = Arc::clone(&begun);
    let waiting = rig.run(&state, move |_| {
        *flag.lock().unwrap() = true;
        Ok(())
    });
    assert!(timeout(Duration::from_millis(50), waiting).await.is_err());
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    rig.run(&state, |token| token.tries(PinRole::Pin))
        .await
        .unwrap();
    assert!(!*begun.lock().unwrap());
}

#[tokio::test]
async fn the_queue_is_bounded_and_has_deadlines() {
    let options = Options {
        queue: Limits {
            per_caller: 1,
            total: 2,
        },
        ..Options::default()
    };
    let mut rig = Rig::with(None, options);
    let state = rig.ready(card(Profile::Cps3)).await;
    let request = |caller, patience, operation: Box<dyn FnOnce() + Send>| {
        let (cards, id) = (rig.cards.clone(), state.id.clone());
        let mut sent = Box::pin(async move {
            let operation = move |_: &mut dyn Token| {
                operation();
                Ok(())
            };
            let deadline = Instant::now() + patience;
            cards.run(&id, CallerKey(caller), deadline, operation).await
        });
        // In the queue from now on, or turned away.
        match (&mut sent).now_or_never() {
            Some(answer) => Either::Left(ready(answer)),
            None => Either::Right(sent),
        }
    };
    let (tell, told) = std::sync::mpsc::channel();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let long = || {
        let (tell, blocked) = (tell.clone(), Arc::clone(&blocked));
        Box::new(move || {
            tell.send(()).unwrap();
            blocked.lock().unwrap().recv().unwrap();
        })
    };
    let first = request(1, PATIENCE, long());
    told.recv_timeout(PATIENCE).unwrap();
    let second = request(1, PATIENCE, Box::new(|| {}));
    let same = request(1, PATIENCE, Box::new(|| {}));
    assert_eq!(same.await, Err(CardsError::QueueFull));
    let other = request(2, PATIENCE, Box::new(|| {}));
    let third = request(3, PATIENCE, Box::new(|| {}));
    assert_eq!(third.await, Err(CardsError::QueueFull));
    release.send(()).unwrap();
    for sent in [first, second, other] {
        assert_eq!(sent.await, Ok(()));
    }
    let first = request(1, PATIENCE, long());
    told.recv_timeout(PATIENCE).unwrap();
    let late = request(1, Duration::from_millis(100), Box::new(|| {}));
    assert_eq!(late.await, Err(CardsError::Deadline { begun: false }));
    release.send(()).unwrap();
    assert_eq!(first.await, Ok(()));
}

#[tokio::test]
async fn another_programs_transaction_is_waited_for_until_the_deadline() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    let rival = rig.slot.connect().unwrap();
    rival.begin_transaction(PATIENCE).unwrap();
    let error = rig
        .cards
        .run(
            &state.id,
            CallerKey(1),
            Instant::now() + Duration::from_millis(100),
            |token| token.tries(PinRole::Pin),
        )
        .await;
    assert_eq!(error, Err(CardsError::Busy));
    rival.end_transaction();
    rig.run(&state, |token| token.tries(PinRole::Pin))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_connection_is_kept_for_the_login_only() {
    let options = Options {
        linger: Duration::from_millis(50),
        ..Options::default()
    };
    let mut rig = Rig::with(None, options);
    let state = rig.ready(card(Profile::Cps3)).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(rig.reader.open_connections(), 0);
    rig.log_in(&state).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(rig.reader.open_connections(), 1);
    sign(&rig, &state, KeyRole::Signature).await.unwrap();
    rig.run(&state, |token| {
        token.logout();
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(rig.reader.open_connections(), 0);
}

#[tokio::test]
async fn a_mute_card_is_given_up_and_taken_back() {
    let options = Options {
        command_limit: Duration::from_millis(200),
        ..Options::default()
    };
    let mut rig = Rig::with(None, options);
    rig.slot.set_mute_limit(Duration::from_millis(900));
    let state = rig.ready(card(Profile::Cps3)).await;
    rig.log_in(&state).await;
    rig.slot.arm(FaultPlan::at(1, Fault::Mute));
    let start = Instant::now();
    let error = sign(&rig, &state, KeyRole::Signature).await;
    assert_eq!(error, Err(CardsError::Mute));
    assert!(
        start.elapsed() < Duration::from_millis(700),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(rig.cards.readers()[0].content, ReaderContent::Mute);
    // The thread is still blocked: the next caller does not wait for it.
    let start = Instant::now();
    let error = rig.run(&state, |token| token.tries(PinRole::Pin)).await;
    assert_eq!(error, Err(CardsError::Mute));
    assert!(start.elapsed() < Duration::from_millis(50));
    rig.wait(|event| matches!(event, Event::Logout { .. }))
        .await;
    // It comes back, the card is reset and read anew.
    rig.wait(|event| matches!(event, Event::CardReady { .. }))
        .await;
    let state = rig.cards.find(None).unwrap();
    assert!(!state.logged_in);
    assert_eq!(rig.slot.with_card(|card| card.pin_verified()), Some(false));
    rig.log_in(&state).await;
    sign(&rig, &state, KeyRole::Signature).await.unwrap();
}

/// EF.SN.ICC of another holder's card.
fn serial_file(holder: Holder) -> Vec<u8> {
    let other = VirtualCard::new(pki(), holder, Profile::Cps3);
    other.file(&[0xD003]).expect("EF.SN").to_vec()
}
