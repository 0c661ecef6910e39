//! The daemon: it owns the card and lends the identity, one purpose at a time.
#![deny(unsafe_code)]

// Test support that the end-to-end tests include as well names this crate.
#[cfg(test)]
extern crate self as cpsd;

pub mod announce;
pub mod app;
pub mod broker;
pub mod cache;
pub mod caller;
pub mod cards;
pub mod config;
pub mod daemon;
pub mod desktop;
pub mod dictionary;
pub mod doctor;
mod files;
pub mod grants;
pub mod hardening;
mod hex;
pub mod journal;
pub mod login;
pub mod mail;
pub mod modules;
pub mod native;
pub mod notify;
pub mod objects;
pub mod prompt;
pub mod purpose;
pub mod queue;
pub mod readers;
pub mod server;
pub mod surface;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod token;
pub mod trust;
