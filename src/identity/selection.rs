//! Which certificate of a card authenticates and which one signs.

use jiff::Timestamp;

use crate::Certificate;

/// A certificate offered to [`select`].
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// The card labels it technical (contactless): never selected.
    pub technical: bool,
}

impl<'a> From<&'a Certificate> for Candidate<'a> {
    fn from(certificate: &'a Certificate) -> Self {
        Self {
            certificate,
            technical: false,
        }
    }
}

/// Positions of the chosen certificates among the candidates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Selection {
    /// Certificate for client authentication.
    pub authentication: Option<usize>,
    /// Certificate for signature.
    pub signature: Option<usize>,
}

/// Chooses by usage, never by label or position.
pub fn select<'a, C: Into<Candidate<'a>>>(
    _candidates: impl IntoIterator<Item = C>,
    _now: Timestamp,
) -> Selection {
    todo!()
}
