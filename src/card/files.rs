//! The public content of a card, as far as it was read: what a cache keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hex::Hex;
use crate::kind::Kind;
use crate::serial::Serial;

/// Everything public read from one card so far.
///
/// Never holds a file that the card declares PIN protected, nor one that programs may write. What
/// is restored from a cache is treated like what comes from a card: parsed, never trusted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PublicFiles {
    /// Version of this format; another one is stale.
    format: u32,
    kind: Kind,
    serial: Serial,
    /// Content of EF_ACTUA when the files were read; `None` when the card had none.
    update: Option<Hex>,
    files: BTreeMap<Hex, Hex>,
}

impl PublicFiles {
    pub(crate) fn new(kind: Kind, serial: Serial) -> Self {
        Self {
            format: FORMAT,
            kind,
            serial,
            update: None,
            files: BTreeMap::new(),
        }
    }

    pub(crate) fn set_update(&mut self, update: Option<Hex>) {
        self.update = update;
    }

    pub(crate) fn get(&self, path: &Hex) -> Option<&[u8]> {
        self.files.get(path).map(|file| &**file)
    }

    pub(crate) fn insert(&mut self, path: Hex, content: Vec<u8>) {
        if self.files.len() < MAX_FILES {
            self.files.insert(path, Hex(content));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.files.clear();
    }

    /// Takes the files of `other` in, if they are of the same card in the same state.
    pub(crate) fn take(&mut self, other: Self) -> bool {
        let same = other.format == FORMAT
            && other.kind == self.kind
            && other.serial == self.serial
            && other.update == self.update
            && other.files.len() <= MAX_FILES;
        if same {
            for (path, content) in other.files {
                self.files.entry(path).or_insert(content);
            }
        }
        same
    }

    /// The card that the files were read from.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Number of files: grows as more is read.
    pub fn len(&self) -> usize {
        self.files.len()
    }
}

const FORMAT: u32 = 1;
/// A card has about twenty public files.
const MAX_FILES: usize = 128;
