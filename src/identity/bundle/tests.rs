use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::testing::PKI;

/// Runs `openssl` on these bytes; the independent maker of every format but DER.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the openssl command");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

fn pem(ders: &[Vec<u8>]) -> Vec<u8> {
    ders.iter()
        .flat_map(|der| openssl(&["x509", "-inform", "DER", "-text"], der))
        .collect()
}

#[test]
fn der_is_one_certificate() {
    let der = PKI.anchors_der().remove(0);
    assert_eq!(read_certificates(&der), Ok(vec![der]));
}

#[test]
fn pem_with_text_around_is_read_in_order() {
    let ders = PKI.anchors_der();
    let pem = pem(&ders);
    assert!(pem.starts_with(b"Certificate:"));
    assert_eq!(read_certificates(&pem), Ok(ders.clone()));
    let windows = String::from_utf8(pem).unwrap().replace('\n', "\r\n");
    assert_eq!(read_certificates(windows.as_bytes()), Ok(ders));
}

#[test]
fn blocks_of_other_kinds_are_skipped() {
    let server = PKI.server(&["localhost"]);
    let both = format!("{}{}", server.key_pem, server.chain_pem);
    assert_eq!(read_certificates(both.as_bytes()), Ok(server.chain_der));
    assert_eq!(
        read_certificates(server.key_pem.as_bytes()),
        Err(InvalidBundle::Empty)
    );
}

#[test]
fn p7b_of_either_encoding_is_read() {
    let ders = [PKI.anchors_der(), PKI.intermediates_der()].concat();
    let pem = pem(&ders);
    for form in ["DER", "PEM"] {
        let arguments = [
            "crl2pkcs7",
            "-nocrl",
            "-certfile",
            "/dev/stdin",
            "-outform",
            form,
        ];
        let mut found = read_certificates(&openssl(&arguments, &pem)).unwrap();
        let mut expected = ders.clone();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{form}");
    }
}

#[test]
fn damage_is_an_error() {
    let pem = pem(&PKI.anchors_der()[..1]);
    let cut = &pem[..pem.len() - 60];
    assert_eq!(read_certificates(cut), Err(InvalidBundle::Malformed));
    assert_eq!(read_certificates(b"hello"), Err(InvalidBundle::Malformed));
    assert_eq!(read_certificates(b""), Err(InvalidBundle::Malformed));
    let large = vec![0x30; MAX_BYTES + 1];
    assert_eq!(read_certificates(&large), Err(InvalidBundle::TooLarge));
}

#[test]
fn attribute_certificates_of_a_p7b_are_left_out() {
    let part =
        |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let certificate = [0x30, 0x03, 0x02, 0x01, 0x05];
    let set = part(0xA0, &[&[0xA1, 0x00][..], &certificate].concat());
    let version_and_digests = [0x02, 0x01, 0x01, 0x31, 0x00, 0x30, 0x00];
    let signed = part(0x30, &[&version_and_digests[..], &set].concat());
    let kind = [
        0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02,
    ];
    let p7b = part(0x30, &[&kind[..], &part(0xA0, &signed)].concat());
    assert_eq!(read_certificates(&p7b), Ok(vec![certificate.to_vec()]));
}

#[test]
fn content_of_another_kind_is_refused() {
    // ContentInfo { id-data, [0] { OCTET STRING } }.
    let data = [
        0x30, 0x11, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01, 0xA0, 0x04,
        0x04, 0x02, 0x68, 0x69,
    ];
    assert_eq!(read_certificates(&data), Err(InvalidBundle::Malformed));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_certificates(&bytes);
    }

    #[test]
    fn mutated_p7b_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        static P7B: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
            let arguments = ["crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", "DER"];
            openssl(&arguments, &pem(&PKI.anchors_der()))
        });
        let mut bytes = P7B.clone();
        let at = at.index(bytes.len().min(400));
        bytes[at] = byte;
        let _ = read_certificates(&bytes);
    }

    #[test]
    fn text_that_looks_like_pem_never_panics(
        body in "[A-Za-z0-9+/=\n -]{0,200}",
        close in any::<bool>(),
    ) {
        let end = if close { "\n-----END CERTIFICATE-----\n" } else { "" };
        let _ = read_certificates(format!("-----BEGIN CERTIFICATE-----\n{body}{end}").as_bytes());
    }
}
