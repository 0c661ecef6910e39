use proptest::prelude::*;

use super::*;

fn parse(pieces: &[&[u8]]) -> Result<Vec<Message>, TooLong> {
    let mut parser = Parser::default();
    let mut out = VecDeque::default();
    for piece in pieces {
        parser.feed(piece, &mut out)?;
    }
    Ok(out.into())
}

fn message(event: &str, data: &str) -> Message {
    Message {
        event: event.to_owned(),
        data: data.to_owned(),
    }
}

/// The examples of WHATWG HTML §9.2.6.
#[test]
fn examples_of_the_standard() {
    let stream = b"data: YHOO\ndata: +2\ndata: 10\n\n";
    assert_eq!(parse(&[stream]), Ok(vec![message("", "YHOO\n+2\n10")]));

    let stream =
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event";
    assert_eq!(
        parse(&[stream]),
        Ok(vec![
            message("", "first event"),
            message("", "second event")
        ])
    );

    let stream = b"data\n\ndata\ndata\n\ndata:";
    assert_eq!(
        parse(&[stream]),
        Ok(vec![message("", ""), message("", "\n")])
    );

    let stream = b"data:test\n\ndata: test\n\n";
    assert_eq!(
        parse(&[stream]),
        Ok(vec![message("", "test"), message("", "test")])
    );
}

#[test]
fn an_event_name_belongs_to_one_message() {
    let stream = b"\xEF\xBB\xBFevent: login\r\ndata: {}\r\n\r\nevent: ignored\r\n\r\ndata: 1\r\r";
    assert_eq!(
        parse(&[stream]),
        Ok(vec![message("login", "{}"), message("", "1")])
    );
}

#[test]
fn an_endless_event_is_refused() {
    assert_eq!(parse(&[&vec![b'x'; MAX_EVENT + 1]]), Err(TooLong));
    assert_eq!(
        parse(&[&b"data: xxxxxxxxxxxxxxxxxxxxxxx\n".repeat(5000)]),
        Err(TooLong)
    );
}

proptest! {
    #[test]
    fn the_cut_of_the_bytes_changes_nothing(
        bytes in proptest::collection::vec(
            prop_oneof![
                Just(b"data: x".to_vec()), Just(b"event:y".to_vec()), Just(b"\n".to_vec()),
                Just(b"\r\n".to_vec()), Just(b"\r".to_vec()), Just(b":".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..5),
            ],
            0..40,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = bytes.concat();
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
        let whole = parse(&[&bytes]);
        prop_assert_eq!(&parse(&[first, second]), &whole);
        prop_assert_eq!(&parse(&one_by_one), &whole);
    }

    #[test]
    fn what_is_written_is_read(name in "[a-z_]{1,20}", lines in proptest::collection::vec("[^\r\n]{0,30}", 1..5)) {
        let mut stream = format!("event: {name}\n");
        for line in &lines {
            stream.push_str(&format!("data: {line}\n"));
        }
        stream.push('\n');
        prop_assert_eq!(parse(&[stream.as_bytes()]), Ok(vec![message(&name, &lines.join("\n"))]));
    }
}
