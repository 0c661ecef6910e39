//! From an address to its operator, with a real name server.

use cps_api::types::{MailTls, NewMailbox, OperatorSource};
use cps_api::{Client, Error};
use cps_emulator::{Holder, Profile};
use cps_tests::{Dnsmasq, Practice, Sandbox, Settings};

const RECORDS: &[&str] = &[
    // An operator as RFC 6186 has it. The address is one of documentation (RFC 5737): nobody's.
    "srv-host=_imap._tcp.medecin.mssante.fr,mail.operateur.mssante.fr,143,10",
    "srv-host=_submission._tcp.medecin.mssante.fr,mail.operateur.mssante.fr,587,10",
    "host-record=mail.operateur.mssante.fr,203.0.113.10",
    // One that names this computer.
    "srv-host=_imap._tcp.local.mssante.fr,here.mssante.fr,143",
    "srv-host=_submission._tcp.local.mssante.fr,here.mssante.fr,587",
    "host-record=here.mssante.fr,127.0.0.1",
    // One that names a machine behind the router, among others.
    "srv-host=_imap._tcp.private.mssante.fr,inner.mssante.fr,143",
    "srv-host=_submission._tcp.private.mssante.fr,inner.mssante.fr,587",
    "host-record=inner.mssante.fr,203.0.113.11,fd00::1",
    // One that names a server elsewhere.
    "srv-host=_imap._tcp.hijacked.mssante.fr,mail.attacker.example,143",
    "srv-host=_submission._tcp.hijacked.mssante.fr,mail.attacker.example,587",
    "host-record=mail.attacker.example,203.0.113.12",
];

#[test]
fn an_operator_is_found_by_name_within_the_trust_space_only() {
    let mut server = None;
    let practice = Practice::prepared(|sandbox: &Sandbox, _| {
        let names = server.insert(Dnsmasq::start(sandbox, RECORDS));
        Settings {
            more: format!("[mail]\ndns = [\"{}\"]\n", names.address()),
            ..Settings::default()
        }
    });
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let client = practice.cpsd.client();

    let added = client.add_mailbox(&new("alix@medecin.mssante.fr")).unwrap();
    let mailbox = added.mailbox;
    assert_eq!(mailbox.source, OperatorSource::Dns);
    assert_eq!(mailbox.imap.host, "mail.operateur.mssante.fr");
    assert_eq!((mailbox.imap.port, mailbox.smtp.port), (143, 587));
    assert_eq!(mailbox.imap.tls, MailTls::Starttls);
    assert_eq!(mailbox.national_id, Holder::CpsMedecin.national_id());

    for (address, code) in [
        ("alix@local.mssante.fr", "mail.operator_refused"),
        ("alix@private.mssante.fr", "mail.operator_refused"),
        ("alix@hijacked.mssante.fr", "mail.operator_refused"),
        ("alix@nowhere.mssante.fr", "mail.operator_unknown"),
        ("alix@mssante.fr.example", "mail.domain_not_allowed"),
    ] {
        assert_eq!(refusal(&client, address), code, "{address}");
    }
    let mailboxes = client.mail().unwrap().mailboxes;
    assert_eq!(mailboxes.len(), 1, "nothing is kept of those that failed");
}

fn new(address: &str) -> NewMailbox {
    NewMailbox {
        address: address.to_owned(),
        client: "mbsync".to_owned(),
        shared: false,
        card: None,
    }
}

fn refusal(client: &Client, address: &str) -> String {
    match client.add_mailbox(&new(address)) {
        Err(Error::Problem(problem)) => problem.code,
        other => panic!("{address}: {other:?}"),
    }
}
