//! Thunderbird at the gateway: what a person does with it, how often the card
//! works for it, and what it does when the card is away.

use std::time::Duration;

use cps_emulator::{Holder, Profile};
use cps_tests::mail::{Dovecot, Login, Office, Operator, address};
use cps_tests::{InsertedCard, Practice, Thunderbird, artefact, until, until_within};
use serde_json::{Value, json};

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
    thunderbird.send();
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

/// The card is taken out while Thunderbird is connected. Whoever asks for mail or sends some sees
/// dialogs that say that it failed; closing them leaves the passwords where they are, none is asked
/// for, and the next attempt succeeds once the card is back.
#[test]
fn thunderbird_keeps_its_passwords_while_the_card_is_away() {
    let office = office();
    let card = insert(&office.practice);
    let (alix, camille) = (address(Holder::CpsMedecin), address(Holder::CpsInfirmier));
    let access = office.add(alix);
    let sandbox = &office.practice.sandbox;
    let profile = Thunderbird::mail_profile(sandbox, &access);
    let mut thunderbird = Thunderbird::start(sandbox, &profile);
    thunderbird.keep_passwords(&access);
    let kept = thunderbird.kept_passwords();
    assert_eq!(kept.as_array().map(Vec::len), Some(2), "{kept}");
    thunderbird.get_until("the login", || office.servers.logins().pop());

    let card = card.remove();
    let client = office.practice.cpsd.client();
    until("the end of the sessions", || {
        (client.mail().unwrap().sessions == 0).then_some(())
    });
    let refused = |thunderbird: &mut Thunderbird| thunderbird.dialogs().len();
    thunderbird.get_messages();
    until_within(PATIENCE, "a refusal", || {
        (refused(&mut thunderbird) > 0).then_some(())
    });
    let before = refused(&mut thunderbird);
    thunderbird.compose(camille, "Réponse", "Merci.");
    thunderbird.click_send();
    until_within(PATIENCE, "another refusal", || {
        (refused(&mut thunderbird) > before).then_some(())
    });
    assert_eq!(thunderbird.kept_passwords(), kept);

    let before = office.servers.logins().len();
    let _card = office.practice.insert(0, card);
    thunderbird.send();
    until("the message", || office.mailboxes.messages(camille).pop());
    office.mailboxes.deliver(alix, MESSAGE.as_bytes());
    thunderbird.open_message("Résultats d'analyses");
    assert!(office.servers.logins().len() > before);
    assert_eq!(thunderbird.kept_passwords(), kept);
    // `promptPassword` and the like: it asked for none.
    let dialogs = thunderbird.dialogs();
    let asked = dialogs.iter().any(|dialog| dialog.starts_with("[\"prompt"));
    assert!(!asked, "{dialogs:#?}");
}

/// A person whose Thunderbird knows of the gateway types an address, and nothing else: the settings of
/// a mailbox are the gateway's; of an address that is nobody's here there are none.
#[test]
fn thunderbird_finds_the_gateway_by_address_alone() {
    let office = office();
    let practice = &office.practice;
    let _card = insert(practice);
    let access = office.add(address(Holder::CpsMedecin));
    let profile = Thunderbird::mail_profile(&practice.sandbox, &access);
    let second = "a.exemple@medecin.test.mssante.fr";
    practice.cps(&["mail", "add", second, "--client", "thunderbird"]);
    until("the port of the settings", || {
        practice.json(&["mail", "list"])["autoconfig"]
            .as_str()
            .map(drop)
    });
    practice.cps(&["setup", "mail", "--gateway", "--yes"]);

    let mut thunderbird = Thunderbird::start(&practice.sandbox, &profile);
    // No TLS (0), a password as it is (3).
    let server = |kind: &str, port: u16| json!([kind, "127.0.0.1", port, 0, 3, second]);
    let expected = json!([
        server("imap", access.imap.address.port()),
        server("smtp", access.smtp.address.port()),
    ]);
    assert_eq!(thunderbird.find_settings(second), expected);
    let stranger = thunderbird.find_settings("a.exemple@example.test");
    assert_eq!(stranger, Value::Null);
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

/// How long a loaded machine may take.
const PATIENCE: Duration = Duration::from_secs(90);

const MESSAGE: &str = "From: Laboratoire d'essai <labo@labo.test.mssante.fr>\r\n\
    To: Alix EXEMPLE <alix.exemple@medecin.test.mssante.fr>\r\n\
    Subject: =?utf-8?Q?R=C3=A9sultats_d'analyses?=\r\n\
    Date: Mon, 5 Jan 2026 09:00:00 +0100\r\n\
    Message-ID: <1@labo.test.mssante.fr>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\n\
    Rien à signaler.\r\n";
