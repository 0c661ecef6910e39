//! Building the path from a certificate to a trust anchor, through rustls-webpki.

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, VerifiedPath};

use super::{Authority, Purpose, Trust, Verdict};
use crate::Certificate;

/// A verified path, leaf first, root last. Signatures, names and constraints hold; dates were
/// looked at only as far as the validator needs, and revocation not at all.
pub(super) struct Path {
    pub(super) certificates: Vec<Certificate>,
}

impl Trust {
    /// Finds a path for `purpose`.
    ///
    /// The validator judges dates first and would call a forged certificate expired; it is given a
    /// time within the certificate's own validity, so that its dates are judged after its origin.
    pub(super) fn path(
        &self,
        certificate: &Certificate,
        presented: &[Certificate],
        purpose: Purpose<'_>,
        now: Timestamp,
    ) -> Result<Path, Verdict> {
        let roots: Vec<&Authority> = self
            .authorities
            .iter()
            .filter(|authority| authority.certificate.is_self_issued())
            .collect();
        let ders: Vec<CertificateDer<'_>> =
            roots.iter().map(|root| der(&root.certificate)).collect();
        let anchors: Vec<TrustAnchor<'_>> = ders
            .iter()
            .map(webpki::anchor_from_trusted_cert)
            .collect::<Result<_, _>>()
            .map_err(|_| Verdict::Malformed)?;
        // The validator hands its anchor back by reference.
        let root_of = |path: &VerifiedPath<'_>| {
            let index = anchors
                .iter()
                .position(|anchor| std::ptr::eq(anchor, path.anchor()))?;
            roots.get(index).copied()
        };
        let intermediates: Vec<CertificateDer<'_>> =
            self.intermediates().chain(presented).map(der).collect();

        let leaf = der(certificate);
        let leaf =
            EndEntityCert::try_from(&leaf).map_err(|error| self.explain(error, certificate))?;
        let verified = leaf
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                &anchors,
                &intermediates,
                within_validity(certificate, now),
                extended_usage(purpose),
                None,
                Some(&|path: &VerifiedPath<'_>| {
                    let root = root_of(path).ok_or(Error::UnknownIssuer)?;
                    self.allows(path, root, purpose)
                }),
            )
            .map_err(|error| self.explain(error, certificate))?;

        if let Purpose::Server(name) = purpose {
            let name = ServerName::try_from(name).map_err(|_| Verdict::WrongName)?;
            leaf.verify_is_valid_for_subject_name(&name)
                .map_err(|_| Verdict::WrongName)?;
        }

        let mut certificates = vec![certificate.clone()];
        for authority in verified.intermediate_certificates() {
            let authority = Certificate::from_der(authority.der().as_ref());
            certificates.push(authority.map_err(|_| Verdict::Malformed)?);
        }
        let root = root_of(&verified).ok_or(Verdict::UnknownIssuer)?;
        certificates.push(root.certificate.clone());
        Ok(Path { certificates })
    }

    /// What the validator leaves out: KeyUsage of the authorities, and the uses an authority was
    /// pinned for.
    fn allows(
        &self,
        path: &VerifiedPath<'_>,
        root: &Authority,
        purpose: Purpose<'_>,
    ) -> Result<(), Error> {
        for authority in path.intermediate_certificates() {
            let authority =
                Certificate::from_der(authority.der().as_ref()).map_err(|_| Error::BadDer)?;
            if !authority.is_authority() || authority.is_obsolete() {
                return Err(Error::UnknownIssuer);
            }
            let known = self
                .authorities
                .iter()
                .find(|known| known.certificate == authority);
            if known.is_some_and(|known| !known.allows(purpose)) {
                return Err(Error::CertDistrusted);
            }
        }
        match root.allows(purpose) {
            true => Ok(()),
            false => Err(Error::CertDistrusted),
        }
    }

    fn explain(&self, error: Error, certificate: &Certificate) -> Verdict {
        match error {
            Error::InvalidSignatureForPublicKey => self.explain_signature(certificate),
            Error::CertExpired { not_after, .. } => Verdict::Expired {
                since: timestamp(not_after),
            },
            Error::CertNotValidYet { not_before, .. } => Verdict::ClockSkew {
                not_before: timestamp(not_before),
            },
            Error::UnknownIssuer | Error::EndEntityUsedAsCa | Error::PathLenConstraintViolated => {
                Verdict::UnknownIssuer
            }
            Error::CaUsedAsEndEntity
            | Error::CertDistrusted
            | Error::RequiredEkuNotFoundContext(_)
            | Error::NameConstraintViolation => Verdict::WrongUse,
            _ => Verdict::Malformed,
        }
    }

    /// A signature that fails under a trusted name: either the certificate names the trusted key
    /// and was not signed by it, or it comes from a namesake.
    fn explain_signature(&self, certificate: &Certificate) -> Verdict {
        let issuer_key = certificate.authority_key_id();
        let same_key = self
            .authorities()
            .filter(|authority| authority.subject() == certificate.issuer())
            .any(|authority| issuer_key.is_none() || authority.key_id() == issuer_key);
        match same_key {
            true => Verdict::BadSignature,
            false => Verdict::RogueIssuer,
        }
    }
}

/// EKU that every certificate of the path must allow when it has the extension at all; the leaf's
/// own usage was judged before, more strictly.
fn extended_usage(purpose: Purpose<'_>) -> KeyUsage {
    match purpose {
        Purpose::CardAuthentication => KeyUsage::client_auth(),
        Purpose::CardSignature => KeyUsage::required_if_present(EMAIL_PROTECTION),
        Purpose::Server(_) => KeyUsage::server_auth(),
    }
}

fn der(certificate: &Certificate) -> CertificateDer<'_> {
    CertificateDer::from(certificate.der())
}

fn within_validity(certificate: &Certificate, now: Timestamp) -> UnixTime {
    let time = now
        .min(certificate.not_after())
        .max(certificate.not_before());
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

fn timestamp(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Content octets of the OID 1.3.6.1.5.5.7.3.4.
const EMAIL_PROTECTION: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];
