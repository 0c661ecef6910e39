//! How the gateway comes in at an operator.

mod authentication;
mod response;
mod start_tls;

pub use self::authentication::{Authenticated, Authentication};
pub use self::start_tls::StartTls;

#[cfg(test)]
mod tests;
