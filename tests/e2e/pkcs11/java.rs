//! Java's SunPKCS11: the card is a `KeyStore`.

use cps_emulator::Profile;
use cps_tests::{Practice, module};

use super::Desk;

/// Writes the provider's configuration.
pub(super) fn configuration(practice: &Practice) -> String {
    let lines = format!("name = cpsd\nlibrary = {}\n", module().display());
    let path = practice.sandbox.write("java.cfg", lines);
    path.display().to_string()
}

impl Desk {
    fn java(&self, options: &[&str], arguments: &[&str]) -> String {
        self.practice
            .sandbox
            .write("Card.java", include_str!("Card.java"));
        let configuration = configuration(&self.practice);
        let program = ["Card.java", configuration.as_str()];
        self.ok("java", &[options, &program, arguments].concat())
    }

    fn java_signs(&self, algorithm: &str) {
        let said = self.java(&[], &["sign", algorithm]);
        let expected = "verified: true";
        assert_eq!(said.matches(expected).count(), 1, "{said}");
        assert!(
            said.starts_with("3 ") && said.contains("CN=899700000013"),
            "{said}"
        );
    }
}

/// One entry: the key with its certificate and those of its issuers.
#[test]
fn java_signs_with_the_key_store() {
    let desk = Desk::new(Profile::Cps3);
    desk.java_signs("SHA256withRSA");
    assert_eq!(desk.practice.pinentry.dialogs(), 1);
}

/// Here Java calls C_Login, without a PIN of its own.
#[test]
fn java_logs_in_through_a_protected_path() {
    let desk = Desk::configured(Profile::Cps4, "login = \"protected_path\"");
    desk.java_signs("SHA512withRSA");
    assert_eq!(desk.practice.pinentry.pins_asked(), 1);
}

/// Java leaves out a mechanism that decrypts and does not encrypt.
#[test]
fn java_decrypts() {
    let desk = Desk::new(Profile::Cps3);
    assert_eq!(desk.java(&[], &["decrypt"]), "secret\n");
}

/// With a CPS3 Java must be kept from TLS 1.3.
#[test]
fn java_opens_the_portal() {
    for (profile, protocol) in [(Profile::Cps3, "TLSv1.2"), (Profile::Cps4, "TLSv1.3")] {
        let desk = Desk::new(profile);
        let portal = desk.portal();
        let anchors = desk.practice.anchors.display().to_string();
        let url = portal.both.url("/java");
        let limit: &[&str] = match profile {
            Profile::Cps3 => &["-Djdk.tls.client.protocols=TLSv1.2"],
            _ => &[],
        };
        let said = desk.java(limit, &["open", &url, &anchors]);
        assert!(said.contains("status: 200"), "{said}");
        portal.saw(&[&format!("/java {protocol} known")]);
    }
}
