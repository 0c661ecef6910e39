//! What a virtual card was asked to do.

use std::time::Duration;

use serde::Serialize;

/// Totals since the card was made or since [`crate::VirtualCard::reset_counters`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counters {
    /// Exchanges, GET RESPONSE included.
    pub apdus: u64,
    /// Bytes sent to the card.
    pub bytes_in: u64,
    /// Bytes answered by the card, status words included.
    pub bytes_out: u64,
    /// Time this process spent being the card: what a benchmark takes off.
    pub computing: Duration,
    /// Private-key operations done, deciphering included.
    pub key_operations: u64,
    /// Power-on events and resets.
    pub resets: u64,
    /// VERIFY commands that carried a PIN or PUK.
    pub verify: u64,
}

impl Counters {
    /// Bytes in both directions.
    pub fn bytes(&self) -> u64 {
        self.bytes_in + self.bytes_out
    }
}

/// One exchange, with PIN and PUK bytes removed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchange {
    /// Command in hexadecimal; the data of VERIFY, CHANGE and RESET RETRY is shown as its length.
    pub command: String,
    /// Length of the answer's data.
    pub data: usize,
    /// Status word, absent when a fault swallowed it.
    pub status: Option<u16>,
}

impl std::fmt::Display for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(f, "{} -> {} bytes, {status:04X}", self.command, self.data),
            None => write!(f, "{} -> nothing", self.command),
        }
    }
}
