//! Signatures: judged by `openssl cms -verify`.

use cps_emulator::{Holder, Profile};
use cps_tests::{Practice, openssl};

#[test]
fn a_detached_signature_of_a_cps3_verifies() {
    detached(Profile::Cps3);
}

#[test]
fn a_detached_signature_of_a_cps4_verifies() {
    detached(Profile::Cps4);
}

#[test]
fn an_attached_signature_holds_its_content() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let document = practice.sandbox.write("ordonnance.txt", CONTENT);
    practice.cps(&[
        "sign",
        "--attached",
        "ordonnance.txt",
        "-o",
        "ordonnance.p7m",
    ]);
    let signature = practice.sandbox.join("ordonnance.p7m");
    std::fs::remove_file(document).unwrap();
    let verified = openssl::cms_verify(&practice.sandbox, &signature, None, &practice.anchors);
    assert!(verified.status.success(), "{verified:?}");
    assert_eq!(verified.stdout, CONTENT);
}

/// The signature key signs documents; the authentication key never does.
#[test]
fn documents_are_signed_with_the_signature_certificate() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.sandbox.write("document", CONTENT);
    practice.cps(&["sign", "document", "-o", "document.p7s"]);
    let signature = std::fs::read(practice.sandbox.join("document.p7s")).unwrap();
    let includes = |der: Vec<u8>| signature.windows(der.len()).any(|window| window == der);
    assert!(includes(practice.pki.signature_der(Holder::CpsMedecin)));
    assert!(!includes(
        practice.pki.authentication_der(Holder::CpsMedecin)
    ));
}

/// One PIN serves several operations, whichever key they use.
#[test]
fn the_pin_is_asked_once_for_several_signatures() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.sandbox.write("document", CONTENT);
    for _ in 0..3 {
        practice.cps(&["sign", "document", "-o", "document.p7s"]);
    }
    practice.json(&["exercises"]);
    assert_eq!(practice.pinentry.pins_asked(), 1);
    assert_eq!(card.counters().verify, 1);
}

/// A document larger than any buffer, in constant memory.
#[test]
fn a_large_document_is_signed_as_it_streams() {
    let mut practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let content: Vec<u8> = (0..64 * 1024 * 1024_u32).map(|n| (n >> 10) as u8).collect();
    let document = practice.sandbox.write("image", &content);
    practice.cps(&["sign", "image", "-o", "image.p7s"]);
    let signature = practice.sandbox.join("image.p7s");
    let verified = openssl::cms_verify(
        &practice.sandbox,
        &signature,
        Some(&document),
        &practice.anchors,
    );
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    let peak = practice.cpsd.peer().memory("VmHWM");
    assert!(
        peak < 48 * 1024 * 1024,
        "cpsd used {peak} bytes for a streamed document"
    );
}

fn detached(profile: Profile) {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, profile));
    let document = practice.sandbox.write("ordonnance.txt", CONTENT);
    practice.cps(&["sign", "ordonnance.txt", "-o", "ordonnance.p7s"]);
    let signature = practice.sandbox.join("ordonnance.p7s");
    let verify = |content| {
        openssl::cms_verify(
            &practice.sandbox,
            &signature,
            Some(content),
            &practice.anchors,
        )
    };
    let verified = verify(&document);
    assert!(verified.status.success(), "{verified:?}");
    let tampered = practice
        .sandbox
        .write("tampered.txt", "Une autre ordonnance\n");
    assert!(!verify(&tampered).status.success());
}

const CONTENT: &[u8] = b"Ordonnance d'essai : repos.\n";
