use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::Trouble;

/// Plays a server against a dialogue: what it says, and what is expected to be sent to that, in
/// turns. Gives the outcome, each piece of the server cut to `size`.
fn play<D: Dialogue>(
    dialogue: &mut D,
    turns: &[(&str, &str)],
    size: usize,
) -> Result<Option<D::Done>, Refused> {
    for (said, expected) in turns {
        let mut sent = Vec::new();
        let mut pieces: Vec<&[u8]> = said.as_bytes().chunks(size).collect();
        if pieces.is_empty() {
            pieces.push(b"");
        }
        for piece in pieces {
            match dialogue.advance(piece)? {
                Step::More(send) => sent.extend(send),
                Step::Done { send, done } => {
                    assert!(send.is_empty());
                    return Ok(Some(done));
                }
            }
        }
        assert_eq!(String::from_utf8_lossy(&sent), *expected, "after {said:?}");
    }
    Ok(None)
}

const EHLO: &str = "EHLO [192.0.2.1]\r\n";
const BEFORE: &str = "250-mail.operateur.test\r\n250-SIZE 31457280\r\n250 STARTTLS\r\n";

fn start_tls(turns: &[(&str, &str)]) -> Result<Option<()>, Refused> {
    play(
        &mut StartTls::new("[192.0.2.1]".to_owned()),
        turns,
        usize::MAX,
    )
}

#[test]
fn tls_begins_after_consent() {
    for size in [1, 2, 7, usize::MAX] {
        let turns = [
            ("", ""),
            ("220-mail.operateur.test\r\n220 ESMTP\r\n", EHLO),
            (BEFORE, "STARTTLS\r\n"),
            ("220 2.0.0 Begin TLS\r\n", "nothing"),
        ];
        let mut dialogue = StartTls::new("[192.0.2.1]".to_owned());
        assert_eq!(play(&mut dialogue, &turns, size), Ok(Some(())));
    }
}

#[test]
fn what_comes_before_tls_is_not_believed() {
    let greeting = ("220 mail.operateur.test\r\n", EHLO);
    for (behind, turns) in [
        (
            "the consent",
            vec![
                greeting,
                (BEFORE, "STARTTLS\r\n"),
                ("220 go\r\n250 x\r\n", ""),
            ],
        ),
        (
            "the consent, cut",
            vec![greeting, (BEFORE, "STARTTLS\r\n"), ("220 go\r\n2", "")],
        ),
        (
            "the extensions",
            vec![greeting, ("250 STARTTLS\r\n220 go\r\n", "")],
        ),
        (
            "the greeting",
            vec![("220 hello\r\n250-x\r\n250 STARTTLS\r\n", "")],
        ),
    ] {
        assert_eq!(start_tls(&turns), Err(Refused::Injected), "behind {behind}");
    }
}

#[test]
fn a_server_without_tls_is_refused() {
    let greeting = ("220 mail.operateur.test\r\n", EHLO);
    for turns in [
        vec![greeting, ("250-x\r\n250 AUTH PLAIN\r\n", "")],
        vec![greeting, ("502 5.5.1 no EHLO\r\n", "")],
        vec![greeting, (BEFORE, "STARTTLS\r\n"), ("502 5.5.1 no\r\n", "")],
        vec![greeting, (BEFORE, "STARTTLS\r\n"), ("250 what\r\n", "")],
    ] {
        assert_eq!(start_tls(&turns), Err(Refused::NoStartTls));
        assert_eq!(Trouble::from(Refused::NoStartTls), Trouble::Insecure);
    }
}

#[test]
fn a_server_that_cannot_serve_says_so_itself() {
    let greeting = ("220 mail.operateur.test\r\n", EHLO);
    for (turns, words) in [
        (vec![("554 5.3.2 no service\r\n", "")], "5.3.2 no service"),
        (
            vec![greeting, ("421 4.3.2 closing\r\n", "")],
            "4.3.2 closing",
        ),
        (
            vec![
                greeting,
                (BEFORE, "STARTTLS\r\n"),
                ("454 4.7.0 not now\r\n", ""),
            ],
            "4.7.0 not now",
        ),
    ] {
        assert_eq!(
            start_tls(&turns),
            Err(Refused::Unavailable(words.to_owned()))
        );
    }
    let garbage = start_tls(&[("* OK IMAP4rev1\r\n", "")]);
    assert!(matches!(garbage, Err(Refused::Protocol(_))), "{garbage:?}");
}

fn external(authorization: Option<&str>) -> Login {
    Login::External {
        authorization: authorization.map(str::to_owned),
    }
}

fn xoauth2(token: &str) -> Login {
    Login::XOauth2 {
        user: "jean.dupont@medecin.test.mssante.fr".to_owned(),
        token: Zeroizing::new(token.to_owned()),
    }
}

fn log_in(login: Login, turns: &[(&str, &str)]) -> Result<Option<Session>, Refused> {
    play(&mut authentication(login), turns, usize::MAX)
}

fn authentication(login: Login) -> Authentication {
    Authentication::new(login, "[192.0.2.1]".to_owned(), false)
}

const WITHIN: &str =
    "250-mail.operateur.test\r\n250-SIZE 31457280\r\n250 AUTH EXTERNAL XOAUTH2 OAUTHBEARER\r\n";

// Domain page "mssante", sections 4.1 and 4.3.
const SHARED: &str = "c2VjcmV0YXJpYXRAY2FiaW5ldC50ZXN0Lm1zc2FudGUuZnI=";
const TOKEN: &str =
    "dXNlcj1qZWFuLmR1cG9udEBtZWRlY2luLnRlc3QubXNzYW50ZS5mcgFhdXRoPUJlYXJlciBleUouZS5zAQE=";
const CHALLENGE: &str =
    "334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0=\r\n";

#[test]
fn external_with_an_initial_response() {
    for (authorization, command) in [
        (None, "AUTH EXTERNAL =\r\n".to_owned()),
        (
            Some("secretariat@cabinet.test.mssante.fr"),
            format!("AUTH EXTERNAL {SHARED}\r\n"),
        ),
    ] {
        for size in [1, 5, usize::MAX] {
            let turns = [("", EHLO), (WITHIN, &command), ("235 2.7.0 in\r\n", "")];
            let session = play(&mut authentication(external(authorization)), &turns, size);
            let session = session.expect("no refusal").expect("a session");
            assert_eq!(session.extensions.size(), Some(31_457_280));
            assert!(!session.certificate_only);
        }
    }
}

#[test]
fn external_by_steps_where_a_server_wants_them() {
    for (authorization, message) in [
        (None, "\r\n".to_owned()),
        (
            Some("secretariat@cabinet.test.mssante.fr"),
            format!("{SHARED}\r\n"),
        ),
    ] {
        let login = || external(authorization);
        let initial = match authorization {
            None => "AUTH EXTERNAL =\r\n".to_owned(),
            Some(_) => format!("AUTH EXTERNAL {SHARED}\r\n"),
        };
        // It ignores the initial response.
        let ignored = [
            ("", EHLO),
            (WITHIN, &initial),
            ("334 \r\n", &message),
            ("235 2.7.0 in\r\n", ""),
        ];
        assert!(matches!(log_in(login(), &ignored), Ok(Some(_))));
        // It takes it for bad syntax.
        let refused = [
            ("", EHLO),
            (WITHIN, &initial),
            ("501 5.5.4 syntax\r\n", "AUTH EXTERNAL\r\n"),
            ("334 \r\n", &message),
            ("235 2.7.0 in\r\n", ""),
        ];
        assert!(matches!(log_in(login(), &refused), Ok(Some(_))));
    }
    // Only once.
    let turns = [
        ("", EHLO),
        (WITHIN, "AUTH EXTERNAL =\r\n"),
        ("501 5.5.4 syntax\r\n", "AUTH EXTERNAL\r\n"),
        ("501 5.5.4 syntax\r\n", ""),
    ];
    let refused = log_in(external(None), &turns);
    assert_eq!(refused, Err(Refused::Mailbox("5.5.4 syntax".to_owned())));
}

#[test]
fn refusals_of_external_are_told_apart() {
    for (reply, refusal) in [
        (
            "535 5.7.8 Client didn't present valid SSL certificate\r\n",
            Refused::Certificate("5.7.8 Client didn't present valid SSL certificate".to_owned()),
        ),
        (
            "535 5.7.8 Authentication failed\r\n",
            Refused::Mailbox("5.7.8 Authentication failed".to_owned()),
        ),
        (
            "454 4.7.0 Temporary authentication failure\r\n",
            Refused::Unavailable("4.7.0 Temporary authentication failure".to_owned()),
        ),
        (
            "421 4.3.2 Server shutting down\r\n",
            Refused::Unavailable("4.3.2 Server shutting down".to_owned()),
        ),
        ("504 5.5.4 no\r\n", Refused::NoMechanism("EXTERNAL")),
    ] {
        let turns = [("", EHLO), (WITHIN, "AUTH EXTERNAL =\r\n"), (reply, "")];
        assert_eq!(log_in(external(None), &turns), Err(refusal), "{reply}");
    }
    let turns = [("", EHLO), ("250-x\r\n250 AUTH PLAIN\r\n", "")];
    let refused = log_in(external(None), &turns);
    assert_eq!(refused, Err(Refused::NoMechanism("EXTERNAL")));
}

#[test]
fn a_certificate_may_be_enough() {
    let turns = [("", EHLO), ("250-x\r\n250 8BITMIME\r\n", "")];
    let session = log_in(Login::None, &turns)
        .expect("no refusal")
        .expect("a session");
    assert!(session.certificate_only && session.extensions.has("8BITMIME"));
    // Postfix, without waiting for a command.
    let words = "4.7.1 mail.operateur.test Error: No client certificate presented";
    let reply = format!("421 {words}\r\n");
    let refusal = Err(Refused::Certificate(words.to_owned()));
    assert_eq!(log_in(Login::None, &[("", EHLO), (&reply, "")]), refusal);
    assert_eq!(log_in(Login::None, &[(&reply, "")]), refusal);
}

#[test]
fn a_token_is_presented_and_its_refusal_heard_out() {
    let command = format!("AUTH XOAUTH2 {TOKEN}\r\n");
    let accepted = [("", EHLO), (WITHIN, &command), ("235 2.7.0 in\r\n", "")];
    assert!(matches!(log_in(xoauth2("eyJ.e.s"), &accepted), Ok(Some(_))));
    let refused = [
        ("", EHLO),
        (WITHIN, &command),
        (CHALLENGE, "\r\n"),
        ("535 5.7.8 refused\r\n", ""),
    ];
    assert_eq!(log_in(xoauth2("eyJ.e.s"), &refused), Err(Refused::Token));
    let at_once = [
        ("", EHLO),
        (WITHIN, &command),
        ("535 5.7.8 refused\r\n", ""),
    ];
    assert_eq!(log_in(xoauth2("eyJ.e.s"), &at_once), Err(Refused::Token));
    // The operator's own trouble is not the token's.
    let failing = [("", EHLO), (WITHIN, &command), ("454 4.7.0 later\r\n", "")];
    let unavailable = Err(Refused::Unavailable("4.7.0 later".to_owned()));
    assert_eq!(log_in(xoauth2("eyJ.e.s"), &failing), unavailable);
}

#[test]
fn a_connection_closed_after_the_challenge_is_a_refusal_of_the_token() {
    let command = format!("AUTH XOAUTH2 {TOKEN}\r\n");
    let mut dialogue = authentication(xoauth2("eyJ.e.s"));
    let _ = play(&mut dialogue, &[("", EHLO), (WITHIN, &command)], usize::MAX);
    assert_eq!(dialogue.closed(), Refused::Unavailable(String::new()));
    let _ = play(&mut dialogue, &[(CHALLENGE, "\r\n")], usize::MAX);
    assert_eq!(dialogue.closed(), Refused::Token);
}

#[test]
fn oauthbearer_acknowledges_with_one_octet() {
    let login = Login::OauthBearer {
        user: "jean.dupont@medecin.test.mssante.fr".to_owned(),
        host: "mail.operateur.test".to_owned(),
        port: 587,
        token: Zeroizing::new("eyJ.e.s".to_owned()),
    };
    let command = format!("AUTH OAUTHBEARER {}\r\n", *login.response());
    let turns = [
        ("", EHLO),
        (WITHIN, &command),
        ("334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n", "AQ==\r\n"),
        ("535 5.7.8 refused\r\n", ""),
    ];
    assert_eq!(log_in(login, &turns), Err(Refused::Token));
}

#[test]
fn a_long_token_goes_by_steps() {
    // RFC 5321 section 4.5.3.1.4: 512 octets with the line's end. The message is 55 octets and the token.
    let fits = (512 - 2 - "AUTH XOAUTH2 ".len()) / 4 * 3 - 55;
    for (length, by_steps) in [(fits, false), (fits + 1, true)] {
        let token = "t".repeat(length);
        let response = xoauth2(&token).response();
        let initial = format!("AUTH XOAUTH2 {}\r\n", *response);
        assert_eq!(initial.len() > 512, by_steps);
        let message = format!("{}\r\n", *response);
        let turns = match by_steps {
            false => vec![("", EHLO), (WITHIN, initial.as_str()), ("235 in\r\n", "")],
            true => vec![
                ("", EHLO),
                (WITHIN, "AUTH XOAUTH2\r\n"),
                ("334 \r\n", message.as_str()),
                ("235 in\r\n", ""),
            ],
        };
        assert!(matches!(log_in(xoauth2(&token), &turns), Ok(Some(_))));
    }
}

#[test]
fn with_implicit_tls_the_greeting_comes_first() {
    let mut dialogue = Authentication::new(external(None), "[192.0.2.1]".to_owned(), true);
    let turns = [
        ("", ""),
        ("220 hello\r\n", EHLO),
        (WITHIN, "AUTH EXTERNAL =\r\n"),
        ("235 in\r\n", ""),
    ];
    assert!(matches!(
        play(&mut dialogue, &turns, usize::MAX),
        Ok(Some(_))
    ));
}

#[test]
fn replies_before_their_command_are_not_believed() {
    for turns in [
        vec![("250 x\r\n", "")],
        vec![("", EHLO), ("250-x\r\n250 AUTH EXTERNAL\r\n235 in\r\n", "")],
        vec![
            ("", EHLO),
            (WITHIN, "AUTH EXTERNAL =\r\n"),
            ("235 in\r\n250 OK\r\n", ""),
        ],
        vec![("", EHLO), ("354 what\r\n", "")],
        vec![
            ("", EHLO),
            (WITHIN, "AUTH EXTERNAL =\r\n"),
            ("334 \r\n", "\r\n"),
            ("334 more\r\n", ""),
        ],
    ] {
        let refused = log_in(external(None), &turns);
        assert!(
            matches!(refused, Err(Refused::Protocol(_))),
            "{turns:?}: {refused:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_server_is_survived(
        lines in proptest::collection::vec(
            prop_oneof![
                Just(WITHIN.as_bytes().to_vec()),
                Just(BEFORE.as_bytes().to_vec()),
                Just(b"220 hello\r\n".to_vec()),
                Just(b"334 \r\n".to_vec()),
                Just(CHALLENGE.as_bytes().to_vec()),
                proptest::collection::vec(any::<u8>(), 0..40),
            ],
            0..20,
        ),
    ) {
        for login in [external(None), xoauth2("eyJ.e.s"), Login::None] {
            let mut dialogue = authentication(login);
            let mut turns = lines.iter().map(|line| dialogue.advance(line));
            prop_assert!(turns.find(Result::is_err).is_none_or(|end| end.is_err()));
        }
        let mut dialogue = StartTls::new("x".to_owned());
        let _ = lines.iter().map(|line| dialogue.advance(line)).find(Result::is_err);
    }
}
