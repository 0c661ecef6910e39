//! The identity model: certificates first, card data where certificates are silent.

use jiff::Timestamp;

use crate::name::attribute;
use crate::{Certificate, CertificateUse, Coded, Dictionary, Name, PersonId, StructureId, Table};

mod card;

pub use card::{ActivityData, Billing, BillingData, CardData, Exercise};

/// A health professional, or an employee of a health structure, as certificate and card show
/// them. Displaying one is always allowed; using one is [`crate::Trust`]'s decision.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Practitioner {
    /// PS_IdNat, from the CN.
    pub national_id: PersonId,
    /// Family name as written: upper case, accents not guessed. `None` on service cards.
    pub family_name: Option<String>,
    /// Given name, as written. `None` on service cards.
    pub given_name: Option<String>,
    /// Every given name the card holds; empty until card data was added.
    pub given_names: Vec<String>,
    /// Name used in practice, from the card.
    pub practice_name: Option<String>,
    /// `title` of the subject, for display only: the profession code decides.
    pub title: Option<String>,
    /// Pseudonym of a service card, such as `EMPLOYE000000018`.
    pub pseudonym: Option<String>,
    /// Civility, table G03, from the card.
    pub civility: Option<Coded>,
    /// Profession, table G15.
    pub profession: Option<Coded>,
    /// Profession in training, table G16.
    pub profession_in_training: Option<Coded>,
    /// Specialities, table R01.
    pub specialty: Vec<Coded>,
    /// Sections of the pharmacists' register, table G05.
    pub pharmacist_sections: Vec<Coded>,
    /// Type of the card, table G02; `None` for a software certificate.
    pub category: Option<CardType>,
    /// Card number: `<issuer>/<card>` as the certificate writes it, else the card's own ten digits.
    pub card_number: Option<String>,
    /// Employer named by the certificate (CPE, CPA).
    pub structure: Option<Structure>,
    /// Start of validity of the certificate.
    pub valid_from: Timestamp,
    /// End of validity of the certificate.
    pub valid_until: Timestamp,
    /// A test product, never a real person.
    pub test: bool,
    /// From a PKI closed in 2021: shown, never used.
    pub obsolete: bool,
    /// Subject of the certificate.
    pub subject: Name,
    /// Issuer of the certificate.
    pub issuer: Name,
}

impl Practitioner {
    /// Reads the holder from an end-entity certificate of a card, or a person's software
    /// certificate.
    ///
    /// # Errors
    ///
    /// An authority, a server or an organisation: no person is named.
    pub fn from_certificate(certificate: &Certificate) -> Result<Self, NotAPractitioner> {
        if matches!(
            certificate.usage(),
            CertificateUse::Authority | CertificateUse::Server
        ) {
            return Err(NotAPractitioner);
        }
        let subject = certificate.subject();
        let extensions = certificate.extensions();
        let text = |kind| subject.first(kind).map(str::to_owned);
        let coded = |table, code: &Option<String>| Some(Coded::new(table, code.as_deref()?));
        let all =
            |table, codes: &[String]| codes.iter().map(|code| Coded::new(table, code)).collect();

        let practitioner = Self {
            national_id: subject
                .first(attribute::COMMON_NAME)
                .and_then(|name| PersonId::new(name).ok())
                .ok_or(NotAPractitioner)?,
            family_name: text(attribute::SURNAME),
            given_name: text(attribute::GIVEN_NAME),
            given_names: Vec::new(),
            practice_name: None,
            title: text(attribute::TITLE),
            pseudonym: text(attribute::PSEUDONYM),
            civility: None,
            profession: coded(Table::G15, &extensions.profession),
            profession_in_training: coded(Table::G16, &extensions.profession_in_training),
            specialty: all(Table::R01, &extensions.specialities),
            pharmacist_sections: all(Table::G05, &extensions.pharmacist_sections),
            category: extensions
                .card_type
                .as_deref()
                .and_then(CardType::from_code),
            card_number: extensions.card_number.clone(),
            structure: Structure::from_name(subject),
            valid_from: certificate.not_before(),
            valid_until: certificate.not_after(),
            test: certificate.is_test(),
            obsolete: certificate.is_obsolete(),
            subject: subject.clone(),
            issuer: certificate.issuer().clone(),
        };
        match practitioner.names_a_person() {
            true => Ok(practitioner),
            false => Err(NotAPractitioner),
        }
    }

    /// Fills what the certificate left out. Where both speak the certificate wins: it is signed,
    /// the card's data objects are not.
    pub fn add_card_data(&mut self, card: &CardData) {
        let fill = |field: &mut Option<String>, value: Option<&String>| {
            if field.is_none() {
                *field = value.filter(|value| !value.is_empty()).cloned();
            }
        };
        fill(&mut self.family_name, card.family_name.as_ref());
        let given_name = card.given_name_in_use.as_ref();
        fill(
            &mut self.given_name,
            given_name.or_else(|| card.given_names.first()),
        );
        fill(&mut self.practice_name, card.practice_name.as_ref());
        fill(&mut self.card_number, card.card_number.as_ref());
        if self.given_names.is_empty() {
            self.given_names.clone_from(&card.given_names);
        }

        let fill = |field: &mut Option<Coded>, table, code: Option<&String>| {
            let known = code.filter(|code| !code.is_empty() && *code != NO_CODE);
            if let (None, Some(code)) = (&field, known) {
                *field = Some(Coded::new(table, code));
            }
        };
        fill(&mut self.civility, Table::G03, card.civility.as_ref());
        fill(&mut self.profession, Table::G15, card.profession.as_ref());
        self.category = self
            .category
            .or_else(|| CardType::from_code(card.card_type.as_deref()?));
        // The same byte is a trade, of no known table, on other cards than a CPF.
        if self.category == Some(CardType::Cpf) {
            let code = card.profession_in_training.as_ref();
            fill(&mut self.profession_in_training, Table::G16, code);
        }
        if self.specialty.is_empty() {
            let code = card.specialty.as_ref().filter(|code| !code.is_empty());
            self.specialty
                .extend(code.map(|code| Coded::new(Table::R01, code)));
        }
    }

    /// Takes the labels of an imported dictionary.
    pub fn relabel(&mut self, dictionary: &Dictionary) {
        [
            &mut self.civility,
            &mut self.profession,
            &mut self.profession_in_training,
        ]
        .into_iter()
        .flatten()
        .chain(&mut self.specialty)
        .chain(&mut self.pharmacist_sections)
        .for_each(|coded| coded.relabel(dictionary));
    }

    /// Name for a human: given and family name, else the pseudonym, else the national identifier.
    pub fn display_name(&self) -> String {
        match (&self.given_name, &self.family_name, &self.pseudonym) {
            (Some(given), Some(family), _) => format!("{given} {family}"),
            (None, Some(family), _) => family.clone(),
            (_, None, Some(pseudonym)) => pseudonym.clone(),
            _ => self.national_id.to_string(),
        }
    }

    /// Family and given name for an author field that may not be empty.
    ///
    /// A service card names nobody: the structure's name stands for the family name and the
    /// identifier for the given name, special characters replaced by `-` (GIE SESAM-Vitale,
    /// PDT-INF-617).
    pub fn author_name(&self) -> (String, String) {
        if let (Some(family), Some(given)) = (&self.family_name, &self.given_name) {
            return (family.clone(), given.clone());
        }
        let structure = self.structure.as_ref();
        let family = structure
            .and_then(|structure| structure.name.as_deref())
            .unwrap_or(self.national_id.as_str());
        (plain(family), plain(self.national_id.as_str()))
    }

    /// An organisation's certificate carries none of these.
    fn names_a_person(&self) -> bool {
        self.category.is_some()
            || self.profession.is_some()
            || self.profession_in_training.is_some()
            || self.family_name.is_some()
            || self.pseudonym.is_some()
    }
}

/// Card type, table G02.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CardType {
    /// 3: CDA or CPA, staff of authorised structures.
    Cpa,
    /// 2: CDE or CPE, staff of health structures.
    Cpe,
    /// 1: CPF, professional in training.
    Cpf,
    /// 0: CPS, health professional.
    Cps,
}

impl CardType {
    /// From a code of table G02; `None` for a type newer than this version.
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "00" => Self::Cps,
            "01" => Self::Cpf,
            "02" => Self::Cpe,
            "03" => Self::Cpa,
            _ => return None,
        })
    }

    /// Usual name: `CPS`, `CPF`, `CPE`, `CPA`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpa => "CPA",
            Self::Cpe => "CPE",
            Self::Cpf => "CPF",
            Self::Cps => "CPS",
        }
    }
}

/// A place of practice or an employer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Structure {
    /// Struct_IdNat.
    pub id: Option<StructureId>,
    /// Company name, cut at 40 characters by the issuer.
    pub name: Option<String>,
    /// Department, such as `Paris (75)`.
    pub department: Option<String>,
}

impl Structure {
    /// The employer a subject names: present only when an OU is a structure identifier, since
    /// old-PKI subjects put a profession there.
    fn from_name(subject: &Name) -> Option<Self> {
        let id = subject
            .all(attribute::UNIT)
            .filter_map(|unit| StructureId::new(unit).ok())
            .find(|id| id.kind() != crate::StructureIdKind::Other)?;
        let department = subject
            .first(attribute::STATE)
            .or_else(|| subject.first(attribute::LOCALITY));
        Some(Self {
            id: Some(id),
            name: subject.first(attribute::ORGANIZATION).map(str::to_owned),
            department: department.map(str::to_owned),
        })
    }
}

/// The certificate names no person: an authority, a server or an organisation.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the certificate names no person: not a health professional's card")]
pub struct NotAPractitioner;

fn plain(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\'' | '’' | '-' | ' ' => character,
            _ if character.is_alphanumeric() => character,
            _ => '-',
        })
        .collect()
}

/// What the card's one-byte codes hold when there is nothing to say.
const NO_CODE: &str = "00";

#[cfg(test)]
mod tests;
