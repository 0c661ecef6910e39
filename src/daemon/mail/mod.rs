//! The MSSanté gateway: mail clients of this computer on one side, operators on the other.
//!
//! # Layout
//!
//! - [`gateway`]: where clients connect: ports of the loopback interface, sockets, their bounds.
//! - [`operator`]: an operator: where it is and how one logs in there.
//! - [`token`]: where access tokens come from.
//!
//! The words of the mail protocols are those of [`cps_mail`], which knows no socket.

pub mod gateway;
pub mod operator;
pub mod token;

use self::gateway::Gateway;

/// The running gateway, as the surfaces and the parts of the gateway see it.
#[derive(Debug, Default)]
pub struct Mail {
    /// Where clients connect, and how many do.
    pub gateway: Gateway,
}
