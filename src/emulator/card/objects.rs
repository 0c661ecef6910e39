//! Contents of the holder's data objects (*données métier*): one BER-TLV each, as the ANS
//! documents describe them. Text is ISO-8859-1, dates and numbers are BCD.

use crate::asn1::{bcd, constructed, latin1, tlv};
use crate::holder::{Activity, Person};
use crate::pki::CardDates;

/// Bytes of the writable object `CPS_DATA`.
const FREE_BYTES: usize = 256;

/// Content of the object with this label; `None` when the holder has no such object.
pub(super) fn content(label: &str, person: &Person, dates: &CardDates) -> Option<Vec<u8>> {
    if let Some(activity) = numbered(label, "CPS_ACTIVITY_", person) {
        return Some(self::activity(activity));
    }
    if let Some(activity) = numbered(label, "CPS2TER_ACTIVITY_", person) {
        return Some(old_activity(activity));
    }
    match label {
        "CPS_ID_CARD" => Some(id_card(person, dates)),
        "CPS_NAME_PS" => Some(name(person)),
        // The body of this object is not public: opaque bytes.
        "CPS_LANG_PS" => Some(constructed(0xE5, &[&tlv(0x80, &[0x01])])),
        "CPS_INFO_PS" => Some(info(person)),
        "CPS_DATA" => Some(vec![0; FREE_BYTES]),
        "CPS_SIT_FACT" => billing(person),
        _ if label.starts_with("CPS2TER_") && !label.contains("ACTIVITY") => {
            // Layouts of the older card's files are not public either.
            Some(tlv(0xC0, label.as_bytes()))
        }
        _ => None,
    }
}

/// Whether reading the object needs the PIN.
pub(super) fn is_private(label: &str) -> bool {
    label.contains("ACTIVITY") || label == "CPS_SIT_FACT"
}

/// Whether the object may be written after the PIN was given.
pub(super) fn is_writable(label: &str) -> bool {
    label == "CPS_DATA"
}

fn numbered<'a>(label: &str, prefix: &str, person: &'a Person) -> Option<&'a Activity> {
    let index: u8 = label
        .strip_prefix(prefix)?
        .strip_suffix("_PS")?
        .parse()
        .ok()?;
    person
        .activities
        .iter()
        .find(|activity| activity.index == index)
}

fn id_card(person: &Person, dates: &CardDates) -> Vec<u8> {
    constructed(
        0xE3,
        &[
            &tlv(0x81, &bcd(person.card_number)),
            &tlv(0x82, &[0x80]),
            &tlv(0x83, &bcd(&dates.from)),
            &tlv(0x84, &bcd(&dates.until)),
        ],
    )
}

fn name(person: &Person) -> Vec<u8> {
    let family = latin1(person.family_name.unwrap_or_default());
    let given = person
        .given_names
        .iter()
        .map(|name| latin1(name))
        .collect::<Vec<_>>()
        .join(&0xFF);
    let used = latin1(person.given_names.first().copied().unwrap_or_default());
    constructed(
        0xE4,
        &[
            &tlv(0x80, &[person.civility]),
            &tlv(0x81, &family),
            &tlv(0x82, &family),
            &tlv(0x83, &given),
            &tlv(0x84, &used),
        ],
    )
}

fn info(person: &Person) -> Vec<u8> {
    // Decimal codes elsewhere, hexadecimal digits here: profession 10 is the byte 10.
    let hexadecimal = |code: u8| ((code / 10) << 4) | (code % 10);
    let mut parts = tlv(0x80, &[person.card_type, 0x00]);
    parts.extend(tlv(0x81, person.national_id.as_bytes()));
    parts.extend(
        person
            .profession
            .iter()
            .flat_map(|code| tlv(0x82, &[hexadecimal(*code)])),
    );
    parts.extend(
        person
            .in_training
            .iter()
            .flat_map(|code| tlv(0x83, &[hexadecimal(*code)])),
    );
    parts.extend(
        person
            .family_name
            .iter()
            .flat_map(|name| tlv(0x84, &latin1(name))),
    );
    parts.extend(
        person
            .speciality
            .iter()
            .flat_map(|code| tlv(0x85, code.as_bytes())),
    );
    tlv(0xED, &parts)
}

fn activity(activity: &Activity) -> Vec<u8> {
    constructed(
        0xEE,
        &[
            &tlv(0x80, &[activity.mode, 0x00]),
            &tlv(0x81, &[0, 0, 0]),
            &tlv(0x83, &[activity.billing_link]),
            &tlv(0x84, &latin1(activity.structure_name)),
            &tlv(0x85, activity.structure_id.as_bytes()),
            &tlv(0x86, activity.sector.as_bytes()),
        ],
    )
}

fn old_activity(activity: &Activity) -> Vec<u8> {
    tlv(
        0xC1,
        &[activity.index, activity.mode, activity.billing_link],
    )
}

fn billing(person: &Person) -> Option<Vec<u8>> {
    let entries: Vec<u8> = person
        .activities
        .iter()
        .flat_map(|activity| {
            constructed(
                0xA0,
                &[
                    &tlv(0x80, &[activity.billing_link]),
                    &tlv(0x81, &bcd(activity.billing_id)),
                    &tlv(0x82, &[1, 0, 0]),
                    &tlv(0x83, &[0, 0, 0]),
                    &tlv(0x84, &[0]),
                ],
            )
        })
        .collect();
    (!entries.is_empty()).then(|| tlv(0xE0, &entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Holder;

    fn bytes(label: &str) -> String {
        let dates = CardDates {
            from: "20250115".into(),
            until: "20280115".into(),
        };
        let content =
            content(label, &Holder::CpsMedecin.person(), &dates).expect("the physician has it");
        cps_card::Hex(content).to_string()
    }

    #[test]
    fn objects_have_the_documented_layout() {
        assert_eq!(
            bytes("CPS_ID_CARD"),
            "E31681059900000012820180830420250115840420280115"
        );
        assert_eq!(
            bytes("CPS_NAME_PS"),
            "E42780012281074558454D504C4582074558454D504C45830A414C4958FF4D41524945\
             8404414C4958"
        );
        assert_eq!(
            bytes("CPS_INFO_PS"),
            "ED2480020000810C3839393730303030303031338201108407\
             4558454D504C458504534D3236"
        );
        assert_eq!(
            bytes("CPS_ACTIVITY_01_PS"),
            "EE34800200008103000000830101840F434142494E4554204558454D504C45850F\
             343939373030303030303133303031860453413037"
        );
        assert_eq!(
            bytes("CPS_SIT_FACT"),
            "E019A017800101810509912345678203010000830300000084 0100".replace(' ', "")
        );
    }

    #[test]
    fn absent_activities_have_no_object() {
        let dates = CardDates {
            from: "20250115".into(),
            until: "20280115".into(),
        };
        let person = Holder::CpsMulti.person();
        for (label, present) in [
            ("CPS_ACTIVITY_01_PS", true),
            ("CPS_ACTIVITY_02_PS", false),
            ("CPS_ACTIVITY_16_PS", true),
        ] {
            assert_eq!(
                content(label, &person, &dates).is_some(),
                present,
                "{label}"
            );
        }
    }
}
