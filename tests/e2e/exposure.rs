//! What the daemon shows of itself to the machine.

use std::collections::HashSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cps_emulator::{Holder, Profile};
use cps_tests::{Practice, until};

/// Nothing but the Unix socket: no TCP and no UDP port, while a card is in use. The daemon does not
/// let anybody look at its descriptors, so every other process of the namespace is looked at: a port
/// that none of them owns would be the daemon's.
#[test]
fn nothing_listens_beyond_the_unix_socket() {
    let practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.cps(&["login"]);
    let own = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = format!(":{:04X} ", own.local_addr().unwrap().port());
    assert!(
        listening().iter().any(|(_, line)| line.contains(&port)),
        "the table is not read"
    );
    // Programs of other tests come and go between the two looks; a port of the daemon stays.
    until("every listening port to belong to another program", || {
        let sockets = listening();
        let owned = sockets_of_readable_processes();
        sockets
            .iter()
            .all(|(inode, _)| owned.contains(inode))
            .then_some(())
    });
}

/// Listening TCP sockets and bound UDP sockets of the namespace: inode and line of the table.
fn listening() -> Vec<(String, String)> {
    let mut sockets = Vec::new();
    for (table, state) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            if fields[3] == state {
                sockets.push((fields[9].to_owned(), line.to_owned()));
            }
        }
    }
    sockets
}

fn sockets_of_readable_processes() -> HashSet<String> {
    let links = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    links("/proc".into())
        .flat_map(|process| links(process.path().join("fd")))
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .filter_map(|target| {
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect()
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
