//! The state folder: imported authorities and fetched lists.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cps_identity::{Certificate, Crl, CrlSchedule};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Kept, TrustError};

/// The two folders.
#[derive(Debug)]
pub(super) struct Disk {
    anchors: PathBuf,
    lists: PathBuf,
}

/// What is kept beside each list.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    url: String,
    schedule: CrlSchedule,
}

impl Disk {
    pub(super) fn open(folder: &Path) -> Result<Self, TrustError> {
        let disk = Self {
            anchors: folder.join("anchors"),
            lists: folder.join("crl"),
        };
        for folder in [&disk.anchors, &disk.lists] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(failed("create", folder))?;
        }
        Ok(disk)
    }

    /// Authorities imported before; each is checked against the pins again when it is used.
    pub(super) fn imported(&self) -> Vec<Vec<u8>> {
        files(&self.anchors)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|path| bounded(&path, ANCHOR_LIMIT).ok())
            .collect()
    }

    pub(super) fn keep_anchor(&self, certificate: &Certificate) -> Result<(), TrustError> {
        let name = format!("{}.der", certificate.fingerprint_sha256());
        replace(&self.anchors, &name, certificate.der())
    }

    /// Lists fetched before. What cannot be read is fetched again.
    pub(super) fn lists(&self) -> HashMap<String, Kept> {
        let mut lists = HashMap::new();
        let tickets = files(&self.lists).unwrap_or_default();
        for path in tickets
            .iter()
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            let ticket = bounded(path, TICKET_LIMIT)
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Ticket>(&bytes).ok());
            let Some(ticket) = ticket else {
                tracing::warn!(path = %path.display(), "unreadable; its list is fetched again");
                continue;
            };
            let crl = bounded(&path.with_extension("crl"), LIST_LIMIT)
                .ok()
                .and_then(|der| Crl::from_der(&der).ok());
            lists.insert(
                ticket.url,
                Kept {
                    crl,
                    schedule: ticket.schedule,
                },
            );
        }
        lists
    }

    /// Writes the list before its ticket: a crash between leaves a list fetched once too often.
    pub(super) fn keep_list(&self, url: &str, kept: &Kept) -> Result<(), TrustError> {
        if let Some(crl) = &kept.crl {
            replace(&self.lists, &format!("{}.crl", name(url)), crl.der())?;
        }
        self.keep_schedule(url, &kept.schedule)
    }

    /// Writes when the list may be fetched next.
    pub(super) fn keep_schedule(
        &self,
        url: &str,
        schedule: &CrlSchedule,
    ) -> Result<(), TrustError> {
        let ticket = Ticket {
            url: url.to_owned(),
            schedule: schedule.clone(),
        };
        let text = serde_json::to_vec(&ticket)
            .map_err(|error| failed("encode", &self.lists)(io::Error::other(error)))?;
        replace(&self.lists, &format!("{}.json", name(url)), &text)
    }
}

/// The name of the files of a list.
fn name(url: &str) -> String {
    Sha256::digest(url)
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Every certificate of the files and folders that the configuration names.
pub(super) fn read_anchors(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, TrustError> {
    let mut all = Vec::new();
    for path in paths {
        let folder = path.metadata().map_err(failed("read", path))?.is_dir();
        let mut found = Vec::new();
        if folder {
            for file in files(path).map_err(failed("list", path))? {
                // A folder may hold a README or a revocation list too.
                let certificates = bounded(&file, ANCHOR_LIMIT)
                    .ok()
                    .and_then(|bytes| cps_identity::read_certificates(&bytes).ok());
                found.extend(certificates.unwrap_or_default());
            }
        } else {
            let bytes = bounded(path, ANCHOR_LIMIT).map_err(failed("read", path))?;
            let certificates = cps_identity::read_certificates(&bytes);
            found = certificates.map_err(|error| malformed(path, &error.to_string()))?;
        }
        if found.is_empty() {
            return Err(malformed(path, "no certificate in it"));
        }
        all.extend(found);
    }
    Ok(all)
}

fn malformed(path: &Path, reason: &str) -> TrustError {
    TrustError::Malformed {
        what: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

/// The regular files of a folder, sorted, not more than any real one holds.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .take(FILES_LIMIT)
        .collect();
    files.sort();
    Ok(files)
}

fn bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    crate::files::read(path, limit)
}

/// Puts a whole file in place: a reader sees the old one or the new one.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), TrustError> {
    let path = folder.join(name);
    let temporary = folder.join(format!("{name}.{}.new", std::process::id()));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(failed("write", &path))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TrustError {
    let path = path.to_owned();
    move |source| TrustError::Io {
        operation,
        path,
        source,
    }
}

const ANCHOR_LIMIT: u64 = 1024 * 1024;
const FILES_LIMIT: usize = 1024;
const LIST_LIMIT: u64 = 16 * 1024 * 1024;
const TICKET_LIMIT: u64 = 16 * 1024;
