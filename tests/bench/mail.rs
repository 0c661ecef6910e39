//! The mail gateway beside stunnel, with the same key at the same operator; and what a session that
//! waits costs.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use cps_emulator::{Holder, Profile};
use cps_tests::mail::{
    Access, Dovecot, Impostor, Login, Manner, Office, Operator, Port, Talk, address, card_files,
};
use cps_tests::{Peer, Sandbox, SoftHsm, until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Metrics;

pub(crate) fn measure(metrics: &mut Metrics) {
    beside_stunnel(metrics);
    idle(metrics);
}

/// The key is in a SoftHSM token for the daemon and in a file for stunnel. The two take turns, so
/// that the load of the machine is the same for both.
fn beside_stunnel(metrics: &mut Metrics) {
    let office = Office::prepared(|ground| {
        let token = SoftHsm::new(ground.sandbox, "mail");
        let [_, key] = card_files(ground.sandbox, ground.pki, HOLDER);
        let key = fs::read_to_string(key).expect("a key");
        let certificate = ground.pki.authentication_der(HOLDER);
        token.import("01", "auth", &key, &certificate);
        let server = ground.dovecot("operator", Login::Card);
        let operator = Operator::dovecot(domain(), &server);
        (server, vec![operator], token.toml())
    });
    let practice = &office.practice;
    until("the card's token", || {
        let objects = practice.cpsd.client().objects().ok()?;
        (!objects.tokens.is_empty()).then_some(())
    });
    for _ in 0..MESSAGES {
        office.mailboxes.deliver(address(HOLDER), &message());
    }
    let (_stunnel, there) = stunnel(&office);
    let gateway = Way::Gateway(office.add(address(HOLDER)));
    let mut ways = [("gateway", gateway), ("stunnel", Way::Stunnel(there))]
        .map(|(name, way)| (name, way, Vec::new(), Vec::new()));
    for (_, way, ..) in &ways {
        // The PIN, and Dovecot's index of the mailbox.
        way.read_everything();
    }
    for _ in 0..ROUNDS {
        for (_, way, reads, logins) in &mut ways {
            reads.push(way.read_everything());
            logins.extend((0..LOGINS).map(|_| way.log_in()));
        }
    }
    assert_eq!(practice.pinentry.pins_asked(), 1);
    let [gateway, stunnel] = ways.map(|(name, _, reads, logins)| {
        let (read, login) = (median(reads), 1.0 / median(logins));
        metrics.set(format!("mail.{name}.mb_per_second"), read);
        metrics.set(format!("mail.{name}.logins_per_second"), login);
        (read, login)
    });
    metrics.set("mail.throughput_ratio", gateway.0 / stunnel.0);
    metrics.set("mail.login_ratio", gateway.1 / stunnel.1);
}

/// Sessions that wait, at an operator that takes every login: what the daemon grows by.
fn idle(metrics: &mut Metrics) {
    raise_open_files();
    let mut office = Office::new(|ground| {
        let server = Impostor::start(ground.pki, &ground.identity, Manner::Proper);
        let operator = Operator::impostor(domain(), &server);
        (server, vec![operator])
    });
    let card = office.practice.card(HOLDER, Profile::Cps4);
    let _card = office.practice.insert(0, card);
    let access = office.add(address(HOLDER));
    let mut sessions = Vec::new();
    let mut open = |count: usize| {
        for _ in 0..count {
            let (mut session, answer) = access.read();
            assert!(answer.starts_with("OK"), "{answer}");
            let answer = session.imap_answer("IDLE");
            assert!(answer.starts_with("OK"), "{answer}");
            sessions.push(session);
        }
    };
    open(WARMING_UP);
    let before = office.practice.cpsd.peer().memory("VmRSS");
    open(IDLE_SESSIONS);
    let after = office.practice.cpsd.peer().memory("VmRSS");
    let each = after.saturating_sub(before) as f64 / IDLE_SESSIONS as f64;
    metrics.set("mail.idle.kb_per_session", each / 1024.0);
}

/// How the operator is reached.
enum Way {
    Gateway(Access),
    Stunnel(SocketAddr),
}

impl Way {
    /// Seconds from a connection to the answer to its login.
    fn log_in(&self) -> f64 {
        let start = Instant::now();
        let mut talk = self.open();
        let took = start.elapsed().as_secs_f64();
        talk.imap("LOGOUT");
        took
    }

    fn open(&self) -> Talk {
        let (talk, answer) = match self {
            Self::Gateway(access) => access.read(),
            Self::Stunnel(address) => {
                let mut talk = Talk::tcp(*address);
                let greeting = talk.line().unwrap_or_default();
                assert!(greeting.starts_with("* OK"), "{greeting}");
                let answer = talk.imap_answer("AUTHENTICATE EXTERNAL =");
                (talk, answer)
            }
        };
        assert!(answer.starts_with("OK"), "{answer}");
        talk
    }

    /// Fetches all messages: millions of bytes a second.
    fn read_everything(&self) -> f64 {
        let login = match self {
            Self::Gateway(Access { imap, .. }) => {
                format!("a LOGIN {} \"{}\"\r\n", imap.user, imap.password)
            }
            Self::Stunnel(_) => "a AUTHENTICATE EXTERNAL =\r\n".to_owned(),
        };
        let address = match self {
            Self::Gateway(access) => access.imap.address,
            Self::Stunnel(address) => *address,
        };
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a socket");
        drain(&mut stream, b"* OK");
        converse(&mut stream, &login, b"a OK");
        converse(&mut stream, "b EXAMINE INBOX\r\n", b"b OK");
        let start = Instant::now();
        let bytes = converse(&mut stream, "c FETCH 1:* (BODY.PEEK[])\r\n", b"\r\nc OK");
        let took = start.elapsed().as_secs_f64();
        assert!(bytes > MESSAGES * SIZE, "{bytes} bytes");
        bytes as f64 / took / 1e6
    }
}

fn converse(stream: &mut TcpStream, command: &str, answer: &[u8]) -> usize {
    stream.write_all(command.as_bytes()).expect("a connection");
    drain(stream, answer)
}

/// Reads until the last line begins so; how many bytes.
fn drain(stream: &mut TcpStream, last: &[u8]) -> usize {
    let mut buffer = vec![0; 256 * 1024];
    let mut end: Vec<u8> = Vec::new();
    let mut count = 0;
    loop {
        let length = stream
            .read(&mut buffer)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&end)));
        assert_ne!(length, 0, "closed: {}", String::from_utf8_lossy(&end));
        count += length;
        end.extend(&buffer[length.saturating_sub(LAST_LINE)..length]);
        end.drain(..end.len().saturating_sub(LAST_LINE));
        if end.ends_with(b"\n") && end.windows(last.len()).any(|window| window == last) {
            return count;
        }
    }
}

/// A message with an attachment.
fn message() -> Vec<u8> {
    let head = "From: a@test.mssante.fr\r\nSubject: attachment\r\n\r\n";
    let line = format!("{}\r\n", "QUJD".repeat(18));
    [head, &line.repeat(SIZE / line.len() + 1)]
        .concat()
        .into_bytes()
}

fn domain() -> &'static str {
    address(HOLDER).split_once('@').expect("an address").1
}

/// stunnel as a client of the operator, in the clear on the loopback.
fn stunnel(office: &Office<Dovecot>) -> (Peer, SocketAddr) {
    let practice = &office.practice;
    let sandbox = &practice.sandbox;
    let port = Sandbox::free_port();
    let [chain, key] = card_files(sandbox, &practice.pki, HOLDER);
    let configuration = format!(
        "foreground = yes\npid =\ndebug = warning\n\
         [imap]\nclient = yes\nprotocol = imap\n\
         accept = 127.0.0.1:{port}\nconnect = localhost:{}\n\
         cert = {}\nkey = {}\nCAfile = {}\nverifyChain = yes\ncheckHost = localhost\n",
        office.servers.port(Port::Imap),
        chain.display(),
        key.display(),
        practice.anchors.display(),
    );
    let mut command = sandbox.command("stunnel4");
    command.arg(sandbox.write("stunnel.conf", configuration));
    let mut peer = Peer::start(sandbox, "stunnel", "stunnel4", command);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    until("the port of stunnel", || {
        assert!(peer.ended().is_none(), "{}", peer.log());
        TcpStream::connect(address).ok()
    });
    (peer, address)
}

/// Both ends of the idle sessions but one are in this process.
fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("more open files");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const HOLDER: Holder = Holder::CpsMedecin;
const MESSAGES: usize = 60;
const SIZE: usize = 1_000_000;
const ROUNDS: usize = 7;
const LOGINS: usize = 20;
const WARMING_UP: usize = 20;
const IDLE_SESSIONS: usize = 500;
const LAST_LINE: usize = 4096;
