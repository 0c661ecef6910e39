//! Mail addresses as they stand in SMTP commands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A mailbox's address: `local@domain`, the subset of RFC 5321 §4.1.2 in which MSSanté addresses
/// are written. No quoted local part, no address literal, no display name. The domain is in lower
/// case; the local part is as it was written.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`NotAnAddress`].
    pub fn parse(text: &str) -> Result<Self, NotAnAddress> {
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnAddress)?;
        if !is_local(local) || !is_domain(domain) {
            return Err(NotAnAddress);
        }
        Ok(Self {
            local: local.to_owned(),
            domain: domain.to_ascii_lowercase(),
        })
    }

    /// What stands before the `@`. Of a patient it is the national identifier (INS).
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What stands behind the `@`, in lower case.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether both are the same mailbox: operators do not tell local parts apart by their case.
    pub fn is_same_mailbox(&self, other: &Self) -> bool {
        self.domain == other.domain && self.local.eq_ignore_ascii_case(&other.local)
    }

    /// Whether the domain is one of these, or under one of these.
    pub fn is_under<D: AsRef<str>>(&self, domains: &[D]) -> bool {
        domains
            .iter()
            .any(|domain| is_within(&self.domain, domain.as_ref()))
    }

    /// Whether it is a patient's mailbox, in Mon espace santé (domain page "mssante", section 6).
    pub fn is_patient(&self) -> bool {
        self.domain == PATIENTS
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.local, self.domain)
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

/// A text that is no address of the form `local@domain`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a mail address")]
pub struct NotAnAddress;

/// RFC 5321 `Dot-string`, with the letters that RFC 6531 adds; at most 64 octets (§4.5.3.1.1).
fn is_local(text: &str) -> bool {
    text.len() <= 64
        && text.split('.').all(|atom| {
            !atom.is_empty()
                && atom.chars().all(|letter| {
                    letter.is_ascii_alphanumeric()
                        || "!#$%&'*+-/=?^_`{|}~".contains(letter)
                        || (!letter.is_ascii() && letter.is_alphanumeric())
                })
        })
}

/// RFC 5321 `Domain`: letters, digits and inner hyphens; at most 255 octets, 63 a label (RFC 1035).
fn is_domain(text: &str) -> bool {
    text.len() <= 255
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

fn is_within(domain: &str, parent: &str) -> bool {
    let before = domain
        .len()
        .checked_sub(parent.len())
        .and_then(|length| domain.split_at_checked(length));
    !parent.is_empty()
        && before.is_some_and(|(before, end)| {
            end.eq_ignore_ascii_case(parent) && (before.is_empty() || before.ends_with('.'))
        })
}

/// The one domain of all patients.
const PATIENTS: &str = "patient.mssante.fr";

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect(text)
    }

    #[test]
    fn a_domain_has_no_case_and_a_local_part_keeps_its_own() {
        let written = address("Jean.Dupont@Medecin.MSSante.FR");
        assert_eq!(written.to_string(), "Jean.Dupont@medecin.mssante.fr");
        let usual = address("jean.dupont@medecin.mssante.fr");
        assert!(written.is_same_mailbox(&usual));
        assert_ne!(written, usual);
        assert!(!written.is_same_mailbox(&address("jean.dupond@medecin.mssante.fr")));
        assert!(!written.is_same_mailbox(&address("jean.dupont@infirmier.mssante.fr")));
    }

    #[test]
    fn a_space_holds_its_domains_and_those_under_them() {
        let space = ["mssante.fr", "Hopital.example"];
        for inside in [
            "a@mssante.fr",
            "a@ch-xyz.mssante.fr",
            "a@x.y.mssante.fr",
            "a@HOPITAL.example",
        ] {
            assert!(address(inside).is_under(&space), "{inside}");
        }
        for outside in [
            "a@fakemssante.fr",
            "a@mssante.fr.example",
            "a@fr",
            "mssante.fr@gmail.com",
        ] {
            assert!(!address(outside).is_under(&space), "{outside}");
        }
        assert!(!address("a@mssante.fr").is_under(&[""]));
    }

    #[test]
    fn patients_have_one_domain() {
        assert!(address("279015935012345@patient.mssante.fr").is_patient());
        assert!(address("279015935012345@PATIENT.mssante.fr").is_patient());
        assert!(!address("a@x.patient.mssante.fr").is_patient());
        assert!(!address("patient@medecin.mssante.fr").is_patient());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@mssante.fr", "a".repeat(65));
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "a",
            "a@b@c.fr",
            ".a@b.fr",
            "a.@b.fr",
            "a..b@c.fr",
            "a b@c.fr",
            "\"a b\"@c.fr",
            "a@[127.0.0.1]",
            "a@b_c.fr",
            "a@-b.fr",
            "a@b-.fr",
            "a@b..fr",
            "a@b.fr.",
            "a@b.fr\r\n",
            "a\0@b.fr",
            "Jean <a@b.fr>",
            "<a@b.fr>",
            "a,b@c.fr",
            "a@b\u{e9}.fr",
            "@relais.fr:a@b.fr",
            &long,
        ] {
            assert_eq!(Address::parse(text), Err(NotAnAddress), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_a_string_in_a_document() {
        let text = "\"jean.dupont@medecin.mssante.fr\"";
        let read: Address = serde_json::from_str(text).expect("an address");
        assert_eq!(serde_json::to_string(&read).expect("json"), text);
        assert!(serde_json::from_str::<Address>("\"nobody\"").is_err());
    }
}
