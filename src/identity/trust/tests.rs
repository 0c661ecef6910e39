use cps_emulator::{Authority, CrlVariant, Domain, Gamme, Holder, ServerFlaw, ServerIdentity};

use super::*;
use crate::testing::{NOW, PKI, authentication, days, signature};

const FORT: Authority = Authority::Root(Gamme::Fort);
const CARDS: Authority = Authority::Intermediate(Gamme::Fort, Domain::Personnes);
const ELEMENTAIRE: Authority = Authority::Root(Gamme::Elementaire);
const SERVERS: Authority = Authority::Intermediate(Gamme::Elementaire, Domain::Organisations);

const GOOD: Verdict = Verdict::Trusted {
    revocation: Revocation::Good,
};

fn authorities(environment: Environment) -> Trust {
    let mut trust = Trust::new(environment, RevocationPolicy::default());
    for der in [PKI.anchors_der(), PKI.intermediates_der()].concat() {
        trust.add_authority(&der).unwrap();
    }
    trust
}

fn add(trust: &mut Trust, authority: Authority, variant: CrlVariant) {
    let crl = Crl::from_der(&PKI.crl_der(authority, variant)).unwrap();
    trust.add_crl(crl).unwrap();
}

/// The test PKI with a current list of every authority.
fn trust() -> Trust {
    let mut trust = authorities(Environment::Custom);
    for authority in Authority::ALL {
        if authority != Authority::Legacy {
            add(&mut trust, authority, CrlVariant::Revoked);
        }
    }
    trust
}

fn server(identity: &ServerIdentity) -> (Certificate, Vec<Certificate>) {
    let mut chain = identity
        .chain_der
        .iter()
        .map(|der| Certificate::from_der(der).unwrap());
    (chain.next().unwrap(), chain.collect())
}

fn check_server(trust: &Trust, flaw: ServerFlaw, name: &str) -> Verdict {
    let (certificate, presented) = server(&PKI.server_with(&["localhost", "127.0.0.1"], flaw));
    trust.check_chain(&certificate, &presented, Purpose::Server(name), NOW)
}

#[test]
fn every_current_holder_is_trusted_for_both_uses() {
    let trust = trust();
    for holder in Holder::ALL {
        let expected = match holder {
            Holder::CpsExpired => "expired",
            Holder::CpsLegacy => "obsolete",
            Holder::CpsRevoked => "revoked",
            _ => "trusted",
        };
        let verdict = trust.check(&authentication(holder), Purpose::CardAuthentication, NOW);
        assert_eq!(verdict.as_str(), expected, "{holder}");
        let verdict = trust.check(&signature(holder), Purpose::CardSignature, NOW);
        assert_eq!(verdict.as_str(), expected, "{holder}");
    }
    let verdict = trust.check(
        &authentication(Holder::CpsMedecin),
        Purpose::CardAuthentication,
        NOW,
    );
    assert_eq!(verdict, GOOD);
}

#[test]
fn dates_are_told_apart() {
    let mut trust = authorities(Environment::Custom);
    let expired = authentication(Holder::CpsExpired);
    let verdict = trust.check(&expired, Purpose::CardAuthentication, NOW);
    assert_eq!(
        verdict,
        Verdict::Expired {
            since: expired.not_after()
        }
    );

    let holder = authentication(Holder::CpsMedecin);
    let early = holder.not_before() - days(1);
    let verdict = trust.check(&holder, Purpose::CardAuthentication, early);
    assert_eq!(
        verdict,
        Verdict::NotYetValid {
            from: holder.not_before()
        }
    );

    // A list made after "now" proves that the clock is behind, not that the card is too new.
    add(&mut trust, CARDS, CrlVariant::Empty);
    let made = trust.crls()[0].this_update();
    let verdict = trust.check(&holder, Purpose::CardAuthentication, early);
    assert_eq!(verdict, Verdict::ClockSkew { not_before: made });
    let within = made - SignedDuration::from_mins(5);
    let verdict = trust.check(&holder, Purpose::CardAuthentication, within);
    assert!(verdict.is_trusted(), "{verdict}");
}

#[test]
fn clock_before_the_authorities_is_told() {
    let trust = authorities(Environment::Custom);
    let holder = authentication(Holder::CpsMedecin);
    let verdict = trust.check(&holder, Purpose::CardAuthentication, Timestamp::UNIX_EPOCH);
    let made = Certificate::from_der(&PKI.authority_der(CARDS))
        .unwrap()
        .not_before();
    assert_eq!(verdict, Verdict::ClockSkew { not_before: made });
}

#[test]
fn issuers_are_told_apart() {
    let holder = authentication(Holder::CpsMedecin);
    let nobody = Trust::new(Environment::Custom, RevocationPolicy::default());
    let verdict = nobody.check(&holder, Purpose::CardAuthentication, NOW);
    assert_eq!(verdict, Verdict::UnknownIssuer);

    let rogue = Certificate::from_der(&PKI.rogue().authentication_der(Holder::CpsMedecin)).unwrap();
    let verdict = trust().check(&rogue, Purpose::CardAuthentication, NOW);
    assert_eq!(verdict, Verdict::RogueIssuer);

    let mut altered = PKI.authentication_der(Holder::CpsMedecin);
    *altered.last_mut().unwrap() ^= 1;
    let altered = Certificate::from_der(&altered).unwrap();
    let verdict = trust().check(&altered, Purpose::CardAuthentication, NOW);
    assert_eq!(verdict, Verdict::BadSignature);
}

#[test]
fn missing_intermediate_is_an_unknown_issuer() {
    let mut trust = Trust::new(Environment::Custom, RevocationPolicy::default());
    trust.add_authority(&PKI.authority_der(FORT)).unwrap();
    let verdict = trust.check(
        &authentication(Holder::CpsMedecin),
        Purpose::CardAuthentication,
        NOW,
    );
    assert_eq!(verdict, Verdict::UnknownIssuer);
}

/// Its dates mean nothing as long as nobody known signed them.
#[test]
fn forged_and_expired_is_forged_first() {
    let rogue = Certificate::from_der(&PKI.rogue().authentication_der(Holder::CpsExpired)).unwrap();
    let verdict = trust().check(&rogue, Purpose::CardAuthentication, NOW);
    assert_eq!(verdict, Verdict::RogueIssuer);
}

#[test]
fn uses_are_not_exchangeable() {
    let trust = trust();
    let verdict = trust.check(
        &signature(Holder::CpsMedecin),
        Purpose::CardAuthentication,
        NOW,
    );
    assert_eq!(verdict, Verdict::WrongUse);
    let verdict = trust.check(
        &authentication(Holder::CpsMedecin),
        Purpose::CardSignature,
        NOW,
    );
    assert_eq!(verdict, Verdict::WrongUse);
    let holder = authentication(Holder::CpsMedecin);
    let verdict = trust.check(&holder, Purpose::Server("localhost"), NOW);
    assert_eq!(verdict, Verdict::WrongUse);
    let root = Certificate::from_der(&PKI.authority_der(FORT)).unwrap();
    let verdict = trust.check(&root, Purpose::CardSignature, NOW);
    assert_eq!(verdict, Verdict::WrongUse);
}

#[test]
fn authority_pinned_for_servers_does_not_vouch_for_cards() {
    let mut trust = trust();
    let intermediates = trust.authorities.iter_mut();
    for authority in intermediates.filter(|one| !one.certificate.is_self_issued()) {
        authority.uses = Some(vec![AllowedUse::OrgServer]);
    }
    let verdict = trust.check(
        &authentication(Holder::CpsMedecin),
        Purpose::CardAuthentication,
        NOW,
    );
    assert_eq!(verdict, Verdict::WrongUse);
    assert_eq!(check_server(&trust, ServerFlaw::None, "localhost"), GOOD);
}

#[test]
fn key_period_ends_before_the_certificate() {
    let der = PKI.signature_with_key_period_over_der(Holder::CpsMedecin);
    let certificate = Certificate::from_der(&der).unwrap();
    let since = certificate
        .private_key_usage_period()
        .unwrap()
        .not_after
        .unwrap();
    let verdict = trust().check(&certificate, Purpose::CardSignature, NOW);
    assert_eq!(verdict, Verdict::KeyPeriodOver { since });
}

#[test]
fn test_certificate_is_refused_in_production_before_anything_else() {
    let trust = Trust::new(Environment::Production, RevocationPolicy::default());
    let verdict = trust.check(
        &authentication(Holder::CpsMedecin),
        Purpose::CardAuthentication,
        NOW,
    );
    assert_eq!(verdict, Verdict::TestInProduction);
}

mod authorities {
    use super::*;

    #[test]
    fn only_pinned_ones_enter_production_and_test() {
        for environment in [Environment::Production, Environment::Test] {
            let mut trust = Trust::new(environment, RevocationPolicy::default());
            let refused = trust.add_authority(&PKI.authority_der(FORT));
            assert_eq!(refused, Err(InvalidAuthority::NotPinned));
        }
    }

    #[test]
    fn holders_and_garbage_are_not_authorities() {
        let mut trust = Trust::new(Environment::Custom, RevocationPolicy::default());
        let holder = PKI.authentication_der(Holder::CpsMedecin);
        assert_eq!(
            trust.add_authority(&holder),
            Err(InvalidAuthority::NotAnAuthority)
        );
        assert_eq!(trust.add_authority(b"x"), Err(InvalidAuthority::Malformed));
    }

    #[test]
    fn same_authority_counts_once() {
        let mut trust = authorities(Environment::Custom);
        trust.add_authority(&PKI.authority_der(FORT)).unwrap();
        assert_eq!(
            (trust.roots().count(), trust.intermediates().count()),
            (3, 6)
        );
    }

    #[test]
    fn those_near_their_end_are_announced() {
        let trust = authorities(Environment::Custom);
        assert_eq!(trust.expiring(NOW).count(), 0);
        let end = Certificate::from_der(&PKI.authority_der(CARDS))
            .unwrap()
            .not_after();
        assert_eq!(trust.expiring(end - days(1000)).count(), 9);
    }

    /// The published certificates, where the machine has them.
    #[test]
    fn published_ones_enter_production() {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/data/igc-sante"
        );
        let Ok(files) = std::fs::read_dir(folder) else {
            return;
        };
        let mut trust = Trust::new(Environment::Production, RevocationPolicy::default());
        for file in files {
            let der = std::fs::read(file.unwrap().path()).unwrap();
            trust.add_authority(&der).unwrap();
            let mut test = Trust::new(Environment::Test, RevocationPolicy::default());
            assert_eq!(test.add_authority(&der), Err(InvalidAuthority::NotPinned));
        }
        assert_eq!(
            (trust.roots().count(), trust.intermediates().count()),
            (3, 6)
        );
        for intermediate in trust.intermediates() {
            let above = trust
                .roots()
                .find(|root| root.subject() == intermediate.issuer());
            assert_eq!(
                above.and_then(Certificate::key_id),
                intermediate.authority_key_id()
            );
        }
    }
}

mod revocation {
    use super::*;

    fn card(trust: &Trust) -> Verdict {
        let holder = authentication(Holder::CpsMedecin);
        trust.check(&holder, Purpose::CardAuthentication, NOW)
    }

    #[test]
    fn own_card_goes_on_when_it_is_unknown() {
        let mut trust = authorities(Environment::Custom);
        let unknown = |age| Verdict::Trusted {
            revocation: Revocation::Unknown { age },
        };
        assert_eq!(card(&trust), unknown(None));
        add(&mut trust, CARDS, CrlVariant::Expired);
        assert_eq!(
            card(&trust),
            unknown(None),
            "the root's list is still missing"
        );
        add(&mut trust, FORT, CrlVariant::Empty);
        let age = SignedDuration::from_hours(3 * 24 + 12);
        assert_eq!(card(&trust), unknown(Some(age)));
        add(&mut trust, CARDS, CrlVariant::Empty);
        assert_eq!(card(&trust), GOOD);
    }

    #[test]
    fn revoked_card_is_refused_with_its_date() {
        let mut trust = authorities(Environment::Custom);
        add(&mut trust, CARDS, CrlVariant::Revoked);
        let revoked = authentication(Holder::CpsRevoked);
        let verdict = trust.check(&revoked, Purpose::CardAuthentication, NOW);
        let since = NOW - SignedDuration::from_hours(12) - days(10);
        assert_eq!(verdict, Verdict::Revoked { since });
        // Years later, with no newer list, it is still revoked.
        let verdict = trust.check(&revoked, Purpose::CardAuthentication, NOW + days(300));
        assert_eq!(verdict, Verdict::Revoked { since });
    }

    #[test]
    fn servers_fail_closed_beyond_the_grace() {
        let mut trust = authorities(Environment::Custom);
        let never = Verdict::RevocationUnknown { age: None };
        assert_eq!(check_server(&trust, ServerFlaw::None, "localhost"), never);
        add(&mut trust, ELEMENTAIRE, CrlVariant::Empty);
        add(&mut trust, SERVERS, CrlVariant::Expired);
        let age = Some(SignedDuration::from_hours(3 * 24 + 12));
        let beyond = check_server(&trust, ServerFlaw::None, "localhost");
        assert_eq!(beyond, Verdict::RevocationUnknown { age });
        trust.policy.grace = SignedDuration::from_hours(4 * 24);
        let within = check_server(&trust, ServerFlaw::None, "localhost");
        assert_eq!(
            within,
            Verdict::Trusted {
                revocation: Revocation::Unknown { age }
            }
        );
    }

    #[test]
    fn forged_list_is_not_taken() {
        let mut trust = authorities(Environment::Custom);
        for der in [
            PKI.crl_der(CARDS, CrlVariant::WrongSignature),
            PKI.rogue().crl_der(CARDS, CrlVariant::Revoked),
        ] {
            let forged = Crl::from_der(&der).unwrap();
            assert_eq!(trust.add_crl(forged), Err(InvalidCrl::BadSignature));
        }
        assert!(trust.crls().is_empty());
    }

    #[test]
    fn list_of_an_unknown_authority_convinces_nobody() {
        let mut trust = Trust::new(Environment::Custom, RevocationPolicy::default());
        let rogue = PKI.rogue().crl_der(CARDS, CrlVariant::Revoked);
        trust.add_crl(Crl::from_der(&rogue).unwrap()).unwrap();
        for der in [PKI.anchors_der(), PKI.intermediates_der()].concat() {
            trust.add_authority(&der).unwrap();
        }
        let revoked = authentication(Holder::CpsRevoked);
        let verdict = trust.check(&revoked, Purpose::CardAuthentication, NOW);
        assert!(verdict.is_trusted(), "{verdict}");
    }

    #[test]
    fn newer_list_replaces_the_older_and_not_the_reverse() {
        let mut trust = authorities(Environment::Custom);
        add(&mut trust, CARDS, CrlVariant::Expired);
        add(&mut trust, CARDS, CrlVariant::Empty);
        let newest = trust.crls()[0].this_update();
        add(&mut trust, CARDS, CrlVariant::Expired);
        assert_eq!(
            (trust.crls().len(), trust.crls()[0].this_update()),
            (1, newest)
        );
    }

    #[test]
    fn addresses_of_the_whole_path_are_named() {
        let trust = authorities(Environment::Custom);
        let card = authentication(Holder::CpsMedecin);
        let expected = [
            "http://127.0.0.1:8089/CRL/ACI-FO-PP-TEST.crl",
            "http://127.0.0.1:8089/CRL/ACR-FO-TEST.crl",
        ];
        assert_eq!(trust.crl_urls(&card, &[]), expected);
    }
}

mod servers {
    use super::*;

    #[test]
    fn name_and_address_are_checked() {
        let trust = trust();
        assert_eq!(check_server(&trust, ServerFlaw::None, "localhost"), GOOD);
        assert_eq!(check_server(&trust, ServerFlaw::None, "127.0.0.1"), GOOD);
        for other in ["example.org", "127.0.0.2", "", "not a name"] {
            let verdict = check_server(&trust, ServerFlaw::None, other);
            assert_eq!(verdict, Verdict::WrongName, "{other}");
        }
    }

    #[test]
    fn each_flaw_is_told() {
        let trust = trust();
        for (flaw, expected) in [
            (ServerFlaw::Expired, "expired"),
            (ServerFlaw::Revoked, "revoked"),
            (ServerFlaw::RogueRoot, "rogue_issuer"),
        ] {
            let verdict = check_server(&trust, flaw, "localhost");
            assert_eq!(verdict.as_str(), expected);
        }
    }

    #[test]
    fn presented_intermediate_completes_the_path() {
        let (certificate, presented) = server(&PKI.server(&["localhost"]));
        let mut trust = Trust::new(Environment::Custom, RevocationPolicy::default());
        trust
            .add_authority(&PKI.authority_der(ELEMENTAIRE))
            .unwrap();
        for authority in [ELEMENTAIRE, SERVERS] {
            add(&mut trust, authority, CrlVariant::Empty);
        }
        let purpose = Purpose::Server("localhost");
        assert_eq!(
            trust.check_chain(&certificate, &presented, purpose, NOW),
            GOOD
        );
        let alone = trust.check_chain(&certificate, &[], purpose, NOW);
        assert_eq!(alone, Verdict::UnknownIssuer);
        assert_eq!(trust.crl_urls(&certificate, &presented).len(), 2);
    }

    #[test]
    fn end_entity_cannot_issue() {
        // The holder's certificate is presented as if it were an intermediate.
        let holder = authentication(Holder::CpsMedecin);
        let (certificate, mut presented) = server(&PKI.rogue().server(&["localhost"]));
        presented.push(holder);
        let purpose = Purpose::Server("localhost");
        let verdict = trust().check_chain(&certificate, &presented, purpose, NOW);
        assert_eq!(verdict, Verdict::RogueIssuer);
    }
}

#[test]
fn verdicts_have_distinct_names_and_a_sentence() {
    let at = NOW;
    let verdicts = [
        Verdict::BadSignature,
        Verdict::ClockSkew { not_before: at },
        Verdict::Expired { since: at },
        Verdict::KeyPeriodOver { since: at },
        Verdict::Malformed,
        Verdict::NotYetValid { from: at },
        Verdict::Obsolete,
        Verdict::RevocationUnknown { age: None },
        Verdict::Revoked { since: at },
        Verdict::RogueIssuer,
        Verdict::TestInProduction,
        GOOD,
        Verdict::UnknownIssuer,
        Verdict::WrongName,
        Verdict::WrongUse,
    ];
    let mut names: Vec<_> = verdicts.iter().map(|verdict| verdict.as_str()).collect();
    names.dedup();
    assert_eq!(names.len(), verdicts.len());
    let mut sentences: Vec<_> = verdicts.iter().map(Verdict::to_string).collect();
    sentences.sort();
    sentences.dedup();
    assert_eq!(sentences.len(), verdicts.len());
}
