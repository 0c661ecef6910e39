//! Thunderbird at the gateway: what a person does with it, and how often the card works for it.

use cps_emulator::{Holder, Profile};
use cps_tests::mail::{Dovecot, Login, Office, Operator, address};
use cps_tests::{InsertedCard, Practice, Thunderbird, artefact, until};

/// One login, and at most one signature for each connection with the operator.
#[test]
fn thunderbird_reads_and_sends_with_one_login() {
    let office = office();
    let card = insert(&office.practice);
    let (alix, camille) = (address(Holder::CpsMedecin), address(Holder::CpsInfirmier));
    office.mailboxes.deliver(alix, MESSAGE.as_bytes());
    let access = office.add(alix);
    let sandbox = &office.practice.sandbox;
    let profile = Thunderbird::mail_profile(sandbox, &access);
    let mut thunderbird = Thunderbird::start(sandbox, &profile);
    thunderbird.keep_passwords(&access);

    let text = thunderbird.open_message("Résultats d'analyses");
    assert!(text.contains("Rien à signaler."), "{text}");
    artefact("Thunderbird-message.png", &thunderbird.picture());

    let body = "Merci.\r\n.\r\nÀ bientôt, cher confrère.\r\n";
    thunderbird.compose(camille, "Réponse", body);
    thunderbird.click_send();
    thunderbird.sent();
    let sent = until("the message", || office.mailboxes.messages(camille).pop());
    let sent = String::from_utf8(sent).unwrap();
    assert!(
        sent.contains(&format!("From: Alix EXEMPLE <{alix}>\r\n")),
        "{sent}"
    );
    assert!(sent.contains(&format!("To: {camille}\r\n")), "{sent}");
    assert!(sent.ends_with(&format!("\r\n\r\n{body}")), "{sent}");

    let pinentry = &office.practice.pinentry;
    assert_eq!(pinentry.pins_asked(), 1);
    let counters = card.counters();
    assert_eq!(counters.verify, 1);
    let logins = office.servers.logins().len() as u64;
    assert!(
        counters.key_operations <= logins,
        "{counters:?}, {logins} logins"
    );
    assert_eq!(thunderbird.dialogs(), [""; 0]);
}

fn office() -> Office<Dovecot> {
    Office::new(|ground| {
        let dovecot = ground.dovecot("operator", Login::Card);
        let domains = ["medecin.test.mssante.fr", "infirmier.test.mssante.fr"];
        let operators = domains.map(|domain| Operator::dovecot(domain, &dovecot));
        (dovecot, operators.to_vec())
    })
}

fn insert(practice: &Practice) -> InsertedCard {
    practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4))
}

const MESSAGE: &str = "From: Laboratoire d'essai <labo@labo.test.mssante.fr>\r\n\
    To: Alix EXEMPLE <alix.exemple@medecin.test.mssante.fr>\r\n\
    Subject: =?utf-8?Q?R=C3=A9sultats_d'analyses?=\r\n\
    Date: Mon, 5 Jan 2026 09:00:00 +0100\r\n\
    Message-ID: <1@labo.test.mssante.fr>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\n\
    Rien à signaler.\r\n";
