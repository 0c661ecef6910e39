//! What the mail journal hears of a session (domain page "mssante", section 8).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::Address;

/// A message that was sent, or that was to be sent. Never its content; of the recipients only how
/// many and their domains, because a patient's address is the national identifier.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The sender; `None` is the null sender.
    pub sender: Option<Address>,
    /// How many recipients the operator accepted.
    pub accepted: usize,
    /// How many were refused, by the operator or by the rules.
    pub refused: usize,
    /// The recipients' domains, the first of them where there are many.
    pub domains: Vec<String>,
    /// The last answer about the message, the operator's or ours, without addresses.
    pub answer: String,
    /// Whether the operator accepted the message.
    pub sent: bool,
}

impl Note {
    /// The request: what was asked of the operator, in one line.
    pub fn request(&self) -> String {
        let sender = self.sender.as_ref().map(ToString::to_string);
        let mut line = format!(
            "MAIL FROM:<{}> RCPT {}",
            sender.unwrap_or_default(),
            self.accepted
        );
        if self.refused > 0 {
            // Writing to a String cannot fail.
            let _ = write!(line, " ({} refused)", self.refused);
        }
        if !self.domains.is_empty() {
            let _ = write!(line, " {}", self.domains.join(" "));
        }
        line
    }
}

/// A message from `MAIL` to its end.
pub(super) struct Transaction {
    sender: Option<Address>,
    pub(super) accepted: usize,
    refused: usize,
    domains: BTreeSet<String>,
    refusal: Option<String>,
}

impl Transaction {
    pub(super) fn new(sender: Option<Address>) -> Self {
        Self {
            sender,
            accepted: 0,
            refused: 0,
            domains: BTreeSet::new(),
            refusal: None,
        }
    }

    pub(super) fn recipient(&mut self, domain: &str) {
        if self.domains.len() < MOST_DOMAINS {
            self.domains.insert(domain.to_owned());
        }
    }

    pub(super) fn refused(&mut self, answer: &str) {
        self.refused += 1;
        self.refusal = Some(answer.to_owned());
    }

    pub(super) fn end(self, answer: &str, sent: bool) -> Note {
        Note {
            sender: self.sender,
            accepted: self.accepted,
            refused: self.refused,
            domains: self.domains.into_iter().collect(),
            answer: without_addresses(answer),
            sent,
        }
    }

    pub(super) fn end_if_refused(mut self) -> Option<Note> {
        let refusal = self.refusal.take()?;
        Some(self.end(&refusal, false))
    }
}

/// An answer in one bounded line, without local parts and without what may be an identifier.
fn without_addresses(answer: &str) -> String {
    let mut shown = String::new();
    for letter in answer.trim_end().chars() {
        match letter {
            '@' => {
                let local = |letter: char| !letter.is_whitespace() && !"<\"(:,;=".contains(letter);
                shown.truncate(shown.trim_end_matches(local).len());
                shown.push_str("...@");
            }
            _ if letter.is_control() => shown.push(' '),
            _ => shown.push(letter),
        }
    }
    shown
        .split_inclusive(|letter: char| !letter.is_ascii_digit())
        .map(|run| {
            let digits = run.bytes().take_while(u8::is_ascii_digit).count();
            match run.get(digits..) {
                Some(rest) if digits >= IDENTIFIER => format!("...{rest}"),
                _ => run.to_owned(),
            }
        })
        .collect::<String>()
        .chars()
        .take(LONGEST_ANSWER)
        .collect()
}

const MOST_DOMAINS: usize = 32;
const LONGEST_ANSWER: usize = 300;
/// The digits of an INS without its key.
const IDENTIFIER: usize = 13;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_do_not_get_into_the_journal() {
        for (answer, noted) in [
            ("250 2.0.0 Ok: queued as 4Xy", "250 2.0.0 Ok: queued as 4Xy"),
            (
                "554 5.7.1 <279015935012345@patient.mssante.fr>: Access denied\r\n",
                "554 5.7.1 <...@patient.mssante.fr>: Access denied",
            ),
            (
                "550 to=279015935012345@patient.mssante.fr, 1@b.fr unknown",
                "550 to=...@patient.mssante.fr, ...@b.fr unknown",
            ),
            ("550 a@b@c", "550 ...@c"),
            ("550 no 279015935012345", "550 no ..."),
            ("550 <2790159350123> no", "550 <...> no"),
        ] {
            assert_eq!(without_addresses(answer), noted);
        }
    }
}
