//! Which certificate of a card authenticates and which one signs.

use std::cmp::Reverse;

use jiff::Timestamp;

use crate::certificate::purposes::{CLIENT_AUTH, SERVER_AUTH, SMARTCARD_LOGON};
use crate::{Certificate, CertificateUse};

/// Chooses by usage, never by label or position.
///
/// Among several candidates (renewed card) the one valid now with the latest start wins; when
/// none is valid now the latest start alone decides, so that an expired card can still be shown.
/// Bind the result to a private key by its public key, never by identifier or label.
pub fn select<'a, C: Into<Candidate<'a>>>(
    candidates: impl IntoIterator<Item = C>,
    now: Timestamp,
) -> Selection {
    let usable: Vec<(usize, &Certificate)> = candidates
        .into_iter()
        .map(Into::into)
        .enumerate()
        .filter(|(_, candidate)| !candidate.technical)
        .map(|(index, candidate)| (index, candidate.certificate))
        .filter(|(_, certificate)| certificate.usage() != CertificateUse::Authority)
        .collect();
    let best = |accepts: &dyn Fn(&Certificate) -> bool| {
        usable
            .iter()
            .filter(|(_, certificate)| accepts(certificate))
            .max_by_key(|(index, certificate)| {
                let current = certificate.not_before() <= now && now <= certificate.not_after();
                (current, certificate.not_before(), Reverse(*index))
            })
            .copied()
    };

    let authentication = best(&is_card_authentication).or_else(|| best(&is_client_authentication));
    let signature = best(&|certificate| {
        is_signature(certificate)
            && authentication.is_none_or(|(_, other)| {
                certificate.issuer() == other.issuer() && certificate.subject() == other.subject()
            })
    });
    Selection {
        authentication: authentication.map(|(index, _)| index),
        signature: signature.map(|(index, _)| index),
    }
}

/// A certificate offered to [`select`].
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// The card labels it technical (contactless): its key needs no PIN, so it proves no person
    /// and is never selected.
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

pub(crate) fn is_card_authentication(certificate: &Certificate) -> bool {
    let extensions = certificate.extensions();
    extensions.digital_signature()
        && extensions.has_purpose(CLIENT_AUTH)
        && extensions.has_purpose(SMARTCARD_LOGON)
}

pub(crate) fn is_client_authentication(certificate: &Certificate) -> bool {
    let extensions = certificate.extensions();
    extensions.digital_signature()
        && !extensions.non_repudiation()
        && extensions.has_purpose(CLIENT_AUTH)
        && !extensions.has_purpose(SERVER_AUTH)
}

pub(crate) fn is_signature(certificate: &Certificate) -> bool {
    let extensions = certificate.extensions();
    extensions.non_repudiation() && !extensions.has_purpose(CLIENT_AUTH)
}

#[cfg(test)]
mod tests;
