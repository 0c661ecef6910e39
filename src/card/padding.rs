//! PKCS#1 v1.5 paddings, for the card that leaves them to the host (RFC 8017 §7.2 and §9.2).

use zeroize::Zeroizing;

use crate::error::Error;

/// `00 01 FF … FF 00 <DigestInfo>`, as long as the modulus.
///
/// # Errors
/// [`Error::Unsupported`] when the modulus is too short for it.
pub(crate) fn sign(digest_info: &[u8], modulus_len: usize) -> Result<Vec<u8>, Error> {
    let filler = modulus_len
        .checked_sub(digest_info.len() + 3)
        .filter(|filler| *filler >= MIN_FILLER)
        .ok_or(Error::Unsupported {
            what: "a digest of this length with this key",
        })?;
    let mut block = vec![0x00, 0x01];
    block.resize(2 + filler, 0xFF);
    block.push(0x00);
    block.extend_from_slice(digest_info);
    Ok(block)
}

/// The message out of `00 02 <filler without zeros> 00 <message>`; `None` for anything else.
///
/// A card may leave the leading zero out. The time taken does not depend on the content, except
/// for the length of a valid message, which the caller learns anyway.
pub(crate) fn strip(block: &[u8], modulus_len: usize) -> Option<Zeroizing<Vec<u8>>> {
    if block.len() > modulus_len || block.len() + 1 < modulus_len || modulus_len < MIN_FILLER + 3 {
        return None;
    }
    let mut full = Zeroizing::new(vec![0; modulus_len - block.len()]);
    full.extend_from_slice(block);
    let mut bad = full[0] | (full[1] ^ 0x02);
    let mut separator = 0_usize;
    let mut found = 0_u8;
    for (index, byte) in full.iter().enumerate().skip(2) {
        let zero = is_zero(*byte);
        let first = zero & !found;
        // `first` is FF exactly once, at the separator.
        separator |= index & usize::from(first).wrapping_mul(usize::MAX / 0xFF);
        found |= zero;
    }
    bad |= !found;
    let too_short = separator < MIN_FILLER + 2;
    bad |= u8::from(too_short);
    (core::hint::black_box(bad) == 0).then(|| Zeroizing::new(full[separator + 1..].to_vec()))
}

/// `FF` when the byte is zero, else `00`, without a branch.
fn is_zero(byte: u8) -> u8 {
    let wide = u16::from(byte);
    // 0 - 1 borrows into the high byte only when the byte is zero.
    (wide.wrapping_sub(1) >> 8) as u8
}

const MIN_FILLER: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pads_a_digest_info() {
        let block = sign(&[0xAA; 51], 256).unwrap();
        assert_eq!(block.len(), 256);
        assert_eq!(block[..3], [0x00, 0x01, 0xFF]);
        assert_eq!(block[203..206], [0xFF, 0x00, 0xAA]);
        assert!(sign(&[0xAA; 51], 61).is_err());
        assert!(sign(&[0xAA; 51], 62).is_ok());
    }

    #[test]
    fn refuses_what_is_not_a_padded_message() {
        let mut block = vec![0x00, 0x02];
        block.extend([0x55; 8]);
        block.push(0x00);
        block.extend(*b"secret");
        let strip_all = |block: &[u8]| strip(block, 17).map(|message| message.to_vec());
        assert_eq!(strip_all(&block).as_deref(), Some(&b"secret"[..]));
        assert_eq!(strip_all(&block[1..]).as_deref(), Some(&b"secret"[..]));
        for (index, value) in [(0, 1), (1, 1), (9, 0)] {
            let mut broken = block.clone();
            broken[index] = value;
            assert_eq!(strip_all(&broken), None, "byte {index}");
        }
        let mut endless = block;
        endless[10] = 0x55;
        assert_eq!(strip_all(&endless), None);
    }

    proptest! {
        #[test]
        fn strips_what_was_padded(
            message in proptest::collection::vec(any::<u8>(), 0..=117),
            filler in 1_u8..,
        ) {
            let mut block = vec![0x00, 0x02];
            block.resize(127 - message.len(), filler);
            block.push(0x00);
            block.extend_from_slice(&message);
            prop_assert_eq!(strip(&block, 128).map(|m| m.to_vec()), Some(message));
        }

        #[test]
        fn never_panics(block in proptest::collection::vec(any::<u8>(), 0..300), len in 0_usize..300) {
            let _ = strip(&block, len);
        }
    }
}
