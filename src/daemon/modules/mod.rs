//! PKCS#11 modules of others. Each runs in a process of its own, in a sandbox: whatever it does, it
//! costs one operation.
//!
//! # Layout
//! - [`Host`]: the daemon's hand on that process.
//! - [`process`]: that process.
//! - [`protocol`]: what the two say to each other.
//! - [`Module`], [`Driver`]: a module as the card service sees it; [`ModuleToken`]: one of its tokens.

mod driver;
mod host;
pub mod process;
pub mod protocol;
mod token;

pub use self::driver::{Driver, Module};
pub use self::host::{Host, HostError, ModuleProcess};
pub use self::token::ModuleToken;
