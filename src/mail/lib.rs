//! The mail protocols of the MSSanté gateway, without sockets: bytes in, bytes and decisions out.
//!
//! # Layout
//!
//! - [`Trouble`]: everything that can go wrong, and the one place that words it for IMAP and SMTP.
//! - [`Dialogue`]: a conversation with an operator, driven by whoever holds the connection.
#![forbid(unsafe_code)]

mod dialogue;
mod trouble;

pub use self::dialogue::{Dialogue, Refused, Step};
pub use self::trouble::{Language, Protocol, Trouble};
