//! Writing a file whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{Access, CWD, RenameFlags, access, renameat_with};
use rustix::io::Errno;

#[cfg(test)]
mod tests;

/// A file that takes its name only once it is complete and on the disk: until then, what bore the name
/// stays. The temporary file appears with the first byte, so an interrupted wait leaves nothing.
pub(crate) struct Replacement {
    target: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
    /// A device, pipe or socket is written to directly: it cannot be replaced.
    special: bool,
    /// Permissions of a new file, less the mask of the process.
    mode: u32,
}

impl Replacement {
    /// Prepares to write `path`.
    ///
    /// # Errors
    /// When its folder does not exist or cannot be written: better known before anyone is asked a PIN.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        // Through a symbolic link, the file is replaced and not the link.
        let target = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            other => other?,
        };
        let special = match fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) => !metadata.is_file(),
            Err(_) => false,
        };
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut temporary_name = std::ffi::OsString::from(".");
        temporary_name.push(name);
        temporary_name.push(format!(".cps-{}", process::id()));
        let temporary = target.with_file_name(temporary_name);
        if special {
            access(&target, Access::WRITE_OK)?;
        } else {
            access(folder(&target), Access::WRITE_OK)?;
        }
        Ok(Self {
            target,
            temporary,
            file: None,
            special,
            mode: 0o666,
        })
    }

    /// The same for a file that only its owner may read.
    ///
    /// # Errors
    /// As [`Replacement::new`].
    pub(crate) fn private(path: &Path) -> io::Result<Self> {
        let mut file = Self::new(path)?;
        file.mode = 0o600;
        Ok(file)
    }

    /// Puts the file under its name, whatever bears it.
    pub(crate) fn commit(self) -> io::Result<()> {
        self.named(RenameFlags::empty())
    }

    /// Puts the file under its name, unless something bears it by now.
    pub(crate) fn commit_new(self) -> io::Result<()> {
        self.named(RenameFlags::NOREPLACE)
    }

    fn named(mut self, flags: RenameFlags) -> io::Result<()> {
        self.file()?;
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        if self.special {
            return Ok(());
        }
        let replaced = file
            .sync_all()
            .and_then(|()| rename(&self.temporary, &self.target, flags));
        if replaced.is_err() {
            let _ = fs::remove_file(&self.temporary);
            return replaced;
        }
        // The new name is on the disk only once the folder is.
        File::open(folder(&self.target))?.sync_all()
    }

    fn file(&mut self) -> io::Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => {
                let mut options = OpenOptions::new();
                let file = if self.special {
                    options.write(true).open(&self.target)?
                } else {
                    options
                        .write(true)
                        .create_new(true)
                        .mode(self.mode)
                        .open(&self.temporary)?
                };
                Ok(none.insert(file))
            }
        }
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if self.file.is_some() && !self.special {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, flags) {
        // A file system that cannot tell: what was seen before has to do.
        Err(Errno::INVAL | Errno::NOSYS) if fs::symlink_metadata(to).is_err() => {
            fs::rename(from, to)
        }
        other => Ok(other?),
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
