use proptest::prelude::*;

use super::*;
use crate::Language;

/// What came of some bytes, one thing a line.
fn told(reactions: Vec<Reaction>) -> String {
    reactions
        .into_iter()
        .map(|reaction| match reaction {
            Reaction::Send(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Reaction::Login(login) => format!("login {} {}\r\n", login.user, *login.password),
            Reaction::TlsHello => "tls\r\n".to_owned(),
            Reaction::Close => "close\r\n".to_owned(),
        })
        .collect()
}

fn front() -> Front {
    Front::new(Settings {
        host_name: "cpsd.localhost".to_owned(),
        size: 26_214_400,
        language: Language::French,
        product: None,
    })
}

fn answer(input: &[u8]) -> String {
    told(front().receive(input))
}

/// Just the codes of the replies.
fn codes(input: &[u8]) -> Vec<String> {
    answer(input)
        .lines()
        .map(|line| line.split([' ', '-']).next().unwrap_or_default().to_owned())
        .collect()
}

// Domain page "mssante", section 4.5.
const PLAIN: &str = "AGplYW4uZHVwb250QG1lZGVjaW4udGVzdC5tc3NhbnRlLmZyAGxvY2FsLXRva2Vu";
const LOGIN: &str = "login jean.dupont@medecin.test.mssante.fr local-token\r\n";
const USER: &str = "amVhbi5kdXBvbnRAbWVkZWNpbi50ZXN0Lm1zc2FudGUuZnI=";
const PASSWORD: &str = "bG9jYWwtdG9rZW4=";

#[test]
fn clients_are_told_our_own_capabilities() {
    assert_eq!(front().greeting(), b"220 cpsd.localhost ESMTP cpsd\r\n");
    assert_eq!(
        answer(b"EHLO [127.0.0.1]\r\n"),
        "250-cpsd.localhost\r\n250-SIZE 26214400\r\n250-PIPELINING\r\n250-8BITMIME\r\n\
         250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN\r\n"
    );
    assert_eq!(answer(b"helo me\r\n"), "250 cpsd.localhost\r\n");
}

#[test]
fn logins_are_understood_in_every_form() {
    for (input, expected) in [
        (format!("AUTH PLAIN {PLAIN}\r\n"), LOGIN.to_owned()),
        (
            format!("auth plain\r\n{PLAIN}\r\n"),
            format!("334 \r\n{LOGIN}"),
        ),
        (
            format!("AUTH LOGIN\r\n{USER}\r\n{PASSWORD}\r\n"),
            format!("334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n{LOGIN}"),
        ),
        (
            format!("AUTH LOGIN {USER}\r\n{PASSWORD}\r\n"),
            format!("334 UGFzc3dvcmQ6\r\n{LOGIN}"),
        ),
    ] {
        assert_eq!(answer(input.as_bytes()), expected, "{input}");
    }
}

#[test]
fn bad_logins_have_their_codes() {
    for (input, expected) in [
        (&b"AUTH PLAIN\r\n*\r\n"[..], ["334", "501"]),
        (b"AUTH LOGIN\r\n*\r\n", ["334", "501"]),
        (b"AUTH PLAIN\r\n?\r\n", ["334", "501"]),
        (b"NOOP\r\nAUTH CRAM-MD5\r\n", ["250", "504"]),
        (b"NOOP\r\nAUTH\r\n", ["250", "504"]),
        (b"NOOP\r\nAUTH PLAIN =\r\n", ["250", "501"]),
    ] {
        assert_eq!(codes(input), expected, "{input:?}");
    }
    assert!(answer(b"AUTH PLAIN\r\n*\r\n").contains("501 5.7.0 "));
    // What follows a cancelled login is a command again.
    assert_eq!(codes(b"AUTH PLAIN\r\n*\r\nNOOP\r\n"), ["334", "501", "250"]);
}

#[test]
fn nothing_is_sent_without_a_login() {
    for command in [
        "MAIL FROM:<a@b.fr>",
        "RCPT TO:<a@b.fr>",
        "DATA",
        "BDAT 3",
        "VRFY a",
    ] {
        let answer = answer(format!("{command}\r\n").as_bytes());
        assert_eq!(answer, "530 5.7.0 Authentification requise\r\n");
    }
}

#[test]
fn other_commands_are_answered_here() {
    let input = b"NOOP\r\nRSET\r\nHELP\r\nSTARTTLS\r\nXYZZY\r\nEHLO\r\nQUIT\r\nNOOP\r\n";
    assert_eq!(
        codes(input),
        ["250", "250", "214", "502", "500", "501", "221", "close"]
    );
}

#[test]
fn a_wrong_password_keeps_the_connection_twice() {
    let mut front = front();
    let login = format!("AUTH PLAIN {PLAIN}\r\n");
    for _ in 0..2 {
        assert_eq!(told(front.receive(login.as_bytes())), LOGIN);
        let answer = told(front.refuse(&Trouble::WrongPassword));
        assert!(
            answer.starts_with("535 5.7.8 ") && !answer.contains("close"),
            "{answer}"
        );
    }
    assert_eq!(told(front.receive(login.as_bytes())), LOGIN);
    let answer = told(front.refuse(&Trouble::WrongPassword));
    let lines: Vec<&str> = answer.lines().collect();
    assert!(lines[0].starts_with("535 5.7.8 "), "{answer}");
    assert!(lines[1].starts_with("421 4.7.0 "), "{answer}");
    assert_eq!(lines[2..], ["close"]);
    assert!(front.receive(b"NOOP\r\n").is_empty());
}

#[test]
fn troubles_that_pass_are_not_counted() {
    let mut front = front();
    for _ in 0..10 {
        let reactions = front.receive(format!("AUTH PLAIN {PLAIN}\r\n").as_bytes());
        assert_eq!(told(reactions), LOGIN);
        let answer = told(front.refuse(&Trouble::NoCard));
        assert_eq!(answer, "454 4.7.0 Inserez votre carte CPS\r\n");
    }
}

#[test]
fn a_session_that_closes_says_so_once() {
    let mut front = front();
    let _ = front.receive(format!("AUTH PLAIN {PLAIN}\r\n").as_bytes());
    let answer = told(front.refuse(&Trouble::Closing));
    assert!(answer.starts_with("421 4.3.2 ") && answer.ends_with("\r\nclose\r\n"));
    assert_eq!(answer.lines().count(), 2);
}

#[test]
fn what_is_sent_behind_a_login_waits_for_it() {
    let input = format!("AUTH PLAIN {PLAIN}\r\nNOOP\r\nMAIL FROM:<a@b.fr>\r\nRC");
    let mut accepted = front();
    assert_eq!(told(accepted.receive(input.as_bytes())), LOGIN);
    assert_eq!(accepted.accept(), b"235 2.7.0 OK\r\n");
    assert_eq!(accepted.into_rest(), b"NOOP\r\nMAIL FROM:<a@b.fr>\r\nRC");

    let mut refused = front();
    let _ = refused.receive(input.as_bytes());
    let answer = told(refused.refuse(&Trouble::PinPending));
    let codes: Vec<&str> = answer.lines().filter_map(|line| line.get(..3)).collect();
    assert_eq!(codes, ["454", "250", "530"]);
}

#[test]
fn a_tls_client_is_recognised() {
    // The beginning of a ClientHello (RFC 8446 section 4.1.2) in its record.
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    // A fatal alert "handshake_failure" (RFC 8446 section 6).
    let alert = String::from_utf8_lossy(b"\x15\x03\x01\x00\x02\x02\x28").into_owned();
    assert_eq!(answer(hello), format!("tls\r\n{alert}close\r\n"));
    // Not in the middle of a conversation.
    let mut front = front();
    let _ = front.receive(b"NOOP\r\n");
    assert!(told(front.receive(b"\x16\x03\x01\r\n")).starts_with("500 "));
}

#[test]
fn noise_is_answered_and_bounded() {
    assert_eq!(
        codes(b"NO\0OP\r\n\0\r\nNOOP\x7f\r\n\xff\r\n\r\n"),
        ["500"; 5]
    );
    // A line without an end, however it comes.
    let long = codes(&vec![b'A'; 70_000]);
    assert_eq!(long, ["500", "421", "close"]);
    // A base64 line without an end.
    let long = codes(&[b"AUTH PLAIN ".as_slice(), &vec![b'A'; 70_000]].concat());
    assert_eq!(long, ["500", "421", "close"]);
    // Commands without a login.
    let many = codes(&b"NOOP\r\n".repeat(1000));
    assert_eq!(many.len(), 52);
    assert_eq!(many[50..], ["421", "close"]);
    // A web page.
    assert_eq!(
        codes(b"POST / HTTP/1.1\r\nHost: 127.0.0.1:1587\r\n"),
        ["421", "close"]
    );
    // Ahead of the answer to a login.
    let mut front = front();
    assert_eq!(
        told(front.receive(format!("AUTH PLAIN {PLAIN}\r\n").as_bytes())),
        LOGIN
    );
    assert_eq!(told(front.receive(&[b'x'; 60_000])), "");
    assert_eq!(
        told(front.receive(&[b'x'; 60_000])),
        "421 4.7.0 Too much at once\r\nclose\r\n"
    );
    assert!(front.into_rest().is_empty());
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"EHLO me\r\n".to_vec()),
        Just(b"NOOP\n".to_vec()),
        Just(b"QUIT\r\n".to_vec()),
        Just(b"AUTH LOGIN\r\n".to_vec()),
        Just(format!("AUTH PLAIN {PLAIN}\r\n").into_bytes()),
        Just(format!("{PLAIN}\r\n").into_bytes()),
        Just(b"*\r\n".to_vec()),
        Just(b"\x16".to_vec()),
        Just(b"\x03".to_vec()),
        Just(vec![b'A'; 40_000]),
        proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn any_bytes_cut_anywhere(
        pieces in proptest::collection::vec(piece(), 0..12),
        cuts in proptest::collection::vec(1_usize..5000, 1..20),
        refused in any::<bool>(),
    ) {
        let input = pieces.concat();
        let run = |sizes: &mut dyn Iterator<Item = usize>| {
            let mut front = front();
            let mut told_all = String::new();
            let mut rest = input.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
                rest = later;
                told_all += &told(front.receive(now));
                prop_assert!(front.lines.len() <= MOST_AHEAD + now.len());
            }
            if refused && matches!(front.state, State::Login) {
                told_all += &told(front.refuse(&Trouble::NoCard));
            }
            Ok(told_all)
        };
        let whole = run(&mut std::iter::once(input.len().max(1)))?;
        let cut = run(&mut cuts.iter().copied().cycle())?;
        prop_assert_eq!(whole, cut);
    }
}
