//! The PKCS#11 face of the daemon: a thin shell over its socket.
#![allow(dead_code, reason = "the C entry points follow")]

mod attributes;
mod certificate;
mod mechanisms;
mod objects;
mod operations;
mod rv;
mod schemes;

#[cfg(test)]
mod testing;
