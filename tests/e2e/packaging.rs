//! What is installed beside the binaries.

use std::path::Path;

use cps_tests::{Sandbox, binary};

/// systemd itself finds no unknown key, no bad value and no missing program in the user units.
#[test]
fn systemd_accepts_the_user_units() {
    let sandbox = Sandbox::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let units = ["cpsd.socket", "cpsd.service"].map(|name| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let installed = text.replace("/usr/bin/cpsd", &binary("cpsd").display().to_string());
        sandbox.write(name, installed)
    });
    let output = sandbox
        .command("systemd-analyze")
        .args(["verify", "--user", "--man=no", "--recursive-errors=no"])
        .args(&units)
        .output()
        .expect("systemd-analyze is missing (package systemd: run tests/setup test)");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
}

/// udev itself accepts the rule, and refuses the same rule with a mistake in it.
#[test]
fn udev_accepts_the_rule() {
    let sandbox = Sandbox::new();
    let rule = Path::new(env!("CARGO_MANIFEST_DIR")).join("../udev/70-cpsd.rules");
    let rule = std::fs::read_to_string(rule).unwrap();
    let mistaken = rule.replace("TAG+=", "TAGG+=");
    assert_ne!(rule, mistaken);
    assert_eq!(complaints_of_udev(&sandbox, &rule), "");
    assert!(complaints_of_udev(&sandbox, &mistaken).contains("Invalid key"));
}

/// What udev says about a file of rules, placed where it alone looks for it: `/run` is private to
/// the command.
fn complaints_of_udev(sandbox: &Sandbox, rules: &str) -> String {
    let file = sandbox.write("70-cpsd.rules", rules);
    let place = "mount -t tmpfs none /run && mkdir -p /run/udev/rules.d && \
                 cp \"$1\" /run/udev/rules.d/ && exec udevadm test /sys/class/net/lo 2>&1";
    let output = sandbox
        .command("unshare")
        .args(["-rm", "sh", "-c", place, "sh"])
        .arg(&file)
        .output()
        .expect("unshare is missing (package util-linux: run tests/setup test)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let read = "Reading rules file: /run/udev/rules.d/70-cpsd.rules";
    assert!(
        text.contains(read),
        "udevadm is missing or read nothing (package udev): {text}"
    );
    let complaint = "/run/udev/rules.d/70-cpsd.rules:";
    let lines = text.lines().filter(|line| line.starts_with(complaint));
    lines.collect::<Vec<_>>().join("\n")
}
