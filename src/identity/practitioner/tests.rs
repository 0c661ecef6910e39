use cps_emulator::Holder;

use super::*;
use crate::testing::{NOW, PKI, authentication, signature};
use crate::{PersonIdKind, StructureIdKind};

/// What the fixture list of the test PKI asks for, written here by hand.
struct Expected {
    id: &'static str,
    kind: PersonIdKind,
    category: CardType,
    title: Option<&'static str>,
    profession: Option<&'static str>,
    in_training: Option<&'static str>,
    specialty: &'static [&'static str],
    structure: Option<&'static str>,
    named: bool,
}

const DOCTOR: Expected = Expected {
    id: "899700000013",
    kind: PersonIdKind::Rpps,
    category: CardType::Cps,
    title: Some("Médecin"),
    profession: Some("10"),
    in_training: None,
    specialty: &["SM26"],
    structure: None,
    named: true,
};

const EMPLOYEE: Expected = Expected {
    id: "3990000010/CPET0001",
    kind: PersonIdKind::FinessEmployee,
    category: CardType::Cpe,
    title: Some("Personnel santé ou social"),
    profession: None,
    specialty: &[],
    structure: Some("1990000010"),
    ..DOCTOR
};

fn expected(holder: Holder) -> Expected {
    match holder {
        Holder::CpsMedecin | Holder::CpsExpired | Holder::CpsRevoked => DOCTOR,
        Holder::CpsInfirmier => Expected {
            id: "899700000021",
            title: Some("Infirmier"),
            profession: Some("60"),
            specialty: &[],
            ..DOCTOR
        },
        Holder::CpfMedecin => Expected {
            id: "899700000039",
            category: CardType::Cpf,
            title: Some("Médecin en formation"),
            profession: None,
            in_training: Some("10"),
            specialty: &[],
            ..DOCTOR
        },
        Holder::CpeNominative => EMPLOYEE,
        Holder::CpeService => Expected {
            id: "3990000010/000000018",
            title: Some("Carte de service santé ou social"),
            named: false,
            ..EMPLOYEE
        },
        Holder::Cpa => Expected {
            id: "599900001100018/CPAT0001",
            kind: PersonIdKind::SiretEmployee,
            category: CardType::Cpa,
            title: None,
            structure: Some("399900001100018"),
            ..EMPLOYEE
        },
        Holder::CpsLegacy => Expected {
            id: "00B1000001",
            kind: PersonIdKind::Adeli,
            title: None,
            ..DOCTOR
        },
        Holder::CpsAccents => Expected {
            id: "899700000054",
            title: Some("Sage-Femme"),
            profession: Some("50"),
            specialty: &[],
            ..DOCTOR
        },
        Holder::CpsMulti => Expected {
            id: "899700000047",
            specialty: &["SM54"],
            ..DOCTOR
        },
    }
}

fn codes(coded: &[Coded]) -> Vec<&str> {
    coded.iter().map(|coded| coded.code.as_str()).collect()
}

#[test]
fn every_holder_is_recognised_from_either_certificate() {
    for holder in Holder::ALL {
        let expected = expected(holder);
        for certificate in [authentication(holder), signature(holder)] {
            let found = Practitioner::from_certificate(&certificate).unwrap();
            assert_eq!(found.national_id.as_str(), expected.id, "{holder}");
            assert_eq!(found.national_id.kind(), expected.kind, "{holder}");
            assert_eq!(found.category, Some(expected.category), "{holder}");
            assert_eq!(found.title.as_deref(), expected.title, "{holder}");
            let code = |coded: &Option<Coded>| coded.as_ref().map(|coded| coded.code.clone());
            assert_eq!(
                code(&found.profession).as_deref(),
                expected.profession,
                "{holder}"
            );
            let in_training = code(&found.profession_in_training);
            assert_eq!(in_training.as_deref(), expected.in_training, "{holder}");
            assert_eq!(codes(&found.specialty), expected.specialty, "{holder}");
            let id = found
                .structure
                .as_ref()
                .and_then(|structure| structure.id.as_ref());
            assert_eq!(id.map(StructureId::as_str), expected.structure, "{holder}");
            assert_eq!(found.family_name.is_some(), expected.named, "{holder}");
            assert_eq!(found.given_name.is_some(), expected.named, "{holder}");
            assert!(found.test, "{holder}");
            assert_eq!(found.obsolete, holder == Holder::CpsLegacy, "{holder}");
            let number = format!("8025000001/{}", holder.card_number());
            assert_eq!(found.card_number, Some(number), "{holder}");
        }
    }
}

#[test]
fn codes_come_with_their_labels() {
    let doctor = Practitioner::from_certificate(&authentication(Holder::CpsMedecin)).unwrap();
    assert_eq!(doctor.profession.unwrap().to_string(), "Médecin");
    assert_eq!(
        doctor.specialty[0].to_string(),
        "Qualifié en Médecine Générale (SM)"
    );
}

#[test]
fn accents_survive() {
    let found = Practitioner::from_certificate(&authentication(Holder::CpsAccents)).unwrap();
    let family = found.family_name.as_deref().unwrap();
    assert_eq!(family, "D'ÉTÉ-LEFÈVRE DE LA GARENNE");
    assert_eq!(family.chars().count(), 27);
    assert_eq!(found.given_name.as_deref(), Some("ANNE-ZOÉ"));
    let found = Practitioner::from_certificate(&authentication(Holder::CpsLegacy)).unwrap();
    assert_eq!(found.family_name.as_deref(), Some("ANCIENNETÉ"));
}

#[test]
fn employer_is_read_with_its_department() {
    let found = Practitioner::from_certificate(&authentication(Holder::CpeNominative)).unwrap();
    let structure = found.structure.unwrap();
    assert_eq!(structure.name.as_deref(), Some("HOPITAL EXEMPLE"));
    assert_eq!(structure.department.as_deref(), Some("Paris (75)"));
    assert_eq!(structure.id.unwrap().kind(), StructureIdKind::Finess);
    let found = Practitioner::from_certificate(&authentication(Holder::Cpa)).unwrap();
    let structure = found.structure.unwrap();
    assert_eq!(structure.name.unwrap().chars().count(), 40);
    assert_eq!(structure.department.as_deref(), Some("Côte-d'Or (21)"));
}

#[test]
fn service_card_has_a_name_to_show_and_one_for_author_fields() {
    let found = Practitioner::from_certificate(&authentication(Holder::CpeService)).unwrap();
    assert_eq!(found.pseudonym.as_deref(), Some("EMPLOYE000000018"));
    assert_eq!(found.display_name(), "EMPLOYE000000018");
    let author = (
        "HOPITAL EXEMPLE".to_owned(),
        "3990000010-000000018".to_owned(),
    );
    assert_eq!(found.author_name(), author);

    let found = Practitioner::from_certificate(&authentication(Holder::CpsMedecin)).unwrap();
    assert_eq!(found.display_name(), "ALIX EXEMPLE");
    assert_eq!(
        found.author_name(),
        ("EXEMPLE".to_owned(), "ALIX".to_owned())
    );
}

#[test]
fn authorities_servers_and_organisations_are_nobody() {
    let others = [
        PKI.anchors_der().remove(0),
        PKI.server(&["localhost"]).chain_der.remove(0),
        PKI.organisation_authentication().chain_der.remove(0),
        PKI.organisation_signature().chain_der.remove(0),
    ];
    for der in others {
        let certificate = Certificate::from_der(&der).unwrap();
        assert_eq!(
            Practitioner::from_certificate(&certificate),
            Err(NotAPractitioner)
        );
    }
}

#[test]
fn certificate_wins_over_the_card() {
    let mut found = Practitioner::from_certificate(&authentication(Holder::CpsMedecin)).unwrap();
    let before = found.clone();
    found.add_card_data(&CardData {
        card_number: Some("1111111111".into()),
        family_name: Some("AUTRE".into()),
        given_names: vec!["ALIX".into(), "MARIE".into()],
        card_type: Some("02".into()),
        profession: Some("60".into()),
        profession_in_training: Some("60".into()),
        specialty: Some("SM01".into()),
        civility: Some("22".into()),
        ..CardData::default()
    });
    assert_eq!(found.civility.as_ref().unwrap().to_string(), "Madame");
    assert_eq!(found.given_names, ["ALIX", "MARIE"]);
    let added = (
        found.civility.take(),
        std::mem::take(&mut found.given_names),
    );
    assert!(added.0.is_some());
    assert_eq!(found, before);
}

#[test]
fn card_fills_what_the_certificate_leaves_out() {
    let mut nurse = Practitioner::from_certificate(&authentication(Holder::CpsInfirmier)).unwrap();
    nurse.add_card_data(&CardData {
        specialty: Some("SI01".into()),
        practice_name: Some("MODELE".into()),
        profession_in_training: Some("10".into()),
        ..CardData::default()
    });
    assert_eq!(codes(&nurse.specialty), ["SI01"]);
    assert_eq!(nurse.practice_name.as_deref(), Some("MODELE"));
    assert_eq!(
        nurse.profession_in_training, None,
        "a trade, since the card is not a CPF"
    );

    let mut service = Practitioner::from_certificate(&authentication(Holder::CpeService)).unwrap();
    service.add_card_data(&CardData {
        profession: Some("00".into()),
        family_name: Some(String::new()),
        ..CardData::default()
    });
    assert_eq!((service.profession, service.family_name), (None, None));
}

#[test]
fn validity_is_the_certificate_s() {
    let found = Practitioner::from_certificate(&authentication(Holder::CpsExpired)).unwrap();
    assert!(found.valid_from < found.valid_until && found.valid_until < NOW);
}

mod exercises {
    use super::*;

    fn activity(index: u8, link: u8, id: &str, sector: &str, mode: u8) -> ActivityData {
        ActivityData {
            index,
            mode: Some(Table::G17.code_of_byte(mode)),
            billing_link: Some(link),
            structure_name: Some("HOPITAL EXEMPLE".into()),
            structure_id: Some(id.into()),
            sector: Some(sector.into()),
            unknown: vec![(0x9F, vec![1, 2])],
            ..ActivityData::default()
        }
    }

    /// The activities of the multi-activity fixture, given out of order.
    #[test]
    fn structure_sector_and_billing_stay_together() {
        let activities = [
            activity(16, 3, "1990000028", "SA05", 0x04),
            activity(1, 1, "1990000010", "SA01", 0x01),
            activity(3, 2, "499700000047001", "SA07", 0x00),
        ];
        let billing = [2, 1].map(|link| BillingData {
            link,
            identifier: Some(format!("99000000{link}")),
            convention: Some(Table::G101.code_of_byte(0x01)),
            specialty: Some(Table::G100.code_of_byte(0x01)),
            ..BillingData::default()
        });
        let exercises = Exercise::from_card(&activities, &billing);
        let summary: Vec<_> = exercises
            .iter()
            .map(|exercise| {
                let id = exercise.structure.id.as_ref().unwrap().as_str();
                let billing = exercise
                    .billing
                    .as_ref()
                    .and_then(|b| b.identifier.as_deref());
                (
                    exercise.index,
                    id,
                    codes(exercise.sector.as_slice())[0],
                    billing,
                )
            })
            .collect();
        assert_eq!(
            summary,
            [
                (1, "1990000010", "SA01", Some("990000001")),
                (3, "499700000047001", "SA07", Some("990000002")),
                (16, "1990000028", "SA05", None),
            ]
        );
        assert_eq!(exercises[0].mode.as_ref().unwrap().to_string(), "Salarié");
        assert_eq!(
            exercises[2].mode.as_ref().unwrap().to_string(),
            "Remplaçant"
        );
        assert_eq!(exercises[0].unknown, [(0x9F, vec![1, 2])]);
        let convention = exercises[0].billing.as_ref().unwrap().convention.as_ref();
        assert_eq!(convention.unwrap().to_string(), "Conventionné");
    }

    #[test]
    fn fields_that_the_card_leaves_out_stay_out() {
        let empty = [ActivityData {
            index: 2,
            sector: Some(String::new()),
            ..Default::default()
        }];
        let exercises = Exercise::from_card(&empty, &[]);
        assert_eq!(exercises[0].structure, Structure::default());
        assert_eq!((&exercises[0].sector, &exercises[0].mode), (&None, &None));
    }
}
