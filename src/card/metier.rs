//! *Données métier*: the professional data that ANS writes into the data objects of a card.
//!
//! The layouts are those of the ANS Cryptolib specification and of open DMP clients; the official
//! description is not public. So every field is optional, fields of unexpected form and unknown
//! tags are kept as they are, and only broken BER-TLV framing or another outer tag is an error.
//! Text is ISO-8859-1.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::hex::Hex;
use crate::tlv::{Reader, Tlv, TlvError};

/// A field that is not understood: its tag and its value.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Unknown {
    /// The tag.
    pub tag: u32,
    /// The value.
    pub value: Hex,
}

/// A calendar date as the card writes it, `YYYYMMDD`. Displays as `2025-01-15`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Date {
    /// Year.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day, 1 to 31; not checked against the month.
    pub day: u8,
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// CPS_ID_CARD: the card itself.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct IdCard {
    /// Issuer number, 11 digits.
    pub issuer: Option<String>,
    /// Card number, 10 digits: the one printed on the card.
    pub number: Option<String>,
    /// Card category, table G01: `00` real, `80` test.
    pub category: Option<u8>,
    /// Start of validity.
    pub valid_from: Option<Date>,
    /// End of validity.
    pub valid_until: Option<Date>,
    /// What was not understood.
    pub unknown: Vec<Unknown>,
}

impl IdCard {
    /// Reads the object.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not a TLV with tag `E3`.
    pub fn parse(object: &[u8]) -> Result<Self, Error> {
        let mut card = Self::default();
        for field in fields(object, 0xE3, "CPS_ID_CARD")? {
            let known = match field.tag.0 {
                0x80 => set(&mut card.issuer, digits(field.value, 11)),
                0x81 => set(&mut card.number, digits(field.value, 10)),
                0x82 => set(&mut card.category, byte(field.value)),
                0x83 => set(&mut card.valid_from, date(field.value)),
                0x84 => set(&mut card.valid_until, date(field.value)),
                _ => false,
            };
            keep(&mut card.unknown, known, &field);
        }
        Ok(card)
    }
}

/// CPS_NAME_PS: the holder.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Name {
    /// Civility, table G03, as two digits (`22`).
    pub civility: Option<String>,
    /// Family name. The card's documentation does not say which of this and the next comes first.
    pub family_name: Option<String>,
    /// Name in use.
    pub used_name: Option<String>,
    /// Up to three first names.
    pub first_names: Vec<String>,
    /// First name used in practice.
    pub used_first_name: Option<String>,
    /// What was not understood.
    pub unknown: Vec<Unknown>,
}

impl Name {
    /// Reads the object.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not a TLV with tag `E4`.
    pub fn parse(object: &[u8]) -> Result<Self, Error> {
        let mut name = Self::default();
        for field in fields(object, 0xE4, "CPS_NAME_PS")? {
            let known = match field.tag.0 {
                0x80 => set(&mut name.civility, byte(field.value).map(hex_digits)),
                0x81 => set(&mut name.family_name, Some(latin1(field.value))),
                0x82 => set(&mut name.used_name, Some(latin1(field.value))),
                0x83 if name.first_names.is_empty() => {
                    // `FF` is a letter of ISO-8859-1 that no French name has.
                    let names = field.value.split(|byte| *byte == 0xFF);
                    name.first_names = names.filter(|n| !n.is_empty()).map(latin1).collect();
                    true
                }
                0x84 => set(&mut name.used_first_name, Some(latin1(field.value))),
                _ => false,
            };
            keep(&mut name.unknown, known, &field);
        }
        Ok(name)
    }
}

/// CPS_INFO_PS: the holder's profession.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Info {
    /// Card type, table G02: `00` CPS, `01` CPF, `02` CPE, `03` CPA.
    pub card_type: Option<u8>,
    /// Eight flag bits of unknown meaning.
    pub flags: Option<u8>,
    /// National identifier with its type digit in front, table G08 (`8` = RPPS).
    pub national_id: Option<String>,
    /// Profession, table G15, as two digits (`10`).
    pub profession: Option<String>,
    /// Profession in training, table G16, or trade, as two digits.
    pub profession_in_training: Option<String>,
    /// Name under which the holder practises.
    pub practice_name: Option<String>,
    /// Speciality, table R01 (`SM26`).
    pub speciality: Option<String>,
    /// What was not understood.
    pub unknown: Vec<Unknown>,
}

impl Info {
    /// Reads the object.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not a TLV with tag `ED`.
    pub fn parse(object: &[u8]) -> Result<Self, Error> {
        let mut info = Self::default();
        for field in fields(object, 0xED, "CPS_INFO_PS")? {
            let known = match field.tag.0 {
                0x80 => {
                    info.flags = info.flags.or_else(|| field.value.get(1).copied());
                    set(&mut info.card_type, field.value.first().copied())
                }
                0x81 => set(&mut info.national_id, Some(latin1(field.value))),
                0x82 => set(&mut info.profession, byte(field.value).map(hex_digits)),
                0x83 => set(
                    &mut info.profession_in_training,
                    byte(field.value).map(hex_digits),
                ),
                0x84 => set(&mut info.practice_name, Some(latin1(field.value))),
                0x85 => set(&mut info.speciality, Some(latin1(field.value))),
                _ => false,
            };
            keep(&mut info.unknown, known, &field);
        }
        Ok(info)
    }
}

/// CPS_ACTIVITY_nn_PS: one place or way of practising.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Activity {
    /// Mode of practice, table G17, as two digits (`00` libéral, `01` salarié, …).
    pub mode: Option<String>,
    /// Three bytes with the ADELI speciality (G12) and its nature (G11).
    pub adeli_speciality: Option<Hex>,
    /// Section of the pharmacists' register, table G05.
    pub pharmacist_section: Option<Hex>,
    /// Link to the entry of CPS_SIT_FACT with the same number.
    pub billing_link: Option<u8>,
    /// Name of the structure (*raison sociale*).
    pub structure_name: Option<String>,
    /// Identifier of the structure with its type digit in front, table G07.
    pub structure_id: Option<String>,
    /// Sector of activity, table R02 (`SA07`).
    pub sector: Option<String>,
    /// What was not understood.
    pub unknown: Vec<Unknown>,
}

impl Activity {
    /// Reads the object.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not a TLV with tag `EE`.
    pub fn parse(object: &[u8]) -> Result<Self, Error> {
        let mut activity = Self::default();
        for field in fields(object, 0xEE, "CPS_ACTIVITY")? {
            let known = match field.tag.0 {
                0x80 => {
                    set(
                        &mut activity.mode,
                        field.value.first().copied().map(hex_digits),
                    ) && field.value.len() <= 2
                }
                0x81 => set(&mut activity.adeli_speciality, Some(Hex::from(field.value))),
                0x82 => set(
                    &mut activity.pharmacist_section,
                    Some(Hex::from(field.value)),
                ),
                0x83 => set(&mut activity.billing_link, byte(field.value)),
                0x84 => set(&mut activity.structure_name, Some(latin1(field.value))),
                0x85 => set(&mut activity.structure_id, Some(latin1(field.value))),
                0x86 => set(&mut activity.sector, Some(latin1(field.value))),
                _ => false,
            };
            keep(&mut activity.unknown, known, &field);
        }
        Ok(activity)
    }
}

/// CPS_SIT_FACT: the billing situations, up to eight.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SitFact {
    /// The situations, in the order of the card.
    pub situations: Vec<BillingSituation>,
    /// What was not understood.
    pub unknown: Vec<Unknown>,
}

/// One billing situation.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct BillingSituation {
    /// Number by which an activity names it.
    pub link: Option<u8>,
    /// Billing identifier, up to ten digits.
    pub billing_id: Option<String>,
    /// Health-insurance speciality (G100), convention (G101), tariff zone (G102).
    pub speciality: Option<Hex>,
    /// Kilometre allowance (G103), agreements (G104), geographic zone (G105).
    pub allowances: Option<Hex>,
    /// Signing rights, as bits (electronic claims, batches).
    pub signing_rights: Option<u8>,
    /// What was not understood.
    pub unknown: Vec<Unknown>,
}

impl SitFact {
    /// Reads the object.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not a TLV with tag `E0`, or an entry is broken.
    pub fn parse(object: &[u8]) -> Result<Self, Error> {
        let what = "CPS_SIT_FACT";
        let mut all = Self::default();
        for entry in fields(object, 0xE0, what)? {
            if entry.tag.0 != 0xA0 {
                keep(&mut all.unknown, false, &entry);
                continue;
            }
            let mut situation = BillingSituation::default();
            for field in collect(entry.children(), what)? {
                let known = match field.tag.0 {
                    0x80 => set(&mut situation.link, byte(field.value)),
                    0x81 => set(&mut situation.billing_id, digits(field.value, 10)),
                    0x82 => set(&mut situation.speciality, Some(Hex::from(field.value))),
                    0x83 => set(&mut situation.allowances, Some(Hex::from(field.value))),
                    0x84 => set(&mut situation.signing_rights, byte(field.value)),
                    _ => false,
                };
                keep(&mut situation.unknown, known, &field);
            }
            all.situations.push(situation);
        }
        Ok(all)
    }
}

/// EF_ACTUA: when the card was last updated on line.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct UpdateDates {
    /// Start of the update, `YYYYMMDDhhmmss`.
    pub start: Option<String>,
    /// End of the update; absent when it was never finished.
    pub end: Option<String>,
    /// What was not understood.
    pub unknown: Vec<Unknown>,
}

impl UpdateDates {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not a TLV with tag `EC`.
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        let mut dates = Self::default();
        for field in fields(file, 0xEC, "EF_ACTUA")? {
            let known = match field.tag.0 {
                0x81 => set(&mut dates.start, digits(field.value, 14)),
                0x82 => set(&mut dates.end, digits(field.value, 14)),
                _ => false,
            };
            keep(&mut dates.unknown, known, &field);
        }
        Ok(dates)
    }
}

/// The objects inside the outermost one, which must have this tag. Padding after it is ignored.
fn fields<'a>(object: &'a [u8], tag: u32, what: &'static str) -> Result<Vec<Tlv<'a>>, Error> {
    match Reader::padded(object).next() {
        Some(Ok(outer)) if outer.tag.0 == tag => collect(outer.children(), what),
        _ => Err(Error::Malformed { what }),
    }
}

fn collect<'a>(reader: Reader<'a>, what: &'static str) -> Result<Vec<Tlv<'a>>, Error> {
    let fields: Result<_, TlvError> = reader.collect();
    fields.map_err(|_| Error::Malformed { what })
}

/// Fills an empty field. A value of unexpected form, or a second one, is not understood.
fn set<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let understood = field.is_none() && value.is_some();
    if understood {
        *field = value;
    }
    understood
}

fn keep(unknown: &mut Vec<Unknown>, known: bool, field: &Tlv<'_>) {
    if !known {
        unknown.push(Unknown {
            tag: field.tag.0,
            value: Hex::from(field.value),
        });
    }
}

fn byte(value: &[u8]) -> Option<u8> {
    match value {
        [byte] => Some(*byte),
        _ => None,
    }
}

/// BCD digits, at most `most` of them: an odd number is filled with `F` behind or `0` in front.
fn digits(value: &[u8], most: usize) -> Option<String> {
    let mut text = Hex::from(value).to_string();
    if text.ends_with('F') {
        text.pop();
    } else if text.len() == most + 1 && text.starts_with('0') {
        text.remove(0);
    }
    let valid = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    valid.then_some(text)
}

fn date(value: &[u8]) -> Option<Date> {
    let text = digits(value, 8).filter(|text| text.len() == 8)?;
    let date = Date {
        year: text[..4].parse().ok()?,
        month: text[4..6].parse().ok()?,
        day: text[6..].parse().ok()?,
    };
    let valid = (1..=12).contains(&date.month) && (1..=31).contains(&date.day);
    valid.then_some(date)
}

fn hex_digits(byte: u8) -> String {
    format!("{byte:02X}")
}

fn latin1(bytes: &[u8]) -> String {
    bytes
        .iter()
        .copied()
        .map(char::from)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests;
