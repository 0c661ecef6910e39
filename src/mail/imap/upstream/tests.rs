use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::sasl::Login;
use crate::{Dialogue, Refused, Step};

/// Plays a server: it says its lines in turn, each after the one that is awaited from us. What it
/// says is cut into pieces of this size.
fn play<D: Dialogue>(
    dialogue: &mut D,
    piece: usize,
    script: &[(&str, &str)],
) -> Result<D::Done, Refused> {
    let mut step = dialogue.advance(b"")?;
    let mut sent = Vec::new();
    for (awaited, said) in script {
        if let Step::More(send) = &mut step {
            sent.append(send);
        }
        assert_eq!(String::from_utf8_lossy(&sent), *awaited);
        sent.clear();
        for bytes in said.as_bytes().chunks(piece) {
            match dialogue.advance(bytes)? {
                Step::More(send) => sent.extend(send),
                done @ Step::Done { .. } => step = done,
            }
        }
    }
    match step {
        Step::Done { send, done } => {
            assert_eq!(send, b"");
            Ok(done)
        }
        Step::More(_) => Err(dialogue.closed()),
    }
}

/// In any pieces the same comes out.
fn start_tls(script: &[(&str, &str)]) -> Result<(), Refused> {
    let whole = play(&mut StartTls::new(), usize::MAX, script);
    assert_eq!(play(&mut StartTls::new(), 1, script), whole);
    whole
}

fn authenticate(login: fn() -> Login, script: &[(&str, &str)]) -> Result<Authenticated, Refused> {
    let new = || Authentication::new(login(), "c7".to_owned(), script[0].0.is_empty());
    let whole = play(&mut new(), usize::MAX, script);
    assert_eq!(play(&mut new(), 3, script), whole);
    whole
}

fn external() -> Login {
    Login::External {
        authorization: None,
    }
}

fn shared() -> Login {
    Login::External {
        authorization: Some("secretariat@cabinet.test.mssante.fr".to_owned()),
    }
}

fn xoauth2() -> Login {
    Login::XOauth2 {
        user: "jean.dupont@medecin.test.mssante.fr".to_owned(),
        token: Zeroizing::new("eyJ.e.s".to_owned()),
    }
}

fn oauthbearer() -> Login {
    Login::OauthBearer {
        user: "jean.dupont@medecin.test.mssante.fr".to_owned(),
        host: "mail.operateur.test".to_owned(),
        port: 143,
        token: Zeroizing::new("eyJ.e.s".to_owned()),
    }
}

/// The worked examples of the domain page "mssante", sections 4.3 and 4.4.
const XOAUTH2: &str =
    "dXNlcj1qZWFuLmR1cG9udEBtZWRlY2luLnRlc3QubXNzYW50ZS5mcgFhdXRoPUJlYXJlciBleUouZS5zAQE=";
const BEARER: &str = "bixhPWplYW4uZHVwb250QG1lZGVjaW4udGVzdC5tc3NhbnRlLmZyLAFob3N0PW1haWwub3BlcmF0ZXVyLnRlc3QBcG9ydD0xNDMBYXV0aD1CZWFyZXIgZXlKLmUucwEB";
const CHALLENGE: &str =
    "+ eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0=\r\n";

const ASK: &str = "g1 CAPABILITY\r\n";
/// What Dovecot 2.3 offers after TLS, with each mechanism that the tests use.
const OFFER: &str = "* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ \
    AUTH=EXTERNAL AUTH=XOAUTH2 AUTH=OAUTHBEARER LOGINDISABLED\r\ng1 OK Pre-login capabilities\r\n";
const PLAIN_OFFER: &str =
    "* CAPABILITY IMAP4rev1 AUTH=EXTERNAL AUTH=XOAUTH2 AUTH=OAUTHBEARER\r\ng1 OK done\r\n";
const OK: &str = "c7 OK [CAPABILITY IMAP4rev1 IDLE MOVE COMPRESS=DEFLATE] Logged in\r\n";

#[test]
fn starttls_is_asked_for_and_nothing_else() {
    assert_eq!(
        start_tls(&[
            (
                "",
                "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n"
            ),
            ("g1 STARTTLS\r\n", "g1 OK Begin TLS negotiation now.\r\n"),
        ]),
        Ok(())
    );
}

#[test]
fn what_arrives_before_tls_is_an_injection() {
    let greeting = ("", "* OK ready\r\n");
    let consent = "g1 OK Begin\r\n* OK [CAPABILITY IMAP4rev1 AUTH=EXTERNAL] x\r\n";
    let mut dialogue = StartTls::new();
    let script = [greeting, ("g1 STARTTLS\r\n", consent)];
    assert_eq!(
        play(&mut dialogue, usize::MAX, &script),
        Err(Refused::Injected)
    );
    let early = [("", "* OK ready\r\ng1 OK Begin\r\n")];
    assert_eq!(
        play(&mut StartTls::new(), usize::MAX, &early),
        Err(Refused::Injected)
    );
}

#[test]
fn a_server_without_starttls_is_refused() {
    for answer in ["g1 BAD unknown command\r\n", "g1 NO not now\r\n"] {
        let script = [("", "* OK ready\r\n"), ("g1 STARTTLS\r\n", answer)];
        assert_eq!(start_tls(&script), Err(Refused::NoStartTls));
    }
    assert_eq!(
        start_tls(&[("", "* PREAUTH welcome\r\n")]),
        Err(Refused::NoStartTls)
    );
    assert_eq!(
        start_tls(&[("", "* BYE [UNAVAILABLE] maintenance\r\n")]),
        Err(Refused::Unavailable("maintenance".to_owned()))
    );
    for greeting in [
        "220 mail ESMTP\r\n",
        "g1 OK x\r\n",
        "* 1 EXISTS\r\n",
        "\0\0\r\n",
    ] {
        assert!(matches!(
            start_tls(&[("", greeting)]),
            Err(Refused::Protocol(_))
        ));
    }
}

#[test]
fn external_with_an_initial_response() {
    let done = authenticate(
        external,
        &[(ASK, OFFER), ("c7 AUTHENTICATE EXTERNAL =\r\n", OK)],
    );
    assert_eq!(
        done,
        Ok(Authenticated {
            forward: OK.as_bytes().to_vec(),
            rest: Vec::new()
        })
    );
    let done = authenticate(
        shared,
        &[
            (ASK, OFFER),
            (
                "c7 AUTHENTICATE EXTERNAL c2VjcmV0YXJpYXRAY2FiaW5ldC50ZXN0Lm1zc2FudGUuZnI=\r\n",
                OK,
            ),
        ],
    );
    assert!(done.is_ok());
}

#[test]
fn external_in_two_steps_sends_an_empty_line() {
    let done = authenticate(
        external,
        &[
            (ASK, PLAIN_OFFER),
            ("c7 AUTHENTICATE EXTERNAL\r\n", "+ \r\n"),
            ("\r\n", OK),
        ],
    );
    assert!(done.is_ok());
    let done = authenticate(
        shared,
        &[
            (ASK, PLAIN_OFFER),
            ("c7 AUTHENTICATE EXTERNAL\r\n", "+\r\n"),
            ("c2VjcmV0YXJpYXRAY2FiaW5ldC50ZXN0Lm1zc2FudGUuZnI=\r\n", OK),
        ],
    );
    assert!(done.is_ok());
}

#[test]
fn tokens_are_presented_in_both_notations() {
    for (login, name, message) in [
        (xoauth2 as fn() -> Login, "XOAUTH2", XOAUTH2),
        (oauthbearer, "OAUTHBEARER", BEARER),
    ] {
        let command = format!("c7 AUTHENTICATE {name} {message}\r\n");
        assert!(authenticate(login, &[(ASK, OFFER), (&command, OK)]).is_ok());
        let command = format!("c7 AUTHENTICATE {name}\r\n");
        let message = format!("{message}\r\n");
        let script = [(ASK, PLAIN_OFFER), (&command, "+ \r\n"), (&message, OK)];
        assert!(authenticate(login, &script).is_ok());
    }
}

#[test]
fn a_token_too_long_for_a_line_is_presented_in_two_steps() {
    let login = || Login::XOauth2 {
        user: "jean.dupont@medecin.test.mssante.fr".to_owned(),
        token: Zeroizing::new("x".repeat(9000)),
    };
    let message = format!("{}\r\n", *login().response());
    let script = [
        (ASK, OFFER),
        ("c7 AUTHENTICATE XOAUTH2\r\n", "+ \r\n"),
        (&message, OK),
    ];
    assert!(authenticate(login, &script).is_ok());
}

#[test]
fn a_refused_token_is_acknowledged_and_its_reason_kept_from_the_client() {
    let command = format!("c7 AUTHENTICATE XOAUTH2 {XOAUTH2}\r\n");
    let begun = [(ASK, OFFER), (command.as_str(), CHALLENGE)];
    let refused = (
        "\r\n",
        "c7 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n",
    );
    let left = ("\r\n", "");
    let bye = ("\r\n", "* BYE Disconnected\r\n");
    for end in [refused, left, bye] {
        let script = [&begun[..], &[end]].concat();
        assert_eq!(authenticate(xoauth2, &script), Err(Refused::Token));
    }
    let command = format!("c7 AUTHENTICATE OAUTHBEARER {BEARER}\r\n");
    let script = [
        (ASK, OFFER),
        (
            command.as_str(),
            "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n",
        ),
        ("AQ==\r\n", "c7 NO no\r\n"),
    ];
    assert_eq!(authenticate(oauthbearer, &script), Err(Refused::Token));
}

#[test]
fn a_server_that_leaves_before_it_refuses_is_unavailable() {
    let command = format!("c7 AUTHENTICATE XOAUTH2 {XOAUTH2}\r\n");
    let script = [(ASK, OFFER), (command.as_str(), "")];
    assert_eq!(
        authenticate(xoauth2, &script),
        Err(Refused::Unavailable(String::new()))
    );
}

#[test]
fn the_client_gets_untagged_lines_and_what_follows_as_they_came() {
    let answer = format!("* OK [ALERT] Maintenance\r\n* CAPABILITY IMAP4rev1\r\n{OK}");
    let script = [
        (ASK, OFFER),
        ("c7 AUTHENTICATE EXTERNAL =\r\n", answer.as_str()),
    ];
    let done = authenticate(external, &script).expect("logged in");
    assert_eq!(String::from_utf8_lossy(&done.forward), answer);
    let followed = format!("{answer}* 3 EXISTS\r\n* 1 FE");
    let script = [script[0], (script[1].0, &followed)];
    let mut dialogue = Authentication::new(external(), "c7".to_owned(), false);
    let done = play(&mut dialogue, usize::MAX, &script).expect("logged in");
    assert_eq!(String::from_utf8_lossy(&done.forward), answer);
    assert_eq!(done.rest, b"* 3 EXISTS\r\n* 1 FE");
}

#[test]
fn implicit_tls_begins_with_the_greeting() {
    let command = "c7 AUTHENTICATE EXTERNAL =\r\n";
    let greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=EXTERNAL] ready\r\n";
    assert!(authenticate(external, &[("", greeting), (command, OK)]).is_ok());
    let script = [("", "* OK ready\r\n"), (ASK, OFFER), (command, OK)];
    assert!(authenticate(external, &script).is_ok());
    assert_eq!(
        authenticate(external, &[("", "* BYE [UNAVAILABLE] full\r\n")]),
        Err(Refused::Unavailable("full".to_owned()))
    );
}

#[test]
fn a_server_that_has_already_logged_in_is_answered_for() {
    for (greeting, forward) in [
        (
            "* PREAUTH [CAPABILITY IMAP4rev1 IDLE] welcome\r\n",
            "c7 OK [CAPABILITY IMAP4REV1 IDLE] Logged in\r\n",
        ),
        ("* PREAUTH welcome\r\n", "c7 OK Logged in\r\n"),
        (
            "* PREAUTH [CAPABILITY IMAP4rev1\r\u{e9}] welcome\r\n",
            "c7 OK Logged in\r\n",
        ),
    ] {
        for login in [external as fn() -> Login, || Login::None] {
            let done = authenticate(login, &[("", greeting)]).expect("logged in");
            assert_eq!(String::from_utf8_lossy(&done.forward), forward);
        }
    }
}

#[test]
fn refusals_are_told_apart() {
    use Refused::*;
    // The texts of Dovecot: domain page "mssante", section 4.1.
    for (answer, refused) in [
        (
            "c7 NO [ALERT] Client didn't present valid SSL certificate\r\n",
            Certificate("Client didn't present valid SSL certificate".to_owned()),
        ),
        (
            "c7 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n",
            Mailbox("Authentication failed.".to_owned()),
        ),
        ("c7 NO Login failed\r\n", Mailbox("Login failed".to_owned())),
        (
            "c7 NO [UNAVAILABLE] Temporary authentication failure.\r\n",
            Unavailable("Temporary authentication failure.".to_owned()),
        ),
        ("c7 BAD eh?\r\n", Unavailable("eh?".to_owned())),
        (
            "* BYE Too many connections\r\n",
            Unavailable("Too many connections".to_owned()),
        ),
        (
            "+ Y2hhbGxlbmdl\r\n",
            Protocol("a challenge without a reason"),
        ),
        ("x9 OK whose?\r\n", Protocol("an answer to nothing")),
    ] {
        let script = [(ASK, OFFER), ("c7 AUTHENTICATE EXTERNAL =\r\n", answer)];
        assert_eq!(authenticate(external, &script), Err(refused), "{answer}");
    }
    let command = format!("c7 AUTHENTICATE XOAUTH2 {XOAUTH2}\r\n");
    for (answer, refused) in [
        ("c7 NO [AUTHENTICATIONFAILED] no\r\n", Token),
        (
            "c7 NO [AUTHORIZATIONFAILED] no\r\n",
            Mailbox("no".to_owned()),
        ),
        ("c7 NO [UNAVAILABLE] no\r\n", Unavailable("no".to_owned())),
        ("* BYE no\r\n", Unavailable("no".to_owned())),
    ] {
        let script = [(ASK, OFFER), (command.as_str(), answer)];
        assert_eq!(authenticate(xoauth2, &script), Err(refused), "{answer}");
    }
}

#[test]
fn a_mechanism_that_is_not_offered_is_not_tried() {
    let offer = "* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=EXTERNALISH\r\ng1 OK done\r\n";
    assert_eq!(
        authenticate(external, &[(ASK, offer)]),
        Err(Refused::NoMechanism("EXTERNAL"))
    );
    assert_eq!(
        authenticate(external, &[(ASK, "g1 OK nothing said\r\n")]),
        Err(Refused::Protocol("no capabilities"))
    );
    assert_eq!(
        authenticate(|| Login::None, &[(ASK, OFFER)]),
        Err(Refused::NoMechanism("PREAUTH"))
    );
}

#[test]
fn a_server_that_never_ends_is_refused() {
    let many = "* OK still here\r\n".repeat(5000);
    let long = "x".repeat(70_000);
    for said in [many, long] {
        let script = [(ASK, said.as_str())];
        assert!(matches!(
            authenticate(external, &script),
            Err(Refused::Protocol(_))
        ));
    }
}

proptest! {
    #[test]
    fn arbitrary_servers_are_survived(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        greeting in any::<bool>(),
    ) {
        let mut dialogue = Authentication::new(xoauth2(), "c7".to_owned(), greeting);
        for piece in &pieces {
            if !matches!(dialogue.advance(piece), Ok(Step::More(_))) {
                break;
            }
        }
        let mut dialogue = StartTls::new();
        for piece in &pieces {
            if !matches!(dialogue.advance(piece), Ok(Step::More(_))) {
                break;
            }
        }
    }
}
