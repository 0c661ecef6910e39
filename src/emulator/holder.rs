//! Who the virtual cards belong to. Every person, number and structure is invented; the numbers
//! lie in the ranges reserved for tests (997…, 999…, 99…).

use std::fmt;
use std::str::FromStr;

/// Holder of a virtual card: decides certificates, names and activities.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Holder {
    /// Physician, one activity: the nominal card.
    CpsMedecin,
    /// Nurse, without the speciality extension.
    CpsInfirmier,
    /// Physician in training.
    CpfMedecin,
    /// Named hospital employee (CPE).
    CpeNominative,
    /// Service card (CPE) with a pseudonym instead of names.
    CpeService,
    /// Authorised staff (CPA), structure known by a SIRET number.
    Cpa,
    /// Like [`Holder::CpsMedecin`], validity over.
    CpsExpired,
    /// Like [`Holder::CpsMedecin`], revoked in [`crate::CrlVariant::Revoked`].
    CpsRevoked,
    /// Shape of the PKI closed in 2021: SHA-1, RSA 1024, TeletexString, unsorted SET, 3-byte serial.
    CpsLegacy,
    /// Accented names of the greatest permitted length, several first names.
    CpsAccents,
    /// Several activities, with holes in their numbering.
    CpsMulti,
}

impl Holder {
    /// Every holder, in the order of the fixture list.
    pub const ALL: [Self; 11] = [
        Self::CpsMedecin,
        Self::CpsInfirmier,
        Self::CpfMedecin,
        Self::CpeNominative,
        Self::CpeService,
        Self::Cpa,
        Self::CpsExpired,
        Self::CpsRevoked,
        Self::CpsLegacy,
        Self::CpsAccents,
        Self::CpsMulti,
    ];

    /// Fixture name, also the name of the key files: `cps-medecin`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::CpsMedecin => "cps-medecin",
            Self::CpsInfirmier => "cps-infirmier",
            Self::CpfMedecin => "cpf-medecin",
            Self::CpeNominative => "cpe-nominative",
            Self::CpeService => "cpe-service",
            Self::Cpa => "cpa",
            Self::CpsExpired => "cps-expired",
            Self::CpsRevoked => "cps-revoked",
            Self::CpsLegacy => "cps-legacy",
            Self::CpsAccents => "cps-accents",
            Self::CpsMulti => "cps-multi",
        }
    }

    /// Serial number of the card as EF.SN.ICC holds it: 8 digits.
    pub fn serial(self) -> String {
        format!("{:08}", 90_000_001 + self as u32)
    }

    /// Number printed on the card: 10 digits, unrelated to [`Holder::serial`].
    pub fn card_number(self) -> &'static str {
        self.person().card_number
    }

    /// National identifier with its type prefix (PS_IdNat), the CN of the certificates.
    pub fn national_id(self) -> &'static str {
        self.person().national_id
    }

    /// Family name as in the certificate; absent on a service card.
    pub fn family_name(self) -> Option<&'static str> {
        self.person().family_name
    }

    /// First name as in the certificate; absent on a service card.
    pub fn given_name(self) -> Option<&'static str> {
        self.person().given_names.first().copied()
    }

    /// Activities with their index (1–16) on the card.
    pub fn activities(self) -> &'static [Activity] {
        self.person().activities
    }

    pub(crate) fn person(self) -> Person {
        match self {
            Self::CpsMedecin | Self::CpsExpired | Self::CpsRevoked => Person {
                card_number: match self {
                    Self::CpsExpired => "9900000015",
                    Self::CpsRevoked => "9900000016",
                    _ => "9900000012",
                },
                ..MEDECIN
            },
            Self::CpsInfirmier => INFIRMIER,
            Self::CpfMedecin => CPF,
            Self::CpeNominative => CPE_NOMINATIVE,
            Self::CpeService => CPE_SERVICE,
            Self::Cpa => CPA,
            Self::CpsLegacy => LEGACY,
            Self::CpsAccents => ACCENTS,
            Self::CpsMulti => MULTI,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Holder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|holder| holder.name() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                format!("no holder named `{text}`; the fixtures are: {known}")
            })
    }
}

/// One place of practice, as the `CPS_ACTIVITY_nn_PS` object describes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Activity {
    /// Index of the object, 1–16; indexes may have holes.
    pub index: u8,
    /// Mode of practice, table G17, as hexadecimal digits (`0x01` salaried).
    pub mode: u8,
    /// Number linking to an entry of `CPS_SIT_FACT`.
    pub billing_link: u8,
    /// Billing identifier of that entry, 9 digits.
    pub billing_id: &'static str,
    /// Name of the structure, at most 40 characters.
    pub structure_name: &'static str,
    /// Structure identifier with its type prefix (Struct_IdNat).
    pub structure_id: &'static str,
    /// Sector of activity, table R02.
    pub sector: &'static str,
}

/// What is written on a card and in its certificates.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    pub(crate) card_number: &'static str,
    pub(crate) national_id: &'static str,
    /// Table G02: 0 CPS, 1 CPF, 2 CPE, 3 CPA.
    pub(crate) card_type: u8,
    /// Table G03 as hexadecimal digits: `0x22` Madame, `0x31` Monsieur.
    pub(crate) civility: u8,
    pub(crate) family_name: Option<&'static str>,
    pub(crate) given_names: &'static [&'static str],
    pub(crate) pseudonym: Option<&'static str>,
    pub(crate) title: Option<&'static str>,
    /// Table G15, decimal.
    pub(crate) profession: Option<u8>,
    /// Table G16, decimal.
    pub(crate) in_training: Option<u8>,
    /// Table R01.
    pub(crate) speciality: Option<&'static str>,
    /// Department label, organisation name and structure identifier in the subject of staff cards.
    pub(crate) employer: Option<[&'static str; 3]>,
    pub(crate) activities: &'static [Activity],
}

const MEDECIN: Person = Person {
    card_number: "9900000012",
    national_id: "899700000013",
    card_type: 0,
    civility: 0x22,
    family_name: Some("EXEMPLE"),
    given_names: &["ALIX", "MARIE"],
    pseudonym: None,
    title: Some("Médecin"),
    profession: Some(10),
    in_training: None,
    speciality: Some("SM26"),
    employer: None,
    activities: &[Activity {
        index: 1,
        mode: 0x00,
        billing_link: 1,
        billing_id: "991234567",
        structure_name: "CABINET EXEMPLE",
        structure_id: "499700000013001",
        sector: "SA07",
    }],
};

const INFIRMIER: Person = Person {
    card_number: "9900000013",
    national_id: "899700000021",
    civility: 0x31,
    family_name: Some("MODELE"),
    given_names: &["CAMILLE"],
    title: Some("Infirmier"),
    profession: Some(60),
    speciality: None,
    activities: &[Activity {
        index: 1,
        mode: 0x00,
        billing_link: 1,
        billing_id: "992345678",
        structure_name: "CABINET INFIRMIER MODELE",
        structure_id: "499700000021001",
        sector: "SA08",
    }],
    ..MEDECIN
};

const CPF: Person = Person {
    card_number: "9900000014",
    national_id: "899700000039",
    card_type: 1,
    family_name: Some("SPECIMEN"),
    given_names: &["DOMINIQUE"],
    title: Some("Médecin en formation"),
    profession: None,
    in_training: Some(10),
    speciality: None,
    activities: &[],
    ..MEDECIN
};

const CPE_NOMINATIVE: Person = Person {
    card_number: "9900000020",
    national_id: "3990000010/CPET0001",
    card_type: 2,
    given_names: &["ALIX"],
    title: Some("Personnel santé ou social"),
    profession: None,
    speciality: None,
    employer: Some(["Paris (75)", "HOPITAL EXEMPLE", "1990000010"]),
    activities: &[Activity {
        index: 1,
        mode: 0x01,
        billing_link: 1,
        billing_id: "990000010",
        structure_name: "HOPITAL EXEMPLE",
        structure_id: "1990000010",
        sector: "SA01",
    }],
    ..MEDECIN
};

const CPE_SERVICE: Person = Person {
    card_number: "9900000021",
    national_id: "3990000010/000000018",
    family_name: None,
    given_names: &[],
    pseudonym: Some("EMPLOYE000000018"),
    title: Some("Carte de service santé ou social"),
    ..CPE_NOMINATIVE
};

const CPA: Person = Person {
    card_number: "9900000022",
    national_id: "599900001100018/CPAT0001",
    card_type: 3,
    family_name: Some("TEMOIN"),
    given_names: &["CAMILLE"],
    title: None,
    employer: Some([
        "Côte-d'Or (21)",
        // Exactly 40 characters: longer names are cut there.
        "CABINET DE GESTION DES TIERS PAYANTS D'Î",
        "399900001100018",
    ]),
    activities: &[],
    ..CPE_NOMINATIVE
};

const LEGACY: Person = Person {
    card_number: "9900000017",
    national_id: "00B1000001",
    family_name: Some("ANCIENNETÉ"),
    given_names: &["RENÉ"],
    ..MEDECIN
};

const ACCENTS: Person = Person {
    card_number: "9900000018",
    national_id: "899700000054",
    // Exactly 27 characters, the greatest length of a name field.
    family_name: Some("D'ÉTÉ-LEFÈVRE DE LA GARENNE"),
    given_names: &["ANNE-ZOÉ", "FRANÇOISE", "ÉLÉONORE"],
    title: Some("Sage-Femme"),
    profession: Some(50),
    speciality: None,
    activities: &[Activity {
        index: 1,
        mode: 0x00,
        billing_link: 1,
        billing_id: "993456789",
        structure_name: "MAISON DE SANTÉ PLURIPROFESSIONNELLE D'É",
        structure_id: "499700000054001",
        sector: "SA52",
    }],
    ..MEDECIN
};

const MULTI: Person = Person {
    card_number: "9900000019",
    national_id: "899700000047",
    family_name: Some("PLURIEL"),
    given_names: &["SACHA"],
    speciality: Some("SM54"),
    activities: &[
        Activity {
            index: 1,
            mode: 0x01,
            billing_link: 1,
            billing_id: "990000010",
            structure_name: "HOPITAL EXEMPLE",
            structure_id: "1990000010",
            sector: "SA01",
        },
        Activity {
            index: 3,
            mode: 0x00,
            billing_link: 2,
            billing_id: "994567890",
            structure_name: "CABINET PLURIEL",
            structure_id: "499700000047001",
            sector: "SA07",
        },
        Activity {
            index: 16,
            mode: 0x04,
            billing_link: 3,
            billing_id: "990000028",
            structure_name: "CENTRE DE SANTE EXEMPLE",
            structure_id: "1990000028",
            sector: "SA05",
        },
    ],
    ..MEDECIN
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for holder in Holder::ALL {
            assert_eq!(holder.name().parse(), Ok(holder));
        }
        assert!("cps-nobody".parse::<Holder>().is_err());
    }

    #[test]
    fn accents_holder_uses_the_greatest_lengths() {
        let person = Holder::CpsAccents.person();
        assert_eq!(
            person.family_name.map(|name| name.chars().count()),
            Some(27)
        );
        assert_eq!(person.activities[0].structure_name.chars().count(), 40);
        assert_eq!(
            Holder::Cpa.person().employer.map(|e| e[1].chars().count()),
            Some(40)
        );
    }

    #[test]
    fn serials_and_card_numbers_differ() {
        for (i, one) in Holder::ALL.iter().enumerate() {
            for other in &Holder::ALL[i + 1..] {
                assert_ne!(one.serial(), other.serial());
                assert_ne!(one.card_number(), other.card_number());
            }
        }
        assert_eq!(Holder::CpsMedecin.serial(), "90000001");
    }
}
