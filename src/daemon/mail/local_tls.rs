//! TLS between mail clients and this computer's own ports, for clients that insist on it: a
//! certificate authority of this user, made here, that can vouch for this computer only.
//!
//! In the state folder: `mail-ca.pem`, the authority's certificate, which the user imports into the
//! client; `mail-ca.key` and `mail-tls.key`, private keys (0600); `mail-tls.pem`, the certificate
//! of the ports, made anew before it ends.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cps_identity::Certificate;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::files;

/// The certificates of the local ports.
pub(super) struct LocalTls {
    folder: PathBuf,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    config: Arc<ServerConfig>,
    renewed_at: Timestamp,
}

impl LocalTls {
    /// Certificates kept in this folder; they are made when first needed.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            kept: Mutex::default(),
        }
    }

    /// The file of the authority's certificate.
    pub(super) fn authority(&self) -> PathBuf {
        self.folder.join("mail-ca.pem")
    }

    /// What the ports use now. Reads files, makes keys: not for the runtime's own threads.
    ///
    /// # Errors
    ///
    /// The files can neither be used nor made.
    pub(super) fn config(&self) -> io::Result<Arc<ServerConfig>> {
        let now = Timestamp::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.renewed_at) {
            return Ok(Arc::clone(&kept.config));
        }
        let (certificate, key, renewed_at) = match self.read(now) {
            Some(found) => found,
            None => {
                self.make(now)?;
                let made = self.read(now);
                made.ok_or_else(|| io::Error::other("the certificate just made is not usable"))?
            }
        };
        let config = ServerConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(io::Error::other)?;
        let config = Arc::new(config);
        *kept = Some(Kept {
            config: Arc::clone(&config),
            renewed_at,
        });
        Ok(config)
    }

    /// The certificate on disk, its key, and when it is to be made anew; nothing if that is now.
    fn read(
        &self,
        now: Timestamp,
    ) -> Option<(CertificateDer<'static>, PrivateKeyDer<'static>, Timestamp)> {
        let text = |name: &str| files::read(&self.folder.join(name), LIMIT).ok();
        let certificate = CertificateDer::from_pem_slice(&text("mail-tls.pem")?).ok()?;
        let key = PrivateKeyDer::from_pem_slice(&text("mail-tls.key")?).ok()?;
        let until = Certificate::from_der(&certificate).ok()?.not_after();
        let renewed_at = until.checked_sub(RENEWAL).ok()?;
        let authority = CertificateDer::from_pem_slice(&text("mail-ca.pem")?).ok()?;
        let vouched = Certificate::from_der(&authority).ok()?.not_after() >= until;
        (now < renewed_at && vouched).then_some((certificate, key, renewed_at))
    }

    fn make(&self, now: Timestamp) -> io::Result<()> {
        let replace =
            |name: &str, text: &str| files::replace(&self.folder.join(name), text.as_bytes());
        let authority = match self.kept_authority(now) {
            Some(authority) => authority,
            None => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(made)?;
                let parameters = of_authority(now)?;
                let certificate = parameters.self_signed(&key).map_err(made)?;
                replace("mail-ca.key", &key.serialize_pem())?;
                replace("mail-ca.pem", &certificate.pem())?;
                Issuer::new(parameters, key)
            }
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(made)?;
        let certificate = of_ports(now)?.signed_by(&key, &authority).map_err(made)?;
        replace("mail-tls.key", &key.serialize_pem())?;
        replace("mail-tls.pem", &certificate.pem())?;
        tracing::info!(authority = %self.authority().display(), "certificate of the mail ports made");
        Ok(())
    }

    /// The authority on disk, if it can still vouch for a new certificate: clients know it.
    fn kept_authority(&self, now: Timestamp) -> Option<Issuer<'static, KeyPair>> {
        let text =
            |name: &str| String::from_utf8(files::read(&self.folder.join(name), LIMIT).ok()?).ok();
        let key = KeyPair::from_pem(&text("mail-ca.key")?).ok()?;
        let der = CertificateDer::from_pem_slice(text("mail-ca.pem")?.as_bytes()).ok()?;
        let certificate = Certificate::from_der(&der).ok()?;
        let lasts = now.checked_add(LIFE).ok()? < certificate.not_after();
        // Only name and key go into what it signs, and the name is always the same.
        lasts.then(|| {
            of_authority(now)
                .ok()
                .map(|parameters| Issuer::new(parameters, key))
        })?
    }
}

/// An authority that nobody can use against its user: its key vouches for this computer's own
/// addresses only (RFC 5280 §4.2.1.10).
fn of_authority(now: Timestamp) -> io::Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.remove(DnType::CommonName);
    parameters
        .distinguished_name
        .push(DnType::CommonName, "cpsd, this computer's mail ports");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(Ipv4Addr::LOCALHOST.octets(), 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(
                Ipv6Addr::LOCALHOST.octets(),
                128,
            )),
        ],
        excluded_subtrees: Vec::new(),
    });
    last(&mut parameters, now, AUTHORITY_LIFE)?;
    Ok(parameters)
}

fn of_ports(now: Timestamp) -> io::Result<CertificateParams> {
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).map_err(made)?;
    let addresses = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let addresses = addresses.map(SanType::IpAddress);
    parameters.subject_alt_names.extend(addresses);
    parameters.distinguished_name.remove(DnType::CommonName);
    parameters
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    last(&mut parameters, now, LIFE)?;
    Ok(parameters)
}

/// Sets the dates: from the day before, as clocks differ.
fn last(
    parameters: &mut CertificateParams,
    now: Timestamp,
    life: SignedDuration,
) -> io::Result<()> {
    let date = |moment: Timestamp| {
        let date = moment.to_zoned(TimeZone::UTC).date();
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    let day = SignedDuration::from_hours(24);
    parameters.not_before = date(now.checked_sub(day).map_err(io::Error::other)?);
    parameters.not_after = date(now.checked_add(life).map_err(io::Error::other)?);
    Ok(())
}

fn made(error: rcgen::Error) -> io::Error {
    io::Error::other(error)
}

const LIMIT: u64 = 64 * 1024;
/// No longer than clients believe (Apple: 825 days for authorities that a user added).
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 800);
const RENEWAL: SignedDuration = SignedDuration::from_hours(24 * 30);
const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 3650);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{RootCertStore, client::WebPkiServerVerifier};

    use super::*;

    fn pem(folder: &Path, name: &str) -> CertificateDer<'static> {
        let text = std::fs::read(folder.join(name)).expect("a file");
        CertificateDer::from_pem_slice(&text).expect("a certificate")
    }

    #[test]
    fn a_client_with_the_authority_believes_the_ports_by_name_and_address() {
        let folder = tempfile::tempdir().expect("a folder");
        let tls = LocalTls::new(folder.path());
        tls.config().expect("made");
        let mut roots = RootCertStore::empty();
        roots
            .add(pem(folder.path(), "mail-ca.pem"))
            .expect("an anchor");
        let provider = crate::tls::provider();
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.build().expect("a verifier");
        let leaf = pem(folder.path(), "mail-tls.pem");
        let judge = |name: &str| {
            let name = ServerName::try_from(name.to_owned()).expect("a name");
            verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now())
        };
        for name in ["localhost", "127.0.0.1", "::1"] {
            judge(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert!(judge("mail.example").is_err());
        for key in ["mail-ca.key", "mail-tls.key"] {
            let mode = std::fs::metadata(folder.path().join(key)).expect("a key");
            assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{key}");
        }
    }

    #[test]
    fn certificates_last_over_restarts_and_are_renewed_under_the_same_authority() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = || ["mail-ca.pem", "mail-tls.pem"].map(|name| pem(folder.path(), name));
        LocalTls::new(folder.path()).config().expect("made");
        let first = files();
        LocalTls::new(folder.path()).config().expect("found");
        assert_eq!(files(), first);
        let now = Timestamp::now();
        let later = now.checked_add(SignedDuration::from_hours(24 * 780));
        let later = later.expect("a time");
        let tls = LocalTls::new(folder.path());
        assert!(tls.read(now).is_some() && tls.read(later).is_none());
        tls.make(later).expect("renewed");
        let [authority, leaf] = files();
        assert_eq!(authority, first[0]);
        assert_ne!(leaf, first[1]);
        assert!(tls.read(later).is_some());
    }
}
