//! Who may use the card for what: decisions of the practitioner, remembered.
//!
//! A grant for the session lives in memory and ends with the insertion or the login; a grant for
//! days is written to a file of the state folder (0600) and holds the SHA-256 of the program, so
//! that it survives neither an update nor an exchange of the executable. "Once" is never stored.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::caller::{Application, Caller, CallerError, Executable};
use crate::cards::CardId;
use crate::hex::hex;
use crate::purpose::{Purpose, PurposeKind};

/// A live permission. Using a key needs one that matches program, purpose, destination and card.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Name for listing and revoking: 16 hexadecimal digits, random.
    pub id: String,
    /// The program it was given to, see [`Caller::program`]. Replacing the file ends the grant.
    pub executable: Executable,
    /// The helper through which that program asked, see [`Caller::helper`].
    pub helper: Option<Executable>,
    /// SHA-256 (hexadecimal) of that file, for grants that outlive the daemon.
    pub sha256: Option<String>,
    /// Sandboxed application, see [`Caller::app_id`].
    pub app_id: Option<String>,
    /// Short name of the program, for listing.
    pub program: String,
    /// Its name on the desktop as the practitioner saw it, when it has one.
    pub name: Option<String>,
    /// Its icon there: a name of the icon theme, or the path of a picture.
    pub icon: Option<String>,
    /// What for.
    pub purpose: PurposeKind,
    /// `host:port`, for purposes that have one.
    pub destination: Option<String>,
    /// Serial number of the card.
    pub card: String,
    /// When it was given.
    pub given: Timestamp,
    /// How long it lasts.
    pub lifetime: Lifetime,
}

/// How long a grant lasts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// This one operation; never stored.
    Once,
    /// Until the card is removed or locked; never written to disk.
    Session {
        /// The insertion it belongs to, see [`CardId`].
        insertion: u64,
    },
    /// Until this time.
    Until(Timestamp),
}

/// The grants in force.
pub struct Grants {
    file: PathBuf,
    live: Mutex<Vec<Grant>>,
}

/// Grants could not be kept.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum GrantsError {
    /// The program could not be identified well enough.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// More programs than a workstation has.
    #[error("more than {LIMIT} grants; revoke some (cps grants revoke)")]
    Full,
    /// The file of lasting grants cannot be written, or no random number was to be had.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Grants {
    /// The lasting grants in a file; none when it is absent. A file that cannot be understood is
    /// put aside (`.damaged`): without it the practitioner is only asked again.
    ///
    /// # Errors
    /// The file exists but cannot be read.
    pub fn open(file: &Path) -> Result<Self, GrantsError> {
        let failed = |source| GrantsError::Io {
            file: file.to_owned(),
            source,
        };
        let mut text = Vec::new();
        let live = match crate::files::open_to_read(file) {
            Ok(open) => {
                open.take(FILE_LIMIT)
                    .read_to_end(&mut text)
                    .map_err(failed)?;
                match serde_json::from_slice::<Vec<Grant>>(&text) {
                    Ok(grants) if grants.len() <= LIMIT => grants,
                    _ => {
                        tracing::error!(file = %file.display(), "grants are damaged; put aside");
                        fs::rename(file, file.with_extension("damaged")).map_err(failed)?;
                        Vec::new()
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        // Without a hash a grant would follow whatever is put in the program's place.
        let lasting =
            |grant: &Grant| matches!(grant.lifetime, Lifetime::Until(_)) && grant.sha256.is_some();
        let live = live.into_iter().filter(lasting).collect();
        Ok(Self {
            file: file.to_owned(),
            live: Mutex::new(live),
        })
    }

    /// Remembers a decision, in place of an earlier one for the same use. The application is what
    /// the program was called when it was asked for.
    ///
    /// # Errors
    /// See [`GrantsError`]; nothing is remembered then.
    pub fn give(
        &self,
        caller: &Caller,
        application: Option<&Application>,
        purpose: &Purpose,
        card: &CardId,
        term: Term,
    ) -> Result<Grant, GrantsError> {
        let given = Timestamp::now();
        let lifetime = match term {
            Term::Once => Lifetime::Once,
            Term::Session => Lifetime::Session {
                insertion: card.insertion,
            },
            Term::Days(days) => {
                let hours = i64::from(days) * 24;
                Lifetime::Until(given.checked_add(hours.hours()).unwrap_or(given))
            }
        };
        let sha256 = match lifetime {
            Lifetime::Until(_) => Some(hex(&caller.program_sha256()?)),
            Lifetime::Once | Lifetime::Session { .. } => None,
        };
        let grant = Grant {
            id: self.identifier()?,
            executable: caller.program().clone(),
            helper: caller.helper().cloned(),
            sha256,
            app_id: caller.app_id.clone(),
            program: caller.display.clone(),
            name: application.map(|_| caller.title(application)),
            icon: application.and_then(|one| one.icon.clone()),
            purpose: purpose.kind(),
            destination: purpose.destination(),
            card: card.serial.clone(),
            given,
            lifetime,
        };
        if lifetime == Lifetime::Once {
            return Ok(grant);
        }
        let mut live = self.live();
        let mut next: Vec<Grant> = live
            .iter()
            .filter(|old| !old.expired(given) && !old.same_use(&grant))
            .cloned()
            .collect();
        if next.len() >= LIMIT {
            return Err(GrantsError::Full);
        }
        next.push(grant.clone());
        self.store(&next)?;
        *live = next;
        Ok(grant)
    }

    /// The grant that covers this use, if there is one.
    pub fn find(&self, caller: &Caller, purpose: &Purpose, card: &CardId) -> Option<Grant> {
        let now = Timestamp::now();
        let covers = |grant: &&Grant| grant.is_for(caller, purpose, card) && !grant.expired(now);
        let grant = self.live().iter().find(covers).cloned()?;
        match &grant.sha256 {
            Some(known) => {
                let same = caller
                    .program_sha256()
                    .is_ok_and(|found| hex(&found) == *known);
                same.then_some(grant)
            }
            None => Some(grant),
        }
    }

    /// Whether a grant that was found or given is still in force: neither taken back nor over.
    pub fn holds(&self, grant: &Grant) -> bool {
        let now = Timestamp::now();
        let known = |live: &Grant| live.id == grant.id && !live.expired(now);
        grant.lifetime == Lifetime::Once || self.live().iter().any(known)
    }

    /// Every grant in force, oldest first.
    pub fn list(&self) -> Vec<Grant> {
        let now = Timestamp::now();
        self.live()
            .iter()
            .filter(|grant| !grant.expired(now))
            .cloned()
            .collect()
    }

    /// Takes a grant back; what it was, or nothing when there is none of that name.
    ///
    /// # Errors
    /// The file cannot be written; the grant is ended in memory all the same.
    pub fn revoke(&self, id: &str) -> Result<Option<Grant>, GrantsError> {
        let mut live = self.live();
        let Some(position) = live.iter().position(|grant| grant.id == id) else {
            return Ok(None);
        };
        let grant = live.remove(position);
        self.store(&live)?;
        Ok(Some(grant))
    }

    /// Ends what was given for the session with a card: it was removed, or its login ended.
    pub fn end_session(&self, card: &CardId) {
        let this = Lifetime::Session {
            insertion: card.insertion,
        };
        self.live()
            .retain(|grant| grant.card != card.serial || grant.lifetime != this);
    }

    fn store(&self, grants: &[Grant]) -> Result<(), GrantsError> {
        let failed = |source| GrantsError::Io {
            file: self.file.clone(),
            source,
        };
        let lasting: Vec<&Grant> = grants
            .iter()
            .filter(|grant| matches!(grant.lifetime, Lifetime::Until(_)))
            .collect();
        if lasting.is_empty() && !self.file.exists() {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&lasting).map_err(|e| failed(e.into()))?;
        let temporary = self.file.with_extension("new");
        let write = || {
            let mut options = OpenOptions::new();
            options.create(true).truncate(true).write(true).mode(0o600);
            let mut file = crate::files::open(&mut options, &temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temporary, &self.file)?;
            match self.file.parent() {
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            }
        };
        write().map_err(failed)
    }

    fn identifier(&self) -> Result<String, GrantsError> {
        let mut bytes = [0; 8];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(
            |error| GrantsError::Io {
                file: self.file.clone(),
                source: error.into(),
            },
        )?;
        Ok(hex(&bytes))
    }

    fn live(&self) -> MutexGuard<'_, Vec<Grant>> {
        // Every change is one assignment: a panic elsewhere leaves no half of one.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the practitioner said yes for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Term {
    /// For this number of days.
    Days(u16),
    /// This time.
    Once,
    /// Until the card is removed or locked.
    Session,
}

/// Who wants a card for what: what a grant is given for, whatever the card and the time.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Use {
    executable: Executable,
    helper: Option<Executable>,
    app_id: Option<String>,
    purpose: PurposeKind,
    destination: Option<String>,
}

impl Use {
    /// What this caller wants.
    pub fn of(caller: &Caller, purpose: &Purpose) -> Self {
        Self {
            executable: caller.program().clone(),
            helper: caller.helper().cloned(),
            app_id: caller.app_id.clone(),
            purpose: purpose.kind(),
            destination: purpose.destination(),
        }
    }
}

impl Grant {
    /// Whether this is the use it was given for.
    pub fn is_for(&self, caller: &Caller, purpose: &Purpose, card: &CardId) -> bool {
        self.executable == *caller.program()
            && self.helper.as_ref() == caller.helper()
            && self.app_id == caller.app_id
            && self.purpose == purpose.kind()
            && self.destination == purpose.destination()
            && self.card == card.serial
            && match self.lifetime {
                Lifetime::Session { insertion } => insertion == card.insertion,
                Lifetime::Once | Lifetime::Until(_) => true,
            }
    }

    fn expired(&self, now: Timestamp) -> bool {
        matches!(self.lifetime, Lifetime::Until(end) if end <= now)
    }

    fn same_use(&self, other: &Self) -> bool {
        self.executable == other.executable
            && self.helper == other.helper
            && self.app_id == other.app_id
            && self.purpose == other.purpose
            && self.destination == other.destination
            && self.card == other.card
    }
}

const LIMIT: usize = 1000;
const FILE_LIMIT: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;
