use proptest::prelude::*;

use super::*;

/// Who says something.
#[derive(Clone, Copy, Debug)]
enum Side {
    Client,
    Server,
}

use Side::{Client as C, Server as S};

/// What is observed of a conversation, each part of it in pieces of this size.
fn observe(conversation: &[(Side, &[u8])], piece: usize) -> Vec<(Action, String, String)> {
    let mut observer = Observer::new();
    let mut observed = Vec::new();
    for (side, bytes) in conversation {
        for bytes in bytes.chunks(piece) {
            observed.extend(match side {
                C => observer.client(bytes),
                S => observer.server(bytes),
            });
        }
    }
    observed.extend(observer.finish());
    observed
        .into_iter()
        .map(|it| (it.action, it.request, it.answer.unwrap_or_default()))
        .collect()
}

fn observed(conversation: &[(Side, &[u8])], expected: &[(Action, &str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(action, request, answer)| (*action, (*request).to_owned(), (*answer).to_owned()))
        .collect();
    for piece in [1, 2, 7, usize::MAX] {
        assert_eq!(observe(conversation, piece), expected, "pieces of {piece}");
    }
}

#[test]
fn deleting_is_seen_with_its_answer() {
    observed(
        &[
            (C, b"7 UID STORE 12:14 +FLAGS.SILENT (\\Deleted \\Seen)\r\n"),
            (S, b"7 OK Store completed.\r\n"),
            (C, b"8 store 1 flags (\\DELETED)\r\n9 EXPUNGE\r\n"),
            (
                S,
                b"8 OK done\r\n* 1 EXPUNGE\r\n9 NO [SERVERBUG] Internal error\r\n",
            ),
            (C, b"10 UID EXPUNGE 12:14\r\n"),
            (S, b"10 OK done\r\n"),
            (C, b"11 CLOSE\r\n"),
            (S, b"11 OK done\r\n"),
            (C, b"12 DELETE Old\r\n"),
            (S, b"12 OK done\r\n"),
        ],
        &[
            (
                Action::Delete,
                "UID STORE 12:14 +FLAGS.SILENT (\\Deleted \\Seen)",
                "OK Store completed.",
            ),
            (Action::Delete, "store 1 flags (\\DELETED)", "OK done"),
            (Action::Delete, "EXPUNGE", "NO [SERVERBUG] Internal error"),
            (Action::Delete, "UID EXPUNGE 12:14", "OK done"),
            (Action::Delete, "CLOSE", "OK done"),
            (Action::Delete, "DELETE Old", "OK done"),
        ],
    );
}

#[test]
fn moving_copying_and_storing_are_seen() {
    observed(
        &[
            (C, b"a UID MOVE 3 Archive\r\nb COPY 1:* \"Dossier A\"\r\n"),
            (S, b"* OK [COPYUID 1 3 9] Moved\r\na OK done\r\n"),
            (S, b"b OK [COPYUID 1 1:2 3:4] done\r\n"),
            (C, b"c APPEND Sent (\\Seen) {24}\r\n"),
            (S, b"+ OK\r\n"),
            (C, b"Subject: M. X\r\n\r\nd EXPUN\r\n"),
            (S, b"c OK [APPENDUID 1 5] done\r\n"),
            (
                C,
                b"e APPEND {4+}\r\nSent (\\Seen) {11+}\r\nx EXPUNGE\r\n\r\n",
            ),
            (S, b"e NO [OVERQUOTA] full\r\n"),
        ],
        &[
            (Action::Move, "UID MOVE 3 Archive", "OK done"),
            (
                Action::Copy,
                "COPY 1:* \"Dossier A\"",
                "OK [COPYUID 1 1:2 3:4] done",
            ),
            (
                Action::Append,
                "APPEND Sent (\\Seen) {24}",
                "OK [APPENDUID 1 5] done",
            ),
            (
                Action::Append,
                "APPEND {4+} (\\Seen) {11+}",
                "NO [OVERQUOTA] full",
            ),
        ],
    );
}

#[test]
fn reading_leaves_no_trace() {
    observed(
        &[
            (C, b"a SELECT INBOX\r\nb UID FETCH 1:* (FLAGS)\r\n"),
            (
                S,
                b"* 2 EXISTS\r\na OK done\r\n* 1 FETCH (FLAGS (\\Deleted))\r\nb OK done\r\n",
            ),
            (
                C,
                b"c STORE 1 -FLAGS (\\Deleted)\r\nd STORE 1 +FLAGS (\\Seen)\r\n",
            ),
            (
                C,
                b"e UID SEARCH SUBJECT \"DUPONT\"\r\nf IDLE\r\nDONE\r\n\r\n",
            ),
            (
                S,
                b"+ idling\r\nc OK done\r\nd OK done\r\ne OK done\r\nf OK done\r\n",
            ),
        ],
        &[],
    );
}

#[test]
fn a_message_is_not_taken_for_answers() {
    observed(
        &[
            (C, b"a EXPUNGE\r\n"),
            (
                S,
                b"* 1 FETCH (BODY[] {18}\r\na OK from a mail\r\n FLAGS (\\Seen) X {3}\r\na O)\r\n",
            ),
            (S, b"* 1 FETCH (BODY[1] {1}\r\nxa OK inside)\r\n"),
            (S, b"* OK a text that ends with {14}\r\na NO not done\r\n"),
        ],
        &[(Action::Delete, "EXPUNGE", "NO not done")],
    );
}

#[test]
fn a_refused_literal_is_not_awaited() {
    observed(
        &[
            (C, b"z NOOP\r\na APPEND Sent {5000}\r\n"),
            (S, b"z OK\r\na NO [TOOBIG] no\r\n"),
            (C, b"b EXPUNGE\r\n"),
            (S, b"b OK done\r\n"),
        ],
        &[(Action::Delete, "EXPUNGE", "OK done")],
    );
}

#[test]
fn a_session_that_ends_leaves_what_was_asked() {
    observed(
        &[(C, b"a EXPUNGE\r\nb COMPRESS DEFLATE\r\n")],
        &[(Action::Delete, "EXPUNGE", "")],
    );
}

#[test]
fn compression_is_the_last_thing_seen() {
    observed(
        &[
            (C, b"a COMPRESS DEFLATE\r\n"),
            (S, b"a NO not here\r\n"),
            (C, b"b EXPUNGE\r\n"),
            (S, b"b OK done\r\n"),
            (C, b"c COMPRESS DEFLATE\r\n"),
            (S, b"c OK begins\r\nx OK \0\xFF"),
            (C, b"x EXPUNGE\r\n"),
            (S, b"x OK done\r\n"),
        ],
        &[
            (Action::Delete, "EXPUNGE", "OK done"),
            (Action::Compress, "COMPRESS DEFLATE", "OK begins"),
        ],
    );
}

#[test]
fn a_long_command_is_told_without_its_middle() {
    let set = (1..3000).map(|it| it.to_string()).collect::<Vec<_>>();
    let command = format!("a UID STORE {} +FLAGS (\\Deleted)\r\n", set.join(","));
    for piece in [1, 1000, usize::MAX] {
        let conversation: &[(Side, &[u8])] = &[(C, command.as_bytes()), (S, b"a OK done\r\n")];
        let seen = observe(conversation, piece);
        let [(Action::Delete, request, _)] = seen.as_slice() else {
            panic!("{seen:?}");
        };
        assert_eq!(request.len(), 200);
        assert!(request.starts_with("UID STORE 1,2,3,"));
        assert!(request.ends_with(",2998,2999 +FLAGS (\\Deleted)"));
    }
}

#[test]
fn commands_without_answers_are_bounded() {
    let commands: String = (0..100).map(|it| format!("{it} EXPUNGE\r\n")).collect();
    let mut observer = Observer::new();
    assert_eq!(observer.client(commands.as_bytes()).len(), 36);
    let answers: String = (0..100).map(|it| format!("{it} OK\r\n")).collect();
    assert_eq!(observer.server(answers.as_bytes()).len(), 64);
    assert_eq!(observer.finish(), []);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(
        pieces in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(any::<u8>(), 0..600)),
            0..20,
        ),
    ) {
        let mut observer = Observer::new();
        for (client, bytes) in &pieces {
            match client {
                true => observer.client(bytes),
                false => observer.server(bytes),
            };
        }
    }

    #[test]
    fn the_cutting_does_not_matter(
        words in prop::collection::vec((any::<bool>(), prop::sample::select(WORDS)), 0..60),
        piece in 1_usize..9,
    ) {
        let conversation: Vec<(Side, &[u8])> = words
            .into_iter()
            .map(|(client, word)| (if client { C } else { S }, word))
            .collect();
        prop_assert_eq!(
            observe(&conversation, piece),
            observe(&conversation, usize::MAX)
        );
    }
}

/// Pieces of conversations, whole and broken.
const WORDS: &[&[u8]] = &[
    b"a EXPUNGE\r\n",
    b"a OK done\r\n",
    b"b APPEND x {5}\r\n",
    b"b APPEND x {5+}\r\n",
    b"b NO\r\n",
    b"+ OK\r\n",
    b"* 1 FETCH (BODY[] {7}\r\n",
    b"* OK {7}\r\n",
    b"c UID STORE 1 +FLAGS (\\Deleted)",
    b"c OK",
    b"d COMPRESS DEFLATE\r\n",
    b"d OK\r\n",
    b"\r\n",
    b"\n",
    b" ",
    b"{3}",
    b"\0",
];
