//! The second application of a CPS3 ("volet CPS2ter"): the files of the former generation of
//! cards, with the commands of that generation (class `A0`). It holds the billing situations.

use crate::apdu::{Command, StatusWord};
use crate::cps3;
use crate::error::Error;
use crate::exchange::{Link, Position, SELECT};
use crate::hex::Hex;
use crate::pkcs15::MF;
use crate::pkcs15::dodf::{DataEntry, DataPlace};

/// File not found, in this application's own words.
pub(crate) const NOT_FOUND: StatusWord = StatusWord(0x9404);

/// Adds the objects of this application that PKCS#15 does not list: CPS_SIT_FACT, and the twin of
/// each activity.
pub(crate) fn add_objects(objects: &mut Vec<DataEntry>) {
    let object = |label: String, path: Vec<u8>| DataEntry {
        label,
        application: "CPS2ter".into(),
        private: true,
        modifiable: false,
        place: DataPlace::Cps2ter(Hex(path)),
    };
    let twins: Vec<DataEntry> = objects
        .iter()
        .filter_map(|entry| {
            let number = entry
                .label
                .strip_prefix("CPS_ACTIVITY_")?
                .strip_suffix("_PS")?;
            let index = number
                .parse::<u8>()
                .ok()?
                .checked_sub(1)
                .filter(|index| *index < 16)?;
            let path = [MF, &[0x40, 0x10 + index]].concat();
            Some(object(format!("CPS2TER_ACTIVITY_{number}_PS"), path))
        })
        .collect();
    objects.extend(twins);
    if objects.iter().all(|entry| entry.label != BILLING) {
        objects.push(object(BILLING.into(), [MF, BILLING_FILE].concat()));
    }
}

/// Reads a whole file, and comes back to the main application so that other programs find the card
/// as they expect it.
pub(crate) fn read(link: &mut Link<'_>, path: &[u8]) -> Result<Vec<u8>, Error> {
    link.state.position = Position::Unknown;
    let read = read_file(link, path);
    if !matches!(read, Err(Error::Transmit { .. })) {
        let back = link.exchange(&cps3::select_applet())?;
        if back.status.is_success() {
            link.state.position = Position::mf();
        }
    }
    read
}

fn read_file(link: &mut Link<'_>, path: &[u8]) -> Result<Vec<u8>, Error> {
    let (steps, []) = path.as_chunks::<2>() else {
        return Err(Error::Malformed { what: "path" });
    };
    let mut header = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let last = index + 1 == steps.len();
        let select = Command::new(CLA, SELECT, 0x00, 0x00)
            .with_data(step)
            .expecting(if last { HEADER_LEN } else { 0 });
        let answer = link.exchange(&select)?;
        if !answer.status.is_success() {
            return Err(link.refused(answer.status));
        }
        header = answer.data.to_vec();
    }
    // `85 05 <size> <file> <type>`; type 4 is a file with content.
    let size = match header[..] {
        [0x85, 0x05, high, low, _, _, 0x04] => usize::from(u16::from_be_bytes([high, low])),
        _ => {
            return Err(Error::Malformed {
                what: "CPS2ter file header",
            });
        }
    };
    if size > MAX_FILE {
        return Err(Error::Malformed {
            what: "file, larger than any file of the card",
        });
    }
    let mut content = Vec::new();
    while content.len() < size {
        let [high, low] = (content.len() as u16).to_be_bytes();
        let wanted = (size - content.len()).min(MAX_PIECE);
        let read = Command::new(CLA, 0xB0, high, low).expecting(wanted as u16);
        let answer = link.exchange(&read)?;
        if !answer.status.is_success() {
            return Err(link.refused(answer.status));
        }
        if answer.data.is_empty() || answer.data.len() > wanted {
            return Err(Error::Malformed {
                what: "CPS2ter file",
            });
        }
        content.extend_from_slice(&answer.data);
    }
    Ok(content)
}

const BILLING: &str = "CPS_SIT_FACT";
const BILLING_FILE: &[u8] = &[0x7F, 0x01, 0x40, 0x00];
const CLA: u8 = 0xA0;
const HEADER_LEN: u16 = 7;
const MAX_FILE: usize = 0x4000;
const MAX_PIECE: usize = 255;
