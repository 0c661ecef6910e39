//! The daemon against real peers: pcscd with a virtual reader, OpenSC, OpenSSL and nginx.
//!
//! # Layout
//!
//! - [`Sandbox`]: the private folder and environment of one test; everything else lives in one.
//! - [`Peer`]: a foreign program, started and stopped by its process number.
//! - [`Pcscd`], [`Nginx`], [`openssl`]: the peers.
//! - [`Pinentry`]: the person at the keyboard, as a script.
//! - [`Cpsd`]: the daemon's own binary, and the `cps` command talking to it.
//! - [`until`]: readiness is polled, never slept.
//! - `e2e/`: the tests. They need the namespace that `tests/ns-run` makes: run them with `make e2e`.
//!
//! A missing peer is a failure that names the package to install, never a skipped test.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "this crate is test code: a failed step ends the test"
)]

mod cpsd;
mod nginx;
pub mod openssl;
mod pcscd;
mod peer;
mod pinentry;
mod sandbox;
mod wait;

pub use self::cpsd::{Cpsd, Settings, binary};
pub use self::nginx::{Nginx, Site, TlsVersions};
pub use self::pcscd::Pcscd;
pub use self::peer::Peer;
pub use self::pinentry::{Answer, Pinentry};
pub use self::sandbox::Sandbox;
pub use self::wait::{until, until_within};
