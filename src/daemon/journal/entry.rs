//! One line of the journal, and the hash that chains it to the line before.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::caller::Caller;
use crate::hex::hex;

/// What the entries of a journal hold.
pub trait Content: DeserializeOwned + Serialize {
    /// The same, with no text longer than what names a thing honestly: programs choose most of
    /// these, and a line that is too long to be read again would be damage.
    fn bounded(self) -> Self;

    /// What the journal says of itself ([`RECOVERED`] or [`PRUNED`]), and a note of at most 200
    /// bytes.
    fn remark(what: &str, note: String) -> Self;

    /// Whether this is that remark.
    fn is_remark(&self, what: &str, note: &str) -> bool;
}

/// What happened, before it has a place in the chain. Never content, a file's name, a subject line
/// or anything of a patient: a document that was signed is only `sign_cms`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    /// What was done: a [`crate::purpose::PurposeKind`] name, `grant`, `revoke`, `lock`,
    /// `recovered`.
    pub operation: String,
    /// For whom; absent for what the daemon does by itself.
    pub caller: Option<Who>,
    /// `host:port`, for uses that have one.
    pub destination: Option<String>,
    /// Serial number of the card.
    pub card: Option<String>,
    /// SHA-256 of the certificate used, lower-case hexadecimal.
    pub certificate: Option<String>,
    /// `done`, or the code of the refusal or failure.
    pub result: String,
    /// For `recovered` and `grant`: what was found, what was given.
    pub note: Option<String>,
}

/// The program that asked, as the kernel attests it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// Process number at the time.
    pub pid: u32,
    /// Path of the executable.
    pub executable: String,
    /// Sandboxed application.
    pub app_id: Option<String>,
    /// systemd unit.
    pub unit: Option<String>,
    /// Short name.
    pub display: String,
}

/// A record with its place in the chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry<R = Record> {
    /// Number from 1, without holes.
    pub sequence: u64,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub record: R,
    /// Hash of the entry before; 64 zeros for the first.
    pub previous: String,
    /// SHA-256, lower-case hexadecimal, of this entry's line up to `,"hash":`.
    pub hash: String,
}

impl<R: Content> Entry<R> {
    /// Puts a record behind an entry numbered `sequence - 1` whose hash is `previous`.
    pub(super) fn chained(
        sequence: u64,
        time: Timestamp,
        record: R,
        previous: String,
    ) -> Result<(Self, Vec<u8>), serde_json::Error> {
        let body = Body {
            sequence,
            time,
            record,
            previous,
        };
        let mut line = serde_json::to_vec(&body)?;
        line.pop(); // the closing brace: the hash covers what stands before itself
        let hash = hex(&Sha256::digest(&line));
        line.extend_from_slice(SEAL.as_bytes());
        line.extend_from_slice(hash.as_bytes());
        line.extend_from_slice(b"\"}\n");
        let Body {
            sequence,
            time,
            record,
            previous,
        } = body;
        Ok((
            Self {
                sequence,
                time,
                record,
                previous,
                hash,
            },
            line,
        ))
    }

    /// Reads a line without its newline. The hash is checked over the bytes as they are in the
    /// file, so that nothing in them can change, not even a blank.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Damage> {
        let sealed = line.len().checked_sub(TAIL).ok_or(Damage::Unreadable)?;
        let (covered, tail) = line.split_at(sealed);
        let hash = tail
            .strip_prefix(SEAL.as_bytes())
            .and_then(|rest| rest.strip_suffix(b"\"}"))
            .and_then(|hash| std::str::from_utf8(hash).ok())
            .ok_or(Damage::Unreadable)?;
        if hash != hex(&Sha256::digest(covered)) {
            return Err(Damage::Edited);
        }
        let mut json = covered.to_vec();
        json.push(b'}');
        let body: Body<R> = serde_json::from_slice(&json).map_err(|_| Damage::Unreadable)?;
        let Body {
            sequence,
            time,
            record,
            previous,
        } = body;
        Ok(Self {
            sequence,
            time,
            record,
            previous,
            hash: hash.to_owned(),
        })
    }
}

/// What is wrong with one line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Damage {
    /// It does not have the hash it carries.
    Edited,
    /// It is not a line of a journal.
    Unreadable,
}

impl Content for Record {
    fn bounded(mut self) -> Self {
        if let Some(who) = &mut self.caller {
            shorten(&mut who.executable, LONGEST_PATH);
            shorten(&mut who.display, LONGEST_TEXT);
            for text in [&mut who.app_id, &mut who.unit].into_iter().flatten() {
                shorten(text, LONGEST_TEXT);
            }
        }
        for text in [&mut self.destination, &mut self.note]
            .into_iter()
            .flatten()
        {
            shorten(text, LONGEST_TEXT);
        }
        self
    }

    fn remark(what: &str, note: String) -> Self {
        Self {
            note: Some(note),
            ..Self::own(what)
        }
    }

    fn is_remark(&self, what: &str, note: &str) -> bool {
        self.operation == what && self.caller.is_none() && self.note.as_deref() == Some(note)
    }
}

impl Record {
    /// A record of something done for a caller.
    pub fn of(operation: impl Into<String>, caller: &Caller) -> Self {
        Self {
            caller: Some(Who::from(caller)),
            ..Self::own(operation)
        }
    }

    /// A record of something the daemon does by itself.
    pub fn own(operation: impl Into<String>) -> Self {
        Self {
            operation: operation.into(),
            caller: None,
            destination: None,
            card: None,
            certificate: None,
            result: DONE.to_owned(),
            note: None,
        }
    }
}

impl From<&Caller> for Who {
    fn from(caller: &Caller) -> Self {
        Self {
            pid: caller.pid,
            executable: caller.executable.path.to_string_lossy().into_owned(),
            app_id: caller.app_id.clone(),
            unit: caller.unit.clone(),
            display: caller.display.clone(),
        }
    }
}

/// Keeps the first bytes, and marks that there were more.
pub(crate) fn shorten(text: &mut String, longest: usize) {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
        text.push('…');
    }
}

#[derive(Deserialize, Serialize)]
struct Body<R> {
    sequence: u64,
    time: Timestamp,
    #[serde(flatten)]
    record: R,
    previous: String,
}

/// The result of what succeeded.
pub const DONE: &str = "done";
/// The operation of an entry by which a journal says that a crash left it incomplete.
pub const RECOVERED: &str = "recovered";
/// The operation of an entry by which a journal says that older ones were removed.
pub const PRUNED: &str = "pruned";
/// What the first entry has for a previous hash.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Bytes; JSON writes one as six at worst, and all of them together must fit into a line.
const LONGEST_PATH: usize = 1024;
/// Bytes. A host name with its port has 259 at most.
const LONGEST_TEXT: usize = 264;
const SEAL: &str = ",\"hash\":\"";
const TAIL: usize = SEAL.len() + 64 + 2;
