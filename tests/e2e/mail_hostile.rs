//! Bad input to the mail gateway, from clients and from operators: clear answers, bounded memory, no
//! message lost or sent twice, and everybody else goes on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use cps_emulator::{Holder, Profile};
use cps_tests::mail::{
    Access, Deed, Dovecot, Login, Office, Operator, Point, Saboteur, Talk, address,
};
use cps_tests::{InsertedCard, until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const GOOD: &str = "alix.exemple@medecin.test.mssante.fr";
const BAD: &str = "alix.exemple@sabotage.test.mssante.fr";

/// What no mail client sends, before the login, in both protocols.
#[test]
fn what_clients_should_not_send_is_answered_and_bounded() {
    let (mut office, _card) = office("");
    let access = office.add(GOOD);
    let (mut imap, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    let before = office.practice.cpsd.peer().memory("VmRSS");

    let megabyte = vec![b'A'; 1024 * 1024];
    for address in [access.imap.address, access.smtp.address] {
        // A line without an end; bytes of no protocol; commands and commands.
        let told = shout(address, &megabyte.repeat(16));
        assert!(told.lines().count() <= 3, "{told}");
        shout(address, &[0; 100_000]);
        shout(address, &b"\0\r\n\xff\xfe\r\n".repeat(20_000));
        let told = shout(address, &b"a NOOP\r\n".repeat(100_000));
        assert!(told.lines().count() < 200, "{}", told.len());
    }
    // A literal that would fill the memory.
    let told = shout(access.imap.address, b"a LOGIN {4294967295}\r\n");
    assert!(told.contains("a BAD") || told.contains("a NO"), "{told}");
    let told = shout(access.imap.address, b"a LOGIN {1000000+}\r\nAAAA");
    assert!(told.contains("BAD") || told.contains("BYE"), "{told}");
    // A base64 line without an end.
    let told = shout(
        access.smtp.address,
        &[b"AUTH PLAIN ".as_slice(), &megabyte].concat(),
    );
    assert!(told.contains("\n500 5.5.6 "), "{told}");
    // A client that speaks TLS gets an alert, and no words.
    for address in [access.imap.address, access.smtp.address] {
        let told = shout(address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
        assert!(told.contains("\x15\x03\x01\0\x02\x02"), "{told:?}");
    }
    // A page in a browser.
    let told = shout(
        access.smtp.address,
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nHELO x\r\n",
    );
    assert!(
        told.contains("\n421 ") && !told.contains("\n250 "),
        "{told}"
    );

    let after = office.practice.cpsd.peer().memory("VmRSS");
    assert!(after < before + ALLOWANCE, "{before} bytes became {after}");
    assert!(imap.imap_answer("NOOP").starts_with("OK"));
}

/// An operator that says anything at all, at any point: its mailbox is unavailable, with words for a
/// person, and never because of the password. The other operator's goes on.
#[test]
fn an_operator_that_breaks_the_rules_harms_its_own_mailbox_only() {
    let (mut office, _card) = office("");
    let (good, bad) = (office.add(GOOD), office.add(BAD));
    let (mut imap, answer) = good.read();
    assert!(answer.starts_with("OK"), "{answer}");
    let before = office.practice.cpsd.peer().memory("VmRSS");
    for deed in [Deed::Garbage, Deed::Flood, Deed::Leave] {
        for point in [
            Point::Greeting,
            Point::Extensions,
            Point::Consent,
            Point::Handshake,
            Point::ExtensionsInTls,
            Point::Login,
        ] {
            office.servers.1.plan(Some((point, deed)));
            let (mut talk, answer) = bad.read();
            // Over IMAP nobody asks in the clear what it can do.
            let unavailable = match point {
                Point::Extensions => answer.starts_with("OK"),
                _ => [
                    "NO [UNAVAILABLE] ",
                    "NO [CONTACTADMIN] ",
                    "NO [AUTHORIZATIONFAILED] ",
                ]
                .iter()
                .any(|begin| answer.starts_with(begin)),
            };
            assert!(unavailable, "{point:?} {deed:?}: {answer}");
            // The client's connection is kept.
            assert!(
                talk.imap_answer("NOOP").starts_with("OK"),
                "{point:?} {deed:?}"
            );
            let (mut talk, answer) = bad.send();
            assert!(
                answer.starts_with("454 4.7."),
                "{point:?} {deed:?}: {answer}"
            );
            assert!(talk.smtp("NOOP").starts_with("250 "), "{point:?} {deed:?}");
        }
        assert!(imap.imap_answer("NOOP").starts_with("OK"), "{deed:?}");
    }
    office.servers.1.plan(None);
    let (mut talk, answer) = bad.send();
    assert!(answer.starts_with("235 "), "{answer}");
    for deed in [Deed::Garbage, Deed::Flood, Deed::Leave] {
        office.servers.1.plan(Some((Point::Session, deed)));
        talk.send("NOOP\r\n");
        let said = talk.line();
        assert!(
            said.as_ref()
                .is_some_and(|line| line.starts_with("421 4.3.2 ")),
            "{deed:?}: {said:?}"
        );
        assert_eq!(talk.line(), None, "{deed:?}");
        office.servers.1.plan(None);
        let answer;
        (talk, answer) = bad.send();
        assert!(answer.starts_with("235 "), "{deed:?}: {answer}");
    }
    let after = office.practice.cpsd.peer().memory("VmRSS");
    assert!(after < before + ALLOWANCE, "{before} bytes became {after}");
    assert!(imap.imap_answer("NOOP").starts_with("OK"));
    assert_eq!(office.practice.pinentry.dialogs(), 1);
}

/// Wherever the operator is lost, the client hears 250 for a message exactly if the operator has it.
#[test]
fn a_message_is_sent_whole_or_not_at_all() {
    let (office, _card) = office("");
    let access = office.add(BAD);
    let saboteur = &office.servers.1;
    for deed in [Deed::Leave, Deed::Garbage] {
        for (point, code) in [
            (Point::Sender, "421"),
            (Point::Recipient, "421"),
            (Point::Data, "421"),
            (Point::Message, "451"),
        ] {
            saboteur.plan(Some((point, deed)));
            let (mut talk, answer) = access.send();
            assert!(answer.starts_with("235 "), "{answer}");
            let answer = submit(&mut talk, &access);
            assert!(answer.starts_with(code), "{point:?} {deed:?}: {answer}");
            assert!(saboteur.messages().is_empty(), "{point:?} {deed:?}");
        }
    }
    // It took the message, and did not say so: the client is told to look first.
    saboteur.plan(Some((Point::Taken, Deed::Leave)));
    let (mut talk, _) = access.send();
    let answer = submit(&mut talk, &access);
    assert!(
        answer.starts_with("451 4.4.2 L'operateur n'a pas confirme"),
        "{answer}"
    );
    assert_eq!(saboteur.messages().len(), 1);

    saboteur.plan(None);
    let (mut talk, _) = access.send();
    let answer = submit(&mut talk, &access);
    assert_eq!(answer, "250 2.0.0 queued");
    assert_eq!(saboteur.messages().len(), 2);
    assert_eq!(saboteur.messages()[1], MESSAGE.as_bytes());
}

/// A client that is gone before the end of its message has sent nothing.
#[test]
fn a_client_that_leaves_sends_nothing() {
    let (office, _card) = office("");
    let access = office.add(BAD);
    let saboteur = &office.servers.1;
    for cut in [
        "",
        "Subject: x\r\n",
        "Subject: x\r\n\r\nhalf",
        "x\r\n.",
        "x\r\n.\r",
    ] {
        let (mut talk, answer) = access.send();
        assert!(answer.starts_with("235 "), "{answer}");
        begin(&mut talk, &access);
        assert!(talk.smtp("DATA").starts_with("354 "));
        talk.send(cut);
        drop(talk);
        // The next one is complete, and alone.
        let (mut talk, _) = access.send();
        assert_eq!(submit(&mut talk, &access), "250 2.0.0 queued");
    }
    let messages = saboteur.messages();
    assert_eq!(messages.len(), 5);
    assert!(messages.iter().all(|message| message == MESSAGE.as_bytes()));
}

/// A second message hidden in the first (SMTP smuggling) does not get past the gateway.
#[test]
fn a_message_hidden_in_another_is_not_sent() {
    let (office, _card) = office("");
    let access = office.add(BAD);
    for hidden in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r"] {
        let (mut talk, _) = access.send();
        begin(&mut talk, &access);
        assert!(talk.smtp("DATA").starts_with("354 "));
        talk.send(format!(
            "x{hidden}MAIL FROM:<spoofed@medecin.test.mssante.fr>\r\n.\r\n"
        ));
        assert!(talk.reply().starts_with("554 5.6.0 "), "{hidden:?}");
        assert_eq!(talk.line(), None);
    }
    assert!(office.servers.1.messages().is_empty());
}

/// More connections than are served: those that are too many are told so, and nobody else notices.
#[test]
fn ten_thousand_connections_leave_room_for_those_that_are_served() {
    let (mut office, _card) = office(&format!("connections = {SERVED}\n"));
    let access = office.add(GOOD);
    let (mut imap, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    let before = office.practice.cpsd.peer().memory("VmRSS");
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .unwrap();
    // As many at once as this process may hold, until ten thousand have been.
    let at_once = limit.maximum.map_or(10_000, |most| (most / 2).min(10_000));
    let mut opened = 0;
    while opened < 10_000 {
        let crowd: Vec<TcpStream> = (0..at_once)
            .map(|number| {
                let address = [access.imap.address, access.smtp.address][number as usize % 2];
                TcpStream::connect(address).unwrap()
            })
            .collect();
        opened += at_once;
        assert!(imap.imap_answer("NOOP").starts_with("OK"));
        let after = office.practice.cpsd.peer().memory("VmRSS");
        assert!(after < before + ALLOWANCE, "{before} bytes became {after}");
        // Each port is served in order. Behind those that are served, all are too many: they are told
        // so, or just closed.
        let told = rest(crowd.last().unwrap());
        let refused = told.is_empty() || told.starts_with("421 4.7.0 ");
        assert!(refused, "{told}");
        let told = crowd
            .iter()
            .skip(2 * SERVED)
            .find_map(|one| Some(rest(one)).filter(|told| !told.is_empty()));
        let told = told.expect("somebody was told");
        let refused = told.starts_with("421 4.7.0 ") || told.starts_with("* BYE ");
        assert!(refused, "{told}");
    }
    // They have gone: there is room again.
    until("a place", || {
        let greeting = access.imap().line()?;
        greeting.starts_with("* OK").then_some(())
    });
    let (_, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
}

/// A client that asks for a large message again and again, and does not read it.
#[test]
fn a_client_that_never_reads_fills_no_memory() {
    let (mut office, _card) = office("");
    let access = office.add(GOOD);
    let mut large = b"Subject: large\r\n\r\n".to_vec();
    large.extend(
        b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(160_000),
    );
    office
        .mailboxes
        .deliver(address(Holder::CpsMedecin), &large);
    let before = office.practice.cpsd.peer().memory("VmRSS");
    let mut deaf: Vec<Talk> = (0..8)
        .map(|_| {
            let (mut talk, answer) = access.read();
            assert!(answer.starts_with("OK"), "{answer}");
            talk.imap("SELECT INBOX");
            for _ in 0..20 {
                talk.send("f FETCH 1 BODY[]\r\n");
            }
            talk
        })
        .collect();
    // Meanwhile another one reads the whole message.
    let (mut talk, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    talk.imap("SELECT INBOX");
    talk.send("x FETCH 1 BODY[]\r\n");
    let first = talk.line().unwrap();
    assert!(first.contains(&format!("{{{}}}", large.len())), "{first}");
    assert!(talk.bytes(large.len()) == large);
    let after = office.practice.cpsd.peer().memory("VmRSS");
    assert!(after < before + ALLOWANCE, "{before} bytes became {after}");
    // Those that did not read were not cut off either.
    assert!(deaf.iter_mut().all(|talk| talk.line().is_some()));
}

/// How many connections are served in the crowd.
const SERVED: usize = 200;

/// What the daemon may grow by, far below what is sent to it.
const ALLOWANCE: u64 = 48 * 1024 * 1024;

const MESSAGE: &str = "Subject: x\r\n\r\n..a dot\r\nbody\r\n";

/// A practice with an operator that works and one that does not.
fn office(more: &str) -> (Office<(Dovecot, Saboteur)>, InsertedCard) {
    let office = Office::with(more, |ground| {
        let dovecot = ground.dovecot("card", Login::Card);
        let saboteur = Saboteur::start(ground.pki, &ground.identity);
        let operators = vec![
            Operator::dovecot("medecin.test.mssante.fr", &dovecot),
            Operator::at("sabotage.test.mssante.fr", saboteur.imap(), saboteur.smtp()),
        ];
        ((dovecot, saboteur), operators)
    });
    let practice = &office.practice;
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4));
    (office, card)
}

/// Begins a message and gives the last answer.
fn begin(talk: &mut Talk, access: &Access) -> String {
    let answer = talk.smtp(&format!("MAIL FROM:<{}>", access.smtp.user));
    match answer.starts_with("250 ") {
        true => talk.smtp("RCPT TO:<anne.martin@infirmier.test.mssante.fr>"),
        false => answer,
    }
}

/// Sends a message as far as it goes and gives the last answer.
fn submit(talk: &mut Talk, access: &Access) -> String {
    let answer = begin(talk, access);
    if !answer.starts_with("250 ") {
        return answer;
    }
    let answer = talk.smtp("DATA");
    if !answer.starts_with("354 ") {
        return answer;
    }
    talk.send(MESSAGE);
    talk.send(".\r\n");
    talk.reply()
}

/// Sends bytes to a fresh connection, until it is closed or nothing more can be sent, and gives what
/// is said.
fn shout(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut writer = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // The gateway may close in the middle: that is an answer.
            let _ = writer.write_all(bytes);
            let _ = writer.shutdown(std::net::Shutdown::Write);
        });
        let mut told = Vec::new();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // What was said counts, even if the end is a reset.
        let _ = stream.read_to_end(&mut told);
        String::from_utf8_lossy(&told).into_owned()
    })
}

/// What is said on a connection until its end.
fn rest(mut stream: &TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut told = Vec::new();
    // Closed with what it sent unread, a connection may end in a reset.
    let _ = stream.read_to_end(&mut told);
    String::from_utf8_lossy(&told).into_owned()
}

const PATIENCE: Duration = Duration::from_secs(30);
