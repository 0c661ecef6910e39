//! One Thunderbird with an account at each operator that it can meet.

use cps_emulator::{Holder, Profile};
use cps_tests::mail::{Access, Operators, address};
use cps_tests::{Thunderbird, artefact, until};

/// PKCS#1 signatures only: TLS 1.2 everywhere, also at operators that would speak TLS 1.3.
#[test]
fn thunderbird_reads_and_sends_at_every_operator_with_a_cps3() {
    everywhere(Profile::Cps3);
}

/// PSS as well: TLS 1.3 wherever the operator speaks it, TLS 1.2 where it does not.
#[test]
fn thunderbird_reads_and_sends_at_every_operator_with_a_cps4() {
    let picture = everywhere(Profile::Cps4);
    artefact("Thunderbird-operators.png", &picture);
}

/// Each account shows its message as it is, and what is sent from it arrives as it is, under its
/// name. Returns a picture of the last message that was read.
fn everywhere(profile: Profile) -> Vec<u8> {
    let office = Operators::office();
    let practice = &office.practice;
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, profile));
    let sandbox = &practice.sandbox;
    let mut accounts: Vec<Access> = Vec::new();
    for mailbox in Operators::mailboxes(profile) {
        let inbox = office.servers.prepare(sandbox, &mailbox);
        office
            .mailboxes
            .deliver(inbox, message(&mailbox).as_bytes());
        accounts.push(office.add(&mailbox));
    }
    let folder = Thunderbird::mail_profile_of(sandbox, &accounts);
    let mut thunderbird = Thunderbird::start(sandbox, &folder);
    for access in &accounts {
        thunderbird.keep_passwords(access);
    }

    for access in &accounts {
        let mailbox = &access.imap.user;
        thunderbird.choose_account(access);
        let text = thunderbird.open_message(&format!("Résultats pour {mailbox}"));
        let wanted = format!("Rien à signaler pour {mailbox}.");
        assert!(text.contains(&wanted), "{mailbox}: {text}");
    }
    let picture = thunderbird.picture();

    let to = address(Holder::CpsInfirmier);
    for (sent, access) in accounts.iter().enumerate() {
        let mailbox = &access.smtp.user;
        let subject = format!("Message de {mailbox}");
        let body = format!("Merci.\r\n.\r\nÀ bientôt, depuis {mailbox}.\r\n");
        thunderbird.choose_account(access);
        thunderbird.compose(to, &subject, &body);
        thunderbird.send();
        let message = until(&format!("the message from {mailbox}"), || {
            office.mailboxes.messages(to).into_iter().nth(sent)
        });
        let message = String::from_utf8(message).unwrap();
        for field in [
            format!("From: Alix EXEMPLE <{mailbox}>"),
            format!("To: {to}"),
            format!("Subject: {subject}"),
        ] {
            let found = message.contains(&format!("\r\n{field}\r\n"));
            assert!(found, "{field} is missing in {message}");
        }
        assert!(message.ends_with(&format!("\r\n\r\n{body}")), "{message}");
    }

    assert_eq!(thunderbird.dialogs(), [""; 0]);
    assert_eq!(practice.pinentry.pins_asked(), 1, "one PIN for all of it");
    office.servers.assert_newest_tls(profile);
    picture
}

fn message(mailbox: &str) -> String {
    format!(
        "From: Laboratoire d'essai <labo@labo.test.mssante.fr>\r\n\
         To: Alix EXEMPLE <{mailbox}>\r\n\
         Subject: =?utf-8?Q?R=C3=A9sultats?= pour {mailbox}\r\n\
         Date: Mon, 5 Jan 2026 09:00:00 +0100\r\n\
         Message-ID: <{mailbox}>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n\
         Rien à signaler pour {mailbox}.\r\n"
    )
}
