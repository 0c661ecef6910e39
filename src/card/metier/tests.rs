use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    hex.replace(' ', "").parse::<Hex>().unwrap().0
}

#[test]
fn reads_the_card_identification() {
    let object = bytes("E3 16 81 05 99 00 00 00 12 82 01 80 83 04 20 25 01 15 84 04 20 28 01 15");
    let card = IdCard::parse(&object).unwrap();
    assert_eq!(card.number.as_deref(), Some("9900000012"));
    assert_eq!(card.category, Some(0x80));
    assert_eq!(card.valid_from.unwrap().to_string(), "2025-01-15");
    assert_eq!(card.valid_until.unwrap().to_string(), "2028-01-15");
    assert_eq!(card.issuer, None);
    assert_eq!(card.unknown, []);
}

#[test]
fn reads_an_odd_number_of_digits_filled_at_either_end() {
    let behind = IdCard::parse(&bytes("E3 08 80 06 80 25 00 00 01 2F")).unwrap();
    assert_eq!(behind.issuer.as_deref(), Some("80250000012"));
    let front = IdCard::parse(&bytes("E3 08 80 06 08 02 50 00 00 12")).unwrap();
    assert_eq!(front.issuer.as_deref(), Some("80250000012"));
}

#[test]
fn reads_the_name_with_first_names_apart() {
    let object = bytes(
        "E4 27 80 01 22 81 07 45 58 45 4D 50 4C 45 82 07 45 58 45 4D 50 4C 45 \
         83 0A 41 4C 49 58 FF 4D 41 52 49 45 84 04 41 4C 49 58",
    );
    let name = Name::parse(&object).unwrap();
    assert_eq!(name.civility.as_deref(), Some("22"));
    assert_eq!(name.family_name.as_deref(), Some("EXEMPLE"));
    assert_eq!(name.used_name.as_deref(), Some("EXEMPLE"));
    assert_eq!(name.first_names, ["ALIX", "MARIE"]);
    assert_eq!(name.used_first_name.as_deref(), Some("ALIX"));
}

#[test]
fn reads_accents_as_latin_1_and_accepts_a_long_length_form() {
    let name = Name::parse(&bytes("E4 81 05 81 03 4E 4F CB")).unwrap();
    assert_eq!(name.family_name.as_deref(), Some("NOË"));
}

#[test]
fn reads_the_profession() {
    let object = bytes(
        "ED 24 80 02 00 00 81 0C 38 39 39 37 30 30 30 30 30 30 31 33 82 01 10 \
         84 07 45 58 45 4D 50 4C 45 85 04 53 4D 32 36",
    );
    let info = Info::parse(&object).unwrap();
    assert_eq!((info.card_type, info.flags), (Some(0), Some(0)));
    assert_eq!(info.national_id.as_deref(), Some("899700000013"));
    assert_eq!(info.profession.as_deref(), Some("10"));
    assert_eq!(info.practice_name.as_deref(), Some("EXEMPLE"));
    assert_eq!(info.speciality.as_deref(), Some("SM26"));
}

#[test]
fn reads_an_activity() {
    let object = bytes(
        "EE 34 80 02 00 00 81 03 00 00 00 83 01 01 84 0F 43 41 42 49 4E 45 54 20 45 58 45 4D \
         50 4C 45 85 0F 34 39 39 37 30 30 30 30 30 30 31 33 30 30 31 86 04 53 41 30 37",
    );
    let activity = Activity::parse(&object).unwrap();
    assert_eq!(activity.mode.as_deref(), Some("00"));
    assert_eq!(activity.billing_link, Some(1));
    assert_eq!(activity.structure_name.as_deref(), Some("CABINET EXEMPLE"));
    assert_eq!(activity.structure_id.as_deref(), Some("499700000013001"));
    assert_eq!(activity.sector.as_deref(), Some("SA07"));
    assert_eq!(activity.unknown, []);
}

#[test]
fn reads_billing_situations() {
    let object =
        bytes("E0 19 A0 17 80 01 01 81 05 09 91 23 45 67 82 03 01 00 00 83 03 00 00 00 84 01 00");
    let all = SitFact::parse(&object).unwrap();
    let [situation] = &all.situations[..] else {
        panic!("one situation expected")
    };
    assert_eq!(situation.link, Some(1));
    assert_eq!(situation.billing_id.as_deref(), Some("0991234567"));
    assert_eq!(situation.speciality.as_deref(), Some(&[1, 0, 0][..]));
    assert_eq!(situation.signing_rights, Some(0));
}

#[test]
fn reads_update_dates() {
    let file = bytes("EC 12 81 07 20 24 01 15 10 30 00 82 07 20 24 01 15 10 35 00");
    let dates = UpdateDates::parse(&file).unwrap();
    assert_eq!(dates.start.as_deref(), Some("20240115103000"));
    assert_eq!(dates.end.as_deref(), Some("20240115103500"));
}

#[test]
fn keeps_unknown_tags_and_values_of_unexpected_form() {
    let object = bytes("EE 0C 9F 21 01 AA 83 02 00 01 86 02 53 41");
    let activity = Activity::parse(&object).unwrap();
    assert_eq!(activity.sector.as_deref(), Some("SA"));
    assert_eq!(activity.billing_link, None);
    assert_eq!(
        activity.unknown,
        [
            Unknown {
                tag: 0x9F21,
                value: Hex(vec![0xAA])
            },
            Unknown {
                tag: 0x83,
                value: Hex(vec![0, 1])
            },
        ]
    );
}

#[test]
fn refuses_another_object_and_broken_framing() {
    assert!(IdCard::parse(&bytes("E4 00")).is_err());
    assert!(IdCard::parse(&bytes("E3 16 81 05 99")).is_err());
    assert!(IdCard::parse(&[]).is_err());
}

proptest! {
    #[test]
    fn never_panics(tag in 0xE0_u8..0xEF, body in proptest::collection::vec(any::<u8>(), 0..127)) {
        let object = crate::tlv::encode(u32::from(tag), &body);
        for bytes in [&object[..], &body[..]] {
            let _ = IdCard::parse(bytes);
            let _ = Name::parse(bytes);
            let _ = Info::parse(bytes);
            let _ = Activity::parse(bytes);
            let _ = SitFact::parse(bytes);
            let _ = UpdateDates::parse(bytes);
        }
    }
}
