//! The card report: complete, and silent about the holder.

use cps_card::{FileRole, Hex, PinRole, Report, Scheme};
use cps_emulator::{Holder, Layout};

use crate::{Reader, contact_layouts, logged_in};

fn report(layout: Layout, holder: Holder) -> Report {
    let mut reader = Reader::new(layout, holder);
    let mut card = reader.open().unwrap();
    let report = card.report(&mut reader).unwrap();
    assert_eq!(
        reader.card.counters().verify,
        0,
        "no PIN is sent for a report"
    );
    report
}

#[test]
fn a_report_describes_the_structure_of_every_card() {
    let mut layouts = contact_layouts();
    layouts.push(Layout::cps3_contactless());
    for layout in layouts {
        let name = layout.name.clone();
        let contact = layout.pin.is_some();
        let (keys, algorithms) = (layout.keys.len(), layout.algorithms.len());
        let (certificates, data) = (layout.certificates.len(), layout.data.len());
        let report = report(layout, Holder::CpsMedecin);
        let count = |role| report.files.iter().filter(|file| file.role == role).count();
        for role in [
            FileRole::EfDir,
            FileRole::EfSn,
            FileRole::TokenInfo,
            FileRole::Cdf,
        ] {
            assert!(count(role) >= 1, "{name}: {role:?}");
        }
        assert_eq!(count(FileRole::Certificate), certificates, "{name}");
        assert!(
            count(FileRole::Data) >= if contact { 4 } else { data.min(1) },
            "{name}"
        );
        assert_eq!(report.keys.len(), keys, "{name}");
        assert_eq!(report.algorithms.len(), algorithms, "{name}");
        let roles: Vec<PinRole> = report.pins.iter().map(|pin| pin.role).collect();
        let expected: &[PinRole] = if contact {
            &[PinRole::Pin, PinRole::Puk]
        } else {
            &[]
        };
        assert_eq!(roles, expected, "{name}");
    }
}

#[test]
fn a_report_is_read_back_from_json() {
    for layout in contact_layouts() {
        let report = report(layout, Holder::CpsMedecin);
        let json = serde_json::to_string_pretty(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    }
}

#[test]
fn sizes_and_structure_survive_redaction() {
    let mut reader = Reader::new(Layout::cps3(), Holder::CpsMedecin);
    let mut card = reader.open().unwrap();
    let report = card.report(&mut reader).unwrap();
    for file in report.files.iter().filter(|file| file.content.is_some()) {
        let path: Vec<u16> = file.path[2..]
            .chunks(2)
            .map(|id| u16::from_be_bytes([id[0], id[1]]))
            .collect();
        let (real, shown) = (
            reader.card.file(&path).unwrap(),
            file.content.as_ref().unwrap(),
        );
        assert_eq!(real.len(), shown.len(), "{}", file.path);
        assert_eq!(file.size, Some(real.len()), "{}", file.path);
        let hidden = matches!(file.role, FileRole::Certificate | FileRole::EfSn);
        assert_eq!(real != &shown[..], file.redacted, "{}", file.path);
        assert!(!hidden || file.redacted, "{}", file.path);
    }
}

/// Text as a card may write it: characters, or binary-coded digits.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned(), Hex::from(text.as_bytes()).to_string()];
    if text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() % 2 == 1 {
        forms.push(format!("0{text}"));
    }
    forms
}

#[test]
fn a_report_names_no_one() {
    for holder in Holder::ALL {
        for layout in contact_layouts() {
            let name = format!("{}, {holder}", layout.name);
            // Even when the PIN happens to be verified.
            let (mut reader, mut card) = logged_in(layout, holder);
            let report = card.report(&mut reader).unwrap();
            let json = serde_json::to_string(&report).unwrap();
            let activities = holder.activities().iter();
            let secrets = [holder.family_name(), holder.given_name()]
                .into_iter()
                .flatten()
                .chain([holder.card_number(), holder.national_id()])
                .chain(activities.flat_map(|a| [a.structure_name, a.structure_id]))
                .map(str::to_owned)
                .chain([holder.serial()]);
            for secret in secrets.filter(|secret| secret.len() >= 4) {
                for form in forms(&secret) {
                    assert!(!json.contains(&form), "{name}: {form} ({secret})");
                }
            }
            for certificate in crate::certificates(&mut card, &mut reader) {
                let key = Hex::from(&crate::public_key(&certificate)[16..48]).to_string();
                assert!(!json.contains(&key), "{name}: the public key");
            }
            let private = report.files.iter().filter(|file| file.private);
            assert!(
                private
                    .clone()
                    .all(|file| file.content.is_none() && file.read.is_none())
            );
            if !holder.activities().is_empty() {
                assert!(private.count() > 0, "{name}");
            }
        }
    }
}

#[test]
fn the_emulator_plays_a_card_from_a_report() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let original = report(layout.clone(), Holder::CpsMedecin);
        let json = serde_json::to_string(&original).unwrap();
        let learnt = Layout::from_json(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(learnt.keys.len(), layout.keys.len(), "{name}");
        let (mut reader, mut card) = logged_in(learnt.clone(), Holder::CpsInfirmier);
        for key in card.keys(&mut reader).unwrap() {
            card.sign(&mut reader, &key, Scheme::Pkcs1Sha256, &[7; 32])
                .unwrap_or_else(|error| panic!("{name}, {}: {error}", key.label));
        }
        // What is declared is the same, whoever holds the card.
        let again = report(learnt, Holder::CpsInfirmier);
        let structure = |report: &Report| {
            let keys = report.keys.iter().map(|key| (key.key_use, key.reference));
            let pins = report.pins.iter().map(|pin| (pin.role, pin.reference));
            let mut files: Vec<_> = report
                .files
                .iter()
                .filter(|file| file.role != FileRole::Data && file.select.is_success())
                .map(|file| file.path.clone())
                .collect();
            files.sort();
            (keys.collect::<Vec<_>>(), pins.collect::<Vec<_>>(), files)
        };
        assert_eq!(structure(&again), structure(&original), "{name}");
    }
}
