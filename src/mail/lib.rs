//! The mail protocols of the MSSanté gateway, without sockets: bytes in, bytes and decisions out.
//!
//! # Layout
//!
//! - [`Trouble`]: everything that can go wrong, and the one place that words it for IMAP and SMTP.
//! - [`sasl`]: who logs in: what clients send, what operators are sent.
//! - [`Reaction`]: what a protocol's front, which clients meet until they are logged in, asks for.
//! - [`Address`]: a mailbox's address, as it stands in commands.
//! - [`Dialogue`]: a conversation with an operator, driven by whoever holds the connection.
//! - [`imap`]: IMAP on both sides, and the observer of a session that is passed through.
//! - [`smtp`]: message submission on both sides, and the relay of a session.
#![forbid(unsafe_code)]

pub mod imap;
pub mod sasl;
pub mod smtp;

mod address;
mod dialogue;
mod hello;
mod reaction;
mod trouble;

pub use self::address::{Address, NotAnAddress};
pub use self::dialogue::{Dialogue, Refused, Step};
pub use self::reaction::Reaction;
pub use self::trouble::{Language, Protocol, Trouble};
