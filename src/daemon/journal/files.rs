//! The journal's folder: numbered files of lines, a head, a lock.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

/// An entry that a file beside the volumes names: in `head` the last one known to be written, so that
/// cutting the end shows; in `begin` the last one removed because of its age, so that removing
/// anything else shows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Mark {
    pub(super) sequence: u64,
    pub(super) hash: String,
}

/// What such a file holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum MarkFile {
    Absent,
    Damaged,
    Present(Mark),
}

impl MarkFile {
    /// The number of the entry it names; 0 when it names none.
    pub(super) fn sequence(&self) -> u64 {
        match self {
            Self::Present(mark) => mark.sequence,
            Self::Absent | Self::Damaged => 0,
        }
    }
}

/// One file of lines; its name is the sequence number of its first entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Volume {
    pub(super) path: PathBuf,
    pub(super) first: u64,
    /// Bytes to be read: what was there when the folder was looked at.
    pub(super) length: u64,
}

impl Volume {
    pub(super) fn path_in(folder: &Path, first: u64) -> PathBuf {
        folder.join(format!("{first:012}{SUFFIX}"))
    }

    /// The volumes of a folder, oldest first.
    pub(super) fn list(folder: &Path) -> io::Result<Vec<Self>> {
        let mut volumes = Vec::new();
        for item in fs::read_dir(folder)? {
            let item = item?;
            let name = item.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            if let Some(first) = number.and_then(|number| number.parse().ok()) {
                volumes.push(Self {
                    path: item.path(),
                    first,
                    length: item.metadata()?.len(),
                });
            }
        }
        volumes.sort_by_key(|volume| volume.first);
        Ok(volumes)
    }

    /// The volumes that belong to a journal whose entries up to this one were removed. Whatever of
    /// the removed is still there, because a crash came between, does not belong to it any more.
    pub(super) fn list_behind(folder: &Path, removed: u64) -> io::Result<Vec<Self>> {
        let mut volumes = Self::list(folder)?;
        volumes.retain(|volume| volume.first > removed);
        Ok(volumes)
    }

    pub(super) fn lines(&self) -> io::Result<Lines> {
        Ok(Lines {
            reader: BufReader::new(crate::files::open_to_read(&self.path)?.take(self.length)),
        })
    }
}

/// The lines of a volume, each with at most [`Lines::LONGEST`] bytes.
pub(super) struct Lines {
    reader: BufReader<io::Take<File>>,
}

/// A line as found.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// With its newline, which is not included.
    Whole(Vec<u8>),
    /// The file ends before the newline, after this many bytes.
    Torn(u64),
    /// Longer than any line of a journal; skipped to the next newline.
    TooLong,
}

impl Lines {
    pub(super) const LONGEST: usize = 16 * 1024;

    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let read = (&mut self.reader)
            .take(Self::LONGEST as u64)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(Some(Line::Whole(line)));
        }
        if read < Self::LONGEST {
            return Ok(Some(Line::Torn(read as u64)));
        }
        self.reader.skip_until(b'\n')?;
        Ok(Some(Line::TooLong))
    }
}

/// Makes the folder, private to the user.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Takes the folder for writing; released when the file is dropped.
pub(super) fn lock(folder: &Path) -> io::Result<Option<File>> {
    let mut options = private();
    options.create(true).truncate(false).write(true);
    let file = crate::files::open(&mut options, &folder.join("lock"))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn open_for_append(path: &Path) -> io::Result<File> {
    crate::files::open(private().create(true).append(true), path)
}

pub(super) fn read_mark(folder: &Path, name: &str) -> io::Result<MarkFile> {
    let mut bytes = Vec::new();
    match crate::files::open_to_read(&folder.join(name)) {
        Ok(file) => file.take(1024).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(MarkFile::Absent),
        Err(error) => return Err(error),
    };
    Ok(serde_json::from_slice(&bytes)
        .ok()
        // Written again it must be the same bytes: nothing in the file may go unread.
        .filter(|mark| mark_bytes(mark).is_ok_and(|expected| expected == bytes))
        .map_or(MarkFile::Damaged, MarkFile::Present))
}

/// The new name is on disk with the next [`sync_folder`].
pub(super) fn write_mark(folder: &Path, name: &str, mark: &Mark) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.new"));
    let mut options = private();
    options.create(true).truncate(true).write(true);
    let mut file = crate::files::open(&mut options, &temporary)?;
    file.write_all(&mark_bytes(mark)?)?;
    file.sync_data()?;
    fs::rename(&temporary, folder.join(name))
}

/// Makes new names in the folder survive a crash.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn mark_bytes(mark: &Mark) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(mark)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

pub(super) const BEGIN: &str = "begin";
pub(super) const HEAD: &str = "head";
const SUFFIX: &str = ".jsonl";
