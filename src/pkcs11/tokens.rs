//! Where the daemon's cards meet what programs hold: slots, and the sessions with their tokens.

use crate::daemon::View;
use crate::sessions::Sessions;
use crate::slots::{Change, Slots};

/// All slots and sessions.
#[derive(Default)]
pub(crate) struct Tokens {
    pub(crate) sessions: Sessions,
    pub(crate) slots: Slots,
    /// The last view followed.
    number: u64,
    epoch: u64,
}

impl Tokens {
    /// Makes the slots what the daemon says, and ends the sessions of tokens that went. Whether
    /// anything changed that `C_WaitForSlotEvent` tells.
    pub(crate) fn follow(&mut self, view: &View) -> bool {
        // Another thread may have brought a newer view in the meantime.
        if view.number <= self.number {
            return false;
        }
        let same_daemon = view.epoch == self.epoch;
        (self.number, self.epoch) = (view.number, view.epoch);
        let Some(objects) = &view.objects else {
            return false;
        };
        let changes = self.slots.show(objects, same_daemon);
        for change in &changes {
            if let Change::Ended(slot) = change {
                self.sessions.end(*slot);
            }
        }
        !changes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use cps_api::types::{KeyScheme, ModuleLogin, ModuleSettings, Objects, ProgramPin};

    use super::*;
    use crate::testing::token;

    /// Two threads may look one after the other, and follow what they saw in the other order.
    #[test]
    fn an_older_view_changes_nothing() {
        let view = |number, tokens| View {
            number,
            epoch: 1,
            objects: Some(Objects {
                complete: true,
                module: ModuleSettings {
                    login: ModuleLogin::None,
                    program_pin: ProgramPin::Refuse,
                    wait_seconds: 60,
                },
                tokens,
            }),
        };
        let mut tokens = Tokens::default();
        assert!(tokens.follow(&view(2, vec![token(&[KeyScheme::Pkcs1Sha256])])));
        assert!(!tokens.follow(&view(1, Vec::new())));
        assert!(tokens.slots.token(0).is_ok());
        assert!(tokens.follow(&view(3, Vec::new())));
        assert!(tokens.slots.token(0).is_err());
    }
}
