use std::io::ErrorKind;

use proptest::prelude::*;

use super::*;

fn certificates(count: usize, length: usize) -> Reply {
    let one = Certificate {
        id: "01".to_owned(),
        label: "authentication".to_owned(),
        der: vec![0x30; length],
    };
    Reply {
        id: 3,
        result: Ok(Answer::Certificates(vec![one; count])),
        secret: false,
    }
}

fn decoded(reply: &Reply) -> Result<Reply, ProtocolError> {
    Reply::decode(&serde_json::to_vec(reply).expect("JSON"))
}

#[test]
fn a_message_and_its_secret_arrive_as_they_were_sent() {
    let request = Request {
        id: 7,
        call: Call::Sign {
            token: TokenId {
                slot: u64::MAX,
                serial: "0001".to_owned(),
            },
            key: "a1".to_owned(),
            scheme: Scheme::PssSha256,
            digest: vec![0xFF; 32],
        },
        secret: true,
    };
    let secret = LockedBuffer::holding(b"not in the JSON").expect("locked memory");
    let mut line = Vec::new();
    write(&mut line, &request, Some(&secret)).expect("memory");
    let mut line = &line[..];
    let frame = read(&mut line).expect("a frame").expect("not the end");
    let text = String::from_utf8_lossy(&frame);
    assert!(text.contains("pss_sha256") && !text.contains("not in"));
    let received: Request = serde_json::from_slice(&frame).expect("a request");
    assert_eq!(received, request);
    let received = read_secret(&mut line).expect("a secret");
    assert_eq!(received.bytes(), b"not in the JSON");
    assert_eq!(read(&mut line).expect("the end"), None);
}

#[test]
fn a_frame_that_is_too_long_is_refused_before_it_is_read() {
    let length = u32::try_from(FRAME_LIMIT + 1).expect("small");
    let error = read(&mut &length.to_be_bytes()[..]).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let length = u32::try_from(SECRET_LIMIT + 1).expect("small");
    let error = read_secret(&mut &length.to_be_bytes()[..]).err();
    assert_eq!(
        error.map(|error| error.kind()),
        Some(ErrorKind::InvalidData)
    );
}

#[test]
fn a_frame_that_breaks_off_is_an_error() {
    for broken in [&b"\0"[..], b"\0\0\0\x02", b"\0\0\0\x02{"] {
        let error = read(&mut &broken[..]).expect_err("half a frame");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{broken:?}");
    }
    assert!(read_secret(&mut &b"\0\0\0\x02x"[..]).is_err());
}

#[test]
fn the_most_that_is_allowed_fits_a_frame() {
    let count = CERTIFICATES_LIMIT / CERTIFICATE_LIMIT;
    let full = certificates(count, CERTIFICATE_LIMIT);
    let mut line = Vec::new();
    write(&mut line, &full, None).expect("one frame");
    assert!(decoded(&full).is_ok());
    assert!(decoded(&certificates(1, CERTIFICATE_LIMIT + 1)).is_err());
    assert!(decoded(&certificates(COUNT_LIMIT, 1)).is_ok());
    assert!(decoded(&certificates(COUNT_LIMIT + 1, 1)).is_err());
}

#[test]
fn an_identifier_is_hexadecimal() {
    for (id, allowed) in [("", true), ("0aF", true), ("../x", false), ("0x1", false)] {
        let mut reply = certificates(1, 1);
        if let Ok(Answer::Certificates(certificates)) = &mut reply.result {
            certificates[0].id = id.to_owned();
        }
        assert_eq!(decoded(&reply).is_ok(), allowed, "{id}");
    }
}

#[test]
fn a_signal_interrupts_no_message() {
    /// Every other read is interrupted.
    struct Signals<'a>(&'a [u8], bool);
    impl Read for Signals<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            self.0.read(buffer)
        }
    }
    let mut line = Vec::new();
    write(&mut line, &certificates(1, 8), None).expect("in memory");
    let frame = read(&mut Signals(&line, false)).expect("a message");
    let reply = Reply::decode(&frame.expect("a message")).expect("as it was sent");
    assert_eq!(reply, certificates(1, 8));
}

#[test]
fn a_text_cannot_steer_a_terminal_or_forge_a_line() {
    let reply = Reply {
        id: 1,
        result: Err(Refusal {
            reason: Reason::Failed,
            text: "a\nb\x1b[2J".to_owned(),
        }),
        secret: false,
    };
    let refusal = decoded(&reply)
        .expect("in bounds")
        .result
        .expect_err("a refusal");
    assert_eq!(refusal.text, "a?b?[2J");
}

proptest! {
    #[test]
    fn noise_never_panics(bytes: Vec<u8>) {
        let _ = read(&mut &bytes[..]);
        let _ = read_secret(&mut &bytes[..]);
        let _ = Reply::decode(&bytes);
    }
}
