use proptest::prelude::*;

use super::*;
use crate::read_certificates;
use crate::testing::PKI;

#[test]
fn shipped_list_pins_the_nine_production_authorities() {
    let production: Vec<_> = Anchors::built_in()
        .pinned()
        .iter()
        .filter(|anchor| anchor.environment == Environment::Production)
        .collect();
    assert_eq!(production.len(), 9);
    assert_eq!(production.iter().filter(|anchor| anchor.root).count(), 3);
    for anchor in Anchors::built_in().pinned() {
        let test = anchor.common_name.starts_with("TEST ");
        assert_eq!(
            anchor.environment == Environment::Test,
            test,
            "{}",
            anchor.common_name
        );
        assert_eq!(anchor.key_id.len(), 20, "{}", anchor.common_name);
        assert!(!anchor.uses.is_empty(), "{}", anchor.common_name);
    }
}

#[test]
fn only_card_authorities_may_issue_cards() {
    let issuers: Vec<_> = Anchors::built_in()
        .pinned()
        .iter()
        .filter(|anchor| !anchor.root && anchor.environment == Environment::Production)
        .filter(|anchor| anchor.uses.contains(&AllowedUse::CardPerson))
        .map(|anchor| anchor.common_name.as_str())
        .collect();
    assert_eq!(
        issuers,
        [
            "AC IGC-SANTE STANDARD PERSONNES",
            "AC IGC-SANTE FORT PERSONNES"
        ]
    );
}

/// The published certificates, where the machine has them.
#[test]
fn published_authorities_are_accepted_under_their_own_pin() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/igc-sante"
    );
    let Ok(files) = std::fs::read_dir(folder) else {
        return;
    };
    let mut names = Vec::new();
    for file in files {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for der in read_certificates(&bytes).unwrap() {
            let (certificate, anchor) = Anchors::built_in().accept(&der).unwrap();
            let subject = certificate.subject().to_string();
            assert!(
                subject.starts_with(&format!("CN={},", anchor.common_name)),
                "{subject}"
            );
            assert_eq!(
                certificate.key_id(),
                Some(anchor.key_id.as_slice()),
                "{subject}"
            );
            assert_eq!(certificate.is_self_issued(), anchor.root, "{subject}");
            assert!(
                certificate.is_authority() && !certificate.is_test(),
                "{subject}"
            );
            assert_eq!(certificate.rsa_bits(), Some(4096), "{subject}");
            names.push(anchor.common_name.clone());
        }
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 9);
}

#[test]
fn another_authority_is_refused_and_named() {
    let der = PKI.anchors_der().remove(0);
    let refused = Anchors::built_in().accept(&der).unwrap_err();
    let NotPinned::Unknown {
        fingerprint,
        subject,
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(
        fingerprint,
        Certificate::from_der(&der).unwrap().fingerprint_sha256()
    );
    assert!(subject.contains("CPSD"), "{subject}");
    assert_eq!(
        Anchors::built_in().accept(b"x").unwrap_err(),
        NotPinned::Malformed
    );
}

#[test]
fn own_list_accepts_its_own() {
    let der = PKI.anchors_der().remove(0);
    let fingerprint = Certificate::from_der(&der).unwrap().fingerprint_sha256();
    let list = Anchors::from_toml(&entry(&fingerprint.to_string())).unwrap();
    assert!(list.accept(&der).is_ok());
    assert!(list.accept(&PKI.anchors_der().remove(1)).is_err());
}

fn entry(sha256: &str) -> String {
    format!(
        "[[authority]]\ncommon_name = \"A\"\nsha256 = \"{sha256}\"\nkey_id = \"00\"\n\
         environment = \"test\"\nkind = \"root\"\nuses = [\"card-person\"]\n"
    )
}

#[test]
fn faulty_lists_are_refused() {
    let good = entry(&"ab".repeat(32));
    assert!(Anchors::from_toml(&good).is_ok());
    assert!(matches!(
        Anchors::from_toml(&entry("ab")),
        Err(InvalidAnchors::Hexadecimal(_))
    ));
    let twice = format!("{good}{good}");
    assert!(matches!(
        Anchors::from_toml(&twice),
        Err(InvalidAnchors::Duplicate(_))
    ));
    for (from, to) in [
        ("\"root\"", "\"leaf\""),
        ("\"test\"", "\"custom\""),
        ("card-person", "anything"),
        ("key_id", "keyid"),
        ("[[authority]]", "authority"),
    ] {
        let faulty = good.replace(from, to);
        assert!(
            matches!(Anchors::from_toml(&faulty), Err(InvalidAnchors::Toml(_))),
            "{faulty}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_handled(text in ".{0,200}", at in any::<prop::sample::Index>(), c in any::<char>()) {
        let _ = Anchors::from_toml(&text);
        let mut characters: Vec<char> = entry(&"ab".repeat(32)).chars().collect();
        let at = at.index(characters.len());
        characters[at] = c;
        let _ = Anchors::from_toml(&characters.into_iter().collect::<String>());
    }
}
