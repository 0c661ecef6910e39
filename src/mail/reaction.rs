//! What the gateway does after a client's bytes.

use crate::sasl::Credentials;

/// One thing to do after bytes of a client, in the order given.
#[derive(Debug)]
pub enum Reaction {
    /// Send these bytes to the client.
    Send(Vec<u8>),
    /// Look up the mailbox and log in at its operator. Then either give the connection away (what
    /// the client has already sent is the front's rest), or tell the front to refuse.
    Login(Credentials),
    /// The client speaks TLS on a port without it: tell the person. What it is sent, and
    /// [`Reaction::Close`], follow.
    TlsHello,
    /// Close the connection, once all that was to be sent is sent.
    Close,
}
