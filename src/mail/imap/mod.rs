//! IMAP4rev1 (RFC 3501), on both sides of the gateway.
//!
//! - [`Front`]: what a mail client meets before it is logged in.
//! - [`StartTls`] and [`Authentication`]: how the gateway comes in at an operator.
//! - [`Observer`]: what is seen, for the journal, of a session that is passed through.

mod command;
mod front;
mod input;
mod literal;
mod observer;
mod upstream;

pub use self::front::Front;
pub use self::observer::{Action, Observed, Observer};
pub use self::upstream::{Authenticated, Authentication, StartTls};
