//! Encrypted archives that common programs open: zip with AES-256 in the form AE-2 of WinZip's
//! specification.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{AesMode, DateTime, ZipWriter};

/// A file to put in an archive.
pub(crate) struct Member {
    /// Its name in the archive: whoever has the archive can read it.
    pub(crate) name: String,
    /// Its content.
    pub(crate) file: File,
    /// How long it is, in bytes.
    pub(crate) length: u64,
    /// When it was last modified: also to be read by whoever has the archive.
    pub(crate) modified: Option<SystemTime>,
}

/// Why there is no archive.
#[derive(Debug)]
pub(crate) enum Error {
    /// The member of this index could not be read to its end.
    Read(usize, io::Error),
    /// The archive could not be written.
    Write(io::Error),
}

/// Writes the archive of `members` to `out`; tells `progress` how many bytes were read each time.
///
/// # Errors
/// See [`Error`]; what was written until then is of no use.
pub(crate) fn write(
    out: &mut dyn Write,
    members: &mut [Member],
    passphrase: &str,
    mut progress: impl FnMut(u64),
) -> Result<(), Error> {
    // As a stream: only there the library never uses the form AE-1, whose checksum of the clear
    // content confirms a guess of it.
    let mut archive = ZipWriter::new_stream(out);
    let mut filled = Ok(());
    for (index, member) in members.iter_mut().enumerate() {
        filled = add(&mut archive, index, member, passphrase, &mut progress);
        if filled.is_err() {
            break;
        }
    }
    match filled {
        Ok(()) => archive.finish().map(drop).map_err(unwritten),
        Err(error) => {
            // Dropped, it would write the end of an archive that nobody wants.
            mem::forget(archive);
            Err(error)
        }
    }
}

/// Whether every computer can have a file of this name.
pub(crate) fn is_plain(name: &str) -> bool {
    let awkward = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    !name.is_empty() && name != "." && name != ".." && !name.contains(awkward)
}

fn add<W: Write + io::Seek>(
    archive: &mut ZipWriter<W>,
    index: usize,
    member: &mut Member,
    passphrase: &str,
    progress: &mut impl FnMut(u64),
) -> Result<(), Error> {
    let options = SimpleFileOptions::default()
        .last_modified_time(member.modified.and_then(local).unwrap_or_default())
        // Larger ones need the 64-bit form, which older programs do not know.
        .large_file(member.length >= LARGE)
        .with_aes_encryption(AesMode::Aes256, passphrase);
    archive
        .start_file(&member.name, options)
        .map_err(unwritten)?;
    let mut block = vec![0; BLOCK];
    loop {
        let n = match member.file.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::Read(index, error)),
        };
        archive.write_all(&block[..n]).map_err(Error::Write)?;
        progress(n as u64);
    }
}

/// The local date and time, which is what the format holds; none outside of 1980 to 2107.
fn local(time: SystemTime) -> Option<DateTime> {
    let at = Timestamp::try_from(time).ok()?;
    let at = at.to_zoned(TimeZone::system());
    let small = |n: i8| u8::try_from(n).ok();
    DateTime::from_date_and_time(
        u16::try_from(at.year()).ok()?,
        small(at.month())?,
        small(at.day())?,
        small(at.hour())?,
        small(at.minute())?,
        small(at.second())?,
    )
    .ok()
}

fn unwritten(error: ZipError) -> Error {
    Error::Write(match error {
        ZipError::Io(error) => error,
        other => io::Error::other(other),
    })
}

const BLOCK: usize = 64 * 1024;

/// Well below 4 GiB: what does not shrink grows a little.
const LARGE: u64 = 0xf000_0000;
