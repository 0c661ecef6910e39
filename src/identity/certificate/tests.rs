use cps_emulator::{Authority, Domain, Gamme, Holder};
use proptest::prelude::*;

use super::*;
use crate::testing::{NOW, PKI, authentication, days, signature};

#[test]
fn fields_of_a_card_certificate() {
    let der = PKI.authentication_der(Holder::CpsMedecin);
    let certificate = Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.der(), der);
    assert_eq!(certificate.usage(), CertificateUse::Authentication);
    assert_eq!(certificate.serial_hex().len(), 32);
    assert_eq!(certificate.rsa_bits(), Some(2048));
    assert_eq!(certificate.card_number(), Some("8025000001/9900000012"));
    assert!(certificate.is_test());
    assert!(!certificate.is_obsolete());
    assert!(certificate.not_before() <= NOW && NOW < certificate.not_after());
    let urls = certificate.crl_urls();
    assert_eq!(urls, ["http://127.0.0.1:8089/CRL/ACI-FO-PP-TEST.crl"]);
}

#[test]
fn key_identifiers_link_to_the_issuer() {
    let issuer = PKI.authority_der(Authority::Intermediate(Gamme::Fort, Domain::Personnes));
    let issuer = Certificate::from_der(&issuer).unwrap();
    let certificate = authentication(Holder::CpsMedecin);
    assert!(issuer.key_id().is_some());
    assert_eq!(certificate.authority_key_id(), issuer.key_id());
    assert_eq!(certificate.issuer(), issuer.subject());
    assert_eq!(issuer.usage(), CertificateUse::Authority);
    assert!(!issuer.is_self_issued());
}

#[test]
fn usage_tells_the_kinds_apart() {
    assert_eq!(
        signature(Holder::CpsMedecin).usage(),
        CertificateUse::Signature
    );
    assert_eq!(
        signature(Holder::CpsLegacy).usage(),
        CertificateUse::Signature
    );
    let server = PKI.server(&["localhost"]).chain_der.remove(0);
    let server = Certificate::from_der(&server).unwrap();
    assert_eq!(server.usage(), CertificateUse::Server);
    assert_eq!(server.dns_names(), ["localhost"]);
}

#[test]
fn user_principal_name_is_read() {
    let upn = |holder| authentication(holder).upn().map(str::to_owned);
    let cpe = upn(Holder::CpeNominative);
    assert_eq!(cpe.as_deref(), Some("3990000010/CPET0001@carte-cps.fr"));
    assert_eq!(
        upn(Holder::CpsLegacy).as_deref(),
        Some("0.0B1000001@carte-cps.fr")
    );
    assert_eq!(signature(Holder::CpeNominative).upn(), None);
}

#[test]
fn private_key_usage_period_ends_on_its_own() {
    let der = PKI.signature_with_key_period_over_der(Holder::CpsMedecin);
    let certificate = Certificate::from_der(&der).unwrap();
    let until = certificate
        .private_key_usage_period()
        .unwrap()
        .not_after
        .unwrap();
    let over = NOW.duration_since(until);
    assert!(over > days(9) && over < days(12));
    assert!(certificate.not_after() > NOW);
}

#[test]
fn certificate_of_the_closed_pki_is_read_and_called_obsolete() {
    let certificate = authentication(Holder::CpsLegacy);
    assert!(certificate.is_obsolete());
    assert_eq!(certificate.serial_hex().len(), 6);
    assert_eq!(certificate.rsa_bits(), Some(1024));
    assert_eq!(
        certificate.subject().first(attribute::UNIT),
        Some("Médecin")
    );
}

#[test]
fn fingerprint_reads_what_it_and_openssl_write() {
    let fingerprint = authentication(Holder::CpsMedecin).fingerprint_sha256();
    assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    let colons: Vec<String> = fingerprint
        .0
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert_eq!(colons.join(":").parse(), Ok(fingerprint));
    assert_eq!("12".parse::<Fingerprint>(), Err(InvalidFingerprint));
    assert_eq!(
        "é".repeat(32).parse::<Fingerprint>(),
        Err(InvalidFingerprint)
    );
}

#[test]
fn trailing_bytes_and_truncation_are_refused() {
    let der = PKI.authentication_der(Holder::CpsMedecin);
    assert!(Certificate::from_der(&[&der[..], &[0]].concat()).is_err());
    assert!(Certificate::from_der(&der[..der.len() - 1]).is_err());
    assert!(Certificate::from_der(&[]).is_err());
    let mut set = der;
    // The content, which follows the four bytes of the outer SEQUENCE, becomes a SET.
    assert_eq!(set[4], 0x30);
    set[4] = 0x31;
    assert!(Certificate::from_der(&set).is_err());
    assert!(Certificate::from_der(&vec![0x30; MAX_CERTIFICATE + 1]).is_err());
}

#[test]
fn test_is_a_word_of_the_issuer() {
    assert!(says_test("IGC-SANTE TEST"));
    assert!(says_test("AC-CLASSE-4-TEST"));
    assert!(!says_test("CENTRE TESTART"));
}

/// The private extensions, byte for byte as the national profile gives them.
mod private_extensions {
    use super::super::extensions::Extensions;

    /// SEQUENCE { SEQUENCE { OID, OCTET STRING } }.
    fn decode(oid: &[u8], value: &[u8]) -> Extensions {
        let part = |tag: u8, content: &[u8]| {
            [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
        };
        let extension = part(0x30, &[part(0x06, oid), part(0x04, value)].concat());
        Extensions::from_der(&part(0x30, &extension)).unwrap()
    }

    /// 1.2.250.1.71.1.2.n and 1.2.250.1.71.4.2.n.
    fn gip(n: u8) -> [u8; 8] {
        [0x2A, 0x81, 0x7A, 0x01, 0x47, 0x01, 0x02, n]
    }

    fn rpps(n: u8) -> [u8; 8] {
        [0x2A, 0x81, 0x7A, 0x01, 0x47, 0x04, 0x02, n]
    }

    #[test]
    fn published_examples() {
        assert_eq!(
            decode(&gip(5), &[0x04, 0x01, 0x80]).product_category,
            Some(0x80)
        );
        let card_type = decode(&gip(2), &[0x02, 0x01, 0x00]).card_type;
        assert_eq!(card_type.as_deref(), Some("00"));
        let profession = decode(&gip(7), &[0x02, 0x01, 0x0A]).profession;
        assert_eq!(profession.as_deref(), Some("10"));
        let profession = decode(&gip(7), &[0x02, 0x01, 0x3C]).profession;
        assert_eq!(profession.as_deref(), Some("60"));
        let value = [0x30, 0x06, 0x0C, 0x04, 0x53, 0x4D, 0x32, 0x36];
        assert_eq!(decode(&rpps(5), &value).specialities, ["SM26"]);
        let number = [&[0x13, 0x15][..], b"8025000001/9900000012"].concat();
        let number = decode(&gip(3), &number).card_number;
        assert_eq!(number.as_deref(), Some("8025000001/9900000012"));
    }

    #[test]
    fn unpublished_encodings_are_read_in_each_sibling_form() {
        for value in [
            &[0x02, 0x01, 0x0A][..],
            &[0x04, 0x01, 0x10],
            &[0x0C, 0x02, 0x31, 0x30],
        ] {
            let code = decode(&gip(8), value).profession_in_training;
            assert_eq!(code.as_deref(), Some("10"), "{value:02X?}");
        }
        assert_eq!(
            decode(&rpps(6), &[0x0C, 0x01, 0x44]).pharmacist_sections,
            ["D"]
        );
    }

    #[test]
    fn the_same_twice_is_refused() {
        // SEQUENCE { SEQUENCE { OID 2.5.29.15, OCTET STRING 03 02 07 80 } }, once and twice.
        let one = [
            0x30, 0x0B, 0x06, 0x03, 0x55, 0x1D, 0x0F, 0x04, 0x04, 0x03, 0x02, 0x07, 0x80,
        ];
        let once = [&[0x30, 0x0D][..], &one].concat();
        let twice = [&[0x30, 0x1A][..], &one, &one].concat();
        assert!(Extensions::from_der(&once).unwrap().digital_signature());
        assert!(Extensions::from_der(&twice).is_err());
    }

    #[test]
    fn an_unreadable_one_is_left_out() {
        assert_eq!(decode(&gip(5), &[0x04, 0x02, 0x80]).product_category, None);
        assert_eq!(decode(&gip(7), &[0x02, 0x01, 0xFF]).profession, None);
        assert!(decode(&rpps(5), &[0x30, 0x7F]).specialities.is_empty());
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Certificate::from_der(&bytes).is_err());
    }

    #[test]
    fn mutated_certificates_never_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        legacy in any::<bool>(),
    ) {
        let holder = if legacy { Holder::CpsLegacy } else { Holder::CpeNominative };
        let mut der = PKI.authentication_der(holder);
        let at = at.index(der.len());
        der[at] = byte;
        if let Ok(certificate) = Certificate::from_der(&der) {
            let _ = (certificate.usage(), certificate.is_test(), certificate.serial_hex());
            let _ = (certificate.subject().to_string(), certificate.issuer().to_string());
            let _ = crate::Practitioner::from_certificate(&certificate);
        }
    }
}
