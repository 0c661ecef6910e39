use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8], framing: Framing, bound: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::default();
    Body::new(bytes, framing)
        .bounded(bound)
        .read_to_end(&mut out)?;
    Ok(out)
}

/// `content` in chunks of the given sizes, the last one repeated.
fn chunked(content: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut out = Vec::default();
    let mut rest = content;
    let mut sizes = sizes.iter().chain(std::iter::repeat(&64));
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).clamp(1, rest.len());
        let (chunk, following) = rest.split_at(size);
        out.extend_from_slice(format!("{size:X};note=1\r\n").as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = following;
    }
    out.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
    out
}

#[test]
fn malformed_chunks_are_refused() {
    for bytes in [
        &b"zz\r\nabc"[..],
        b"\r\n",
        b"-1\r\n",
        b"+1\r\na\r\n0\r\n\r\n",
        b"3\r\nabcX\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"11111111111111111\r\n",
    ] {
        let error = read(bytes, Framing::Chunked, u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
    }
}

#[test]
fn endless_lines_and_trailers_are_refused() {
    let line = vec![b'1'; 10_000];
    assert!(read(&line, Framing::Chunked, u64::MAX).is_err());
    let trailers = [&b"0\r\n"[..], &b"a: b\r\n".repeat(100)].concat();
    let error = read(&trailers, Framing::Chunked, u64::MAX).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn the_bound_is_exact() {
    for (bytes, framing) in [
        (b"12345".to_vec(), Framing::Length(5)),
        (b"12345".to_vec(), Framing::Close),
        (chunked(b"12345", &[2, 1]), Framing::Chunked),
    ] {
        assert_eq!(read(&bytes, framing, 5).unwrap(), b"12345");
        assert!(read(&bytes, framing, 4).is_err(), "{framing:?}");
    }
}

proptest! {
    #[test]
    fn chunks_are_put_together(
        content in proptest::collection::vec(any::<u8>(), 0..2000),
        sizes in proptest::collection::vec(1usize..300, 0..20),
    ) {
        let bytes = chunked(&content, &sizes);
        prop_assert_eq!(read(&bytes, Framing::Chunked, u64::MAX).unwrap(), content);
    }

    #[test]
    fn a_body_cut_short_is_an_error(
        content in proptest::collection::vec(any::<u8>(), 1..300),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = chunked(&content, &[10, 20]);
        let cut_chunked = &bytes[..cut.index(bytes.len())];
        prop_assert!(read(cut_chunked, Framing::Chunked, u64::MAX).is_err());
        let cut_plain = &content[..cut.index(content.len())];
        prop_assert!(read(cut_plain, Framing::Length(content.len() as u64), u64::MAX).is_err());
    }

    #[test]
    fn random_chunked_bytes_never_panic(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'0'), any::<u8>()], 0..300),
    ) {
        if let Ok(out) = read(&bytes, Framing::Chunked, 100) {
            prop_assert!(out.len() <= 100);
        }
    }
}
