//! End-to-end tests, one module for each peer or promise.

mod harness;
mod packaging;
