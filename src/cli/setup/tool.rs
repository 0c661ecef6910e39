//! Foreign programs, run to their end.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cps_api::{Code, Problem};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, MemfdFlags, access, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Where `PATH` finds `program`.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok())
}

/// Runs `program` with `input`; gives its standard output.
///
/// # Errors
/// When it is not installed, fails, or takes longer than anything it is asked for: it may load modules
/// of others, which may hang.
pub(super) fn run<S: AsRef<OsStr>>(
    program: &str,
    arguments: &[S],
    input: &str,
) -> Result<String, Box<Problem>> {
    let path = find(program).ok_or_else(|| absent(program))?;
    let failed = |reason: &str| {
        let problem = Problem::new(Code::SetupToolFailed).with("tool", program);
        problem.with("reason", reason.trim())
    };
    match output(&path, arguments, input) {
        Ok((true, out, _)) => Ok(out),
        Ok((false, _, err)) => Err(failed(&err).into()),
        Err(error) => Err(failed(&error.to_string()).into()),
    }
}

/// The problem of a program that is not installed.
pub(super) fn absent(program: &str) -> Problem {
    Problem::new(Code::SetupToolAbsent).with("tool", program)
}

/// Whether it succeeded, and what it said on standard output and standard error.
fn output<S: AsRef<OsStr>>(
    path: &Path,
    arguments: &[S],
    input: &str,
) -> io::Result<(bool, String, String)> {
    // Files in memory: nobody needs to read while the program runs.
    let (stdin, mut out, mut err) = (file()?, file()?, file()?);
    stdin.write_all_at(input.as_bytes(), 0)?;
    let mut child = Command::new(path)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(stdin)
        .stdout(out.try_clone()?)
        .stderr(err.try_clone()?)
        .spawn()?;
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    let status = match poll(&mut ended, Some(&PATIENCE))? {
        0 => {
            child.kill()?;
            child.wait()?;
            return Err(ErrorKind::TimedOut.into());
        }
        _ => child.wait()?,
    };
    Ok((status.success(), text(&mut out)?, text(&mut err)?))
}

fn file() -> io::Result<File> {
    Ok(memfd_create("cps", MemfdFlags::CLOEXEC)?.into())
}

fn text(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::default();
    file.take(MAX_OUTPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Programs that change a database load its modules, one of which may wait for a slow token.
const PATIENCE: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

/// Longest output believed, in bytes.
const MAX_OUTPUT: u64 = 4 << 20;
