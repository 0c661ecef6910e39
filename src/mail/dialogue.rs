//! A conversation with an operator.

/// One conversation with an operator's server: before TLS, or to authenticate.
///
/// The holder of the connection calls [`Dialogue::advance`] first with nothing (or with what is
/// already there), then with each piece that arrives, until it is done or fails. An implementation
/// keeps what it cannot use yet, within a bound.
pub trait Dialogue {
    /// What is known at the end.
    type Done;

    /// Takes what arrived and says what comes next. It may be given pieces cut anywhere.
    ///
    /// # Errors
    ///
    /// [`Refused`]: the connection must be closed.
    fn advance(&mut self, received: &[u8]) -> Result<Step<Self::Done>, Refused>;

    /// What it means that the server has closed the connection now, before the end: an operator
    /// that refuses a token may say so and leave (domain page "mssante", section 4.3).
    fn closed(&self) -> Refused {
        Refused::Unavailable(String::new())
    }
}

/// What the holder of the connection does next.
#[derive(Debug, Eq, PartialEq)]
pub enum Step<D> {
    /// Send this (perhaps nothing), then give what arrives.
    More(Vec<u8>),
    /// Send this (perhaps nothing); the conversation is over.
    Done {
        /// What is still to be sent.
        send: Vec<u8>,
        /// Its outcome.
        done: D,
    },
}

/// Why an operator's server cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// It does not offer STARTTLS, or refuses it.
    #[error("the server does not offer STARTTLS")]
    NoStartTls,
    /// Bytes arrived between its consent to TLS and the handshake (response injection).
    #[error("the server sent data before TLS was up")]
    Injected,
    /// It does not keep to the protocol.
    #[error("the server does not keep to the protocol: {0}")]
    Protocol(&'static str),
    /// It does not offer the configured way to log in.
    #[error("the server does not offer {0}")]
    NoMechanism(&'static str),
    /// It did not accept the card's certificate (or saw none).
    #[error("the server did not accept the certificate: {0}")]
    Certificate(String),
    /// It accepted the certificate, but not for this mailbox.
    #[error("the server does not open this mailbox to this identity: {0}")]
    Mailbox(String),
    /// It refused the token, or closed the connection after saying so.
    #[error("the server refused the token")]
    Token,
    /// It cannot serve now, in its own words.
    #[error("the server cannot serve now: {0}")]
    Unavailable(String),
}
