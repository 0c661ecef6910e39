//! Passphrases that a person reads out to another.

use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

use std::io;

/// A new passphrase of 100 random bits: five groups of four letters and digits, joined by hyphens
/// that belong to it.
///
/// # Errors
/// When the kernel gives no random bytes.
pub(crate) fn generate() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; GROUPS * GROUP]);
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    let mut passphrase = Zeroizing::new(String::with_capacity(GROUPS * (GROUP + 1)));
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            passphrase.push('-');
        }
        passphrase.push(SYMBOLS[usize::from(byte % 32)] as char);
    }
    Ok(passphrase)
}

/// Five bits each. No `0` nor `o`, no `1` nor `l`; lower case, so that nobody has to say which case.
const SYMBOLS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const GROUPS: usize = 5;
const GROUP: usize = 4;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_passphrase_has_a_hundred_bits_and_nothing_that_looks_like_another() {
        let passphrase = generate().unwrap();
        let groups: Vec<&str> = passphrase.split('-').collect();
        assert_eq!(groups.len(), 5, "{}", *passphrase);
        assert!(groups.iter().all(|group| group.len() == 4));
        let mut seen = HashSet::new();
        for _ in 0..200 {
            seen.extend(generate().unwrap().chars().filter(|c| *c != '-'));
        }
        // 4000 draws among 32: each is missed with a probability of e^-127.
        assert_eq!(seen.len(), 32);
        assert!(
            seen.iter()
                .all(|c| !"01lo".contains(*c) && !c.is_uppercase())
        );
        assert_ne!(generate().unwrap(), generate().unwrap());
    }
}
