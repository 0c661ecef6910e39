//! What is public on a card, kept between insertions, so that a known card is ready at once.
//!
//! One file per card in a private folder. The content is only as good as its file: it is bounded,
//! parsed like an answer of the card, and checked against the card (serial number, EF_ACTUA) and
//! by each signature. Nothing that the PIN protects ever gets here.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cps_card::{PublicFiles, Serial};

/// The folder of the cache.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens the cache in `folder`, which is created, for this user alone, when it is missing.
    ///
    /// # Errors
    /// The folder cannot be created, belongs to another user, or is no folder.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let metadata = fs::symlink_metadata(&folder)?;
        if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{} is not a folder of this user", folder.display()),
            ));
        }
        if metadata.mode() & 0o077 != 0 {
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { folder })
    }

    /// What is kept of the card with this serial number; nothing when that cannot be used.
    pub fn load(&self, serial: &Serial) -> Option<PublicFiles> {
        let path = self.path(serial);
        match read(&path).and_then(|text| parse(&text, serial)) {
            Ok(files) => Some(files),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a cached card is ignored, the card is read again");
                None
            }
        }
    }

    /// Keeps what was read of a card, in place of what was kept before. A failure costs only time
    /// at the next insertion, so it is only logged.
    pub fn store(&self, files: &PublicFiles) {
        let path = self.path(files.serial());
        if let Err(error) = self.write(&path, files) {
            tracing::warn!(path = %path.display(), %error, "what was read of the card cannot be kept");
        }
    }

    /// Forgets a card.
    pub fn remove(&self, serial: &Serial) {
        let path = self.path(serial);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "a cached card cannot be removed");
            }
            _ => {}
        }
    }

    fn write(&self, path: &Path, files: &PublicFiles) -> io::Result<()> {
        let text = serde_json::to_vec(files)?;
        if text.len() as u64 > MAX_SIZE {
            return Err(io::Error::other("more than a card can hold"));
        }
        self.make_room()?;
        let temporary = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(NO_FOLLOW)
            .open(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Removes the cards not read for longest, when there are too many.
    fn make_room(&self) -> io::Result<()> {
        let mut kept: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|end| end == EXTENSION) {
                kept.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        kept.sort();
        let surplus = (kept.len() + 1).saturating_sub(MAX_CARDS);
        for (_, path) in kept.into_iter().take(surplus) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    fn path(&self, serial: &Serial) -> PathBuf {
        // Eight digits: no other name can come out.
        self.folder.join(serial.as_str()).with_extension(EXTENSION)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(NO_FOLLOW)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("not a file of this user"));
    }
    let mut text = Vec::new();
    file.take(MAX_SIZE + 1).read_to_end(&mut text)?;
    match text.len() as u64 > MAX_SIZE {
        true => Err(io::Error::other("larger than any card")),
        false => Ok(text),
    }
}

fn parse(text: &[u8], serial: &Serial) -> io::Result<PublicFiles> {
    let files: PublicFiles = serde_json::from_slice(text)?;
    match files.serial() == serial {
        true => Ok(files),
        false => Err(io::Error::other("of another card")),
    }
}

const EXTENSION: &str = "json";
/// Cards kept. A workstation shared by a hospital ward sees some tens.
const MAX_CARDS: usize = 64;
/// Bytes in a file: about 20 files of at most 8 kB, as hexadecimal text.
const MAX_SIZE: u64 = 512 * 1024;
/// A symbolic link is never followed: it could make us read or write elsewhere. Opening a pipe
/// does not block.
const NO_FOLLOW: i32 =
    (rustix::fs::OFlags::NOFOLLOW.bits() | rustix::fs::OFlags::NONBLOCK.bits()) as i32;

#[cfg(test)]
mod tests;
