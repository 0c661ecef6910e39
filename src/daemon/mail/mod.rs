//! The MSSanté gateway: mail clients of this computer on one side, operators on the other.
//!
//! # Layout
//!
//! - [`operator`]: an operator: where it is and how one logs in there.
//! - [`token`]: where access tokens come from.
//!
//! The words of the mail protocols are those of [`cps_mail`], which knows no socket.

pub mod operator;
pub mod token;
