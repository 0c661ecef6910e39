//! What the process gives up at its start, before it reads anything secret.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// Applies, in this order: files private to the user (`umask` 077), no core dumps
/// (`RLIMIT_CORE` 0), not dumpable (`PR_SET_DUMPABLE` 0: other programs of the same user can
/// neither attach a debugger nor read `/proc/PID/mem` or `/proc/PID/environ`), no new privileges
/// for us and our children (`PR_SET_NO_NEW_PRIVS`).
///
/// Running as root is warned of, not refused: a container's only user is root, and there it is
/// right. Elsewhere it would let every root program use the card in the practitioner's name.
///
/// # Errors
/// The kernel refuses one of them; the daemon must not start then.
pub fn apply() -> Result<(), HardeningError> {
    if rustix::process::geteuid().is_root() {
        tracing::warn!(
            "running as root: the card is lent to programs of root; start cpsd as the \
             practitioner's own user (systemctl --user start cpsd)"
        );
    }
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let failed = |what| move |source: rustix::io::Errno| HardeningError { what, source };
    rustix::process::setrlimit(Resource::Core, none).map_err(failed("RLIMIT_CORE 0"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(failed("PR_SET_DUMPABLE 0"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("PR_SET_NO_NEW_PRIVS 1"))?;
    Ok(())
}

/// The kernel refused a protection.
#[derive(Debug, thiserror::Error)]
#[error("the kernel refused {what}: {source}")]
pub struct HardeningError {
    what: &'static str,
    source: rustix::io::Errno,
}
