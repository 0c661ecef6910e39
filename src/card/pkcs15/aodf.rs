//! AODF: the PINs of the card (PKCS#15 v1.1 §6.8).

use super::{
    BIT_STRING, ENUMERATED, INTEGER, Location, MF, OCTET_STRING, Object, SEQUENCE, bits, entries,
    integer,
};
use crate::error::Error;
use crate::hex::Hex;
use crate::pin::{PinEncoding, PinRules};

/// The codes that the card declares, in order.
pub(crate) fn read(file: &[u8], application: &[u8]) -> Result<Vec<PinObject>, Error> {
    entries(file, "AODF", |entry| {
        let is_pin = entry.tag.0 == SEQUENCE;
        is_pin
            .then(|| PinObject::read(&Object::read(&entry)?, application))
            .flatten()
    })
}

/// The codes that may be the PIN: those that do not serve to unblock another one.
pub(crate) fn pins(all: &[PinObject]) -> impl Iterator<Item = &PinObject> {
    all.iter()
        .filter(|pin| !pin.unblocks && !all.iter().any(|other| other.names(pin)))
}

/// The PUK: the code that the PIN names as the one that unblocks it, else one that is marked so.
pub(crate) fn puk<'a>(all: &'a [PinObject], pin: Option<&PinObject>) -> Option<&'a PinObject> {
    all.iter()
        .find(|other| pin.is_some_and(|pin| pin.names(other)))
        .or_else(|| all.iter().find(|other| other.unblocks))
}

/// One code of the AODF.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PinObject {
    pub(crate) rules: PinRules,
    /// Whether it only serves to unblock others (`unblockingPin` or `soPin`).
    pub(crate) unblocks: bool,
    /// Whether its type is one that can be encoded.
    pub(crate) supported: bool,
}

impl PinObject {
    /// Whether `other` unblocks this code.
    fn names(&self, other: &Self) -> bool {
        let named = self.rules.unblocked_by.as_ref() == Some(&other.rules.auth_id);
        named && self.rules.auth_id != other.rules.auth_id
    }

    fn read(object: &Object<'_>, application: &[u8]) -> Option<Self> {
        let auth_id = object
            .class
            .find(OCTET_STRING)
            .ok()
            .flatten()?
            .value
            .to_vec();
        let attributes = object
            .kind_value()
            .filter(|value| value.tag.0 == SEQUENCE)?;
        let (mut flags, mut kind, mut lengths) = (0, None, Vec::new());
        let (mut reference, mut pad, mut holder) = (0, None, None);
        for field in attributes.children().flatten() {
            match field.tag.0 {
                BIT_STRING => flags = bits(field.value),
                ENUMERATED => kind = integer(field.value),
                INTEGER => lengths.push(integer(field.value)? as usize),
                0x80 => reference = u8::try_from(integer(field.value)?).ok()?,
                OCTET_STRING => pad = field.value.first().copied(),
                SEQUENCE => holder = Location::read(&field, application),
                _ => {}
            }
        }
        let (&min, &stored) = (lengths.first()?, lengths.get(1)?);
        let encoding = match kind? {
            0 => Some(PinEncoding::Bcd),
            1 => Some(PinEncoding::AsciiNumeric),
            2 => Some(PinEncoding::Utf8),
            _ => None,
        };
        let padded = flags & NEEDS_PADDING != 0;
        let capacity = match encoding {
            Some(PinEncoding::Bcd) => stored.saturating_mul(2),
            _ => stored,
        };
        let declared = lengths.get(2).copied().unwrap_or(capacity);
        let max = if padded {
            declared.min(capacity)
        } else {
            declared
        };
        if max == 0 || max < min || max > MAX_LENGTH || stored > MAX_LENGTH {
            return None;
        }
        Some(Self {
            rules: PinRules {
                label: object.common.label.clone(),
                min,
                max,
                digits_only: encoding != Some(PinEncoding::Utf8),
                encoding: encoding.unwrap_or(PinEncoding::AsciiNumeric),
                padding: padded.then(|| (pad.unwrap_or(0xFF), stored)),
                reference,
                holder: holder.map_or_else(|| Hex::from(MF), |holder| holder.path),
                auth_id,
                unblocked_by: object.common.auth_id.clone(),
            },
            unblocks: flags & (UNBLOCKING | SECURITY_OFFICER) != 0,
            supported: encoding.is_some(),
        })
    }
}

const NEEDS_PADDING: u32 = 1 << 5;
const UNBLOCKING: u32 = 1 << 6;
const SECURITY_OFFICER: u32 = 1 << 7;
/// No code is longer: a short command holds two of them.
const MAX_LENGTH: usize = 64;
