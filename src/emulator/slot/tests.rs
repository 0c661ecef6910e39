use std::thread;
use std::time::SystemTime;

use super::*;
use crate::{Fault, Holder, Pki, Profile, Timing};

const READ_SERIAL: [u8; 5] = [0x00, 0xB0, 0x9C, 0x00, 0x0C];
const PATIENCE: Duration = Duration::from_secs(10);

fn card() -> VirtualCard {
    VirtualCard::new(
        &Pki::new(SystemTime::now()),
        Holder::CpsMedecin,
        Profile::Cps3,
    )
}

fn slot() -> Slot {
    let slot = Slot::new("Reader 00");
    slot.insert(card());
    slot
}

#[test]
fn a_waiter_sees_insertion_and_removal() {
    let slot = Slot::new("Reader 00");
    let watcher = slot.clone();
    let waiting = thread::spawn(move || {
        let mut seen = 0;
        while seen < 2 {
            let now = watcher.wait_change(seen, PATIENCE);
            assert!(now > seen, "the wait ends at a change, not at its limit");
            seen = now;
        }
    });
    slot.insert(card());
    slot.remove();
    waiting.join().expect("the watcher saw both");
    assert_eq!(
        slot.wait_change(2, Duration::from_millis(10)),
        2,
        "nothing more happened"
    );
}

#[test]
fn a_connection_dies_with_its_card() {
    let slot = slot();
    let mut connection = slot.connect().expect("a card is there");
    assert!(connection.transmit(&READ_SERIAL).is_ok());
    let card = slot.remove().expect("it was there");
    assert_eq!(
        connection.transmit(&READ_SERIAL),
        Err(TransmitError::Removed)
    );
    slot.insert(card);
    assert_eq!(
        connection.transmit(&READ_SERIAL),
        Err(TransmitError::Removed)
    );
    assert_eq!(connection.reconnect(false), Err(TransmitError::Removed));
    assert!(slot.connect().is_ok());
}

#[test]
fn a_reset_by_others_must_be_accepted() {
    let slot = slot();
    let mut connection = slot.connect().expect("a card is there");
    slot.reset_by_rival();
    assert_eq!(connection.transmit(&READ_SERIAL), Err(TransmitError::Reset));
    assert_eq!(connection.transmit(&READ_SERIAL), Err(TransmitError::Reset));
    connection.reconnect(false).expect("still there");
    assert!(connection.transmit(&READ_SERIAL).is_ok());
}

#[test]
fn disconnecting_with_reset_ends_the_login_of_everybody() {
    let slot = slot();
    let mut mine = slot.connect().expect("a card is there");
    let mut rival = slot.connect().expect("shared");
    mine.transmit(&[0x00, 0x20, 0x00, 0x01, 0x04, 0x31, 0x32, 0x33, 0x34])
        .expect("answers");
    assert_eq!(slot.with_card(|card| card.pin_verified()), Some(true));
    mine.disconnect(true);
    assert_eq!(slot.with_card(|card| card.pin_verified()), Some(false));
    assert_eq!(rival.transmit(&READ_SERIAL), Err(TransmitError::Reset));
}

#[test]
fn removal_interrupts_a_slow_command() {
    let slot = slot();
    slot.with_card(|card| {
        card.set_timing(Timing {
            per_byte: PATIENCE,
            ..Timing::default()
        })
    });
    let mut connection = slot.connect().expect("a card is there");
    let start = Instant::now();
    let waiting = thread::spawn(move || connection.transmit(&READ_SERIAL));
    while slot.counters().is_some_and(|counters| counters.apdus == 0) {
        thread::yield_now();
    }
    slot.remove();
    assert_eq!(waiting.join().expect("ends"), Err(TransmitError::Removed));
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn a_mute_card_times_out_and_speaks_after_a_reset() {
    let slot = slot();
    slot.set_mute_limit(Duration::from_millis(20));
    slot.arm(FaultPlan::at(1, Fault::Mute));
    let mut connection = slot.connect().expect("a card is there");
    assert_eq!(
        connection.transmit(&READ_SERIAL),
        Err(TransmitError::TimedOut)
    );
    assert_eq!(
        connection.transmit(&READ_SERIAL),
        Err(TransmitError::TimedOut)
    );
    connection.reconnect(true).expect("still there");
    assert!(connection.transmit(&READ_SERIAL).is_ok());
}

#[test]
fn faults_remove_and_reset_at_the_nth_command() {
    let slot = slot();
    slot.arm(FaultPlan::at(2, Fault::Reset));
    slot.arm(FaultPlan::at(3, Fault::Remove));
    let mut connection = slot.connect().expect("a card is there");
    assert!(connection.transmit(&READ_SERIAL).is_ok());
    assert_eq!(connection.transmit(&READ_SERIAL), Err(TransmitError::Reset));
    connection.reconnect(false).expect("still there");
    assert_eq!(
        connection.transmit(&READ_SERIAL),
        Err(TransmitError::Removed)
    );
    assert_eq!(slot.atr(), None);
}

#[test]
fn a_transaction_keeps_others_out() {
    let slot = slot();
    let mine = slot.connect().expect("a card is there");
    let rival = slot.connect().expect("shared");
    mine.begin_transaction(PATIENCE).expect("free");
    assert_eq!(
        rival.begin_transaction(Duration::from_millis(10)),
        Err(TransmitError::TimedOut)
    );
    drop(mine);
    rival.begin_transaction(PATIENCE).expect("free again");
}

#[test]
fn a_card_that_a_fault_removed_can_be_picked_up_with_its_memory() {
    let slot = slot();
    assert!(slot.pick_up().is_none(), "the card is in the reader");
    slot.with_card(|card| card.set_pin_tries(2));
    slot.arm(FaultPlan::at(1, Fault::Remove));
    assert_eq!(slot.transmit(&READ_SERIAL), Err(TransmitError::Removed));
    assert!(slot.atr().is_none());
    slot.insert(slot.pick_up().expect("it left"));
    assert_eq!(slot.with_card(|card| card.pin_tries()), Some(Some(2)));
    assert!(slot.pick_up().is_none(), "it is in the reader again");
}
