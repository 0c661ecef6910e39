//! Foreign programs.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Sandbox;

/// A program in the background. Its output goes to a file; it is stopped by its process number,
/// at the latest when this value is dropped.
#[derive(Debug)]
pub struct Peer {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Peer {
    /// Starts `command`, which must stay in the foreground; the output goes to `log/NAME`.
    ///
    /// # Panics
    ///
    /// When the program is missing, naming the Debian `package` that holds it.
    pub fn start(sandbox: &Sandbox, name: &str, package: &str, mut command: Command) -> Self {
        let log = sandbox.join("log").join(name);
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = command
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{name} cannot be started: {error} (package {package}: run tests/setup test)"
                )
            });
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// Process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A field of `/proc/PID/status` that is counted in kB, in bytes: `VmRSS`, `VmHWM` (peak).
    ///
    /// # Panics
    ///
    /// When the process has ended or has no such field.
    pub fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .unwrap();
        let kilobytes: u64 = line
            .trim_matches([':', ' ', '\t', 'k', 'B'])
            .parse()
            .unwrap();
        kilobytes * 1024
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks it to end (SIGTERM) and waits; after five seconds it is killed.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if let Some(status) = self.ended() {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill()
    }

    /// Ends it at once (SIGKILL), as a crash would.
    pub fn kill(&mut self) -> ExitStatus {
        match self.child.kill() {
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => panic!("{error}"),
            _ => self.child.wait().unwrap(),
        }
    }

    /// Sends a signal; nothing happens when it has ended already.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let pid = Pid::from_child(&self.child);
            // The child may end in between; it stays a zombie until `wait`, so the number is ours.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            eprintln!("----- output of {} -----\n{}", self.name, self.log());
        }
    }
}
