//! A hardened process is closed: no core dump, no debugger, no look into its environment, no new
//! privileges, private files. None of it can be taken back, hence a process of its own.

use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() {
    let before = environment_is_readable();
    cpsd::hardening::apply().expect("hardening");

    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("Umask:\t0077"), "{status}");

    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let fields: Vec<&str> = core.expect("core").split_whitespace().collect();
    assert_eq!(fields[4..6], ["0", "0"], "{limits}");

    let dumpable = rustix::process::dumpable_behavior().expect("PR_GET_DUMPABLE");
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
    // As root, another user is asked to look, and could not before either.
    assert_eq!(before, !rustix::process::geteuid().is_root());
    assert!(
        !environment_is_readable(),
        "another program read the environment"
    );
    println!("hardened: umask 077, no core, not dumpable, no new privileges");
}

/// Whether another process without privileges can read this one's environment.
fn environment_is_readable() -> bool {
    let mut reader = Command::new("cat");
    reader.arg(format!("/proc/{}/environ", std::process::id()));
    if rustix::process::geteuid().is_root() {
        reader.uid(65_534).gid(65_534);
    }
    // Where no other user is mapped (a user namespace) it cannot even start.
    reader.output().is_ok_and(|output| output.status.success())
}
