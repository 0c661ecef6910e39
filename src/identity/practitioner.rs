//! The identity model: certificates first, card data where certificates are silent.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::{Certificate, Coded, Name, PersonId, StructureId};

/// A health professional, or an employee of a health structure, as the card shows them.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Practitioner {
    /// PS_IdNat, from the CN.
    pub national_id: PersonId,
    /// Family name, as written (upper case, accents not guessed); `None` on service cards.
    pub family_name: Option<String>,
    /// Given name, as written.
    pub given_name: Option<String>,
    /// `title` of the subject, for display only.
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
    /// Type of the card, table G02.
    pub category: Option<CardType>,
    /// Card number, as the certificate writes it (`issuer/card`), else the card's own.
    pub card_number: Option<String>,
    /// Employer named by the certificate (CPE, CPA).
    pub structure: Option<Structure>,
    /// Start of validity.
    pub valid_from: Timestamp,
    /// End of validity.
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

#[allow(unused_variables)]
impl Practitioner {
    /// Reads the holder from an end-entity certificate of a card.
    ///
    /// # Errors
    ///
    /// No national identifier in the subject: not a person's certificate.
    pub fn from_certificate(certificate: &Certificate) -> Result<Self, NotAPractitioner> {
        todo!()
    }
    /// Fills what the certificate left out; where both speak the certificate wins.
    pub fn add_card_data(&mut self, card: &CardData) {
        todo!()
    }
}

/// Card type, table G02.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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

/// A place of practice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Structure {
    /// Struct_IdNat.
    pub id: Option<StructureId>,
    /// Company name, cut at 40 characters by the issuer.
    pub name: Option<String>,
    /// Department, such as `Paris (75)`.
    pub department: Option<String>,
}

/// Public data objects of the card (`CPS_ID_CARD`, `CPS_NAME_PS`, `CPS_INFO_PS`), as decoded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)]
pub struct CardData {
    pub card_number: Option<String>,
    pub card_category: Option<String>,
    pub valid_from: Option<Date>,
    pub valid_until: Option<Date>,
    pub civility: Option<String>,
    pub family_name: Option<String>,
    pub given_name: Option<String>,
    pub card_type: Option<String>,
    pub national_id: Option<String>,
    pub profession: Option<String>,
    pub profession_in_training: Option<String>,
    pub specialty: Option<String>,
}

/// One `CPS_ACTIVITY_nn_PS` object, as decoded. Codes are text in the form of their table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)]
pub struct ActivityData {
    /// nn, 1 to 16; holes are normal.
    pub index: u8,
    pub mode: Option<String>,
    pub pharmacist_section: Option<String>,
    pub billing_link: Option<u8>,
    pub structure_name: Option<String>,
    pub structure_id: Option<String>,
    pub sector: Option<String>,
    /// Tags this version does not know, with their bytes.
    pub unknown: Vec<(u32, Vec<u8>)>,
}

/// One entry of `CPS_SIT_FACT`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)]
pub struct BillingData {
    pub link: u8,
    pub identifier: Option<String>,
}

/// One practice situation: structure, sector and mode of the same activity.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct Exercise {
    pub index: u8,
    pub structure: Structure,
    pub sector: Option<Coded>,
    pub mode: Option<Coded>,
    pub pharmacist_section: Option<Coded>,
    pub billing: Option<BillingData>,
    pub unknown: Vec<(u32, Vec<u8>)>,
}

#[allow(unused_variables)]
impl Exercise {
    /// Pairs each activity with its billing situation; sorted by index.
    pub fn from_card(activities: &[ActivityData], billing: &[BillingData]) -> Vec<Self> {
        todo!()
    }
}

/// The certificate names no person.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the certificate carries no national identifier: not a health professional's card")]
pub struct NotAPractitioner;
