//! How the gateway comes in at an operator.

use crate::sasl::Login;
use crate::{Dialogue, Refused, Step};

/// From an operator's greeting to its consent to TLS.
#[derive(Default)]
pub struct StartTls {}

impl Dialogue for StartTls {
    type Done = ();

    fn advance(&mut self, _received: &[u8]) -> Result<Step<()>, Refused> {
        Ok(Step::More(Vec::new()))
    }
}

/// From the end of the TLS handshake to the end of the login.
pub struct Authentication {
    _login: Login,
    _tag: String,
}

impl Authentication {
    /// A login under the client's tag. With implicit TLS the server's greeting is still to come
    /// (`greeting_expected`).
    pub fn new(login: Login, tag: String, _greeting_expected: bool) -> Self {
        Self {
            _login: login,
            _tag: tag,
        }
    }
}

impl Dialogue for Authentication {
    type Done = Authenticated;

    fn advance(&mut self, _received: &[u8]) -> Result<Step<Authenticated>, Refused> {
        Ok(Step::More(Vec::new()))
    }
}

/// A login that succeeded.
#[derive(Debug, Eq, PartialEq)]
pub struct Authenticated {
    /// What the client gets: untagged lines and the answer under its own tag, as they came.
    pub forward: Vec<u8>,
    /// What the server has already sent behind it, which is the client's as well.
    pub rest: Vec<u8>,
}
