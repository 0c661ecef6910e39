//! The real drivers against the virtual cards, in every layout, and against cards made from the
//! reports that the drivers take.

use std::sync::LazyLock;
use std::time::SystemTime;

use cps_card::{Card, Error, KeyUse, Pin, PinRole, Scheme};
use cps_emulator::{Holder, Layout, Pki, VirtualCard};

static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::new(SystemTime::now()));

fn open(card: &mut VirtualCard) -> Card {
    let atr = card.atr().to_vec();
    let protocol = card.protocol();
    Card::open(&atr, protocol, card).expect("a known card")
}

fn scheme_for(card: &Card, key: &cps_card::KeyEntry) -> Scheme {
    let schemes = card.schemes(key);
    assert!(schemes.contains(&Scheme::Pkcs1Sha256), "{schemes:?}");
    Scheme::Pkcs1Sha256
}

/// Judges a signature over SHA-256 of "abc" with OpenSSL.
fn openssl_accepts(certificate: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(
        path("certificate"),
        cps_emulator::certificate_pem(certificate),
    )
    .expect("writable");
    std::fs::write(path("digest"), digest).expect("writable");
    std::fs::write(path("signature"), signature).expect("writable");
    std::process::Command::new("openssl")
        .args([
            "pkeyutl",
            "-verify",
            "-certin",
            "-inkey",
            &path("certificate"),
            "-in",
            &path("digest"),
        ])
        .args(["-sigfile", &path("signature"), "-pkeyopt", "digest:sha256"])
        .output()
        .expect("`openssl` runs (Debian package openssl)")
        .status
        .success()
}

/// SHA-256 of "abc" (FIPS 180-4 example).
const DIGEST: [u8; 32] = [
    0xBA, 0x78, 0x16, 0xBF, 0x8F, 0x01, 0xCF, 0xEA, 0x41, 0x41, 0x40, 0xDE, 0x5D, 0xAE, 0x22, 0x23,
    0xB0, 0x03, 0x61, 0xA3, 0x96, 0x17, 0x7A, 0x9C, 0xB4, 0x10, 0xFF, 0x61, 0xF2, 0x00, 0x15, 0xAD,
];

/// Everything a practitioner does with a card.
fn exercise(layout: Layout, holder: Holder) {
    let name = format!("{} {holder}", layout.name);
    let mut virtual_card = VirtualCard::with_layout(&PKI, holder, layout);
    let (pin, puk) = (
        virtual_card.pin_value().map(str::to_owned),
        virtual_card.puk_value().map(str::to_owned),
    );
    let t = &mut virtual_card;
    let mut card = open(t);
    assert_eq!(card.serial().to_string(), holder.serial(), "{name}");

    let certificates = card.certificates(t).expect("lists certificates");
    let read: Vec<_> = certificates
        .iter()
        .map(|entry| card.read_certificate(t, entry).expect("reads"))
        .collect();
    let expected = match &pin {
        Some(_) => vec![PKI.authentication_der(holder), PKI.signature_der(holder)],
        None => vec![PKI.technical_der(holder)],
    };
    assert_eq!(read.len(), expected.len(), "{name}");
    for der in &expected {
        assert!(read.contains(der), "{name}");
    }

    if let (Some(pin), Some(puk)) = (&pin, &puk) {
        let tries = card.tries(t, PinRole::Pin).expect("tells the tries").left;
        let wrong = Pin::from("0".repeat(pin.len()).as_str());
        let Err(Error::PinIncorrect { .. }) = card.verify(t, PinRole::Pin, &wrong) else {
            panic!("{name}: the wrong PIN must be refused")
        };
        let left = card.tries(t, PinRole::Pin).expect("tells the tries").left;
        assert_eq!(left, tries.map(|tries| tries - 1), "{name}");
        card.verify(t, PinRole::Pin, &Pin::from(pin.as_str()))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let other = "9".repeat(pin.len());
        card.change_pin(t, &Pin::from(pin.as_str()), &Pin::from(other.as_str()))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        card.verify(t, PinRole::Pin, &Pin::from(other.as_str()))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        card.unblock_pin(t, &Pin::from(puk.as_str()), &Pin::from(pin.as_str()))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        card.verify(t, PinRole::Pin, &Pin::from(pin.as_str()))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    let keys = card.keys(t).expect("lists keys");
    assert_eq!(keys.len(), expected.len(), "{name}");
    for key in &keys {
        let der = match key.key_use {
            KeyUse::Authentication => PKI.authentication_der(holder),
            KeyUse::Signature => PKI.signature_der(holder),
            KeyUse::Technical => PKI.technical_der(holder),
        };
        let scheme = scheme_for(&card, key);
        let signature = card
            .sign(t, key, scheme, &DIGEST)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(
            openssl_accepts(&der, &DIGEST, &signature),
            "{name} {:?}",
            key.key_use
        );
    }

    for entry in card.data_objects(t).expect("lists data objects") {
        match card.read_data(t, &entry) {
            Ok(_) => {}
            // Objects of the older volet are asked for without being listed; some holders have none.
            Err(Error::NotPresent { .. }) if lacks(holder, &entry.label) => {}
            Err(error) => panic!("{name} {}: {error}", entry.label),
        }
    }
}

/// Whether the holder has no such activity, or none at all to bill for.
fn lacks(holder: Holder, label: &str) -> bool {
    let mut activities = holder.activities().iter();
    match label {
        "CPS_SIT_FACT" => activities.next().is_none(),
        _ => {
            label.contains("ACTIVITY")
                && activities.all(|activity| !label.contains(&format!("_{:02}_", activity.index)))
        }
    }
}

#[test]
fn every_layout_serves_the_physician() {
    for layout in Layout::shipped() {
        exercise(layout, Holder::CpsMedecin);
    }
}

#[test]
fn every_holder_is_served() {
    for holder in Holder::ALL {
        for layout in [Layout::cps3(), Layout::cps4_variant()] {
            exercise(layout, holder);
        }
    }
}

#[test]
fn a_card_made_from_a_report_works_like_the_original() {
    for layout in Layout::shipped() {
        let original = layout.name.clone();
        let mut virtual_card = VirtualCard::with_layout(&PKI, Holder::CpsMulti, layout);
        let report = open(&mut virtual_card)
            .report(&mut virtual_card)
            .expect("reports");
        let text = serde_json::to_string(&report).expect("serialises");
        for secret in ["PLURIEL", "504C555249454C", "899700000047", "9900000019"] {
            assert!(!text.contains(secret), "{original}: {secret} in the report");
        }
        let copy = Layout::from_json(&text).unwrap_or_else(|error| panic!("{original}: {error}"));
        exercise(copy, Holder::CpsInfirmier);
    }
}
