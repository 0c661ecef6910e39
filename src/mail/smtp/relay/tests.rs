use proptest::prelude::*;

use super::*;

/// What came of some bytes, one thing a line: `C` to the client, `S` to the server.
fn told(events: &[Event]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "|");
    events
        .iter()
        .map(|event| match event {
            Event::ToClient(bytes) => format!("C {}\n", text(bytes)),
            Event::ToServer(bytes) => format!("S {}\n", text(bytes)),
            Event::Abort => "abort\n".to_owned(),
            Event::Close => "close\n".to_owned(),
            Event::Note(note) => format!(
                "note {} = {}{}\n",
                note.request(),
                note.answer,
                if note.sent { "" } else { " (not sent)" }
            ),
        })
        .collect()
}

/// Rules with one forbidden sender, one forbidden recipient, and a limit.
struct Strict(u64);

impl Rules for Strict {
    fn sender(&mut self, from: Option<&Address>, size: Option<u64>) -> Result<(), Trouble> {
        if from.is_some_and(|from| from.local() == "spoofed") {
            return Err(Trouble::Sender);
        }
        self.size(size.unwrap_or_default())
    }

    fn recipient(&mut self, to: &Address) -> Result<(), Trouble> {
        match to.domain() {
            "outside.test" => Err(Trouble::Recipient),
            _ => Ok(()),
        }
    }

    fn size(&mut self, so_far: u64) -> Result<(), Trouble> {
        match so_far > self.0 {
            true => Err(Trouble::TooLarge(25)),
            false => Ok(()),
        }
    }
}

struct Play {
    relay: Relay,
    rules: Strict,
}

impl Play {
    fn with(product: Option<&str>, certificate_only: bool) -> Self {
        let offered = Reply {
            code: 250,
            texts: [
                "mail.operateur.test",
                "SIZE 1000",
                "8BITMIME",
                "AUTH EXTERNAL",
                "CHUNKING",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        let session = Session {
            extensions: Extensions::of(&offered),
            certificate_only,
        };
        let settings = Settings {
            host_name: "cpsd.localhost".to_owned(),
            size: 2000,
            language: Language::English,
            product: product.map(str::to_owned),
        };
        Self {
            relay: Relay::new(session, settings),
            rules: Strict(1000),
        }
    }

    fn new() -> Self {
        Self::with(None, false)
    }

    /// A play in which a message streams.
    fn streaming() -> Self {
        let mut play = Self::new();
        play.begin("DATA\r\n");
        play.server("354 go\r\n");
        play
    }

    /// `MAIL` and `RCPT` have been accepted, and this was sent.
    fn begin(&mut self, then: &str) {
        self.client("MAIL FROM:<a@b.test>\r\nRCPT TO:<1234567890123@c.test>\r\n");
        self.server("250 ok\r\n");
        self.server("250 ok\r\n");
        self.client(then);
    }

    fn client(&mut self, bytes: &str) -> String {
        told(&self.relay.client(bytes.as_bytes(), &mut self.rules))
    }

    fn server(&mut self, bytes: &str) -> String {
        told(&self.relay.server(bytes.as_bytes(), &mut self.rules))
    }
}

#[test]
fn a_message_goes_through() {
    let mut play = Play::new();
    assert_eq!(
        play.client("MAIL FROM:<a@b.test> SIZE=5\r\n"),
        "S MAIL FROM:<a@b.test> SIZE=5|\n"
    );
    assert_eq!(play.server("250 2.1.0 ok\r\n"), "C 250 2.1.0 ok|\n");
    assert_eq!(
        play.client("RCPT TO:<1234567890123@c.test>\r\n"),
        "S RCPT TO:<1234567890123@c.test>|\n"
    );
    assert_eq!(play.server("250 2.1.5 ok\r\n"), "C 250 2.1.5 ok|\n");
    assert_eq!(play.client("DATA\r\n"), "S DATA|\n");
    assert_eq!(play.server("354 go\r\n"), "C 354 go|\n");
    assert_eq!(
        play.client("Subject: x\r\n\r\n..dot\r\nbare\nlf\r\n"),
        "S Subject: x||..dot|bare\nlf|\n"
    );
    assert_eq!(play.client("."), "");
    assert_eq!(play.client("\r"), "");
    assert_eq!(play.client("\n"), "S .|\n");
    // No identifier of a patient.
    assert_eq!(
        play.server("250 2.0.0 <1234567890123@c.test> queued\r\n"),
        "note MAIL FROM:<a@b.test> RCPT 1 c.test = 250 2.0.0 <...@c.test> queued\n\
         C 250 2.0.0 <1234567890123@c.test> queued|\n"
    );
    assert_eq!(
        play.client("QUIT\r\n"),
        "S QUIT|\nC 221 2.0.0 Bye|\nclose\n"
    );
}

#[test]
fn replies_come_in_the_order_of_the_commands() {
    let mut play = Play::new();
    let group = "RSET\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<x@c.test>\r\nRCPT TO:<x@outside.test>\r\n\
        RCPT TO:<nobody>\r\nRCPT TO:<y@c.test>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n";
    let mut heard = String::new();
    let mut events = play.client(group);
    // The server answers each command with its name, and does not know pipelining.
    for _ in 0..20 {
        let commands: Vec<String> = events
            .lines()
            .filter_map(|line| line.strip_prefix("S "))
            .map(str::to_owned)
            .collect();
        heard.extend(
            events
                .lines()
                .filter(|line| line.starts_with("C "))
                .map(|line| format!("{line}\n")),
        );
        assert!(commands.len() <= 2, "{commands:?}");
        let Some(command) = commands.last() else {
            break;
        };
        events = match command.as_str() {
            "DATA|" => play.server("354 go\r\n"),
            ".|" | "x|.|" => play.server("250 queued\r\n"),
            "RCPT TO:<y@c.test>|" => play.server("550-no\r\n550 such\r\n"),
            other => play.server(&format!("250 {}\r\n", other.trim_end_matches('|'))),
        };
    }
    assert_eq!(
        heard,
        "C 250 RSET|\nC 250 MAIL FROM:<a@b.test>|\nC 250 RCPT TO:<x@c.test>|\n\
         C 550 5.7.1 The recipient is outside the MSSante trust space|\nC 553 5.1.3 Not an address|\n\
         C 550-no|550 such|\nC 354 go|\nC 250 queued|\nC 250 NOOP|\n"
    );
}

#[test]
fn hello_again_is_answered_without_what_is_not_carried() {
    let mut play = Play::new();
    let offered = "C 250-cpsd.localhost|250-SIZE 1000|250-PIPELINING|250 8BITMIME|\n";
    assert_eq!(play.client("EHLO me\r\n"), offered);
    // It ends a message that has begun (RFC 5321 section 4.1.4).
    play.client("MAIL FROM:<a@b.test>\r\n");
    play.server("250 ok\r\n");
    assert_eq!(play.client("EHLO me\r\n"), "S RSET|\n");
    assert_eq!(play.server("250 ok\r\n"), offered);
    assert_eq!(play.client("DATA\r\n"), "C 503 5.5.1 MAIL first|\n");
}

#[test]
fn commands_out_of_order_stay_here() {
    let mut play = Play::new();
    assert_eq!(
        play.client("RCPT TO:<x@c.test>\r\n"),
        "C 503 5.5.1 MAIL first|\n"
    );
    assert_eq!(play.client("DATA\r\n"), "C 503 5.5.1 MAIL first|\n");
    play.client("MAIL FROM:<a@b.test>\r\n");
    play.server("250 ok\r\n");
    assert!(
        play.client("MAIL FROM:<a@b.test>\r\n")
            .starts_with("C 503 5.5.1 ")
    );
    assert!(play.client("DATA\r\n").starts_with("C 554 5.5.1 "));
    assert!(
        play.client("AUTH PLAIN AAAA\r\n")
            .starts_with("C 503 5.5.1 ")
    );
    assert!(play.client("STARTTLS\r\n").starts_with("C 502 5.5.1 "));
    assert_eq!(
        play.client("BDAT 5 LAST\r\nhello"),
        "C 502 5.5.1 Not provided|\nclose\n"
    );
}

#[test]
fn a_foreign_sender_is_refused_here_and_noted() {
    let mut play = Play::new();
    let heard = play.client("MAIL FROM:<spoofed@b.test>\r\nRCPT TO:<x@c.test>\r\nDATA\r\n");
    let refusal = "553 5.7.1 The sender's address does not belong to your identity";
    assert_eq!(
        heard,
        format!(
            "note MAIL FROM:<spoofed@b.test> RCPT 0 = {refusal} (not sent)\nC {refusal}|\n\
             C 503 5.5.1 MAIL first|\nC 503 5.5.1 MAIL first|\n"
        )
    );
    // Over and over: it ends.
    let many = play.client(&"MAIL FROM:<spoofed@b.test>\r\n".repeat(100));
    assert!(many.ends_with("C 421 4.7.0 Too many errors|\nclose\n"));
    assert_eq!(many.matches("note ").count(), 49);
}

#[test]
fn a_declared_size_is_refused_at_once() {
    let heard = Play::new().client("MAIL FROM:<a@b.test> SIZE=1001\r\n");
    assert!(
        heard.contains("\nC 552 5.3.4 ") && !heard.contains("S "),
        "{heard}"
    );
}

#[test]
fn a_message_that_becomes_too_large_is_never_ended() {
    let mut play = Play::streaming();
    let line = format!("{}\r\n", "x".repeat(98));
    assert!(play.client(&line.repeat(10)).starts_with("S x"));
    let heard = play.client("y");
    assert!(
        heard.starts_with("abort\nnote ") && heard.contains("552 5.3.4 "),
        "{heard}"
    );
    // The client is told when it has sent all, and hears nothing before.
    assert_eq!(play.client(&line), "");
    assert!(play.client("\r\n.\r\n").starts_with("C 552 5.3.4 "));
    assert!(
        play.client("MAIL FROM:<a@b.test>\r\n")
            .starts_with("C 421 4.3.2 ")
    );

    // With its end in the same piece.
    let mut play = Play::streaming();
    let heard = play.client(&format!("{}.\r\nQUIT\r\n", line.repeat(11)));
    assert!(heard.starts_with("abort\nnote "), "{heard}");
    assert!(
        heard.contains("C 552 5.3.4 ") && !heard.contains("S "),
        "{heard}"
    );
    assert!(heard.ends_with("C 221 2.0.0 Bye|\nclose\n"), "{heard}");

    // A client that never ends is not listened to for ever.
    let mut play = Play::streaming();
    assert!(play.client(&line.repeat(20)).starts_with("abort\n"));
    assert_eq!(play.client(&line.repeat(80)), "");
    assert!(play.client("z").ends_with("close\n"));
}

#[test]
fn an_exact_limit_counts_the_message_alone() {
    // RFC 1870 section 3: without transparency dots and the last line.
    let mut play = Play::streaming();
    let message = format!("..{}\r\n", "x".repeat(997));
    assert_eq!(
        play.client(&format!("{message}.\r\n"))
            .matches("S ")
            .count(),
        1
    );
    let mut play = Play::streaming();
    let message = format!("..{}\r\n", "x".repeat(998));
    assert!(
        play.client(&format!("{message}.\r\n"))
            .starts_with("abort\n")
    );
}

#[test]
fn an_operator_lost_within_a_message_is_no_success() {
    for lose in [
        (|play| told(&play.relay.server_closed())) as fn(&mut Play) -> String,
        |play| play.server("250 queued\r\n"),
        |play| play.server("garbage\r\n"),
    ] {
        let mut play = Play::streaming();
        play.client("half\r\n");
        let heard = lose(&mut play);
        assert!(
            heard.starts_with("abort\nnote ") && !heard.contains("C "),
            "{heard}"
        );
        assert_eq!(play.server("250 queued\r\n"), "");
        assert_eq!(
            play.client("rest\r\n.\r\n"),
            "C 451 4.4.2 Connection to the operator lost: message not sent|\n"
        );
    }
    // In its own words, where it has some.
    for reply in ["421 4.3.2 closing", "552 5.3.4 too large", "451 4.3.0 disk"] {
        let mut play = Play::streaming();
        play.client("half\r\n");
        let heard = play.server(&format!("{reply}\r\n"));
        assert!(heard.starts_with("abort\n") && heard.contains(&format!("= {reply} (not sent)")));
        assert_eq!(play.client("rest\r\n.\r\n"), format!("C {reply}|\n"));
    }
}

#[test]
fn an_unconfirmed_message_is_not_called_sent() {
    for lose in [
        (|play| told(&play.relay.server_closed())) as fn(&mut Play) -> String,
        |play| play.server("354 what\r\n"),
        |play| play.server("25\r\n"),
    ] {
        let mut play = Play::streaming();
        assert_eq!(play.client("x\r\n.\r\n"), "S x|.|\n");
        let heard = lose(&mut play);
        assert!(
            heard.starts_with("note ") && heard.contains("(not sent)\nC 451 4.4.2 "),
            "{heard}"
        );
        assert!(heard.ends_with("close\n"));
    }
    let mut play = Play::streaming();
    play.client("x\r\n.\r\n");
    let heard = play.server("421 4.3.2 closing\r\n");
    assert!(heard.ends_with("C 421 4.3.2 closing|\nclose\n") && heard.contains("(not sent)"));
}

#[test]
fn a_client_that_leaves_within_a_message_does_not_send_it() {
    for cut in ["", "half", "half\r\n", "half\r\n.", "half\r\n.\r"] {
        let mut play = Play::streaming();
        let sent = play.client(cut);
        let heard = told(&play.relay.client_closed());
        assert!(
            !sent.contains('.') && !heard.contains("S "),
            "{sent}{heard}"
        );
        assert!(heard.ends_with("(not sent)\nclose\n"), "{heard}");
    }
}

#[test]
fn a_client_that_leaves_after_its_message_leaves_a_note() {
    let mut play = Play::streaming();
    play.client("x\r\n.\r\n");
    assert_eq!(told(&play.relay.client_closed()), "");
    let heard = play.server("250 queued\r\n");
    assert_eq!(
        heard,
        "note MAIL FROM:<a@b.test> RCPT 1 c.test = 250 queued\nclose\n"
    );
}

#[test]
fn replies_that_nobody_asked_for_end_the_session() {
    let unreachable = "C 421 4.3.2 ";
    // While nothing was asked; and one that would be taken for the answer to the next command.
    for replies in ["250 ok\r\n", "250 ok\r\n250 queued\r\n"] {
        let mut play = Play::new();
        if replies.len() > 10 {
            play.client("NOOP\r\nMAIL FROM:<a@b.test>\r\n");
        }
        let heard = play.server(replies);
        assert!(
            heard.contains(unreachable) && heard.ends_with("close\n"),
            "{heard}"
        );
        assert!(!heard.contains("S "), "{heard}");
    }
    assert_eq!(
        Play::new().server("421 4.4.2 idle\r\n"),
        "C 421 4.4.2 idle|\nclose\n"
    );
    // A beginning of one holds the next command back.
    let mut play = Play::new();
    play.client("NOOP\r\n");
    play.server("250 ok\r\n25");
    assert_eq!(play.client("MAIL FROM:<a@b.test>\r\n"), "");
    assert!(play.server("0 ok\r\n").starts_with(unreachable));
}

#[test]
fn replies_of_the_wrong_kind_are_not_passed_on() {
    for (command, reply) in [
        ("NOOP", "354 go"),
        ("MAIL FROM:<a@b.test>", "334 "),
        ("RSET", "550 no"),
    ] {
        let mut play = Play::new();
        play.client(&format!("{command}\r\n"));
        let heard = play.server(&format!("{reply}\r\n"));
        assert!(
            heard.contains("C 421 4.3.2 ") && heard.ends_with("close\n"),
            "{heard}"
        );
    }
    // Above all not this one.
    let mut play = Play::new();
    play.begin("DATA\r\n");
    let heard = play.server("250 queued\r\n");
    assert!(
        !heard.contains("C 250") && heard.ends_with("close\n"),
        "{heard}"
    );
}

#[test]
fn a_refused_message_is_forgotten_on_both_sides() {
    let mut play = Play::new();
    play.begin("DATA\r\nMAIL FROM:<a@b.test>\r\n");
    let heard = play.server("451 4.3.0 no\r\n");
    assert!(
        heard.starts_with("note ") && heard.ends_with("S RSET|\n"),
        "{heard}"
    );
    assert_eq!(
        play.server("250 ok\r\n"),
        "C 451 4.3.0 no|\nS MAIL FROM:<a@b.test>|\n"
    );
}

#[test]
fn a_refused_recipient_alone_is_noted() {
    let mut play = Play::new();
    play.client("MAIL FROM:<a@b.test>\r\nRCPT TO:<x@c.test>\r\nRSET\r\n");
    play.server("250 ok\r\n");
    let heard = play.server("550 5.1.1 <x@c.test> unknown\r\n");
    let note =
        "note MAIL FROM:<a@b.test> RCPT 0 (1 refused) c.test = 550 5.1.1 <...@c.test> unknown";
    assert_eq!(
        heard,
        format!("C 550 5.1.1 <x@c.test> unknown|\n{note} (not sent)\nS RSET|\n")
    );
}

#[test]
fn a_certificate_refused_late_is_the_cards_trouble() {
    // Domain page "mssante", sections 4.2 and 11, row 27.
    let rcpt = "554 5.7.1 <x@c.test>: Recipient address rejected: Access denied\r\n";
    let mail = "421 4.7.1 mail.operateur.test Error: No client certificate presented\r\n";
    for certificate_only in [true, false] {
        let mut play = Play::with(None, certificate_only);
        play.client("MAIL FROM:<a@b.test>\r\nRCPT TO:<x@c.test>\r\n");
        play.server("250 ok\r\n");
        let heard = play.server(rcpt);
        let code = if certificate_only {
            "C 454 4.7.0 "
        } else {
            "C 554 5.7.1 "
        };
        assert!(heard.starts_with(code), "{heard}");

        let mut play = Play::with(None, certificate_only);
        play.client("MAIL FROM:<a@b.test>\r\n");
        let heard = play.server(mail);
        let code = if certificate_only {
            "C 454 4.7.0 "
        } else {
            "C 421 4.7.1 "
        };
        assert!(
            heard.contains(code) && heard.ends_with("close\n"),
            "{heard}"
        );
    }
    // Another refusal is the recipient's.
    let mut play = Play::with(None, true);
    play.client("MAIL FROM:<a@b.test>\r\nRCPT TO:<x@c.test>\r\n");
    play.server("250 ok\r\n");
    assert_eq!(
        play.server("550 5.1.1 unknown\r\n"),
        "C 550 5.1.1 unknown|\n"
    );
}

#[test]
fn a_hidden_end_is_not_sent() {
    // What some servers take for the end, and others do not.
    for hidden in [
        "\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\r.\r", "\n.\r",
    ] {
        let mut play = Play::streaming();
        let heard = play.client(&format!("x{hidden}MAIL FROM:<spoofed@b.test>\r\n"));
        assert!(heard.starts_with("abort\nnote "), "{hidden:?}: {heard}");
        assert!(
            heard.contains("C 554 5.6.0 ") && heard.ends_with("close\n"),
            "{heard}"
        );
        assert!(!heard.contains("S "), "{heard}");
    }
    // The beginning of a message is the beginning of a line.
    assert!(Play::streaming().client(".\n").starts_with("abort\n"));
    assert_eq!(Play::streaming().client(".\r\n"), "S .|\n");
}

#[test]
fn a_session_that_must_end_ends_without_the_message() {
    let mut play = Play::streaming();
    play.client("half\r\n");
    let heard = told(&play.relay.close(&Trouble::CardRemoved));
    assert!(
        heard.starts_with("note ") && heard.contains("(not sent)\nC 421 4.3.2 "),
        "{heard}"
    );
    assert!(
        heard.ends_with("close\n") && !heard.contains("S "),
        "{heard}"
    );
    assert_eq!(play.client("rest\r\n.\r\n"), "");
    assert_eq!(told(&play.relay.close(&Trouble::Closing)), "");
}

#[test]
fn a_session_that_must_end_says_when_the_fate_of_a_message_is_unknown() {
    let mut play = Play::streaming();
    assert!(!play.relay.awaits_verdict());
    play.client("whole\r\n.\r\n");
    assert!(play.relay.awaits_verdict());
    let heard = told(&play.relay.close(&Trouble::CardRemoved));
    assert!(heard.contains("C 451 4.4.2 "), "{heard}");
    assert!(heard.ends_with("close\n"), "{heard}");
    assert!(!play.relay.awaits_verdict());
}

#[test]
fn the_product_is_named_once() {
    let line = "X-MSS-NIL: PRODUIT-1.0\r\n";
    for (message, expected) in [
        (
            "Subject: x\r\n\r\nbody\r\n",
            format!("{line}Subject: x\r\n\r\nbody\r\n"),
        ),
        (
            "a: b\r\nx-mss-nil : o\r\n\r\n",
            "a: b\r\nx-mss-nil : o\r\n\r\n".to_owned(),
        ),
        // Not in the body.
        (
            "a: b\r\n\r\nX-MSS-NIL: o\r\n",
            format!("{line}a: b\r\n\r\nX-MSS-NIL: o\r\n"),
        ),
        ("a: X-MSS-NIL: o\r\n", format!("{line}a: X-MSS-NIL: o\r\n")),
        ("\r\nbody\r\n", format!("{line}\r\nbody\r\n")),
        ("", line.to_owned()),
        ("..\r\n", format!("{line}..\r\n")),
    ] {
        for size in [1, 4, 1000] {
            let mut play = Play::with(Some(" PRODUIT-1.0\r\n"), false);
            play.begin("DATA\r\n");
            play.server("354 go\r\n");
            let whole = format!("{message}.\r\n");
            let sent: Vec<u8> = whole
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| play.relay.client(piece, &mut play.rules))
                .flat_map(|event| match event {
                    Event::ToServer(bytes) => bytes,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(String::from_utf8_lossy(&sent), format!("{expected}.\r\n"));
        }
    }
}

#[test]
fn noise_is_answered_and_bounded() {
    let mut play = Play::new();
    let heard = play.client("NO\0OP\r\n\r\nXYZZY\r\n");
    assert_eq!(heard.matches("C 500 5.5.2 ").count(), 3);
    assert!(
        play.client(&"\0\r\n".repeat(100))
            .ends_with("C 421 4.7.0 Too many errors|\nclose\n")
    );
    let heard = Play::new().client(&"x".repeat(9000));
    assert_eq!(heard, "C 500 5.5.6 Line too long|\nclose\n");
    // A client that sends on and on while the operator thinks.
    let mut play = Play::new();
    play.client("NOOP\r\n");
    assert!(play.relay.wants_client());
    assert_eq!(play.client(&"NOOP\r\n".repeat(4000)), "");
    assert!(!play.relay.wants_client());
    assert!(play.client(&"x".repeat(128 * 1024)).ends_with("close\n"));
    assert_eq!(play.relay.lines.len(), 0);
}

/// What a client writes for this message (RFC 5321 section 4.5.2).
fn stuffed(message: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in message {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b".".to_vec()),
        Just(b"..".to_vec()),
        Just(b".x".to_vec()),
        Just(Vec::new()),
        // Any octets but line ends.
        proptest::collection::vec(
            any::<u8>().prop_filter("no line end", |byte| !b"\r\n".contains(byte)),
            0..30
        ),
    ]
}

proptest! {
    #[test]
    fn messages_arrive_as_they_were_sent(
        message in proptest::collection::vec(line(), 0..20),
        cuts in proptest::collection::vec(1_usize..50, 1..10),
    ) {
        let wire = stuffed(&message);
        let mut play = Play::streaming();
        let mut arrived = Vec::new();
        let mut rest = wire.as_slice();
        for size in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*size).min(rest.len()));
            for event in play.relay.client(now, &mut play.rules) {
                match event {
                    Event::ToServer(bytes) => arrived.extend(bytes),
                    other => panic!("{other:?}"),
                }
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(arrived, wire);
        prop_assert!(matches!(play.relay.state, State::Waiting(Pending::Verdict)));
    }

    #[test]
    fn any_bytes_cut_anywhere(
        steps in proptest::collection::vec(step(), 0..40),
        size in 1_usize..50,
    ) {
        let run = |client_size: usize, server_size: usize| {
            let mut play = Play::with(Some("P"), false);
            let mut heard = Vec::new();
            for (client, bytes) in &steps {
                let size = if *client { client_size } else { server_size };
                for piece in bytes.chunks(size) {
                    let events = match client {
                        true => play.relay.client(piece, &mut play.rules),
                        false => play.relay.server(piece, &mut play.rules),
                    };
                    heard.extend(events);
                    assert!(play.relay.lines.len() <= MOST_AHEAD + piece.len());
                }
            }
            merged(heard)
        };
        prop_assert_eq!(run(size, usize::MAX), run(usize::MAX, usize::MAX));
        // What a server says too early may be seen later if it comes in pieces.
        run(size, size);
    }
}

/// Pieces of one direction as one.
fn merged(events: Vec<Event>) -> Vec<Event> {
    let mut merged: Vec<Event> = Vec::new();
    for event in events {
        match (merged.last_mut(), event) {
            (Some(Event::ToServer(last)), Event::ToServer(next)) => last.extend(next),
            // How much of a message that is given up went out does not matter.
            (Some(Event::ToServer(_)), Event::Abort) => {
                merged.pop();
                merged.push(Event::Abort);
            }
            (_, event) => merged.push(event),
        }
    }
    merged
}

/// Something that the client (`true`) or the server sends.
fn step() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let text = |client: bool, text: &str| Just((client, text.as_bytes().to_vec()));
    prop_oneof![
        text(true, "MAIL FROM:<a@b.test>\r\n"),
        text(true, "RCPT TO:<c@d.test>\r\n"),
        text(true, "DATA\r\n"),
        text(true, "RSET\r\nNOOP\r\n"),
        text(true, "Subject: x\r\n\r\nhello\r\n.\r\n"),
        text(true, "x\n.\r\n"),
        text(true, "a line of a message, or of nothing\r\n"),
        text(true, ".\r\n"),
        text(false, "250 ok\r\n"),
        text(false, "250-two\r\n250 lines\r\n"),
        text(false, "354 go\r\n"),
        text(false, "550 no\r\n"),
        text(false, "421 bye\r\n"),
        (any::<bool>(), proptest::collection::vec(any::<u8>(), 1..30)),
    ]
}
