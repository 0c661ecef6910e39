//! Sessions of mail clients over a working day: one PIN, cards that come and go, networks that
//! break; and what is written down of them.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use cps_emulator::{Holder, Profile};
use cps_tests::mail::{Dovecot, Ground, Login, Office, Operator, Port, Wire, address};
use cps_tests::{InsertedCard, Sandbox, until};

/// A client opens several connections at once: the person is asked once, with one dialog.
#[test]
fn one_pin_opens_five_connections() {
    let (office, _card) = physician();
    let access = office.add(ALIX);
    let answers: Vec<_> = thread::scope(|scope| {
        let tries: Vec<_> = (0..5).map(|_| scope.spawn(|| access.read().1)).collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(
        answers.iter().all(|answer| answer.starts_with("OK")),
        "{answers:?}"
    );
    assert_eq!(office.practice.pinentry.dialogs(), 1);
    assert_eq!(office.servers.dovecot.logins().len(), 5);
}

/// Row 17: the sessions end with the card, in both protocols; with the card back, the client's next
/// attempt works by itself.
#[test]
fn a_card_that_is_pulled_out_closes_the_sessions_until_it_is_back() {
    let (office, card) = physician();
    let access = office.add(ALIX);
    let (mut imap, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    let (mut smtp, answer) = access.send();
    assert!(answer.starts_with("235"), "{answer}");
    let card = card.remove();
    assert_eq!(
        imap.line().as_deref(),
        Some("* BYE [UNAVAILABLE] Carte retiree : session fermee")
    );
    assert_eq!(imap.line(), None);
    assert_eq!(
        smtp.line().as_deref(),
        Some("421 4.3.2 Carte retiree : session fermee")
    );
    assert_eq!(smtp.line(), None);
    until("the operator's side to end", || {
        (office.servers.wires.iter().all(|wire| wire.open() == 0)).then_some(())
    });

    let _card = office.practice.insert(0, card);
    let (_, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
}

/// The network breaks in the middle: the client sees its connection end, and comes back.
#[test]
fn a_broken_connection_is_opened_again() {
    let (office, _card) = physician();
    let access = office.add(ALIX);
    let (mut imap, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    for wire in &office.servers.wires {
        wire.cut();
    }
    while let Some(line) = imap.line() {
        assert!(line.starts_with("* BYE"), "{line}");
    }
    let (_, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    assert_eq!(office.practice.pinentry.dialogs(), 1);
}

/// Row 33: the address from which the operator was reached is gone (another network, a VPN). Nothing
/// would ever tell the client that its connection is dead.
#[test]
fn sessions_over_an_address_that_is_gone_are_closed() {
    until("an address of the test's own", || {
        Sandbox::network(&format!("add {ELSEWHERE}"));
        TcpListener::bind((ELSEWHERE, 0)).ok()
    });
    let (office, _card) = physician_at(ELSEWHERE);
    let access = office.add(ALIX);
    let (mut imap, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    Sandbox::network(&format!("del {ELSEWHERE}"));
    let farewell = "* BYE [UNAVAILABLE] Session fermee, reconnexion automatique";
    assert_eq!(imap.line().as_deref(), Some(farewell));
    assert_eq!(imap.line(), None);
}

/// The person leaves: the sessions end, and the next one asks for the PIN again.
#[test]
fn a_lock_closes_the_sessions() {
    let (office, _card) = physician();
    let access = office.add(ALIX);
    let (mut imap, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    office.practice.cps(&["lock"]);
    let farewell = imap.line().unwrap();
    assert!(farewell.starts_with("* BYE [UNAVAILABLE]"), "{farewell}");
    assert_eq!(office.practice.pinentry.pins_asked(), 1);
    let (_, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    assert_eq!(office.practice.pinentry.pins_asked(), 2);
}

/// Row 29: an operator may take its time.
#[test]
fn a_slow_operator_is_waited_for() {
    let (office, _card) = physician();
    let access = office.add(ALIX);
    let (mut imap, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    let [wire, _] = &office.servers.wires;
    wire.slow_down(Duration::from_secs(10));
    let asked = Instant::now();
    let answer = imap.imap_answer("NOOP");
    assert!(answer.starts_with("OK"), "{answer}");
    assert!(
        asked.elapsed() >= Duration::from_secs(10),
        "it was not slow"
    );
}

/// Every message sent and every one deleted is in the journal with the operator's answer; no subject
/// is, in any file of the daemon.
#[test]
fn what_was_sent_and_deleted_is_written_down_without_its_subject() {
    let (office, _card) = physician();
    let access = office.add(ALIX);
    let to = address(Holder::CpsInfirmier);
    let (mut smtp, answer) = access.send();
    assert!(answer.starts_with("235"), "{answer}");
    smtp.smtp(&format!("MAIL FROM:<{ALIX}>"));
    smtp.smtp(&format!("RCPT TO:<{to}>"));
    smtp.smtp("DATA");
    smtp.send(format!("Subject: {SECRET}\r\n\r\n{SECRET}\r\n.\r\n"));
    let sent = smtp.reply();
    assert!(sent.starts_with("250"), "{sent}");

    office
        .mailboxes
        .deliver(ALIX, format!("Subject: {SECRET}\r\n\r\nx\r\n").as_bytes());
    let (mut imap, _) = access.read();
    imap.imap("SELECT INBOX");
    imap.imap("FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]");
    imap.imap(&format!("SEARCH SUBJECT {SECRET}"));
    imap.imap("STORE 1 +FLAGS (\\Deleted)");
    let deleted = imap.imap_answer("EXPUNGE");
    assert!(deleted.starts_with("OK"), "{deleted}");

    let client = office.practice.cpsd.client();
    let entries = until("both in the journal", || {
        let entries = client.mail_journal(None, None).unwrap().entries;
        let send = entries.iter().any(|entry| entry.action == "send");
        let delete = entries.iter().any(|entry| entry.action == "delete");
        (send && delete).then_some(entries)
    });
    let of = |action: &str| entries.iter().find(|entry| entry.action == action).unwrap();
    let author = Holder::CpsMedecin.national_id();
    for (entry, protocol, answer) in [(of("send"), "smtp", "250"), (of("delete"), "imap", "OK")] {
        assert_eq!(entry.author.as_deref(), Some(author), "{entry:?}");
        assert_eq!(entry.mailbox.as_deref(), Some(ALIX), "{entry:?}");
        assert_eq!(entry.protocol.as_deref(), Some(protocol), "{entry:?}");
        let said = entry.answer.as_deref().unwrap_or_default();
        assert!(said.starts_with(answer), "{entry:?}");
    }
    // How many recipients, and where: not who.
    let (_, domain) = to.split_once('@').unwrap();
    assert!(of("send").request.contains(domain), "{:?}", of("send"));
    assert!(!of("send").request.contains(to), "{:?}", of("send"));
    assert!(client.verify_mail_journal().unwrap().verified);

    let files = office
        .practice
        .sandbox
        .files_with(SECRET.as_bytes(), &["mail"]);
    assert!(files.is_empty(), "{files:?}");
}

const ALIX: &str = "alix.exemple@medecin.test.mssante.fr";
const SECRET: &str = "Glioblastome";

/// TEST-NET-1 (RFC 5737).
const ELSEWHERE: &str = "192.0.2.1";

struct Servers {
    dovecot: Dovecot,
    /// To its IMAP and its submission.
    wires: [Wire; 2],
}

/// An operator behind wires, and the physician's card in the reader.
fn physician() -> (Office<Servers>, InsertedCard) {
    physician_at("127.0.0.1")
}

/// The same, the operator being reached at this address of the computer.
fn physician_at(host: &str) -> (Office<Servers>, InsertedCard) {
    let office: Office<Servers> = Office::new(|ground| {
        let identity = ground.pki.server(&[host]);
        let ground = Ground {
            identity,
            ..*ground
        };
        let dovecot = ground.dovecot("operator", Login::Card);
        let ports = [Port::Imap, Port::Submission].map(|port| dovecot.port(port));
        let wires = ports.map(|port| Wire::between(host, port));
        let operator = Operator::at("medecin.test.mssante.fr", wires[0].port(), wires[1].port());
        let operator = operator.on(host);
        (Servers { dovecot, wires }, vec![operator])
    });
    let practice = &office.practice;
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4));
    (office, card)
}
