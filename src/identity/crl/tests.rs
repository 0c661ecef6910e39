use cps_emulator::{Authority, CrlVariant, Domain, Gamme, Holder};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::testing::{NOW, PKI, authentication, days};

const ISSUER: Authority = Authority::Intermediate(Gamme::Fort, Domain::Personnes);

fn issuer() -> Certificate {
    Certificate::from_der(&PKI.authority_der(ISSUER)).unwrap()
}

fn list(variant: CrlVariant) -> Crl {
    Crl::from_der(&PKI.crl_der(ISSUER, variant)).unwrap()
}

#[test]
fn dates_and_issuer_are_read() {
    let crl = list(CrlVariant::Empty);
    assert_eq!(crl.issuer_raw(), issuer().subject_raw());
    let midnight = NOW - SignedDuration::from_hours(12);
    assert_eq!(
        (crl.this_update(), crl.next_update()),
        (midnight, midnight + days(7))
    );
    assert!(list(CrlVariant::Expired).next_update() < NOW);
}

#[test]
fn issuer_s_signature_is_checked() {
    assert_eq!(list(CrlVariant::Empty).verify(&issuer()), Ok(()));
    let altered = list(CrlVariant::WrongSignature).verify(&issuer());
    assert_eq!(altered, Err(InvalidCrl::BadSignature));
    let namesake = Certificate::from_der(&PKI.rogue().authority_der(ISSUER)).unwrap();
    let forged = list(CrlVariant::Empty).verify(&namesake);
    assert_eq!(forged, Err(InvalidCrl::BadSignature));
}

#[test]
fn list_of_another_authority_is_told() {
    let root = Certificate::from_der(&PKI.authority_der(Authority::Root(Gamme::Fort))).unwrap();
    assert_eq!(
        list(CrlVariant::Empty).verify(&root),
        Err(InvalidCrl::OtherIssuer)
    );
    let holder = authentication(Holder::CpsMedecin);
    assert_eq!(
        list(CrlVariant::Empty).verify(&holder),
        Err(InvalidCrl::OtherIssuer)
    );
}

#[test]
fn revoked_certificate_is_found_with_its_date() {
    let crl = list(CrlVariant::Revoked);
    let entry = crl
        .find(&authentication(Holder::CpsRevoked))
        .unwrap()
        .unwrap();
    assert_eq!(entry.since, NOW - SignedDuration::from_hours(12) - days(10));
    assert_eq!(crl.find(&authentication(Holder::CpsMedecin)), Ok(None));
    assert_eq!(
        list(CrlVariant::Empty).find(&authentication(Holder::CpsRevoked)),
        Ok(None)
    );
}

#[test]
fn list_covers_the_certificates_of_its_issuer_only() {
    let crl = list(CrlVariant::Empty);
    assert!(crl.covers(&authentication(Holder::CpsMedecin)));
    assert!(!crl.covers(&authentication(Holder::CpeNominative)));
}

#[test]
fn list_that_names_two_algorithms_is_refused() {
    let mut der = PKI.crl_der(ISSUER, CrlVariant::Empty);
    // sha256WithRSAEncryption, the second time: outside of what is signed.
    let oid = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
    let at = der
        .windows(oid.len())
        .rposition(|window| window == oid)
        .unwrap();
    der[at + 8] = 0x0C;
    let refused = Crl::from_der(&der);
    assert_eq!(
        refused,
        Err(InvalidCrl::Malformed("two signature algorithms"))
    );
}

#[test]
fn scope_excludes_other_kinds_and_addresses() {
    let holder = authentication(Holder::CpsMedecin);
    let scope = |only_users, only_authorities, urls: &[&str]| Scope {
        only_users,
        only_authorities,
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
    };
    let own = "http://127.0.0.1:8089/CRL/ACI-FO-PP-TEST.crl";
    assert!(scope(true, false, &[]).covers(&holder));
    assert!(!scope(false, true, &[]).covers(&holder));
    assert!(!scope(true, false, &[]).covers(&issuer()));
    assert!(scope(false, false, &["http://elsewhere", own]).covers(&holder));
    assert!(!scope(false, false, &["http://elsewhere"]).covers(&holder));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Crl::from_der(&bytes).is_err());
    }

    /// No alteration of a list verifies: neither panic nor forgery.
    #[test]
    fn altered_list_never_verifies(at in any::<prop::sample::Index>(), mask in 1u8..) {
        static LIST: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| PKI.crl_der(ISSUER, CrlVariant::Revoked));
        static ISSUING: std::sync::LazyLock<Certificate> = std::sync::LazyLock::new(issuer);
        let mut der = LIST.clone();
        let at = at.index(der.len());
        der[at] ^= mask;
        if let Ok(crl) = Crl::from_der(&der) {
            prop_assert!(crl.verify(&ISSUING).is_err());
            let _ = crl.find(&ISSUING);
        }
    }
}
