//! Checking the whole chain.

use std::fmt;
use std::io;

use super::entry::{Content, Damage, Entry, GENESIS, PRUNED};
use super::files::{Line, Mark, MarkFile, Volume};
use super::prune;

/// The result of checking a journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verification {
    /// Number of the first entry that is kept: 1, or higher since older ones were removed.
    pub begins: u64,
    /// Lines looked at.
    pub entries: u64,
    /// What is wrong, in the order of the files; empty when the chain is whole. At most 100.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The entry concerned: the number it has or should have.
    pub sequence: u64,
    /// Where: file name and line number from 1.
    pub place: String,
    /// What.
    pub fault: Fault,
}

/// What is wrong at one place.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The file that says which entries were removed because of their age cannot be read, or no
    /// entry says the same.
    BeginningWrong,
    /// The line does not have the hash it carries.
    Edited,
    /// The head file is missing although entries exist.
    HeadMissing,
    /// The head file does not hold the hash of the entry it names, or cannot be read.
    HeadWrong,
    /// Entries from this number up to (not including) the next one present were removed.
    Missing {
        /// Number of the next entry present.
        next: u64,
    },
    /// The entry does not stand where its number says.
    OutOfOrder,
    /// The last line is incomplete: a crash while writing, or the file was cut.
    Torn,
    /// The head names a later entry than the last one present: the end was cut off.
    Truncated {
        /// Number of the last entry once written.
        last: u64,
    },
    /// The hash of the entry before is not the one this entry was chained to.
    Unchained,
    /// The line is not a journal entry.
    Unreadable,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    fn report(&mut self, sequence: u64, place: &str, fault: Fault) {
        if self.findings.len() < 100 {
            self.findings.push(Finding {
                sequence,
                place: place.to_owned(),
                fault,
            });
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sequence,
            place,
            fault,
        } = self;
        write!(formatter, "{place}: entry {sequence}: ")?;
        match fault {
            Fault::BeginningWrong => {
                write!(
                    formatter,
                    "is named as the last removed by age, which it was not"
                )
            }
            Fault::Edited => write!(formatter, "was edited: its hash does not match"),
            Fault::HeadMissing => write!(formatter, "the head file was removed"),
            Fault::HeadWrong => write!(formatter, "the head file does not match the entries"),
            Fault::Missing { next } => {
                write!(formatter, "was removed, with all up to entry {next}")
            }
            Fault::OutOfOrder => write!(formatter, "stands in the wrong place"),
            Fault::Torn => write!(formatter, "is incomplete"),
            Fault::Truncated { last } => {
                write!(
                    formatter,
                    "was cut off, with all up to entry {last}, the last one written"
                )
            }
            Fault::Unchained => write!(formatter, "does not chain to the entry before"),
            Fault::Unreadable => write!(formatter, "is not a journal entry"),
        }
    }
}

/// Checks volumes (oldest first, those removed by age left out) against a beginning and a head that
/// were read before they were listed.
pub(super) fn verify<R: Content>(
    begin: &MarkFile,
    head: &MarkFile,
    volumes: &[Volume],
) -> io::Result<Verification> {
    let mut verification = Verification {
        begins: begin.sequence().saturating_add(1),
        entries: 0,
        findings: Vec::new(),
    };
    let mut walk = Walk::from(begin);
    for volume in volumes {
        let name = volume
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if volume.first != walk.next {
            // A volume named otherwise than its first entry; entries tell the rest.
            verification.report(volume.first, &name, Fault::OutOfOrder);
        }
        let mut lines = volume.lines()?;
        let mut number = 0_u64;
        while let Some(line) = lines.next()? {
            number += 1;
            verification.entries += 1;
            walk.line::<R>(line, &format!("{name}:{number}"), head, &mut verification);
        }
    }
    walk.end(begin, head, &mut verification);
    Ok(verification)
}

/// Where the walk along the chain stands.
struct Walk {
    /// What an entry must say of the beginning.
    removal: Option<String>,
    /// The number the next line should have.
    next: u64,
    /// The hash it should be chained to; `None` after a line that could not be read.
    previous: Option<String>,
    head_met: bool,
}

impl Walk {
    fn from(begin: &MarkFile) -> Self {
        let (next, previous, removal) = match begin {
            MarkFile::Present(Mark { sequence, hash }) => (
                sequence.saturating_add(1),
                hash.clone(),
                Some(prune::note(*sequence, hash)),
            ),
            MarkFile::Absent | MarkFile::Damaged => (1, GENESIS.to_owned(), None),
        };
        Self {
            removal,
            next,
            previous: Some(previous),
            head_met: false,
        }
    }

    fn line<R: Content>(
        &mut self,
        line: Line,
        place: &str,
        head: &MarkFile,
        report: &mut Verification,
    ) {
        let entry = match line {
            Line::Whole(bytes) => Entry::<R>::parse(&bytes).map_err(|damage| match damage {
                Damage::Edited => Fault::Edited,
                Damage::Unreadable => Fault::Unreadable,
            }),
            Line::Torn(_) => Err(Fault::Torn),
            Line::TooLong => Err(Fault::Unreadable),
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(fault) => {
                report.report(self.next, place, fault);
                self.previous = None;
                if fault != Fault::Torn {
                    self.next = self.next.saturating_add(1);
                }
                return;
            }
        };
        let sequence = entry.sequence;
        if sequence < self.next {
            report.report(sequence, place, Fault::OutOfOrder);
        } else if sequence > self.next {
            report.report(self.next, place, Fault::Missing { next: sequence });
        } else if self
            .previous
            .as_ref()
            .is_some_and(|previous| *previous != entry.previous)
        {
            report.report(sequence, place, Fault::Unchained);
        }
        self.removal
            .take_if(|removal| entry.record.is_remark(PRUNED, removal));
        if let MarkFile::Present(head) = head
            && head.sequence == sequence
        {
            self.head_met = true;
            if head.hash != entry.hash {
                report.report(sequence, "head", Fault::HeadWrong);
            }
        }
        self.next = self.next.max(sequence.saturating_add(1));
        self.previous = Some(entry.hash);
    }

    fn end(self, begin: &MarkFile, head: &MarkFile, report: &mut Verification) {
        if *begin == MarkFile::Damaged || self.removal.is_some() {
            report.report(begin.sequence(), "begin", Fault::BeginningWrong);
        }
        match head {
            MarkFile::Absent if self.next > 1 => {
                report.report(self.next - 1, "head", Fault::HeadMissing)
            }
            MarkFile::Absent => {}
            MarkFile::Damaged => report.report(self.next - 1, "head", Fault::HeadWrong),
            MarkFile::Present(head) if head.sequence >= self.next => {
                report.report(
                    self.next,
                    "head",
                    Fault::Truncated {
                        last: head.sequence,
                    },
                );
            }
            // The entry it names lies inside a gap that is reported already, or never was.
            MarkFile::Present(head) if !self.head_met => {
                report.report(head.sequence, "head", Fault::HeadWrong);
            }
            MarkFile::Present(_) => {}
        }
    }
}
