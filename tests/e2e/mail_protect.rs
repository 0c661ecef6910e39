//! Encrypted archives for ordinary mail, opened by 7-Zip.

use std::fs;
use std::process::Output;

use cps_tests::{Sandbox, binary};
use serde_json::Value;

/// What a correspondent without an MSSanté address does: the passphrase opens the archive, another
/// does not, and the content is not in it in clear.
#[test]
fn seven_zip_opens_the_archive_with_the_passphrase_only() {
    let sandbox = Sandbox::new();
    let letter = "Cher confrère, voici le compte rendu.\n".repeat(1000);
    // Nothing a compressor could make smaller, and more than one block of anything.
    let picture: Vec<u8> = (0_u32..400_000)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    sandbox.write("compte rendu été.txt", &letter);
    sandbox.write("photo.jpg", &picture);
    sandbox.write("vide.txt", "");
    let output = sandbox
        .command(binary("cps"))
        .args(["mail", "protect", "--json", "-o", "envoi.zip"])
        .args(["compte rendu été.txt", "photo.jpg", "vide.txt"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let passphrase = said["passphrase"].as_str().unwrap();

    let listed = seven_zip(&sandbox, &["l", "-slt", "envoi.zip"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed.matches("\nMethod = AES-256").count(), 3, "{listed}");
    assert_eq!(listed.matches("\nEncrypted = +").count(), 3, "{listed}");
    // AE-2 keeps no checksum of the clear content, by which a guess of it could be confirmed.
    assert_eq!(listed.matches("\nCRC = \n").count(), 3, "{listed}");
    assert!(
        listed.contains("\nPath = compte rendu été.txt\n"),
        "{listed}"
    );

    for wrong in [&passphrase.replace('-', ""), "aaaa-aaaa-aaaa-aaaa-aaaa"] {
        let refused = seven_zip(&sandbox, &["t", &format!("-p{wrong}"), "envoi.zip"]);
        assert!(!refused.status.success(), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("Wrong password"), "{said}");
    }
    let opened = seven_zip(
        &sandbox,
        &["x", "-oopened", &format!("-p{passphrase}"), "envoi.zip"],
    );
    assert!(opened.status.success(), "{opened:?}");
    let content = |name: &str| fs::read(sandbox.join("opened").join(name)).unwrap();
    assert_eq!(content("compte rendu été.txt"), letter.as_bytes());
    assert_eq!(content("photo.jpg"), picture);
    assert_eq!(content("vide.txt"), b"");
    // The original, and what 7-Zip made of the archive: nothing else has the text.
    let clear = sandbox.files_with("compte rendu.\n".as_bytes(), &["opened"]);
    assert_eq!(clear, [sandbox.join("compte rendu été.txt")]);
}

fn seven_zip(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut command = sandbox.command("7z");
    command
        .args(arguments)
        .output()
        .expect("7z is missing (package p7zip-full)")
}
