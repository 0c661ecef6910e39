//! After a dialog that was cancelled or left unanswered, mail clients cause no other one: they try
//! again by themselves, and the person has just said no.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::grants::Use;

/// Whom a refusal keeps quiet: the programs of a card's holder, or one use of the card.
type Whom = (String, Option<Use>);

/// The pauses in force.
#[derive(Debug, Default)]
pub(super) struct Quiet(HashMap<Whom, Pause>);

#[derive(Debug)]
struct Pause {
    refusals: u32,
    until: Instant,
}

impl Quiet {
    /// The person has refused: to unlock the card at all, or this use of it. The pause is longer
    /// each time.
    pub(super) fn begin(&mut self, holder: &str, refused: Option<&Use>, now: Instant) {
        let whom = (holder.to_owned(), refused.cloned());
        let refusals = self.0.get(&whom).map_or(0, |pause| pause.refusals);
        let length = FIRST.saturating_mul(1 << refusals.min(16)).min(LONGEST);
        self.0.insert(
            whom,
            Pause {
                refusals: refusals + 1,
                until: now + length,
            },
        );
    }

    /// Whether this use must not ask now.
    pub(super) fn holds(&self, holder: &str, wanted: &Use, now: Instant) -> bool {
        let any = (holder.to_owned(), None);
        let this = (holder.to_owned(), Some(wanted.clone()));
        let held = |whom: &Whom| self.0.get(whom).is_some_and(|pause| now < pause.until);
        held(&any) || held(&this)
    }

    /// Whether anybody must not ask now.
    pub(super) fn is_any(&self, now: Instant) -> bool {
        self.0.values().any(|pause| now < pause.until)
    }

    /// The person turned to the card: a dialog is welcome again.
    pub(super) fn end(&mut self) {
        self.0.clear();
    }
}

/// Clients look for mail every ten minutes or less.
const FIRST: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Caller;
    use crate::purpose::Purpose;

    fn uses() -> [Use; 2] {
        let caller = Caller::of_pid(std::process::id()).expect("this process");
        ["imap.one.example", "imap.two.example"].map(|operator| {
            let operator = operator.to_owned();
            Use::of(&caller, &Purpose::Mail { operator })
        })
    }

    #[test]
    fn pauses_grow_until_the_person_turns_to_the_card() {
        let (mut quiet, [wanted, _], start) = (Quiet::default(), uses(), Instant::now());
        let mut now = start;
        let mut lengths = Vec::new();
        for _ in 0..6 {
            quiet.begin("899", None, now);
            let began = now;
            while quiet.holds("899", &wanted, now) {
                now += Duration::from_secs(60);
            }
            lengths.push((now - began).as_secs() / 60);
        }
        assert_eq!(lengths, [10, 20, 40, 80, 120, 120]);
        quiet.begin("899", None, now);
        quiet.end();
        assert!(!quiet.holds("899", &wanted, now));
        quiet.begin("899", None, now);
        let later = now + Duration::from_secs(11 * 60);
        assert!(!quiet.holds("899", &wanted, later), "it began anew");
    }

    #[test]
    fn a_refused_use_keeps_others_and_other_cards_free() {
        let (mut quiet, [refused, other], now) = (Quiet::default(), uses(), Instant::now());
        quiet.begin("899", Some(&refused), now);
        assert!(quiet.holds("899", &refused, now));
        assert!(!quiet.holds("899", &other, now));
        assert!(!quiet.holds("810", &refused, now));
        quiet.begin("810", None, now);
        assert!(quiet.holds("810", &other, now), "the card itself");
    }
}
