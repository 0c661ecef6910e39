//! Whether a program that owns a database is open: it would not see a change, or would undo it.

use std::fs::{self, File};
use std::path::Path;

use rustix::process::{FlockType, Pid, fcntl_getlk, test_kill_process};

/// Whether Firefox or Thunderbird uses this profile.
///
/// A running program holds a record lock on `.parentlock`; the file outlives it. Where record locks
/// do not work it leaves a symbolic link `lock` to `ADDRESS:PID` instead, and to `ADDRESS:+PID` beside
/// a record lock (Mozilla's nsProfileLock).
pub(super) fn mozilla(profile: &Path) -> bool {
    let held = File::open(profile.join(".parentlock")).is_ok_and(|file| {
        matches!(
            fcntl_getlk(&file, &FlockType::WriteLock.into()),
            Ok(Some(_))
        )
    });
    let link = fs::read_link(profile.join("lock")).ok();
    let pid = link
        .as_ref()
        .and_then(|link| link.to_str()?.rsplit_once(':'))
        .filter(|(_, pid)| !pid.starts_with('+'))
        .and_then(|(_, pid)| pid.parse().ok());
    held || pid.is_some_and(alive)
}

/// Whether Chromium or a sibling runs with this folder of settings: `SingletonLock` is a symbolic link
/// to `HOST-PID`.
pub(super) fn chromium(settings: &Path) -> bool {
    let Ok(link) = fs::read_link(settings.join("SingletonLock")) else {
        return false;
    };
    let owner = link.to_str().and_then(|link| link.rsplit_once('-'));
    let Some((host, pid)) = owner else {
        return false;
    };
    let here = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // Another machine that shares the home folder: its processes cannot be seen.
    host != here.trim() || pid.parse().is_ok_and(alive)
}

/// Whether this process exists; one of another user counts.
fn alive(pid: i32) -> bool {
    let pid = (pid > 0).then(|| Pid::from_raw(pid)).flatten();
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests;
