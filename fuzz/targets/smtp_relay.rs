//! An SMTP session between a client and a server: how everything is cut, then parts of a side and a
//! length in one byte (the client's with the high bit), and what that side says.
#![no_main]

use cps_mail::sasl::Login;
use cps_mail::smtp::{Authentication, Event, Relay, Rules, Session, Settings};
use cps_mail::{Address, Dialogue, Language, Step, Trouble};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, parts)) = bytes.split_first() else {
        return;
    };
    let cut = usize::from(*cut).max(1);
    let whole = talk(parts, usize::MAX, usize::MAX);
    assert_eq!(talk(parts, cut, usize::MAX), whole);
    // What a server says too early may be seen later if it comes in pieces.
    talk(parts, cut, cut);
});

struct Everything;

impl Rules for Everything {
    fn sender(&mut self, from: Option<&Address>, _: Option<u64>) -> Result<(), Trouble> {
        match from.is_some_and(|from| from.local() == "x") {
            true => Err(Trouble::Sender),
            false => Ok(()),
        }
    }

    fn recipient(&mut self, to: &Address) -> Result<(), Trouble> {
        match to.is_patient() {
            true => Err(Trouble::Recipient),
            false => Ok(()),
        }
    }

    fn size(&mut self, so_far: u64) -> Result<(), Trouble> {
        match so_far > 100 {
            true => Err(Trouble::TooLarge(25)),
            false => Ok(()),
        }
    }
}

/// What happens, with pieces to the server as one.
fn talk(mut parts: &[u8], client: usize, server: usize) -> Vec<Event> {
    let settings = Settings {
        host_name: "cpsd.localhost".to_owned(),
        size: 1000,
        language: Language::French,
        product: Some("P".to_owned()),
    };
    let mut relay = Relay::new(session(), settings);
    let mut events: Vec<Event> = Vec::new();
    while let Some((head, rest)) = parts.split_first() {
        let (said, rest) = rest.split_at(usize::from(head & 0x7F).min(rest.len()));
        parts = rest;
        let piece = if head & 0x80 == 0 { server } else { client };
        for bytes in said.chunks(piece) {
            let new = match head & 0x80 {
                0 => relay.server(bytes, &mut Everything),
                _ => relay.client(bytes, &mut Everything),
            };
            for event in new {
                assert_ne!(
                    events.last(),
                    Some(&Event::Close),
                    "nothing follows the end"
                );
                match (events.last_mut(), event) {
                    (Some(Event::ToServer(last)), Event::ToServer(next)) => last.extend(next),
                    // How much of a message that is given up went out does not matter.
                    (Some(Event::ToServer(_)), Event::Abort) => {
                        events.pop();
                        events.push(Event::Abort);
                    }
                    (_, event) => events.push(event),
                }
            }
        }
    }
    let sent = events.iter().filter(|event| match event {
        Event::Note(note) => note.sent,
        _ => false,
    });
    let accepted = events.iter().filter(|event| match event {
        Event::ToServer(bytes) => bytes.ends_with(b".\r\n"),
        _ => false,
    });
    assert!(
        sent.count() <= accepted.count(),
        "only what was ended was sent"
    );
    let _ = relay.client_closed();
    assert!(relay.close(&Trouble::Closing).len() <= 3);
    events
}

fn session() -> Session {
    let mut dialogue = Authentication::new(Login::None, "x".to_owned(), false);
    let _ = dialogue.advance(b"");
    match dialogue.advance(b"250-x\r\n250-SIZE 500\r\n250 8BITMIME\r\n") {
        Ok(Step::Done { done, .. }) => done,
        _ => unreachable!("the certificate is enough"),
    }
}
