//! The card's own data objects (*données métier*), already decoded by the card driver.
//!
//! Codes are text in the form of their table; [`Table::code_of_byte`] makes it from a card byte.

use jiff::civil::Date;

use super::Structure;
use crate::{Coded, Dictionary, StructureId, Table};

/// Public data objects of the card: `CPS_ID_CARD`, `CPS_NAME_PS`, `CPS_INFO_PS`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CardData {
    /// Ten digits.
    pub card_number: Option<String>,
    /// Product category, table G01.
    pub card_category: Option<String>,
    /// Start of the card's validity.
    pub valid_from: Option<Date>,
    /// End of the card's validity.
    pub valid_until: Option<Date>,
    /// Civility, table G03.
    pub civility: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Every given name, in order.
    pub given_names: Vec<String>,
    /// Given name used in practice.
    pub given_name_in_use: Option<String>,
    /// Name used in practice.
    pub practice_name: Option<String>,
    /// Card type, table G02.
    pub card_type: Option<String>,
    /// National identifier with its prefix.
    pub national_id: Option<String>,
    /// Profession, table G15.
    pub profession: Option<String>,
    /// Profession in training (table G16) on a CPF, a trade elsewhere.
    pub profession_in_training: Option<String>,
    /// Speciality, table R01.
    pub specialty: Option<String>,
}

/// One `CPS_ACTIVITY_nn_PS` object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ActivityData {
    /// nn, 1 to 16; holes are normal.
    pub index: u8,
    /// Mode of practice, table G17.
    pub mode: Option<String>,
    /// Section of the pharmacists' register, table G05.
    pub pharmacist_section: Option<String>,
    /// Link number of the billing situation.
    pub billing_link: Option<u8>,
    /// Company name.
    pub structure_name: Option<String>,
    /// Struct_IdNat.
    pub structure_id: Option<String>,
    /// Sector of activity, table R02.
    pub sector: Option<String>,
    /// Tags the driver does not know, with their bytes.
    pub unknown: Vec<(u32, Vec<u8>)>,
}

/// One entry of `CPS_SIT_FACT`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BillingData {
    /// Link number, as activities name it.
    pub link: u8,
    /// Billing identifier, at most ten digits.
    pub identifier: Option<String>,
    /// Health-insurance speciality, table G100.
    pub specialty: Option<String>,
    /// Convention, table G101.
    pub convention: Option<String>,
    /// Tariff zone, table G102.
    pub tariff_zone: Option<String>,
    /// Kilometre allowance, table G103.
    pub kilometre_allowance: Option<String>,
    /// Agreements, table G104.
    pub agreements: Option<String>,
    /// Geographic zone, table G105.
    pub geographic_zone: Option<String>,
    /// Signing rights, one bit each.
    pub signing_rights: Option<u8>,
    /// Tags the driver does not know, with their bytes.
    pub unknown: Vec<(u32, Vec<u8>)>,
}

/// One practice situation: structure, sector, mode and billing of the same activity.
///
/// Relying parties require the structure and the sector they are given to come from one activity.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Exercise {
    /// nn of the card's activity object, 1 to 16.
    pub index: u8,
    /// Where.
    pub structure: Structure,
    /// Sector of activity, table R02.
    pub sector: Option<Coded>,
    /// Mode of practice, table G17.
    pub mode: Option<Coded>,
    /// Section of the pharmacists' register, table G05.
    pub pharmacist_section: Option<Coded>,
    /// Billing situation the activity is linked to.
    pub billing: Option<Billing>,
    /// Tags this version does not know, with their bytes.
    pub unknown: Vec<(u32, Vec<u8>)>,
}

impl Exercise {
    /// Pairs each activity with its billing situation, in the order of the indexes.
    ///
    /// A link without a billing entry leaves `billing` empty: cards hold at most eight entries.
    pub fn from_card(activities: &[ActivityData], billing: &[BillingData]) -> Vec<Self> {
        let mut exercises: Vec<Self> = activities
            .iter()
            .map(|activity| Self::new(activity, billing))
            .collect();
        exercises.sort_by_key(|exercise| exercise.index);
        exercises
    }

    /// Takes the labels of an imported dictionary.
    pub fn relabel(&mut self, dictionary: &Dictionary) {
        let billing = self.billing.iter_mut().flat_map(Billing::codes);
        [
            &mut self.sector,
            &mut self.mode,
            &mut self.pharmacist_section,
        ]
        .into_iter()
        .flatten()
        .chain(billing)
        .for_each(|coded| coded.relabel(dictionary));
    }

    fn new(activity: &ActivityData, billing: &[BillingData]) -> Self {
        let id = activity.structure_id.as_deref();
        let situation = billing
            .iter()
            .find(|entry| Some(entry.link) == activity.billing_link);
        Self {
            index: activity.index,
            structure: Structure {
                id: id.and_then(|id| StructureId::new(id).ok()),
                name: activity.structure_name.clone(),
                department: None,
            },
            sector: coded(Table::R02, &activity.sector),
            mode: coded(Table::G17, &activity.mode),
            pharmacist_section: coded(Table::G05, &activity.pharmacist_section),
            billing: situation.map(Billing::new),
            unknown: activity.unknown.clone(),
        }
    }
}

/// A billing situation with its codes looked up.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Billing {
    /// Link number, as activities name it.
    pub link: u8,
    /// Billing identifier, at most ten digits.
    pub identifier: Option<String>,
    /// Health-insurance speciality, table G100.
    pub specialty: Option<Coded>,
    /// Convention, table G101.
    pub convention: Option<Coded>,
    /// Tariff zone, table G102.
    pub tariff_zone: Option<Coded>,
    /// Kilometre allowance, table G103.
    pub kilometre_allowance: Option<Coded>,
    /// Agreements, table G104.
    pub agreements: Option<Coded>,
    /// Geographic zone, table G105.
    pub geographic_zone: Option<Coded>,
    /// Signing rights, one bit each.
    pub signing_rights: Option<u8>,
    /// Tags this version does not know, with their bytes.
    pub unknown: Vec<(u32, Vec<u8>)>,
}

impl Billing {
    fn new(entry: &BillingData) -> Self {
        Self {
            link: entry.link,
            identifier: entry.identifier.clone(),
            specialty: coded(Table::G100, &entry.specialty),
            convention: coded(Table::G101, &entry.convention),
            tariff_zone: coded(Table::G102, &entry.tariff_zone),
            kilometre_allowance: coded(Table::G103, &entry.kilometre_allowance),
            agreements: coded(Table::G104, &entry.agreements),
            geographic_zone: coded(Table::G105, &entry.geographic_zone),
            signing_rights: entry.signing_rights,
            unknown: entry.unknown.clone(),
        }
    }

    fn codes(&mut self) -> impl Iterator<Item = &mut Coded> {
        [
            &mut self.specialty,
            &mut self.convention,
            &mut self.tariff_zone,
            &mut self.kilometre_allowance,
            &mut self.agreements,
            &mut self.geographic_zone,
        ]
        .into_iter()
        .flatten()
    }
}

fn coded(table: Table, code: &Option<String>) -> Option<Coded> {
    let code = code.as_deref().filter(|code| !code.is_empty())?;
    Some(Coded::new(table, code))
}
