//! The library as a host program meets it: loaded, called through C, with a daemon that behaves as
//! well or as badly as each test wants.
#![allow(missing_docs, reason = "a test program")]

mod fake;
mod host;

mod calls;
mod daemons;
mod events;
mod library;
mod processes;
mod sessions;
