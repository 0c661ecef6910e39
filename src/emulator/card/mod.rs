//! The virtual card: a state machine that answers command APDUs.
//!
//! - `build`: files and keys of a layout and a holder (`objects`, `pkcs15`, `files`).
//! - `transport`: framing rules of T=0 and T=1, GET RESPONSE, chaining.
//! - `commands`: selection, reading, writing, PIN commands.
//! - `ias` and `chipdoc`: cryptography of the CPS3 and of the CPS4.
//! - `volet`: the older CPS2ter files of a CPS3, behind CLA `A0`.

mod build;
mod chipdoc;
mod commands;
mod files;
mod ias;
mod objects;
mod pins;
mod pkcs15;
mod session;
mod transport;
mod volet;

use std::time::Duration;

use cps_card::apdu::Redacted;
use cps_card::{KeyUse, Protocol};

use crate::layout::Layout;
use crate::rsa::PrivateKey;
use crate::{Counters, Exchange, Fault, FaultPlan, Holder, Pki, Profile};
use files::{Files, Path};
use pins::Code;
use session::Session;

/// What comes back from the card, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Bytes answered after this time.
    Answer(Vec<u8>, Duration),
    /// Nothing will come until the card is powered again or removed.
    Mute,
    /// The card left the reader; the command was not executed.
    Removed,
    /// Another program reset the card; the command was not executed.
    Reset,
}

/// How long things take. All zero unless told otherwise.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timing {
    /// Each byte in either direction; about 1.1 ms on a real CPS3.
    pub per_byte: Duration,
    /// Each private-key operation; 0.5 to 1.5 s on a real CPS3.
    pub per_key_operation: Duration,
}

/// Content of EF_ACTUA, which tells of on-line updates of the card.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UpdateState {
    /// The card was updated: start and end, `YYYYMMDDhhmmss`.
    Done {
        /// When the update began.
        start: String,
        /// When it ended.
        end: String,
    },
    /// The file exists and is empty: an update was interrupted.
    Empty,
    /// No such file: the card was never updated.
    Never,
    /// An update began, at `YYYYMMDDhhmmss`, and did not end.
    Unfinished {
        /// When it began.
        start: String,
    },
}

/// One virtual card. PIN tries and written data survive resets, like on a real card.
pub struct VirtualCard {
    layout: Layout,
    holder: Holder,
    atr: Vec<u8>,
    files: Files,
    /// Files of the CPS2ter volet, by path; only on a CPS3.
    volet: Vec<(Path, Vec<u8>)>,
    keys: Vec<(KeyUse, PrivateKey)>,
    pin: Option<Code>,
    puk: Option<Code>,
    session: Session,
    timing: Timing,
    mute: bool,
    plans: Vec<(FaultPlan, u32)>,
    counters: Counters,
    log: Vec<Exchange>,
}

/// Exchanges kept in the log; older ones are dropped.
const LOG_LIMIT: usize = 10_000;

impl VirtualCard {
    /// A card of this profile in its default layout.
    pub fn new(pki: &Pki, holder: Holder, profile: Profile) -> Self {
        Self::with_layout(pki, holder, Layout::of(profile))
    }

    /// A card laid out in a given way.
    pub fn with_layout(pki: &Pki, holder: Holder, layout: Layout) -> Self {
        let built = build::build(pki, holder, &layout);
        Self {
            atr: layout.atr.to_vec(),
            holder,
            files: built.files,
            volet: built.volet,
            keys: built.keys,
            pin: layout.pin.clone().map(|rules| Code::new(rules, None)),
            puk: layout
                .puk
                .clone()
                .map(|rules| Code::new(rules, Some(PUK_USES))),
            layout,
            session: Session::default(),
            timing: Timing::default(),
            mute: false,
            plans: Vec::new(),
            counters: Counters::default(),
            log: Vec::new(),
        }
    }

    /// Whose card it is.
    pub fn holder(&self) -> Holder {
        self.holder
    }

    /// How it is laid out.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Answer to reset.
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// Protocol whose rules it enforces.
    pub fn protocol(&self) -> Protocol {
        self.layout.protocol
    }

    /// Powers the card on: position, PIN state, security environments and pending data are gone.
    pub fn power_on(&mut self) {
        self.clear();
        self.counters.resets += 1;
    }

    /// Powers the card off; same effect on its memory.
    pub fn power_off(&mut self) {
        self.clear();
    }

    /// Resets the card; same effect on its memory.
    pub fn reset(&mut self) {
        self.clear();
        self.counters.resets += 1;
    }

    fn clear(&mut self) {
        self.session = Session::default();
        self.mute = false;
        for code in [&mut self.pin, &mut self.puk].into_iter().flatten() {
            code.verified = false;
        }
    }

    /// One exchange.
    pub fn command(&mut self, command: &[u8]) -> Outcome {
        if self.mute {
            return Outcome::Mute;
        }
        self.counters.apdus += 1;
        self.counters.bytes_in += command.len() as u64;
        let operations = self.counters.key_operations;
        let fault = self.next_fault();
        let mut delay = Duration::ZERO;
        let answer = match fault {
            Some(Fault::Remove) => return self.swallowed(command, Outcome::Removed),
            Some(Fault::Reset) => {
                self.reset();
                return self.swallowed(command, Outcome::Reset);
            }
            Some(Fault::Mute) => {
                self.mute = true;
                return self.swallowed(command, Outcome::Mute);
            }
            Some(Fault::Garbage) => garbage(self.counters.apdus),
            Some(Fault::Status(word)) => word.to_be_bytes().to_vec(),
            Some(Fault::Delay(time)) => {
                delay = time;
                self.execute(command)
            }
            Some(Fault::Short) => {
                let mut answer = self.execute(command);
                answer.truncate((answer.len() / 2).max(1));
                answer
            }
            Some(Fault::Long) => {
                let mut answer = self.execute(command);
                let excess = std::iter::repeat_n(0xA5, EXCESS);
                answer.splice(0..0, excess);
                answer
            }
            None => self.execute(command),
        };
        self.counters.bytes_out += answer.len() as u64;
        let bytes = u32::try_from(command.len() + answer.len()).unwrap_or(u32::MAX);
        delay += self.timing.per_byte * bytes;
        delay += self.timing.per_key_operation * (self.counters.key_operations - operations) as u32;
        let status = answer.last_chunk().map(|word| u16::from_be_bytes(*word));
        self.record(command, answer.len().saturating_sub(2), status);
        Outcome::Answer(answer, delay)
    }

    fn swallowed(&mut self, command: &[u8], outcome: Outcome) -> Outcome {
        self.record(command, 0, None);
        outcome
    }

    fn record(&mut self, command: &[u8], data: usize, status: Option<u16>) {
        if self.log.len() == LOG_LIMIT {
            self.log.remove(0);
        }
        self.log.push(Exchange {
            command: Redacted(command).to_string(),
            data,
            status,
        });
    }

    /// Arms a fault; counting starts at the next command. Several may be armed.
    pub fn arm(&mut self, plan: FaultPlan) {
        self.plans.push((plan, 0));
    }

    /// Forgets all armed faults and speaks again if one made the card mute.
    pub fn disarm(&mut self) {
        self.plans.clear();
        self.mute = false;
    }

    fn next_fault(&mut self) -> Option<Fault> {
        let mut fault = None;
        for (plan, seen) in &mut self.plans {
            *seen += 1;
            if fault.is_none() && plan.strikes(*seen) {
                fault = Some(plan.fault);
            }
        }
        fault
    }

    /// Sets how long things take.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// Plays another ATR.
    pub fn set_atr(&mut self, atr: &[u8]) {
        self.atr = atr.to_vec();
    }

    /// Sets the remaining tries of the PIN (0 = blocked). Nothing happens on a card without PIN.
    pub fn set_pin_tries(&mut self, left: u8) {
        self.pin
            .iter_mut()
            .for_each(|pin| pin.left = left.min(pin.rules.tries));
    }

    /// Sets the remaining tries of the PUK.
    pub fn set_puk_tries(&mut self, left: u8) {
        self.puk
            .iter_mut()
            .for_each(|puk| puk.left = left.min(puk.rules.tries));
    }

    /// Remaining tries of the PIN; `None` on a card without PIN.
    pub fn pin_tries(&self) -> Option<u8> {
        self.pin.as_ref().map(|pin| pin.left)
    }

    /// Remaining tries of the PUK; `None` on a card without PUK.
    pub fn puk_tries(&self) -> Option<u8> {
        self.puk.as_ref().map(|puk| puk.left)
    }

    /// Whether the PIN was given since the last reset.
    pub fn pin_verified(&self) -> bool {
        self.pin.as_ref().is_some_and(|pin| pin.verified)
    }

    /// The PIN that this card was made with.
    pub fn pin_value(&self) -> Option<&str> {
        self.layout.pin.as_ref().map(|pin| &pin.value[..])
    }

    /// The PUK that this card was made with.
    pub fn puk_value(&self) -> Option<&str> {
        self.layout.puk.as_ref().map(|puk| &puk.value[..])
    }

    /// Sets the content of EF_ACTUA. Cards other than a contact CPS3 ignore it.
    pub fn set_update_state(&mut self, state: &UpdateState) {
        build::write_update_state(&mut self.files, state);
    }

    /// Puts another certificate (DER) in the place of one of the holder's. The key stays: this is
    /// how a card whose certificate does not fit its key is made.
    pub fn set_certificate(&mut self, key_use: KeyUse, der: &[u8]) {
        let places = self
            .layout
            .certificates
            .iter()
            .filter(|place| place.key_use == key_use);
        for place in places {
            if let Some(path) = files::parse_path(&place.path)
                && let Some(content) = self.files.content_mut(&path)
            {
                *content = der.to_vec();
            }
        }
    }

    /// Content of the file at a path from the MF, for example `[0x0001, 0xE001]`.
    pub fn file(&self, path: &[u16]) -> Option<&[u8]> {
        match &self.files.get(self.files.find(path)?).node {
            files::Node::File { content, .. } => Some(content),
            files::Node::Directory { .. } => None,
        }
    }

    /// Replaces the content of the file at a path from the MF; `false` when there is none.
    pub fn set_file(&mut self, path: &[u16], bytes: &[u8]) -> bool {
        self.files
            .content_mut(path)
            .map(|content| *content = bytes.to_vec())
            .is_some()
    }

    /// Totals.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Sets the totals to zero and empties the log.
    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
        self.log.clear();
    }

    /// The last exchanges, oldest first.
    pub fn log(&self) -> &[Exchange] {
        &self.log
    }
}

/// Successful uses of a new PUK.
const PUK_USES: u16 = 100;

/// Bytes too many in a [`Fault::Long`] answer: more than any command may return.
const EXCESS: usize = 600;

/// Pseudo-random bytes that depend on the position only.
fn garbage(position: u64) -> Vec<u8> {
    use sha2::{Digest, Sha256};

    let block = Sha256::digest(position.to_be_bytes());
    let length = usize::from(block[0] % 31) + 1;
    block[1..=length].to_vec()
}

#[cfg(test)]
mod tests;
