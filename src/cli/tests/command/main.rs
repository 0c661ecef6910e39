//! The built command against a daemon that answers what it is told to.

// A test that cannot go on panics; the helpers are tests too.
#![allow(clippy::unwrap_used)]

mod doctor;
mod mail;
mod protect;
mod setup;
mod sign;
mod support;
mod tunnel;
mod verbs;
