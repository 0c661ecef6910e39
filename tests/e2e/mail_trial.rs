//! `cps mail test`: which of the operator's two servers lets the card in, told to the person.

use cps_emulator::{Holder, Profile};
use cps_tests::TlsVersions;
use cps_tests::mail::{Login, Office, Operator, address};

/// Mail is read at a Dovecot and sent at a Postfix. Both are good; then the first one is down.
#[test]
fn a_trial_tells_the_good_server_from_the_bad_one() {
    let holder = Holder::CpsMedecin;
    let mine = address(holder);
    let mut office = Office::new(|ground| {
        let reading = ground.dovecot("reading", Login::Card);
        let sending = ground.postfix("sending", TlsVersions::Both);
        let domain = mine.split_once('@').unwrap().1;
        let operator = Operator::dovecot(domain, &reading).sending_to(&sending);
        ((reading, sending), vec![operator])
    });
    let card = office.practice.card(holder, Profile::Cps4);
    let _card = office.practice.insert(0, card);
    office.add(mine);
    let trial = |office: &Office<_>| {
        let practice = &office.practice;
        let output = practice
            .cpsd
            .cps(&practice.sandbox, &["mail", "test", mine]);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };

    let good = "✓ Reading (IMAP)\u{a0}: works\n✓ Sending (SMTP)\u{a0}: works\n";
    assert_eq!(trial(&office), (Some(0), good.to_owned()));
    assert_eq!(office.servers.0.logins().len(), 1, "a login, no mere visit");

    office.servers.0.stop();
    let (status, told) = trial(&office);
    assert_eq!(status, Some(1), "{told}");
    let reading = told.lines().next().unwrap();
    assert!(reading.starts_with("✗ Reading (IMAP)\u{a0}: "), "{told}");
    assert!(reading.ends_with("[tls.unreachable]"), "{told}");
    assert!(told.contains("[UNAVAILABLE]"), "{told}");
    assert!(
        told.ends_with("\n✓ Sending (SMTP)\u{a0}: works\n"),
        "{told}"
    );
    // One PIN for both trials.
    assert_eq!(office.practice.pinentry.pins_asked(), 1);
}
