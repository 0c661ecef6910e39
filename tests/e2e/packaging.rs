//! What is installed beside the binaries, and the package that holds them all.

use std::fs;
use std::path::{Path, PathBuf};

use cps_tests::{Sandbox, binary, module};

/// systemd itself finds no unknown key, no bad value and no missing program in the user units.
#[test]
fn systemd_accepts_the_user_units() {
    let sandbox = Sandbox::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let units = ["cpsd.socket", "cpsd-mail.socket", "cpsd.service"].map(|name| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
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

/// The archive and the Debian package have the same bytes each time they are packed, and lintian, which
/// judges Debian's packages, finds no error.
#[test]
fn the_debian_package_is_reproducible_and_well_formed() {
    let sandbox = Sandbox::new();
    let built = sandbox.join("target/release");
    fs::create_dir_all(&built).unwrap();
    // The form of the package is looked at, which takes neither a daemon nor a module of real size.
    for name in ["cps", "cpsd"] {
        let mut strip = sandbox.command("strip");
        strip.arg("-o").arg(built.join(name)).arg(binary("cps"));
        assert!(strip.status().unwrap().success());
    }
    let mut names = sandbox.command("nm");
    names.args(["--dynamic", "--defined-only", "--format=just-symbols"]);
    let names = names.arg(module()).output().unwrap();
    let names = String::from_utf8(names.stdout).unwrap();
    let functions = names
        .lines()
        .map(|name| format!("void {name}(void) {{}}\n"));
    let source = sandbox.write("module.c", functions.collect::<String>());
    let mut compile = sandbox.command("gcc");
    compile
        .args(["-shared", "-o"])
        .arg(built.join("libcpsd_pkcs11.so"));
    assert!(compile.arg(source).status().unwrap().success());
    let pack = || {
        let mut dist = sandbox.command(repository().join("packaging/dist"));
        dist.arg(sandbox.join("target"));
        dist.env("DEB_MAINTAINER", "A Distributor <packages@distributor.fr>");
        let output = dist
            .env("SOURCE_DATE_EPOCH", "1750000000")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let sums = pack();
    assert_eq!(pack(), sums);

    let package = sums.split_whitespace().find(|word| word.ends_with(".deb"));
    let package = Path::new(package.unwrap());
    let output = sandbox
        .command("lintian")
        .args(["--fail-on", "error"])
        .arg(package)
        .output()
        .expect("lintian is missing (package lintian: run tests/setup test)");
    assert!(output.status.success(), "{output:?}");

    let mut contents = sandbox.command("dpkg-deb");
    let contents = contents.arg("--contents").arg(package).output().unwrap();
    let files = String::from_utf8(contents.stdout).unwrap();
    assert!(files.contains("/pkcs11/libcpsd_pkcs11.so"), "{files}");
}

/// The unit must not keep the process of a PKCS#11 module from walling itself in: it would load none.
/// systemd's own set of calls for services has them only in newer versions.
#[test]
fn the_unit_lets_modules_be_walled_in() {
    let unit = fs::read_to_string(repository().join("packaging/systemd/cpsd.service")).unwrap();
    let allowed: Vec<&str> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
        .flat_map(str::split_whitespace)
        .collect();
    for call in [
        "landlock_add_rule",
        "landlock_create_ruleset",
        "landlock_restrict_self",
        "seccomp",
    ] {
        assert!(allowed.contains(&call), "{call} is not in {allowed:?}");
    }
}

/// udev itself accepts the rule, and refuses the same rule with a mistake in it.
#[test]
fn udev_accepts_the_rule() {
    let sandbox = Sandbox::new();
    let rule = Path::new(env!("CARGO_MANIFEST_DIR")).join("../udev/70-cpsd.rules");
    let rule = fs::read_to_string(rule).unwrap();
    let mistaken = rule.replace("TAG+=", "TAGG+=");
    assert_ne!(rule, mistaken);
    assert_eq!(complaints_of_udev(&sandbox, &rule), "");
    assert!(complaints_of_udev(&sandbox, &mistaken).contains("Invalid key"));
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
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
