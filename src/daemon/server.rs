//! The local socket: opening it, accepting, limits, the end.

pub mod socket;
