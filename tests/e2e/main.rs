//! End-to-end tests, one module for each peer or promise.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are test code: a failed step ends the test"
)]

mod activation;
mod browsers;
mod carriers;
mod demo;
mod documents;
mod exposure;
mod faults;
mod harness;
mod holders;
mod hostile;
mod hostile_modules;
mod journal;
mod kinds;
mod layouts;
mod mail;
mod mail_config;
mod mail_economy;
mod mail_hostile;
mod mail_operators;
mod mail_protect;
mod mail_resolve;
mod mail_sessions;
mod mail_thunderbird;
mod mail_thunderbird_operators;
mod mail_trial;
mod mail_troubles;
mod modules;
mod openapi;
mod opensc;
mod packaging;
mod pin;
mod pkcs11;
mod programs;
mod readers;
mod setup;
mod sign;
mod terminal;
mod thunderbird;
mod tls;
mod trust;
