//! The process in which a module runs: `cpsd module-host NAME`, started by [`super::Host`].
//!
//! The order is what protects: the process gives up its rights first (`walls`) and loads the
//! module afterwards, so that not even a library's constructor runs outside. All calls are made
//! by one thread, one after the other.

mod module;
mod walls;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Resource, Rlimit, Signal};

use super::protocol::{self, Answer, Call, Reason, Refusal, Reply, Request, Setup};
use crate::prompt::LockedBuffer;
use module::Module;

/// Serves the module until the daemon closes the line or dies.
///
/// # Errors
/// The system refuses something before the module is loaded, or the daemon is gone. There is
/// nobody to tell: the daemon sees that the process ended.
pub fn run() -> io::Result<()> {
    let mut line = line_to_the_daemon()?;
    crate::hardening::apply().map_err(io::Error::other)?;
    die_with_the_daemon(&line)?;
    limit_resources()?;

    let Some(frame) = protocol::read(&mut line)? else {
        return Ok(());
    };
    let setup: Setup = serde_json::from_slice(&frame)?;
    // Loaded only behind the walls.
    let loaded = match walls::raise(&setup) {
        Ok(landlock) => guarded(|| Module::load(&setup.module)).map(|module| (module, landlock)),
        Err(error) => Err(Refusal {
            reason: Reason::NotLoaded,
            text: module::text(&error.to_string()),
        }),
    };
    let (module, ready) = match loaded {
        Ok((module, landlock)) => (Some(module), Ok(Answer::Ready { landlock })),
        Err(refusal) => (None, Err(refusal)),
    };
    answer(&mut line, 0, ready, None)?;
    let Some(mut module) = module else {
        return Ok(());
    };
    while let Some(frame) = protocol::read(&mut line)? {
        let request: Request = serde_json::from_slice(&frame)?;
        let secret = request
            .secret
            .then(|| protocol::read_secret(&mut line))
            .transpose()?;
        let mut plaintext = None;
        let result = guarded(|| match &request.call {
            Call::Certificates { token } => module.certificates(token).map(Answer::Certificates),
            Call::Decrypt {
                token,
                key,
                cryptogram,
            } => {
                plaintext = Some(module.decrypt(token, key, cryptogram)?);
                Ok(Answer::Done)
            }
            Call::Keys { token } => module.keys(token).map(Answer::Keys),
            Call::Login { token } => {
                let pin = secret.as_ref().map(LockedBuffer::bytes);
                module.login(token, pin).map(|()| Answer::Done)
            }
            Call::Logout { token } => module.logout(token).map(|()| Answer::Done),
            Call::Sign {
                token,
                key,
                scheme,
                digest,
            } => module
                .sign(token, key, *scheme, digest)
                .map(Answer::Signature),
            Call::Tokens => module.tokens().map(Answer::Tokens),
        });
        answer(&mut line, request.id, result, plaintext.as_ref())?;
    }
    Ok(())
}

fn answer(
    line: &mut UnixStream,
    id: u64,
    result: Result<Answer, Refusal>,
    secret: Option<&LockedBuffer>,
) -> io::Result<()> {
    let reply = Reply {
        id,
        result,
        secret: secret.is_some(),
    };
    protocol::write(line, &reply, secret)
}

/// `cryptoki` panics on some of what a module may answer; that is the module's failure.
fn guarded<T>(call: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(Refusal {
            reason: Reason::Failed,
            text: "values that no module may give".to_owned(),
        })
    })
}

/// Takes the line from the standard input, where the module could disturb it, and closes whatever
/// else came from the daemon: not every library marks its descriptors as not inheritable.
#[allow(unsafe_code)]
fn line_to_the_daemon() -> io::Result<UnixStream> {
    // SAFETY: nothing in this process has opened a descriptor yet, so no owner loses one.
    let closed = unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    if closed != 0 {
        return Err(io::Error::last_os_error());
    }
    let line = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(line.into())
}

/// A module that hangs does not see the line close; the kernel kills it all the same.
fn die_with_the_daemon(line: &UnixStream) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let daemon = rustix::net::sockopt::socket_peercred(line)?.pid;
    if rustix::process::getppid() != Some(daemon) {
        return Err(io::Error::other("the daemon is gone"));
    }
    Ok(())
}

/// Bounds on memory, files and their size. There is none on threads: the kernel counts those of all
/// the user's programs together.
fn limit_resources() -> io::Result<()> {
    for (resource, limit) in [
        (Resource::As, MEMORY),
        (Resource::Fsize, FILE_SIZE),
        (Resource::Nofile, OPEN_FILES),
    ] {
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        rustix::process::setrlimit(resource, limit)?;
    }
    Ok(())
}

/// Address space, in bytes. Threads and allocators reserve far more than they use.
const MEMORY: u64 = 1 << 30;

/// The longest file that can be written, in bytes.
const FILE_SIZE: u64 = 64 << 20;

/// Descriptors.
const OPEN_FILES: u64 = 256;
