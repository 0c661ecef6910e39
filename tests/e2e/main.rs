//! End-to-end tests, one module for each peer or promise.

mod exposure;
mod harness;
mod journal;
mod kinds;
mod openapi;
mod opensc;
mod packaging;
mod pin;
mod readers;
mod sign;
mod tls;
