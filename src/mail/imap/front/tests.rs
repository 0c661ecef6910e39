use proptest::prelude::*;

use super::*;

/// What a test sees of reactions: what is sent joined, logins and the rest in braces.
fn seen(reactions: Vec<Reaction>) -> String {
    let mut seen = String::new();
    for reaction in reactions {
        match reaction {
            Reaction::Send(bytes) if bytes == TLS_ALERT => seen.push_str("{alert}"),
            Reaction::Send(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            Reaction::Login(credentials) => seen.push_str(&format!(
                "{{login {} {}}}",
                credentials.user,
                credentials.password.as_str()
            )),
            Reaction::TlsHello => seen.push_str("{hello}"),
            Reaction::Close => seen.push_str("{close}"),
        }
    }
    seen
}

fn said(client: &str) -> String {
    seen(Front::new(Language::English).receive(client.as_bytes()))
}

/// Cut anywhere, the same comes out.
fn said_in_pieces(client: &[u8]) -> String {
    let mut front = Front::new(Language::English);
    client
        .iter()
        .map(|byte| seen(front.receive(&[*byte])))
        .collect()
}

#[test]
fn the_greeting_has_our_own_capabilities() {
    // Domain page "mssante", section 10: never the operator's.
    let greeting = Front::new(Language::French).greeting();
    assert_eq!(
        String::from_utf8_lossy(&greeting),
        "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN AUTH=LOGIN] cpsd\r\n"
    );
}

#[test]
fn what_clients_ask_before_a_login_is_answered() {
    assert_eq!(
        said(
            "1 CAPABILITY\r\n2 noop\r\n3 ID (\"name\" \"Thunderbird\")\r\n4 ID NIL\r\n5 LOGOUT\r\n"
        ),
        "* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN AUTH=LOGIN\r\n1 OK\r\n\
         2 OK\r\n\
         * ID (\"name\" \"cpsd\")\r\n3 OK\r\n\
         * ID (\"name\" \"cpsd\")\r\n4 OK\r\n\
         * BYE cpsd\r\n5 OK\r\n{close}"
    );
}

#[test]
fn a_login_comes_in_every_notation() {
    for (client, asked) in [
        ("a LOGIN u@x.fr secret\r\n", ""),
        ("a login \"u@x.fr\" \"secret\"\r\n", ""),
        (
            "a LOGIN {6}\r\nu@x.fr {6}\r\nsecret\r\n",
            "+ OK\r\n+ OK\r\n",
        ),
        ("a LOGIN {6+}\r\nu@x.fr {6+}\r\nsecret\r\n", ""),
        ("a LOGIN u@x.fr {6+}\r\nsecret\r\n", ""),
        ("a LOGIN u@x.fr secret\n", ""),
        ("a AUTHENTICATE PLAIN AHVAeC5mcgBzZWNyZXQ=\r\n", ""),
        ("a AUTHENTICATE PLAIN\r\nAHVAeC5mcgBzZWNyZXQ=\r\n", "+ \r\n"),
        (
            "a AUTHENTICATE LOGIN dUB4LmZy\r\nc2VjcmV0\r\n",
            "+ UGFzc3dvcmQ6\r\n",
        ),
        (
            "a authenticate login\r\ndUB4LmZy\r\nc2VjcmV0\r\n",
            "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n",
        ),
    ] {
        let expected = format!("{asked}{{login u@x.fr secret}}");
        assert_eq!(said(client), expected, "{client}");
        assert_eq!(said_in_pieces(client.as_bytes()), expected, "{client}");
    }
}

#[test]
fn everything_else_is_bad() {
    for (client, answer) in [
        ("a SELECT INBOX\r\n", "a BAD Authentication required\r\n"),
        (
            "a XYZZY {3+}\r\nabc\r\n",
            "a BAD Authentication required\r\n",
        ),
        (
            "a STARTTLS\r\n",
            "a BAD STARTTLS is not offered on this port\r\n",
        ),
        (
            "a AUTHENTICATE GSSAPI\r\n",
            "a NO Mechanism not supported\r\n",
        ),
        ("a AUTHENTICATE\r\n", "a BAD Malformed authentication\r\n"),
        (
            "a AUTHENTICATE PLAIN ?\r\n",
            "a BAD Malformed authentication\r\n",
        ),
        (
            "a AUTHENTICATE PLAIN A B\r\n",
            "a BAD Malformed authentication\r\n",
        ),
        (
            "a AUTHENTICATE PLAIN\r\n*\r\n",
            "+ \r\na BAD Authentication cancelled\r\n",
        ),
        ("a LOGIN u\r\n", "a BAD Malformed authentication\r\n"),
        ("a LOGIN u p x\r\n", "a BAD Malformed authentication\r\n"),
        (
            "a LOGIN {1}\r\n\0 p\r\n",
            "+ OK\r\na BAD Malformed authentication\r\n",
        ),
        ("a\r\n", "a BAD Malformed command\r\n"),
        ("\r\n", "* BAD Malformed command\r\n"),
        ("\0\0\r\n", "* BAD Malformed command\r\n"),
        ("a LOGIN {8193}\r\n", "a BAD Command too long\r\n"),
        ("a LOGIN {8193+}\r\n", "* BYE Command too long\r\n{close}"),
        (
            "a APPEND x {99999999999999999999}\r\n",
            "a BAD Command too long\r\n",
        ),
    ] {
        assert_eq!(said(client), answer, "{client}");
        if !answer.ends_with("{close}") {
            let twice = format!("{client}b LOGIN u p\r\n");
            assert_eq!(said(&twice), format!("{answer}{{login u p}}"), "{client}");
        }
    }
}

#[test]
fn a_wrong_password_keeps_the_connection_until_the_third() {
    let mut front = Front::new(Language::English);
    let wrong = "NO [AUTHENTICATIONFAILED] Wrong application password for this account\r\n";
    for tag in ["a", "b", "c"] {
        let login = front.receive(format!("{tag} LOGIN u p\r\n").as_bytes());
        assert_eq!(seen(login), "{login u p}");
        assert_eq!(front.tag(), tag);
        let end = match tag {
            "c" => "* BYE Too many wrong passwords\r\n{close}",
            _ => "",
        };
        assert_eq!(
            seen(front.refuse(&Trouble::WrongPassword)),
            format!("{tag} {wrong}{end}")
        );
    }
    assert_eq!(seen(front.receive(b"d NOOP\r\n")), "");
}

#[test]
fn any_other_refusal_may_be_repeated() {
    let mut front = Front::new(Language::French);
    for _ in 0..10 {
        assert_eq!(seen(front.receive(b"a LOGIN u p\r\n")), "{login u p}");
        assert_eq!(
            seen(front.refuse(&Trouble::NoCard)),
            "a NO [UNAVAILABLE] Inserez votre carte CPS\r\n"
        );
    }
}

#[test]
fn what_is_sent_behind_a_login_waits_for_its_end() {
    let mut front = Front::new(Language::English);
    let sent = b"a LOGIN u p\r\nb NOOP\r\nc LOGIN u q\r\nd SELECT x\r\n";
    assert_eq!(seen(front.receive(sent)), "{login u p}");
    assert_eq!(seen(front.receive(b"e CHECK\r\n")), "");
    assert_eq!(
        seen(front.refuse(&Trouble::NoReader)),
        "a NO [UNAVAILABLE] No card reader found\r\nb OK\r\n{login u q}"
    );
    assert_eq!(front.tag(), "c");
    assert_eq!(front.into_rest(), b"d SELECT x\r\ne CHECK\r\n");
}

#[test]
fn a_tls_client_is_recognised_and_told() {
    // The beginning of a ClientHello of OpenSSL 3.
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC];
    for cut in 0..=hello.len() {
        let mut front = Front::new(Language::French);
        let (first, second) = hello.split_at(cut);
        let mut told = seen(front.receive(first));
        told.push_str(&seen(front.receive(second)));
        assert_eq!(told, "{hello}{alert}{close}");
    }
    assert_eq!(said("\x16\x03\r\n"), "* BAD Malformed command\r\n");
}

#[test]
fn a_client_that_floods_is_sent_away() {
    let long = "a".repeat(70_000);
    assert_eq!(said(&long), "* BYE Command too long\r\n{close}");
    assert_eq!(said_in_pieces(long.as_bytes()), said(&long));
    // Many literals in one command.
    let literal = "{8000+}\r\n".to_owned() + &"x".repeat(8000);
    assert_eq!(
        said(&format!("a LOGIN {}\r\n", literal.repeat(10))),
        "* BYE Command too long\r\n{close}"
    );
    // Many commands.
    let told = said(&"a NOOP\r\n".repeat(1000));
    assert_eq!(told.matches("a OK").count(), 50);
    assert!(told.ends_with("* BYE Too many commands without authentication\r\n{close}"));
    // Many bytes behind a login.
    let mut front = Front::new(Language::English);
    front.receive(b"a LOGIN u p\r\n");
    let told: String = (0..100)
        .map(|_| seen(front.receive(&[b'x'; 1000])))
        .collect();
    assert_eq!(told, "* BYE Command too long\r\n{close}");
}

/// Pieces of what clients say, whole and broken.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let words: &[&[u8]] = &[
        b"a LOGIN ",
        b"a AUTHENTICATE ",
        b"PLAIN",
        b"LOGIN",
        b" AHUAcA==",
        b"u p",
        b"{3}",
        b"{3+}",
        b"{9000}",
        b"abc",
        b"\"u\\\"\" ",
        b"\r\n",
        b"\n",
        b"*",
        b"\0",
        b"a NOOP\r\n",
        b"\x16\x03\x01",
    ];
    let word = prop::sample::select(words);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn the_cutting_of_the_input_does_not_matter(
        client in conversation(),
        cuts in prop::collection::vec(0_usize..30, 0..10),
    ) {
        let mut whole = Front::new(Language::English);
        let expected = refused(&mut whole, &client);
        let mut front = Front::new(Language::English);
        let mut rest = client.as_slice();
        let mut told = String::new();
        for cut in cuts {
            let (piece, behind) = rest.split_at(cut.min(rest.len()));
            told.push_str(&refused(&mut front, piece));
            rest = behind;
        }
        told.push_str(&refused(&mut front, rest));
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn arbitrary_bytes_are_answered_with_whole_lines(
        client in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut front = Front::new(Language::English);
        for reaction in front.receive(&client) {
            if let Reaction::Send(bytes) = reaction {
                prop_assert!(bytes.ends_with(b"\r\n") || bytes == TLS_ALERT);
            }
        }
    }

    #[test]
    fn what_is_kept_of_a_client_is_bounded(
        pieces in prop::collection::vec((any::<u8>(), 0_usize..20_000), 0..40),
    ) {
        let mut front = Front::new(Language::English);
        front.receive(b"a LOGIN u p\r\nb NOOP\r\n");
        for (byte, length) in pieces {
            front.receive(&vec![byte; length]);
            prop_assert!(front.input.as_bytes().len() <= COMMAND_LIMIT);
        }
    }
}

/// What is said when each login is refused.
fn refused(front: &mut Front, client: &[u8]) -> String {
    let mut reactions = front.receive(client);
    let mut told = String::new();
    loop {
        let login = matches!(reactions.last(), Some(Reaction::Login(_)));
        told.push_str(&seen(reactions));
        if !login {
            return told;
        }
        reactions = front.refuse(&Trouble::NoCard);
    }
}
