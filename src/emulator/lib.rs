//! Virtual CPS cards with fault injection, in process and behind a real `pcscd`, and the PKI that
//! certifies their holders. A test instrument: nothing here runs in the daemon.
//!
//! # Layout
//! - `holder`, `profile`: whose card, and of which family.
//! - `pki`: certificates, revocation lists and server identities, issued when asked for.
//! - `layout`: where a card keeps what, as JSON; also reads a report taken from a real card.
//! - `card`: the card itself, a state machine over command APDUs.
//! - `fault`, `counters`: what goes wrong and when; what the card was asked.
//! - `slot`: a reader in process. `vpcd`: a reader of `pcscd`.
//!
//! ```
//! use std::time::SystemTime;
//! use cps_emulator::{Fault, FaultPlan, Holder, Pki, Profile, Slot, VirtualCard};
//!
//! let pki = Pki::new(SystemTime::now());
//! let slot = Slot::new("Reader 00");
//! slot.insert(VirtualCard::new(&pki, Holder::CpsMedecin, Profile::Cps3));
//! assert_eq!(slot.transmit(&[0x00, 0xB0, 0x9C, 0x00, 0x0C]).unwrap().len(), 14);
//!
//! slot.arm(FaultPlan::at(1, Fault::Remove));
//! assert!(slot.transmit(&[0x00, 0xB0, 0x9C, 0x00, 0x0C]).is_err());
//! assert_eq!(slot.atr(), None);
//! ```
#![forbid(unsafe_code)]

mod asn1;
mod card;
mod counters;
mod fault;
mod holder;
mod layout;
mod pki;
mod profile;
mod rsa;
mod slot;
mod vpcd;

pub use card::{Outcome, Timing, UpdateState, VirtualCard};
pub use counters::{Counters, Exchange};
pub use fault::{Fault, FaultPlan};
pub use holder::{Activity, Holder};
pub use layout::{
    Algorithm, Application, CertificateFile, DataFile, Directory, DirectoryKind, Habits, Key,
    Layout, LayoutError, Mechanism, PinObject, ShortRead,
};
pub use pki::{
    Authority, CrlVariant, Domain, Gamme, Pki, ServerFlaw, ServerIdentity, SoftwareIdentity,
    certificate_pem,
};
pub use profile::Profile;
pub use slot::{Slot, SlotConnection};
pub use vpcd::{VpcdCard, serve_vpcd};
