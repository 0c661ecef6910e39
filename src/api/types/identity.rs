//! `GET /v1/identity` and `GET /v1/exercises`.

use serde::{Deserialize, Serialize};

use super::{CardKind, TrustReport};

/// Answer of `GET /v1/identity`: who the holder of the card is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Identity {
    /// National identifier of the person with its type digit (`8` + RPPS…): `PS_IdNat`.
    pub national_id: String,
    /// Which register the identifier comes from.
    pub national_id_kind: NationalIdKind,
    /// Family name as written in the certificate; null on service cards.
    pub family_name: Option<String>,
    /// Given name as written in the certificate; null on service cards.
    pub given_name: Option<String>,
    /// Title of the certificate, in words (`Médecin`), for display only: `profession` decides.
    pub title: Option<String>,
    /// Profession (table G15); null where the card has none.
    pub profession: Option<Coded>,
    /// Profession being learnt (table G16), on CPF cards.
    pub profession_in_training: Option<Coded>,
    /// Specialities (table R01…).
    #[serde(default)]
    pub specialty: Vec<Coded>,
    /// Family of the holder.
    pub category: HolderCategory,
    /// Structure named by the certificate (CPE, CPA); those of a practitioner are in the exercises.
    pub structure: Option<Structure>,
    /// The card.
    pub card: CardRef,
    /// Start of validity of the certificate, RFC 3339.
    pub valid_from: String,
    /// End of validity of the certificate, RFC 3339.
    pub valid_until: String,
    /// True for a card of a test authority.
    pub test: bool,
    /// True for an encoding of the authorities closed in 2021: readable, not usable.
    #[serde(default)]
    pub obsolete: bool,
    /// Whether the certificate is believed now.
    pub trust: TrustReport,
    /// Where the values were read.
    pub source: IdentitySource,
}

/// The card an identity was read from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CardRef {
    /// Serial number of the chip.
    pub serial: String,
    /// Family of the card.
    pub kind: CardKind,
    /// Number printed on the card.
    pub number: Option<String>,
}

/// Register of a national identifier of a person (table G08).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NationalIdKind {
    /// Digit 0: ADELI.
    Adeli,
    /// Digit 1: ADELI practice.
    AdeliPractice,
    /// Digit 2: DRASS.
    Drass,
    /// Digit 3: employee known by the FINESS of the structure.
    FinessInternal,
    /// Digit 4: employee known by the SIREN of the structure.
    SirenInternal,
    /// Digit 5: employee known by the SIRET of the structure.
    SiretInternal,
    /// Digit 6: employee known by the RPPS of the practice.
    RppsPractice,
    /// Digit 8: RPPS.
    Rpps,
    /// Digit 9: student.
    Student,
    /// Another register.
    #[serde(other)]
    Other,
}

/// Family of the holder of a card (table G02).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HolderCategory {
    /// Authorised staff.
    Cpa,
    /// Employee of a health structure.
    Cpe,
    /// Health professional in training.
    Cpf,
    /// Health professional.
    Cps,
    /// A value newer than this library, or none.
    #[serde(other)]
    Other,
}

/// What an identity was read from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySource {
    /// The certificate alone.
    Certificate,
    /// The certificate, completed by the card's own files; the certificate wins where both speak.
    CertificateAndCard,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// A value of a national code table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Coded {
    /// Code as written on the card.
    pub code: String,
    /// French label; null when the code is not in the tables of this daemon.
    pub label: Option<String>,
    /// Name of the table (`G15`, `R01`…), when known.
    #[serde(default)]
    pub table: Option<String>,
    /// Object identifier of the table, dotted, when known.
    #[serde(default)]
    pub oid: Option<String>,
}

/// A health structure.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Structure {
    /// National identifier of the structure with its type digit: `Struct_IdNat`.
    pub id: Option<String>,
    /// Which register the identifier comes from.
    pub kind: Option<StructureKind>,
    /// Name.
    pub name: Option<String>,
}

/// Register of a national identifier of a structure (table G07).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StructureKind {
    /// Digit 0: ADELI practice.
    AdeliPractice,
    /// Digit 1: FINESS.
    Finess,
    /// Digit 2: SIREN.
    Siren,
    /// Digit 3: SIRET.
    Siret,
    /// Digit 4: RPPS and rank.
    RppsRank,
    /// Another register.
    #[serde(other)]
    Other,
}

/// Answer of `GET /v1/exercises`: where and how the holder practises, as read from the card.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Exercises {
    /// Serial number of the card.
    pub card: String,
    /// By ascending index, which may have holes.
    pub exercises: Vec<Exercise>,
}

/// One practice situation (`CPS_ACTIVITY_nn_PS`).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Exercise {
    /// Index on the card, 1 to 16.
    pub index: u8,
    /// Where.
    pub structure: Option<Structure>,
    /// Sector of activity (table R02).
    pub sector: Option<Coded>,
    /// Mode of practice (table G17).
    pub mode: Option<Coded>,
    /// ADELI speciality (table G12), when not zero.
    #[serde(default)]
    pub adeli_specialty: Option<Coded>,
    /// Section of the pharmacists' register (table G05).
    #[serde(default)]
    pub pharmacist_table: Option<Coded>,
    /// Billing situation linked to this exercise.
    pub billing: Option<Billing>,
    /// What the daemon does not understand, kept.
    #[serde(default)]
    pub unknown: Vec<UnknownField>,
}

/// Billing situation towards the health insurance (`CPS_SIT_FACT`).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Billing {
    /// Billing identifier.
    pub identifier: Option<String>,
    /// Speciality for the health insurance (table G100).
    pub specialty: Option<Coded>,
    /// Convention (table G101).
    pub convention: Option<Coded>,
    /// Tariff zone (table G102).
    pub tariff_zone: Option<Coded>,
    /// Kilometre allowance (table G103).
    pub travel_allowance: Option<Coded>,
    /// Agreements (table G104).
    pub agreement: Option<Coded>,
    /// Geographic zone (table G105).
    pub geographic_zone: Option<Coded>,
    /// What the daemon does not understand, kept.
    #[serde(default)]
    pub unknown: Vec<UnknownField>,
}

/// A field of the card that is kept as it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UnknownField {
    /// BER tag, lower-case hexadecimal.
    pub tag: String,
    /// Value, lower-case hexadecimal.
    pub value: String,
}
