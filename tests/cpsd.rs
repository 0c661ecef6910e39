//! The daemon's binary and the `cps` command.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use cps_api::Client;
use cps_api::types::{Card, CardPhase};
use serde_json::Value;

use crate::{Pcscd, Peer, Pinentry, Sandbox, until};

/// What goes into the configuration file of one test.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whose authorities are believed; only `anchors` unless told otherwise.
    pub environment: Option<&'static str>,
    /// Files of trust anchors (PEM).
    pub anchors: Vec<PathBuf>,
    /// Allowed servers: host and port.
    pub destinations: Vec<(String, u16)>,
    /// Further lines, as TOML, before the destinations.
    pub more: String,
}

/// A running `cpsd`.
#[derive(Debug)]
pub struct Cpsd {
    peer: Peer,
    configuration: PathBuf,
    socket: PathBuf,
    state: PathBuf,
}

impl Cpsd {
    /// Starts the daemon against `pcscd`, and waits for its socket.
    ///
    /// # Panics
    ///
    /// When the binary is missing or ends before it is ready.
    pub fn start(
        sandbox: &Sandbox,
        pcscd: &Pcscd,
        pinentry: &Pinentry,
        settings: &Settings,
    ) -> Self {
        let configuration = sandbox.write("cpsd.toml", settings.toml(pinentry));
        let socket = sandbox.join("run/cpsd/cpsd.sock");
        let state = sandbox.join("state");
        Self {
            peer: Self::spawn(sandbox, pcscd, &configuration, &socket),
            configuration,
            socket,
            state,
        }
    }

    /// Kills the daemon (SIGKILL), as a crash would; its socket stays behind.
    pub fn crash(&mut self) {
        self.peer.kill();
    }

    /// Starts it again, with the same configuration, and waits for its socket.
    ///
    /// # Panics
    ///
    /// When it ends before it is ready.
    pub fn restart(&mut self, sandbox: &Sandbox, pcscd: &Pcscd) {
        self.peer.stop();
        self.peer = Self::spawn(sandbox, pcscd, &self.configuration, &self.socket);
    }

    fn spawn(sandbox: &Sandbox, pcscd: &Pcscd, configuration: &Path, socket: &Path) -> Peer {
        let mut command = Self::run_command(sandbox, configuration);
        pcscd.open_to(&mut command);
        let mut peer = Peer::start(sandbox, "cpsd", "cpsd: run cargo build", command);
        until("the socket of cpsd", || {
            if let Some(status) = peer.ended() {
                panic!("cpsd ended with {status}: {}", peer.log());
            }
            // One left behind by a crash accepts nobody.
            UnixStream::connect(socket).ok()
        });
        peer
    }

    /// The command that runs the daemon in this sandbox, without any reader service.
    pub fn run_command(sandbox: &Sandbox, configuration: &Path) -> Command {
        let mut command = sandbox.command(binary("cpsd"));
        command.arg("run").arg("--config").arg(configuration);
        command
            .arg("--socket")
            .arg(sandbox.join("run/cpsd/cpsd.sock"));
        command.arg("--state-dir").arg(sandbox.join("state"));
        command.env("PCSCLITE_CSOCK_NAME", sandbox.join("pcscd/pcscd.comm"));
        command
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Its process.
    pub fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    /// A `cps` command that talks to this daemon.
    pub fn command(&self, sandbox: &Sandbox, arguments: &[&str]) -> Command {
        let mut command = sandbox.command(binary("cps"));
        command.arg("--socket").arg(&self.socket).args(arguments);
        command
    }

    /// Runs `cps` to its end.
    ///
    /// # Panics
    ///
    /// When the binary is missing.
    pub fn cps(&self, sandbox: &Sandbox, arguments: &[&str]) -> Output {
        self.command(sandbox, arguments).output().unwrap()
    }

    /// Runs `cps`, which must succeed, and gives its standard output.
    ///
    /// # Panics
    ///
    /// When it fails, with what it said.
    pub fn cps_ok(&self, sandbox: &Sandbox, arguments: &[&str]) -> Vec<u8> {
        let output = self.cps(sandbox, arguments);
        assert!(
            output.status.success(),
            "cps {arguments:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// Runs a reading verb of `cps` with `--json`.
    ///
    /// # Panics
    ///
    /// When it fails or does not print JSON.
    pub fn json(&self, sandbox: &Sandbox, arguments: &[&str]) -> Value {
        let output = self.cps_ok(sandbox, &[arguments, &["--json"]].concat());
        serde_json::from_slice(&output).unwrap()
    }

    /// Runs `cps`, which must be refused (exit 1), and gives what it said on standard error.
    ///
    /// # Panics
    ///
    /// When it ends in another way.
    pub fn cps_refused(&self, sandbox: &Sandbox, arguments: &[&str]) -> String {
        let output = self.cps(sandbox, arguments);
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "cps {arguments:?}: {reason}");
        reason
    }

    /// A client of its API, in this process.
    pub fn client(&self) -> Client {
        Client::new(&self.socket)
    }

    /// Waits until the card in this reader can be used.
    ///
    /// # Panics
    ///
    /// When it cannot be used after ten seconds.
    pub fn card_ready(&self, reader: &str) -> Card {
        let client = self.client();
        until("a card ready", || {
            let cards = client.cards().unwrap().cards;
            cards
                .into_iter()
                .find(|card| card.reader == reader && card.state == CardPhase::Ready)
        })
    }

    /// Ends the daemon with SIGTERM.
    pub fn stop(&mut self) -> ExitStatus {
        self.peer.stop()
    }
}

impl Settings {
    /// The text of the configuration file.
    pub fn toml(&self, pinentry: &Pinentry) -> String {
        let text = |path: &Path| Value::from(path.display().to_string()).to_string();
        let anchors: Vec<_> = self.anchors.iter().map(|path| text(path)).collect();
        let destinations: String = self
            .destinations
            .iter()
            .map(|(host, port)| {
                format!("[[destination]]\nhost = \"{host}\"\nport = {port}\npurpose = \"test\"\n")
            })
            .collect();
        format!(
            "pinentry = {}\nenvironment = \"{}\"\nanchors = [{}]\n{}\n{destinations}",
            text(&pinentry.program()),
            self.environment.unwrap_or("custom"),
            anchors.join(", "),
            self.more,
        )
    }
}

/// A binary of this workspace, from the folder of the test binary.
///
/// # Panics
///
/// When it is not built.
pub fn binary(name: &str) -> PathBuf {
    built(name)
}

/// The PKCS#11 module of this workspace.
///
/// # Panics
///
/// When it is not built.
pub fn module() -> PathBuf {
    built("libcpsd_pkcs11.so")
}

fn built(name: &str) -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{name} is not built: run make e2e, or cargo build --workspace --bins --lib"
    );
    path
}
