//! Who used the card, for what, with which result: an append-only, hash-chained log.
//!
//! Each entry is one line of JSON that ends with the SHA-256 of all that stands before it on the
//! line, the previous entry's hash included. A `head` file beside the lines names the last entry,
//! so that cutting the end off is seen as well. An entry is on disk before [`Journal::append`]
//! returns, and the broker releases no result before that.
//!
//! What it proves: no entry was changed, removed or moved since it was written, by accident or by
//! someone who does not take the trouble to compute every later hash anew. What it does not: the
//! chain has no secret and no witness outside, so a program that runs as the same user and can
//! write both the lines and the head can rewrite them all. Copy the head elsewhere from time to
//! time if that matters: an old head that is no longer in the chain gives it away.
//!
//! After a crash, an incomplete last line is cut off and an entry `recovered` says so; its result
//! was never released. Damage of any other kind is left as it is, for [`Journal::verify`] to show,
//! and the chain goes on behind it.

mod entry;
mod files;
mod verify;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use self::entry::{DONE, Entry, Record, Who};
pub use self::verify::{Fault, Finding, Verification};

use self::entry::GENESIS;
use self::files::{Head, HeadFile, Line, Lines, Volume};

/// The journal of one user, open for writing. One process at a time.
pub struct Journal {
    folder: PathBuf,
    rotate_at: u64,
    writer: Mutex<Writer>,
    _lock: File,
}

/// The journal cannot be written or read.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another daemon of the same user has it.
    #[error("the journal in {} is in use by another daemon", folder.display())]
    InUse {
        /// The journal's folder.
        folder: PathBuf,
    },
    /// The system refused.
    #[error("journal in {}: {source}", folder.display())]
    Io {
        /// The journal's folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Journal {
    /// Opens the journal in a folder, made if absent; a volume is closed once it reaches
    /// `rotate_at` bytes.
    ///
    /// # Errors
    /// The folder cannot be used, or another daemon uses it.
    pub fn open(folder: &Path, rotate_at: u64) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Io {
            folder: folder.to_owned(),
            source,
        };
        files::make(folder).map_err(failed)?;
        let lock = files::lock(folder)
            .map_err(failed)?
            .ok_or_else(|| JournalError::InUse {
                folder: folder.to_owned(),
            })?;
        let writer = Writer::open(folder).map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            rotate_at,
            writer: Mutex::new(writer),
            _lock: lock,
        })
    }

    /// Adds an entry and waits until it is on disk.
    ///
    /// # Errors
    /// The disk is full or fails: then nothing was added, and what was to be journalled must not
    /// happen.
    pub fn append(&self, record: Record) -> Result<Entry, JournalError> {
        self.writer()
            .append(&self.folder, self.rotate_at, record)
            .map_err(|e| self.failed(e))
    }

    /// At most `limit` entries, the first ones numbered above `after`. A line that cannot be read
    /// is left out; [`Journal::verify`] tells.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn entries(&self, after: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let volumes = {
            let _quiet = self.writer();
            Volume::list(&self.folder).map_err(|error| self.failed(error))?
        };
        let start = volumes
            .iter()
            .rposition(|volume| volume.first <= after.saturating_add(1))
            .unwrap_or(0);
        let mut found = Vec::new();
        for volume in &volumes[start..] {
            let mut lines = volume.lines().map_err(|error| self.failed(error))?;
            while let Some(line) = lines.next().map_err(|error| self.failed(error))? {
                if found.len() == limit {
                    return Ok(found);
                }
                if let Line::Whole(bytes) = line
                    && let Ok(entry) = Entry::parse(&bytes)
                    && entry.sequence > after
                {
                    found.push(entry);
                }
            }
        }
        Ok(found)
    }

    /// Checks every entry up to now.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn verify(&self) -> Result<Verification, JournalError> {
        let (head, volumes) = {
            // No entry may be half written while the folder is looked at.
            let _quiet = self.writer();
            let head = files::read_head(&self.folder).map_err(|error| self.failed(error))?;
            (
                head,
                Volume::list(&self.folder).map_err(|error| self.failed(error))?,
            )
        };
        verify::verify(&head, &volumes).map_err(|error| self.failed(error))
    }

    /// Checks the journal in a folder that no daemon is writing.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn verify_folder(folder: &Path) -> Result<Verification, JournalError> {
        let failed = |source| JournalError::Io {
            folder: folder.to_owned(),
            source,
        };
        let head = files::read_head(folder).map_err(failed)?;
        verify::verify(&head, &Volume::list(folder).map_err(failed)?).map_err(failed)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic while writing leaves at worst a torn line, which `Writer` cuts before the next.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: io::Error) -> JournalError {
        JournalError::Io {
            folder: self.folder.clone(),
            source,
        }
    }
}

/// The end of the chain.
struct Writer {
    file: File,
    /// Bytes of whole lines in `file`: whatever stands behind them is the rest of a failed write.
    length: u64,
    head: Head,
}

impl Writer {
    fn open(folder: &Path) -> io::Result<Self> {
        let known = files::read_head(folder)?;
        let volumes = Volume::list(folder)?;
        let last = volumes.last();
        let (found, torn, length) = match last {
            Some(volume) => end_of(volume)?,
            None => (None, 0, 0),
        };
        let genesis = || Head {
            sequence: 0,
            hash: GENESIS.to_owned(),
        };
        // Go on behind whichever reaches further: what was cut off must stay a visible gap.
        let head = match (found, known) {
            (Some(end), HeadFile::Present(head)) if head.sequence > end.sequence => head,
            (Some(end), _) => end,
            (None, HeadFile::Present(head)) => head,
            (None, _) => genesis(),
        };
        let first = last.map_or_else(|| head.sequence.saturating_add(1), |volume| volume.first);
        let file = files::open_for_append(&Volume::path_in(folder, first))?;
        files::sync_folder(folder)?;
        let mut writer = Self { file, length, head };
        if torn > 0 {
            let note = format!("an incomplete line of {torn} bytes was cut off");
            tracing::warn!("journal: {note}");
            let record = Record {
                note: Some(note),
                ..Record::own("recovered")
            };
            writer.append(folder, u64::MAX, record)?;
        }
        Ok(writer)
    }

    fn append(&mut self, folder: &Path, rotate_at: u64, record: Record) -> io::Result<Entry> {
        let sequence = self.head.sequence.checked_add(1).ok_or_else(|| {
            io::Error::other("its numbers are used up, so it was tampered with: move it away")
        })?;
        if self.length >= rotate_at {
            self.file = files::open_for_append(&Volume::path_in(folder, sequence))?;
            self.length = 0;
            files::sync_folder(folder)?;
        }
        let previous = self.head.hash.clone();
        let (entry, line) = Entry::chained(sequence, Timestamp::now(), record.bounded(), previous)?;
        if line.len() >= Lines::LONGEST {
            return Err(io::Error::other("an entry too long to be read again"));
        }
        if self.file.metadata()?.len() != self.length {
            self.file.set_len(self.length)?;
        }
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        let head = Head {
            sequence,
            hash: entry.hash.clone(),
        };
        self.length += line.len() as u64;
        self.head = head;
        files::write_head(folder, &self.head)?;
        Ok(entry)
    }
}

/// The last entry of a volume that can be read, the bytes of a torn line behind it, and the bytes
/// before that.
fn end_of(volume: &Volume) -> io::Result<(Option<Head>, u64, u64)> {
    let mut lines = volume.lines()?;
    let mut end = None;
    let mut torn = 0;
    while let Some(line) = lines.next()? {
        match line {
            Line::Whole(bytes) => {
                if let Ok(entry) = Entry::parse(&bytes) {
                    end = Some(Head {
                        sequence: entry.sequence,
                        hash: entry.hash,
                    });
                }
            }
            Line::Torn(bytes) => torn = bytes,
            Line::TooLong => {}
        }
    }
    Ok((end, torn, volume.length - torn))
}

#[cfg(test)]
mod tests;
