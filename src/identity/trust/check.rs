//! The order in which a certificate is judged: what it is, where it comes from, when, and whether
//! it was taken back.

use jiff::{SignedDuration, Timestamp};

use super::path::Path;
use super::{Environment, Purpose, Revocation, Trust, Verdict};
use crate::certificate::purposes::SERVER_AUTH;
use crate::{Certificate, Crl, selection};

impl Trust {
    /// Judges a certificate whose intermediates are among our authorities (a card's).
    pub fn check(
        &self,
        certificate: &Certificate,
        purpose: Purpose<'_>,
        now: Timestamp,
    ) -> Verdict {
        self.check_chain(certificate, &[], purpose, now)
    }

    /// Judges a certificate with the intermediates it was presented with (a server's).
    pub fn check_chain(
        &self,
        certificate: &Certificate,
        presented: &[Certificate],
        purpose: Purpose<'_>,
        now: Timestamp,
    ) -> Verdict {
        self.judge(certificate, presented, purpose, now)
            .map_or_else(
                |refusal| refusal,
                |revocation| Verdict::Trusted { revocation },
            )
    }

    fn judge(
        &self,
        certificate: &Certificate,
        presented: &[Certificate],
        purpose: Purpose<'_>,
        now: Timestamp,
    ) -> Result<Revocation, Verdict> {
        if certificate.is_obsolete() {
            return Err(Verdict::Obsolete);
        }
        if self.environment == Environment::Production && certificate.is_test() {
            return Err(Verdict::TestInProduction);
        }
        if !fits(certificate, purpose) {
            return Err(Verdict::WrongUse);
        }
        let path = self.path(certificate, presented, purpose, now)?;
        self.check_clock(&path, now)?;
        check_dates(&path, now)?;
        if !matches!(purpose, Purpose::Server(_)) {
            check_key_period(certificate, now)?;
        }
        let revocation = self.revocation(&path, now)?;
        match purpose {
            Purpose::Server(_) => self.bounded(revocation),
            _ => Ok(revocation),
        }
    }

    /// Authorities and lists in our hands were made in the past, whatever the clock says.
    fn check_clock(&self, path: &Path, now: Timestamp) -> Result<(), Verdict> {
        let authorities = path
            .certificates
            .iter()
            .skip(1)
            .map(Certificate::not_before);
        let lists = path
            .links()
            .filter_map(|(certificate, issuer)| self.freshest(certificate, issuer))
            .map(Crl::this_update);
        let not_before = authorities.chain(lists).max();
        match not_before {
            Some(not_before) if not_before.duration_since(now) > self.policy.clock_tolerance => {
                Err(Verdict::ClockSkew { not_before })
            }
            _ => Ok(()),
        }
    }

    fn revocation(&self, path: &Path, now: Timestamp) -> Result<Revocation, Verdict> {
        let mut worst = Revocation::Good;
        for (certificate, issuer) in path.links() {
            let status = match self.freshest(certificate, issuer) {
                Some(crl) => status_in(crl, certificate, now)?,
                None if self.environment == Environment::Custom
                    && certificate.crl_urls().is_empty() =>
                {
                    Revocation::NotPublished
                }
                None => Revocation::Unknown { age: None },
            };
            worst = worse(worst, status);
        }
        Ok(worst)
    }

    /// The newest list that speaks of the certificate and that its issuer did sign.
    fn freshest(&self, certificate: &Certificate, issuer: &Certificate) -> Option<&Crl> {
        self.crls
            .iter()
            .filter(|crl| crl.covers(certificate) && crl.verify(issuer).is_ok())
            .max_by_key(|crl| crl.this_update())
    }

    /// Servers: unknown within the grace, refused beyond it.
    fn bounded(&self, revocation: Revocation) -> Result<Revocation, Verdict> {
        match revocation {
            Revocation::Unknown { age } if age.is_none_or(|age| age > self.policy.grace) => {
                Err(Verdict::RevocationUnknown { age })
            }
            _ => Ok(revocation),
        }
    }
}

impl Path {
    /// Each certificate but the root, with its issuer.
    fn links(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.certificates
            .iter()
            .zip(self.certificates.iter().skip(1))
    }
}

/// Whether the leaf's own KeyUsage and ExtendedKeyUsage allow the purpose.
fn fits(certificate: &Certificate, purpose: Purpose<'_>) -> bool {
    let extensions = certificate.extensions();
    !certificate.is_authority()
        && match purpose {
            Purpose::CardAuthentication => {
                selection::is_card_authentication(certificate)
                    || selection::is_client_authentication(certificate)
            }
            Purpose::CardSignature => selection::is_signature(certificate),
            Purpose::Server(_) => {
                extensions.has_purpose(SERVER_AUTH) && extensions.may_secure_tls()
            }
        }
}

fn check_dates(path: &Path, now: Timestamp) -> Result<(), Verdict> {
    for certificate in &path.certificates {
        if now < certificate.not_before() {
            return Err(Verdict::NotYetValid {
                from: certificate.not_before(),
            });
        }
        if now > certificate.not_after() {
            return Err(Verdict::Expired {
                since: certificate.not_after(),
            });
        }
    }
    Ok(())
}

fn check_key_period(certificate: &Certificate, now: Timestamp) -> Result<(), Verdict> {
    let Some(period) = certificate.private_key_usage_period() else {
        return Ok(());
    };
    if let Some(from) = period.not_before.filter(|from| now < *from) {
        return Err(Verdict::NotYetValid { from });
    }
    match period.not_after.filter(|since| now > *since) {
        Some(since) => Err(Verdict::KeyPeriodOver { since }),
        None => Ok(()),
    }
}

/// A revoked certificate stays so, however old the list that says it.
fn status_in(crl: &Crl, certificate: &Certificate, now: Timestamp) -> Result<Revocation, Verdict> {
    match crl.find(certificate) {
        Ok(Some(entry)) => Err(Verdict::Revoked { since: entry.since }),
        Ok(None) if now < crl.next_update() => Ok(Revocation::Good),
        Ok(None) => Ok(Revocation::Unknown {
            age: Some(now.duration_since(crl.next_update())),
        }),
        Err(_) => Ok(Revocation::Unknown { age: None }),
    }
}

fn worse(one: Revocation, other: Revocation) -> Revocation {
    let rank = |revocation: &Revocation| match revocation {
        Revocation::Good => (0, SignedDuration::ZERO),
        Revocation::NotPublished => (1, SignedDuration::ZERO),
        Revocation::Unknown { age: Some(age) } => (2, *age),
        Revocation::Unknown { age: None } => (3, SignedDuration::ZERO),
    };
    match rank(&other) > rank(&one) {
        true => other,
        false => one,
    }
}
