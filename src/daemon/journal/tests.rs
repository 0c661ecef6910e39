use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use tempfile::TempDir;

use super::entry::GENESIS;
use super::files::Mark;
use super::*;

fn record(index: u64) -> Record {
    Record {
        destination: Some(format!("host{index}.example:443")),
        card: Some("90000001".to_owned()),
        ..Record::own("tls_client_auth")
    }
}

/// A closed journal of `count` entries over several volumes.
fn journal(count: u64, rotate_at: u64) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let journal = Journal::open(folder.path(), rotate_at).expect("open");
    for index in 1..=count {
        let entry = journal.append(record(index)).expect("append");
        assert_eq!(entry.sequence, index);
    }
    folder
}

fn volumes(folder: &Path) -> Vec<PathBuf> {
    Volume::list(folder)
        .expect("list")
        .into_iter()
        .map(|volume| volume.path)
        .collect()
}

fn faults(folder: &Path) -> Vec<Fault> {
    let verification = Journal::verify_folder(folder).expect("verify");
    verification
        .findings
        .into_iter()
        .map(|finding| finding.fault)
        .collect()
}

#[test]
fn the_chain_goes_on_across_volumes_and_openings() {
    let folder = journal(10, 1000);
    assert!(volumes(folder.path()).len() >= 3);
    let journal = Journal::open(folder.path(), 1000).expect("open again");
    assert_eq!(journal.append(record(11)).expect("append").sequence, 11);
    let verification = journal.verify().expect("verify");
    assert_eq!((verification.entries, verification.findings), (11, vec![]));
    let numbers = |after, limit| -> Vec<u64> {
        let entries = journal.entries(after, limit).expect("entries");
        entries.iter().map(|entry| entry.sequence).collect()
    };
    assert_eq!(numbers(0, 3), [1, 2, 3]);
    assert_eq!(numbers(7, 100), [8, 9, 10, 11]);
    assert_eq!(numbers(11, 100), [0; 0]);
    assert_eq!(numbers(u64::MAX - 1, 100), [0; 0]);
}

#[test]
fn the_hash_is_the_one_sha256sum_computes() {
    let folder = journal(1, u64::MAX);
    let line = fs::read_to_string(&volumes(folder.path())[0]).expect("read");
    let (covered, tail) = line.split_once(",\"hash\":\"").expect("sealed");
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(covered.as_bytes())
        .expect("write");
    let output = child.wait_with_output().expect("output").stdout;
    assert_eq!(&tail.as_bytes()[..64], &output[..64]);
}

#[test]
fn files_are_private() {
    use std::os::unix::fs::MetadataExt;
    let parent = tempfile::tempdir().expect("folder");
    let folder = parent.path().join("journal");
    let journal = Journal::open(&folder, u64::MAX).expect("open");
    journal.append(record(1)).expect("append");
    assert_eq!(fs::metadata(&folder).expect("folder").mode() & 0o777, 0o700);
    for item in fs::read_dir(&folder).expect("list") {
        let item = item.expect("item");
        assert_eq!(
            item.metadata().expect("file").mode() & 0o777,
            0o600,
            "{:?}",
            item.path()
        );
    }
}

#[test]
fn a_second_writer_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let first = Journal::open(folder.path(), u64::MAX).expect("open");
    assert!(matches!(
        Journal::open(folder.path(), u64::MAX),
        Err(JournalError::InUse { .. })
    ));
    drop(first);
    Journal::open(folder.path(), u64::MAX).expect("free again");
}

#[test]
fn a_torn_line_is_found_cut_and_told() {
    let folder = journal(3, u64::MAX);
    let path = &volumes(folder.path())[0];
    let mut bytes = fs::read(path).expect("read");
    bytes.extend_from_slice(b"{\"sequence\":4,\"ti");
    fs::write(path, &bytes).expect("write");
    assert_eq!(faults(folder.path()), [Fault::Torn]);

    let journal = Journal::open(folder.path(), u64::MAX).expect("open");
    let entry = journal.entries(3, 10).expect("entries").remove(0);
    assert_eq!(
        (entry.sequence, entry.record.operation.as_str()),
        (4, "recovered")
    );
    assert!(entry.record.note.expect("note").contains("17 bytes"));
    assert!(journal.verify().expect("verify").is_whole());
}

#[test]
fn a_crash_between_line_and_head_loses_nothing() {
    let folder = journal(3, u64::MAX);
    let head = fs::read(folder.path().join("head")).expect("head");
    Journal::open(folder.path(), u64::MAX)
        .expect("open")
        .append(record(4))
        .expect("append");
    fs::write(folder.path().join("head"), head).expect("old head");
    assert_eq!(faults(folder.path()), []);
    let journal = Journal::open(folder.path(), u64::MAX).expect("open");
    assert_eq!(journal.append(record(5)).expect("append").sequence, 5);
    assert!(journal.verify().expect("verify").is_whole());
}

#[test]
fn the_rest_of_a_failed_write_is_cut_before_the_next_entry() {
    let folder = journal(1, u64::MAX);
    let journal = Journal::open(folder.path(), u64::MAX).expect("open");
    let path = &volumes(folder.path())[0];
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(path)
        .expect("open");
    file.write_all(b"half a li").expect("write");
    journal.append(record(2)).expect("append");
    assert!(journal.verify().expect("verify").is_whole());
}

#[test]
fn what_cannot_be_written_is_an_error_and_leaves_the_chain_whole() {
    let folder = journal(2, u64::MAX);
    let journal = Journal::open(folder.path(), 1).expect("open");
    // The next volume cannot be made: a folder has its name.
    let blocker = Volume::path_in(folder.path(), 3);
    fs::create_dir(&blocker).expect("blocker");
    assert!(matches!(
        journal.append(record(3)),
        Err(JournalError::Io { .. })
    ));
    fs::remove_dir(&blocker).expect("unblock");
    assert_eq!(journal.append(record(3)).expect("append").sequence, 3);
    assert!(journal.verify().expect("verify").is_whole());
}

#[test]
fn cutting_the_end_shows_where_and_stays_visible() {
    let folder = journal(5, u64::MAX);
    let path = &volumes(folder.path())[0];
    let text = fs::read_to_string(path).expect("read");
    let kept: Vec<&str> = text.split_inclusive('\n').take(3).collect();
    fs::write(path, kept.concat()).expect("write");
    let verification = Journal::verify_folder(folder.path()).expect("verify");
    assert_eq!(verification.findings.len(), 1);
    let finding = &verification.findings[0];
    assert_eq!(
        (finding.sequence, finding.fault),
        (4, Fault::Truncated { last: 5 })
    );

    let journal = Journal::open(folder.path(), u64::MAX).expect("open");
    assert_eq!(journal.append(record(6)).expect("append").sequence, 6);
    let findings = journal.verify().expect("verify").findings;
    assert_eq!(findings[0].fault, Fault::Missing { next: 6 });
}

#[test]
fn a_removed_volume_or_head_is_found() {
    let folder = journal(9, 1000);
    let paths = volumes(folder.path());
    for path in &paths {
        let bytes = fs::read(path).expect("read");
        fs::remove_file(path).expect("remove");
        assert_ne!(faults(folder.path()), [], "{}", path.display());
        fs::write(path, bytes).expect("restore");
    }
    assert_eq!(faults(folder.path()), []);
    fs::remove_file(folder.path().join("head")).expect("remove");
    assert_eq!(faults(folder.path()), [Fault::HeadMissing]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_single_byte_change_is_found(position: prop::sample::Index, flip in 1_u8..=255) {
        let folder = journal(6, 900);
        let mut paths = volumes(folder.path());
        paths.push(folder.path().join("head"));
        let sizes: Vec<usize> = paths.iter().map(|path| fs::read(path).expect("read").len()).collect();
        let mut offset = position.index(sizes.iter().sum());
        let file = sizes.iter().position(|size| {
            let here = offset < *size;
            if !here { offset -= size; }
            here
        }).expect("inside");
        let mut bytes = fs::read(&paths[file]).expect("read");
        bytes[offset] ^= flip;
        fs::write(&paths[file], &bytes).expect("write");
        prop_assert_ne!(faults(folder.path()), [], "{} byte {}", paths[file].display(), offset);
    }

    #[test]
    fn any_line_removed_doubled_or_swapped_is_found(first in 0_usize..6, second in 0_usize..6) {
        let folder = journal(6, u64::MAX);
        let path = &volumes(folder.path())[0];
        let text = fs::read_to_string(path).expect("read");
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let write = |lines: &[&str]| fs::write(path, lines.concat()).expect("write");

        let mut removed = lines.clone();
        removed.remove(first);
        write(&removed);
        prop_assert_ne!(faults(folder.path()), []);

        let mut doubled = lines.clone();
        doubled.insert(second, lines[first]);
        write(&doubled);
        prop_assert_ne!(faults(folder.path()), []);

        if first != second {
            let mut swapped = lines;
            swapped.swap(first, second);
            write(&swapped);
            prop_assert_ne!(faults(folder.path()), []);
        }
    }

    #[test]
    fn any_cut_of_the_file_is_found(cut: prop::sample::Index) {
        let folder = journal(4, u64::MAX);
        let path = &volumes(folder.path())[0];
        let bytes = fs::read(path).expect("read");
        fs::write(path, &bytes[..cut.index(bytes.len())]).expect("write");
        prop_assert_ne!(faults(folder.path()), []);
    }

    #[test]
    fn random_bytes_are_never_a_whole_journal(bytes in prop::collection::vec(any::<u8>(), 1..600)) {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(Volume::path_in(folder.path(), 1), &bytes).expect("write");
        prop_assert_ne!(faults(folder.path()), []);
        // And the daemon starts all the same.
        let journal = Journal::open(folder.path(), u64::MAX).expect("open");
        journal.append(record(1)).expect("append");
    }
}

#[test]
fn an_entry_is_readable_whatever_its_program_calls_itself_or_its_destination() {
    let folder = tempfile::tempdir().expect("folder");
    let journal = Journal::open(folder.path(), u64::MAX).expect("open");
    // Six bytes each in JSON.
    let long = || "\u{1}".repeat(20_000);
    let entry = Record {
        caller: Some(Who {
            pid: 1,
            executable: long(),
            app_id: Some(long()),
            unit: Some(long()),
            display: long(),
        }),
        destination: Some(long()),
        note: Some(long()),
        ..Record::own("raw_tls_sign")
    };
    journal.append(entry).expect("append");
    assert!(journal.verify().expect("verify").is_whole());
    assert_eq!(journal.entries(0, 9).expect("entries").len(), 1);
}

#[test]
fn numbers_that_are_used_up_are_an_error() {
    let folder = journal(1, u64::MAX);
    let last = Mark {
        sequence: u64::MAX,
        hash: GENESIS.to_owned(),
    };
    files::write_mark(folder.path(), HEAD, &last).expect("head");
    let journal = Journal::open(folder.path(), 1).expect("open");
    assert!(matches!(
        journal.append(record(2)),
        Err(JournalError::Io { .. })
    ));
    drop(journal);
    let (_, mut line) =
        Entry::chained(u64::MAX, Timestamp::now(), record(1), GENESIS.to_owned()).expect("a line");
    line.extend_from_slice(b"damage\ndamage\n");
    fs::write(&volumes(folder.path())[0], line).expect("written");
    assert!(!faults(folder.path()).is_empty());
}

#[test]
fn what_is_no_file_is_an_error_and_never_waited_for() {
    for name in ["head", "000000000001.jsonl", "lock"] {
        let folder = tempfile::tempdir().expect("folder");
        crate::testing::fifo(&folder.path().join(name));
        let opened = crate::testing::in_time(move || Journal::open(folder.path(), 1).is_err());
        assert!(opened, "{name}");
    }
}

/// A line as the first version wrote it, with the hash of sha256sum.
#[test]
fn a_journal_of_an_earlier_version_is_whole_and_goes_on() {
    let line = concat!(
        r#"{"sequence":1,"time":"2026-01-05T08:00:00Z","operation":"mail","caller":null,"#,
        r#""destination":"imap.example:143","card":"90000001","certificate":null,"result":"done","#,
        r#""note":null,"previous":"0000000000000000000000000000000000000000000000000000000000000000","#,
        r#""hash":"cf5a0017840f2c968c279f33a0f4530f7251147852550b293298f630548056d0"}"#,
        "\n"
    );
    let head = concat!(
        r#"{"sequence":1,"hash":"cf5a0017840f2c968c279f33a0f4530f7251147852550b293298f630548056d0"}"#,
        "\n"
    );
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("000000000001.jsonl"), line).expect("write");
    fs::write(folder.path().join("head"), head).expect("write");
    assert_eq!(faults(folder.path()), []);
    let journal = Journal::open(folder.path(), u64::MAX).expect("open");
    assert_eq!(journal.append(record(2)).expect("append").sequence, 2);
    assert!(journal.verify().expect("verify").is_whole());
    let written = fs::read_to_string(folder.path().join("000000000001.jsonl")).expect("read");
    assert!(written.starts_with(line));
}
