//! The judge is `openssl cms -verify`; the structure is read back by the `cms` crate, which shares
//! no code with the builder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use ::cms::content_info::ContentInfo as Decoded;
use ::cms::signed_data::SignedData as DecodedSignedData;
use der::Decode;
use proptest::prelude::*;
use tempfile::TempDir;
use x509_cert::Certificate;

use super::*;

#[test]
fn openssl_accepts_a_detached_signature() {
    let pki = &*PKI;
    let signature = pki.sign(SignedDataBuilder::detached(), CONTENT);
    let output = pki.verify(&signature, Some(CONTENT));
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn openssl_accepts_an_attached_signature_and_finds_the_content_in_it() {
    let pki = &*PKI;
    let signature = pki.sign(SignedDataBuilder::attached(), CONTENT);
    let output = pki.verify(&signature, None);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, CONTENT);
}

#[test]
fn openssl_accepts_a_signature_by_a_p256_key() {
    let pki = &*PKI;
    let mut builder = SignedDataBuilder::detached();
    builder.update(CONTENT);
    let unsigned = builder
        .prepare(&pki.p256, &[&pki.intermediate], time())
        .expect("prepared");
    assert_eq!(unsigned.algorithm(), Algorithm::EcdsaSha256);
    let signature = pki.made_by(&pki.p256_key, unsigned.digest());
    let signature = unsigned.finish(&signature).expect("finished");
    let output = pki.verify(&signature, Some(CONTENT));
    assert!(output.status.success(), "{output:?}");
    let output = pki.verify(&signature, Some(b"another content"));
    assert!(!output.status.success());
    // RFC 5758 §3.2: ecdsa-with-SHA256 has no parameters.
    let decoded = decode(&signature);
    let algorithm = &decoded.signer_infos.0.as_slice()[0].signature_algorithm;
    assert_eq!(algorithm.oid.to_string(), "1.2.840.10045.4.3.2");
    assert_eq!(algorithm.parameters, None);
}

#[test]
fn openssl_accepts_an_empty_document() {
    let pki = &*PKI;
    let signature = pki.sign(SignedDataBuilder::attached(), b"");
    let output = pki.verify(&signature, None);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"");
}

#[test]
fn openssl_refuses_another_content() {
    let pki = &*PKI;
    let signature = pki.sign(SignedDataBuilder::detached(), CONTENT);
    let output = pki.verify(&signature, Some(b"another content"));
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("content verify error"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn openssl_refuses_a_changed_signing_time() {
    let pki = &*PKI;
    let mut signature = pki.sign(SignedDataBuilder::detached(), CONTENT);
    let time = signature
        .windows(13)
        .position(|window| window == b"310203040506Z")
        .expect("signing time");
    signature[time + 11] = b'7';
    let output = pki.verify(&signature, Some(CONTENT));
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("signature"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn openssl_needs_the_root_only_because_the_chain_is_included() {
    let pki = &*PKI;
    let mut builder = SignedDataBuilder::detached();
    builder.update(CONTENT);
    let without_chain = builder
        .prepare(&pki.leaf, &[] as &[&[u8]], time())
        .expect("prepared");
    let signature = pki.made_by(&pki.leaf_key, without_chain.digest());
    let without_chain = without_chain.finish(&signature).expect("finished");
    assert!(!pki.verify(&without_chain, Some(CONTENT)).status.success());

    let signature = pki.sign(SignedDataBuilder::detached(), CONTENT);
    assert!(pki.verify(&signature, Some(CONTENT)).status.success());
}

#[test]
fn openssl_reads_the_cades_attributes() {
    let pki = &*PKI;
    let signature = pki.sign(SignedDataBuilder::detached(), CONTENT);
    let dir = TempDir::new().expect("temp dir");
    let file = write(&dir, "signature", &signature);
    let output = openssl(
        &["cms", "-cmsout", "-print", "-inform", "DER", "-in"],
        &[&file],
    );
    let printed = text(&output.stdout);
    for expected in [
        "object: contentType (1.2.840.113549.1.9.3)",
        "object: messageDigest (1.2.840.113549.1.9.4)",
        "object: signingTime (1.2.840.113549.1.9.5)",
        "UTCTIME:Feb  3 04:05:06 2031 GMT",
        "id-smime-aa-signingCertificateV2 (1.2.840.113549.1.9.16.2.47)",
    ] {
        assert!(
            printed.contains(expected),
            "{expected} is missing from:\n{printed}"
        );
    }
}

/// RFC 5035 §4: the attribute holds the SHA-256 of the certificate, its issuer and its serial.
#[test]
fn the_signing_certificate_attribute_names_the_certificate() {
    let pki = &*PKI;
    let signature = pki.sign(SignedDataBuilder::detached(), CONTENT);
    let certificate = Certificate::from_der(&pki.leaf).expect("certificate");
    let tbs = certificate.tbs_certificate();
    let value = attribute_value(&signature, SigningCertificateV2::OID);
    for expected in [
        Sha256::digest(&pki.leaf).to_vec(),
        tbs.issuer().to_der().expect("issuer"),
        tbs.serial_number().to_der().expect("serial"),
    ] {
        assert!(
            value
                .windows(expected.len())
                .any(|window| window == expected)
        );
    }
}

#[test]
fn years_from_2050_are_generalized_time() {
    let pki = &*PKI;
    let mut builder = SignedDataBuilder::detached();
    builder.update(CONTENT);
    let time = "2050-01-01T00:00:00Z".parse().expect("time");
    let unsigned = builder
        .prepare(&pki.leaf, &[&pki.root], time)
        .expect("prepared");
    let signature = unsigned.finish(&[0; 256]).expect("finished");
    let value = attribute_value(&signature, ID_SIGNING_TIME);
    assert_eq!(value, b"\x18\x0f20500101000000Z");
}

#[test]
fn a_certificate_given_twice_is_included_once() {
    let pki = &*PKI;
    let chain = [&pki.root, &pki.leaf, &pki.intermediate, &pki.root];
    let unsigned = SignedDataBuilder::detached()
        .prepare(&pki.leaf, &chain, time())
        .expect("prepared");
    let signature = unsigned.finish(&[0; 256]).expect("finished");
    assert_eq!(
        decode(&signature).certificates.map(|set| set.0.len()),
        Some(3)
    );
}

#[test]
fn a_signature_of_the_wrong_length_is_refused() {
    let unsigned = SignedDataBuilder::detached()
        .prepare(&PKI.leaf, &[] as &[&[u8]], time())
        .expect("prepared");
    let error = unsigned
        .finish(&[0; 128])
        .expect_err("128 bytes for a 2048-bit key");
    assert_eq!(
        error,
        Error::SignatureLength {
            expected: 256,
            found: 128
        }
    );
}

#[test]
fn a_key_on_another_curve_is_refused() {
    let dir = TempDir::new().expect("temp dir");
    let (key, certificate) = (dir.path().join("ec.key"), dir.path().join("ec.der"));
    let output = openssl(
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
            "-nodes",
        ],
        &[
            "-subj".as_ref(),
            "/CN=CPSD-TEST EC".as_ref(),
            "-outform".as_ref(),
            "DER".as_ref(),
        ]
        .into_iter()
        .chain([
            "-keyout".as_ref(),
            key.as_path(),
            "-out".as_ref(),
            certificate.as_path(),
        ])
        .collect::<Vec<&Path>>(),
    );
    assert!(output.status.success(), "{output:?}");
    let certificate = std::fs::read(certificate).expect("certificate");
    let error = SignedDataBuilder::detached()
        .prepare(&certificate, &[] as &[&[u8]], time())
        .expect_err("a key on P-384");
    assert!(
        error.to_string().contains("neither RSA nor on P-256"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the pieces, the digest is that of the whole, and the structure reads back.
    #[test]
    fn any_content_in_any_pieces_reads_back(
        content in prop::collection::vec(any::<u8>(), 0..4096),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        attached in any::<bool>(),
        seconds in 0i64..253_402_300_799,
        signature in prop::collection::vec(any::<u8>(), 256),
    ) {
        let mut builder =
            if attached { SignedDataBuilder::attached() } else { SignedDataBuilder::detached() };
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(content.len() + 1)).collect();
        cuts.sort_unstable();
        let mut rest = 0;
        for cut in cuts {
            builder.update(&content[rest..cut]);
            rest = cut;
        }
        builder.update(&content[rest..]);
        let time = Timestamp::from_second(seconds).expect("time");
        let unsigned = builder
            .prepare(&PKI.leaf, &[&PKI.root, &PKI.intermediate], time)
            .expect("prepared");
        let digest = *unsigned.digest();
        let der = unsigned.finish(&signature).expect("finished");

        let decoded = decode(&der);
        let econtent = decoded.encap_content_info.econtent.as_ref().map(|any| any.value());
        prop_assert_eq!(econtent, attached.then_some(content.as_slice()));
        let signers: Vec<_> = decoded.signer_infos.0.iter().collect();
        prop_assert_eq!(signers.len(), 1);
        prop_assert_eq!(signers[0].signature.as_bytes(), signature.as_slice());
        let attributes = signers[0].signed_attrs.as_ref().expect("signed attributes");
        prop_assert_eq!(sha256_of(&attributes.to_der().expect("attributes")), digest);
        // X.690 §11.6: the elements of a SET OF in the order of their encodings.
        let encoded: Vec<_> = attributes.iter().map(|a| a.to_der().expect("attribute")).collect();
        prop_assert!(encoded.is_sorted());
        let encoded: Vec<_> = decoded.certificates.expect("certificates").0.iter()
            .map(|c| c.to_der().expect("certificate")).collect();
        prop_assert!(encoded.is_sorted());
        prop_assert!(encoded.contains(&PKI.leaf) && encoded.contains(&PKI.root));
        let message_digest = attribute_value(&der, ID_MESSAGE_DIGEST);
        prop_assert_eq!(&message_digest[2..], sha256_of(&content));
    }

    /// Bytes that are not a certificate, and certificates with one byte changed or cut short, are
    /// refused or used, but never a panic.
    #[test]
    fn damaged_certificates_never_panic(
        junk in prop::collection::vec(any::<u8>(), 0..256),
        position in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut changed = PKI.leaf.clone();
        let position = position.index(changed.len());
        changed[position] = value;
        let short = &PKI.leaf[..position];
        for der in [&junk, &changed, short] {
            let _ = SignedDataBuilder::detached().prepare(der, &[der], time());
        }
        let refused = SignedDataBuilder::detached().prepare(&PKI.leaf, &[short], time());
        let blamed = matches!(refused, Err(Error::Certificate { which, .. }) if which.contains("chain"));
        prop_assert!(blamed);
    }
}

const CONTENT: &[u8] = b"Compte rendu de consultation (document d'essai)\n";

/// A chain of three made by openssl once for this test binary, and kept in memory only.
static PKI: LazyLock<OpensslPki> = LazyLock::new(OpensslPki::new);

/// What `openssl req` is told of the key to make.
const RSA: &str = "rsa:2048";
const P256: &str = "ec -pkeyopt ec_paramgen_curve:P-256";

struct OpensslPki {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    leaf: Vec<u8>,
    leaf_key: Vec<u8>,
    p256: Vec<u8>,
    p256_key: Vec<u8>,
}

impl OpensslPki {
    fn new() -> Self {
        let dir = TempDir::new().expect("temp dir");
        let read = |name: &str| std::fs::read(dir.path().join(name)).expect("file");
        let issue = |name: &str, key: &str, issuer: Option<&str>, extensions: &str| {
            write(&dir, &format!("{name}.ext"), extensions.as_bytes());
            let script = format!(
                "openssl req -newkey {key} -nodes -keyout {name}.key -out {name}.csr -subj \
                 '/C=FR/O=CPSD-TEST/CN=CPSD-TEST {name}' && openssl x509 -req -in {name}.csr {} \
                 -days 36500 -extfile {name}.ext -out {name}.pem && openssl x509 -in {name}.pem \
                 -outform DER -out {name}.der",
                issuer.map_or_else(
                    || format!("-key {name}.key"),
                    |issuer| format!("-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial"),
                ),
            );
            let output = Command::new("sh")
                .args(["-c", &script])
                .current_dir(dir.path())
                .output()
                .expect("the openssl command (package openssl)");
            assert!(output.status.success(), "{}", text(&output.stderr));
            read(&format!("{name}.der"))
        };
        let authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n";
        let signature = "basicConstraints=CA:FALSE\nkeyUsage=nonRepudiation\n\
                         extendedKeyUsage=emailProtection\n";
        Self {
            root: issue("root", RSA, None, authority),
            intermediate: issue("intermediate", RSA, Some("root"), authority),
            leaf: issue("leaf", RSA, Some("intermediate"), signature),
            leaf_key: read("leaf.key"),
            p256: issue("p256", P256, Some("intermediate"), signature),
            p256_key: read("p256.key"),
        }
    }

    fn sign(&self, mut builder: SignedDataBuilder, content: &[u8]) -> Vec<u8> {
        for piece in content.chunks(7) {
            builder.update(piece);
        }
        let unsigned = builder
            .prepare(&self.leaf, &[&self.intermediate], time())
            .expect("prepared");
        let signature = self.made_by(&self.leaf_key, unsigned.digest());
        unsigned.finish(&signature).expect("finished")
    }

    /// Stands for the card.
    fn made_by(&self, key: &[u8], digest: &[u8; 32]) -> Vec<u8> {
        let dir = TempDir::new().expect("temp dir");
        let output = openssl(
            &["pkeyutl", "-sign", "-pkeyopt", "digest:sha256", "-inkey"],
            &[
                &write(&dir, "key", key),
                "-in".as_ref(),
                &write(&dir, "digest", digest),
            ],
        );
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    fn verify(&self, signature: &[u8], content: Option<&[u8]>) -> Output {
        let dir = TempDir::new().expect("temp dir");
        let root = write(&dir, "root", &self.root);
        let root_pem = dir.path().join("root.pem");
        let output = openssl(
            &["x509", "-inform", "DER", "-in"],
            &[&root, "-out".as_ref(), &root_pem],
        );
        assert!(output.status.success(), "{output:?}");
        let signature = write(&dir, "signature", signature);
        let content = content.map(|content| write(&dir, "content", content));
        let mut paths: Vec<&Path> = vec![&signature, "-CAfile".as_ref(), &root_pem];
        if let Some(content) = &content {
            paths.extend(["-content".as_ref(), content.as_path()]);
        }
        openssl(
            &["cms", "-verify", "-binary", "-inform", "DER", "-in"],
            &paths,
        )
    }
}

fn write(dir: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("file");
    path
}

fn time() -> Timestamp {
    "2031-02-03T04:05:06Z".parse().expect("time")
}

fn openssl(arguments: &[&str], paths: &[&Path]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .args(paths)
        .output()
        .expect("the openssl command (package openssl)")
}

fn decode(der: &[u8]) -> DecodedSignedData {
    let info = Decoded::from_der(der).expect("ContentInfo");
    assert_eq!(info.content_type, ID_SIGNED_DATA);
    info.content.decode_as().expect("SignedData")
}

/// The DER of the single value of a signed attribute.
fn attribute_value(der: &[u8], oid: ObjectIdentifier) -> Vec<u8> {
    let decoded = decode(der);
    let signer = decoded.signer_infos.0.get(0).expect("signer");
    let attributes = signer.signed_attrs.as_ref().expect("signed attributes");
    let attribute = attributes.iter().find(|a| a.oid == oid).expect("attribute");
    attribute
        .values
        .get(0)
        .expect("value")
        .to_der()
        .expect("value")
}

fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
