//! IMAP4rev1 (RFC 3501), on both sides of the gateway, until a session is passed through.
//!
//! - [`Front`]: what a mail client meets before it is logged in.
//! - [`StartTls`] and [`Authentication`]: how the gateway comes in at an operator.

mod command;
mod front;
mod input;
mod literal;
mod upstream;

pub use self::front::Front;
pub use self::upstream::{Authenticated, Authentication, StartTls};
