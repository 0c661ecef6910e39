use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use super::*;

/// The number of a process that has ended.
fn ended() -> u32 {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn a_profile_is_in_use_while_its_lock_is_held_and_no_longer() {
    let profile = tempfile::tempdir().unwrap();
    assert!(!mozilla(profile.path()));
    let lock = profile.path().join(".parentlock");
    fs::write(&lock, "").unwrap();
    assert!(!mozilla(profile.path()), "what a closed Firefox leaves");

    // Another process, because a lock of our own is no obstacle to us; Perl, which Debian always has,
    // because flock(1) takes the other kind of lock.
    let mut holder = Command::new("perl")
        .args(["-e", HOLD_LOCK])
        .arg(&lock)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut ready).unwrap();
    assert!(mozilla(profile.path()));
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert!(!mozilla(profile.path()));
}

#[test]
fn the_link_of_a_profile_counts_only_without_a_record_lock() {
    let profile = tempfile::tempdir().unwrap();
    let link = profile.path().join("lock");
    let own = std::process::id();
    for (target, running) in [
        (format!("127.0.1.1:{own}"), true),
        (format!("127.0.1.1:+{own}"), false),
        (format!("127.0.1.1:{}", ended()), false),
        ("127.0.1.1:".to_owned(), false),
        ("127.0.1.1:-1".to_owned(), false),
        ("nonsense".to_owned(), false),
    ] {
        symlink(&target, &link).unwrap();
        assert_eq!(mozilla(profile.path()), running, "{target}");
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn chromium_is_open_while_the_owner_of_its_link_lives() {
    let settings = tempfile::tempdir().unwrap();
    let link = settings.path().join("SingletonLock");
    assert!(!chromium(settings.path()));
    let here = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let here = here.trim();
    let own = std::process::id();
    for (target, running) in [
        (format!("{here}-{own}"), true),
        (format!("{here}-{}", ended()), false),
        ("another-machine-1".to_owned(), true),
        ("nonsense".to_owned(), false),
    ] {
        symlink(&target, &link).unwrap();
        assert_eq!(chromium(settings.path()), running, "{target}");
        fs::remove_file(&link).unwrap();
    }
}

/// Takes a record lock on the file named on the command line until standard input ends: `l_type` (a
/// short, F_WRLCK), then zeros: the whole file.
const HOLD_LOCK: &str = r#"
use Fcntl;
open(my $file, '+<', $ARGV[0]) or die;
my $lock = pack('s x62', F_WRLCK);
fcntl($file, F_SETLK, $lock) or die "$!";
$| = 1;
print 'x';
<STDIN>;
"#;
