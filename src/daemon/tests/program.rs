//! The program itself: start, readiness, socket activation, end, arguments.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A private place for one daemon.
struct Place {
    folder: tempfile::TempDir,
    notifications: UnixDatagram,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let notifications =
            UnixDatagram::bind(folder.path().join("notify")).expect("a notification socket");
        notifications
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("set");
        Self {
            folder,
            notifications,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("cpsd/cpsd.sock")
    }

    fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("NOTIFY_SOCKET", self.path("notify"))
            // No reader service of the machine that runs the tests.
            .env("PCSCLITE_CSOCK_NAME", self.path("no-pcscd"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cpsd"));
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    fn start(&self) -> Daemon {
        let daemon = Daemon(self.command(&["run"]).spawn().expect("starts"));
        assert_eq!(self.notification(), "READY=1");
        daemon
    }

    fn notification(&self) -> String {
        let mut buffer = [0; 256];
        let length = self
            .notifications
            .recv(&mut buffer)
            .expect("a notification in time");
        String::from_utf8_lossy(&buffer[..length])
            .trim_end()
            .to_owned()
    }
}

/// Ends with the test, whatever its outcome.
struct Daemon(Child);

impl Daemon {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, signal).expect("signalled");
    }

    /// Waits for the end.
    fn end(mut self) -> Output {
        let begun = Instant::now();
        while self.0.try_wait().expect("known").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(15), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let streams = (self.0.stdout.take(), self.0.stderr.take());
        streams
            .0
            .expect("piped")
            .read_to_end(&mut stdout)
            .expect("read");
        streams
            .1
            .expect("piped")
            .read_to_end(&mut stderr)
            .expect("read");
        let status = self.0.wait().expect("known");
        Output {
            status,
            stdout,
            stderr,
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("connects");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    let request = format!("GET {path} HTTP/1.1\r\nHost: cpsd\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn it_tells_when_it_is_ready_and_leaves_nothing_behind() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let daemon = place.start();
        let mode = |path: &Path| path.metadata().expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(&place.socket()), 0o600);
        assert_eq!(mode(&place.path("cpsd")), 0o700);
        assert_eq!(mode(&place.path(".local/state/cpsd")), 0o700);
        let answer = ask(&place.socket(), "/v1/status");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        daemon.signal(signal);
        assert_eq!(place.notification(), "STOPPING=1");
        let output = daemon.end();
        assert!(output.status.success(), "{}", errors(&output));
        assert!(!place.socket().exists());
    }
}

#[test]
fn a_killed_daemon_leaves_a_socket_that_the_next_one_replaces() {
    let place = Place::new();
    let daemon = place.start();
    daemon.signal(Signal::KILL);
    daemon.end();
    assert!(place.socket().exists());
    let _daemon = place.start();
    assert!(ask(&place.socket(), "/v1/status").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_second_daemon_says_that_there_is_one_already() {
    let place = Place::new();
    let _first = place.start();
    let second = place.command(&["run"]).output().expect("ran");
    assert_eq!(second.status.code(), Some(1));
    assert!(
        errors(&second).contains("already serves"),
        "{}",
        errors(&second)
    );
    assert!(ask(&place.socket(), "/v1/status").starts_with("HTTP/1.1 200"));
}

/// Starts the program as systemd does: descriptors from 3 on, announced in the environment.
fn activated(place: &Place, listener: impl Into<OwnedFd>, count: &str) -> Daemon {
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=$1 exec \"$2\" run";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", count, env!("CARGO_BIN_EXE_cpsd")]);
    place.prepare(&mut command);
    Daemon(command.stdin(listener.into()).spawn().expect("starts"))
}

#[test]
fn systemd_gives_it_the_socket() {
    let place = Place::new();
    let path = place.path("given.sock");
    let listener = UnixListener::bind(&path).expect("bound");
    // The request that starts the daemon waits in the socket's queue.
    let waiting = {
        let path = path.clone();
        std::thread::spawn(move || ask(&path, "/v1/status"))
    };
    let daemon = activated(&place, listener, "1");
    assert!(
        waiting
            .join()
            .expect("answered")
            .starts_with("HTTP/1.1 200")
    );
    assert!(!place.socket().exists(), "no second socket");
    daemon.signal(Signal::TERM);
    assert!(daemon.end().status.success());
    assert!(path.exists(), "systemd keeps its socket");
}

#[test]
fn descriptors_that_are_not_its_sockets_are_refused() {
    let place = Place::new();
    let refused = |given: OwnedFd, count: &str, reason: &str| {
        let output = activated(&place, given, count).end();
        assert_eq!(output.status.code(), Some(1), "{reason}");
        assert!(errors(&output).contains(reason), "{}", errors(&output));
    };
    let own = UnixListener::bind(place.path("given.sock")).expect("bound");
    refused(own.into(), "2", "not a listening socket");
    let file = fs::File::create(place.path("file")).expect("a file");
    refused(file.into(), "1", "not a listening socket");
}

#[test]
fn the_configuration_is_checked() {
    let place = Place::new();
    let check = |text: &str| {
        let file = place.path("cpsd.toml");
        fs::write(&file, text).expect("written");
        let file = file.to_str().expect("text").to_owned();
        place
            .command(&["check-config", "--config", &file])
            .output()
            .expect("ran")
    };
    assert!(check("idle_minutes = 5").status.success());
    let output = check("idle_minuts = 5");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("idle_minuts"),
        "{}",
        errors(&output)
    );
    let misuse = place.command(&["walk"]).output().expect("ran");
    assert_eq!(misuse.status.code(), Some(2));
}

#[test]
fn a_bad_configuration_stops_it_before_anything_listens() {
    let place = Place::new();
    fs::create_dir_all(place.path(".config/cpsd")).expect("created");
    fs::write(place.path(".config/cpsd/cpsd.toml"), "unknown = 1").expect("written");
    let output = place.command(&["run"]).output().expect("ran");
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("unknown"), "{}", errors(&output));
    assert!(!place.socket().exists());
}
