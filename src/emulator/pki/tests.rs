//! The certificates are judged by OpenSSL, not by our own parser.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::*;

fn pki() -> Pki {
    Pki::new(SystemTime::now())
}

/// Runs `openssl`; a missing program fails the test and names the package.
fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("cannot run `openssl` (Debian package openssl): {error}"))
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, content).expect("writable");
        path.display().to_string()
    }
}

fn pem(ders: &[Vec<u8>]) -> String {
    ders.iter().map(|der| certificate_pem(der)).collect()
}

fn list_pem(der: &[u8]) -> String {
    der::pem::encode_string("X509 CRL", LineEnding::LF, der).expect("encodes")
}

/// `openssl verify` of one certificate against the anchors of `pki`, with more arguments.
fn verify(pki: &Pki, der: &[u8], more: &[&str]) -> Output {
    let folder = Folder::new();
    let anchors = folder.write("anchors.pem", pem(&pki.anchors_der()));
    let intermediates = folder.write("intermediates.pem", pem(&pki.intermediates_der()));
    let certificate = folder.write("certificate.pem", certificate_pem(der));
    let mut arguments = vec![
        "verify",
        "-x509_strict",
        "-CAfile",
        &anchors,
        "-untrusted",
        &intermediates,
    ];
    arguments.extend(more);
    arguments.push(&certificate);
    openssl(&arguments)
}

fn describe(der: &[u8]) -> String {
    let folder = Folder::new();
    let path = folder.write("certificate.pem", certificate_pem(der));
    text(&openssl(&[
        "x509",
        "-in",
        &path,
        "-noout",
        "-text",
        "-nameopt",
        "utf8,sep_comma_plus",
    ]))
}

#[test]
fn every_current_holder_verifies() {
    let pki = pki();
    for holder in Holder::ALL {
        if matches!(holder, Holder::CpsExpired | Holder::CpsLegacy) {
            continue;
        }
        for der in [
            pki.authentication_der(holder),
            pki.signature_der(holder),
            pki.technical_der(holder),
        ] {
            // A critical extension in the wrong place or a wrong key identifier would fail here.
            let output = verify(&pki, &der, &[]);
            assert!(output.status.success(), "{holder}: {}", text(&output));
        }
    }
}

#[test]
fn purposes_are_kept_apart() {
    let pki = pki();
    let client = ["-purpose", "sslclient"];
    assert!(
        verify(&pki, &pki.authentication_der(Holder::CpsMedecin), &client)
            .status
            .success()
    );
    assert!(
        !verify(&pki, &pki.signature_der(Holder::CpsMedecin), &client)
            .status
            .success()
    );
}

#[test]
fn the_expired_holder_is_expired_and_nothing_else() {
    let pki = pki();
    let der = pki.authentication_der(Holder::CpsExpired);
    let output = verify(&pki, &der, &[]);
    assert!(
        text(&output).contains("certificate has expired"),
        "{}",
        text(&output)
    );
    assert!(verify(&pki, &der, &["-no_check_time"]).status.success());
}

#[test]
fn end_entities_have_the_size_of_real_ones() {
    let pki = pki();
    for holder in [
        Holder::CpsMedecin,
        Holder::CpeNominative,
        Holder::CpsAccents,
    ] {
        for der in [pki.authentication_der(holder), pki.signature_der(holder)] {
            // Read in nine chunks; a small certificate would hide mistakes between chunks.
            assert!(
                (2100..=2400).contains(&der.len()),
                "{holder}: {}",
                der.len()
            );
        }
    }
}

#[test]
fn openssl_reads_the_physician() {
    let pki = pki();
    let text = describe(&pki.signature_der(Holder::CpsMedecin));
    for expected in [
        "Issuer: C=FR,O=CPSD-TEST,OU=0002 000000000,OU=IGC CPSD TEST,CN=CPSD TEST AC FORT PERSONNES",
        "title=Médecin",
        "CN=899700000013",
        "Non Repudiation",
        "E-mail Protection",
        "Private Key Usage Period",
        "X509v3 Freshest CRL",
        "OCSP - URI:http://127.0.0.1:8089/ocsp",
        "URI:http://127.0.0.1:8089/CRL/ACI-FO-PP-TEST.crl",
        "Policy: 1.2.250.1.213.1.7.2.1.1.1.1",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    // Order of the extensions of a card signature certificate.
    let order = [
        "Basic Constraints",
        "Subject Key Identifier",
        "Authority Key Identifier",
        "Key Usage: critical",
        "Certificate Policies",
        "Extended Key Usage",
        "Private Key Usage Period",
        "CRL Distribution Points",
        "Freshest CRL",
        "Authority Information Access",
        "1.2.250.1.71.1.2.5",
        "1.2.250.1.71.1.2.2",
        "1.2.250.1.71.1.2.3",
        "1.2.250.1.71.1.2.7",
    ];
    let positions: Vec<_> = order.iter().map(|name| text.find(name)).collect();
    assert!(
        positions.iter().all(Option::is_some) && positions.is_sorted(),
        "{positions:?}\n{text}"
    );
}

#[test]
fn openssl_reads_the_principal_name() {
    let text = describe(&pki().authentication_der(Holder::CpeNominative));
    assert!(text.contains("3990000010/CPET0001@carte-cps.fr"), "{text}");
    assert!(text.contains("Microsoft Smartcard Login"), "{text}");
}

#[test]
fn the_legacy_holder_has_the_old_shape() {
    let pki = pki();
    let der = pki.authentication_der(Holder::CpsLegacy);
    let text = describe(&der);
    for expected in [
        "sha1WithRSAEncryption",
        "(1024 bit)",
        "Netscape Cert Type",
        "SSL Client",
        "0.0B1000001@carte-cps.fr",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let folder = Folder::new();
    let anchor = folder.write(
        "anchor.pem",
        certificate_pem(&pki.authority_der(Authority::Legacy)),
    );
    let certificate = folder.write("certificate.pem", certificate_pem(&der));
    let output = openssl(&[
        "verify",
        "-auth_level",
        "0",
        "-partial_chain",
        "-CAfile",
        &anchor,
        &certificate,
    ]);
    assert!(output.status.success(), "{}", self::text(&output));
    assert!(
        !verify(&pki, &der, &[]).status.success(),
        "the current anchors must not accept it"
    );
}

#[test]
fn revocation_lists_revoke_and_age() {
    let pki = pki();
    let folder = Folder::new();
    let issuer = Pki::issuer_of(Holder::CpsRevoked);
    let check = |holder: Holder, variant: CrlVariant| {
        let lists = [
            list_pem(&pki.crl_der(issuer, variant)),
            list_pem(&pki.crl_der(issuer.parent(), CrlVariant::Empty)),
        ];
        let path = folder.write("lists.pem", lists.concat());
        let output = verify(
            &pki,
            &pki.signature_der(holder),
            &["-crl_check_all", "-CRLfile", &path],
        );
        text(&output)
    };
    assert!(check(Holder::CpsMedecin, CrlVariant::Revoked).contains(": OK"));
    assert!(check(Holder::CpsRevoked, CrlVariant::Revoked).contains("certificate revoked"));
    assert!(check(Holder::CpsRevoked, CrlVariant::Empty).contains(": OK"));
    assert!(check(Holder::CpsMedecin, CrlVariant::Expired).contains("CRL has expired"));
    assert!(
        check(Holder::CpsMedecin, CrlVariant::WrongSignature).contains("CRL signature failure")
    );
}

#[test]
fn every_authority_publishes_a_valid_list() {
    let pki = pki();
    for authority in Authority::ALL {
        let folder = Folder::new();
        let list = folder.write(
            "list.pem",
            list_pem(&pki.crl_der(authority, CrlVariant::Revoked)),
        );
        let issuer = folder.write("issuer.pem", certificate_pem(&pki.authority_der(authority)));
        let output = openssl(&["crl", "-in", &list, "-noout", "-CAfile", &issuer]);
        assert!(
            text(&output).contains("verify OK"),
            "{authority:?}: {}",
            text(&output)
        );
    }
}

#[test]
fn servers_are_good_expired_or_rogue() {
    let pki = pki();
    let check = |names: &[&str], flaw, name: &str| {
        let identity = pki.server_with(names, flaw);
        let option = if name.parse::<std::net::IpAddr>().is_ok() {
            "-verify_ip"
        } else {
            "-verify_hostname"
        };
        text(&verify(
            &pki,
            &identity.chain_der[0],
            &["-purpose", "sslserver", option, name],
        ))
    };
    let names = ["dmp.example", "localhost", "127.0.0.1", "::1"];
    for name in names {
        assert!(
            check(&names, ServerFlaw::None, name).contains(": OK"),
            "{name}"
        );
    }
    assert!(check(&names, ServerFlaw::None, "other.example").contains("hostname mismatch"));
    assert!(check(&names, ServerFlaw::Expired, "localhost").contains("certificate has expired"));
    assert!(!check(&names, ServerFlaw::RogueRoot, "localhost").contains(": OK"));
}

#[test]
fn the_rogue_chain_is_consistent_in_itself() {
    let pki = pki();
    let rogue = pki.rogue();
    let der = rogue.authentication_der(Holder::CpsMedecin);
    assert!(verify(&rogue, &der, &[]).status.success());
    assert!(!verify(&pki, &der, &[]).status.success());
}

#[test]
fn organisation_pair_matches_its_keys() {
    let pki = pki();
    let folder = Folder::new();
    for identity in [
        pki.organisation_authentication(),
        pki.organisation_signature(),
        pki.server(&["localhost"]),
    ] {
        let chain = folder.write("chain.pem", &identity.chain_pem);
        let key = folder.write("key.pem", &identity.key_pem);
        let from_certificate = openssl(&["x509", "-in", &chain, "-noout", "-pubkey"]).stdout;
        let from_key = openssl(&["pkey", "-in", &key, "-pubout"]).stdout;
        assert!(!from_key.is_empty() && from_key == from_certificate);
        assert!(verify(&pki, &identity.chain_der[0], &[]).status.success());
    }
}

#[test]
fn the_suite_works_in_ten_years() {
    let later = SystemTime::now() + std::time::Duration::from_secs(10 * 365 * 86_400);
    let pki = Pki::new(later);
    let seconds = later
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
        .to_string();
    let der = pki.authentication_der(Holder::CpsMedecin);
    assert!(verify(&pki, &der, &["-attime", &seconds]).status.success());
    assert!(
        !verify(&pki, &der, &[]).status.success(),
        "not yet valid today"
    );
}

#[test]
fn two_instances_of_one_day_agree() {
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    let one = Pki::new(now).signature_der(Holder::CpsMulti);
    let later = now + std::time::Duration::from_secs(60);
    assert_eq!(one, Pki::new(later).signature_der(Holder::CpsMulti));
}

/// Members of the last, multi-valued RDN of the subject, and the tags of their values.
fn last_rdn(der: &[u8]) -> (Vec<Vec<u8>>, Vec<u32>) {
    use cps_card::tlv::{Reader, Tlv};

    let inside = |tlv: &Tlv<'_>, position: usize| -> Vec<u8> {
        let child = tlv
            .children()
            .nth(position)
            .expect("present")
            .expect("well formed");
        child.raw.to_vec()
    };
    let first = |bytes: &[u8]| {
        Reader::new(bytes)
            .next()
            .expect("present")
            .expect("well formed")
            .raw
            .to_vec()
    };
    let certificate = first(der);
    let body = inside(
        &Reader::new(&certificate)
            .next()
            .expect("one")
            .expect("well formed"),
        0,
    );
    // Version, serial, algorithm, issuer, validity, subject.
    let subject = inside(
        &Reader::new(&body)
            .next()
            .expect("one")
            .expect("well formed"),
        5,
    );
    let subject = Reader::new(&subject)
        .next()
        .expect("one")
        .expect("well formed");
    let set = subject
        .children()
        .last()
        .expect("present")
        .expect("well formed");
    let members: Vec<_> = set
        .children()
        .map(|member| member.expect("well formed"))
        .collect();
    let tags = members.iter().map(|member| {
        member
            .children()
            .nth(1)
            .expect("a value")
            .expect("well formed")
            .tag
            .0
    });
    (
        members.iter().map(|member| member.raw.to_vec()).collect(),
        tags.collect(),
    )
}

#[test]
fn members_of_a_set_are_sorted_except_in_the_old_shape() {
    const UTF8: u32 = 0x0C;
    const TELETEX: u32 = 0x14;
    let pki = pki();
    for holder in Holder::ALL {
        let (members, tags) = last_rdn(&pki.signature_der(holder));
        let legacy = holder == Holder::CpsLegacy;
        assert_eq!(members.is_sorted(), !legacy, "{holder}");
        assert_eq!(tags.contains(&TELETEX), legacy, "{holder}");
        assert_eq!(tags.contains(&UTF8), !legacy, "{holder}");
        let names = if holder == Holder::CpeService { 2 } else { 3 };
        assert_eq!(members.len(), names, "{holder}");
    }
}

#[test]
fn serial_numbers_begin_with_their_issuer() {
    let pki = pki();
    let serial = |der: &[u8]| {
        let folder = Folder::new();
        let path = folder.write("certificate.pem", certificate_pem(der));
        let output = text(&openssl(&["x509", "-in", &path, "-noout", "-serial"]));
        output
            .trim()
            .strip_prefix("serial=")
            .expect("a serial number")
            .to_owned()
    };
    let one = serial(&pki.signature_der(Holder::CpsMedecin));
    let same_issuer = serial(&pki.authentication_der(Holder::CpsInfirmier));
    let other_issuer = serial(&pki.signature_der(Holder::Cpa));
    assert_eq!((one.len(), other_issuer.len()), (32, 32));
    assert_eq!(one[..16], same_issuer[..16]);
    assert_ne!(one[16..], same_issuer[16..]);
    assert_ne!(one[..16], other_issuer[..16]);
    assert_eq!(serial(&pki.signature_der(Holder::CpsLegacy)).len(), 6);
}

#[test]
fn a_key_period_ends_before_the_certificate() {
    let pki = pki();
    let der = pki.signature_with_key_period_over_der(Holder::CpsMedecin);
    assert!(
        verify(&pki, &der, &[]).status.success(),
        "the certificate itself is valid"
    );
    let ordinary = describe(&pki.signature_der(Holder::CpsMedecin));
    let over = describe(&der);
    let period = |text: &str| {
        text.lines()
            .find(|line| line.contains("Not After: "))
            .map(str::to_owned)
    };
    assert!(period(&over).is_some());
    assert_ne!(period(&over), period(&ordinary));
}
