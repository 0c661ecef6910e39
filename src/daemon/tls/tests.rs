//! The pre-flight against TLS servers of every unhelpful kind. Handshakes with a card are tested
//! with the whole daemon.

use std::sync::Arc;
use std::time::Duration;

use cps_emulator::{CrlVariant, Holder, Pki, ServerFlaw};
use cps_identity::Certificate;
use cps_mail::Protocol;
use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;

use super::{Credential, Service, Sessions, Target, TlsError, preflight};
use crate::cards::CardId;
use crate::testing::{Behaviour, TLS12, TLS13, TlsServer, pki, trust};

const CPS3: &[SignatureScheme] = &[SignatureScheme::RSA_PKCS1_SHA256];
const CPS4: &[SignatureScheme] = &[
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PSS_SHA256,
];

fn credential(pki: &Pki, schemes: &[SignatureScheme]) -> Arc<Credential> {
    let leaf = pki.authentication_der(Holder::CpsMedecin);
    let issuer = pki.authority_der(Pki::issuer_of(Holder::CpsMedecin));
    let issuers = [&leaf, &issuer].map(|der| {
        Certificate::from_der(der)
            .expect("parses")
            .issuer_raw()
            .to_vec()
    });
    Arc::new(Credential {
        chain: [leaf, issuer].map(CertificateDer::from).to_vec(),
        issuers: issuers.to_vec(),
        schemes: schemes.to_vec(),
    })
}

/// The pre-flight of a card with `schemes` at a server with `behaviour` and `flaw`.
async fn attempt(
    schemes: &[SignatureScheme],
    behaviour: Behaviour,
    flaw: ServerFlaw,
    lists: CrlVariant,
) -> Result<(), TlsError> {
    let identity = pki().server_with(&["localhost"], flaw);
    let server = TlsServer::start(pki(), &identity, behaviour, |_| async {}).await;
    let target = Target {
        host: "localhost".to_owned(),
        port: server.address.port(),
        service: Service::Any,
        may_be_at: |_| true,
        name_servers: Vec::new(),
        trust: Arc::new(trust(pki(), lists)),
    };
    preflight(&target, &credential(pki(), schemes)).await
}

async fn behaving(schemes: &[SignatureScheme], behaviour: Behaviour) -> Result<(), TlsError> {
    attempt(schemes, behaviour, ServerFlaw::None, CrlVariant::Empty).await
}

#[tokio::test]
async fn ordinary_servers_satisfy_both_cards() {
    for versions in [TLS12, rustls::ALL_VERSIONS] {
        for schemes in [CPS3, CPS4] {
            let behaviour = Behaviour {
                versions,
                ..Behaviour::default()
            };
            behaving(schemes, behaviour).await.expect("satisfied");
        }
    }
    let behaviour = Behaviour {
        versions: TLS13,
        ..Behaviour::default()
    };
    behaving(CPS4, behaviour)
        .await
        .expect("a CPS4 authenticates in TLS 1.3");
}

#[tokio::test]
async fn a_server_that_wants_tls13_cannot_have_a_cps3() {
    let behaviour = Behaviour {
        versions: TLS13,
        ..Behaviour::default()
    };
    let outcome = behaving(CPS3, behaviour).await;
    assert!(matches!(outcome, Err(TlsError::NeedsTls13)), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_wants_pss_cannot_have_a_cps3() {
    let pss = || Behaviour {
        versions: TLS12,
        schemes: &[
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::ECDSA_NISTP256_SHA256,
        ],
        ..Behaviour::default()
    };
    let outcome = behaving(CPS3, pss()).await;
    assert!(matches!(outcome, Err(TlsError::NeedsPss)), "{outcome:?}");
    behaving(CPS4, pss()).await.expect("a CPS4 can");
}

#[tokio::test]
async fn a_server_without_rsa_is_told_as_such() {
    let behaviour = Behaviour {
        versions: TLS12,
        schemes: &[SignatureScheme::ECDSA_NISTP256_SHA256],
        ..Behaviour::default()
    };
    let outcome = behaving(CPS4, behaviour).await;
    assert!(
        matches!(outcome, Err(TlsError::NoCommonScheme { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn authorities_are_compared() {
    let name = |der: &[u8]| {
        Certificate::from_der(der)
            .expect("parses")
            .subject_raw()
            .to_vec()
    };
    let own = name(&pki().authority_der(Pki::issuer_of(Holder::CpsMedecin)));
    let root = credential(pki(), CPS3).issuers[1].clone();
    let other = name(&pki().server(&["x"]).root_der);
    for accepted in [own, root] {
        let authorities = vec![other.clone(), accepted];
        behaving(
            CPS3,
            Behaviour {
                authorities,
                ..Behaviour::default()
            },
        )
        .await
        .expect("one of them issued the chain");
    }
    let authorities = vec![other];
    let outcome = behaving(
        CPS3,
        Behaviour {
            authorities,
            ..Behaviour::default()
        },
    )
    .await;
    let Err(TlsError::IssuerNotAccepted { accepted, issuer }) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(accepted[0].contains("ELEMENTAIRE"), "{accepted:?}");
    assert!(issuer.contains("FORT PERSONNES"), "{issuer}");
}

#[tokio::test]
async fn a_server_that_asks_for_nothing_is_refused() {
    for versions in [TLS12, TLS13] {
        let behaviour = Behaviour {
            asks: false,
            versions,
            ..Behaviour::default()
        };
        let outcome = behaving(CPS4, behaviour).await;
        assert!(
            matches!(outcome, Err(TlsError::NoClientAuth)),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn flawed_servers_are_told_apart() {
    let with = |flaw, lists| attempt(CPS4, Behaviour::default(), flaw, lists);
    let outcome = with(ServerFlaw::Expired, CrlVariant::Empty).await;
    assert!(
        matches!(outcome, Err(TlsError::ServerExpired(_))),
        "{outcome:?}"
    );
    let outcome = with(ServerFlaw::RogueRoot, CrlVariant::Empty).await;
    assert!(
        matches!(outcome, Err(TlsError::ServerUntrusted(_))),
        "{outcome:?}"
    );
    let outcome = with(ServerFlaw::Revoked, CrlVariant::Revoked).await;
    assert!(
        matches!(outcome, Err(TlsError::ServerRevoked(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let identity = pki().server(&["other.example"]);
    let server = TlsServer::start(pki(), &identity, Behaviour::default(), |_| async {}).await;
    let target = Target {
        host: "localhost".to_owned(),
        port: server.address.port(),
        service: Service::Any,
        may_be_at: |_| true,
        name_servers: Vec::new(),
        trust: Arc::new(trust(pki(), CrlVariant::Empty)),
    };
    let outcome = preflight(&target, &credential(pki(), CPS4)).await;
    let Err(TlsError::ServerName(names)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(names, "other.example");
}

#[tokio::test]
async fn without_lists_the_chain_is_handed_back_for_fetching() {
    let identity = pki().server(&["localhost"]);
    let server = TlsServer::start(pki(), &identity, Behaviour::default(), |_| async {}).await;
    let mut blind = cps_identity::Trust::new(
        cps_identity::Environment::Custom,
        cps_identity::RevocationPolicy::default(),
    );
    blind.add_authority(&identity.root_der).expect("a root");
    let target = Target {
        host: "localhost".to_owned(),
        port: server.address.port(),
        service: Service::Any,
        may_be_at: |_| true,
        name_servers: Vec::new(),
        trust: Arc::new(blind),
    };
    let outcome = preflight(&target, &credential(pki(), CPS4)).await;
    let Err(TlsError::RevocationUnknown(chain)) = outcome else {
        panic!("{outcome:?}")
    };
    let sent: Vec<_> = chain
        .iter()
        .map(|certificate| certificate.der().to_vec())
        .collect();
    assert_eq!(sent, identity.chain_der);
}

#[tokio::test]
async fn nobody_there() {
    // A port that was ours a moment ago: nothing listens on it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let trust = Arc::new(trust(pki(), CrlVariant::Empty));
    let target = Target {
        host: "localhost".to_owned(),
        port,
        service: Service::Any,
        may_be_at: |_| true,
        name_servers: Vec::new(),
        trust,
    };
    let outcome = preflight(&target, &credential(pki(), CPS4)).await;
    assert!(
        matches!(outcome, Err(TlsError::Unreachable { .. })),
        "{outcome:?}"
    );
}

#[test]
fn servers_that_say_nothing_leave_threads_for_the_journal() {
    const THREADS: usize = 26;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("binds");
        let port = listener.local_addr().expect("bound").port();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..2 * THREADS {
            waiting.spawn(async move {
                let target = Target {
                    host: "127.0.0.1".to_owned(),
                    port,
                    service: Service::Any,
                    may_be_at: |_| true,
                    name_servers: Vec::new(),
                    trust: Arc::new(trust(pki(), CrlVariant::Empty)),
                };
                preflight(&target, &credential(pki(), CPS3)).await
            });
        }
        let mut silent = Vec::new();
        // All connections that come; no further one for a while means that the others wait.
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_secs(1), listener.accept()).await
        {
            silent.push(stream);
        }
        let journal = tokio::task::spawn_blocking(|| ());
        let written = tokio::time::timeout(Duration::from_secs(5), journal).await;
        written.expect("a thread for it").expect("written");
        waiting.shutdown().await;
    });
}

#[test]
fn ways_to_be_known_never_share_a_session() {
    let (sessions, trust) = (
        Sessions::default(),
        Arc::new(trust(pki(), CrlVariant::Empty)),
    );
    let target = |service| Target {
        host: "localhost".to_owned(),
        port: 143,
        service,
        may_be_at: |_| true,
        name_servers: Vec::new(),
        trust: Arc::clone(&trust),
    };
    let credential = credential(pki(), CPS3);
    let card = |insertion| CardId {
        serial: "12345678".to_owned(),
        insertion,
    };
    let session = |service, card: Option<&CardId>| {
        let card = card.map(|card| (card, &credential));
        sessions.session(&target(service), card).expect("settings")
    };
    let (first, second) = (card(1), card(2));
    let (mail, starttls) = (Service::Mail, Service::MailStartTls(Protocol::Imap));
    let apart = [
        session(mail, None),
        session(mail, Some(&first)),
        session(mail, Some(&second)),
        session(starttls, Some(&first)),
        session(Service::Any, Some(&first)),
    ];
    for (index, one) in apart.iter().enumerate() {
        for other in &apart[..index] {
            assert!(!Arc::ptr_eq(&one.config, &other.config));
        }
    }
    assert!(!apart[0].config.client_auth_cert_resolver.has_certs());
    let again = session(mail, Some(&first));
    assert!(Arc::ptr_eq(&again.config, &apart[1].config));
    sessions.forget("12345678");
    let forgotten = session(mail, Some(&first));
    assert!(!Arc::ptr_eq(&forgotten.config, &apart[1].config));
    let kept = session(mail, None);
    assert!(Arc::ptr_eq(&kept.config, &apart[0].config));
}
