//! Removing what is older than a journal keeps it, so that the rest can still be verified.

use std::fs;
use std::io;

use jiff::{SignedDuration, Timestamp};

use super::entry::{Content, PRUNED};
use super::files::{self, BEGIN, Mark, Volume};
use super::writer::{Extent, Writer};

impl<R: Content> Writer<R> {
    /// See [`super::Chain::prune`]. In this order, each step on disk before the next:
    ///
    /// 1. an entry says which entries are to go;
    /// 2. the beginning says that they do not belong to the journal any more;
    /// 3. their volumes are removed.
    pub(super) fn prune(&mut self, now: Timestamp) -> io::Result<Option<u64>> {
        let Some(days) = self.days else {
            return Ok(None);
        };
        self.sweep()?;
        let Some(last) = self.last_older(now - SignedDuration::from_hours(24 * i64::from(days)))?
        else {
            return Ok(None);
        };
        let remark = R::remark(PRUNED, note(last.sequence, &last.hash));
        self.append(now, remark)?;
        files::write_mark(&self.folder, BEGIN, &last)?;
        files::sync_folder(&self.folder)?;
        self.removed = last.sequence;
        self.sweep()?;
        Ok(Some(last.sequence))
    }

    /// The last entry of the volumes that hold nothing younger than this. The one that is written to
    /// is closed if it is among them.
    fn last_older(&mut self, limit: Timestamp) -> io::Result<Option<Mark>> {
        let volumes = Volume::list_behind(&self.folder, self.removed)?;
        let mut last = None;
        let mut count = 0;
        for (index, volume) in volumes.iter().enumerate() {
            let extent = Extent::of::<R>(volume)?;
            match extent.times {
                Some((_, newest)) if newest < limit => {
                    last = extent.last;
                    count = index + 1;
                }
                Some(_) => break,
                // Nothing in it can be dated: it goes with what stands behind it.
                None => {}
            }
        }
        if last.is_some() && count == volumes.len() {
            self.turn()?;
        }
        Ok(last)
    }

    /// Removes the volumes that do not belong to the journal any more.
    fn sweep(&self) -> io::Result<()> {
        let mut swept = false;
        for volume in Volume::list(&self.folder)? {
            if volume.first <= self.removed {
                fs::remove_file(&volume.path)?;
                swept = true;
            }
        }
        match swept {
            true => files::sync_folder(&self.folder),
            false => Ok(()),
        }
    }
}

/// How a journal says which entries were removed.
pub(super) fn note(sequence: u64, hash: &str) -> String {
    format!("entries up to {sequence} (hash {hash}) were removed because of their age")
}

#[cfg(test)]
mod tests;
