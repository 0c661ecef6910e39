//! PIN and PUK: values, tries, verification state.

use crate::layout::PinObject;

/// A code cannot be used: the status word to answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Status(pub(super) u16);

/// One code of a card.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) rules: PinObject,
    value: Vec<u8>,
    pub(super) left: u8,
    /// Successful uses left; only the PUK counts them.
    pub(super) uses: Option<u16>,
    pub(super) verified: bool,
}

impl Code {
    pub(super) fn new(rules: PinObject, uses: Option<u16>) -> Self {
        let value = rules.value.clone().into_bytes();
        let left = rules.tries;
        Self {
            rules,
            value,
            left,
            uses,
            verified: false,
        }
    }

    /// Compares; a difference costs a try, success restores them.
    pub(super) fn verify(&mut self, presented: &[u8]) -> Result<(), Status> {
        if self.left == 0 {
            self.verified = false;
            return Err(Status(0x6983));
        }
        let Some(digits) = self.digits(presented) else {
            return Err(Status(0x6700));
        };
        if digits != self.value {
            self.verified = false;
            self.left -= 1;
            return Err(Status(0x63C0 | u16::from(self.left.min(15))));
        }
        if let Some(uses) = &mut self.uses {
            *uses = uses.checked_sub(1).ok_or(Status(0x6984))?;
        }
        self.left = self.rules.tries;
        self.verified = true;
        Ok(())
    }

    /// Answer to a question about tries.
    pub(super) fn state(&self) -> Status {
        match (self.left, self.verified) {
            (0, _) => Status(0x6983),
            (_, true) => Status(0x9000),
            (left, false) => Status(0x63C0 | u16::from(left.min(15))),
        }
    }

    /// Stores a new value without touching the tries.
    pub(super) fn replace(&mut self, presented: &[u8]) -> Result<(), Status> {
        self.value = self.digits(presented).ok_or(Status(0x6A80))?.to_vec();
        Ok(())
    }

    pub(super) fn unblock(&mut self) {
        self.left = self.rules.tries;
        self.verified = false;
    }

    /// Length of the field in which the current value is presented.
    pub(super) fn field(&self) -> usize {
        if self.rules.padding.is_some() {
            self.rules.stored.into()
        } else {
            self.value.len()
        }
    }

    /// The digits of a presented field; `None` when its length or padding is impossible.
    fn digits<'a>(&self, presented: &'a [u8]) -> Option<&'a [u8]> {
        let digits = match &self.rules.padding {
            None => presented,
            Some(padding) => {
                if presented.len() != usize::from(self.rules.stored) {
                    return None;
                }
                let filler = padding[0];
                let length = presented
                    .iter()
                    .rposition(|&byte| byte != filler)
                    .map_or(0, |last| last + 1);
                &presented[..length]
            }
        };
        let allowed = usize::from(self.rules.min)..=usize::from(self.rules.max);
        allowed.contains(&digits.len()).then_some(digits)
    }
}
