//! Mail through the gateway: each client at each operator that it can meet, judged by what arrives
//! and by the operator's log.

use std::path::PathBuf;

use cps_emulator::{Holder, Profile};
use cps_tests::mail::clients::{
    READERS, SENDERS, curl_reads, mbsync_through, msmtp_through, swaks,
};
use cps_tests::mail::{Dovecot, Login, Office, Operator, Operators, SHARED, address};
use cps_tests::{binary, until};

/// PKCS#1 signatures only: TLS 1.2 everywhere, also at operators that would speak TLS 1.3.
#[test]
fn every_client_reads_and_sends_with_a_cps3() {
    everything(Profile::Cps3);
}

/// PSS as well: TLS 1.3 wherever the operator speaks it, TLS 1.2 where it does not.
#[test]
fn every_client_reads_and_sends_with_a_cps4() {
    everything(Profile::Cps4);
}

/// Every client at every operator: the message is read as it is, and what is sent arrives as it is.
fn everything(profile: Profile) {
    let office = Operators::office();
    let practice = &office.practice;
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, profile));
    let sandbox = &practice.sandbox;
    let message = sandbox.write("message", MESSAGE);
    let to = address(Holder::CpsInfirmier);
    let mut sent = 0;
    for mailbox in Operators::mailboxes(profile) {
        let inbox = office.servers.prepare(sandbox, &mailbox);
        if office.mailboxes.messages(inbox).is_empty() {
            office.mailboxes.deliver(inbox, MESSAGE);
        }
        let access = office.add(&mailbox);
        for (name, read) in READERS {
            let ended = read(sandbox, &access.imap);
            assert!(ended.success, "{name} for {mailbox}: {}", ended.said);
            let text = ended.message.unwrap_or_default();
            same(name, &text);
        }
        for (name, send) in SENDERS {
            let ended = send(sandbox, &access.smtp, to, &message);
            assert!(ended.success, "{name} for {mailbox}: {}", ended.said);
            sent += 1;
            let messages = until("the message", || {
                Some(office.mailboxes.messages(to)).filter(|messages| messages.len() == sent)
            });
            same(name, messages.last().unwrap());
        }
    }
    assert_eq!(practice.pinentry.pins_asked(), 1, "one PIN for all of it");
    office.servers.assert_newest_tls(profile);
}

/// The message ends as it was written; above it, operators and clients may put header fields. Line
/// ends become those of the computer in a file.
fn same(client: &str, message: &[u8]) {
    let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let (got, wanted) = (plain(message), plain(MESSAGE));
    let (head, body) = wanted.split_once("\n\n").unwrap();
    assert!(got.ends_with(body), "{client}: {got}");
    for field in head.lines() {
        assert!(
            got.lines().any(|line| line == field),
            "{client}: {field} is missing in {got}"
        );
    }
}

/// A new message shows to a client that waits for it (RFC 2177).
#[test]
fn a_client_that_waits_hears_of_a_new_message() {
    let office = one_operator();
    let _card = insert(&office, Holder::CpsMedecin, 0);
    let access = office.add(address(Holder::CpsMedecin));
    let (mut client, answer) = access.read();
    assert!(answer.starts_with("OK"), "{answer}");
    client.imap("SELECT INBOX");
    client.send("w IDLE\r\n");
    assert_eq!(client.line().as_deref(), Some("+ idling"));
    office
        .mailboxes
        .deliver(address(Holder::CpsMedecin), MESSAGE);
    assert_eq!(client.line().as_deref(), Some("* 1 EXISTS"));
    assert_eq!(client.line().as_deref(), Some("* 1 RECENT"));
    client.send("DONE\r\n");
    let done = client.line().unwrap();
    assert!(done.starts_with("w OK"), "{done}");
}

/// 60 MB, every byte of them.
#[test]
fn a_large_message_arrives_as_it_is() {
    let office = one_operator();
    let _card = insert(&office, Holder::CpsMedecin, 0);
    let own = address(Holder::CpsMedecin);
    let access = office.add(own);
    let mut message = MESSAGE.to_vec();
    let mut number = 0_u64;
    while message.len() < 60_000_000 {
        // Lines that all differ, so that none can be lost or doubled unseen.
        message.extend(
            format!(
                "{number:032x}.{:031x}\r\n",
                number.wrapping_mul(0x9E37_79B9)
            )
            .bytes(),
        );
        number += 1;
    }
    office.mailboxes.deliver(own, &message);
    let ended = curl_reads(&office.practice.sandbox, &access.imap);
    assert!(
        ended.success,
        "{}",
        ended.said.lines().last().unwrap_or_default()
    );
    assert!(ended.message.unwrap() == message, "the message was changed");
}

/// Two people, two cards, two readers: what one sends, the other reads.
#[test]
fn what_one_practitioner_sends_the_other_reads() {
    let office = one_operator();
    let practice = &office.practice;
    let _cards = [
        insert(&office, Holder::CpsMedecin, 0),
        insert(&office, Holder::CpsInfirmier, 1),
    ];
    let access = |holder: Holder| office.add_as(address(holder), false, Some(holder.serial()));
    let [alix, camille] = [Holder::CpsMedecin, Holder::CpsInfirmier].map(access);
    let message = practice.sandbox.write("message", MESSAGE);
    let sent = swaks(&practice.sandbox, &alix.smtp, &camille.imap.user, &message);
    assert!(sent.success, "{}", sent.said);
    let read = curl_reads(&practice.sandbox, &camille.imap);
    assert!(read.success, "{}", read.said);
    let read = read.message.unwrap();
    assert!(
        read.ends_with(MESSAGE),
        "{}",
        String::from_utf8_lossy(&read)
    );
    let users: Vec<_> = office
        .servers
        .logins()
        .iter()
        .map(|line| line.contains(&alix.imap.user))
        .collect();
    assert_eq!(users, [true, false]);
    assert_eq!(practice.pinentry.pins_asked(), 2);
}

/// The operator is told which mailbox is meant beside whose card it is.
#[test]
fn a_shared_mailbox_is_opened_by_its_name() {
    let office = one_operator();
    let _card = insert(&office, Holder::CpsMedecin, 0);
    office.mailboxes.deliver(SHARED, MESSAGE);
    let access = office.add_as(SHARED, true, None);
    let read = curl_reads(&office.practice.sandbox, &access.imap);
    assert_eq!(read.message.as_deref(), Some(MESSAGE), "{}", read.said);
    let login = office.servers.logins().pop().unwrap();
    assert!(login.contains(&format!("user=<{SHARED}>")), "{login}");
}

/// No port at all: `cps tunnel`, and the Unix socket.
#[test]
fn mbsync_and_msmtp_need_no_port() {
    let office = one_operator();
    let _card = insert(&office, Holder::CpsMedecin, 0);
    let own = address(Holder::CpsMedecin);
    let access = office.add(own);
    office.mailboxes.deliver(own, MESSAGE);
    let practice = &office.practice;
    let socket = practice.cpsd.socket().display().to_string();
    let tunnel = format!(
        "Tunnel \"{} --socket {socket} tunnel imap\"\n",
        binary("cps").display()
    );
    let read = mbsync_through(&practice.sandbox, &access.imap, &tunnel);
    assert!(read.success, "{}", read.said);
    same("mbsync", &read.message.unwrap());

    let mail = practice.cpsd.client().mail().unwrap();
    let socket = PathBuf::from(mail.smtp_socket.unwrap());
    let message = practice.sandbox.write("message", MESSAGE);
    let way = format!("host localhost\nsocket {}\n", socket.display());
    let sent = msmtp_through(&practice.sandbox, &access.smtp, own, &message, &way);
    assert!(sent.success, "{}", sent.said);
    let messages = until("the message", || {
        Some(office.mailboxes.messages(own)).filter(|messages| messages.len() == 2)
    });
    same("msmtp", &messages[1]);
}

fn one_operator() -> Office<Dovecot> {
    Office::new(|ground| {
        let dovecot = ground.dovecot("operator", Login::Card);
        let domains = [Holder::CpsMedecin, Holder::CpsInfirmier].map(address);
        let domains = domains.into_iter().chain([SHARED]);
        let domains = domains.map(|address| address.split_once('@').unwrap().1);
        let operators = domains
            .map(|domain| Operator::dovecot(domain, &dovecot))
            .collect();
        (dovecot, operators)
    })
}

fn insert(office: &Office<Dovecot>, holder: Holder, slot: u16) -> cps_tests::InsertedCard {
    let practice = &office.practice;
    practice.insert(slot, practice.card(holder, Profile::Cps4))
}

const MESSAGE: &[u8] = b"From: Laboratoire <labo@labo.test.mssante.fr>\r\n\
    To: Alix EXEMPLE <alix.exemple@medecin.test.mssante.fr>\r\n\
    Subject: =?utf-8?q?R=C3=A9sultats?=\r\n\
    Date: Mon, 5 Jan 2026 09:00:00 +0100\r\n\
    Message-ID: <1@labo.test.mssante.fr>\r\n\
    MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\n\
    .\r\n..\r\n.dot\r\nRien \xC3\xA0 signaler.\r\n";
