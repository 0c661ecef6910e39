//! The drivers against whole virtual cards: every kind, in its default layout and in one where
//! identifiers, references and PIN rules differ.

// A test fails by panicking; the helpers outside test functions do too.
#![allow(clippy::unwrap_used)]

mod budgets;
mod faults;
mod keys;
mod objects;
mod pins;
mod report;

use std::time::SystemTime;

use cps_card::{Card, Error, KeyEntry, KeyUse, Pin, PinRole, Transmit, TransmitError, tlv};
use cps_emulator::{Holder, Layout, Outcome, Pki, VirtualCard};

/// A virtual card in a reader of its own.
struct Reader {
    card: VirtualCard,
    removed: bool,
}

impl Reader {
    fn new(layout: Layout, holder: Holder) -> Self {
        let mut card = VirtualCard::with_layout(&Pki::new(SystemTime::now()), holder, layout);
        card.power_on();
        card.reset_counters();
        Self {
            card,
            removed: false,
        }
    }

    /// Puts the card back, powered on anew, without faults.
    fn insert_again(&mut self) {
        self.card.disarm();
        self.card.power_on();
        self.removed = false;
    }

    fn open(&mut self) -> Result<Card, Error> {
        let (atr, protocol) = (self.card.atr().to_vec(), self.card.protocol());
        Card::open(&atr, protocol, self)
    }

    fn pin(&self) -> Pin {
        self.card.pin_value().unwrap().into()
    }

    fn puk(&self) -> Pin {
        self.card.puk_value().unwrap().into()
    }

    /// APDUs and bytes of `action` alone.
    fn cost<T>(&mut self, action: impl FnOnce(&mut Self) -> T) -> (T, u64, u64) {
        self.card.reset_counters();
        let result = action(self);
        let counters = self.card.counters();
        (result, counters.apdus, counters.bytes())
    }
}

impl Transmit for Reader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        if self.removed {
            return Err(TransmitError::Removed);
        }
        match self.card.command(command) {
            Outcome::Answer(answer, _) => Ok(answer),
            Outcome::Mute => Err(TransmitError::TimedOut),
            Outcome::Removed => {
                self.removed = true;
                Err(TransmitError::Removed)
            }
            Outcome::Reset => Err(TransmitError::Reset),
        }
    }
}

/// Cards with a PIN: the default layouts and the variants.
fn contact_layouts() -> Vec<Layout> {
    vec![
        Layout::cps3(),
        Layout::cps3_variant(),
        Layout::cps4(),
        Layout::cps4_variant(),
    ]
}

fn logged_in(layout: Layout, holder: Holder) -> (Reader, Card) {
    let mut reader = Reader::new(layout, holder);
    let mut card = reader.open().unwrap();
    let pin = reader.pin();
    card.verify(&mut reader, PinRole::Pin, &pin).unwrap();
    (reader, card)
}

fn key(card: &mut Card, reader: &mut Reader, key_use: KeyUse) -> KeyEntry {
    let keys = card.keys(reader).unwrap();
    keys.into_iter().find(|key| key.key_use == key_use).unwrap()
}

/// RSAPublicKey (PKCS#1) out of a certificate.
fn public_key(certificate: &[u8]) -> Vec<u8> {
    let mut tbs = tlv::Reader::new(certificate)
        .next()
        .unwrap()
        .unwrap()
        .children();
    let tbs = tbs.next().unwrap().unwrap();
    let spki = tbs.children().nth(6).unwrap().unwrap();
    spki.find(0x03).unwrap().unwrap().value[1..].to_vec()
}

/// The certificates of the card with their DER.
fn certificates(card: &mut Card, reader: &mut Reader) -> Vec<Vec<u8>> {
    let entries = card.certificates(reader).unwrap();
    entries
        .iter()
        .map(|entry| card.read_certificate(reader, entry).unwrap())
        .collect()
}
