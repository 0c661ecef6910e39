//! Reader of the official dictionary file.

use sha1::{Digest, Sha1};

use super::{Dictionary, InvalidDictionary};

pub(super) fn read(bytes: &[u8]) -> Result<Dictionary, InvalidDictionary> {
    if bytes.len() > MAX_BYTES {
        return Err(InvalidDictionary::TooLarge);
    }
    let trailer = find(bytes, CHECKSUM_ROW).ok_or(InvalidDictionary::NoChecksum)?;
    let (content, trailer) = bytes.split_at(trailer);
    verify(content, trailer)?;

    let mut dictionary = Dictionary::default();
    for (index, row) in latin1(content).split_terminator("\r\n").enumerate() {
        let columns: Vec<&str> = row.split('\t').collect();
        let [table, code, sub_code, _, _, label] = columns[..] else {
            return Err(InvalidDictionary::Columns { line: index + 1 });
        };
        if table == "G999" && code == "Version" {
            dictionary.version = Some(label.to_owned());
        } else if let (Ok(table), true) = (table.parse(), sub_code.is_empty()) {
            dictionary.insert(table, code, label);
        }
    }
    Ok(dictionary)
}

/// The stated value covers every byte before the row that states it.
fn verify(content: &[u8], trailer: &[u8]) -> Result<(), InvalidDictionary> {
    let row = latin1(trailer);
    let stated = row
        .lines()
        .next()
        .and_then(|row| row.rsplit_once("SHA-1 : "))
        .map(|(_, digest)| digest.trim().to_ascii_uppercase())
        .ok_or(InvalidDictionary::NoChecksum)?;
    let actual: String = Sha1::digest(content)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    match actual == stated {
        true => Ok(()),
        false => Err(InvalidDictionary::Checksum { actual, stated }),
    }
}

/// Position of a row, which begins the file or follows a line feed.
fn find(bytes: &[u8], row: &[u8]) -> Option<usize> {
    let starts = |at: usize| at == 0 || bytes.get(at - 1) == Some(&b'\n');
    bytes
        .windows(row.len())
        .enumerate()
        .find(|(at, window)| *window == row && starts(*at))
        .map(|(at, _)| at)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

const CHECKSUM_ROW: &[u8] = b"G999\tChecksum";
const MAX_BYTES: usize = 4 << 20;
