//! Memory for secrets: one page of its own, locked out of swap, left out of core dumps, wiped.

use std::ptr::NonNull;
use std::{io, slice};

use rustix::mm::{Advice, MapFlags, ProtFlags};
use zeroize::Zeroize;

/// Bytes in a page that is never swapped (`mlock`), never dumped (`MADV_DONTDUMP`), not inherited
/// by children (`MADV_WIPEONFORK`), and is overwritten before it is given back.
///
/// It has no `Debug`, `Clone` or `Display` on purpose.
pub struct LockedBuffer {
    page: NonNull<u8>,
    length: usize,
}

impl LockedBuffer {
    /// What one buffer can hold, in bytes.
    pub const CAPACITY: usize = 4096;

    /// An empty buffer.
    ///
    /// # Errors
    /// The kernel refuses to lock a page (`RLIMIT_MEMLOCK` is zero or used up).
    #[allow(unsafe_code)]
    pub fn new() -> io::Result<Self> {
        // SAFETY: a fresh anonymous private mapping touches no memory of ours.
        let address = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                Self::CAPACITY,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        let page = NonNull::new(address.cast::<u8>())
            .ok_or_else(|| io::Error::other("the kernel mapped page zero"))?;
        // From here on, dropping `buffer` unmaps the page.
        let buffer = Self { page, length: 0 };
        // SAFETY: the page is ours and stays mapped until `drop`.
        unsafe {
            rustix::mm::mlock(address, Self::CAPACITY)?;
            rustix::mm::madvise(address, Self::CAPACITY, Advice::LinuxDontDump)?;
            rustix::mm::madvise(address, Self::CAPACITY, Advice::LinuxWipeOnFork)?;
        }
        Ok(buffer)
    }

    /// A buffer holding a copy of `bytes`; the caller wipes the original.
    ///
    /// # Errors
    /// As [`LockedBuffer::new`], or more bytes than a buffer holds.
    pub fn holding(bytes: &[u8]) -> io::Result<Self> {
        let mut buffer = Self::new()?;
        let room = buffer
            .room()
            .get_mut(..bytes.len())
            .ok_or_else(|| io::Error::other("too long for a locked page"))?;
        room.copy_from_slice(bytes);
        buffer.set_length(bytes.len());
        Ok(buffer)
    }

    /// The bytes held.
    pub fn bytes(&self) -> &[u8] {
        &self.page()[..self.length]
    }

    /// The whole page, to be written into; then say how much counts with
    /// [`LockedBuffer::set_length`].
    pub fn room(&mut self) -> &mut [u8] {
        self.page_mut()
    }

    /// Keeps the first `length` bytes and wipes the rest.
    pub fn set_length(&mut self, length: usize) {
        self.length = length.min(Self::CAPACITY);
        let kept = self.length;
        self.page_mut()[kept..].zeroize();
    }

    #[allow(unsafe_code)]
    fn page(&self) -> &[u8] {
        // SAFETY: `page` is mapped readable for CAPACITY initialised (zero) bytes while self lives.
        unsafe { slice::from_raw_parts(self.page.as_ptr(), Self::CAPACITY) }
    }

    #[allow(unsafe_code)]
    fn page_mut(&mut self) -> &mut [u8] {
        // SAFETY: as `page`, and `&mut self` makes the access unique.
        unsafe { slice::from_raw_parts_mut(self.page.as_ptr(), Self::CAPACITY) }
    }
}

impl Drop for LockedBuffer {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        self.page_mut().zeroize();
        // SAFETY: mapped by `new` with this size, and nothing borrows it any more.
        let unmapped = unsafe { rustix::mm::munmap(self.page.as_ptr().cast(), Self::CAPACITY) };
        if let Err(error) = unmapped {
            tracing::error!(%error, "a wiped page of locked memory was not given back");
        }
    }
}

// SAFETY: the page is owned by exactly one value and reached only through its borrows.
#[allow(unsafe_code)]
unsafe impl Send for LockedBuffer {}
// SAFETY: `&LockedBuffer` only reads.
#[allow(unsafe_code)]
unsafe impl Sync for LockedBuffer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_locked_and_left_out_of_dumps() {
        let buffer = LockedBuffer::holding(b"page flags").expect("locked page");
        let address = format!("{:x}-", buffer.page.as_ptr() as usize);
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
        let flags = maps
            .split_once(&address)
            .and_then(|(_, rest)| rest.lines().find(|line| line.starts_with("VmFlags:")))
            .expect("the page has a mapping of its own");
        for flag in [" lo", " dd", " wf"] {
            assert!(flags.contains(flag), "{flag} missing in {flags}");
        }
    }

    #[test]
    fn shortening_wipes_what_is_cut_off() {
        let mut buffer = LockedBuffer::holding(b"123456").expect("locked page");
        buffer.set_length(2);
        assert_eq!(buffer.bytes(), b"12");
        assert!(buffer.room()[2..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn more_than_a_page_is_refused() {
        assert!(LockedBuffer::holding(&[0; LockedBuffer::CAPACITY + 1]).is_err());
    }
}
