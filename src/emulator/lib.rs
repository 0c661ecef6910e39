//! Virtual CPS cards with fault injection, in process and behind `vpcd`, and the PKI that
//! certifies their holders.
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
