//! National identifiers of persons (IDNPS, `urn:oid:1.2.250.1.71.4.2.1`) and structures
//! (IDNST, `urn:oid:1.2.250.1.71.4.2.2`).
//!
//! The stored form is the prefixed one used by certificates, VIHF and directory: a type digit
//! (tables G08 and G07) followed by the identifier proper.

use std::fmt;

/// National identifier of a person, in its prefixed form, such as `899700000013`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PersonId(String);

impl PersonId {
    /// Takes the prefixed form as certificates and cards carry it.
    ///
    /// An unknown prefix is kept ([`PersonIdKind::Other`]): an identifier that this version does
    /// not know is still the holder's.
    ///
    /// # Errors
    ///
    /// Empty, longer than 64 characters, or holding a control character.
    pub fn new(text: &str) -> Result<Self, InvalidIdentifier> {
        bounded(text).map(Self)
    }

    /// Takes what a person types: eleven digits are an RPPS number and get their prefix `8`.
    ///
    /// # Errors
    ///
    /// As [`PersonId::new`].
    pub fn from_input(text: &str) -> Result<Self, InvalidIdentifier> {
        let text = text.trim();
        if text.len() == 11 && all_digits(text) {
            return Self::new(&format!("8{text}"));
        }
        Self::new(text)
    }

    /// The prefixed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier without its type prefix, for display only.
    pub fn without_prefix(&self) -> &str {
        let prefix = match self.kind() {
            PersonIdKind::MssanteAddress | PersonIdKind::RorSituation => 2,
            PersonIdKind::Other => 0,
            _ => 1,
        };
        self.0.get(prefix..).unwrap_or(&self.0)
    }

    /// What kind of identifier it is, from its prefix and shape (table G08).
    pub fn kind(&self) -> PersonIdKind {
        let text = self.0.as_str();
        match (text.as_bytes().first(), text.contains('/')) {
            (Some(b'1'), _) if text.starts_with("10") && text.contains('@') => {
                PersonIdKind::MssanteAddress
            }
            (Some(b'3'), false) if text.starts_with("30") => PersonIdKind::RorSituation,
            (Some(b'0'), false) => PersonIdKind::Adeli,
            (Some(b'1'), true) => PersonIdKind::AdeliPractice,
            (Some(b'2'), false) => PersonIdKind::Drass,
            (Some(b'3'), true) => PersonIdKind::FinessEmployee,
            (Some(b'4'), true) => PersonIdKind::SirenEmployee,
            (Some(b'5'), true) => PersonIdKind::SiretEmployee,
            (Some(b'6'), true) => PersonIdKind::RppsPracticeEmployee,
            (Some(b'8'), false) => PersonIdKind::Rpps,
            (Some(b'9'), false) => PersonIdKind::Student,
            _ => PersonIdKind::Other,
        }
    }

    /// Result of the check digit, where the kind has one. To warn with, never to reject.
    pub fn check(&self) -> Check {
        let number = self.without_prefix();
        let employer = number
            .split_once('/')
            .map_or(number, |(employer, _)| employer);
        match self.kind() {
            PersonIdKind::Rpps => luhn_of(number, 11),
            PersonIdKind::FinessEmployee => finess(employer),
            PersonIdKind::SirenEmployee => luhn_of(employer, 9),
            PersonIdKind::SiretEmployee => siret(employer),
            PersonIdKind::RppsPracticeEmployee => rpps_practice(employer),
            _ => Check::NotChecked,
        }
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Kind of a [`PersonId`], table G08.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum PersonIdKind {
    /// `0`: ADELI number, being phased out in favour of RPPS.
    Adeli,
    /// `1`: employee of an ADELI practice, `practice/internal`.
    AdeliPractice,
    /// `2`: DRASS number, deprecated.
    Drass,
    /// `3`: employee of a FINESS structure, `FINESS/internal`.
    FinessEmployee,
    /// `10`: MSSanté address (directory only).
    MssanteAddress,
    /// No prefix known here.
    Other,
    /// `30`: ROR operational situation (directory only).
    RorSituation,
    /// `8`: RPPS number, eleven digits.
    Rpps,
    /// `6`: employee of an RPPS practice.
    RppsPracticeEmployee,
    /// `4`: employee of a SIREN structure.
    SirenEmployee,
    /// `5`: employee of a SIRET structure.
    SiretEmployee,
    /// `9`: student number, deprecated.
    Student,
}

impl PersonIdKind {
    /// Stable lower-case name, for interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adeli => "adeli",
            Self::AdeliPractice => "adeli_practice",
            Self::Drass => "drass",
            Self::FinessEmployee => "finess_employee",
            Self::MssanteAddress => "mssante_address",
            Self::Other => "other",
            Self::RorSituation => "ror_situation",
            Self::Rpps => "rpps",
            Self::RppsPracticeEmployee => "rpps_practice_employee",
            Self::SirenEmployee => "siren_employee",
            Self::SiretEmployee => "siret_employee",
            Self::Student => "student",
        }
    }
}

/// National identifier of a structure, in its prefixed form, such as `1990000010`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StructureId(String);

impl StructureId {
    /// Takes the prefixed form as certificates and cards carry it; an unknown prefix is kept.
    ///
    /// # Errors
    ///
    /// Empty, longer than 64 characters, or holding a control character.
    pub fn new(text: &str) -> Result<Self, InvalidIdentifier> {
        bounded(text).map(Self)
    }

    /// The prefixed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier without its type prefix, for display only.
    pub fn without_prefix(&self) -> &str {
        let prefix = match self.kind() {
            StructureIdKind::NationalStructure | StructureIdKind::Ror => 2,
            StructureIdKind::Other => 0,
            _ => 1,
        };
        self.0.get(prefix..).unwrap_or(&self.0)
    }

    /// What kind of identifier it is, from its prefix and length (table G07).
    pub fn kind(&self) -> StructureIdKind {
        let text = self.0.as_str();
        match (text.as_bytes().first(), text.len()) {
            (Some(b'0'), _) => StructureIdKind::AdeliPractice,
            (Some(b'1'), 10) => StructureIdKind::Finess,
            (Some(b'2'), 10) => StructureIdKind::Siren,
            (Some(b'3'), 15) => StructureIdKind::Siret,
            (Some(b'4'), 15) => StructureIdKind::RppsPractice,
            (Some(b'4'), _) if text.starts_with("40") => StructureIdKind::NationalStructure,
            (Some(b'4'), _) if text.starts_with("41") => StructureIdKind::Ror,
            (Some(b'5'), 10) => StructureIdKind::FinessLegalEntity,
            (Some(b'6'), 10) => StructureIdKind::FinessSite,
            _ => StructureIdKind::Other,
        }
    }

    /// Result of the check digit, where the kind has one. To warn with, never to reject.
    pub fn check(&self) -> Check {
        let number = self.without_prefix();
        match self.kind() {
            StructureIdKind::Finess
            | StructureIdKind::FinessLegalEntity
            | StructureIdKind::FinessSite => finess(number),
            StructureIdKind::Siren => luhn_of(number, 9),
            StructureIdKind::Siret => siret(number),
            StructureIdKind::RppsPractice => rpps_practice(number),
            _ => Check::NotChecked,
        }
    }
}

impl fmt::Display for StructureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Kind of a [`StructureId`], table G07.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum StructureIdKind {
    /// `0`: ADELI practice.
    AdeliPractice,
    /// `1`: FINESS number, nine characters.
    Finess,
    /// `5`: FINESS of a legal entity, deprecated.
    FinessLegalEntity,
    /// `6`: FINESS of a site, deprecated.
    FinessSite,
    /// `40`: generic national structure identifier.
    NationalStructure,
    /// No prefix known here.
    Other,
    /// `41`: ROR internal identifier.
    Ror,
    /// `4`: practice of an RPPS holder, RPPS number and a three-digit rank.
    RppsPractice,
    /// `2`: SIREN number, nine digits.
    Siren,
    /// `3`: SIRET number, fourteen digits.
    Siret,
}

impl StructureIdKind {
    /// Stable lower-case name, for interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdeliPractice => "adeli_practice",
            Self::Finess => "finess",
            Self::FinessLegalEntity => "finess_legal_entity",
            Self::FinessSite => "finess_site",
            Self::NationalStructure => "national_structure",
            Self::Other => "other",
            Self::Ror => "ror",
            Self::RppsPractice => "rpps_practice",
            Self::Siren => "siren",
            Self::Siret => "siret",
        }
    }
}

/// Outcome of a check digit. Documented examples of the field fail it, so it only ever warns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Check {
    /// No rule applies: letters, an unknown key, or a kind without one.
    NotChecked,
    /// The digit agrees.
    Valid,
    /// The digit disagrees, or the length is wrong for the kind: worth a warning.
    Wrong,
}

/// The text cannot be an identifier of any kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the identifier is empty, longer than 64 characters or holds control characters")]
pub struct InvalidIdentifier;

fn bounded(text: &str) -> Result<String, InvalidIdentifier> {
    let fits = !text.is_empty() && text.chars().count() <= 64;
    match fits && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(InvalidIdentifier),
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn luhn_of(number: &str, length: usize) -> Check {
    if !all_digits(number) {
        return Check::NotChecked;
    }
    match number.len() == length && luhn(number) {
        true => Check::Valid,
        false => Check::Wrong,
    }
}

/// FINESS numbers of Corsica and of test structures hold letters, which have no agreed rule.
fn finess(number: &str) -> Check {
    luhn_of(number, 9)
}

/// La Poste's establishments (SIREN 356000000) are known not to follow the rule.
fn siret(number: &str) -> Check {
    if number.starts_with("356000000") {
        return Check::NotChecked;
    }
    luhn_of(number, 14)
}

fn rpps_practice(number: &str) -> Check {
    match (number.len(), number.get(..11)) {
        (14, Some(rpps)) => luhn_of(rpps, 11),
        _ => Check::NotChecked,
    }
}

/// ISO/IEC 7812-1 annex B; `number` holds ASCII digits only.
fn luhn(number: &str) -> bool {
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let digit = u32::from(digit - b'0');
            match index % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests;
