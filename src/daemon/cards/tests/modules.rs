//! Tokens of PKCS#11 modules among the cards; the modules are imitated.

use std::sync::{Mutex, MutexGuard};

use cps_emulator::{Fault, FaultPlan, Pki};
use cps_verify::Scheme;
use zeroize::Zeroizing;

use super::*;
use crate::modules::protocol::{Certificate, Key, Reason, TokenId, TokenInfo};
use crate::modules::{Driver, HostError};
use crate::prompt::LockedBuffer;
use crate::token::{KeyRole, PinEntry};

#[tokio::test]
async fn a_token_is_a_card_with_and_without_the_reader_service() {
    let module = Imitated::with(Holder::CpsInfirmier);
    let mut rig = Rig::with(None, options(&module, Prefer::Native));
    let token = found(&rig, "soft:0042").await;
    assert_eq!(token.kind, CardKind::Module("soft".into()));
    assert_eq!(token.certificates.len(), 2);
    assert_eq!(rig.cards.find(None).unwrap().id, token.id);

    // Another card: whoever names none must choose.
    rig.slot.insert(card(Profile::Cps3));
    rig.wait(|event| matches!(event, Event::CardReady { card, .. } if *card != token.id))
        .await;
    let native = Holder::CpsMedecin.serial();
    let choice = vec![token.id.serial.clone(), native.clone()];
    let Err(CardsError::Ambiguous(mut serials)) = rig.cards.find(None) else {
        panic!("two cards, and none was named");
    };
    serials.sort_by_key(|serial| !serial.contains(':'));
    assert_eq!(serials, choice);
    assert_eq!(rig.cards.find(Some(&native)).unwrap().id.serial, native);

    rig.readers.stop_service();
    rig.wait(|event| *event == Event::ServiceStopped).await;
    assert_eq!(rig.cards.find(None).unwrap().id, token.id);
    rig.run(&token, |token| token.schemes(KeyRole::Signature))
        .await
        .expect("it needs no reader service");
}

#[tokio::test]
async fn one_card_seen_twice_is_driven_by_whoever_is_preferred() {
    for (prefer, shown) in [(Prefer::Native, false), (Prefer::Module, true)] {
        let module = Imitated::with(Holder::CpsMedecin);
        module.state().present = false;
        let mut rig = Rig::with(None, options(&module, prefer));
        quiet(&rig).await;
        module.state().present = true;
        rig.slot.insert(card(Profile::Cps3));
        let Event::CardReady { card, .. } = rig
            .wait(|event| matches!(event, Event::CardReady { .. }))
            .await
        else {
            unreachable!("it was waited for");
        };
        agreed(&rig, &card).await;
        let cards = rig.cards.cards();
        assert_eq!(cards.len(), 1, "{cards:?}");
        assert_eq!(cards[0].id, card);
        assert_eq!(matches!(cards[0].kind, CardKind::Module(_)), shown);

        // Taken out of the reader, it is gone whoever drives it.
        module.state().present = false;
        rig.slot.remove();
        rig.wait(|event| matches!(event, Event::CardRemoved { card: Some(_), .. }))
            .await;
        assert!(rig.cards.cards().is_empty());
    }
}

/// A card that is made sense of at the second attempt is still ours.
#[tokio::test]
async fn a_first_attempt_that_fails_gives_no_card_to_a_module() {
    let module = Imitated::with(Holder::CpsMedecin);
    module.state().present = false;
    let mut rig = Rig::with(None, options(&module, Prefer::Native));
    quiet(&rig).await;
    module.state().present = true;
    let mut faulty = card(Profile::Cps3);
    // Where a bad answer ends the attempt: some commands before are asked in another way.
    faulty.arm(FaultPlan::at(8, Fault::Garbage));
    rig.slot.insert(faulty);
    rig.wait(|event| matches!(event, Event::CardUnusable { .. }))
        .await;
    let Event::CardReady { card, .. } = rig
        .wait(|event| matches!(event, Event::CardReady { .. }))
        .await
    else {
        unreachable!("it was waited for");
    };
    agreed(&rig, &card).await;
    let cards = rig.cards.cards();
    assert_eq!(cards.len(), 1, "{cards:?}");
    assert!(matches!(cards[0].kind, CardKind::Cps(_)), "{cards:?}");
}

/// A module that is preferred and then fails for good leaves the card to us, and does not take it
/// back in the middle of its use.
#[tokio::test]
async fn a_card_whose_module_fails_is_driven_natively_until_it_is_taken_out() {
    let module = Imitated::with(Holder::CpsMedecin);
    let mut rig = Rig::with(None, options(&module, Prefer::Module));
    rig.slot.insert(card(Profile::Cps3));
    let token = found(&rig, "soft:0042").await;
    agreed(&rig, &token.id).await;
    module.state().failing = true;
    let lost = rig
        .run(&token, |token| token.tries(PinRole::Pin))
        .await
        .unwrap_err();
    assert!(
        matches!(
            &lost,
            CardsError::Token(TokenError::Module(error)) if error.module() == "soft"
        ),
        "{lost}"
    );
    let native = found(&rig, &Holder::CpsMedecin.serial()).await;
    module.state().failing = false;
    rig.wait(|event| *event == Event::ModuleSearched).await;
    quiet(&rig).await;
    assert_eq!(rig.cards.find(None).unwrap().id, native.id);
}

#[tokio::test]
async fn a_module_that_cannot_be_loaded_keeps_no_card_waiting() {
    let module = Imitated::with(Holder::CpsMedecin);
    module.state().failing = true;
    let mut rig = Rig::with(None, options(&module, Prefer::Module));
    let state = rig.ready(card(Profile::Cps3)).await;
    assert_eq!(state.id.serial, Holder::CpsMedecin.serial());
}

/// The process is lost during an operation: the login with it, not the token.
#[tokio::test]
async fn a_lost_process_costs_one_operation_and_the_login() {
    let module = Imitated::with(Holder::CpsInfirmier);
    let rig = Rig::with(None, options(&module, Prefer::Native));
    let token = found(&rig, "soft:0042").await;
    rig.log_in(&token).await;
    assert!(rig.cards.find(None).unwrap().logged_in);

    module.state().crash_once = true;
    let digest = [1; 32];
    let sign = move |token: &mut dyn Token| {
        token.sign(KeyRole::Authentication, Scheme::Pkcs1Sha256, &digest)
    };
    let lost = rig.run(&token, sign).await;
    assert!(matches!(
        lost,
        Err(CardsError::Token(TokenError::Module(
            HostError::Crashed { .. }
        )))
    ));
    assert!(!rig.cards.find(None).unwrap().logged_in);
    let again = rig.run(&token, sign).await;
    assert_eq!(again, Err(TokenError::PinRequired.into()));
    rig.log_in(&token).await;
    assert_eq!(rig.cards.find(None).unwrap().id, token.id);
}

/// What a module signs is checked against the certificate.
#[tokio::test]
async fn a_signature_that_the_certificate_does_not_confirm_is_not_released() {
    let module = Imitated::with(Holder::CpsInfirmier);
    let rig = Rig::with(None, options(&module, Prefer::Native));
    let token = found(&rig, "soft:0042").await;
    rig.log_in(&token).await;
    let signed = rig
        .run(&token, |token| {
            token.sign(KeyRole::Authentication, Scheme::Pkcs1Sha256, &[1; 32])
        })
        .await;
    assert_eq!(signed, Err(TokenError::SignatureMismatch.into()));
}

#[tokio::test]
async fn a_token_says_how_its_pin_is_entered_and_what_is_at_stake() {
    let module = Imitated::with(Holder::CpsInfirmier);
    let rig = Rig::with(None, options(&module, Prefer::Native));
    let token = found(&rig, "soft:0042").await;
    let stake = |token: &mut dyn Token| {
        let tries = token.tries(PinRole::Pin)?;
        Ok((tries.left, token.may_be_last(&tries)))
    };
    assert_eq!(rig.run(&token, stake).await, Ok((None, false)));
    let wrong = rig
        .run(&token, |token| {
            token.verify(PinRole::Pin, &Pin::from("9999"))
        })
        .await;
    assert_eq!(wrong, Err(TokenError::PinIncorrect { left: None }.into()));
    // It keeps no flag, so the refusal itself counts.
    assert_eq!(rig.run(&token, stake).await, Ok((None, true)));
    module.state().info.final_try = true;
    assert_eq!(rig.run(&token, stake).await, Ok((Some(1), true)));
    module.state().info.locked = true;
    assert_eq!(rig.run(&token, stake).await, Ok((Some(0), false)));

    module.state().info.protected_path = true;
    let at_the_pad = rig
        .run(&token, |token| {
            token.tries(PinRole::Pin)?;
            let entry = token.pin_entry();
            let sent = token.verify(PinRole::Pin, &Pin::from("1234"));
            token.unlock()?;
            let open = token.logged_in();
            token.logout();
            Ok((entry, sent.is_err(), open))
        })
        .await;
    assert_eq!(at_the_pad, Ok((PinEntry::Pad, true, true)));

    module.state().info.login_required = false;
    let opened = rig
        .run(&token, |token| {
            token.tries(PinRole::Pin)?;
            let entry = token.pin_entry();
            token.unlock()?;
            let open = token.logged_in();
            token.logout();
            Ok((entry, open, token.logged_in()))
        })
        .await;
    assert_eq!(opened, Ok((PinEntry::None, true, false)));
}

#[tokio::test]
async fn a_token_that_leaves_takes_its_card_with_it_at_the_next_event() {
    let module = Imitated::with(Holder::CpsInfirmier);
    let mut rig = Rig::with(None, options(&module, Prefer::Native));
    let token = found(&rig, "soft:0042").await;
    module.state().present = false;
    rig.readers.plug(
        "Second reader",
        Arc::new(SlotReader::new(Slot::new("Second reader"))),
    );
    rig.wait(|event| matches!(event, Event::CardRemoved { card: Some(id), .. } if *id == token.id))
        .await;
    let gone = rig.run(&token, |token| token.schemes(KeyRole::Signature));
    assert_eq!(gone.await, Err(CardsError::Removed));
}

fn options(module: &Arc<Imitated>, prefer: Prefer) -> Options {
    Options {
        modules: vec![Module::new("soft", Arc::clone(module) as _)],
        prefer,
        ..Options::default()
    }
}

/// The card of this name, once it is there.
async fn found(rig: &Rig, serial: &str) -> CardState {
    let end = Instant::now() + PATIENCE;
    loop {
        match rig.cards.find(Some(serial)) {
            Ok(card) if card.phase == Phase::Ready => return card,
            other => assert!(Instant::now() < end, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until both have looked: the reader names the card too, in the same way.
async fn agreed(rig: &Rig, card: &CardId) {
    quiet(rig).await;
    let end = Instant::now() + PATIENCE;
    let named = || rig.cards.readers().first()?.card.clone();
    while named().as_ref() != Some(card) {
        assert!(Instant::now() < end, "{:?}", rig.cards.readers());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until no search is under way.
async fn quiet(rig: &Rig) {
    let end = Instant::now() + PATIENCE;
    while rig.cards.is_searching() {
        assert!(Instant::now() < end, "the search does not end");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A module with one token, which takes the PIN 1234 (by itself, if it has a pad) and signs nonsense.
struct Imitated(Mutex<State>);

struct State {
    certificates: Vec<Certificate>,
    /// The next call loses the process.
    crash_once: bool,
    /// The process cannot be started.
    failing: bool,
    info: TokenInfo,
    logged_in: bool,
    present: bool,
}

impl Imitated {
    fn with(holder: Holder) -> Arc<Self> {
        let pki: &Pki = pki();
        let certificate = |id: &str, der| Certificate {
            id: id.to_owned(),
            label: id.to_owned(),
            der,
        };
        Arc::new(Self(Mutex::new(State {
            certificates: vec![
                certificate("01", pki.authentication_der(holder)),
                certificate("02", pki.signature_der(holder)),
                certificate("03", b"no certificate".to_vec()),
            ],
            crash_once: false,
            failing: false,
            info: TokenInfo {
                id: TokenId {
                    slot: 7,
                    serial: "0042".to_owned(),
                },
                label: "token".to_owned(),
                manufacturer: String::new(),
                model: String::new(),
                slot_description: "slot".to_owned(),
                login_required: true,
                protected_path: false,
                pin_min: 4,
                pin_max: 8,
                count_low: false,
                final_try: false,
                locked: false,
                schemes: vec![Scheme::Pkcs1Sha256, Scheme::EcdsaSha256],
                decrypts: true,
            },
            logged_in: false,
            present: true,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panicked in it")
    }

    fn call(&self) -> Result<MutexGuard<'_, State>, HostError> {
        let mut state = self.state();
        let module = "soft".to_owned();
        if state.failing {
            let why = "it does not start".to_owned();
            return Err(HostError::Unavailable { module, why });
        }
        if std::mem::take(&mut state.crash_once) {
            state.logged_in = false;
            let how = "signal 11".to_owned();
            return Err(HostError::Crashed { module, how });
        }
        Ok(state)
    }

    fn of(&self, token: &TokenId) -> Result<MutexGuard<'_, State>, HostError> {
        let state = self.call()?;
        match state.present && *token == state.info.id {
            true => Ok(state),
            false => Err(refused(Reason::TokenGone)),
        }
    }
}

impl Driver for Imitated {
    fn tokens(&self, _: Duration) -> Result<Vec<TokenInfo>, HostError> {
        let state = self.call()?;
        Ok(match state.present {
            true => vec![state.info.clone()],
            false => Vec::new(),
        })
    }

    fn certificates(&self, token: &TokenId, _: Duration) -> Result<Vec<Certificate>, HostError> {
        Ok(self.of(token)?.certificates.clone())
    }

    fn keys(&self, token: &TokenId, _: Duration) -> Result<Vec<Key>, HostError> {
        self.of(token).map(|_| Vec::new())
    }

    fn login(
        &self,
        token: &TokenId,
        pin: Option<LockedBuffer>,
        _: Duration,
    ) -> Result<(), HostError> {
        let mut state = self.of(token)?;
        // At its pad, the person types the right one.
        state.logged_in = match state.info.protected_path {
            true => pin.is_none(),
            false => pin.is_some_and(|pin| pin.bytes() == b"1234"),
        };
        match state.logged_in {
            true => Ok(()),
            false => Err(refused(Reason::PinIncorrect)),
        }
    }

    fn logout(&self, token: &TokenId, _: Duration) -> Result<(), HostError> {
        self.of(token)?.logged_in = false;
        Ok(())
    }

    fn sign(
        &self,
        token: &TokenId,
        _: &str,
        _: Scheme,
        _: &[u8],
        _: Duration,
    ) -> Result<Vec<u8>, HostError> {
        match self.of(token)?.logged_in {
            true => Ok(vec![1; 256]),
            false => Err(refused(Reason::NotLoggedIn)),
        }
    }

    fn decrypt(
        &self,
        token: &TokenId,
        _: &str,
        _: &[u8],
        _: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, HostError> {
        drop(self.of(token)?);
        Err(refused(Reason::Failed))
    }

    fn stop(&self) {
        self.state().failing = true;
    }
}

fn refused(reason: Reason) -> HostError {
    HostError::Refused {
        module: "soft".to_owned(),
        reason,
        text: "refused".to_owned(),
    }
}
