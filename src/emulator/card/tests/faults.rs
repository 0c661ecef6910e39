use super::*;

const READ_SERIAL: &str = "00 B0 9C 00 0C";

fn struck(fault: Fault) -> (VirtualCard, Outcome) {
    let mut card = card(Holder::CpsMedecin, Profile::Cps3);
    send(&mut card, "00 20 00 01 04 31 32 33 34");
    card.arm(FaultPlan::at(2, fault));
    send(&mut card, READ_SERIAL);
    let outcome = card.command(&bytes(READ_SERIAL));
    (card, outcome)
}

#[test]
fn each_fault_does_what_it_says() {
    let good = bytes("5A 0A 80 25 00 00 01 90 00 00 01 6F 90 00");
    assert_eq!(struck(Fault::Remove).1, Outcome::Removed);
    assert_eq!(
        struck(Fault::Status(0x6F00)).1,
        Outcome::Answer(vec![0x6F, 0x00], Duration::ZERO)
    );
    let delay = Duration::from_millis(5);
    assert_eq!(
        struck(Fault::Delay(delay)).1,
        Outcome::Answer(good.clone(), delay)
    );
    assert_eq!(
        struck(Fault::Short).1,
        Outcome::Answer(good[..7].to_vec(), Duration::ZERO)
    );
    let Outcome::Answer(long, _) = struck(Fault::Long).1 else {
        panic!("answers")
    };
    assert!(long.len() > 258 && long.ends_with(&good));
    let (_, first) = struck(Fault::Garbage);
    assert_eq!(first, struck(Fault::Garbage).1, "the same every time");
    assert_ne!(first, Outcome::Answer(good, Duration::ZERO));
}

#[test]
fn a_reset_fault_ends_the_login() {
    let (card, outcome) = struck(Fault::Reset);
    assert_eq!(outcome, Outcome::Reset);
    assert!(!card.pin_verified());
}

#[test]
fn a_mute_card_stays_mute_until_powered() {
    let (mut card, outcome) = struck(Fault::Mute);
    assert_eq!(outcome, Outcome::Mute);
    assert_eq!(card.command(&bytes(READ_SERIAL)), Outcome::Mute);
    card.power_on();
    assert!(matches!(
        card.command(&bytes(READ_SERIAL)),
        Outcome::Answer(..)
    ));
}

#[test]
fn a_swallowed_verify_costs_no_try() {
    for fault in [
        Fault::Remove,
        Fault::Reset,
        Fault::Mute,
        Fault::Garbage,
        Fault::Status(0x6F00),
    ] {
        let mut card = card(Holder::CpsMedecin, Profile::Cps3);
        card.arm(FaultPlan::at(1, fault));
        card.command(&bytes("00 20 00 01 04 30 30 30 30"));
        assert_eq!(card.pin_tries(), Some(3), "{fault}");
    }
}

#[test]
fn bytes_and_operations_take_their_time() {
    let mut card = card(Holder::CpsMedecin, Profile::Cps3);
    card.set_timing(Timing {
        per_byte: Duration::from_micros(1100),
        per_key_operation: Duration::from_millis(500),
    });
    let Outcome::Answer(_, delay) = card.command(&bytes(READ_SERIAL)) else {
        panic!("answers")
    };
    assert_eq!(delay, Duration::from_micros(1100) * 19);
    for command in [
        "00 20 00 01 04 31 32 33 34",
        "00 A4 09 0C 04 3F 00 00 01",
        "00 22 41 A4 06 80 01 02 84 01 82",
    ] {
        send(&mut card, command);
    }
    let Outcome::Answer(_, delay) = card.command(&bytes("00 88 00 00 01 5A")) else {
        panic!("answers")
    };
    assert!(delay > Duration::from_millis(500));
}
