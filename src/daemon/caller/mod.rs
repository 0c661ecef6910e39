//! Who is asking: the process behind a socket, attested by the kernel.
//!
//! The peer of a Unix socket is identified once, when its connection is accepted. A pidfd taken from the socket
//! itself (`SO_PEERPIDFD`) pins the process, everything is read from `/proc`, and only then is the
//! pidfd asked whether the process still lives: a number that was recycled while we read cannot
//! pass. [`Caller::verify`] repeats the check before each use of a key.
//!
//! What this does not prove. A program of the same user can make a *trusted* program do its
//! bidding (debugger, `LD_PRELOAD`, a script given to an interpreter), can hand an open socket to
//! another process before it executes a trusted program, and can start a scope or a mount
//! namespace that carries the name of an application. The executable's identity (path, device,
//! inode, time of change) is therefore always part of a grant, next to the application's name.
//! For an interpreter the grant belongs to the interpreter: the name of the script is shown to the
//! practitioner, but it is only what the process says of itself.
//!
//! The other end of a TCP connection on the loopback interface is found in the tables of the
//! kernel, see [`PeerSocket`].
//!
//! A few programs only work for another one; for those the grant belongs to the program that
//! started them, see [`Host`]. What a program is called on the desktop is found by
//! [`Applications`], and only where that cannot be forged.

mod applications;
mod desktop_entry;
mod environment;
mod helper;
mod proc;
mod tcp;

pub use self::applications::{Application, Applications};
pub use self::environment::PromptEnvironment;
pub use self::helper::Host;
pub(crate) use self::proc::visible;
pub use self::tcp::PeerSocket;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cards::CallerKey;

/// A process that holds a connection to the daemon.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Effective user of the process when it connected; always the daemon's own.
    pub uid: u32,
    /// Process number, for people and journals only: the process itself is [`Caller::pidfd`].
    pub pid: u32,
    /// The process, pinned: never another one, even when the number is reused.
    pub pidfd: Arc<OwnedFd>,
    /// Start of the process in clock ticks since boot (proc(5), `/proc/PID/stat` field 22).
    pub start_time: u64,
    /// The program it runs.
    pub executable: Executable,
    /// The script an interpreter says it runs; not verifiable, shown only.
    pub script: Option<String>,
    /// The systemd unit (service or scope) at the end of its control group, if any.
    pub unit: Option<String>,
    /// `flatpak:ID` or `snap:NAME` of a sandboxed application, if it is one.
    pub app_id: Option<String>,
    /// The program that this one works for, if it is a known helper.
    pub host: Option<Host>,
    /// Short name for prompts, without control characters.
    pub display: String,
    /// Where the practitioner sees this program, and in which language.
    pub environment: PromptEnvironment,
}

/// What the kernel says about the file a process runs.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Executable {
    /// Path as the process sees it (another root inside a sandbox).
    pub path: PathBuf,
    /// Device number of the file system.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Last change of content, nanoseconds since 1970.
    pub modified_ns: i128,
    /// Last change of content, name or rights (ctime), nanoseconds since 1970. Its owner can set
    /// the time of the content back, but not this one.
    pub changed_ns: i128,
}

impl Executable {
    /// Whether both are the same file with the same content, whatever its name by now. The kernel
    /// lets nobody write to a program while it runs.
    fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode, self.modified_ns)
            == (other.device, other.inode, other.modified_ns)
    }
}

/// The peer of a connection cannot be accepted.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// The socket's other end belongs to another user. The daemon serves its own user only.
    #[error("the caller belongs to user {theirs}, the daemon serves user {ours} only")]
    AnotherUser {
        /// The peer's user.
        theirs: u32,
        /// The daemon's user.
        ours: u32,
    },
    /// The process ended, or runs another program than the one that connected.
    #[error("the calling process {pid} {what}")]
    Changed {
        /// Its number when it connected.
        pid: u32,
        /// What became of it.
        what: &'static str,
    },
    /// The kernel does not let us see who it is (hidden by a container or non-dumpable).
    #[error("the calling process {pid} cannot be identified: {what}")]
    Unreadable {
        /// Its number.
        pid: u32,
        /// What was read, and why it failed.
        what: String,
    },
}

impl Caller {
    /// The process at the other end of a connected Unix stream socket.
    ///
    /// # Errors
    /// Another user's process, a process that ended meanwhile, or one whose program the kernel
    /// does not show.
    pub fn of_peer(socket: BorrowedFd<'_>) -> Result<Self, CallerError> {
        let unreadable =
            |pid: u32, what: &str, error: &dyn std::fmt::Display| CallerError::Unreadable {
                pid,
                what: format!("{what}: {error}"),
            };
        let peer = rustix::net::sockopt::socket_peercred(socket)
            .map_err(|error| unreadable(0, "SO_PEERCRED", &error))?;
        let ours = rustix::process::geteuid().as_raw();
        let theirs = peer.uid.as_raw();
        if theirs != ours {
            return Err(CallerError::AnotherUser { theirs, ours });
        }
        let pid = peer.pid.as_raw_nonzero().get().unsigned_abs();
        let pidfd = match proc::peer_pidfd(socket) {
            Some(pidfd) => pidfd,
            // Before Linux 6.5. The number may have been reused since `connect`; the liveness and
            // start-time checks below narrow this to a process of the same user, no further.
            None => rustix::process::pidfd_open(peer.pid, PidfdFlags::empty())
                .map_err(|error| unreadable(pid, "pidfd_open", &error))?,
        };
        Self::identify(theirs, pid, pidfd)
    }

    /// A process by number: for the daemon's own purposes (its parent, tests), never for a peer.
    ///
    /// # Errors
    /// As [`Caller::of_peer`].
    pub fn of_pid(pid: u32) -> Result<Self, CallerError> {
        let unreadable = |what: String| CallerError::Unreadable { pid, what };
        let number = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| unreadable("not a process number".to_owned()))?;
        let pidfd = rustix::process::pidfd_open(number, PidfdFlags::empty())
            .map_err(|error| unreadable(format!("pidfd_open: {error}")))?;
        Self::identify(rustix::process::geteuid().as_raw(), pid, pidfd)
    }

    /// Checks that the process still lives and still runs the program that connected.
    ///
    /// # Errors
    /// [`CallerError::Changed`] when it does not.
    pub fn verify(&self) -> Result<(), CallerError> {
        let changed = |what| CallerError::Changed {
            pid: self.pid,
            what,
        };
        let executable = proc::executable(self.pid)
            .map_err(|_| changed("has ended or cannot be seen any more"))?;
        // Not the path: it changes (" (deleted)") when an update replaces the file of a program that
        // goes on running.
        if !executable.is_same_file(&self.executable) {
            return Err(changed("runs another program than the one that connected"));
        }
        if !self.still_alive() {
            return Err(changed("has ended"));
        }
        if let Some(host) = &self.host
            && !host.still_serves(self.pid)
        {
            return Err(changed("has lost the program it worked for"));
        }
        Ok(())
    }

    /// The program that grants are given to: the one a helper works for, or else its own.
    pub fn program(&self) -> &Executable {
        self.host
            .as_ref()
            .map_or(&self.executable, |host| &host.executable)
    }

    /// The helper through which the program asks, unless it is a part of the program.
    pub fn helper(&self) -> Option<&Executable> {
        let host = self.host.as_ref()?;
        (!host.beside).then_some(&self.executable)
    }

    /// What to call the program in front of a person: as its desktop entry does where nobody can
    /// have forged that, with the file's name behind it where somebody can, else the file's name.
    pub fn title(&self, application: Option<&Application>) -> String {
        let Some(application) = application else {
            return self.display.clone();
        };
        let mut title = application.name.clone();
        if !application.vouched {
            title = format!(
                "{title} ({})",
                proc::display_name(&self.program().path, None, None)
            );
        }
        match self.helper() {
            Some(helper) => {
                let helper = proc::display_name(&helper.path, None, None);
                format!("{title} ({helper})")
            }
            None => title,
        }
    }

    /// What the card queue is fair between: processes, not connections.
    pub fn key(&self) -> CallerKey {
        // A process number is 22 bits long at most; the start time tells two users of one apart.
        CallerKey(self.start_time << 22 | u64::from(self.pid))
    }

    /// Whether the process has not ended.
    pub fn still_alive(&self) -> bool {
        proc::alive(self.pidfd.as_fd())
    }

    /// SHA-256 of the file of [`Caller::program`], read through the running process, so that a file
    /// put in its place is not hashed instead.
    ///
    /// # Errors
    /// The process changed, or the file cannot be read.
    pub fn program_sha256(&self) -> Result<[u8; 32], CallerError> {
        let pid = self.host.as_ref().map_or(self.pid, Host::pid);
        let unreadable = |error: std::io::Error| CallerError::Unreadable {
            pid,
            what: format!("content of {}: {error}", self.program().path.display()),
        };
        let mut file = File::open(format!("/proc/{pid}/exe")).map_err(unreadable)?;
        let mut hasher = Sha256::new();
        let mut block = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut block).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            hasher.update(&block[..read]);
        }
        self.verify()?;
        Ok(hasher.finalize().into())
    }

    fn identify(uid: u32, pid: u32, pidfd: OwnedFd) -> Result<Self, CallerError> {
        let unreadable = |what: String| CallerError::Unreadable { pid, what };
        let start_time = proc::start_time(pid).map_err(unreadable)?;
        let executable = proc::executable(pid).map_err(unreadable)?;
        let group = proc::control_group(pid);
        let unit = group.as_deref().and_then(proc::unit);
        let app_id = proc::app_id(pid, unit.as_deref());
        let script = proc::script(pid, &executable.path);
        let environment = PromptEnvironment::of_process(pid);
        let host = Host::of(pid, &executable, applications::only_root_writes);
        let gone = || CallerError::Changed {
            pid,
            what: "has ended",
        };
        if proc::start_time(pid).map_err(|_| gone())? != start_time || !proc::alive(pidfd.as_fd()) {
            return Err(gone());
        }
        let mut display =
            proc::display_name(&executable.path, script.as_deref(), app_id.as_deref());
        if let Some(host) = &host {
            let program = proc::display_name(&host.executable.path, None, None);
            display = format!("{program} ({display})");
        }
        Ok(Self {
            uid,
            pid,
            pidfd: Arc::new(pidfd),
            start_time,
            executable,
            script,
            unit,
            app_id,
            host,
            display,
            environment,
        })
    }
}

#[cfg(test)]
mod tests;
