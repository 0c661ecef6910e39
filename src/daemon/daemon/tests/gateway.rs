//! Mail clients at the gateway: logins, what they wait for, and what ends their sessions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;

use super::bench::{Bench, PATIENCE, Setup, soon};
use crate::broker::Why;
use crate::desktop::Leaving;
use crate::mail::gateway::{Limits, Places};
use crate::testing::{Behaviour, Publisher, TlsServer};

const ALIX: &str = "alix@medecin.test";
const CABINET: &str = "cabinet@medecin.test";

/// An operator that speaks IMAP and SMTP in TLS, and a daemon with one mailbox there.
struct Office {
    bench: Bench,
    password: String,
    _imap: TlsServer,
    _smtp: TlsServer,
}

impl Office {
    async fn open() -> Self {
        Self::with("", Limits::default()).await
    }

    /// An office with more of `[mail]` in the configuration.
    async fn with(mail: &str, limits: Limits) -> Self {
        let mut setup = Setup::default();
        let (publisher, pki) = Publisher::of_lists(setup.lists).await;
        let identity = pki.server(&["localhost"]);
        let imap = TlsServer::start(&pki, &identity, Behaviour::default(), imap).await;
        let smtp = TlsServer::start(&pki, &identity, Behaviour::default(), smtp).await;
        setup.mail_limits = limits;
        setup.destinations = format!(
            "[[operator]]\nname = \"Exemple\"\ndomains = [\"medecin.test\"]\n\
             imap = {{ host = \"localhost\", port = {}, tls = \"implicit\" }}\n\
             smtp = {{ host = \"localhost\", port = {}, tls = \"implicit\" }}\n\
             [mail]\ndomains = [\"test\"]\n{mail}",
            imap.address.port(),
            smtp.address.port(),
        );
        let bench = setup.start_with(publisher, pki).await;
        let mut office = Self {
            bench,
            password: String::new(),
            _imap: imap,
            _smtp: smtp,
        };
        office.password = office.add(ALIX).await;
        office
    }

    /// Adds a mailbox; its application password.
    async fn add(&self, address: &str) -> String {
        let wanted = json!({"address": address, "client": "test"});
        let added = self.bench.post("/v1/mail/mailboxes", wanted).await.good();
        added["password"].as_str().expect("a password").to_owned()
    }

    async fn places(&self) -> Places {
        let gateway = &self.bench.daemon.app.mail.gateway;
        soon("the ports are open", || {
            gateway.places().smtp_socket.is_some()
        })
        .await;
        gateway.places()
    }

    async fn imap(&self) -> Client<TcpStream> {
        let address = self.places().await.imap.expect("a port");
        let stream = TcpStream::connect(address).await.expect("connects");
        Client::meet(stream).await
    }

    async fn smtp(&self) -> Client<TcpStream> {
        let address = self.places().await.smtp.expect("a port");
        let stream = TcpStream::connect(address).await.expect("connects");
        let mut client = Client::meet(stream).await;
        client.say("EHLO client.test").await;
        while client.line().await.starts_with("250-") {}
        client
    }

    /// A client that is logged in and reads.
    async fn reader(&self) -> Client<TcpStream> {
        let mut client = self.imap().await;
        let answer = client.log_in(ALIX, &self.password).await;
        assert!(
            answer.starts_with("a1 OK [CAPABILITY IMAP4rev1 IDLE]"),
            "{answer}"
        );
        client
    }

    /// A client that is logged in and sends.
    async fn sender(&self) -> Client<TcpStream> {
        let mut client = self.smtp().await;
        let plain = STANDARD.encode(format!("\0{ALIX}\0{}", self.password));
        client.say(&format!("AUTH PLAIN {plain}")).await;
        let answer = client.line().await;
        assert!(answer.starts_with("235 "), "{answer}");
        client
    }

    fn sessions(&self) -> usize {
        self.bench.daemon.app.mail.gateway.sessions()
    }

    /// PIN dialogs shown so far.
    fn shown(&self) -> usize {
        self.bench.dialogs.shown.load(Ordering::SeqCst)
    }

    fn signatures(&self) -> u64 {
        self.bench.slot.counters().expect("a card").key_operations
    }

    async fn lock(&self, why: Why) {
        let locked = self.bench.daemon.app.broker.lock(None, None, why).await;
        locked.expect("journalled");
    }

    async fn reinsert(&self) {
        let cards = &self.bench.daemon.app.cards;
        let card = self.bench.slot.remove().expect("a card");
        soon("the card is gone", || cards.cards().is_empty()).await;
        self.bench.slot.insert(card);
        let ready = || {
            let mut cards = cards.cards().into_iter();
            cards.any(|card| card.phase == crate::cards::Phase::Ready)
        };
        soon("the card is read", ready).await;
    }
}

/// The operator's side of an IMAP connection, after its handshake.
async fn imap(stream: tokio_rustls::server::TlsStream<TcpStream>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let _ = stream
        .write_all(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=EXTERNAL] operator\r\n")
        .await;
    loop {
        let _ = stream.flush().await;
        line.clear();
        match stream.read_line(&mut line).await {
            Ok(length) if length > 0 => {}
            _ => return,
        }
        let (tag, command) = line.trim_end().split_once(' ').unwrap_or((&line, ""));
        let answer = match command.split(' ').next().unwrap_or_default() {
            "CAPABILITY" => format!("* CAPABILITY IMAP4rev1 SASL-IR AUTH=EXTERNAL\r\n{tag} OK\r\n"),
            "AUTHENTICATE" => format!("{tag} OK [CAPABILITY IMAP4rev1 IDLE] in\r\n"),
            // A literal that is not finished.
            "HALF" => "* 1 FETCH (BODY[] {100}\r\nabc\r\n".to_owned(),
            "FLOOD" => {
                let piece = [b'x'; 16 * 1024];
                while stream.write_all(&piece).await.is_ok() {}
                return;
            }
            _ => format!("{tag} OK done\r\n"),
        };
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

/// The operator's side of an SMTP connection, after its handshake.
async fn smtp(stream: tokio_rustls::server::TlsStream<TcpStream>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let _ = stream.write_all(b"220 operator ESMTP\r\n").await;
    loop {
        let _ = stream.flush().await;
        line.clear();
        match stream.read_line(&mut line).await {
            Ok(length) if length > 0 => {}
            _ => return,
        }
        let answer: &[u8] = match line.trim_end().split(' ').next().unwrap_or_default() {
            "EHLO" => b"250-operator\r\n250 AUTH EXTERNAL\r\n",
            "AUTH" => b"235 2.7.0 in\r\n",
            "DATA" => b"354 go on\r\n",
            "." => {
                HANDED_OVER.notify_one();
                VERDICT.notified().await;
                b"250 2.0.0 taken\r\n"
            }
            _ => b"250 2.0.0 OK\r\n",
        };
        let _ = stream.write_all(answer).await;
    }
}

/// The operator has a message whole (of the one test that sends one) ...
static HANDED_OVER: Notify = Notify::const_new();
/// ... and may say so.
static VERDICT: Notify = Notify::const_new();

/// A mail client.
struct Client<S> {
    stream: BufReader<S>,
    greeting: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn meet(stream: S) -> Self {
        let mut client = Self {
            stream: BufReader::new(stream),
            greeting: String::new(),
        };
        client.greeting = client.line().await;
        client
    }

    /// The next line without its end; empty at the end of the connection.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_line(&mut line)).await;
        // A connection that is reset is over, like one that ends.
        let _ = read.expect("in time");
        line.trim_end().to_owned()
    }

    async fn say(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.stream.write_all(line.as_bytes()).await.expect("sent");
        self.stream.flush().await.expect("sent");
    }

    /// Logs in by IMAP; the answer.
    async fn log_in(&mut self, user: &str, password: &str) -> String {
        self.ask(&format!("a1 LOGIN {user} \"{password}\"")).await
    }

    /// The first line that answers a command.
    async fn ask(&mut self, command: &str) -> String {
        self.say(command).await;
        self.line().await
    }

    /// Whether the session passes commands on.
    async fn works(&mut self) -> bool {
        self.ask("n1 NOOP").await == "n1 OK done"
    }
}

const UNAVAILABLE: &str = "a1 NO [UNAVAILABLE] ";

#[tokio::test(flavor = "multi_thread")]
async fn one_pin_serves_all_connections_that_a_client_opens_at_once() {
    let office = Office::open().await;
    let clients: [_; 5] = std::array::from_fn(|_| office.reader());
    let mut clients = futures_util::future::join_all(clients).await;
    for client in &mut clients {
        assert!(client.works().await);
    }
    assert_eq!(office.shown(), 1);
    assert!(office.signatures() <= 5, "{}", office.signatures());
    assert_eq!(office.sessions(), 5);
    let _sender = office.sender().await;
    assert_eq!(office.shown(), 1, "sending is the same use");
    let told = office.bench.get("/v1/mail").await.good();
    assert_eq!(told["sessions"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_cancelled_dialog_nobody_is_asked_until_the_person_turns_to_the_card() {
    let office = Office::open().await;
    let cancel = &office.bench.dialogs.cancel;
    cancel.store(true, Ordering::SeqCst);
    let mut client = office.imap().await;
    let answer = client.log_in(ALIX, &office.password).await;
    assert!(answer.starts_with(UNAVAILABLE), "{answer}");
    // Longer than any program is held off after one dialog that was cancelled.
    let polling = tokio::time::Instant::now() + Duration::from_millis(1500);
    while tokio::time::Instant::now() < polling {
        let answer = client.log_in(ALIX, &office.password).await;
        assert!(answer.starts_with(UNAVAILABLE), "{answer}");
        assert_eq!(office.shown(), 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let findings = office.bench.get("/v1/doctor").await.good();
    assert!(findings.to_string().contains("pin.cancelled"), "{findings}");
    cancel.store(false, Ordering::SeqCst);
    office.reinsert().await;
    // The program is held off a moment for the dialog that was cancelled.
    let mut client = office.imap().await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !client
        .log_in(ALIX, &office.password)
        .await
        .starts_with("a1 OK")
    {
        assert!(tokio::time::Instant::now() < deadline, "never asked again");
        tokio::time::sleep(Duration::from_millis(50)).await;
        client = office.imap().await;
    }
    assert_eq!(office.shown(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_typed_after_the_client_has_left_serves_its_next_attempt() {
    let office = Office::with("hold_seconds = 1\n", Limits::default()).await;
    let hang = &office.bench.dialogs.hang;
    hang.store(true, Ordering::SeqCst);
    let mut client = office.imap().await;
    let answer = client.log_in(ALIX, &office.password).await;
    assert!(answer.starts_with(UNAVAILABLE), "{answer}");
    drop(client);
    // The next one meets the same dialog.
    let mut client = office.imap().await;
    let answer = client.log_in(ALIX, &office.password).await;
    assert!(answer.starts_with(UNAVAILABLE), "{answer}");
    drop(client);
    assert_eq!((office.shown(), office.bench.dialogs.open()), (1, 1));
    hang.store(false, Ordering::SeqCst);
    let cards = &office.bench.daemon.app.cards;
    let unlocked = || cards.cards().iter().any(|card| card.logged_in);
    soon("the card is unlocked", unlocked).await;
    // The dialog's grant is written a moment later than the card is unlocked.
    soon("nobody is asked", || {
        office.bench.daemon.app.broker.grants().len() == 1
    })
    .await;
    let mut client = office.reader().await;
    assert!(client.works().await);
    assert_eq!(office.shown(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_typed_again_at_once_and_the_client_hears_nothing_of_it() {
    let office = Office::open().await;
    office.bench.dialogs.type_next(&["9999", "1234"]);
    let mut client = office.reader().await;
    assert!(client.works().await);
    assert_eq!(office.shown(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_pulled_ends_its_sessions_with_words() {
    let office = Office::open().await;
    let (mut reader, mut sender) = (office.reader().await, office.sender().await);
    let mut inside = office.reader().await;
    assert_eq!(inside.ask("h1 HALF").await, "* 1 FETCH (BODY[] {100}");
    assert_eq!(inside.line().await, "abc");
    office.reinsert().await;
    let last = reader.line().await;
    assert!(last.starts_with("* BYE [UNAVAILABLE] "), "{last}");
    assert_eq!(reader.line().await, "");
    let last = sender.line().await;
    assert!(last.starts_with("421 4.3.2 "), "{last}");
    assert_eq!(sender.line().await, "");
    assert_eq!(inside.line().await, "", "nothing of ours in a literal");
    soon("no session is left", || office.sessions() == 0).await;
    // The client comes back by itself.
    let mut reader = office.reader().await;
    assert!(reader.works().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_handed_over_is_answered_before_the_session_ends() {
    let office = Office::open().await;
    let mut sender = office.sender().await;
    let taken = "250 2.0.0 OK";
    let from = format!("MAIL FROM:<{ALIX}>");
    assert_eq!(sender.ask(&from).await, taken);
    assert_eq!(sender.ask("RCPT TO:<b@medecin.test>").await, taken);
    assert_eq!(sender.ask("DATA").await, "354 go on");
    sender.say(".").await;
    HANDED_OVER.notified().await;
    office.reinsert().await;
    VERDICT.notify_one();
    // A client that hears nothing of it sends it again.
    assert_eq!(sender.line().await, "250 2.0.0 taken");
    let last = sender.line().await;
    assert!(last.starts_with("421 4.3.2 "), "{last}");
    assert_eq!(sender.line().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_the_desk_ends_sessions_and_idleness_does_not() {
    let office = Office::open().await;
    for why in [
        Why::Asked,
        Why::Leaving(Leaving::Lock),
        Why::Leaving(Leaving::Sleep),
    ] {
        let (mut reader, mut sender) = (office.reader().await, office.sender().await);
        office.lock(Why::Idle).await;
        assert!(reader.works().await, "the card is idle, the session is not");
        office.lock(why).await;
        let last = reader.line().await;
        assert!(last.starts_with("* BYE [UNAVAILABLE] "), "{why:?}: {last}");
        let last = sender.line().await;
        assert!(last.starts_with("421 4.3.2 "), "{why:?}: {last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_kept_a_while_where_the_configuration_says_so() {
    let office = Office::with("keep_minutes = 5\n", Limits::default()).await;
    let mut reader = office.reader().await;
    office.lock(Why::Leaving(Leaving::Lock)).await;
    office.reinsert().await;
    assert!(reader.works().await);
    // Sleep ends them whatever is configured.
    office.lock(Why::Leaving(Leaving::Sleep)).await;
    let last = reader.line().await;
    assert!(last.starts_with("* BYE [UNAVAILABLE] "), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_taken_back_ends_its_sessions_only() {
    let office = Office::open().await;
    let mut alix = office.reader().await;
    let second = office.add(CABINET).await;
    let mut cabinet = office.imap().await;
    let answer = cabinet.log_in(CABINET, &second).await;
    assert!(answer.starts_with("a1 OK"), "{answer}");
    let path = format!("/v1/mail/mailboxes/{CABINET}");
    let removed = office.bench.send("DELETE", &path, &[], Vec::new()).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    let last = cabinet.line().await;
    assert!(last.starts_with("* BYE [UNAVAILABLE] "), "{last}");
    assert!(alix.works().await, "another mailbox");
    // The grant is for both.
    let grants = office.bench.get("/v1/grants").await.good();
    let id = grants["grants"][0]["id"].as_str().expect("a grant");
    let path = format!("/v1/grants/{id}");
    let revoked = office.bench.send("DELETE", &path, &[], Vec::new()).await;
    assert!(revoked.status.is_success(), "{}", revoked.status);
    let last = alix.line().await;
    assert!(last.starts_with("* BYE [UNAVAILABLE] "), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_keeps_the_connection_and_asks_nobody() {
    let office = Office::open().await;
    let second = office.add(CABINET).await;
    let mut client = office.imap().await;
    let answer = client.log_in(ALIX, "wrong").await;
    assert!(
        answer.starts_with("a1 NO [AUTHENTICATIONFAILED] "),
        "{answer}"
    );
    let answer = client.log_in(ALIX, &second).await;
    assert!(
        answer.starts_with("a1 NO [AUTHORIZATIONFAILED] "),
        "{answer}"
    );
    assert_eq!(office.shown(), 0);
    let answer = client.log_in(ALIX, &office.password).await;
    assert!(answer.starts_with("a1 OK"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_disturbs_no_other() {
    let limits = Limits {
        write: Duration::from_millis(500),
        ..Limits::default()
    };
    let office = Office::with("", limits).await;
    let mut deaf = office.reader().await;
    let mut other = office.reader().await;
    deaf.say("f1 FLOOD").await;
    for _ in 0..20 {
        assert!(other.works().await);
    }
    soon("the deaf one is given up", || office.sessions() == 1).await;
    assert!(other.works().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_have_a_bound_and_who_leaves_makes_room() {
    let office = Office::with("connections = 2\n", Limits::default()).await;
    let (first, _second) = (office.imap().await, office.imap().await);
    let mut third = office.imap().await;
    assert!(
        third.greeting.starts_with("* BYE [UNAVAILABLE] "),
        "{}",
        third.greeting
    );
    assert_eq!(third.line().await, "");
    let fourth = office.places().await.smtp.expect("a port");
    let fourth = TcpStream::connect(fourth).await.expect("connects");
    let greeting = Client::meet(fourth).await.greeting;
    assert!(greeting.starts_with("421 4.7.0 "), "{greeting}");
    drop(first);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !office.imap().await.greeting.starts_with("* OK ") {
        assert!(tokio::time::Instant::now() < deadline, "no room was made");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_is_sent_away() {
    let limits = Limits {
        login: Duration::from_millis(100),
        ..Limits::default()
    };
    let office = Office::with("", limits).await;
    let mut silent = office.imap().await;
    let last = silent.line().await;
    assert!(last.starts_with("* BYE [UNAVAILABLE] "), "{last}");
    assert_eq!(silent.line().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sockets_of_this_user_serve_the_same() {
    let office = Office::open().await;
    let path = office.places().await.imap_socket.expect("a socket");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&path).expect("a socket").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let stream = UnixStream::connect(&path).await.expect("connects");
    let mut client = Client::meet(stream).await;
    let answer = client.log_in(ALIX, &office.password).await;
    assert!(answer.starts_with("a1 OK"), "{answer}");
    assert!(client.works().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens_without_a_mailbox() {
    let bench = Setup::default().start().await;
    let told = bench.get("/v1/mail").await.good();
    for place in ["imap", "smtp", "imap_socket", "smtp_socket"] {
        assert_eq!(told[place], Value::Null, "{place}");
    }
    drop(bench);
    let office = Office::open().await;
    let places = office.places().await;
    let path = format!("/v1/mail/mailboxes/{ALIX}");
    let removed = office.bench.send("DELETE", &path, &[], Vec::new()).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    let gateway = &office.bench.daemon.app.mail.gateway;
    soon("the ports are closed", || {
        gateway.places() == Places::default()
    })
    .await;
    let refused = TcpStream::connect(places.imap.expect("a port")).await;
    assert!(refused.is_err());
    assert!(!places.smtp_socket.expect("a socket").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_insists_on_tls_believes_the_local_authority() {
    let office = Office::with("tls = true\n", Limits::default()).await;
    let places = office.places().await;
    // The certificate is made with the first connection.
    let port = places.imaps.expect("a port");
    let _first = TcpStream::connect(port).await.expect("connects");
    let file = places.authority.expect("a file");
    soon("the authority is made", || file.exists()).await;
    let authority = rustls::pki_types::CertificateDer::from_pem_file(&file).expect("PEM");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority).expect("an anchor");
    let config = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(port).await.expect("connects");
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").expect("a name");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream);
    let mut client = Client::meet(stream.await.expect("believed")).await;
    let answer = client.log_in(ALIX, &office.password).await;
    assert!(answer.starts_with("a1 OK"), "{answer}");
    assert!(client.works().await);
    office.lock(Why::Asked).await;
    let last = client.line().await;
    assert!(last.starts_with("* BYE [UNAVAILABLE] "), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_speaks_tls_on_the_plain_port_is_sent_away() {
    let office = Office::open().await;
    let mut client = office.imap().await;
    // The head of a ClientHello (RFC 8446 §5.1).
    let hello = [0x16, 0x03, 0x01, 0x00, 0xF0, 0x01];
    client.stream.write_all(&hello).await.expect("sent");
    client.stream.flush().await.expect("sent");
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, client.stream.read_to_end(&mut rest)).await;
    let _ = ended.expect("closed");
    // An alert (§6), which every TLS client understands.
    assert_eq!(rest.first(), Some(&0x15), "{rest:02x?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_told_and_stops_nothing_else() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("bound");
    let office = Office::with(&format!("imap = \"{address}\"\n"), Limits::default()).await;
    let places = office.places().await;
    assert_eq!(places.imap, None);
    let findings = office.bench.get("/v1/doctor").await.good();
    let findings = findings["findings"].as_array().expect("findings").clone();
    let told = findings
        .iter()
        .find(|finding| finding["code"] == "mail.port_unavailable")
        .expect("told");
    let text = told["fr"].as_str().expect("words");
    assert!(text.contains(&address.to_string()), "{text}");
    let _sender = office.sender().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_daemon_is_told_to_clients() {
    let office = Office::open().await;
    let mut reader = office.reader().await;
    let Office { bench, .. } = office;
    let Bench { daemon, folder, .. } = bench;
    daemon.stop().await;
    let last = reader.line().await;
    assert!(last.starts_with("* BYE [UNAVAILABLE] "), "{last}");
    assert_eq!(reader.line().await, "");
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_another_user_is_refused_at_the_door() {
    let office = Office::open().await;
    let port = office.places().await.imap.expect("a port").port();
    let mut stranger = std::process::Command::new("bash");
    stranger
        .args([
            "-c",
            &format!("exec 3<>/dev/tcp/127.0.0.1/{port}; read -r line <&3; echo \"$line\""),
        ])
        .current_dir("/");
    if rustix::process::geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut stranger, 65_534);
    }
    let heard = tokio::task::spawn_blocking(move || stranger.output()).await;
    // Where no other user is mapped (a user namespace) it cannot even start.
    if let Ok(heard) = heard.expect("waited for") {
        let heard = String::from_utf8_lossy(&heard.stdout).into_owned();
        let refused = heard.starts_with("* BYE ") && !heard.contains("[UNAVAILABLE]");
        assert_eq!(refused, rustix::process::geteuid().is_root(), "{heard}");
    }
}
