//! Message submission (RFC 6409), on both sides of the gateway.
//!
//! - [`Front`]: what a mail client meets before it is logged in.
//! - [`StartTls`] and [`Authentication`]: how the gateway comes in at an operator.
//! - [`Relay`]: the session that follows, between the two.

mod extensions;
mod front;
mod line;
mod relay;
mod reply;
mod upstream;

pub use self::extensions::Extensions;
pub use self::front::Front;
pub use self::relay::{Event, Note, Relay, Rules};
pub use self::upstream::{Authentication, Session, StartTls};

use crate::trouble::Language;

/// What the gateway is to its clients.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name in the greeting and in the answers to `EHLO`, without blanks.
    pub host_name: String,
    /// The largest message, in octets: announced (`SIZE`, RFC 1870), and enforced by [`Rules`].
    pub size: u64,
    /// The language of the replies that people read.
    pub language: Language,
    /// The reference of the product, for an `X-MSS-NIL` line in each message (domain page
    /// "mssante", section 7). Without one, no line is added.
    pub product: Option<String>,
}
