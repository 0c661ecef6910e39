//! The PKCS#11 face of the daemon: a thin shell over its socket.
//!
//! Browsers and mail programs load this library into their own process. So it does as little as it
//! can there: no thread, no log, no dialog, no key and no PIN; whatever needs any of those is asked of
//! the daemon, with a bound on the time. What each function does is in `docs/pkcs11.md`, which is
//! checked against [`functions::TABLE`].
//!
//! # Layout
//! - [`functions`], `interfaces`: the table of all C functions, and how a host finds them.
//! - `entry`, `pointers`, `rv`: the border with C.
//! - `module`: the state of the process, `C_Initialize` to `C_Finalize`, and forks.
//! - `daemon`, `stream`: everything asked of the daemon, and what happens when it is not there.
//! - `tokens`, with `slots` and `sessions`: where the daemon's cards meet what programs hold.
//! - `events`: slot events: `C_WaitForSlotEvent`.
//! - `objects`, with `attributes`, `certificate` and `search`: what a token shows.
//! - `mechanisms`, `operations`, with `schemes` and `crypto`: what its keys do.

mod attributes;
mod certificate;
mod crypto;
mod daemon;
mod entry;
mod events;
pub mod functions;
mod interfaces;
mod mechanisms;
mod module;
mod objects;
mod operations;
mod pointers;
mod rv;
mod schemes;
mod search;
mod sessions;
mod slots;
mod stream;
mod tokens;

#[cfg(test)]
mod testing;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, whatever happened to those who held it before: see [`entry::answer`].
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
