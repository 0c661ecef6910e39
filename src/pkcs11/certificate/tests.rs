use cps_emulator::Holder;
use der::{DateTime, Decode, Encode};
use proptest::prelude::*;

use super::*;
use crate::testing::{leaf, pki};

fn text(time: DateTime) -> String {
    format!("{:04}{:02}{:02}", time.year(), time.month(), time.day())
}

#[test]
fn fields_are_those_that_a_certificate_library_finds() {
    let ders = [
        leaf(),
        pki().signature_der(Holder::CpsMedecin),
        pki().anchors_der().remove(0),
    ];
    for der in ders {
        let fields = Certificate::parse(&der).unwrap();
        let decoded = x509_cert::Certificate::from_der(&der).unwrap();
        let decoded = decoded.tbs_certificate();
        assert_eq!(fields.serial, decoded.serial_number().to_der().unwrap());
        assert_eq!(fields.issuer, decoded.issuer().to_der().unwrap());
        assert_eq!(fields.subject, decoded.subject().to_der().unwrap());
        let spki = decoded.subject_public_key_info().to_der().unwrap();
        assert_eq!(fields.spki, spki);
        let validity = decoded.validity();
        let days = [validity.not_before, validity.not_after].map(|time| text(time.to_date_time()));
        assert_eq!(
            fields
                .days
                .map(|day| String::from_utf8(day.to_vec()).unwrap()),
            days
        );
    }
}

/// Hosts compare names byte by byte, and this one is encoded in an order that DER does not allow.
#[test]
fn names_of_old_certificates_stay_as_they_are_encoded() {
    let der = pki().authentication_der(Holder::CpsLegacy);
    let fields = Certificate::parse(&der).unwrap();
    let decoded = x509_cert::Certificate::from_der(&der).unwrap();
    let encoded = decoded.tbs_certificate().subject().to_der().unwrap();
    assert_ne!(fields.subject, encoded);
    assert_eq!(fields.subject.len(), encoded.len());
    let occurs = der
        .windows(encoded.len())
        .any(|part| part == fields.subject);
    assert!(occurs);
}

/// RFC 5280 §4.1.2.5.1: years of two digits are those of 1950 to 2049.
#[test]
fn both_forms_of_time_are_read() {
    for (tag, written, read) in [
        (Tag::UtcTime, "491231235959Z", Some("20491231")),
        (Tag::UtcTime, "500101000000Z", Some("19500101")),
        (Tag::GeneralizedTime, "20500101000000Z", Some("20500101")),
        (Tag::UtcTime, "4912", None),
        (Tag::GeneralizedTime, "2050-01-01", None),
        (Tag::Utf8String, "20500101000000Z", None),
    ] {
        let time = AnyRef::new(tag, written.as_bytes()).unwrap();
        let found = day(time)
            .ok()
            .map(|day| String::from_utf8(day.to_vec()).unwrap());
        assert_eq!(found.as_deref(), read, "{written}");
    }
}

proptest! {
    #[test]
    fn a_damaged_certificate_is_answered(
        position in any::<prop::sample::Index>(),
        change in 1u8..=255,
        length in any::<prop::sample::Index>(),
    ) {
        let mut der = leaf();
        // Cut short, it is none.
        prop_assert_eq!(Certificate::parse(&der[..length.index(der.len())]), None);
        let index = position.index(der.len());
        der[index] ^= change;
        let _ = Certificate::parse(&der);
    }

    #[test]
    fn any_bytes_are_answered(der in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(Certificate::parse(&der), None);
    }
}
