use proptest::prelude::*;
use sha1::{Digest, Sha1};

use super::*;

/// A dictionary in the official format, with a checksum computed here.
fn gip(rows: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> = rows
        .iter()
        .flat_map(|row| row.chars().map(|c| c as u8).chain(*b"\r\n"))
        .collect();
    let digest: String = Sha1::digest(&bytes)
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    bytes.extend(format!("G999\tChecksum\t\t\t48\tSHA-1 : {digest}\r\n").into_bytes());
    bytes
}

const ROWS: [&str; 5] = [
    "NOM_TABLE\tR01\t\t\t16\tSpécialités RPPS",
    "G15\t10\t\t\t7\tMédecin",
    "G102\t20\t1\t\t5\tZone",
    "R99\tX1\t\t\t5\tAilleurs",
    "G999\tVersion\t\t\t28\tVersion : 03.00 - 01/01/2030",
];

#[test]
fn built_in_tables_are_complete() {
    let count = |table| Dictionary::built_in().codes(table).count();
    // Row counts of the national dictionary 02.18.
    assert_eq!(count(Table::R01), 244);
    assert_eq!(count(Table::R02), 63);
    assert_eq!(count(Table::R03), 10);
    assert_eq!(count(Table::G05), 17);
    assert_eq!(count(Table::G15), 29);
    assert_eq!(count(Table::G16), 4);
    assert_eq!(count(Table::G17), 4);
}

#[test]
fn known_code_has_its_label_and_oid() {
    let coded = Coded::new(Table::G15, "10");
    assert_eq!(coded.label_fr.as_deref(), Some("Médecin"));
    assert_eq!(coded.oid(), Some("1.2.250.1.71.1.2.7"));
    assert_eq!(coded.to_string(), "Médecin");
    let sector = Coded::new(Table::R02, "SA07");
    assert_eq!(sector.label_fr.as_deref(), Some("Cabinet individuel"));
}

#[test]
fn unknown_code_is_shown_bare() {
    let coded = Coded::new(Table::R02, "SA99");
    assert_eq!(
        (coded.label_fr.as_deref(), coded.to_string().as_str()),
        (None, "SA99")
    );
}

#[test]
fn official_file_is_read() {
    let dictionary = Dictionary::from_gip(&gip(&ROWS)).unwrap();
    assert_eq!(dictionary.label(Table::G15, "10"), Some("Médecin"));
    assert_eq!(dictionary.version(), Some("Version : 03.00 - 01/01/2030"));
    assert_eq!(dictionary.codes(Table::G102).count(), 0);
}

#[test]
fn newer_file_renews_labels() {
    let newer = Dictionary::from_gip(&gip(&["R02\tSA99\t\t\t7\tNouveau"])).unwrap();
    let mut coded = Coded::new(Table::R02, "SA99");
    coded.relabel(&newer);
    assert_eq!(coded.label_fr.as_deref(), Some("Nouveau"));
}

#[test]
fn altered_file_is_refused() {
    let mut bytes = gip(&ROWS);
    bytes[20] ^= 1;
    let refused = Dictionary::from_gip(&bytes);
    assert!(
        matches!(refused, Err(InvalidDictionary::Checksum { .. })),
        "{refused:?}"
    );
}

#[test]
fn file_without_trailer_is_refused() {
    let bytes = gip(&ROWS);
    assert_eq!(
        Dictionary::from_gip(&bytes[..60]),
        Err(InvalidDictionary::NoChecksum)
    );
}

#[test]
fn row_of_other_shape_is_named() {
    let bytes = gip(&[ROWS[0], "G15\t10\tMédecin"]);
    assert_eq!(
        Dictionary::from_gip(&bytes),
        Err(InvalidDictionary::Columns { line: 2 })
    );
}

/// The published file, where the machine has it.
#[test]
fn published_file_agrees_with_the_built_in_tables() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/DICO-FR.GIP"
    );
    let Ok(bytes) = std::fs::read(path) else {
        return;
    };
    let published = Dictionary::from_gip(&bytes).unwrap();
    assert_eq!(published.version(), Some("Version : 02.18 - 28/02/2020"));
    for table in Table::ALL {
        for (code, label) in Dictionary::built_in().codes(table) {
            assert_eq!(published.label(table, code), Some(label), "{table} {code}");
        }
    }
    assert_eq!(
        published.label(Table::G12, "131"),
        Some("Chirurgie maxillo-faciale (réforme 2017)")
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Dictionary::from_gip(&bytes).is_err());
    }

    #[test]
    fn any_change_of_content_is_noticed(at in any::<prop::sample::Index>(), mask in 1u8..) {
        let mut bytes = gip(&ROWS);
        let content = bytes.windows(13).position(|w| w == b"G999\tChecksum").unwrap();
        bytes[at.index(content)] ^= mask;
        prop_assert!(Dictionary::from_gip(&bytes).is_err());
    }
}
