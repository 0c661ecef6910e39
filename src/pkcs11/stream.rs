//! The open connection of events: tells whether there is news.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cps_api::Events;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

/// The one descriptor that is kept between two calls.
///
/// A host may close it without knowing whose it is (`closefrom`), and then open something else under
/// its number. So it is looked at before each use; what is not ours any more is neither read from
/// nor closed.
pub(crate) struct Stream {
    events: ManuallyDrop<Events>,
    /// Device and inode of the socket, which no other open one has.
    identity: Option<(u64, u64)>,
}

impl Stream {
    pub(crate) fn new(events: Events) -> Self {
        Self {
            identity: identity(events.as_fd()),
            events: ManuallyDrop::new(events),
        }
    }

    /// The descriptor, if it is still the one that was opened.
    fn ours(&self) -> Option<BorrowedFd<'_>> {
        let descriptor = self.events.as_fd();
        let is_ours = self.identity.is_some() && identity(descriptor) == self.identity;
        is_ours.then_some(descriptor)
    }

    /// Takes what came, without waiting.
    pub(crate) fn heard(&self) -> Heard {
        self.ours().map_or(Heard::End, heard)
    }

    /// A descriptor of its own for the same connection.
    pub(crate) fn try_clone(&self) -> io::Result<OwnedFd> {
        let ours = self.ours().ok_or(io::ErrorKind::NotConnected)?;
        ours.try_clone_to_owned()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.ours().is_some() {
            // SAFETY: dropped here only, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.events) };
        }
    }
}

fn identity(descriptor: BorrowedFd<'_>) -> Option<(u64, u64)> {
    let status = rustix::fs::fstat(descriptor).ok()?;
    Some((status.st_dev, status.st_ino))
}

/// What the connection of events holds.
pub(crate) enum Heard {
    End,
    News,
    Nothing,
}

/// Takes what came, without waiting. What changed does not matter: everything is read anew.
fn heard(events: BorrowedFd<'_>) -> Heard {
    let mut heard = Heard::Nothing;
    let mut block = [0; 4096];
    loop {
        match recv(events, &mut block, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Heard::End,
            Ok((length, _)) if block[..length].iter().all(is_heartbeat) => {}
            Ok(_) => heard = Heard::News,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return heard,
            Err(_) => return Heard::End,
        }
    }
}

/// Whether a byte may be of the empty comment by which the daemon shows twice a minute that it
/// lives, or of the chunk that holds it. However an event is cut, one part has other letters.
fn is_heartbeat(byte: &u8) -> bool {
    byte.is_ascii_hexdigit() || b"\r\n: ".contains(byte)
}
