use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::*;
use crate::caller::applications::only_root_writes;

/// A program that has started another, both under names of the test's choice.
struct Family {
    folder: tempfile::TempDir,
    parent: Child,
    child: u32,
}

impl Family {
    /// `parent` and `child` are paths below a folder of their own.
    fn start(parent: &str, child: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let copy = |program: &str, name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("folder")).expect("folders");
            // By a program of its own: no other thread's child can hold the copy open for writing.
            let copied = Command::new("cp").arg(program).arg(&path).status();
            assert!(copied.expect("cp").success());
            path
        };
        let program = copy("/bin/sh", parent);
        let helper = copy("/bin/sleep", child);
        let mut parent = Command::new(program)
            .args(["-c", "\"$1\" 600 & wait; exit 0", "sh"])
            .arg(&helper)
            .spawn()
            .expect("started");
        let children = format!("/proc/{0}/task/{0}/children", parent.id());
        let limit = Instant::now() + Duration::from_secs(20);
        let child = loop {
            let listed = fs::read_to_string(&children).unwrap_or_default();
            let started = listed
                .split_whitespace()
                .next()
                .and_then(|pid| pid.parse().ok());
            if let Some(child) = started
                && proc::executable(child).is_ok_and(|running| running.path == helper)
            {
                break child;
            }
            if Instant::now() > limit {
                let _ = parent.kill();
                panic!("the helper did not start");
            }
            thread::yield_now();
        };
        Self {
            folder,
            parent,
            child,
        }
    }

    fn host(&self, guarded: fn(&Path) -> bool) -> Option<Host> {
        let executable = proc::executable(self.child).expect("runs");
        Host::of(self.child, &executable, guarded)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // The child first: it is reaped by its parent, which then ends.
        if let Some(child) = i32::try_from(self.child).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
        }
        let _ = self.parent.wait();
    }
}

#[test]
fn a_content_process_works_for_the_browser_beside_it() {
    let family = Family::start("browser/firefox", "browser/plugin-container");
    let host = family.host(|_| true).expect("a helper");
    assert_eq!(host.executable.path, family.path("browser/firefox"));
    assert!(host.beside);
    assert!(host.still_serves(family.child));
}

#[test]
fn a_helper_where_others_can_write_is_a_program_of_its_own() {
    let family = Family::start("browser/firefox", "browser/plugin-container");
    assert!(family.host(only_root_writes).is_none());
}

#[test]
fn a_helper_of_one_browser_does_not_work_for_another_program() {
    let family = Family::start("elsewhere/evil", "browser/plugin-container");
    assert!(family.host(|_| true).is_none());
}

#[test]
fn any_other_child_of_a_browser_is_a_program_of_its_own() {
    let family = Family::start("browser/firefox", "browser/download");
    assert!(family.host(|_| true).is_none());
}

#[test]
fn the_helper_of_ssh_works_for_ssh_only() {
    let agent = Family::start("bin/ssh-agent", "lib/openssh/ssh-pkcs11-helper");
    let host = agent.host(|_| true).expect("a helper");
    assert_eq!(host.executable.path, agent.path("bin/ssh-agent"));
    assert!(!host.beside);
    let evil = Family::start("bin/evil", "lib/openssh/ssh-pkcs11-helper");
    assert!(evil.host(|_| true).is_none());
    // A look-alike of the agent that the administrator did not install.
    let copy = Family::start("home/ssh-agent", "lib/openssh/ssh-pkcs11-helper");
    assert!(copy.host(|path| !path.ends_with("ssh-agent")).is_none());
}

#[test]
fn a_shared_helper_works_for_whichever_program_started_it() {
    let family = Family::start("opt/lps", "libexec/p11-kit-remote");
    let host = family.host(|_| true).expect("a helper");
    assert_eq!(host.executable.path, family.path("opt/lps"));
    assert!(!host.beside);
}

#[test]
fn a_helper_whose_program_has_ended_is_nobodys() {
    let mut family = Family::start("browser/firefox", "browser/plugin-container");
    let host = family.host(|_| true).expect("a helper");
    family.parent.kill().expect("killed");
    family.parent.wait().expect("ended");
    assert!(!host.still_serves(family.child));
    assert!(family.host(|_| true).is_none());
}
