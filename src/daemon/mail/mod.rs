//! The MSSanté gateway: mail clients of this computer on one side, operators on the other.
//!
//! # Layout
//!
//! - [`gateway`]: where clients connect: ports of the loopback interface, sockets, their bounds.
//! - [`mailboxes`]: the mailboxes, and who may ask for one; [`passwords`]: what programs know.
//! - [`operator`]: an operator: where it is and how one logs in there.
//! - [`resolve`]: from an address to its operator; [`names`]: DNS; [`public`]: where a found one may be.
//! - [`upstream`]: a connection to an operator, logged in, or why there is none.
//! - [`conversation`]: holds a dialogue of [`cps_mail`] with an operator over a stream.
//! - [`rules`]: what may be sent, and to whom.
//! - [`token`]: where access tokens come from.
//! - [`traces`]: the journal of mail.
//!
//! The words of the mail protocols are those of [`cps_mail`], which knows no socket.

pub mod conversation;
pub mod gateway;
pub mod mailboxes;
pub mod names;
pub mod operator;
pub mod passwords;
pub mod public;
pub mod resolve;
pub mod rules;
pub mod token;
pub mod traces;
pub mod upstream;

use self::gateway::Gateway;
use self::mailboxes::Mailboxes;
use self::traces::Traces;

/// The running gateway, as the surfaces and the parts of the gateway see it.
#[derive(Debug)]
pub struct Mail {
    /// Where clients connect, and how many do.
    pub gateway: Gateway,
    /// The mailboxes.
    pub mailboxes: Mailboxes,
    /// What was done in them.
    pub traces: Traces,
}

impl Mail {
    /// A gateway to these mailboxes; nothing listens yet.
    pub fn new(mailboxes: Mailboxes, traces: Traces) -> Self {
        Self {
            gateway: Gateway::default(),
            mailboxes,
            traces,
        }
    }
}
