//! Virtual CPS cards with fault injection, in process and behind `vpcd`, and the PKI that
//! certifies their holders.
#![forbid(unsafe_code)]

mod asn1;
mod card;
mod counters;
mod fault;
mod holder;
mod pki;
mod profile;
mod rsa;

pub use card::{Outcome, VirtualCard};
pub use counters::{Counters, Exchange};
pub use fault::{Fault, FaultPlan};
pub use holder::{Activity, Holder};
pub use pki::{
    Authority, CrlVariant, Domain, Gamme, Pki, ServerFlaw, ServerIdentity, SoftwareIdentity,
};
pub use profile::Profile;
