use std::collections::HashSet;

use serde_json::json;

use super::template::render;
use super::*;

#[test]
fn every_code_is_unique_and_read_back() {
    let mut seen = HashSet::new();
    for code in Code::ALL {
        assert!(seen.insert(code.as_str()), "{code} twice");
        assert_eq!(code.as_str().parse(), Ok(*code));
    }
    assert_eq!("card.absentee".parse::<Code>(), Err(UnknownCode));
}

#[test]
fn codes_are_dotted_lower_case_words() {
    for code in Code::ALL {
        let words: Vec<&str> = code.as_str().split('.').collect();
        assert!(words.len() == 2 || *code == Code::Internal, "{code}");
        for word in words {
            assert!(!word.is_empty(), "{code}");
            assert!(
                word.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{code}"
            );
        }
    }
}

/// The four texts of every code, as written in the catalogue.
fn texts() -> impl Iterator<Item = (Code, [&'static str; 4])> {
    Code::ALL.iter().map(|code| {
        let entry = code.entry();
        (
            *code,
            [entry.fr, entry.en, entry.remedy_fr, entry.remedy_en],
        )
    })
}

#[test]
fn every_sentence_is_a_sentence() {
    for (code, texts) in texts() {
        for text in texts {
            let plain = render(text, &Map::new());
            assert!(plain.ends_with('.'), "{code}: {plain}");
            assert!(plain.len() > 15, "{code}: {plain}");
            assert!(!plain.contains(['{', '}', '<', '>']), "{code}: {plain}");
            assert!(
                !plain.contains("  ") && !plain.contains(" ."),
                "{code}: {plain}"
            );
        }
    }
}

#[test]
fn both_languages_have_the_same_places_for_details() {
    for (code, [fr, en, remedy_fr, remedy_en]) in texts() {
        assert_eq!(places(fr), places(en), "{code}");
        assert_eq!(places(remedy_fr), places(remedy_en), "{code}");
    }
}

#[test]
fn brackets_of_the_configuration_are_kept() {
    let remedy = Code::TlsServerUntrusted.remedy(Lang::English, &Map::new());
    assert!(remedy.contains("its [[destination]] section"), "{remedy}");
}

fn places(text: &str) -> HashSet<&str> {
    text.split('{')
        .skip(1)
        .filter_map(|after| after.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn every_status_is_an_error() {
    for code in Code::ALL {
        assert!((400..=599).contains(&code.status()), "{code}");
        let server_side = code.status() == 500;
        let ours = matches!(code.fault(), Fault::Internal | Fault::Configuration);
        assert!(!server_side || ours, "{code}: 500 is for our own faults");
    }
}

#[test]
fn details_take_their_places() {
    let members = json!({"tries_left": 2, "serials": ["90000001", "90000002"]});
    let members = members.as_object().unwrap();
    assert_eq!(
        Code::PinIncorrect.sentence(Lang::French, members),
        "Le code est incorrect. Essais restants : 2."
    );
    assert_eq!(
        Code::CardAmbiguous.sentence(Lang::English, members),
        "Several cards are present: 90000001, 90000002."
    );
    assert_eq!(
        Code::PinIncorrect.sentence(Lang::English, &Map::new()),
        "The PIN is wrong."
    );
}

#[test]
fn a_detail_is_never_read_as_a_template() {
    let members = json!({"reason": "<{reason}>", "host": "x"});
    let text = render("a< {reason}> b", members.as_object().unwrap());
    assert_eq!(text, "a <{reason}> b");
}

#[test]
fn locales_choose_a_language() {
    for french in ["fr", "fr_FR.UTF-8", "fr-CA", "FR", "fr@euro"] {
        assert_eq!(Lang::of_locale(french), Lang::French, "{french}");
    }
    for english in ["", "C", "C.UTF-8", "en_GB", "frr_DE", "fro"] {
        assert_eq!(Lang::of_locale(english), Lang::English, "{english}");
    }
}
