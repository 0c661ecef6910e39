//! A virtual card in the reader of the real pcscd.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cps_emulator::{Counters, Exchange, FaultPlan, VirtualCard, VpcdCard};

use crate::{Pcscd, Sandbox, until};

/// Dropping it pulls the card out.
pub struct InsertedCard {
    card: Arc<Mutex<VirtualCard>>,
    vpcd: VpcdCard,
}

impl InsertedCard {
    /// Puts a card into a slot (0 or 1). Programs notice within half a second.
    ///
    /// # Panics
    ///
    /// When pcscd does not take it.
    pub fn new(pcscd: &Pcscd, slot: u16, mut card: VirtualCard) -> Self {
        card.reset_counters();
        let card = Arc::new(Mutex::new(card));
        let address = format!("127.0.0.1:{}", pcscd.port(slot));
        let vpcd = VpcdCard::insert(Arc::clone(&card), &address).unwrap();
        Self { card, vpcd }
    }

    /// Pulls the card out, and hands it over with everything it remembers.
    ///
    /// # Panics
    ///
    /// Never: the reader's thread has ended when the card is out.
    pub fn remove(self) -> VirtualCard {
        drop(self.vpcd);
        let card = Arc::into_inner(self.card).unwrap();
        card.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until pcscd has powered the card, for programs that do not wait themselves.
    ///
    /// # Panics
    ///
    /// When it does not within ten seconds.
    pub fn seen_by_pcscd(&self, sandbox: &Sandbox, pcscd: &Pcscd) {
        until("pcscd to see the card", || {
            let mut command = sandbox.command("opensc-tool");
            pcscd.open_to(&mut command);
            let output = command.args(["--reader", "0", "--atr"]).output().unwrap();
            output.status.success().then_some(())
        });
    }

    /// Totals since the insertion or since [`InsertedCard::reset_counters`].
    pub fn counters(&self) -> Counters {
        self.lock().counters()
    }

    /// Starts counting again.
    pub fn reset_counters(&self) {
        self.lock().reset_counters();
    }

    /// Exchanges, oldest first, PINs removed.
    pub fn log(&self) -> Vec<Exchange> {
        self.lock().log().to_vec()
    }

    /// Arms a fault.
    pub fn arm(&self, plan: FaultPlan) {
        self.lock().arm(plan);
    }

    fn lock(&self) -> MutexGuard<'_, VirtualCard> {
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
