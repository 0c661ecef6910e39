//! The program as shell scripts use it: lines in, lines out, a card in a reader, files of the PKI.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cps-emulator");

/// A running emulator and the reader that it plugs its card into.
struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    reader: TcpListener,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let reader = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = reader.local_addr().expect("bound").to_string();
        let mut child = Command::new(PROGRAM)
            .args(["--vpcd", &address])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut running = Self {
            child,
            input,
            output,
            reader,
        };
        assert_eq!(running.line(), "ready");
        running
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("the program speaks");
        line.trim_end().to_owned()
    }

    fn tell(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("the program listens");
        self.line()
    }

    fn inserted(&self) -> TcpStream {
        let (stream, _) = self.reader.accept().expect("a card is inserted");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("settable");
        stream
    }

    fn quit(mut self) {
        writeln!(self.input, "quit").expect("the program listens");
        assert!(self.child.wait().expect("ends").success());
    }
}

fn exchange(stream: &mut TcpStream, payload: &[u8]) -> Option<Vec<u8>> {
    stream
        .write_all(&(payload.len() as u16).to_be_bytes())
        .ok()?;
    stream.write_all(payload).ok()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).ok()?;
    Some(answer)
}

const VERIFY: [u8; 9] = [0x00, 0x20, 0x00, 0x01, 0x04, 0x31, 0x32, 0x33, 0x34];
const READ_SERIAL: [u8; 5] = [0x00, 0xB0, 0x9C, 0x00, 0x0C];

#[test]
fn lines_insert_remove_and_disturb() {
    let mut emulator = Running::start(&["--card", "cps3", "--empty"]);
    assert_eq!(emulator.tell("insert"), "ok");
    let mut reader = emulator.inserted();
    assert_eq!(
        exchange(&mut reader, &VERIFY).as_deref(),
        Some(&[0x90, 0x00][..])
    );
    assert!(
        emulator.tell("insert").starts_with("error: "),
        "it is already there"
    );

    let counters: serde_json::Value =
        serde_json::from_str(&emulator.tell("counters")).expect("JSON");
    assert_eq!(
        (&counters["apdus"], &counters["verify"]),
        (&1.into(), &1.into())
    );
    let log = emulator.tell("log");
    assert!(
        log.contains("9000") && !log.contains("31 32 33 34"),
        "{log}"
    );

    assert_eq!(emulator.tell("fault status=6F00@1"), "ok");
    assert_eq!(
        exchange(&mut reader, &READ_SERIAL).as_deref(),
        Some(&[0x6F, 0x00][..])
    );

    assert_eq!(emulator.tell("swap cps-infirmier"), "ok");
    assert_eq!(
        exchange(&mut reader, &READ_SERIAL),
        None,
        "the first card is gone"
    );
    let mut reader = emulator.inserted();
    let serial = exchange(&mut reader, &READ_SERIAL).expect("answers");
    assert_eq!(serial[7..11], [0x90, 0x00, 0x00, 0x02]);

    assert_eq!(emulator.tell("remove"), "ok");
    assert_eq!(exchange(&mut reader, &READ_SERIAL), None);
    assert!(emulator.tell("dance").starts_with("error: "));
    emulator.quit();
}

#[test]
fn options_prepare_the_card() {
    let emulator = Running::start(&[
        "--pin-tries",
        "1",
        "--update",
        "empty",
        "--fault",
        "remove@4",
    ]);
    let mut reader = emulator.inserted();
    // Tries left, then EF_ACTUA: present and without a byte.
    assert_eq!(
        exchange(&mut reader, &[0x00, 0x20, 0x00, 0x01, 0x00]),
        Some(vec![0x63, 0xC1])
    );
    let select = [0x00, 0xA4, 0x09, 0x0C, 0x04, 0x3F, 0x00, 0xD0, 0x10];
    assert_eq!(exchange(&mut reader, &select), Some(vec![0x90, 0x00]));
    assert_eq!(
        exchange(&mut reader, &[0x00, 0xB0, 0x00, 0x00, 0x01]),
        Some(vec![0x62, 0x82])
    );
    assert_eq!(
        exchange(&mut reader, &READ_SERIAL),
        None,
        "the fault removed it"
    );
    emulator.quit();
}

#[test]
fn mistakes_are_explained() {
    for (arguments, expected) in [
        (&["--card", "cps9"][..], "no card profile named `cps9`"),
        (&["--holder", "nobody"], "no holder named `nobody`"),
        (
            &["--layout", "missing.json"],
            "cannot read the layout missing.json",
        ),
        (&["--fault", "explode"], "unknown fault `explode`"),
    ] {
        let output = Command::new(PROGRAM)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("runs");
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_pki_is_written_as_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let status = Command::new(PROGRAM)
        .args([
            "pki",
            "--out",
            &path(""),
            "--server",
            "dmp.example",
            "--crl-base",
            "http://127.0.0.1:1",
        ])
        .status()
        .expect("runs");
    assert!(status.success());
    let openssl = |arguments: &[&str]| -> Output {
        Command::new("openssl")
            .args(arguments)
            .output()
            .expect("`openssl` runs (Debian package openssl)")
    };
    let verify = |chain: &str| {
        let output = openssl(&[
            "verify",
            "-CAfile",
            &path("anchors.pem"),
            "-untrusted",
            &path("intermediates.pem"),
            "-verify_hostname",
            "dmp.example",
            &path(chain),
        ]);
        output.status.success()
    };
    assert!(verify("server/good.pem"));
    assert!(!verify("server/expired.pem"));
    assert!(!verify("server/rogue.pem"));
    for name in [
        "server/good.key",
        "server/rogue-root.pem",
        "crl/ACI-FO-PP-TEST.crl",
        "ca/ACR-EL-TEST.cer",
        "README",
    ] {
        assert!(Path::new(&path(name)).is_file(), "{name}");
    }
    let list = openssl(&[
        "crl",
        "-inform",
        "DER",
        "-in",
        &path("crl/ACI-FO-PP-TEST.crl"),
        "-noout",
        "-text",
    ]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("Revoked Certificates"));
}
