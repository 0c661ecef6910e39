//! The mail operators of the tests, met with files in place of a card: what the other mail tests
//! rely on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_emulator::{CrlVariant, Holder, Pki};
use cps_tests::mail::{
    Dovecot, Login, Mailboxes, Port, Postfix, SHARED, Sink, Token, Tokens, address, card_files,
};
use cps_tests::{Sandbox, TlsVersions, openssl, until};

/// Everybody's cards open their own mailbox; the lists of the operator close it again.
#[test]
fn dovecot_knows_people_by_their_cards_until_they_are_revoked() {
    let world = World::new();
    let mut operator = world.dovecot(Login::Card);
    let alix = address(Holder::CpsMedecin);
    world.mailboxes.deliver(alix, MESSAGE);
    let imap = format!(
        "imap://localhost:{}/INBOX;MAILINDEX=1",
        operator.port(Port::Imap)
    );
    let imaps = format!(
        "imaps://localhost:{}/INBOX;MAILINDEX=1",
        operator.port(Port::Imaps)
    );
    // The card that will be revoked is another one of the same person.
    for holder in [Holder::CpsMedecin, Holder::CpsRevoked] {
        for url in [&imap, &imaps] {
            let output = world.curl(Some(holder), url);
            assert_eq!(output.stdout, MESSAGE, "{output:?}");
        }
    }
    let logins = operator.logins();
    assert_eq!(logins.len(), 4);
    for login in logins {
        assert!(
            login.contains(&format!("user=<{alix}>, method=EXTERNAL")),
            "{login}"
        );
    }

    operator.believe(&world.pki, CrlVariant::Revoked);
    let refused = world.curl(Some(Holder::CpsRevoked), &imap);
    assert_eq!(refused.status.code(), Some(67), "{refused:?}");
    let text = "NO [ALERT] Client didn't present valid SSL certificate";
    assert!(said(&refused).contains(text), "{refused:?}");
    let accepted = world.curl(Some(Holder::CpsMedecin), &imap);
    assert_eq!(accepted.stdout, MESSAGE, "{accepted:?}");
    let anonymous = world.curl(None, &imap);
    assert!(said(&anonymous).contains(text), "{anonymous:?}");
}

/// The physician may open the shared mailbox, the nurse may not.
#[test]
fn dovecot_opens_a_shared_mailbox_by_an_authorization_identity() {
    let world = World::new();
    let operator = world.dovecot(Login::CardInTwoSteps);
    // base64 of the address
    let commands =
        "a AUTHENTICATE EXTERNAL\nc2VjcmV0YXJpYXRAY2FiaW5ldC50ZXN0Lm1zc2FudGUuZnI=\nb LOGOUT\n";
    let port = operator.port(Port::Imap);
    let answer = world.s_client(Some(Holder::CpsMedecin), port, commands);
    assert!(answer.contains("a OK"), "{answer}");
    let login = operator.logins().pop().unwrap();
    assert!(login.contains(&format!("user=<{SHARED}>")), "{login}");
    assert!(!answer.contains("SASL-IR"), "{answer}");

    let answer = world.s_client(Some(Holder::CpsInfirmier), port, commands);
    assert!(answer.contains("a NO [AUTHENTICATIONFAILED]"), "{answer}");
}

/// What is submitted by one is in the mailbox of the other, byte for byte. The sender's address is
/// not looked at: only the gateway does.
#[test]
fn dovecot_passes_submitted_mail_on_whatever_its_sender() {
    let world = World::new();
    let operator = world.dovecot(Login::Card);
    let camille = address(Holder::CpsInfirmier);
    for (scheme, port) in [("smtp", Port::Submission), ("smtps", Port::Submissions)] {
        let url = format!("{scheme}://localhost:{}/client.test", operator.port(port));
        let sender = address(Holder::CpsMulti);
        let output = world.send(Holder::CpsMedecin, &url, sender, camille, &["--sasl-ir"]);
        assert!(output.status.success(), "{output:?}");
    }
    let messages = world.mailboxes.messages(camille);
    assert_eq!(messages.len(), 2);
    for message in messages {
        // Behind the line that says on which way it came.
        assert!(
            message.ends_with(MESSAGE),
            "{}",
            String::from_utf8_lossy(&message)
        );
    }
    assert_eq!(world.sink.messages(), 2);
}

/// Tokens as the national specification has them, in both notations; each refusal begins with a
/// challenge.
#[test]
fn dovecot_knows_people_by_their_tokens() {
    let world = World::new();
    let tokens = Tokens::new(&world.sandbox, &world.pki);
    let operator = world.dovecot(Login::Token(&tokens));
    let alix = address(Holder::CpsMedecin);
    world.mailboxes.deliver(alix, MESSAGE);
    let mint = |mailbox, token| tokens.mint(&world.sandbox, mailbox, token);
    let port = operator.port(Port::Imap);
    let mut command = world.curl_command(&format!("imap://localhost:{port}/INBOX;MAILINDEX=1"));
    command.args([
        "--user",
        &format!("{alix}:"),
        "--oauth2-bearer",
        &mint(alix, Token::Good),
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.stdout, MESSAGE, "{output:?}");
    let login = operator.logins().pop().unwrap();
    assert!(login.contains("method=OAUTHBEARER"), "{login}");

    let authenticate = |token: String| {
        let message = STANDARD.encode(format!("user={alix}\x01auth=Bearer {token}\x01\x01"));
        format!("a AUTHENTICATE XOAUTH2 {message}\n")
    };
    let good = authenticate(mint(alix, Token::Good)) + "b LOGOUT\n";
    let answer = world.s_client(None, port, &good);
    assert!(answer.contains("a OK"), "{answer}");
    for (token, why) in [
        (mint(alix, Token::Expired), "Token has expired"),
        (mint(alix, Token::OtherIssuer), "is not allowed"),
        (
            mint(address(Holder::CpsInfirmier), Token::Good),
            "did not match",
        ),
    ] {
        let answer = world.s_client(None, port, &(authenticate(token) + "\nb LOGOUT\n"));
        // {"status":"401","schemes":"bearer","scope":"mail"}
        let challenge = "+ eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0=";
        assert!(answer.contains(challenge), "{answer}");
        assert!(answer.contains("a NO [AUTHENTICATIONFAILED]"), "{answer}");
        until("the reason in the log", || {
            operator.log().contains(why).then_some(())
        });
    }
}

/// The program that hands out tokens: each once, the last for ever.
#[test]
fn tokens_are_handed_out_in_their_order() {
    let world = World::new();
    let tokens = Tokens::new(&world.sandbox, &world.pki);
    tokens.hand_out(&["first".to_owned(), "second".to_owned()]);
    let printed = [(); 3].map(|()| {
        let output = world.sandbox.command(tokens.program()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    });
    assert_eq!(printed, ["first\n", "second\n", "second\n"]);
    assert_eq!(tokens.asked(), 3);
}

/// No login at all: the certificate decides, in the versions of TLS that the operator allows.
#[test]
fn postfix_takes_mail_from_known_certificates_only() {
    for (versions, other) in [
        (TlsVersions::Tls12, "--tlsv1.3"),
        (TlsVersions::Tls13, "--tls-max"),
    ] {
        let world = World::new();
        let operator = Postfix::start(
            &world.sandbox,
            "postfix",
            (&world.pki, &world.pki.server(&["localhost"])),
            versions,
            &world.sink,
        );
        let url = format!("smtp://localhost:{}/client.test", operator.port());
        let (alix, camille) = (address(Holder::CpsMedecin), address(Holder::CpsInfirmier));
        let sent = world.send(Holder::CpsMedecin, &url, alix, camille, &[]);
        assert!(sent.status.success(), "{sent:?}{}", operator.log());
        let delivered = until("the message", || world.mailboxes.messages(camille).pop());
        assert!(
            delivered.ends_with(MESSAGE),
            "{}",
            String::from_utf8_lossy(&delivered)
        );

        let unknown = world.send(Holder::CpsRevoked, &url, alix, camille, &[]);
        assert!(said(&unknown).contains("554 5.7.1"), "{unknown:?}");
        let anonymous = world.curl(None, &url);
        assert!(said(&anonymous).contains("421 4.7.1"), "{anonymous:?}");

        let mut arguments = vec![other];
        arguments.extend((versions == TlsVersions::Tls13).then_some("1.2"));
        let version = world.send(Holder::CpsMedecin, &url, alix, camille, &arguments);
        assert_eq!(version.status.code(), Some(35), "{version:?}");
        assert_eq!(world.sink.messages(), 1);
    }
}

const MESSAGE: &[u8] = b"From: Laboratoire <labo@labo.test.mssante.fr>\r\n\
    Subject: Resultats\r\nDate: Mon, 5 Jan 2026 09:00:00 +0100\r\nMessage-ID: <1@labo.test.mssante.fr>\r\n\r\n.\r\n..\r\nRien a signaler.\r\n";

/// Mailboxes, where mail goes, and the authorities.
struct World {
    mailboxes: Mailboxes,
    sink: Sink,
    pki: Pki,
    anchors: PathBuf,
    sandbox: Sandbox,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let pki = Pki::new(SystemTime::now());
        let authorities = [pki.anchors_der(), pki.intermediates_der()].concat();
        let mailboxes = Mailboxes::new(&sandbox);
        Self {
            sink: Sink::start(&mailboxes),
            mailboxes,
            anchors: openssl::pem(&sandbox, "anchors.pem", &authorities),
            pki,
            sandbox,
        }
    }

    fn dovecot(&self, login: Login<'_>) -> Dovecot {
        Dovecot::start(
            &self.sandbox,
            "operator",
            (&self.pki, &self.pki.server(&["localhost"])),
            login,
            (&self.mailboxes, &self.sink),
        )
    }

    fn curl_command(&self, url: &str) -> std::process::Command {
        let mut command = self.sandbox.command("curl");
        command.args([
            "--silent",
            "--verbose",
            "--ssl-reqd",
            "--max-time",
            "20",
            "--cacert",
        ]);
        command.arg(&self.anchors).arg(url);
        command
    }

    /// curl with the certificate of this holder, and EXTERNAL where there is a login.
    fn curl(&self, holder: Option<Holder>, url: &str) -> Output {
        let mut command = self.curl_command(url);
        if let Some(holder) = holder {
            let [certificate, key] = card_files(&self.sandbox, &self.pki, holder);
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        if !url.starts_with("smtp") {
            command.args(["--login-options", "AUTH=EXTERNAL", "--user", ":"]);
        } else {
            command.args(["--request", "NOOP"]);
        }
        command.output().unwrap()
    }

    /// Submits the message, with EXTERNAL where it is offered.
    fn send(&self, holder: Holder, url: &str, from: &str, to: &str, more: &[&str]) -> Output {
        let message = self.sandbox.write("message", MESSAGE);
        let [certificate, key] = card_files(&self.sandbox, &self.pki, holder);
        let mut command = self.curl_command(url);
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
        command.args(["--mail-from", from, "--mail-rcpt", to, "--upload-file"]);
        command.arg(message).args(more);
        if more.contains(&"--sasl-ir") {
            command.args(["--login-options", "AUTH=EXTERNAL", "--user", ":"]);
        }
        command.output().unwrap()
    }

    /// What the server says to these commands, after STARTTLS.
    fn s_client(&self, holder: Option<Holder>, port: u16, commands: &str) -> String {
        let commands = self.sandbox.write("commands", commands);
        let mut command = self.sandbox.command("openssl");
        command
            .args([
                "s_client",
                "-quiet",
                "-crlf",
                "-starttls",
                "imap",
                "-verify_return_error",
            ])
            .args(["-connect", &format!("127.0.0.1:{port}")])
            .args([Path::new("-CAfile"), &self.anchors])
            .stdin(File::open(commands).unwrap());
        if let Some(holder) = holder {
            let [certificate, key] = card_files(&self.sandbox, &self.pki, holder);
            command.args([Path::new("-cert"), &certificate, Path::new("-key"), &key]);
        }
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// curl writes the conversation there.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
