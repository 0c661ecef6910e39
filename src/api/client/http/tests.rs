use proptest::prelude::*;

use super::*;

#[test]
fn a_head_is_read_with_its_length() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\ncontent-length: 2\r\n\r\n{}";
    let (head, length) = parse_head(bytes).unwrap().unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.media_type(), Some("application/json"));
    assert_eq!(Framing::of(&head), Ok(Framing::Length(2)));
    assert_eq!(&bytes[length..], b"{}");
}

#[test]
fn a_head_cut_anywhere_is_not_a_head() {
    let bytes = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n";
    for end in 0..bytes.len() {
        assert_eq!(parse_head(&bytes[..end]), Ok(None), "{end}");
    }
    assert!(parse_head(bytes).unwrap().is_some());
}

fn framing(fields: &str) -> Result<Framing, HeadError> {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    Framing::of(&parse_head(head.as_bytes())?.unwrap().0)
}

#[test]
fn framings_of_rfc_9112() {
    assert_eq!(framing(""), Ok(Framing::Close));
    assert_eq!(
        framing("Transfer-Encoding: Chunked\r\n"),
        Ok(Framing::Chunked)
    );
    assert_eq!(
        framing("Content-Length: 7\r\nContent-Length: 7\r\n"),
        Ok(Framing::Length(7))
    );
    let switching = parse_head(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
    assert_eq!(Framing::of(&switching.unwrap().0), Ok(Framing::Length(0)));
}

#[test]
fn ambiguous_framings_are_refused() {
    for fields in [
        "Content-Length: 7\r\nContent-Length: 8\r\n",
        "Content-Length: +7\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        assert!(framing(fields).is_err(), "{fields:?}");
    }
}

#[test]
fn statuses_outside_http_are_refused() {
    assert!(parse_head(b"HTTP/1.1 999 What\r\n\r\n").is_err());
    assert!(parse_head(b"HTTP/1.1 042 What\r\n\r\n").is_err());
}

#[test]
fn a_query_cannot_change_the_request() {
    let query = [
        ("card", None),
        ("name", Some("été & co\r\nX: y")),
        ("attached", Some("true")),
    ];
    let request = RequestHead::new(Method::Post, "/v1/sign/cms", &query).without_body();
    let request = String::from_utf8(request).unwrap();
    assert_eq!(
        request,
        "POST /v1/sign/cms?name=%C3%A9t%C3%A9%20%26%20co%0D%0AX%3A%20y&attached=true HTTP/1.1\r\n\
         Host: cpsd\r\nConnection: close\r\n\r\n"
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(Some((head, length))) = parse_head(&bytes) {
            prop_assert!(length <= bytes.len());
            let _ = Framing::of(&head);
        }
    }

    #[test]
    fn mutated_heads_never_panic(at in 0usize..90, byte in any::<u8>()) {
        let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\nConnection: close\r\n\r\n".to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(Some((head, length))) = parse_head(&bytes) {
            prop_assert!(length <= bytes.len());
            let _ = Framing::of(&head);
        }
    }

    #[test]
    fn any_text_survives_percent_encoding(text in any::<String>()) {
        let encoded = percent_encoded(&text);
        prop_assert!(encoded.bytes().all(|b| b.is_ascii_graphic()));
        let mut decoded = Vec::default();
        let mut parts = encoded.split('%');
        decoded.extend_from_slice(parts.next().unwrap().as_bytes());
        for part in parts {
            decoded.push(u8::from_str_radix(&part[..2], 16).unwrap());
            decoded.extend_from_slice(&part.as_bytes()[2..]);
        }
        prop_assert_eq!(decoded, text.into_bytes());
    }
}
