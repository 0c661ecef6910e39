use std::os::unix::fs::MetadataExt;

use tempfile::TempDir;

use super::*;
use crate::caller::Host;

fn grants() -> (TempDir, Grants) {
    let folder = tempfile::tempdir().expect("folder");
    let grants = Grants::open(&folder.path().join("grants.json")).expect("open");
    (folder, grants)
}

fn caller() -> Caller {
    Caller::of_pid(std::process::id()).expect("this process")
}

fn tls(host: &str) -> Purpose {
    Purpose::TlsClientAuth {
        host: host.to_owned(),
        port: 443,
    }
}

fn card(insertion: u64) -> CardId {
    CardId {
        serial: "90000001".to_owned(),
        insertion,
    }
}

#[test]
fn a_grant_covers_one_program_purpose_destination_and_card() {
    let (_folder, grants) = grants();
    let caller = caller();
    let given = grants
        .give(&caller, None, &tls("a.example"), &card(1), Term::Session)
        .expect("given");
    assert_eq!(
        grants.find(&caller, &tls("A.example"), &card(1)),
        Some(given.clone())
    );
    assert_eq!(grants.list(), [given]);

    assert_eq!(grants.find(&caller, &tls("b.example"), &card(1)), None);
    let port = Purpose::TlsClientAuth {
        host: "a.example".to_owned(),
        port: 444,
    };
    assert_eq!(grants.find(&caller, &port, &card(1)), None);
    // A raw hash for the same destination is another purpose, and needs its own grant.
    let raw = Purpose::RawTlsSign {
        destination: "a.example:443".to_owned(),
    };
    assert_eq!(grants.find(&caller, &raw, &card(1)), None);
    let other = CardId {
        serial: "90000002".to_owned(),
        insertion: 1,
    };
    assert_eq!(grants.find(&caller, &tls("a.example"), &other), None);

    for change in [
        |caller: &mut Caller| caller.app_id = Some("flatpak:org.example.App".to_owned()),
        |caller: &mut Caller| caller.executable.path = "/other".into(),
        |caller: &mut Caller| caller.executable.inode += 1,
        |caller: &mut Caller| caller.executable.device += 1,
        |caller: &mut Caller| caller.executable.modified_ns += 1,
        |caller: &mut Caller| caller.executable.changed_ns += 1,
    ] {
        let mut changed = caller.clone();
        change(&mut changed);
        assert_eq!(
            grants.find(&changed, &tls("a.example"), &card(1)),
            None,
            "{changed:?}"
        );
    }
}

#[test]
fn once_is_not_remembered() {
    let (folder, grants) = grants();
    grants
        .give(&caller(), None, &tls("a"), &card(1), Term::Once)
        .expect("given");
    assert_eq!(grants.list(), []);
    assert!(!folder.path().join("grants.json").exists());
}

#[test]
fn a_session_ends_with_its_insertion_and_is_never_on_disk() {
    let (folder, grants) = grants();
    let caller = caller();
    grants
        .give(&caller, None, &tls("a"), &card(1), Term::Session)
        .expect("given");
    grants
        .give(&caller, None, &tls("b"), &card(2), Term::Session)
        .expect("given");
    assert_eq!(
        grants.find(&caller, &tls("a"), &card(2)),
        None,
        "another insertion"
    );
    grants.end_session(&card(1));
    assert_eq!(grants.find(&caller, &tls("a"), &card(1)), None);
    assert!(grants.find(&caller, &tls("b"), &card(2)).is_some());
    assert!(!folder.path().join("grants.json").exists());
}

#[test]
fn days_outlive_the_daemon_and_are_private() {
    let (folder, grants) = grants();
    let file = folder.path().join("grants.json");
    let caller = caller();
    let given = grants
        .give(&caller, None, &tls("a"), &card(1), Term::Days(7))
        .expect("given");
    assert!(given.sha256.is_some());
    let Lifetime::Until(end) = given.lifetime else {
        panic!("{given:?}")
    };
    assert_eq!(given.given + 168.hours(), end);
    grants
        .give(&caller, None, &tls("b"), &card(1), Term::Session)
        .expect("given");
    assert_eq!(fs::metadata(&file).expect("file").mode() & 0o777, 0o600);

    let again = Grants::open(&file).expect("open");
    assert_eq!(again.list(), std::slice::from_ref(&given));
    assert_eq!(
        again.find(&caller, &tls("a"), &card(99)),
        Some(given.clone())
    );
    assert_eq!(
        again.revoke(&given.id).expect("revoked"),
        Some(given.clone())
    );
    assert_eq!(again.revoke(&given.id).expect("none"), None);
    assert_eq!(Grants::open(&file).expect("open").list(), []);
}

/// Changes the stored grant in the file and asks whether it still holds.
fn holds_after(change: impl Fn(&mut Grant)) -> bool {
    let (folder, grants) = grants();
    let file = folder.path().join("grants.json");
    let caller = caller();
    let mut grant = grants
        .give(&caller, None, &tls("a"), &card(1), Term::Days(7))
        .expect("given");
    change(&mut grant);
    fs::write(&file, serde_json::to_vec(&[grant]).expect("json")).expect("write");
    let again = Grants::open(&file).expect("open");
    again.find(&caller, &tls("a"), &card(1)).is_some()
}

#[test]
fn a_lasting_grant_ends_with_its_time_or_its_program() {
    assert!(holds_after(|_| ()));
    assert!(!holds_after(
        |grant| grant.lifetime = Lifetime::Until(Timestamp::now())
    ));
    assert!(!holds_after(|grant| grant.sha256 = Some("00".repeat(32))));
    // Without a hash it would follow whatever is put at that path.
    assert!(!holds_after(|grant| grant.sha256 = None));
    // Session grants are never read from a file.
    assert!(!holds_after(
        |grant| grant.lifetime = Lifetime::Session { insertion: 1 }
    ));
}

#[test]
fn a_new_answer_takes_the_place_of_the_old_one() {
    let (_folder, grants) = grants();
    let caller = caller();
    grants
        .give(&caller, None, &tls("a"), &card(1), Term::Session)
        .expect("given");
    let last = grants
        .give(&caller, None, &tls("a"), &card(1), Term::Days(1))
        .expect("given");
    assert_eq!(grants.list(), [last]);
}

#[test]
fn a_damaged_file_is_put_aside() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("grants.json");
    for damage in [&b"{"[..], b"[{}]", b"\xff\xff", b"[{\"unknown\":1}]"] {
        fs::write(&file, damage).expect("write");
        assert_eq!(Grants::open(&file).expect("open").list(), []);
        assert!(!file.exists());
        assert_eq!(
            fs::read(folder.path().join("grants.damaged")).expect("kept"),
            damage
        );
    }
}

#[test]
fn a_grant_that_cannot_be_kept_is_not_given() {
    let folder = tempfile::tempdir().expect("folder");
    let grants = Grants::open(&folder.path().join("absent").join("grants.json")).expect("open");
    let given = grants.give(&caller(), None, &tls("a"), &card(1), Term::Days(7));
    assert!(matches!(given, Err(GrantsError::Io { .. })));
    assert_eq!(grants.list(), []);
}

#[test]
fn what_is_no_file_is_an_error_and_never_waited_for() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("grants.json");
    crate::testing::fifo(&path);
    assert!(crate::testing::in_time(move || Grants::open(&path).is_err()));
}

#[test]
fn a_part_of_a_program_shares_its_grants_and_a_shared_helper_has_its_own() {
    let folder = tempfile::tempdir().expect("folder");
    let grants = Grants::open(&folder.path().join("grants")).expect("grants");
    let program = caller();
    let part = |beside| {
        let mut part = caller();
        part.executable.path = "/usr/lib/browser/plugin-container".into();
        part.executable.inode += 1;
        part.host = Some(Host::testing(program.executable.clone(), beside));
        part
    };
    let (container, remote) = (part(true), part(false));
    let give = |caller: &Caller| {
        let given = grants.give(caller, None, &tls("a"), &card(1), Term::Session);
        given.expect("given")
    };
    let covered = |caller: &Caller| grants.find(caller, &tls("a"), &card(1)).is_some();
    let first = give(&program);
    assert!(covered(&program) && covered(&container) && !covered(&remote));
    grants.revoke(&first.id).expect("revoked");
    // Either of the two is asked; the answer holds for both.
    let second = give(&container);
    assert!(covered(&program) && covered(&container) && !covered(&remote));
    grants.revoke(&second.id).expect("revoked");
    give(&remote);
    assert!(!covered(&program) && !covered(&container) && covered(&remote));
    // Another helper of the same program is another pair.
    let mut other = remote;
    other.executable.inode += 1;
    assert!(!covered(&other));
}
