use serde_json::json;

use super::*;

#[test]
fn details_are_members_and_words() {
    let problem = Problem::new(Code::PinIncorrect).with("tries_left", 2);
    let document = serde_json::to_value(&problem).unwrap();
    assert_eq!(
        document,
        json!({
            "type": "urn:cpsd:problem:pin.incorrect",
            "title": "The PIN is wrong.",
            "status": 403,
            "detail": "The PIN is wrong. Tries left: 2.",
            "code": "pin.incorrect",
            "fault": "caller",
            "fr": "Le code est incorrect. Essais restants : 2.",
            "en": "The PIN is wrong. Tries left: 2.",
            "remedy_fr": "Recommencez avec le bon code ; après le dernier essai, la carte se bloque.",
            "remedy_en": "Try again with the right PIN; after the last try the card blocks.",
            "tries_left": 2
        })
    );
    assert_eq!(
        serde_json::from_value::<Problem>(document).unwrap(),
        problem
    );
}

#[test]
fn a_detail_cannot_replace_a_named_member() {
    let problem = Problem::new(Code::Internal)
        .with("code", "pin.incorrect")
        .with("fr", "x");
    assert_eq!(problem, Problem::new(Code::Internal));
}

#[test]
fn an_explicit_detail_stays() {
    let problem = Problem::new(Code::CardRefused).detail("6985 to INTERNAL AUTHENTICATE");
    let problem = problem.with("status_word", "6985");
    assert_eq!(problem.detail, "6985 to INTERNAL AUTHENTICATE");
    assert_eq!(problem.en, "The card refused the operation (answer 6985).");
}

#[test]
fn a_newer_code_is_kept() {
    let mut document = serde_json::to_value(Problem::new(Code::Internal)).unwrap();
    document["code"] = json!("moon.eclipse");
    let problem: Problem = serde_json::from_value(document).unwrap();
    assert_eq!(problem.code(), None);
    assert_eq!(problem.code, "moon.eclipse");
    assert_eq!(problem.status, 500);
}
