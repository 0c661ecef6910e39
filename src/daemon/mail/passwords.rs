//! Application passwords: made here, shown once, kept as a salted hash.
//!
//! They are 100 random bits, so one round of SHA-256 is enough: what slows down the search for a
//! word that a person chose adds nothing where there is nothing to guess.

use std::io;

use jiff::Timestamp;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::hex::hex;

/// What is kept of an application password.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AppPassword {
    /// Its name, to revoke it: 8 hexadecimal digits, random.
    pub id: String,
    /// The mail program it was made for, in the words of whoever asked.
    pub client: String,
    /// When it was made.
    pub created: Timestamp,
    /// When a program last logged in with it; on disk, an hour behind at most.
    pub last_used: Option<Timestamp>,
    #[serde(deserialize_with = "from_hex", serialize_with = "to_hex")]
    salt: [u8; 16],
    #[serde(deserialize_with = "from_hex", serialize_with = "to_hex")]
    hash: [u8; 32],
}

impl AppPassword {
    /// A new one, for this mail program; and what the person types there.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random(client: &str) -> io::Result<(Self, Zeroizing<String>)> {
        let mut bytes = Zeroizing::new([0_u8; GROUPS * GROUP]);
        fill(bytes.as_mut())?;
        let mut secret = Zeroizing::new(String::with_capacity(GROUPS * (GROUP + 1)));
        for (index, byte) in bytes.iter().enumerate() {
            if index > 0 && index % GROUP == 0 {
                secret.push('-');
            }
            // 32 letters: the low five bits of a random byte are evenly spread.
            secret.push(char::from(LETTERS[usize::from(byte % 32)]));
        }
        let (mut id, mut salt) = ([0; 4], [0; 16]);
        fill(&mut id)?;
        fill(&mut salt)?;
        let password = Self {
            id: hex(&id),
            client: client.to_owned(),
            created: Timestamp::now(),
            last_used: None,
            salt,
            hash: hash(salt, &secret),
        };
        Ok((password, secret))
    }

    /// Whether this is what the person typed. The hyphens are there to read it by; whether they are
    /// typed makes no difference, nor does the case of letters. Takes as long whatever was typed.
    pub fn is(&self, typed: &str) -> bool {
        let typed = hash(self.salt, typed);
        let differences = self
            .hash
            .iter()
            .zip(typed)
            .map(|(ours, theirs)| ours ^ theirs);
        // Hidden from the optimiser, which would stop at the first difference.
        std::hint::black_box(differences.fold(0, |all, one| std::hint::black_box(all | one))) == 0
    }
}

/// Salted SHA-256 of the letters.
fn hash(salt: [u8; 16], secret: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    for byte in secret.bytes().filter(|byte| !matches!(byte, b'-' | b' ')) {
        hasher.update([byte.to_ascii_lowercase()]);
    }
    hasher.finalize().into()
}

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    // Short reads happen above 256 bytes only (random(7)).
    match getrandom(&mut *bytes, GetRandomFlags::empty())? == bytes.len() {
        true => Ok(()),
        false => Err(io::Error::other("too few random bytes")),
    }
}

fn to_hex<S: Serializer, const N: usize>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex(bytes))
}

fn from_hex<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(from)?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| serde::de::Error::custom("not the expected number of hexadecimal digits"))
}

/// Without those taken for another one: l and 1, o and 0.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Letters in a group.
const GROUP: usize = 5;
const GROUPS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_twenty_letters_of_which_none_is_taken_for_another() {
        let (_, secret) = AppPassword::random("Thunderbird").expect("random");
        let groups: Vec<&str> = secret.split('-').collect();
        assert_eq!(groups.len(), 4);
        assert!(groups.iter().all(|group| group.len() == 5), "{groups:?}");
        assert!(!secret.contains(['0', 'o', '1', 'l', 'O', 'I']));
        let (_, other) = AppPassword::random("Thunderbird").expect("random");
        assert_ne!(secret, other);
        let letters: std::collections::BTreeSet<u8> = LETTERS.iter().copied().collect();
        assert_eq!(letters.len(), 32, "five bits a letter");
    }

    #[test]
    fn what_was_shown_is_right_and_nothing_else() {
        let (password, secret) = AppPassword::random("x").expect("random");
        assert!(password.is(&secret));
        assert!(password.is(&secret.replace('-', "")));
        assert!(password.is(&secret.replace('-', " ").to_uppercase()));
        assert!(!password.is(""));
        assert!(!password.is(&secret[..secret.len() - 1]));
        let last = if secret.ends_with('a') { "b" } else { "a" };
        assert!(!password.is(&format!("{}{last}", &secret[..secret.len() - 1])));
    }

    #[test]
    fn what_is_kept_is_the_salted_hash_and_not_the_password() {
        let (password, secret) = AppPassword::random("x").expect("random");
        let kept = serde_json::to_value(&password).expect("json");
        let plain = secret.replace('-', "");
        assert!(!kept.to_string().contains(&plain));
        // As any other SHA-256 computes it.
        let mut salted = password.salt.to_vec();
        salted.extend(plain.as_bytes());
        let digest = ring::digest::digest(&ring::digest::SHA256, &salted);
        assert_eq!(kept["hash"], hex(digest.as_ref()));
        assert_eq!(
            serde_json::from_value::<AppPassword>(kept).expect("read back"),
            password
        );
    }

    #[test]
    fn the_same_password_has_another_hash_elsewhere() {
        assert_ne!(hash([1; 16], "abc"), hash([2; 16], "abc"));
    }
}
