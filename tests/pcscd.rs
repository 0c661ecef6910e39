//! The real pcscd with vsmartcard's virtual reader.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::{Peer, Sandbox, until};

/// A pcscd of its own for one test: its socket folder, which is compiled in, is a bind mount seen
/// by this process only; clients find the socket through `PCSCLITE_CSOCK_NAME`.
#[derive(Debug)]
pub struct Pcscd {
    peer: Peer,
    folder: PathBuf,
    configuration: PathBuf,
    port: u16,
}

impl Pcscd {
    /// Starts pcscd with one virtual reader of two slots.
    ///
    /// # Panics
    ///
    /// Outside of the test namespace, and when pcscd or vpcd is missing.
    pub fn start(sandbox: &Sandbox) -> Self {
        Sandbox::require_namespace();
        assert!(
            fs::exists(DRIVER).unwrap(),
            "{DRIVER} is missing (package vsmartcard-vpcd: run tests/setup test)"
        );
        // Two slots listen on two consecutive ports. Nothing else uses this range in the namespace.
        static NEXT: AtomicU16 = AtomicU16::new(20_001);
        let port = NEXT.fetch_add(2, Ordering::Relaxed);
        let folder = sandbox.join("pcscd");
        fs::create_dir(&folder).unwrap();
        sandbox.write(
            "reader.conf.d/vpcd",
            format!(
                "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:{port:#06X}\n\
                 LIBPATH {DRIVER}\nCHANNELID {port:#06X}\n"
            ),
        );
        let configuration = sandbox.join("reader.conf.d");
        let peer = Self::spawn(sandbox, &folder, &configuration);
        Self {
            peer,
            folder,
            configuration,
            port,
        }
    }

    /// Loopback port on which the reader's slot (0 or 1) waits for a virtual card.
    ///
    /// # Panics
    ///
    /// For another slot.
    pub fn port(&self, slot: u16) -> u16 {
        assert!(slot < 2, "vpcd gives two slots");
        self.port + slot
    }

    /// Name under which PC/SC lists the slot (0 or 1).
    pub fn reader_name(slot: u16) -> String {
        format!("Virtual PCD 00 {slot:02}")
    }

    /// Lets a command talk to this pcscd.
    pub fn open_to(&self, command: &mut Command) {
        command.env("PCSCLITE_CSOCK_NAME", self.socket());
    }

    /// The socket of this pcscd.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("pcscd.comm")
    }

    /// Kills pcscd, as a crash would; its socket stays behind.
    pub fn crash(&mut self) {
        self.peer.kill();
    }

    /// Ends pcscd as a service manager does.
    pub fn stop(&mut self) -> ExitStatus {
        self.peer.stop()
    }

    /// Starts it again on the same ports.
    pub fn restart(&mut self, sandbox: &Sandbox) {
        self.peer.stop();
        let _ = fs::remove_file(self.socket());
        self.peer = Self::spawn(sandbox, &self.folder, &self.configuration);
    }

    fn spawn(sandbox: &Sandbox, folder: &Path, configuration: &Path) -> Peer {
        let mut command = sandbox.command("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .arg("mount --bind \"$1\" /run/pcscd && exec pcscd --foreground --config \"$2\"")
            .args(["sh".as_ref(), folder.as_os_str(), configuration.as_os_str()]);
        let mut peer = Peer::start(sandbox, "pcscd", "util-linux", command);
        until("the socket of pcscd", || {
            if let Some(status) = peer.ended() {
                panic!("pcscd ended with {status} (package pcscd): {}", peer.log());
            }
            folder.join("pcscd.comm").exists().then_some(())
        });
        peer
    }
}

const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
