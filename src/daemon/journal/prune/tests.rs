use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::super::{Entry, Fault, Journal, PRUNED, Record};
use super::*;

/// Four months of the journal, one entry every ten days, kept for two months.
fn four_months() -> (TempDir, Timestamp) {
    let folder = tempfile::tempdir().expect("folder");
    let journal = open(folder.path());
    let start: Timestamp = "2026-01-01T08:00:00Z".parse().expect("a time");
    let mut now = start;
    for _ in 0..12 {
        now += SignedDuration::from_hours(240);
        append(&journal, now);
    }
    (folder, now)
}

fn open(folder: &Path) -> Journal {
    Journal::open_for_days(folder, u64::MAX, 60).expect("open")
}

fn append(journal: &Journal, now: Timestamp) -> Entry {
    let appended = journal.writer().append(now, Record::own("mail"));
    appended.expect("append")
}

fn prune(journal: &Journal, now: Timestamp) -> Option<u64> {
    journal.writer().prune(now).expect("prune")
}

fn times(journal: &Journal) -> Vec<(u64, String)> {
    let entries = journal.entries(0, 100).expect("entries");
    let day = |entry: Entry| (entry.sequence, entry.time.to_string()[..10].to_owned());
    entries.into_iter().map(day).collect()
}

fn faults(folder: &Path) -> (u64, Vec<Fault>) {
    let verification = Journal::verify_folder(folder).expect("verify");
    let findings = verification.findings.into_iter();
    let faults = findings.map(|finding| finding.fault).collect();
    (verification.begins, faults)
}

/// Every file but the lock.
fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let items = fs::read_dir(folder).expect("list").map(|item| {
        let item = item.expect("item");
        let name = item.file_name().into_string().expect("a name");
        (name, fs::read(item.path()).expect("read"))
    });
    items.filter(|(name, _)| name != "lock").collect()
}

/// Puts these files in place of all others.
fn restore(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for name in files_of(folder).keys() {
        fs::remove_file(folder.join(name)).expect("remove");
    }
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("write");
    }
}

#[test]
fn whole_months_that_are_too_old_go_and_the_rest_verifies() {
    let (folder, now) = four_months();
    let journal = open(folder.path());
    assert_eq!(faults(folder.path()), (1, vec![]));
    let before = times(&journal);
    assert_eq!(before.len(), 12);

    // 1 May less sixty days: January and February are over, March is not.
    assert_eq!(now.to_string(), "2026-05-01T08:00:00Z");
    let last = before
        .iter()
        .filter(|(_, day)| day < &"2026-03-01".to_owned());
    let last = last.map(|(sequence, _)| *sequence).max().expect("some");
    assert_eq!(prune(&journal, now), Some(last));

    let after = times(&journal);
    assert_eq!(&after[..after.len() - 1], &before[last as usize..]);
    assert_eq!(faults(folder.path()), (last + 1, vec![]));
    let said = journal.entries(12, 1).expect("entries").remove(0);
    assert_eq!(said.record.operation, PRUNED);
    assert_eq!(prune(&journal, now), None);

    // The chain goes on, also after it was opened again.
    append(&journal, now);
    drop(journal);
    append(&open(folder.path()), now);
    assert_eq!(faults(folder.path()), (last + 1, vec![]));
}

#[test]
fn a_journal_that_nobody_wrote_to_is_emptied_too() {
    let (folder, now) = four_months();
    let journal = open(folder.path());
    let much_later = now + SignedDuration::from_hours(24 * 400);
    assert_eq!(prune(&journal, much_later), Some(12));
    assert_eq!(times(&journal).len(), 1, "only what was said of it");
    drop(journal);
    let journal = open(folder.path());
    assert_eq!(append(&journal, much_later).sequence, 14);
    assert_eq!(faults(folder.path()), (13, vec![]));
}

#[test]
fn a_second_removal_supersedes_the_first() {
    let (folder, now) = four_months();
    let journal = open(folder.path());
    let first = prune(&journal, now).expect("removed");
    let later = now + SignedDuration::from_hours(24 * 40);
    append(&journal, later);
    let second = prune(&journal, later).expect("removed");
    assert!(second > first);
    assert_eq!(faults(folder.path()), (second + 1, vec![]));
}

#[test]
fn a_crash_between_any_two_steps_leaves_a_whole_journal() {
    let (folder, now) = four_months();
    let before = files_of(folder.path());
    let journal = open(folder.path());
    let last = prune(&journal, now).expect("removed");
    drop(journal);
    let after = files_of(folder.path());
    let removed = before.keys().filter(|name| !after.contains_key(*name));
    let removed: Vec<_> = removed.cloned().collect();
    assert_eq!(removed.len(), 2);

    // The steps: said, begun, the first volume gone, the second gone.
    let mut said = after.clone();
    said.remove(BEGIN);
    said.extend(
        removed
            .iter()
            .map(|name| (name.clone(), before[name].clone())),
    );
    let mut begun = said.clone();
    begun.insert(BEGIN.to_owned(), after[BEGIN].clone());
    let mut half = begun.clone();
    half.remove(&removed[0]);
    for (step, files, begins) in [
        ("said", said, 1),
        ("begun", begun, last + 1),
        ("half", half, last + 1),
    ] {
        restore(folder.path(), &files);
        assert_eq!(faults(folder.path()), (begins, vec![]), "{step}");
        let journal = open(folder.path());
        assert_eq!(times(&journal).first().expect("some").0, begins, "{step}");
        prune(&journal, now);
        append(&journal, now);
        assert_eq!(faults(folder.path()), (last + 1, vec![]), "{step}");
        for name in &removed {
            assert!(!folder.path().join(name).exists(), "{step}: {name}");
        }
    }
}

#[test]
fn tampering_after_a_removal_is_found() {
    let (folder, now) = four_months();
    let journal = open(folder.path());
    let last = prune(&journal, now).expect("removed");
    append(&journal, now);
    drop(journal);
    let whole = files_of(folder.path());
    let volumes: Vec<_> = whole
        .keys()
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    assert_eq!(volumes.len(), 3);

    // The oldest that is left is taken away too.
    let mut shorter = whole.clone();
    shorter.remove(volumes[0]);
    restore(folder.path(), &shorter);
    let next: u64 = volumes[1][..12].parse().expect("a number");
    assert!(faults(folder.path()).1.contains(&Fault::Missing { next }));

    // And the beginning is moved behind it, to the entry that was its last one.
    let text = String::from_utf8(whole[volumes[0]].clone()).expect("text");
    let line = text.lines().last().expect("a line");
    let end: Entry = Entry::parse(line.as_bytes()).expect("an entry");
    let moved = Mark {
        sequence: end.sequence,
        hash: end.hash,
    };
    files::write_mark(folder.path(), BEGIN, &moved).expect("written");
    assert_eq!(faults(folder.path()), (next, vec![Fault::BeginningWrong]));

    // The beginning is lost, or unreadable.
    let mut without = whole.clone();
    without.remove(BEGIN);
    restore(folder.path(), &without);
    assert!(
        faults(folder.path())
            .1
            .contains(&Fault::Missing { next: last + 1 })
    );
    fs::write(folder.path().join(BEGIN), "{}").expect("write");
    assert!(faults(folder.path()).1.contains(&Fault::BeginningWrong));

    // A byte of what is left.
    let mut edited = whole.clone();
    let bytes = edited.get_mut(volumes[0]).expect("a volume");
    bytes[20] ^= 1;
    restore(folder.path(), &edited);
    assert_eq!(faults(folder.path()), (last + 1, vec![Fault::Edited]));
}

#[test]
fn a_journal_without_a_term_loses_nothing() {
    let (folder, now) = four_months();
    let journal = Journal::open(folder.path(), u64::MAX).expect("open");
    let much_later = now + SignedDuration::from_hours(24 * 4000);
    assert_eq!(prune(&journal, much_later), None);
    assert_eq!(times(&journal).len(), 12);
}
