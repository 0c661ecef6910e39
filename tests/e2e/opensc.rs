//! OpenSC takes the virtual CPS3 for a real one: its certificates, its PIN, its key.

use std::path::Path;
use std::process::Output;

use cps_emulator::{Holder, Profile};
use cps_tests::{InsertedCard, Pcscd, Sandbox, opensc, openssl};

#[test]
fn opensc_lists_logs_in_and_signs_with_the_virtual_cps3() {
    let sandbox = Sandbox::new();
    let pki = cps_emulator::Pki::new(std::time::SystemTime::now());
    let pcscd = Pcscd::start(&sandbox);
    let card = cps_emulator::VirtualCard::new(&pki, Holder::CpsMedecin, Profile::Cps3);
    let card = InsertedCard::new(&pcscd, 0, card);
    card.seen_by_pcscd(&sandbox, &pcscd);

    let run = |tool, arguments: &[&str]| opensc::run(&sandbox, &pcscd, tool, arguments);

    let listed = text(&run("pkcs15-tool", &["--list-certificates"]));
    assert_eq!(listed.matches("X.509 Certificate").count(), 2, "{listed}");
    let objects = run("pkcs11-tool", &["--list-objects", "--type", "cert"]);
    assert_eq!(
        text(&objects).matches("Certificate Object").count(),
        2,
        "{objects:?}"
    );

    let data = sandbox.write("data", "un texte a signer");
    opensc::digest_info(&sandbox, "data");
    let before = card.counters().verify;
    let login = [
        "--login",
        "--pin",
        "1234",
        "--sign",
        "--mechanism",
        "RSA-PKCS",
        "--id",
    ];
    let files = ["--input-file", "digest-info", "--output-file", "signature"];
    let id = opensc::authentication_id(&objects);
    let signed = run(
        "pkcs11-tool",
        &[&login[..], &[id.as_str()], &files[..]].concat(),
    );
    assert!(signed.status.success(), "{}", text(&signed));
    assert_eq!(card.counters().verify, before + 1);

    let certificate = sandbox.write("auth.der", pki.authentication_der(Holder::CpsMedecin));
    let key = openssl::run(
        &sandbox,
        [
            "x509".as_ref(),
            "-inform".as_ref(),
            "DER".as_ref(),
            "-pubkey".as_ref(),
            "-noout".as_ref(),
            "-in".as_ref(),
            certificate.as_os_str(),
        ],
    );
    let key = sandbox.write("auth.pub", key.stdout);
    let verify = |data: &Path| {
        openssl::run(
            &sandbox,
            [
                "dgst".as_ref(),
                "-sha256".as_ref(),
                "-verify".as_ref(),
                key.as_os_str(),
                "-signature".as_ref(),
                "signature".as_ref(),
                data.as_os_str(),
            ],
        )
    };
    assert!(verify(&data).status.success());
    assert!(!verify(&certificate).status.success());
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
