//! From the data objects of the card to the terms of the identity model.

use cps_card::Error;
use cps_card::metier::{self, Activity, IdCard, Info, Name, SitFact};
use cps_identity::{ActivityData, BillingData, CardData};
use jiff::civil::Date;

use crate::token::PracticeData;

/// Adds a decoded object to the card data.
pub(super) type AddPublic = fn(&mut CardData, &[u8]) -> Result<(), Error>;

/// Adds a decoded object, given with its label, to the practice data.
pub(super) type AddPractice = fn(&mut PracticeData, &str, &[u8]) -> Result<(), Error>;

/// What adds a public object to the card data; nothing for objects that hold none.
pub(super) fn public_object(label: &str) -> Option<AddPublic> {
    match label {
        "CPS_ID_CARD" => Some(add_id_card),
        "CPS_NAME_PS" => Some(add_name),
        "CPS_INFO_PS" => Some(add_info),
        _ => None,
    }
}

/// What adds a PIN-protected object to the practice data; nothing for objects that hold none.
pub(super) fn practice_object(label: &str) -> Option<AddPractice> {
    match label {
        "CPS_SIT_FACT" => Some(add_billing),
        _ => activity_index(label).map(|_| add_activity as AddPractice),
    }
}

fn add_id_card(data: &mut CardData, object: &[u8]) -> Result<(), Error> {
    let id_card = IdCard::parse(object)?;
    data.card_number = id_card.number;
    data.card_category = id_card.category.map(hex);
    data.valid_from = id_card.valid_from.and_then(date);
    data.valid_until = id_card.valid_until.and_then(date);
    Ok(())
}

fn add_name(data: &mut CardData, object: &[u8]) -> Result<(), Error> {
    let name = Name::parse(object)?;
    data.civility = name.civility;
    data.family_name = name.used_name.or(name.family_name);
    data.given_names = name.first_names;
    data.given_name_in_use = name.used_first_name;
    Ok(())
}

fn add_info(data: &mut CardData, object: &[u8]) -> Result<(), Error> {
    let info = Info::parse(object)?;
    data.card_type = info.card_type.map(hex);
    data.national_id = info.national_id;
    data.profession = info.profession;
    data.profession_in_training = info.profession_in_training;
    data.practice_name = info.practice_name;
    data.specialty = info.speciality;
    Ok(())
}

fn add_activity(data: &mut PracticeData, label: &str, object: &[u8]) -> Result<(), Error> {
    let activity = Activity::parse(object)?;
    data.activities.push(ActivityData {
        index: activity_index(label).unwrap_or_default(),
        mode: activity.mode,
        pharmacist_section: activity.pharmacist_section.map(|code| code.to_string()),
        billing_link: activity.billing_link,
        structure_name: activity.structure_name,
        structure_id: activity.structure_id,
        sector: activity.sector,
        unknown: unknown(activity.unknown),
    });
    Ok(())
}

fn add_billing(data: &mut PracticeData, _label: &str, object: &[u8]) -> Result<(), Error> {
    let situations = SitFact::parse(object)?.situations;
    data.billing
        .extend(situations.into_iter().filter_map(|situation| {
            let codes = |field: &Option<cps_card::Hex>| -> [Option<String>; 3] {
                let byte = |index| Some(hex(*field.as_ref()?.get(index)?));
                [byte(0), byte(1), byte(2)]
            };
            let [specialty, convention, tariff_zone] = codes(&situation.speciality);
            let [kilometre_allowance, agreements, geographic_zone] = codes(&situation.allowances);
            Some(BillingData {
                link: situation.link?,
                identifier: situation.billing_id,
                specialty,
                convention,
                tariff_zone,
                kilometre_allowance,
                agreements,
                geographic_zone,
                signing_rights: situation.signing_rights,
                unknown: unknown(situation.unknown),
            })
        }));
    Ok(())
}

fn unknown(fields: Vec<metier::Unknown>) -> Vec<(u32, Vec<u8>)> {
    fields
        .into_iter()
        .map(|field| (field.tag, field.value.0))
        .collect()
}

/// nn of `CPS_ACTIVITY_nn_PS`.
fn activity_index(label: &str) -> Option<u8> {
    label
        .strip_prefix("CPS_ACTIVITY_")?
        .strip_suffix("_PS")?
        .parse()
        .ok()
}

fn date(date: metier::Date) -> Option<Date> {
    let (year, month, day) = (
        i16::try_from(date.year).ok()?,
        i8::try_from(date.month).ok()?,
        i8::try_from(date.day).ok()?,
    );
    Date::new(year, month, day).ok()
}

/// Codes of the national tables, as they are written there.
fn hex(code: u8) -> String {
    format!("{code:02X}")
}
