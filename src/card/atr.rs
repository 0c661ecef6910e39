//! The ATRs of the known cards, and how an unknown French health card is told by its ATR
//! (ISO 7816-3 §8.2).
//!
//! Whole values only, no masks: a mask would send an unknown card to a driver that was never tried
//! on it. A new version of a card is one more line.

use crate::kind::Kind;

/// The kind of card with this ATR.
pub(crate) fn kind(atr: &[u8]) -> Option<Kind> {
    KNOWN
        .iter()
        .find(|(known, _)| *known == atr)
        .map(|(_, kind)| *kind)
}

/// Whether the historical bytes are those of a health card of France: category `00`, country
/// code `12 25 00` (250), then pre-issuing data beginning with `80`.
pub(crate) fn is_french_health_card(atr: &[u8]) -> bool {
    historical_bytes(atr).is_some_and(|bytes| bytes.starts_with(FRENCH_HEALTH))
}

fn historical_bytes(atr: &[u8]) -> Option<&[u8]> {
    let (&format, mut rest) = atr.get(1..)?.split_first()?;
    let mut present = format;
    // Each TD byte announces the next group; four groups are more than any card has.
    for _ in 0..4 {
        let count = (present >> 4).count_ones() as usize;
        let group = rest.get(..count)?;
        rest = &rest[count..];
        if present & 0x80 == 0 {
            return rest.get(..usize::from(format & 0x0F));
        }
        present = *group.last()?;
    }
    None
}

const KNOWN: &[(&[u8], Kind)] = &[
    (
        &[
            0x3B, 0xAC, 0x00, 0x40, 0x2A, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x00, 0x03, 0x10,
            0x00, 0x90, 0x00,
        ],
        Kind::Cps3,
    ),
    (
        &[
            0x3B, 0x8F, 0x80, 0x01, 0x00, 0x31, 0xB8, 0x64, 0x04, 0xB0, 0xEC, 0xC1, 0x73, 0x94,
            0x01, 0x80, 0x82, 0x90, 0x00, 0x0E,
        ],
        Kind::Cps3Contactless,
    ),
    (
        &[
            0x3B, 0x9B, 0x18, 0x80, 0x01, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x04, 0x01, 0x00,
            0x00, 0x90, 0x44,
        ],
        Kind::Cps4,
    ),
    // Release candidate.
    (
        &[
            0x3B, 0x9B, 0x18, 0x80, 0x01, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x00, 0x04, 0x01,
            0x00, 0x90, 0x44,
        ],
        Kind::Cps4,
    ),
    // Release candidate, T=0 only.
    (
        &[
            0x3B, 0xDC, 0x18, 0xFF, 0x00, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x00, 0x04, 0x01,
            0x00, 0x90, 0x00,
        ],
        Kind::Cps4,
    ),
];

const FRENCH_HEALTH: &[u8] = &[0x00, 0x12, 0x25, 0x00, 0x64, 0x80];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn knows_exact_values_only() {
        for (atr, expected) in KNOWN {
            assert_eq!(kind(atr), Some(*expected));
            let mut other = atr.to_vec();
            other[13] ^= 1;
            assert_eq!(kind(&other), None);
        }
    }

    #[test]
    fn tells_french_health_cards_by_their_historical_bytes() {
        let contact = KNOWN
            .iter()
            .filter(|(_, kind)| *kind != Kind::Cps3Contactless);
        for (atr, _) in contact {
            assert!(is_french_health_card(atr), "{atr:02X?}");
        }
        // The same bytes elsewhere than in the historical bytes do not count.
        let moved = [0x3B, 0x00, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80];
        assert!(!is_french_health_card(&moved));
        assert!(!is_french_health_card(&[0x3B]));
    }

    proptest! {
        #[test]
        fn never_panics(atr in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = is_french_health_card(&atr);
            let _ = kind(&atr);
        }
    }
}
