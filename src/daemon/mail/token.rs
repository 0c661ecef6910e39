//! Where access tokens come from.

use cps_mail::Trouble;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

/// Gives the access token that a login needs. It is asked just before the login: a token lives for
/// minutes only, and an open session outlives it.
pub trait TokenSource: Send + Sync {
    /// An access token; `fresh`: another one than the last, which the operator has refused.
    ///
    /// # Errors
    ///
    /// [`Trouble::NoToken`], or what the person did with the request.
    fn token(&self, fresh: bool) -> BoxFuture<'_, Result<Zeroizing<String>, Trouble>>;
}
