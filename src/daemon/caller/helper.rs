//! Programs that only ever work for another one: a browser's content process in a file of its own, a
//! remote end of p11-kit, ssh-agent's way to PKCS#11.
//!
//! A program that starts itself again (Firefox's and Thunderbird's `-contentproc`, Chromium's
//! `--type=utility`) needs no rule: it runs the same file. Any other child process is a program of
//! its own, whatever started it. The exceptions are the few files named here, under four conditions:
//!
//! 1. Only the administrator can have put the helper there, and it is the file of that path in the
//!    daemon's own view.
//! 2. Its parent, pinned by a pidfd and asked again before each use, is a program that this helper
//!    is known to work for.
//! 3. The parent's executable is read from the kernel as the helper's was, and the grant holds it.
//! 4. A helper that lies beside its program is a part of it and uses the program's grants. One that
//!    serves many programs (WebKit, p11-kit, ssh) is named in the grant next to the program: the
//!    practitioner is asked about the pair, apart from the program itself.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags};

use super::{Executable, proc};

/// The program that a helper works for.
#[derive(Clone, Debug)]
pub struct Host {
    /// What the program runs.
    pub executable: Executable,
    /// Whether the helper lies beside it, as a part of it.
    pub beside: bool,
    pid: u32,
    pidfd: Arc<OwnedFd>,
    /// The processes from the helper's parent up to the program: helpers of the same file between.
    parents: Vec<u32>,
}

/// Which programs a helper works for.
#[derive(Clone, Copy)]
enum Serves {
    /// Whichever starts it.
    Any,
    /// The program whose folder it lies in.
    Beside,
    /// These, where only the administrator can have put them.
    Named(&'static [&'static str]),
}

impl Host {
    /// The program that a process works for, if it is a known helper of it.
    pub(super) fn of(
        pid: u32,
        executable: &Executable,
        guarded: fn(&Path) -> bool,
    ) -> Option<Self> {
        let name = executable.path.file_name()?.to_str()?;
        let (_, serves) = HELPERS.iter().find(|(helper, _)| *helper == name)?;
        if !installed(executable, guarded) {
            return None;
        }
        let mut parents = Vec::new();
        let mut child = pid;
        for _ in 0..GENERATIONS {
            let parent = proc::parent(child)?;
            let number = i32::try_from(parent).ok().and_then(Pid::from_raw)?;
            let pidfd = rustix::process::pidfd_open(number, PidfdFlags::empty()).ok()?;
            let theirs = proc::executable(parent).ok()?;
            // It was the parent while it was pinned, and is the process that was read.
            if proc::parent(child) != Some(parent) || !proc::alive(pidfd.as_fd()) {
                return None;
            }
            parents.push(parent);
            if theirs == *executable {
                // A helper that started a helper (Firefox's fork server).
                child = parent;
                continue;
            }
            let beside = theirs.path.parent() == executable.path.parent();
            let known = match serves {
                Serves::Any => true,
                Serves::Beside => beside && installed(&theirs, guarded),
                Serves::Named(names) => {
                    let name = theirs.path.file_name().and_then(|name| name.to_str());
                    name.is_some_and(|name| names.contains(&name)) && installed(&theirs, guarded)
                }
            };
            return known.then(|| Self {
                executable: theirs,
                beside: matches!(serves, Serves::Beside),
                pid: parent,
                pidfd: Arc::new(pidfd),
                parents,
            });
        }
        None
    }

    /// Process number of the program.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the program still lives, still runs this file and is still the helper's parent.
    pub(super) fn still_serves(&self, pid: u32) -> bool {
        let mut child = pid;
        let descends = self.parents.iter().all(|parent| {
            let still = proc::parent(child) == Some(*parent);
            child = *parent;
            still
        });
        descends
            && proc::executable(self.pid).is_ok_and(|now| now.is_same_file(&self.executable))
            && proc::alive(self.pidfd.as_fd())
    }
}

#[cfg(test)]
impl Host {
    /// A program that this process works for, as far as grants see it.
    pub(crate) fn testing(executable: Executable, beside: bool) -> Self {
        let ourselves = rustix::process::getpid();
        let pidfd = rustix::process::pidfd_open(ourselves, PidfdFlags::empty());
        Self {
            executable,
            beside,
            pid: std::process::id(),
            pidfd: Arc::new(pidfd.expect("pidfd")),
            parents: Vec::new(),
        }
    }
}

/// Whether a running file is the one that the administrator installed at its path.
fn installed(executable: &Executable, guarded: fn(&Path) -> bool) -> bool {
    fs::metadata(&executable.path).is_ok_and(|file| {
        (file.dev(), file.ino()) == (executable.device, executable.inode)
            && guarded(&executable.path)
    })
}

/// How many helpers may stand between a helper and its program.
const GENERATIONS: usize = 4;
const HELPERS: [(&str, Serves); 5] = [
    ("WebKitNetworkProcess", Serves::Any),
    ("WebKitWebProcess", Serves::Any),
    ("p11-kit-remote", Serves::Any),
    ("plugin-container", Serves::Beside),
    (
        "ssh-pkcs11-helper",
        Serves::Named(&["ssh", "ssh-add", "ssh-agent", "ssh-keygen"]),
    ),
];

#[cfg(test)]
mod tests;
