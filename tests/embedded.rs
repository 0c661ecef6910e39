//! The whole daemon in this process, with a virtual card as its reader.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use cps_api::Client;
use cps_api::types::CardPhase;
use cps_emulator::{Counters, Pki, Slot, VirtualCard};
use cpsd::config::Config;
use cpsd::daemon::{Daemon, DaemonOptions};
use cpsd::readers::simulated::SimulatedReaders;
use tokio::runtime::Runtime;

use crate::slots::SlotReader;
use crate::{Pinentry, Publisher, Sandbox, Settings, binary, openssl, until};

/// A practice without pcscd: works without any privilege or namespace.
pub struct Embedded {
    daemon: Option<Daemon>,
    runtime: Runtime,
    /// The to insert, remove and disturb.
    pub slot: Slot,
    /// The person at the keyboard.
    pub pinentry: Pinentry,
    /// Where the revocation lists are fetched.
    pub publisher: Publisher,
    /// The authorities that issued every certificate.
    pub pki: Pki,
    /// Roots and intermediates (PEM), trusted by the daemon.
    pub anchors: PathBuf,
    /// The private folder.
    pub sandbox: Sandbox,
}

impl Embedded {
    /// An empty reader and no destination.
    #[allow(clippy::new_without_default, reason = "it starts a daemon")]
    pub fn new() -> Self {
        Self::with_destinations(&[])
    }

    /// A daemon that may prove an identity to `localhost` on these ports.
    pub fn with_destinations(ports: &[u16]) -> Self {
        Self::prepared(|_, _| Settings {
            destinations: ports
                .iter()
                .map(|port| ("localhost".to_owned(), *port))
                .collect(),
            ..Settings::default()
        })
    }

    /// A daemon that is configured after something was put into the sandbox; its anchors are added.
    pub fn prepared(prepare: impl FnOnce(&Sandbox, &Pki) -> Settings) -> Self {
        let sandbox = Sandbox::new();
        let (publisher, pki) = Publisher::start();
        let mut settings = prepare(&sandbox, &pki);
        let authorities = [pki.anchors_der(), pki.intermediates_der()].concat();
        let anchors = openssl::pem(&sandbox, "anchors.pem", &authorities);
        settings.anchors.push(anchors.clone());
        let pinentry = Pinentry::new(&sandbox);
        let config = Config::parse(&settings.toml(&pinentry), "cpsd.toml").unwrap();
        let slot = Slot::new("Virtual reader");
        let runtime = Runtime::new().unwrap();
        let options = DaemonOptions {
            // The machine's screen lock is none of a test's business.
            desktop: false,
            socket: Some(sandbox.join("run/cpsd/cpsd.sock")),
            source: Some(Box::new(virtual_readers(&slot).source())),
            ..DaemonOptions::new(config, sandbox.join("state"))
        };
        let daemon = runtime.block_on(Daemon::start(options)).unwrap();
        Self {
            daemon: Some(daemon),
            runtime,
            slot,
            pinentry,
            publisher,
            pki,
            anchors,
            sandbox,
        }
    }

    /// Inserts a card and waits until the daemon can use it.
    pub fn insert(&self, card: VirtualCard) {
        self.slot.insert(card);
        let client = self.client();
        until("a card ready", || {
            let cards = client.cards().unwrap().cards;
            cards
                .iter()
                .any(|card| card.state == CardPhase::Ready)
                .then_some(())
        });
    }

    /// Removes the card and waits until the daemon knows.
    pub fn remove(&self) -> VirtualCard {
        let card = self.slot.remove().unwrap();
        let client = self.client();
        until("the card gone", || {
            client.cards().unwrap().cards.is_empty().then_some(())
        });
        card
    }

    /// Totals of the card in the reader.
    pub fn counters(&self) -> Counters {
        self.slot.counters().unwrap()
    }

    /// Starts counting again.
    pub fn reset_counters(&self) {
        self.slot.with_card(VirtualCard::reset_counters).unwrap();
    }

    /// A client of the daemon's API.
    pub fn client(&self) -> Client {
        Client::new(self.sandbox.join("run/cpsd/cpsd.sock"))
    }

    /// A `cps` command that talks to this daemon.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(binary("cps"));
        command
            .arg("--socket")
            .arg(self.sandbox.join("run/cpsd/cpsd.sock"))
            .args(arguments);
        command
    }

    /// Runs `cps` to its end.
    pub fn cps(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            self.runtime.block_on(daemon.stop());
        }
    }
}

/// A reader service with this reader.
pub fn virtual_readers(slot: &Slot) -> SimulatedReaders {
    let readers = SimulatedReaders::default();
    readers.plug(slot.name(), Arc::new(SlotReader::new(slot.clone())));
    readers
}
