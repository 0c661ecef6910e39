//! The end of the chain, where entries are added.

use std::fs::File;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};

use super::entry::{Content, Entry, GENESIS, RECOVERED};
use super::files::{self, BEGIN, HEAD, Line, Lines, Mark, MarkFile, Volume};

/// The last volume, open.
#[derive(Debug)]
pub(super) struct Writer<R> {
    pub(super) folder: PathBuf,
    rotate_at: u64,
    /// For how long entries are kept; for ever if absent.
    pub(super) days: Option<u32>,
    /// Number of the last entry that was removed because of its age.
    pub(super) removed: u64,
    file: File,
    /// Bytes of whole lines in `file`: whatever stands behind them is the rest of a failed write.
    length: u64,
    /// When the first entry of `file` was written.
    since: Option<Timestamp>,
    head: Mark,
    _content: PhantomData<R>,
}

impl<R: Content> Writer<R> {
    pub(super) fn open(folder: &Path, rotate_at: u64, days: Option<u32>) -> io::Result<Self> {
        let begin = files::read_mark(folder, BEGIN)?;
        let known = files::read_mark(folder, HEAD)?;
        let volumes = Volume::list_behind(folder, begin.sequence())?;
        let last = volumes.last();
        let extent = last.map_or_else(|| Ok(Extent::default()), Extent::of::<R>)?;
        let removed = begin.sequence();
        let genesis = || match begin {
            MarkFile::Present(mark) => mark,
            MarkFile::Absent | MarkFile::Damaged => Mark {
                sequence: 0,
                hash: GENESIS.to_owned(),
            },
        };
        // Go on behind whichever reaches further: what was cut off must stay a visible gap.
        let head = match (extent.last, known) {
            (Some(end), MarkFile::Present(head)) if head.sequence > end.sequence => head,
            (Some(end), _) => end,
            (None, MarkFile::Present(head)) => head,
            (None, _) => genesis(),
        };
        let first = last.map_or_else(|| head.sequence.saturating_add(1), |volume| volume.first);
        let file = files::open_for_append(&Volume::path_in(folder, first))?;
        files::sync_folder(folder)?;
        let mut writer = Self {
            folder: folder.to_owned(),
            rotate_at: u64::MAX,
            days,
            removed,
            file,
            length: extent.length,
            since: extent.times.map(|(first, _)| first),
            head,
            _content: PhantomData,
        };
        if extent.torn > 0 {
            let note = format!("an incomplete line of {} bytes was cut off", extent.torn);
            tracing::warn!("journal: {note}");
            writer.append(Timestamp::now(), R::remark(RECOVERED, note))?;
        }
        writer.rotate_at = rotate_at;
        Ok(writer)
    }

    /// Number of the last entry that was removed because of its age; 0 if none was.
    pub(super) fn removed(&self) -> u64 {
        self.removed
    }

    pub(super) fn append(&mut self, now: Timestamp, record: R) -> io::Result<Entry<R>> {
        let mut added = self.append_all(now, vec![record])?;
        added
            .pop()
            .ok_or_else(|| io::Error::other("nothing was added"))
    }

    pub(super) fn append_all(
        &mut self,
        now: Timestamp,
        records: Vec<R>,
    ) -> io::Result<Vec<Entry<R>>> {
        let mut head = self.head.clone();
        let mut lines = Vec::new();
        let mut added = Vec::new();
        for record in records {
            let sequence = head.sequence.checked_add(1).ok_or_else(|| {
                io::Error::other("its numbers are used up, so it was tampered with: move it away")
            })?;
            let (entry, line) = Entry::chained(sequence, now, record.bounded(), head.hash)?;
            if line.len() >= Lines::LONGEST {
                return Err(io::Error::other("an entry too long to be read again"));
            }
            head = Mark {
                sequence,
                hash: entry.hash.clone(),
            };
            lines.extend_from_slice(&line);
            added.push(entry);
        }
        if added.is_empty() {
            return Ok(added);
        }
        if self.length >= self.rotate_at || self.is_of_another_month(now) {
            self.turn()?;
        }
        if self.file.metadata()?.len() != self.length {
            self.file.set_len(self.length)?;
        }
        self.file.write_all(&lines)?;
        self.file.sync_data()?;
        self.length += lines.len() as u64;
        self.since.get_or_insert(now);
        self.head = head;
        files::write_mark(&self.folder, HEAD, &self.head)?;
        Ok(added)
    }

    /// Goes on in a new volume.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        let next = self.head.sequence.saturating_add(1);
        self.file = files::open_for_append(&Volume::path_in(&self.folder, next))?;
        self.length = 0;
        self.since = None;
        files::sync_folder(&self.folder)
    }

    /// Whether the volume is to be closed, so that it can be removed in time.
    fn is_of_another_month(&self, now: Timestamp) -> bool {
        let month = |time: Timestamp| {
            let date = time.to_zoned(TimeZone::UTC).date();
            (date.year(), date.month())
        };
        self.days.is_some() && self.since.is_some_and(|since| month(since) != month(now))
    }
}

/// What a volume holds.
#[derive(Default)]
pub(super) struct Extent {
    /// The last entry that can be read.
    pub(super) last: Option<Mark>,
    /// When the first and the last such entry were written.
    pub(super) times: Option<(Timestamp, Timestamp)>,
    /// Bytes of a torn line at the end.
    torn: u64,
    /// Bytes before that.
    length: u64,
}

impl Extent {
    pub(super) fn of<R: Content>(volume: &Volume) -> io::Result<Self> {
        let mut lines = volume.lines()?;
        let mut extent = Self::default();
        while let Some(line) = lines.next()? {
            match line {
                Line::Whole(bytes) => {
                    if let Ok(entry) = Entry::<R>::parse(&bytes) {
                        let first = extent.times.map_or(entry.time, |(first, _)| first);
                        extent.times = Some((first, entry.time));
                        extent.last = Some(Mark {
                            sequence: entry.sequence,
                            hash: entry.hash,
                        });
                    }
                }
                Line::Torn(bytes) => extent.torn = bytes,
                Line::TooLong => {}
            }
        }
        extent.length = volume.length - extent.torn;
        Ok(extent)
    }
}
