//! The PKCS#11 module in the hands of OpenSC's `pkcs11-tool`; its signatures judged by OpenSSL.

use std::process::Output;

use cps_emulator::{Holder, Profile};
use cps_tests::{Practice, openssl};

#[test]
fn opensc_finds_nothing_wrong_with_a_cps3() {
    found_in_order(Profile::Cps3);
}

#[test]
fn opensc_finds_nothing_wrong_with_a_cps4() {
    found_in_order(Profile::Cps4);
}

/// `pkcs11-tool --test`: digests, signatures and decryption, whole and in parts.
fn found_in_order(profile: Profile) {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, profile));
    let tested = pkcs11_tool(&practice, &["--test"]);
    let report = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success(), "{tested:?}");
    assert!(report.contains("No errors"), "{report}");
    for mechanism in ["RSA-PKCS: OK", "SHA256-RSA-PKCS: OK"] {
        assert!(report.contains(mechanism), "{report}");
    }
    assert!(report.contains("Decryption"), "{report}");
    // One PIN, however many operations.
    assert_eq!(card.counters().verify, 1);
}

#[test]
fn signatures_verify_under_the_certificate_that_the_module_shows() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4));
    practice.sandbox.write("data", b"some data");
    let read = ["--read-object", "--type", "cert", "--label"];
    let label = "Certificat d'Authentification CPS";
    let shown = [&read[..], &[label, "--output-file", "certificate"]].concat();
    assert!(pkcs11_tool(&practice, &shown).status.success());
    let certificate = std::fs::read(practice.sandbox.join("certificate")).unwrap();
    assert_eq!(
        certificate,
        practice.pki.authentication_der(Holder::CpsMedecin)
    );
    let convert = "x509 -inform DER -in certificate -pubkey -noout -out key.pem";
    let converted = openssl::run(&practice.sandbox, convert.split(' '));
    assert!(converted.status.success(), "{converted:?}");
    for (mechanism, options) in [
        ("SHA256-RSA-PKCS", ""),
        ("SHA512-RSA-PKCS", ""),
        (
            "SHA256-RSA-PKCS-PSS",
            " -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32",
        ),
    ] {
        let sign = ["--sign", "--mechanism", mechanism, "--input-file", "data"];
        let signed = pkcs11_tool(&practice, &[&sign[..], &["--output-file", "sig"]].concat());
        assert!(signed.status.success(), "{mechanism}: {signed:?}");
        let hash = if mechanism.contains("512") {
            "sha512"
        } else {
            "sha256"
        };
        let check = format!("dgst -{hash} -verify key.pem -signature sig{options} data");
        let verified = openssl::run(&practice.sandbox, check.split(' '));
        assert!(verified.status.success(), "{mechanism}: {verified:?}");
    }
}

/// Neither a bare hash nor the block of TLS 1.1 says what it is.
#[test]
fn a_block_of_unknown_meaning_is_not_signed() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    for length in [32, 36] {
        practice.sandbox.write("block", vec![7; length]);
        let sign = ["--sign", "--mechanism", "RSA-PKCS", "--input-file", "block"];
        let refused = pkcs11_tool(&practice, &[&sign[..], &["--output-file", "sig"]].concat());
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("CKR_DATA_INVALID"), "{length}: {said}");
    }
    assert_eq!(practice.pinentry.pins_asked(), 0);
    assert_eq!(card.counters().key_operations, 0);
}

/// Runs `pkcs11-tool` with the module, for at most a minute.
fn pkcs11_tool(practice: &Practice, arguments: &[&str]) -> Output {
    let mut command = practice.sandbox.command("timeout");
    command
        .env("CPSD_SOCKET", practice.cpsd.socket())
        .args(["60", "pkcs11-tool", "--module"])
        .arg(cps_tests::module())
        .args(arguments);
    let output = command.output().unwrap();
    assert_ne!(
        output.status.code(),
        Some(127),
        "pkcs11-tool is missing (package opensc)"
    );
    output
}
