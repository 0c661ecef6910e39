//! Whether the files of an earlier insertion are still those of the card.

use cps_card::{Kind, Transmit, TransmitError};

use super::{Native, NativeToken};
use crate::token::TokenError;

/// What comparing the cached files with the card gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Comparison {
    /// The card has other files now.
    Different,
    /// It was broken off, because somebody waits for the card.
    GaveWay,
    /// The card has the files that were cached.
    Same,
}

impl Native {
    /// Whether files of an earlier insertion are relied upon that no update date vouches for: a
    /// CPS3 in a contact reader keeps one in EF_ACTUA, the others do not.
    pub fn relies_on_cache(&self) -> bool {
        self.from_cache && self.card.kind() != Kind::Cps3
    }
}

impl NativeToken<'_> {
    /// Compares the files of an earlier insertion with the card, as long as nobody is `wanted`
    /// elsewhere. When they differ, nothing of what is known of the card is to be used.
    ///
    /// # Errors
    /// The card does not answer.
    pub fn check_files(&mut self, wanted: &dyn Fn() -> bool) -> Result<Comparison, TokenError> {
        let mut gave_way = false;
        let result = self.attempt(false, |card, wire| {
            gave_way = false;
            card.check_files(&mut Polite {
                gave_way: &mut gave_way,
                wanted,
                wire,
            })
        });
        match result {
            Err(_) if gave_way => {
                // The last command was never sent.
                self.native.forget_position();
                Ok(Comparison::GaveWay)
            }
            Ok(true) => Ok(Comparison::Same),
            Ok(false) => Ok(Comparison::Different),
            Err(error) => Err(error),
        }
    }
}

/// Sends commands until somebody else wants the card.
struct Polite<'a> {
    gave_way: &'a mut bool,
    wanted: &'a dyn Fn() -> bool,
    wire: &'a mut dyn Transmit,
}

impl Transmit for Polite<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        if (self.wanted)() {
            *self.gave_way = true;
            return Err(TransmitError::TimedOut);
        }
        self.wire.transmit(command)
    }
}
