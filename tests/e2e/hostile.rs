//! Clients that flood, stall, send half a request or disappear while the person is asked for a PIN.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cps_emulator::{Holder, Profile};
use cps_tests::{Answer, Nginx, Peer, Practice, Site, TlsVersions, until, until_within};

/// While a dialog is open for one program and another does its worst, a third reads an identity and
/// proves it over TLS with the other card, as if it were alone.
#[test]
fn a_flood_during_a_pin_prompt_disturbs_nobody() {
    let site = Site::new(TlsVersions::Both);
    let practice = Practice::with_destinations(&[site.port]);
    let server = practice.pki.server(&["localhost"]);
    let nginx = Nginx::start(
        &practice.sandbox,
        &server,
        &practice.anchors,
        std::slice::from_ref(&site),
    );
    let asked = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let used = practice.insert(1, practice.card(Holder::CpsInfirmier, Profile::Cps4));
    let (asked_serial, used_serial) = (Holder::CpsMedecin.serial(), Holder::CpsInfirmier.serial());
    // The PIN and the grant of the second card, before anything goes wrong.
    prove(&practice, &site, &used_serial);

    let pins = practice.pinentry.pins_asked();
    let signatures = used.counters().key_operations;
    let mut login = login_that_waits(&practice, &asked_serial);

    let flood = Flood::start(practice.cpsd.socket());
    for _ in 0..3 {
        promptly("the status", || {
            practice.cps(&["status"]);
        });
        promptly("an identity", || {
            let identity = practice.json(&["identity", "--card", &used_serial]);
            assert_eq!(identity["national_id"], Holder::CpsInfirmier.national_id());
        });
        promptly("a connection", || prove(&practice, &site, &used_serial));
    }
    assert_eq!(used.counters().key_operations, signatures + 3);
    // nginx answers first and writes its log afterwards.
    until("four lines in the log of nginx", || {
        (nginx.requests().len() == 4).then_some(())
    });
    // The dialog of the first program is still the one that was opened.
    assert!(login.ended().is_none() && practice.pinentry.running());
    assert_eq!(practice.pinentry.pins_asked(), pins + 1);

    login.kill();
    gone(&practice);
    flood.stop();
    assert_eq!(asked.counters().verify, 0);
    practice.cps(&["login", "--card", &asked_serial]);
    assert_eq!(asked.counters().verify, 1);
}

/// Nobody is left who wants the PIN: the dialog closes, no try is spent, and the next caller gets a
/// dialog of its own.
#[test]
fn a_client_that_disappears_takes_its_dialog_with_it() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let mut login = login_that_waits(&practice, &Holder::CpsMedecin.serial());
    login.kill();
    gone(&practice);
    assert_eq!(card.counters().verify, 0);

    practice.cps(&["login"]);
    assert_eq!(practice.pinentry.pins_asked(), 2);
    assert_eq!(card.counters().verify, 1);
}

/// `cps login` with its dialog open, which nobody answers.
fn login_that_waits(practice: &Practice, serial: &str) -> Peer {
    practice.pinentry.queue(&[Answer::Wait]);
    let before = practice.pinentry.pins_asked();
    let login = ["login", "--card", serial];
    let login = practice.cpsd.command(&practice.sandbox, &login);
    let login = Peer::start(&practice.sandbox, "login", "cps: run cargo build", login);
    until("the dialog", || {
        (practice.pinentry.pins_asked() == before + 1).then_some(())
    });
    assert!(practice.pinentry.running());
    login
}

/// The pinentry program ends within two seconds.
fn gone(practice: &Practice) {
    until_within(Duration::from_secs(2), "the dialog to close", || {
        (!practice.pinentry.running()).then_some(())
    });
}

/// Far below every time limit of the daemon (30 seconds), far above what a busy machine adds.
fn promptly(what: &str, action: impl FnOnce()) {
    let start = Instant::now();
    action();
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(5), "{what} took {taken:?}");
}

/// One request through `cps tunnel`, answered with the name of the card.
fn prove(practice: &Practice, site: &Site, serial: &str) {
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let request = practice.sandbox.write("request", request);
    let target = format!("localhost:{}", site.port);
    let output = practice
        .cpsd
        .command(&practice.sandbox, &["tunnel", "--card", serial, &target])
        .stdin(std::fs::File::open(request).unwrap())
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && answer.contains(Holder::CpsInfirmier.national_id()),
        "{answer}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A program that keeps more connections open than the daemon serves in all, and makes noise on
/// others. It is this process: for the daemon another program than `cps`.
struct Flood {
    running: Arc<AtomicBool>,
    noise: Vec<thread::JoinHandle<()>>,
    _held: Vec<UnixStream>,
}

impl Flood {
    fn start(socket: &Path) -> Self {
        let annoy = |nuisance: Nuisance, socket: &Path| {
            let stream = UnixStream::connect(socket)?;
            // The daemon may have closed it already.
            let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
            let _ = nuisance(&stream);
            io::Result::Ok(stream)
        };
        let held = (0..140).flat_map(|_| HELD);
        let held = held.map(|one| annoy(one, socket).unwrap());
        let held = held.collect();
        let running = Arc::new(AtomicBool::new(true));
        let noise = NOISE.map(|one| {
            let (running, socket) = (Arc::clone(&running), socket.to_owned());
            thread::spawn(move || {
                // Ends with the daemon, or when told.
                while running.load(Ordering::Relaxed) && annoy(one, &socket).is_ok() {
                    thread::sleep(Duration::from_millis(1));
                }
            })
        });
        Self {
            running,
            noise: noise.into(),
            _held: held,
        }
    }

    fn stop(self) {
        self.running.store(false, Ordering::Relaxed);
        for thread in self.noise {
            thread.join().unwrap();
        }
    }
}

type Nuisance = fn(&UnixStream) -> io::Result<()>;

const HELD: [Nuisance; 3] = [
    // Says nothing.
    |_| Ok(()),
    // Half a request, then silence.
    |mut stream| stream.write_all(b"GET /v1/iden"),
    // A body that never comes.
    |mut stream| {
        stream.write_all(
            b"POST /v1/sign/cms HTTP/1.1\r\nHost: cpsd\r\nContent-Type: application/octet-stream\r\n\
              Content-Length: 1000000\r\n\r\nbegin",
        )
    },
];

const NOISE: [Nuisance; 2] = [
    // A head without end.
    |mut stream| {
        stream.write_all(b"GET /v1/status HTTP/1.1\r\n")?;
        stream.write_all(&b"X-Noise: 0123456789abcdef\r\n".repeat(10_000))
    },
    // Asks and does not wait for the answer.
    |mut stream| {
        stream.write_all(b"GET /v1/identity HTTP/1.1\r\nHost: cpsd\r\n\r\n")?;
        stream.shutdown(Shutdown::Both)
    },
];
