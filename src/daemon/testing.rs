//! Peers for the tests of this crate: the publisher of revocation lists, TLS servers.

pub(crate) mod operator;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use cps_emulator::{Authority, CrlVariant, Pki, ServerIdentity};
use cps_identity::{Environment, RevocationPolicy, Trust};
use cps_verify::PublicKey;
use num_bigint::BigUint;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CipherSuite, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The test PKI whose lists nobody publishes; certificates are issued once for all tests.
pub(crate) fn pki() -> &'static Pki {
    static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::new(SystemTime::now()));
    &PKI
}

/// Trust in the authorities of `pki`, with the lists of all of them.
pub(crate) fn trust(pki: &Pki, variant: CrlVariant) -> Trust {
    let mut trust = Trust::new(Environment::Custom, RevocationPolicy::default());
    for der in pki.anchors_der().iter().chain(&pki.intermediates_der()) {
        trust.add_authority(der).expect("an authority");
    }
    for authority in Authority::ALL {
        let der = pki.crl_der(authority, variant);
        trust
            .add_crl(cps_identity::Crl::from_der(&der).expect("a list"))
            .expect("a signed list");
    }
    trust
}

/// RSAES-PKCS1-v1_5 (RFC 8017 §7.2.1); `kind` is the block type, 2 in a good cryptogram.
pub(crate) fn encrypt(spki: &[u8], kind: u8, message: &[u8]) -> Vec<u8> {
    let Some(PublicKey::Rsa { modulus, exponent }) = PublicKey::parse(spki) else {
        panic!("not an RSA key");
    };
    let mut block = vec![0, kind];
    block.resize(modulus.len() - message.len() - 1, 0xA5);
    block.push(0);
    block.extend_from_slice(message);
    let number = BigUint::from_bytes_be(&block).modpow(
        &BigUint::from_bytes_be(exponent),
        &BigUint::from_bytes_be(modulus),
    );
    let cryptogram = number.to_bytes_be();
    [vec![0; modulus.len() - cryptogram.len()], cryptogram].concat()
}

/// An HTTP server on loopback that publishes files by path and counts what is asked.
pub(crate) struct Publisher {
    pub(crate) requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

/// What a publisher answers on one path.
#[derive(Clone)]
pub(crate) enum Answer {
    Bytes(Vec<u8>),
    Status(u16),
    /// The connection stays open and nothing comes.
    Silence,
}

impl Publisher {
    /// Binds first, so that certificates can be issued with the address.
    pub(crate) async fn start(answers: impl FnOnce(&str) -> HashMap<String, Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let answers = Arc::new(answers(&url));
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(publish(stream, Arc::clone(&answers)));
            }
        });
        Self { requests, task }
    }

    /// Publishes the lists of all authorities of a PKI made for this address.
    pub(crate) async fn of_lists(variant: CrlVariant) -> (Self, Pki) {
        let mut made = None;
        let publisher = Self::start(|url| {
            let pki = pki().clone().with_base_url(url);
            let lists = Authority::ALL.map(|authority| {
                (
                    pki.crl_path(authority),
                    Answer::Bytes(pki.crl_der(authority, variant)),
                )
            });
            made = Some(pki);
            HashMap::from(lists)
        })
        .await;
        (publisher, made.expect("made above"))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn publish(mut stream: TcpStream, answers: Arc<HashMap<String, Answer>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match answers.get(path) {
        Some(Answer::Bytes(bytes)) => (200, bytes.clone()),
        Some(Answer::Status(status)) => (*status, Vec::new()),
        Some(Answer::Silence) => return std::future::pending().await,
        None => (404, Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
}

/// How a TLS server behaves.
pub(crate) struct Behaviour {
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    /// Signature schemes it lists; empty: all it can verify.
    pub(crate) schemes: &'static [SignatureScheme],
    /// Authorities it names; empty: any.
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) asks: bool,
    /// Its cipher suites; empty: all it has.
    pub(crate) suites: &'static [CipherSuite],
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            versions: rustls::ALL_VERSIONS,
            schemes: &[],
            authorities: Vec::new(),
            asks: true,
            suites: &[],
        }
    }
}

pub(crate) static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
pub(crate) static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// A TLS server on loopback that requires a client certificate of `pki`; each connection that
/// authenticates goes to `serve`.
pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    /// Connections accepted, before any handshake.
    pub(crate) connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl TlsServer {
    pub(crate) async fn start<F>(
        pki: &Pki,
        identity: &ServerIdentity,
        behaviour: Behaviour,
        serve: impl Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let acceptor = acceptor(pki, identity, behaviour);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let serve = Arc::new(serve);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let (acceptor, serve) = (acceptor.clone(), Arc::clone(&serve));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream).await;
                    }
                });
            }
        });
        Self {
            address,
            connections,
            task,
        }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The TLS side of a server.
fn acceptor(pki: &Pki, identity: &ServerIdentity, behaviour: Behaviour) -> TlsAcceptor {
    let mut provider = rustls::crypto::ring::default_provider();
    if !behaviour.suites.is_empty() {
        let chosen = |suite: &SupportedCipherSuite| behaviour.suites.contains(&suite.suite());
        provider.cipher_suites.retain(chosen);
    }
    let provider = Arc::new(provider);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(behaviour.versions)
        .expect("versions");
    let builder = if behaviour.asks {
        let mut roots = RootCertStore::empty();
        for der in pki.anchors_der() {
            roots.add(CertificateDer::from(der)).expect("a root");
        }
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .expect("a verifier");
        let names = behaviour
            .authorities
            .iter()
            .cloned()
            .map(DistinguishedName::from);
        builder.with_client_cert_verifier(Arc::new(Picky {
            inner,
            names: names.collect(),
            schemes: behaviour.schemes,
        }))
    } else {
        builder.with_no_client_auth()
    };
    let chain = identity
        .chain_der
        .iter()
        .cloned()
        .map(CertificateDer::from)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).expect("a key");
    let config = builder
        .with_single_cert(chain, key)
        .expect("a configuration");
    TlsAcceptor::from(Arc::new(config))
}

/// Requires a certificate and lists what it is told to list.
#[derive(Debug)]
struct Picky {
    inner: Arc<dyn ClientCertVerifier>,
    names: Vec<DistinguishedName>,
    schemes: &'static [SignatureScheme],
}

impl ClientCertVerifier for Picky {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.inner
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self.schemes {
            [] => self.inner.supported_verify_schemes(),
            listed => listed.to_vec(),
        }
    }
}

/// A named pipe: whoever opens it to read waits for a writer.
pub(crate) fn fifo(path: &std::path::Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
}

/// The result of what must not block.
pub(crate) fn in_time<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver
        .recv_timeout(std::time::Duration::from_secs(20))
        .expect("it waits for ever")
}
