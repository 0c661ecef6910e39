//! The daemon against real peers: pcscd with a virtual reader, OpenSC, OpenSSL and nginx.
//!
//! # Layout
//!
//! - [`Sandbox`]: the private folder and environment of one test; everything else lives in one.
//! - [`Peer`]: a foreign program, started and stopped by its process number.
//! - [`Pcscd`], [`Nginx`], [`opensc`], [`openssl`], [`SoftHsm`]: the peers.
//! - [`Publisher`]: the revocation lists; [`Authority`]: one that is no health authority.
//! - [`Pinentry`]: the person at the keyboard, as a script.
//! - [`Cpsd`]: the daemon's own binary, and the `cps` command talking to it.
//! - [`until`]: readiness is polled, never slept.
//! - [`Browser`]: [`Firefox`] and [`Chromium`], driven like a person would; [`Thunderbird`] on a
//!   screen of its own ([`Xvfb`]) reads the mail of [`Dovecot`].
//! - [`Dnsmasq`]: a name server.
//! - [`mail`]: operators as a practice meets them, and mail clients.
//! - [`artefact`]: what a test keeps for a person to look at.
//! - [`Practice`]: all of them together, with [`InsertedCard`] in the reader; [`Embedded`]: the same
//!   with the daemon in this process and the emulator's reader in place of pcscd.
//! - `e2e/`: the tests. They need the namespace that `tests/ns-run` makes: run them with `make e2e`.
//!
//! A missing peer is a failure that names the package to install, never a skipped test.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "this crate is test code: a failed step ends the test"
)]

mod artefact;
mod authority;
mod browser;
mod chromium;
mod cpsd;
mod dnsmasq;
mod dovecot;
mod embedded;
mod firefox;
mod inserted;
pub mod mail;
mod marionette;
mod nginx;
mod nss;
pub mod opensc;
pub mod openssl;
mod pcscd;
mod peer;
mod pinentry;
mod practice;
mod publisher;
mod sandbox;
#[path = "../src/daemon/readers/slots.rs"]
mod slots;
mod softhsm;
mod thunderbird;
mod wait;
mod xvfb;

pub use self::artefact::artefact;
pub use self::authority::Authority;
pub use self::browser::Browser;
pub use self::chromium::Chromium;
pub use self::cpsd::{Cpsd, Settings, binary, module};
pub use self::dnsmasq::Dnsmasq;
pub use self::dovecot::Dovecot;
pub use self::embedded::{Embedded, virtual_readers};
pub use self::firefox::Firefox;
pub use self::inserted::InsertedCard;
pub use self::nginx::{Nginx, Site, TlsVersions};
pub use self::pcscd::Pcscd;
pub use self::peer::Peer;
pub use self::pinentry::{Answer, Pinentry};
pub use self::practice::Practice;
pub use self::publisher::Publisher;
pub use self::sandbox::Sandbox;
pub use self::softhsm::SoftHsm;
pub use self::thunderbird::Thunderbird;
pub use self::wait::{until, until_within};
pub use self::xvfb::Xvfb;
