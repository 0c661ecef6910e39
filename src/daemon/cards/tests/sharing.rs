//! Other programs on the card, and several callers at the queue.

use std::sync::Mutex;

use cps_emulator::{Fault, FaultPlan};
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

#[tokio::test]
async fn a_greedy_caller_and_a_modest_one_get_the_same() {
    let mut rig = Rig::new();
    let state = rig.ready(card(Profile::Cps3)).await;
    let served = Arc::new(Mutex::new([0u32; 2]));
    let mut callers = Vec::new();
    // The greedy one keeps eight operations in the queue, the modest one sends one at a time.
    for caller in [0, 0, 0, 0, 0, 0, 0, 0, 1] {
        let (cards, id, served) = (rig.cards.clone(), state.id.clone(), Arc::clone(&served));
        callers.push(tokio::spawn(async move {
            loop {
                let deadline = Instant::now() + PATIENCE;
                let operation = |_: &mut dyn Token| {
                    thread::sleep(Duration::from_millis(5));
                    Ok(())
                };
                if cards
                    .run(&id, CallerKey(caller), deadline, operation)
                    .await
                    .is_err()
                {
                    return;
                }
                served.lock().unwrap()[caller as usize] += 1;
            }
        }));
    }
    sleep(Duration::from_millis(1_500)).await;
    callers.iter().for_each(|caller| caller.abort());
    let [greedy, modest] = *served.lock().unwrap();
    assert!(modest > 50, "{modest}");
    let ratio = f64::from(greedy) / f64::from(modest);
    assert!((0.95..=1.05).contains(&ratio), "{greedy} : {modest}");
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
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let request = |caller, deadline, operation: Box<dyn FnOnce() + Send>| {
        let (cards, id) = (rig.cards.clone(), state.id.clone());
        tokio::spawn(async move {
            let deadline = Instant::now() + deadline;
            cards
                .run(&id, CallerKey(caller), deadline, move |_| {
                    operation();
                    Ok(())
                })
                .await
        })
    };
    let long = request(
        1,
        PATIENCE,
        Box::new(move || assert!(blocked.recv().is_ok())),
    );
    sleep(Duration::from_millis(50)).await;
    let late = request(1, Duration::from_millis(100), Box::new(|| {}));
    sleep(Duration::from_millis(20)).await;
    let same = request(1, PATIENCE, Box::new(|| {}));
    assert_eq!(same.await.unwrap(), Err(CardsError::QueueFull));
    let other = request(2, PATIENCE, Box::new(|| {}));
    sleep(Duration::from_millis(20)).await;
    let third = request(3, PATIENCE, Box::new(|| {}));
    assert_eq!(third.await.unwrap(), Err(CardsError::QueueFull));
    assert_eq!(
        late.await.unwrap(),
        Err(CardsError::Deadline { begun: false })
    );
    release.send(()).unwrap();
    assert_eq!(long.await.unwrap(), Ok(()));
    assert_eq!(other.await.unwrap(), Ok(()));
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
