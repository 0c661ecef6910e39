//! The fault matrix: each fault, in each operation, at each exchange with the card, through the whole
//! daemon. Every time: an answer that blames the card or the reader, no PIN try lost, and the next
//! operation works.

use std::time::{Duration, Instant};

use cps_api::types::{
    CmsParameters, KeyScheme, ObjectSignRequest, ReaderState, SignatureScheme, TlsSignRequest,
};
use cps_api::{Client, Code, Error, Fault as Blame, Problem};
use cps_emulator::{Fault, FaultPlan, Holder, Profile, VirtualCard};
use cps_tests::{Embedded, until};

#[test]
fn identity_survives_every_fault_on_a_cps3() {
    matrix(Profile::Cps3, Armed::BeforeInsertion, identity);
}

#[test]
fn identity_survives_every_fault_on_a_cps4() {
    matrix(Profile::Cps4, Armed::BeforeInsertion, identity);
}

#[test]
fn login_survives_every_fault_on_a_cps3() {
    matrix(Profile::Cps3, Armed::OnceReady, login);
}

#[test]
fn login_survives_every_fault_on_a_cps4() {
    matrix(Profile::Cps4, Armed::OnceReady, login);
}

#[test]
fn exercises_survive_every_fault_on_a_cps3() {
    matrix(Profile::Cps3, Armed::OnceReady, exercises);
}

#[test]
fn exercises_survive_every_fault_on_a_cps4() {
    matrix(Profile::Cps4, Armed::OnceReady, exercises);
}

#[test]
fn a_document_signature_survives_every_fault_on_a_cps3() {
    matrix(Profile::Cps3, Armed::OnceReady, document);
}

#[test]
fn a_document_signature_survives_every_fault_on_a_cps4() {
    matrix(Profile::Cps4, Armed::OnceReady, document);
}

#[test]
fn a_handshake_signature_survives_every_fault_on_a_cps3() {
    matrix(Profile::Cps3, Armed::OnceReady, handshake);
}

#[test]
fn a_handshake_signature_survives_every_fault_on_a_cps4() {
    matrix(Profile::Cps4, Armed::OnceReady, handshake);
}

#[test]
fn a_key_for_pkcs11_survives_every_fault_on_a_cps3() {
    matrix(Profile::Cps3, Armed::OnceReady, key);
}

#[test]
fn a_key_for_pkcs11_survives_every_fault_on_a_cps4() {
    matrix(Profile::Cps4, Armed::OnceReady, key);
}

/// When the fault begins to count the exchanges.
#[derive(Clone, Copy, PartialEq)]
enum Armed {
    /// The reading of the card belongs to the operation.
    BeforeInsertion,
    /// The card is read; the operation alone is disturbed.
    OnceReady,
}

type Operation = fn(&Client) -> Result<(), Error>;

fn identity(client: &Client) -> Result<(), Error> {
    client.identity(None).map(drop)
}

fn login(client: &Client) -> Result<(), Error> {
    client.login(None).map(drop)
}

fn exercises(client: &Client) -> Result<(), Error> {
    client.exercises(None).map(drop)
}

fn document(client: &Client) -> Result<(), Error> {
    client.sign_cms(
        &CmsParameters::default(),
        &mut &b"contenu"[..],
        &mut Vec::new(),
    )
}

fn handshake(client: &Client) -> Result<(), Error> {
    let request = TlsSignRequest {
        card: None,
        scheme: SignatureScheme::RsaPkcs1Sha256,
        digest: "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=".to_owned(),
        destination: "localhost:443".to_owned(),
    };
    client.tls_sign(&request).map(drop)
}

fn key(client: &Client) -> Result<(), Error> {
    let objects = client.objects()?;
    // A card that cannot be read is not shown.
    let token = objects.tokens.first();
    let token = token.ok_or_else(|| Error::Problem(Box::new(Problem::new(Code::CardMute))))?;
    let request = ObjectSignRequest {
        scheme: KeyScheme::Pkcs1Sha256,
        digest: "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=".to_owned(),
    };
    client.object_sign(&token.keys[0].id, &request).map(drop)
}

const FAULTS: [Fault; 9] = [
    // Slow, but sound: the operation must succeed.
    DELAY,
    Fault::Mute,
    Fault::Remove,
    Fault::Reset,
    Fault::Garbage,
    Fault::Short,
    Fault::Long,
    // No precise diagnosis; security status not satisfied (ISO 7816-4, table 6).
    Fault::Status(0x6F00),
    Fault::Status(0x6982),
];

const DELAY: Fault = Fault::Delay(Duration::from_millis(20));

/// Runs `operation` on a card just inserted, with each fault at each of its exchanges.
fn matrix(profile: Profile, armed: Armed, operation: Operation) {
    let practice = Embedded::with_destinations(&[443]);
    // The reader's own time limit for a card that does not answer.
    practice.slot.set_mute_limit(Duration::from_millis(20));
    let client = practice.client();
    let card = || VirtualCard::new(&practice.pki, Holder::CpsMedecin, profile);
    let insertion = armed == Armed::BeforeInsertion;

    // Without a fault: how many exchanges there are to disturb.
    let begin = |plan: Option<FaultPlan>| {
        until("an empty reader", || {
            client.cards().unwrap().cards.is_empty().then_some(())
        });
        let mut card = card();
        match plan {
            Some(plan) if insertion => card.arm(plan),
            _ => {}
        }
        if insertion {
            practice.slot.insert(card);
            noticed(&practice, &client);
        } else {
            practice.insert(card);
            practice.reset_counters();
            plan.into_iter().for_each(|plan| practice.slot.arm(plan));
        }
    };
    begin(None);
    operation(&client).expect("the operation works without a fault");
    let exchanges = practice.counters().apdus;
    assert!(exchanges > 0);
    practice.remove();

    for fault in FAULTS {
        for nth in 1..=exchanges {
            let place = format!("{fault} at exchange {nth} of {exchanges}");
            begin(Some(FaultPlan::at(nth.try_into().unwrap(), fault)));
            let start = Instant::now();
            let result = operation(&client);
            let taken = start.elapsed();
            assert!(taken < LIMIT, "{place}: {taken:?}");
            if let Err(error) = result {
                assert_ne!(fault, DELAY, "{place}: {error}");
                let problem = error.to_problem();
                let blamed = [Blame::Card, Blame::Reader].map(Blame::as_str);
                // A card that wrongly says "security status not satisfied" is believed.
                let believed = fault == Fault::Status(0x6982) && problem.code == "pin.required";
                assert!(
                    blamed.contains(&problem.fault.as_str()) || believed,
                    "{place}: {} blames {}: {}",
                    problem.code,
                    problem.fault,
                    problem.detail
                );
            }
            if practice.slot.with_card(|card| card.disarm()).is_none() {
                until("an empty reader", || {
                    client.cards().unwrap().cards.is_empty().then_some(())
                });
                // The same card, with the count of tries it left with.
                let mut card = practice.slot.pick_up().expect("the card that left");
                card.disarm();
                practice.slot.insert(card);
                noticed(&practice, &client);
            }
            // A PIN that the card refused to check is still counted as untouched.
            let tries = practice.slot.with_card(|card| card.pin_tries()).flatten();
            assert_eq!(tries, Some(3), "{place}: a PIN try is lost");
            next_operation(&practice, &client, &place);
            practice.slot.remove();
        }
    }
}

/// Longest that one operation may take, with a fault and on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);

/// Waits until the daemon has seen what was just inserted, or that it left again.
fn noticed(practice: &Embedded, client: &Client) {
    until("the card noticed", || {
        let readers = client.readers().unwrap().readers;
        let seen = readers
            .iter()
            .any(|reader| reader.state != ReaderState::Empty);
        (seen || practice.slot.atr().is_none()).then_some(())
    });
}

/// After a fault while it was read, a card may need to be inserted again; once is enough.
fn next_operation(practice: &Embedded, client: &Client, place: &str) {
    let mut last = handshake(client);
    if last.is_err() {
        let card = practice.slot.remove().expect("a card");
        until("an empty reader", || {
            client.cards().unwrap().cards.is_empty().then_some(())
        });
        practice.slot.insert(card);
        noticed(practice, client);
        last = handshake(client);
    }
    if let Err(error) = last {
        let problem = error.to_problem();
        panic!(
            "{place}: the next operation fails: {}: {}",
            problem.code, problem.detail
        );
    }
}
