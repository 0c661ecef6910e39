//! The daemon: it owns the card and lends the identity, one purpose at a time.
#![deny(unsafe_code)]

pub mod caller;
pub mod config;
pub mod grants;
pub mod prompt;
pub mod purpose;
