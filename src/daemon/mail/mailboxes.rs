//! The mailboxes that the gateway opens, and who may ask for one: a file of the state folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cps_mail::{Address, Trouble};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::operator::Operator;
use super::passwords::AppPassword;
use super::resolve;
use crate::config::Config;

/// A mailbox, the person whose card opens it, and the programs that may ask.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    /// Its address.
    pub address: Address,
    /// Where it is.
    pub operator: Operator,
    /// How that is known.
    pub source: Source,
    /// National identifier of the person whose card opens it.
    pub holder: String,
    /// That person's name, as on the card when the mailbox was added.
    pub holder_name: String,
    /// Whether a team shares it: its address is then told to the operator beside the identity.
    pub shared: bool,
    /// One for each mail program.
    pub passwords: Vec<AppPassword>,
    /// When it was added.
    pub created: Timestamp,
}

/// How it is known where a mailbox is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// From the document that its operator publishes.
    Autoconfig,
    /// The administrator says it (`[[operator]]`), again at each start.
    Configuration,
    /// From DNS SRV records.
    Dns,
    /// The configuration no longer allows what it was before: the mailbox does not open.
    Withdrawn,
}

/// The mailboxes. Clones share them.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    set_aside: Option<PathBuf>,
    known: Mutex<Vec<Mailbox>>,
    /// Held while the file is written; what is known stays readable meanwhile.
    writing: Mutex<()>,
    /// When the file was last written.
    written: Mutex<Timestamp>,
    changed: watch::Sender<()>,
}

/// A mailbox cannot be added, changed or kept.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// There is one of this address.
    #[error("the mailbox {0} is already there")]
    Exists(Address),
    /// The file cannot be read or written.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is no such application password.
    #[error("no application password {0:?}")]
    NoPassword(String),
    /// More mailboxes, or passwords of one, than anybody has.
    #[error("at most {0} of them")]
    TooMany(usize),
    /// There is none of this address.
    #[error("no mailbox {0}")]
    Unknown(Address),
}

impl Mailboxes {
    /// Reads the file, if there is one. A damaged one is put aside, not repaired by guesses.
    ///
    /// # Errors
    /// [`MailboxError::Io`].
    pub fn open(file: &Path, config: &Config) -> Result<Self, MailboxError> {
        let failed = |source| MailboxError::Io {
            file: file.to_owned(),
            source,
        };
        let mut set_aside = None;
        let mut known = match crate::files::read(file, FILE_LIMIT) {
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(known) => known,
                Err(error) => {
                    let aside = put_aside(file).map_err(failed)?;
                    tracing::error!(
                        file = %file.display(), aside = %aside.display(), %error,
                        "the file of the mailboxes is damaged and was put aside; \
                         add the mailboxes again with: cps mail add"
                    );
                    set_aside = Some(aside);
                    Vec::new()
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        known.iter_mut().for_each(|mailbox| adapt(mailbox, config));
        Ok(Self {
            inner: Arc::new(Inner {
                file: file.to_owned(),
                set_aside,
                known: Mutex::new(known),
                writing: Mutex::default(),
                written: Mutex::new(Timestamp::now()),
                changed: watch::Sender::default(),
            }),
        })
    }

    /// Every mailbox, in the order in which they were added.
    pub fn list(&self) -> Vec<Mailbox> {
        self.inner.known().clone()
    }

    /// The mailbox of this address.
    pub fn find(&self, address: &Address) -> Option<Mailbox> {
        let known = self.inner.known();
        known
            .iter()
            .find(|mailbox| mailbox.address.is_same_mailbox(address))
            .cloned()
    }

    /// Whether there is none, so that nobody has to listen.
    pub fn is_empty(&self) -> bool {
        self.inner.known().is_empty()
    }

    /// Tells that mailboxes or passwords came or went.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.inner.changed.subscribe()
    }

    /// Where the damaged file is that was found at the start.
    pub fn set_aside(&self) -> Option<&Path> {
        self.inner.set_aside.as_deref()
    }

    /// The mailboxes of a person, by national identifier: the addresses from which that person may
    /// send.
    pub fn belongs(&self, holder: &str) -> Vec<Address> {
        let known = self.inner.known();
        known
            .iter()
            .filter(|mailbox| mailbox.holder == holder)
            .map(|mailbox| mailbox.address.clone())
            .collect()
    }

    /// Whether this server is that of a mailbox: the only ones, beside those of the configuration,
    /// to which mail may take the card.
    pub fn is_operator(&self, host: &str) -> bool {
        self.inner.known().iter().any(|mailbox| {
            let operator = &mailbox.operator;
            let hosts = [&operator.imap.host, &operator.smtp.host];
            mailbox.source != Source::Withdrawn
                && hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
        })
    }

    /// Whether the application password `id` still opens the mailbox: a session ends when not.
    pub fn holds(&self, address: &Address, id: &str) -> bool {
        self.find(address)
            .is_some_and(|mailbox| mailbox.passwords.iter().any(|password| password.id == id))
    }

    /// The mailbox that a mail program asks for, and which of its application passwords it has.
    ///
    /// # Errors
    /// [`Trouble::WrongPassword`]; [`Trouble::OtherMailbox`] for the password of another mailbox;
    /// [`Trouble::Unreachable`] for one that the configuration no longer lets open.
    pub fn authenticate(&self, user: &str, password: &str) -> Result<(Mailbox, String), Trouble> {
        let address = Address::parse(user).ok();
        let now = Timestamp::now();
        let mut known = self.inner.known();
        let mut found = None;
        let mut elsewhere = false;
        // All are compared: how long it takes tells nothing of which address exists.
        for (index, mailbox) in known.iter_mut().enumerate() {
            let meant = address
                .as_ref()
                .is_some_and(|address| mailbox.address.is_same_mailbox(address));
            for one in &mut mailbox.passwords {
                match (one.is(password), meant) {
                    (true, true) => {
                        one.last_used = Some(now);
                        found = Some((index, one.id.clone()));
                    }
                    (true, false) => elsewhere = true,
                    (false, _) => {}
                }
            }
        }
        let found = found.and_then(|(index, id)| Some((known.get(index)?.clone(), id)));
        drop(known);
        match found {
            Some((mailbox, _)) if mailbox.source == Source::Withdrawn => Err(Trouble::Unreachable),
            Some(found) => {
                self.keep_last_uses(now);
                Ok(found)
            }
            None if elsewhere => Err(Trouble::OtherMailbox),
            None => Err(Trouble::WrongPassword),
        }
    }

    /// Adds a mailbox.
    ///
    /// # Errors
    /// [`MailboxError`]; nothing is added then.
    pub fn add(&self, mailbox: Mailbox) -> Result<(), MailboxError> {
        self.change(|known| {
            let same = |one: &Mailbox| one.address.is_same_mailbox(&mailbox.address);
            if known.iter().any(same) {
                return Err(MailboxError::Exists(mailbox.address.clone()));
            }
            if known.len() >= MAILBOXES {
                return Err(MailboxError::TooMany(MAILBOXES));
            }
            known.push(mailbox);
            Ok(())
        })
    }

    /// Takes a mailbox away, and its passwords; what it was.
    ///
    /// # Errors
    /// [`MailboxError`]; it is still there then.
    pub fn remove(&self, address: &Address) -> Result<Mailbox, MailboxError> {
        self.change(|known| {
            let same = |one: &Mailbox| one.address.is_same_mailbox(address);
            match known.iter().position(same) {
                Some(index) => Ok(known.remove(index)),
                None => Err(MailboxError::Unknown(address.clone())),
            }
        })
    }

    /// Makes an application password for a mail program, instead of the one named by `replace` or,
    /// when it is the name of a program, of all made for that program.
    ///
    /// # Errors
    /// [`MailboxError`]; nothing is changed then.
    pub fn new_password(
        &self,
        address: &Address,
        client: &str,
        replace: Option<&str>,
    ) -> Result<(AppPassword, Zeroizing<String>), MailboxError> {
        let (password, secret) = self.random_password(client)?;
        self.change(|known| {
            let mailbox = mailbox(known, address)?;
            if let Some(name) = replace {
                revoke(mailbox, name, |one| one.id == name || one.client == name)?;
            }
            if mailbox.passwords.len() >= PASSWORDS {
                return Err(MailboxError::TooMany(PASSWORDS));
            }
            mailbox.passwords.push(password.clone());
            Ok(())
        })?;
        Ok((password, secret))
    }

    /// An application password that belongs to no mailbox yet.
    ///
    /// # Errors
    /// [`MailboxError::Io`].
    pub fn random_password(
        &self,
        client: &str,
    ) -> Result<(AppPassword, Zeroizing<String>), MailboxError> {
        AppPassword::random(client).map_err(|source| self.inner.failed(source))
    }

    /// Ends an application password.
    ///
    /// # Errors
    /// [`MailboxError`]; it is still good then.
    pub fn revoke(&self, address: &Address, id: &str) -> Result<(), MailboxError> {
        self.change(|known| revoke(mailbox(known, address)?, id, |one| one.id == id))
    }

    /// Writes down when the passwords were last used, if that is not known on disk yet. At the end
    /// of the daemon, and now and then.
    ///
    /// # Errors
    /// [`MailboxError::Io`].
    pub fn flush(&self) -> Result<(), MailboxError> {
        let written = *self.inner.written();
        let newer = |mailbox: &Mailbox| {
            let mut passwords = mailbox.passwords.iter();
            passwords.any(|password| password.last_used.is_some_and(|used| used > written))
        };
        if !self.inner.known().iter().any(newer) {
            return Ok(());
        }
        let _writer = self.inner.writer();
        let known = self.inner.known().clone();
        self.inner.write(&known)
    }

    /// One write an hour at most, away from whoever waits for an answer.
    fn keep_last_uses(&self, now: Timestamp) {
        let mut written = self.inner.written();
        if now.duration_since(*written) < BEHIND {
            return;
        }
        // Also when it fails: the next attempt is an hour away.
        *written = now;
        drop(written);
        let mailboxes = self.clone();
        let write = move || {
            let _writer = mailboxes.inner.writer();
            let known = mailboxes.inner.known().clone();
            if let Err(error) = mailboxes.inner.write(&known) {
                tracing::warn!(%error, "when passwords were last used is not kept");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(write)),
            Err(_) => write(),
        }
    }

    /// Makes a change on disk, then in memory: what is told as done outlives a crash.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Mailbox>) -> Result<T, MailboxError>,
    ) -> Result<T, MailboxError> {
        let _writer = self.inner.writer();
        let mut next = self.inner.known().clone();
        let done = change(&mut next)?;
        self.inner.write(&next)?;
        let mut known = self.inner.known();
        // Programs may have logged in meanwhile.
        for mailbox in &mut next {
            let before = known.iter().find(|one| one.address == mailbox.address);
            for password in &mut mailbox.passwords {
                let mut before = before.iter().flat_map(|one| &one.passwords);
                if let Some(before) = before.find(|one| one.id == password.id) {
                    password.last_used = before.last_used;
                }
            }
        }
        *known = next;
        drop(known);
        self.inner.changed.send_replace(());
        Ok(done)
    }
}

impl Inner {
    fn known(&self) -> MutexGuard<'_, Vec<Mailbox>> {
        // Every change is one assignment: a panic elsewhere leaves no half of one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> MutexGuard<'_, Timestamp> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, known: &[Mailbox]) -> Result<(), MailboxError> {
        let now = Timestamp::now();
        let text = serde_json::to_vec_pretty(known).map_err(|error| self.failed(error.into()))?;
        crate::files::replace(&self.file, &text).map_err(|source| self.failed(source))?;
        *self.written() = now;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> MailboxError {
        MailboxError::Io {
            file: self.file.clone(),
            source,
        }
    }
}

fn mailbox<'known>(
    known: &'known mut [Mailbox],
    address: &Address,
) -> Result<&'known mut Mailbox, MailboxError> {
    known
        .iter_mut()
        .find(|one| one.address.is_same_mailbox(address))
        .ok_or_else(|| MailboxError::Unknown(address.clone()))
}

fn revoke(
    mailbox: &mut Mailbox,
    name: &str,
    meant: impl Fn(&AppPassword) -> bool,
) -> Result<(), MailboxError> {
    let before = mailbox.passwords.len();
    mailbox.passwords.retain(|one| !meant(one));
    match mailbox.passwords.len() < before {
        true => Ok(()),
        false => Err(MailboxError::NoPassword(name.to_owned())),
    }
}

/// What the configuration of today makes of a mailbox that was added before.
fn adapt(mailbox: &mut Mailbox, config: &Config) {
    if let Some(operator) = resolve::configured(&mailbox.address, config) {
        mailbox.operator = operator;
        mailbox.source = Source::Configuration;
        return;
    }
    let found = matches!(mailbox.source, Source::Autoconfig | Source::Dns);
    if !found || !resolve::is_allowed(&mailbox.operator, config) {
        tracing::warn!(
            mailbox = %mailbox.address, operator = mailbox.operator.name,
            "the configuration no longer names or allows this operator: the mailbox does not open"
        );
        mailbox.source = Source::Withdrawn;
    }
}

/// Renames a damaged file, never onto an older one.
fn put_aside(file: &Path) -> io::Result<PathBuf> {
    let name = |number| file.with_extension(format!("damaged-{number}"));
    let free = (1..1000).map(name).find(|aside| !aside.exists());
    let aside = free.ok_or_else(|| io::Error::other("too many damaged files beside it"))?;
    fs::rename(file, &aside)?;
    Ok(aside)
}

/// How far the file may be behind in telling when a password was last used.
const BEHIND: SignedDuration = SignedDuration::from_hours(1);

const FILE_LIMIT: u64 = 4 * 1024 * 1024;

/// More than a secretariat of a hospital has.
const MAILBOXES: usize = 200;

/// Of one mailbox.
const PASSWORDS: usize = 50;

#[cfg(test)]
mod tests;
