//! Every fault at every command of every operation: the caller gets an answer, the next operation
//! works, and no PIN try is lost but by a VERIFY that the card really got.

use cps_emulator::{Fault, FaultPlan};
use cps_verify::Scheme;
use tokio::task::JoinSet;

use super::operations::sign;
use super::*;
use crate::token::KeyRole;

const FAULTS: [Fault; 7] = [
    Fault::Garbage,
    Fault::Long,
    Fault::Mute,
    Fault::Remove,
    Fault::Reset,
    Fault::Short,
    Fault::Status(0x6F00),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operation {
    ChangePin,
    Identity,
    Practice,
    SignAuthentication,
    SignSignature,
    Tries,
    Verify,
    VerifyWrong,
}

impl Operation {
    const ALL: [Self; 8] = [
        Self::ChangePin,
        Self::Identity,
        Self::Practice,
        Self::SignAuthentication,
        Self::SignSignature,
        Self::Tries,
        Self::Verify,
        Self::VerifyWrong,
    ];

    fn needs_login(self) -> bool {
        matches!(
            self,
            Self::Practice | Self::SignAuthentication | Self::SignSignature
        )
    }

    async fn run(self, rig: &Rig, state: &CardState) -> Result<(), CardsError> {
        match self {
            Self::ChangePin => {
                rig.run(state, |token| {
                    token.change_pin(&Pin::from("1234"), &Pin::from("4321"))
                })
                .await
            }
            Self::Identity => unreachable!("it is the insertion"),
            Self::Practice => rig.run(state, |token| token.practice()).await.map(drop),
            Self::SignAuthentication => sign(rig, state, KeyRole::Authentication).await.map(drop),
            Self::SignSignature => sign(rig, state, KeyRole::Signature).await.map(drop),
            Self::Tries => rig
                .run(state, |token| token.tries(PinRole::Pin))
                .await
                .map(drop),
            Self::Verify => {
                rig.run(state, |token| {
                    token.verify(PinRole::Pin, &Pin::from("1234"))
                })
                .await
            }
            Self::VerifyWrong => {
                rig.run(state, |token| {
                    token.verify(PinRole::Pin, &Pin::from("9999"))
                })
                .await
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cps3() {
    matrix(Profile::Cps3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cps4() {
    matrix(Profile::Cps4).await;
}

async fn matrix(profile: Profile) {
    let mut cases = JoinSet::new();
    for operation in Operation::ALL {
        let commands = undisturbed(profile, operation).await;
        assert!(commands > 0, "{operation:?}");
        for fault in FAULTS {
            for nth in 1..=commands {
                cases.spawn(case(profile, operation, FaultPlan::at(nth, fault)));
            }
        }
    }
    while let Some(result) = cases.join_next().await {
        if let Err(error) = result {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// How many commands the operation takes.
async fn undisturbed(profile: Profile, operation: Operation) -> u32 {
    let mut rig = Rig::new();
    let state = rig.ready(card(profile)).await;
    if operation == Operation::Identity {
        return rig.counters().apdus as u32;
    }
    if operation.needs_login() {
        rig.log_in(&state).await;
    }
    let before = rig.counters().apdus;
    let result = operation.run(&rig, &state).await;
    assert_eq!(result.is_ok(), operation != Operation::VerifyWrong);
    (rig.counters().apdus - before) as u32
}

async fn case(profile: Profile, operation: Operation, plan: FaultPlan) {
    let name = format!("{profile:?} {operation:?} {plan}");
    let mut rig = Rig::new();
    rig.slot.set_mute_limit(Duration::from_millis(20));
    let mut disturbed = card(profile);
    if operation == Operation::Identity {
        disturbed.arm(plan);
        rig.slot.insert(disturbed);
    } else {
        let state = rig.ready(disturbed).await;
        if operation.needs_login() {
            rig.log_in(&state).await;
        }
        let verified = verifications(&rig);
        rig.slot.arm(plan);
        let result = timeout(PATIENCE, operation.run(&rig, &state)).await;
        let result = result.unwrap_or_else(|_| panic!("{name}: no answer"));
        if plan.fault == Fault::Remove {
            assert!(
                matches!(
                    result,
                    Err(CardsError::Removed | CardsError::Token(TokenError::Removed))
                ),
                "{name}: {result:?}"
            );
        }
        // A CPS4 verifies the old PIN before a change. Commands that a fault struck count as well:
        // from this side nobody knows that they were not carried out.
        let sent = verifications(&rig).saturating_sub(verified);
        assert!(sent <= 1, "{name}: {sent} VERIFY");
    }

    // A card that left is put back; the next operation works.
    if plan.fault == Fault::Remove {
        rig.wait(|event| matches!(event, Event::CardRemoved { .. }))
            .await;
        rig.slot.insert(card(profile));
    } else {
        rig.slot.with_card(|card| card.disarm());
    }
    let state = wait_ready(&rig, &name).await;
    let tries = rig.slot.with_card(|card| card.pin_tries()).flatten();
    let expected = match operation {
        Operation::VerifyWrong if plan.fault != Fault::Remove => 2..=3,
        _ => 3..=3,
    };
    assert!(
        tries.is_some_and(|tries| expected.contains(&tries)),
        "{name}: {tries:?} tries left"
    );
    let result = rig
        .run(&state, move |token| {
            let verified = match (operation, plan.fault) {
                // Whether a change took place whose answer was lost, only the card knows.
                (Operation::ChangePin, fault) if fault != Fault::Remove => token
                    .verify(PinRole::Pin, &Pin::from("4321"))
                    .or_else(|_| token.verify(PinRole::Pin, &Pin::from("1234"))),
                _ => token.verify(PinRole::Pin, &Pin::from("1234")),
            };
            verified?;
            token.sign(KeyRole::Signature, Scheme::Pkcs1Sha256, &[0x5A; 32])
        })
        .await;
    assert!(result.is_ok(), "{name}: then {result:?}");
}

/// How many commands with a PIN reached the card that is inserted.
fn verifications(rig: &Rig) -> usize {
    // The trace hides the data of such a command, and so tells that there was some.
    let is_verify = |command: &str| command.get(3..5) == Some("20") && command.contains("hidden");
    rig.slot
        .with_card(|card| {
            let log = card.log().iter();
            log.filter(|exchange| is_verify(&exchange.command)).count()
        })
        .unwrap_or_default()
}

/// Waits until there is a card that is ready, whether it became so before or after this call.
async fn wait_ready(rig: &Rig, name: &str) -> CardState {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match rig.cards.find(None) {
            Ok(state) if state.phase == Phase::Ready => return state,
            found if Instant::now() > deadline => panic!("{name}: {found:?}"),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
