//! Maildirs.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Sandbox;

/// The maildirs of every operator of a test: a message sent through one is read at another.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    folder: PathBuf,
    delivered: Arc<AtomicUsize>,
}

impl Mailboxes {
    /// Empty mailboxes.
    pub fn new(sandbox: &Sandbox) -> Self {
        Self {
            folder: sandbox.join("mail"),
            delivered: Arc::default(),
        }
    }

    /// Their folder: one folder for each domain, in it one for each person.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Delivers a message, which shows to a client that waits for it.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn deliver(&self, address: &str, message: &[u8]) {
        let number = self.delivered.fetch_add(1, Ordering::Relaxed);
        let maildir = self.maildir(address);
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(maildir.join(folder)).unwrap();
        }
        let name = format!("{number}.test");
        fs::write(maildir.join("tmp").join(&name), message).unwrap();
        fs::rename(
            maildir.join("tmp").join(&name),
            maildir.join("new").join(&name),
        )
        .unwrap();
    }

    /// The messages of a mailbox, read or not, in the order in which they came.
    ///
    /// # Panics
    ///
    /// When one cannot be read.
    pub fn messages(&self, address: &str) -> Vec<Vec<u8>> {
        let maildir = self.maildir(address);
        let mut found = Vec::new();
        for folder in ["new", "cur"] {
            for entry in fs::read_dir(maildir.join(folder)).into_iter().flatten() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let number = name
                    .split('.')
                    .next()
                    .and_then(|number| number.parse().ok());
                let number: usize = number.unwrap_or(usize::MAX);
                // Dovecot may move it from `new` to `cur` in between.
                if let Ok(message) = fs::read(path) {
                    found.push((number, message));
                }
            }
        }
        found.sort();
        found.dedup();
        found.into_iter().map(|(_, message)| message).collect()
    }

    /// Makes an empty mailbox that this user may change.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn belong_to(&self, address: &str, uid: u32, gid: u32) {
        let maildir = self.maildir(address);
        for folder in ["tmp", "new", "cur", ""] {
            let folder = maildir.join(folder);
            fs::create_dir_all(&folder).unwrap();
            chown(folder, Some(uid), Some(gid)).unwrap();
        }
    }

    fn maildir(&self, address: &str) -> PathBuf {
        let (person, domain) = address.split_once('@').unwrap();
        self.folder.join(domain).join(person)
    }
}
