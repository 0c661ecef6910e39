//! `make demo`: the main job, from the card to the other program, on a virtual card.
//!
//! The daemon runs in this process with the virtual card as its reader. Everything else is real:
//! the `cps` command, nginx, openssl, Dovecot, curl. Only loopback, no privileges, nothing left behind.

use std::fs::File;
use std::process::{ExitCode, Output};
use std::time::Instant;

use cps_api::types::{Mail, NewMailPassword};
use cps_emulator::{Holder, Pki, Profile, VirtualCard};
use cps_tests::mail::clients::{self, Account};
use cps_tests::mail::{self, Access, Dovecot, Login, Mailboxes, Operator, Sink, address};
use cps_tests::{Embedded, Nginx, Sandbox, Settings, Site, TlsVersions, openssl, until};

fn main() -> ExitCode {
    let start = Instant::now();
    match std::panic::catch_unwind(demonstrate) {
        Ok(()) => {
            println!(
                "\nDone in {} seconds. Every step above was checked.",
                start.elapsed().as_secs()
            );
            ExitCode::SUCCESS
        }
        // The panic has said what failed.
        Err(_) => ExitCode::FAILURE,
    }
}

fn demonstrate() {
    println!(
        "cpsd: a practitioner's smart card (CPS), lent to programs that know nothing of cards."
    );
    println!(
        "The cards are virtual; nginx, openssl, Dovecot, curl and the cps command are the real ones."
    );

    let site = Site::new(TlsVersions::Both);
    let mut mail = None;
    let practice = Embedded::prepared(|sandbox, pki| {
        let (operator, operators) = Operation::start(sandbox, pki);
        mail = Some(operator);
        Settings {
            destinations: vec![("localhost".to_owned(), site.port)],
            more: operators,
            ..Settings::default()
        }
    });
    let demo = Demo { mail, practice };
    let practice = &demo.practice;
    let identity = practice.pki.server(&["localhost"]);
    let nginx = Nginx::start(
        &practice.sandbox,
        &identity,
        &practice.anchors,
        std::slice::from_ref(&site),
    );

    step("The practitioner inserts a CPS3 card.");
    let holder = Holder::CpsMedecin;
    practice.insert(VirtualCard::new(&practice.pki, holder, Profile::Cps3));
    demo.shown(&["status"]);

    step("Who is it? (No PIN is needed for that.)");
    let shown = demo.shown(&["identity"]);
    assert!(shown.contains(holder.family_name().unwrap_or_default()));
    assert_eq!(practice.pinentry.dialogs(), 0);

    step("A program opens a TLS connection to a server that demands a client certificate.");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let request = practice.sandbox.write("request", request);
    let target = format!("localhost:{}", site.port);
    let output = practice
        .command(&["tunnel", &target])
        .stdin(File::open(request).expect("the request"))
        .output()
        .expect("the cps command");
    checked(&output);
    println!("  $ cps tunnel {target} <request");
    println!("  The daemon asked the practitioner (this demonstration answers by itself):");
    for question in practice.pinentry.questions() {
        indent(question.as_bytes());
        println!();
    }
    // nginx answers first and writes its log afterwards.
    let seen = until("nginx to write its log", || nginx.requests().pop());
    assert_eq!(seen["verify"], "SUCCESS");
    println!(
        "  nginx verified the certificate over {} and knows the practitioner:",
        text(&seen["protocol"])
    );
    println!("    {}", text(&seen["dn"]));

    step("A document is signed. The PIN is not asked again.");
    practice
        .sandbox
        .write("letter.txt", "Cher confrère, merci de votre avis.\n");
    demo.shown(&["sign", "letter.txt", "-o", "letter.p7s"]);
    assert_eq!(practice.pinentry.pins_asked(), 1, "one PIN for both uses");
    let signature = practice.sandbox.join("letter.p7s");
    let letter = practice.sandbox.join("letter.txt");
    let judged = openssl::cms_verify(
        &practice.sandbox,
        &signature,
        Some(&letter),
        &practice.anchors,
    );
    checked(&judged);
    println!("  $ openssl cms -verify -in letter.p7s -content letter.txt");
    println!("    {}", String::from_utf8_lossy(&judged.stderr).trim());

    step("What the card was used for is in the journal, and nobody has changed it.");
    demo.shown(&["journal", "list"]);
    demo.shown(&["journal", "verify"]);

    demo.send_and_read(holder, Holder::CpsInfirmier);

    step("The card is taken out.");
    practice.remove();
    let output = practice.cps(&["identity"]);
    assert_eq!(output.status.code(), Some(1));
    println!("  $ cps identity");
    indent(&output.stderr);
}

struct Demo {
    // Ends before the folder in which it lives.
    mail: Option<Operation>,
    practice: Embedded,
}

/// An MSSanté operator on this computer.
struct Operation {
    _dovecot: Dovecot,
    mailboxes: Mailboxes,
    _sink: Sink,
}

impl Operation {
    /// Starts it; gives the configuration that names it.
    fn start(sandbox: &Sandbox, pki: &Pki) -> (Self, String) {
        let mailboxes = Mailboxes::new(sandbox);
        let sink = Sink::start(&mailboxes);
        let identity = pki.server(&["localhost"]);
        let peers = (&mailboxes, &sink);
        let dovecot = Dovecot::start(sandbox, "operator", (pki, &identity), Login::Card, peers);
        let operators = [Holder::CpsMedecin, Holder::CpsInfirmier].map(|holder| {
            let domain = address(holder).split_once('@').map(|(_, domain)| domain);
            Operator::dovecot(domain.unwrap_or_default(), &dovecot)
        });
        let operation = Self {
            _dovecot: dovecot,
            mailboxes,
            _sink: sink,
        };
        (operation, mail::settings("", &operators))
    }
}

impl Demo {
    /// A message goes from the person whose card is in the reader to a colleague, who reads it.
    fn send_and_read(&self, sender: Holder, reader: Holder) {
        let practice = &self.practice;
        step(
            "The practitioner has a mailbox of the secure health mail (MSSanté): this computer opens it.",
        );
        let access = self.mailbox(sender);

        step("A mail program that knows nothing of cards (curl) sends a message to a nurse.");
        let letter = format!(
            "From: {}\r\nTo: {}\r\nSubject: Avis\r\n\r\nMerci de passer voir notre patiente.\r\n",
            address(sender),
            address(reader)
        );
        let letter = practice.sandbox.write("message", letter);
        let sent = clients::curl_sends(&practice.sandbox, &access.smtp, address(reader), &letter);
        assert!(sent.success, "{}", sent.said);
        println!(
            "  $ curl smtp://{} --mail-rcpt {}",
            access.smtp.address,
            address(reader)
        );
        println!(
            "    The operator (Dovecot) knew the card by its certificate, and took the message."
        );
        assert_eq!(
            practice.pinentry.pins_asked(),
            1,
            "the PIN serves mail as well"
        );
        if let Some(mail) = &self.mail {
            until("the message to arrive", || {
                mail.mailboxes.messages(address(reader)).pop()
            });
        }

        step("The nurse puts another card in, and reads it with an ordinary mail program.");
        practice.remove();
        practice.insert(VirtualCard::new(&practice.pki, reader, Profile::Cps4));
        let access = self.mailbox(reader);
        let read = clients::curl_reads(&practice.sandbox, &access.imap);
        assert!(read.success, "{}", read.said);
        println!(
            "  $ curl 'imap://{}/INBOX;MAILINDEX=1'",
            access.imap.address
        );
        let message = read.message.unwrap_or_default();
        assert!(String::from_utf8_lossy(&message).contains("Merci de passer voir notre patiente."));
        indent(&message);
        assert_eq!(practice.pinentry.pins_asked(), 2, "each card has its PIN");

        step("What was sent and opened is in the mail journal, without a word of the message.");
        let journal = self.shown(&["mail", "journal"]);
        assert!(!journal.contains("patiente"), "{journal}");
        self.shown(&["mail", "journal", "--verify"]);
    }

    /// Adds the mailbox of the person whose card is in the reader.
    fn mailbox(&self, holder: Holder) -> Access {
        let address = address(holder);
        self.shown(&["mail", "add", address, "--client", "first"]);
        let client = self.practice.client();
        let account = |place: fn(Mail) -> Option<String>| {
            let made = client.make_mail_password(
                address,
                &NewMailPassword {
                    client: "curl".to_owned(),
                    replace: None,
                },
            );
            Account {
                address: until("the ports of the gateway", || {
                    place(client.mail().ok()?)?.parse().ok()
                }),
                user: address.to_owned(),
                password: made.expect("a password").password,
            }
        };
        Access {
            imap: account(|mail| mail.imap),
            smtp: account(|mail| mail.smtp),
        }
    }

    /// Runs `cps` and shows command and answer as a terminal would.
    fn shown(&self, arguments: &[&str]) -> String {
        println!("  $ cps {}", arguments.join(" "));
        let output = self.practice.cps(arguments);
        checked(&output);
        indent(&output.stdout);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn step(text: &str) {
    println!("\n{text}");
}

fn indent(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).trim_end().lines() {
        println!("    {line}");
    }
}

fn checked(output: &Output) {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
