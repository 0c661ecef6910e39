//! A practice in a box: reader service, person, daemon, certification authorities.

use std::path::PathBuf;

use cps_emulator::{Holder, Pki, Profile, VirtualCard};

use crate::{Cpsd, InsertedCard, Pcscd, Pinentry, Publisher, Sandbox, Settings, openssl, until};

/// Everything one end-to-end test needs. The fields end in the order in which they stand here.
pub struct Practice {
    /// The daemon.
    pub cpsd: Cpsd,
    /// The reader service, with two slots.
    pub pcscd: Pcscd,
    /// The person at the keyboard.
    pub pinentry: Pinentry,
    /// Where the revocation lists are fetched.
    pub publisher: Publisher,
    /// The authorities that issued every certificate of the test.
    pub pki: Pki,
    /// Roots and intermediates (PEM), trusted by the daemon.
    pub anchors: PathBuf,
    /// The private folder.
    pub sandbox: Sandbox,
}

impl Practice {
    /// A practice with empty readers and no destination.
    #[allow(clippy::new_without_default, reason = "it starts programs")]
    pub fn new() -> Self {
        Self::with_destinations(&[])
    }

    /// A practice whose daemon may prove an identity to `localhost` on these ports.
    pub fn with_destinations(ports: &[u16]) -> Self {
        let destinations = ports
            .iter()
            .map(|port| ("localhost".to_owned(), *port))
            .collect();
        Self::with_settings(Settings {
            destinations,
            ..Settings::default()
        })
    }

    /// A practice whose daemon is configured so; its anchors are added.
    pub fn with_settings(settings: Settings) -> Self {
        Self::prepared(|_, _| settings)
    }

    /// A practice whose daemon is configured after something was put into the sandbox; its anchors
    /// are added.
    pub fn prepared(prepare: impl FnOnce(&Sandbox, &Pki) -> Settings) -> Self {
        let sandbox = Sandbox::new();
        let (publisher, pki) = Publisher::start();
        let mut settings = prepare(&sandbox, &pki);
        let authorities = [pki.anchors_der(), pki.intermediates_der()].concat();
        let anchors = openssl::pem(&sandbox, "anchors.pem", &authorities);
        settings.anchors.push(anchors.clone());
        let pinentry = Pinentry::new(&sandbox);
        let pcscd = Pcscd::start(&sandbox);
        let cpsd = Cpsd::start(&sandbox, &pcscd, &pinentry, &settings);
        Self {
            cpsd,
            pcscd,
            pinentry,
            publisher,
            pki,
            anchors,
            sandbox,
        }
    }

    /// A new card of this family.
    pub fn card(&self, holder: Holder, profile: Profile) -> VirtualCard {
        VirtualCard::new(&self.pki, holder, profile)
    }

    /// Puts a card into a slot (0 or 1) and waits until the daemon can use it.
    pub fn insert(&self, slot: u16, card: VirtualCard) -> InsertedCard {
        let inserted = InsertedCard::new(&self.pcscd, slot, card);
        self.cpsd.card_ready(&Pcscd::reader_name(slot));
        inserted
    }

    /// Takes the card out and puts it back into slot 0; its counters start again.
    pub fn away_and_back(&self, card: InsertedCard) -> InsertedCard {
        let card = card.remove();
        let client = self.cpsd.client();
        until("the card gone", || {
            client.cards().unwrap().cards.is_empty().then_some(())
        });
        self.insert(0, card)
    }

    /// Runs `cps`, which must succeed; its standard output.
    pub fn cps(&self, arguments: &[&str]) -> Vec<u8> {
        self.cpsd.cps_ok(&self.sandbox, arguments)
    }

    /// Runs a reading verb of `cps` with `--json`.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        self.cpsd.json(&self.sandbox, arguments)
    }

    /// Runs `cps`, which must be refused; its standard error.
    pub fn refused(&self, arguments: &[&str]) -> String {
        self.cpsd.cps_refused(&self.sandbox, arguments)
    }
}
