//! `C_WaitForSlotEvent`: sleeps in `poll` until a card comes or goes.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cryptoki_sys::{
    CK_FLAGS, CK_SLOT_ID, CK_VOID_PTR, CKF_DONT_BLOCK, CKR_CRYPTOKI_NOT_INITIALIZED, CKR_NO_EVENT,
};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::lock;
use crate::module::Module;
use crate::pointers::write;
use crate::rv::Rv;

/// `C_WaitForSlotEvent`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn wait_for_slot_event(
    flags: CK_FLAGS,
    slot: *mut CK_SLOT_ID,
    reserved: CK_VOID_PTR,
) -> Result<(), Rv> {
    let module = Module::current()?;
    if slot.is_null() || !reserved.is_null() {
        return Err(Rv::ARGUMENTS_BAD);
    }
    let changed = if flags & CKF_DONT_BLOCK == 0 {
        wait(&module)?
    } else {
        module.tokens().slots.take_event().ok_or(Rv(CKR_NO_EVENT))?
    };
    // SAFETY: by contract.
    unsafe { write(slot, changed) }
}

/// Waits for a slot event. What wakes it: news from the daemon or its end, the appearance of an
/// absent daemon's socket, another thread that saw a change first, `C_Finalize`.
fn wait(module: &Arc<Module>) -> Result<CK_SLOT_ID, Rv> {
    // Before the first look, so that no ring is missed.
    let rope = module.bell.rope()?;
    let mut attempts = 0;
    let mut epoch = None;
    loop {
        let watch = module.daemon.watch()?;
        let event = module.tokens().slots.take_event();
        // Whoever finalised took its module away first, and rang then.
        if !module.is_current() {
            return Err(Rv(CKR_CRYPTOKI_NOT_INITIALIZED));
        }
        if let Some(slot) = event {
            return Ok(slot);
        }
        // A daemon that hangs up at once, again and again, is not to keep this thread busy.
        let daemon = module.daemon.epoch();
        if epoch
            .replace(daemon)
            .is_some_and(|earlier| earlier != daemon)
        {
            sleep(&[&rope.0], Some(MOMENT))?;
        }
        if module.daemon.is_reached() != watch.reached {
            continue;
        }
        let patience = match attempts {
            0 => module.daemon.pause(),
            // A daemon makes its socket a moment before it listens on it.
            _ => Some(MOMENT),
        };
        let by_daemon = sleep(&[&rope.0, &watch.news], patience)?;
        attempts = match by_daemon && !watch.reached {
            true => ATTEMPTS,
            false => attempts.saturating_sub(1),
        };
    }
}

/// Sleeps until one can be read, or the time is over. The first is the rope; whether it was another.
fn sleep(all: &[&OwnedFd], patience: Option<Duration>) -> Result<bool, Rv> {
    let mut polled: Vec<_> = all
        .iter()
        .map(|one| PollFd::new(one, PollFlags::IN))
        .collect();
    let patience = patience.and_then(|time| Timespec::try_from(time).ok());
    match poll(&mut polled, patience.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(_) => return Err(Rv::FUNCTION_FAILED),
    }
    let mut readable = polled.iter().map(|one| !one.revents().is_empty());
    if readable.next() == Some(true) {
        drain(all[0]);
    }
    Ok(readable.any(|it| it))
}

/// Takes what was rung, so that the next ring is heard.
fn drain(rope: &OwnedFd) {
    let mut count = [0; 8];
    // It does not block, and fails only when there is nothing to take.
    let _ = rustix::io::read(rope, &mut count);
}

/// Wakes every thread that waits.
#[derive(Default)]
pub(crate) struct Bell {
    ropes: Mutex<Vec<Arc<OwnedFd>>>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        for rope in lock(&self.ropes).iter() {
            // The count cannot overflow in any time that a process lives.
            let _ = rustix::io::write(rope.as_fd(), &1_u64.to_ne_bytes());
        }
    }

    fn rope(&self) -> Result<Rope<'_>, Rv> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let rope = Arc::new(eventfd(0, flags).map_err(|_| Rv::FUNCTION_FAILED)?);
        lock(&self.ropes).push(Arc::clone(&rope));
        Ok(Rope(rope, self))
    }
}

/// One waiting thread's end of the bell.
struct Rope<'a>(Arc<OwnedFd>, &'a Bell);

impl Drop for Rope<'_> {
    fn drop(&mut self) {
        lock(&self.1.ropes).retain(|rope| !Arc::ptr_eq(rope, &self.0));
    }
}

/// How long, and how often, a socket that just appeared is tried.
const MOMENT: Duration = Duration::from_millis(50);
const ATTEMPTS: u32 = 40;
