//! What the daemon shows of itself to the machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cps_emulator::{Holder, Profile};
use cps_tests::{Practice, Settings};

/// Nothing but the Unix socket: no TCP and no UDP port, while a card is in use. The daemon runs in a
/// network namespace of its own, so that every Internet socket in it would be the daemon's.
#[test]
fn nothing_listens_beyond_the_unix_socket() {
    let settings = Settings {
        own_network: true,
        ..Settings::default()
    };
    let mut practice = Practice::with_settings(settings);
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.cps(&["login"]);
    let pid = practice.cpsd.peer().pid();
    for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap();
        let sockets: Vec<_> = table.lines().skip(1).collect();
        assert!(sockets.is_empty(), "cpsd has Internet sockets: {sockets:?}");
    }
    let unix = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap();
    let own = practice.cpsd.socket().display().to_string();
    assert!(unix.contains(&own), "the table is not the daemon's: {unix}");
}

/// Folder and socket are for this user only, and so is everything below the state folder.
#[test]
fn the_socket_and_the_state_are_for_this_user_only() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.json(&["identity"]);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(practice.cpsd.socket()), 0o600);
    assert_eq!(mode(practice.cpsd.socket().parent().unwrap()), 0o700);
    let mut folders = vec![practice.cpsd.state().to_owned()];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
            }
        }
    }
}

/// A core dump, a debugger or `/proc/PID/mem` of another program must not show the PIN.
#[test]
fn the_process_cannot_be_inspected_or_dumped() {
    let mut practice = Practice::new();
    let pid = practice.cpsd.peer().pid();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert!(core.split_whitespace().nth(4) == Some("0"), "{core}");
    // The same user's processes may look into one another, unless one asks the kernel otherwise.
    let open = |pid: u32, file: &str| fs::File::open(format!("/proc/{pid}/{file}"));
    assert!(open(std::process::id(), "mem").is_ok());
    for file in ["mem", "environ", "maps"] {
        assert!(open(pid, file).is_err(), "{file} of cpsd can be read");
    }
}
