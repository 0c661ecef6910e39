//! What the card does for an hour of mail.

use std::thread;

use cps_emulator::{Holder, Profile};
use cps_tests::mail::{Access, Login, Office, Operator, address};

/// A client keeps several connections, closes and opens them, sends now and then: one PIN, and no
/// more than one signature for each connection to the operator.
#[test]
fn an_hour_of_mail_costs_one_pin() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        assert!(signatures(profile, Login::Card) <= CONNECTIONS);
    }
}

/// A server that breaks off when it is to resume a session is met without one: what breaks off had
/// cost no signature.
#[test]
fn a_server_that_cannot_resume_is_served_all_the_same() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        assert!(signatures(profile, Login::CardManyClients) <= CONNECTIONS);
    }
}

/// The signatures of the card for [`CONNECTIONS`], the first five at once.
fn signatures(profile: Profile, login: Login<'static>) -> u64 {
    let alix = address(Holder::CpsMedecin);
    let (_, domain) = alix.split_once('@').unwrap();
    let office = Office::new(|ground| {
        let dovecot = ground.dovecot("operator", login);
        let operator = Operator::dovecot(domain, &dovecot);
        (dovecot, vec![operator])
    });
    let card = office.practice.card(Holder::CpsMedecin, profile);
    let card = office.practice.insert(0, card);
    let access = office.add(alix);
    card.reset_counters();
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| read(&access));
        }
    });
    for _ in 0..12 {
        read(&access);
    }
    for _ in 0..4 {
        let (_talk, answer) = access.send();
        assert!(answer.starts_with("235"), "{answer}");
    }
    let counters = card.counters();
    assert_eq!(counters.verify, 1, "{profile:?}");
    assert_eq!(office.practice.pinentry.dialogs(), 1, "{profile:?}");
    counters.key_operations
}

fn read(access: &Access) {
    let (_talk, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
}

const CONNECTIONS: u64 = 21;
