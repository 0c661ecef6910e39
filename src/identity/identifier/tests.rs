use proptest::prelude::*;

use super::*;

fn person(text: &str) -> PersonId {
    PersonId::new(text).unwrap()
}

fn structure(text: &str) -> StructureId {
    StructureId::new(text).unwrap()
}

#[test]
fn person_kinds_follow_the_prefix() {
    for (text, kind) in [
        ("0991000001", PersonIdKind::Adeli),
        ("00B6000001", PersonIdKind::Adeli),
        ("1991000001/12", PersonIdKind::AdeliPractice),
        ("3990000010/CPET0001", PersonIdKind::FinessEmployee),
        ("4999000011/7", PersonIdKind::SirenEmployee),
        ("599900001100018/CPAT0001", PersonIdKind::SiretEmployee),
        ("699700000013001/A", PersonIdKind::RppsPracticeEmployee),
        ("899700000013", PersonIdKind::Rpps),
        ("10someone@example.mssante.fr", PersonIdKind::MssanteAddress),
        ("ANS20230102", PersonIdKind::Other),
    ] {
        assert_eq!(person(text).kind(), kind, "{text}");
    }
}

#[test]
fn structure_kinds_follow_prefix_and_length() {
    for (text, kind) in [
        ("1990000010", StructureIdKind::Finess),
        ("10B0000001", StructureIdKind::Finess),
        ("2999000011", StructureIdKind::Siren),
        ("399900001100018", StructureIdKind::Siret),
        ("499700000013001", StructureIdKind::RppsPractice),
        ("R95141", StructureIdKind::Other),
        ("Médecin", StructureIdKind::Other),
    ] {
        assert_eq!(structure(text).kind(), kind, "{text}");
    }
}

#[test]
fn test_numbers_with_a_valid_key_pass() {
    for rpps in [
        "99700000013",
        "99700000021",
        "99700000039",
        "99700000047",
        "99700000054",
        "99700000062",
        "99700000070",
        "99700000088",
        "99700000096",
    ] {
        assert_eq!(person(&format!("8{rpps}")).check(), Check::Valid, "{rpps}");
    }
    for finess in ["990000010", "990000028", "990000036", "990000044"] {
        assert_eq!(
            structure(&format!("1{finess}")).check(),
            Check::Valid,
            "{finess}"
        );
    }
    assert_eq!(structure("2999000011").check(), Check::Valid);
    assert_eq!(structure("399900001100018").check(), Check::Valid);
    assert_eq!(structure("499700000013001").check(), Check::Valid);
    assert_eq!(person("3990000010/CPET0001").check(), Check::Valid);
}

#[test]
fn wrong_key_warns_and_is_kept() {
    let altered = person("899700000014");
    assert_eq!(
        (altered.check(), altered.as_str()),
        (Check::Wrong, "899700000014")
    );
    assert_eq!(person("8123").check(), Check::Wrong);
}

#[test]
fn identifiers_without_a_rule_are_not_checked() {
    assert_eq!(structure("10B0000001").check(), Check::NotChecked);
    assert_eq!(person("0991000001").check(), Check::NotChecked);
    assert_eq!(structure("335600000012345").check(), Check::NotChecked);
}

#[test]
fn eleven_typed_digits_are_an_rpps() {
    assert_eq!(
        PersonId::from_input(" 99700000013 ").unwrap().as_str(),
        "899700000013"
    );
    assert_eq!(
        PersonId::from_input("899700000013").unwrap().as_str(),
        "899700000013"
    );
}

#[test]
fn prefix_is_stripped_for_display_only() {
    assert_eq!(person("899700000013").without_prefix(), "99700000013");
    assert_eq!(person("ANS1").without_prefix(), "ANS1");
    assert_eq!(structure("1990000010").without_prefix(), "990000010");
}

#[test]
fn text_that_cannot_be_an_identifier_is_refused() {
    for text in ["", "8\n997", &"9".repeat(65)] {
        assert_eq!(PersonId::new(text), Err(InvalidIdentifier), "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_handled(text in ".{0,80}") {
        if let Ok(id) = PersonId::from_input(&text) {
            let _ = (id.kind(), id.check());
            prop_assert!(id.as_str().ends_with(id.without_prefix()));
        }
        if let Ok(id) = StructureId::new(&text) {
            let _ = (id.kind(), id.check());
            prop_assert!(id.as_str().ends_with(id.without_prefix()));
        }
    }

    #[test]
    fn one_altered_digit_is_always_noticed(at in 1usize..12, step in 1u8..10) {
        let mut digits = "899700000013".to_owned().into_bytes();
        digits[at] = b'0' + (digits[at] - b'0' + step) % 10;
        let altered = String::from_utf8(digits).unwrap();
        prop_assert_eq!(person(&altered).check(), Check::Wrong);
    }
}
