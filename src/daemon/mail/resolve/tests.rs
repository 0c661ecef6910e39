use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cps_emulator::Pki;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::*;
use crate::testing::{Behaviour, TlsServer, pki};

const DOMAIN: &str = "medecin.mssante.fr";
const PUBLIC: &str = "193.2.1.66";

/// A name server on loopback that answers from a table.
struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl NameServer {
    async fn start(records: &[(&str, RData)]) -> Self {
        let mut table: HashMap<String, Vec<RData>> = HashMap::new();
        for (name, data) in records {
            let key = format!("{name}. {}", data.record_type());
            table.entry(key).or_default().push(data.clone());
        }
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        let address = socket.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let question = Message::from_vec(&buffer[..length]).expect("a question");
                let mut answer = Message::response(question.metadata.id, OpCode::Query);
                let query = question.queries[0].clone();
                let name = query.name().to_ascii().to_ascii_lowercase();
                log.lock()
                    .expect("log")
                    .push(format!("{name} {}", query.query_type()));
                match table.get(&format!("{name} {}", query.query_type())) {
                    Some(found) => {
                        let record = |data: &RData| {
                            Record::from_rdata(query.name().clone(), 60, data.clone())
                        };
                        answer.add_answers(found.iter().map(record));
                    }
                    None => answer.metadata.response_code = ResponseCode::NXDomain,
                }
                answer.add_query(query);
                let bytes = answer.to_vec().expect("encoded");
                let _ = socket.send_to(&bytes, client).await;
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn a(address: &str) -> RData {
    RData::A(A(address.parse::<Ipv4Addr>().expect("an address")))
}

fn srv(priority: u16, host: &str, port: u16) -> RData {
    let host = Name::from_ascii(format!("{host}.")).expect("a name");
    RData::SRV(SRV::new(priority, 0, port, host))
}

fn address() -> Address {
    Address::parse(&format!("alix@{DOMAIN}")).expect("an address")
}

/// Searches with this name server; only its own loopback is public beside what is.
async fn search(names: &NameServer, https: u16) -> Result<(Operator, Source), ResolveError> {
    let address = address();
    let config = MailConfig {
        dns: vec![names.address],
        ..MailConfig::default()
    };
    let roots = pki().anchors_der().into_iter().map(CertificateDer::from);
    let search = Search {
        address: &address,
        config: &config,
        roots: roots.collect(),
        is_public: |address| is_public(address) || address == Ipv4Addr::LOCALHOST,
        https,
    };
    search.run().await
}

fn refused(found: Result<(Operator, Source), ResolveError>) -> String {
    match found {
        Err(ResolveError::Refused { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn dns_names_the_servers() {
    let names = NameServer::start(&[
        (
            "_imap._tcp.medecin.mssante.fr",
            srv(10, "imap.op.mssante.fr", 143),
        ),
        (
            "_imap._tcp.medecin.mssante.fr",
            srv(5, "Mail.op.mssante.fr", 1143),
        ),
        (
            "_imaps._tcp.medecin.mssante.fr",
            srv(20, "imap.op.mssante.fr", 993),
        ),
        (
            "_submission._tcp.medecin.mssante.fr",
            srv(9, "smtp.op.mssante.fr", 587),
        ),
        (
            "_submissions._tcp.medecin.mssante.fr",
            srv(1, "smtp.op.mssante.fr", 465),
        ),
        ("mail.op.mssante.fr", a(PUBLIC)),
        ("smtp.op.mssante.fr", a(PUBLIC)),
    ])
    .await;
    let (operator, source) = search(&names, 0).await.expect("found");
    assert_eq!(source, Source::Dns);
    let endpoint = |host: &str, port, starttls| Endpoint {
        host: host.to_owned(),
        port,
        starttls,
    };
    assert_eq!(operator.imap, endpoint("mail.op.mssante.fr", 1143, true));
    assert_eq!(operator.smtp, endpoint("smtp.op.mssante.fr", 465, false));
    assert_eq!(operator.login, LoginKind::External);
    assert!(operator.found);
    let may_be_at = operator.may_be_at();
    assert!(!may_be_at("10.0.0.1".parse().expect("an address")));
    let asked = names.asked.lock().expect("log");
    assert!(
        !asked.iter().any(|name| name.contains("autoconfig")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_server_outside_the_trust_space_or_in_a_private_network_gets_nothing() {
    for (host, address, told) in [
        ("mail.attacker.example", PUBLIC, "not in the trust space"),
        (
            "mail.mssante.fr.attacker.example",
            PUBLIC,
            "not in the trust space",
        ),
        ("mail.fakemssante.fr", PUBLIC, "not in the trust space"),
        ("127.0.0.1", PUBLIC, "not in the trust space"),
        ("mail.op.mssante.fr", "192.168.1.1", "is at 192.168.1.1"),
        (
            "mail.op.mssante.fr",
            "169.254.169.254",
            "is at 169.254.169.254",
        ),
        ("mail.op.mssante.fr", "100.64.0.1", "is at 100.64.0.1"),
        ("mail.op.mssante.fr", "0.0.0.0", "is at 0.0.0.0"),
    ] {
        let names = NameServer::start(&[
            (
                "_imap._tcp.medecin.mssante.fr",
                srv(1, "good.op.mssante.fr", 143),
            ),
            ("_submission._tcp.medecin.mssante.fr", srv(1, host, 587)),
            ("good.op.mssante.fr", a(PUBLIC)),
            (host, a(PUBLIC)),
            (host, a(address)),
        ])
        .await;
        let reason = refused(search(&names, 0).await);
        assert!(reason.contains(told), "{host}: {reason}");
    }
}

#[tokio::test]
async fn a_service_that_is_declined_is_not_used() {
    // RFC 6186 §3.4: the target "." says that there is none.
    let none = || srv(0, "", 0);
    let names = NameServer::start(&[
        ("_imap._tcp.medecin.mssante.fr", none()),
        ("_submission._tcp.medecin.mssante.fr", none()),
    ])
    .await;
    let unknown = ResolveError::Unknown {
        domain: DOMAIN.to_owned(),
    };
    assert_eq!(search(&names, 0).await, Err(unknown));
}

#[tokio::test]
async fn without_an_answer_nothing_is_said_of_the_operator() {
    // Nobody listens there any more.
    let names = NameServer::start(&[]).await;
    names.task.abort();
    let address = names.address;
    drop(names);
    let gone = NameServer {
        address,
        asked: Arc::default(),
        task: tokio::spawn(async {}),
    };
    assert!(matches!(
        search(&gone, 0).await,
        Err(ResolveError::Lookup { .. })
    ));
}

/// Publishes one answer for every path, under the name that programs look for.
struct Published {
    server: TlsServer,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Published {
    async fn start(pki: &Pki, answer: String) -> Self {
        let identity = pki.server(&["autoconfig.medecin.mssante.fr", "www.medecin.mssante.fr"]);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let answer = Arc::new(answer);
        let behaviour = Behaviour {
            asks: false,
            ..Behaviour::default()
        };
        let server = TlsServer::start(pki, &identity, behaviour, move |mut stream| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                log.lock().expect("log").push(head);
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            server: server.await,
            asked,
        }
    }

    async fn search(&self) -> Result<(Operator, Source), ResolveError> {
        let names = NameServer::start(&[
            ("autoconfig.medecin.mssante.fr", a("127.0.0.1")),
            ("www.medecin.mssante.fr", a("127.0.0.1")),
            ("mail.op.mssante.fr", a(PUBLIC)),
            ("inner.op.mssante.fr", a("10.1.2.3")),
        ])
        .await;
        search(&names, self.server.address.port()).await
    }
}

fn document(host: &str, socket: &str, authentication: &str) -> String {
    let server = |element: &str, kind: &str, port| {
        format!(
            "<{element} type=\"{kind}\"><hostname>{host}</hostname><port>{port}</port>\
             <socketType>{socket}</socketType><authentication>{authentication}</authentication>\
             </{element}>"
        )
    };
    let text = format!(
        "<clientConfig version=\"1.1\"><emailProvider id=\"x\"><displayName>Exemple</displayName>\
         {}{}</emailProvider></clientConfig>",
        server("incomingServer", "imap", 143),
        server("outgoingServer", "smtp", 587)
    );
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

#[tokio::test]
async fn the_published_document_names_the_servers_where_dns_does_not() {
    let answer = document("mail.op.mssante.fr", "STARTTLS", "OAuth2");
    let published = Published::start(pki(), answer).await;
    let (operator, source) = published.search().await.expect("found");
    assert_eq!(source, Source::Autoconfig);
    assert_eq!(operator.name, "Exemple");
    assert_eq!(operator.imap.host, "mail.op.mssante.fr");
    assert_eq!((operator.imap.port, operator.smtp.port), (143, 587));
    assert!(operator.imap.starttls && operator.found);
    assert_eq!(operator.login, LoginKind::XOauth2);
    let asked = published.asked.lock().expect("log").clone();
    let expected = "GET /mail/config-v1.1.xml?emailaddress=alix%40medecin.mssante.fr HTTP/1.1\r\n";
    assert!(asked[0].starts_with(expected), "{asked:?}");

    let answer = document("mail.op.mssante.fr", "SSL", "password-cleartext");
    let (operator, _) = Published::start(pki(), answer)
        .await
        .search()
        .await
        .expect("found");
    assert!(!operator.smtp.starttls);
    assert_eq!(operator.login, LoginKind::External);
}

#[tokio::test]
async fn a_document_is_held_to_the_same_rules() {
    for (answer, told) in [
        (document("mail.attacker.example", "SSL", ""), "trust space"),
        (document("localhost", "SSL", ""), "trust space"),
        (document("inner.op.mssante.fr", "SSL", ""), "is at 10.1.2.3"),
        (document("none.op.mssante.fr", "SSL", ""), "does not exist"),
        (document("mail.op.mssante.fr", "plain", ""), "with TLS"),
        (document("mail.op.mssante.fr", "&x;", ""), "cannot be read"),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://attacker.example/x\r\n\r\n".to_owned(),
            "redirection",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://www.medecin.mssante.fr/\r\n\r\n".to_owned(),
            "redirection",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://www.medecin.mssante.fr:22/\r\n\r\n".to_owned(),
            "redirection",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://www.medecin.mssante.fr/\r\n\r\n".to_owned(),
            "too many redirections",
        ),
    ] {
        let published = Published::start(pki(), answer).await;
        let reason = refused(published.search().await);
        assert!(reason.contains(told), "{told}: {reason}");
        let connections = published.server.connections.load(Ordering::Relaxed);
        assert!(connections <= 4, "{connections}");
    }
}

#[tokio::test]
async fn a_document_that_is_not_there_or_too_large_is_no_document() {
    let unknown = Published::start(
        pki(),
        "HTTP/1.1 404 -\r\nContent-Length: 0\r\n\r\n".to_owned(),
    );
    assert!(matches!(
        unknown.await.search().await,
        Err(ResolveError::Unknown { .. })
    ));
    let large = "x".repeat(100_000);
    let large = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{large}",
        large.len()
    );
    assert!(matches!(
        Published::start(pki(), large).await.search().await,
        Err(ResolveError::Lookup { .. })
    ));
}

#[tokio::test]
async fn a_publisher_that_nobody_vouches_for_is_not_heard() {
    let rogue = Pki::new(std::time::SystemTime::now());
    let identity = rogue.server_with(
        &["autoconfig.medecin.mssante.fr"],
        cps_emulator::ServerFlaw::RogueRoot,
    );
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    let behaviour = Behaviour {
        asks: false,
        ..Behaviour::default()
    };
    let server = TlsServer::start(&rogue, &identity, behaviour, move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        async {}
    })
    .await;
    let names = NameServer::start(&[("autoconfig.medecin.mssante.fr", a("127.0.0.1"))]).await;
    let found = search(&names, server.address.port()).await;
    assert!(
        matches!(found, Err(ResolveError::Lookup { .. })),
        "{found:?}"
    );
    assert_eq!(heard.load(Ordering::Relaxed), 0);
}

#[test]
fn an_address_is_written_as_a_query_has_it() {
    assert_eq!(percent_encoded("a+b&c@d-e.fr"), "a%2Bb%26c%40d-e.fr");
}
