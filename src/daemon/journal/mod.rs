//! Who used the card, for what, with which result: an append-only, hash-chained log. The journal of
//! mail is another one of the same make ([`crate::mail::traces`]).
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
//!
//! A journal may be one whose entries are kept for some time only. Then its volumes are closed each
//! month, and those with nothing but older entries are removed: an entry `pruned` says which, and a
//! file `begin` from where on the chain must be whole. Any other beginning that is missing is damage.

mod entry;
mod files;
mod prune;
mod verify;
mod writer;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub(crate) use self::entry::shorten;
pub use self::entry::{Content, DONE, Entry, PRUNED, RECOVERED, Record, Who};
pub use self::verify::{Fault, Finding, Verification};

use self::files::{BEGIN, HEAD, Line, MarkFile, Volume};
use self::writer::Writer;

/// The journal of the card's uses.
pub type Journal = Chain<Record>;

/// A journal of one user, open for writing. One process at a time.
#[derive(Debug)]
pub struct Chain<R> {
    folder: PathBuf,
    writer: Mutex<Writer<R>>,
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

impl<R: Content> Chain<R> {
    /// Opens the journal in a folder, made if absent; a volume is closed once it reaches
    /// `rotate_at` bytes. Its entries are kept for ever.
    ///
    /// # Errors
    /// The folder cannot be used, or another daemon uses it.
    pub fn open(folder: &Path, rotate_at: u64) -> Result<Self, JournalError> {
        Self::open_as(folder, |folder| Writer::open(folder, rotate_at, None))
    }

    /// As [`Chain::open`], for a journal whose entries are kept for so many days. What is older is
    /// removed by [`Chain::prune`], whole volumes at a time: a volume is closed after a month too.
    ///
    /// # Errors
    /// The same.
    pub fn open_for_days(folder: &Path, rotate_at: u64, days: u32) -> Result<Self, JournalError> {
        Self::open_as(folder, |folder| Writer::open(folder, rotate_at, Some(days)))
    }

    fn open_as(
        folder: &Path,
        writer: impl FnOnce(&Path) -> io::Result<Writer<R>>,
    ) -> Result<Self, JournalError> {
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
        Ok(Self {
            folder: folder.to_owned(),
            writer: Mutex::new(writer(folder).map_err(failed)?),
            _lock: lock,
        })
    }

    /// Adds an entry and waits until it is on disk.
    ///
    /// # Errors
    /// The disk is full or fails: then nothing was added, and what was to be journalled must not
    /// happen.
    pub fn append(&self, record: R) -> Result<Entry<R>, JournalError> {
        let added = self.writer().append(Timestamp::now(), record);
        added.map_err(|error| self.failed(error))
    }

    /// Adds entries in this order and waits, once, until all of them are on disk.
    ///
    /// # Errors
    /// As [`Chain::append`]: none was added.
    pub fn append_all(&self, records: Vec<R>) -> Result<Vec<Entry<R>>, JournalError> {
        let added = self.writer().append_all(Timestamp::now(), records);
        added.map_err(|error| self.failed(error))
    }

    /// Removes the volumes that hold nothing but entries older than this journal keeps them; the
    /// number of the last one removed, if any. A crash leaves either all of them belonging to the
    /// journal, or none: then the next call goes on removing them.
    ///
    /// # Errors
    /// The system's.
    pub fn prune(&self) -> Result<Option<u64>, JournalError> {
        let pruned = self.writer().prune(Timestamp::now());
        pruned.map_err(|error| self.failed(error))
    }

    /// At most `limit` entries, the first ones numbered above `after`. A line that cannot be read
    /// is left out; [`Chain::verify`] tells.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn entries(&self, after: u64, limit: usize) -> Result<Vec<Entry<R>>, JournalError> {
        let volumes = {
            let quiet = self.writer();
            let removed = quiet.removed();
            Volume::list_behind(&self.folder, removed).map_err(|error| self.failed(error))?
        };
        let start = volumes
            .iter()
            .rposition(|volume| volume.first <= after.saturating_add(1))
            .unwrap_or(0);
        let mut found = Vec::new();
        for volume in &volumes[start..] {
            let mut lines = match volume.lines() {
                Ok(lines) => lines,
                // Its entries have come of age meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(self.failed(error)),
            };
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
        let (begin, head, volumes) = {
            // No entry may be half written while the folder is looked at.
            let _quiet = self.writer();
            look(&self.folder).map_err(|error| self.failed(error))?
        };
        match verify::verify::<R>(&begin, &head, &volumes) {
            // Volumes were removed because of their age while they were looked at.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _quiet = self.writer();
                Self::verify_folder(&self.folder)
            }
            verified => verified.map_err(|error| self.failed(error)),
        }
    }

    /// Checks the journal in a folder that no daemon is writing.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn verify_folder(folder: &Path) -> Result<Verification, JournalError> {
        look(folder)
            .and_then(|(begin, head, volumes)| verify::verify::<R>(&begin, &head, &volumes))
            .map_err(|source| JournalError::Io {
                folder: folder.to_owned(),
                source,
            })
    }

    fn writer(&self) -> MutexGuard<'_, Writer<R>> {
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

/// Beginning, head and volumes of a journal.
fn look(folder: &Path) -> io::Result<(MarkFile, MarkFile, Vec<Volume>)> {
    let begin = files::read_mark(folder, BEGIN)?;
    let head = files::read_mark(folder, HEAD)?;
    let volumes = Volume::list_behind(folder, begin.sequence())?;
    Ok((begin, head, volumes))
}

#[cfg(test)]
mod tests;
