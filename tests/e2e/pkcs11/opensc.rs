//! OpenSC's `pkcs11-tool`: every verb that makes sense for a card that only signs and decrypts.

use std::path::Path;
use std::time::Duration;

use cps_emulator::{Holder, Profile, Timing};
use cps_tests::module;

use super::{Desk, command, finish, practice, text};

impl Desk {
    fn tool(&self, arguments: &[&str]) -> String {
        let module = module();
        let module = ["--module", module.to_str().unwrap()];
        self.ok("pkcs11-tool", &[&module, arguments].concat())
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let mut command = command(&self.practice.sandbox, "pkcs11-tool");
        let output = finish(command.arg("--module").arg(module()).args(arguments));
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        text(&output)
    }

    /// Signs what is in a file of the sandbox, into `signature`.
    fn sign(&self, mechanism: &str, input: &str, more: &[&str]) {
        let verb = ["--sign", "--mechanism", mechanism];
        let files = ["--input-file", input, "--output-file", "signature"];
        self.tool(&[&verb[..], &files, more].concat());
    }

    /// Whether `openssl` takes `signature` for one of the card's over this file.
    fn verifies(&self, hash: &str, pss: bool, data: &Path) -> bool {
        let key = self.public_key();
        let what = ["dgst", hash, "-verify", key.to_str().unwrap()];
        let padding: &[&str] = if pss {
            &[
                "-sigopt",
                "rsa_padding_mode:pss",
                "-sigopt",
                "rsa_pss_saltlen:digest",
            ]
        } else {
            &[]
        };
        let files = ["-signature", "signature", data.to_str().unwrap()];
        let output = self.run("openssl", &[&what[..], padding, &files].concat());
        output.status.success()
    }
}

/// Slots, certificates, keys, data: as they are on the card.
#[test]
fn pkcs11_tool_shows_what_is_on_the_card() {
    for (profile, name, data) in [(Profile::Cps3, "CPS3", 5), (Profile::Cps4, "CPS4", 12)] {
        let desk = Desk::new(profile);
        let slots = desk.tool(&["--list-slots"]);
        assert_eq!(slots.matches("(empty)").count(), 3, "{slots}");
        for told in ["Virtual PCD 00 00", "ALIX EXEMPLE", "90000001", name] {
            assert!(slots.contains(told), "{told}: {slots}");
        }
        let objects = desk.tool(&["--list-objects"]);
        for (kind, count) in [
            ("Certificate Object", 3),
            ("Private Key Object; RSA", 1),
            ("Public Key Object; RSA 2048", 1),
            ("Data object", data),
        ] {
            assert_eq!(objects.matches(kind).count(), count, "{kind}: {objects}");
        }

        // The certificate, from the module and from the authority that issued it.
        let file = ["--output-file", "read"];
        let label = "Certificat d'Authentification CPS";
        let certificate = ["--read-object", "--type", "cert", "--label", label];
        desk.tool(&[&certificate[..], &file].concat());
        let read = |name| std::fs::read(desk.practice.sandbox.join(name)).unwrap();
        let issued = desk.practice.pki.authentication_der(Holder::CpsMedecin);
        assert!(read("read") == issued);
        // The holder's names (card.md §4: E4 with length-prefixed fields).
        let name = ["--read-object", "--type", "data", "--label", "CPS_NAME_PS"];
        desk.tool(&[&name[..], &file].concat());
        let data = read("read");
        assert!(data.starts_with(b"\xe4") && data.windows(7).any(|part| part == b"EXEMPLE"));
        assert_eq!(desk.practice.pinentry.dialogs(), 0, "nobody was asked");
    }
}

/// The key signs with every mechanism that the token lists, for one PIN; `openssl` verifies.
#[test]
fn every_listed_mechanism_signs() {
    let pkcs1 = ["SHA1", "SHA256", "SHA384", "SHA512"].map(|hash| format!("{hash}-RSA-PKCS"));
    let mut cps3 = vec!["RSA-PKCS".to_owned()];
    cps3.extend(pkcs1);
    let pss = ["RSA-PKCS-PSS", "SHA1-RSA-PKCS-PSS", "SHA256-RSA-PKCS-PSS"];
    let mut cps4 = cps3.clone();
    cps4.extend(pss.map(str::to_owned));
    for (profile, mut expected) in [(Profile::Cps3, cps3), (Profile::Cps4, cps4)] {
        let desk = Desk::new(profile);
        let listed = desk.tool(&["--list-mechanisms"]);
        let mut listed: Vec<String> = listed
            .lines()
            .filter(|line| line.contains(" sign"))
            .map(|line| line.trim().split(',').next().unwrap().to_owned())
            .collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);

        let data = desk.practice.sandbox.write("data", "un texte a signer");
        let other = desk.practice.sandbox.write("other", "un autre texte");
        cps_tests::opensc::digest_info(&desk.practice.sandbox, "data");
        desk.ok(
            "openssl",
            &["dgst", "-sha256", "-binary", "-out", "hash", "data"],
        );
        for mechanism in &listed {
            match mechanism.as_str() {
                "RSA-PKCS" => desk.sign(mechanism, "digest-info", &[]),
                "RSA-PKCS-PSS" => desk.sign(mechanism, "hash", &["--hash-algorithm", "SHA256"]),
                _ => desk.sign(mechanism, "data", &[]),
            }
            let hash = match mechanism.split_once("-RSA") {
                Some((hash, _)) => format!("-{}", hash.to_lowercase()),
                None => "-sha256".to_owned(),
            };
            let pss = mechanism.ends_with("PSS");
            assert!(desk.verifies(&hash, pss, &data), "{mechanism}");
            assert!(!desk.verifies(&hash, pss, &other), "{mechanism}");
        }
        assert_eq!(desk.practice.pinentry.pins_asked(), 1);
        assert_eq!(desk.practice.pinentry.dialogs(), 1);
    }
}

/// Neither a bare hash, nor the block of TLS 1.1, nor other bytes say what they are: the card is not
/// even asked.
#[test]
fn a_block_of_unknown_meaning_is_not_signed() {
    let desk = Desk::new(Profile::Cps4);
    let files = ["--input-file", "data", "--output-file", "signature"];
    for length in [32, 36, 100, 245] {
        desk.practice.sandbox.write("data", vec![7; length]);
        let raw = ["--sign", "--mechanism", "RSA-PKCS"];
        let refused = desk.refused(&[&raw[..], &files].concat());
        assert!(refused.contains("CKR_DATA_INVALID"), "{length}: {refused}");
    }
    let raw = ["--sign", "--mechanism", "RSA-X-509"];
    let refused = desk.refused(&[&raw[..], &files].concat());
    assert!(refused.contains("RSA-X-509"), "{refused}");
    assert_eq!(desk.practice.pinentry.dialogs(), 0);
    assert_eq!(desk.card.counters().key_operations, 0);
}

/// What `openssl` encrypted for the card's certificate.
#[test]
fn a_cryptogram_is_decrypted() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let desk = Desk::new(profile);
        let key = desk.public_key();
        desk.practice.sandbox.write("data", "a session key");
        let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey"];
        let files = [key.to_str().unwrap(), "-in", "data", "-out", "cryptogram"];
        desk.ok("openssl", &[&encrypt[..], &files].concat());
        let decrypt = ["--decrypt", "--mechanism", "RSA-PKCS"];
        let files = ["--input-file", "cryptogram", "--output-file", "plaintext"];
        desk.tool(&[&decrypt[..], &files].concat());
        let plaintext = std::fs::read(desk.practice.sandbox.join("plaintext")).unwrap();
        assert_eq!(plaintext, b"a session key");
        let asked = desk.practice.pinentry.questions();
        assert!(asked[0].contains("decrypt"), "{asked:?}");
    }
}

/// OpenSC's own tests of a module: random bytes, digests, signatures in one and in several parts,
/// their verification, decryption; a child process that starts again.
#[test]
fn pkcs11_tool_finds_no_error() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let desk = Desk::new(profile);
        let said = desk.tool(&["--test"]);
        assert!(said.contains("No errors"), "{said}");
        for tested in ["Digests", "Signatures", "Verify", "Decryption"] {
            assert!(said.contains(tested), "{tested}: {said}");
        }
        assert!(said.matches(": OK").count() >= 7, "{said}");
        desk.tool(&["--test-fork", "--list-objects"]);
    }
}

/// Threads look at the slots while the first one waits for a signature.
#[test]
fn threads_do_not_wait_for_a_signature() {
    let practice = practice("");
    let mut card = practice.card(Holder::CpsMedecin, Profile::Cps3);
    // The tool sleeps half a minute when its other threads outlast the first.
    card.set_timing(Timing {
        per_key_operation: Duration::from_secs(2),
        ..Timing::default()
    });
    let desk = Desk::holding(practice, card);
    let data = desk.practice.sandbox.write("data", "un texte a signer");
    // Each thread: initialises with locking, asks for the library, the slots, each slot's token.
    let thread = ["--test-threads", "ILGISLT0"];
    desk.sign("SHA256-RSA-PKCS", "data", &[thread; 4].concat());
    assert!(desk.verifies("-sha256", false, &data));
}

/// The default face asks for no login; a PIN that a program was told all the same is refused, and
/// reaches neither the card nor the daemon.
#[test]
fn a_pin_on_the_command_line_is_refused() {
    let desk = Desk::new(Profile::Cps3);
    let refused = desk.refused(&["--login", "--pin", "1234", "--list-objects"]);
    assert!(refused.contains("CKR_ARGUMENTS_BAD"), "{refused}");
    assert_eq!(desk.practice.pinentry.dialogs(), 0);
    assert_eq!(desk.card.counters().verify, 0);
}

/// With `program_pin = "ignore"` anything may be typed: the daemon asks the person.
#[test]
fn a_pin_on_the_command_line_is_ignored_when_allowed() {
    let desk = Desk::configured(Profile::Cps3, "program_pin = \"ignore\"");
    desk.practice.sandbox.write("data", "un texte a signer");
    desk.sign("SHA256-RSA-PKCS", "data", &["--login", "--pin", "0000"]);
    assert_eq!(desk.practice.pinentry.pins_asked(), 1);
    assert_eq!(desk.card.counters().verify, 1, "the wrong one never came");
}

/// With a protected authentication path the tool logs in without a PIN of its own.
#[test]
fn a_protected_path_asks_the_person() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let desk = Desk::configured(profile, "login = \"protected_path\"");
        let slots = desk.tool(&["--list-slots"]);
        for flag in ["login required", "PIN pad present"] {
            assert!(slots.contains(flag), "{slots}");
        }
        let data = desk.practice.sandbox.write("data", "un texte a signer");
        desk.sign("SHA256-RSA-PKCS", "data", &["--login"]);
        assert!(desk.verifies("-sha256", false, &data));
        assert_eq!(desk.practice.pinentry.pins_asked(), 1);
        assert_eq!(desk.card.counters().verify, 1);
    }
}
