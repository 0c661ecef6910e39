//! `cps setup` with the real tools of NSS and p11-kit, on made-up profiles.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use cps_emulator::{Holder, Profile};
use cps_tests::{Peer, Practice, Sandbox, binary, module, openssl, until_within};
use serde_json::Value;

/// A home with a Firefox profile, a Thunderbird profile and Chromium's settings.
fn home() -> (Sandbox, [PathBuf; 3]) {
    let sandbox = Sandbox::new();
    let ini = "[Profile0]\nName=default\nIsRelative=1\nPath=x.default\n";
    for folder in ["home/.mozilla/firefox", "home/.thunderbird"] {
        sandbox.write(&format!("{folder}/profiles.ini"), ini);
        fs::create_dir(sandbox.join(folder).join("x.default")).unwrap();
    }
    fs::create_dir_all(sandbox.join("home/.config/chromium")).unwrap();
    let databases = [
        sandbox.join("home/.mozilla/firefox/x.default"),
        sandbox.join("home/.pki/nssdb"),
        sandbox.join("home/.thunderbird/x.default"),
    ];
    (sandbox, databases)
}

fn setup(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut command = sandbox.command(binary("cps"));
    command.arg("setup").args(arguments);
    command.output().unwrap()
}

#[track_caller]
fn setup_ok(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let output = setup(sandbox, arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a tool of NSS says of the database in `folder`.
fn nss(sandbox: &Sandbox, tool: &str, action: &[&str], folder: &Path) -> String {
    let database = format!("sql:{}", folder.display());
    let argument = if tool == "modutil" { "-dbdir" } else { "-d" };
    let output = sandbox
        .command(tool)
        .args(action)
        .args([argument, &database])
        .output()
        .unwrap_or_else(|error| {
            panic!("{tool}: {error} (package libnss3-tools: run tests/setup test)")
        });
    assert!(output.status.success(), "{tool} {action:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether `modutil` shows the module, and could load it.
fn registered(sandbox: &Sandbox, folder: &Path) -> bool {
    let listed = nss(sandbox, "modutil", &["-list"], folder);
    let entry = listed.split_once("cpsd\n").map(|(_, entry)| entry);
    entry.is_some_and(|entry| {
        let library = format!("library name: {}", module().display());
        assert!(entry.contains(&library), "{listed}");
        assert!(entry.contains("status: loaded"), "{listed}");
        true
    })
}

#[test]
fn browsers_and_mail_get_the_module_once_and_lose_it_again() {
    let (sandbox, [firefox, chromium, thunderbird]) = home();
    // A profile that was in use has a database; its other content is not ours.
    fs::create_dir_all(&chromium).unwrap();
    nss(&sandbox, "certutil", &["-N", "--empty-password"], &chromium);
    let before = fs::read(chromium.join("pkcs11.txt")).unwrap();

    let plan = setup_ok(&sandbox, &["browsers", "--dry-run"]);
    assert!(plan.contains(&module().display().to_string()), "{plan}");
    assert!(!firefox.join("pkcs11.txt").exists());
    assert_eq!(fs::read(chromium.join("pkcs11.txt")).unwrap(), before);

    setup_ok(&sandbox, &["browsers", "--yes"]);
    assert!(registered(&sandbox, &firefox) && registered(&sandbox, &chromium));
    assert!(!thunderbird.join("pkcs11.txt").exists());
    setup_ok(&sandbox, &["mail", "--yes"]);
    assert!(registered(&sandbox, &thunderbird));

    let after = fs::read(chromium.join("pkcs11.txt")).unwrap();
    for verb in ["browsers", "mail"] {
        let again = setup_ok(&sandbox, &[verb, "--yes", "--json"]);
        let again: Value = serde_json::from_str(&again).unwrap();
        for step in again["steps"].as_array().unwrap() {
            assert_eq!(step["outcome"], "unchanged", "{step}");
        }
    }
    assert_eq!(fs::read(chromium.join("pkcs11.txt")).unwrap(), after);

    for verb in ["browsers", "mail"] {
        setup_ok(&sandbox, &[verb, "--undo", "--yes"]);
    }
    assert_eq!(fs::read(chromium.join("pkcs11.txt")).unwrap(), before);
    for database in [&firefox, &chromium, &thunderbird] {
        assert!(!registered(&sandbox, database), "{}", database.display());
    }
}

#[test]
fn an_open_browser_is_refused_and_the_other_is_served() {
    let (sandbox, [firefox, chromium, _]) = home();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let lock = sandbox.join("home/.config/chromium/SingletonLock");
    symlink(format!("{}-{}", host.trim(), std::process::id()), &lock).unwrap();
    let output = setup(&sandbox, &["browsers", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("[setup.program_running]"), "{told}");
    assert!(!chromium.exists() && registered(&sandbox, &firefox));
    fs::remove_file(&lock).unwrap();
    setup_ok(&sandbox, &["browsers", "--yes"]);
    assert!(registered(&sandbox, &chromium));
}

/// Firefox itself holds the lock, and leaves files behind when it ends.
#[test]
fn a_firefox_that_runs_is_refused_until_it_ends() {
    let (sandbox, [firefox, ..]) = home();
    let mut command = sandbox.command("firefox-esr");
    command
        .args(["--headless", "--no-remote", "--profile"])
        .arg(&firefox);
    let mut running = Peer::start(&sandbox, "firefox", "firefox-esr", command);
    until_within(Duration::from_secs(60), "a database of Firefox", || {
        firefox.join("pkcs11.txt").exists().then_some(())
    });
    let output = setup(&sandbox, &["browsers", "--yes", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["steps"][0]["problem"]["code"], "setup.program_running");
    running.stop();
    setup_ok(&sandbox, &["browsers", "--yes"]);
    assert!(registered(&sandbox, &firefox));
}

#[test]
fn the_doctor_tells_which_programs_know_the_card() {
    let (sandbox, [firefox, ..]) = home();
    fs::create_dir_all(sandbox.join("home/snap/thunderbird")).unwrap();
    let findings = || {
        let mut doctor = sandbox.command(binary("cps"));
        let output = doctor.args(["doctor", "--json"]).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let code = |place: &Path| {
            let named = |one: &&Value| {
                let subject = one["subject"].as_str().unwrap();
                subject.ends_with(&format!("({})", place.display()))
            };
            let mut findings = told["findings"].as_array().unwrap().iter();
            findings
                .find(named)
                .map(|one| one["code"].as_str().unwrap().to_owned())
        };
        let snap = sandbox.join("home/snap/thunderbird");
        let p11_kit = sandbox.join("home/.config/pkcs11/modules/cpsd.module");
        [code(&firefox), code(&snap), code(&p11_kit)]
    };
    let codes = |codes: [Option<&str>; 3]| codes.map(|code| code.map(str::to_owned));
    let before = [Some("setup.unregistered"), Some("setup.sandboxed"), None];
    assert_eq!(findings(), codes(before));
    setup_ok(&sandbox, &["browsers", "--yes"]);
    setup_ok(&sandbox, &["mail", "--yes"]);
    let after = [Some("ok"), Some("setup.sandboxed"), Some("ok")];
    assert_eq!(findings(), codes(after));
}

/// A browser that meets such a site with a CPS3 shows nothing but "400".
#[test]
fn the_doctor_says_that_a_cps3_stops_at_tls_1_2() {
    let told = |profile| {
        let practice = Practice::new();
        let _card = practice.insert(0, practice.card(Holder::CpsMedecin, profile));
        let doctor = practice.cpsd.cps(&practice.sandbox, &["doctor"]);
        String::from_utf8(doctor.stdout)
            .unwrap()
            .contains("TLS 1.3")
    };
    assert!(told(Profile::Cps3));
    assert!(!told(Profile::Cps4));
}

#[test]
fn an_entry_of_somebody_else_stays() {
    let (sandbox, [firefox, ..]) = home();
    nss(&sandbox, "certutil", &["-N", "--empty-password"], &firefox);
    let list = firefox.join("pkcs11.txt");
    let mut text = fs::read_to_string(&list).unwrap();
    text.push_str("library=/opt/other.so\nname=cpsd\n\n");
    fs::write(&list, &text).unwrap();
    let output = setup(&sandbox, &["browsers", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("[setup.conflict]"), "{told}");
    setup_ok(&sandbox, &["browsers", "--undo", "--yes"]);
    assert_eq!(fs::read_to_string(&list).unwrap(), text);
}

#[test]
fn a_module_that_cannot_be_loaded_is_told_per_program() {
    let (sandbox, [firefox, ..]) = home();
    let broken = sandbox.write("libcpsd_pkcs11.so", "not a library");
    let broken = broken.display().to_string();
    let output = setup(
        &sandbox,
        &["browsers", "--yes", "--json", "--module", &broken],
    );
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    for step in told["steps"].as_array().unwrap() {
        assert_eq!(step["outcome"], "failed", "{step}");
        assert_eq!(step["problem"]["code"], "setup.tool_failed", "{step}");
        let reason = step["problem"]["reason"].as_str().unwrap();
        assert!(reason.contains("libcpsd_pkcs11.so"), "{reason}");
    }
    assert!(!registered(&sandbox, &firefox));
}

#[test]
fn p11_kit_loads_what_mail_and_system_describe() {
    let (sandbox, _) = home();
    let listed = || {
        let output = sandbox.command("p11-kit").arg("list-modules").output();
        let output = output.expect("p11-kit is missing (package p11-kit: run tests/setup test)");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let path = module().display().to_string();
    assert!(!listed().contains(&path));
    setup_ok(&sandbox, &["mail", "--yes"]);
    assert!(listed().contains(&path), "{}", listed());
    setup_ok(&sandbox, &["mail", "--undo", "--yes"]);
    assert!(!listed().contains(&path));
}

#[test]
fn the_authorities_of_the_daemon_are_trusted_for_servers_only_and_forgotten_again() {
    let practice = Practice::new();
    let (sandbox, [firefox, ..]) = home();
    let socket = practice.cpsd.socket().display().to_string();
    let arguments = ["browsers", "--yes", "--authorities", "--socket", &socket];
    let certificates = || nss(&sandbox, "certutil", &["-L"], &firefox);
    setup_ok(&sandbox, &["browsers", "--yes"]);
    assert!(!certificates().contains("(cpsd)"));
    // One is there already, as somebody wanted it.
    let own = openssl::pem(&sandbox, "own.pem", &practice.pki.anchors_der()[..1]);
    let own = own.display().to_string();
    let add = ["-A", "-n", "own", "-t", ",,", "-i", &own];
    nss(&sandbox, "certutil", &add, &firefox);
    setup_ok(&sandbox, &arguments);
    let listed = certificates();
    let rows: Vec<_> = listed
        .lines()
        .filter(|line| line.contains("(cpsd)"))
        .collect();
    assert!(!rows.is_empty(), "{listed}");
    assert!(
        rows.iter().all(|row| row.trim_end().ends_with(" C,,")),
        "{listed}"
    );
    assert_eq!(rows.len() + 1, practice.pki.anchors_der().len(), "{listed}");
    let plan = setup_ok(&sandbox, &[&arguments[..], &["--json"]].concat());
    assert!(!plan.contains("add_authority"), "{plan}");
    setup_ok(&sandbox, &["browsers", "--undo", "--yes"]);
    let left = certificates();
    assert!(!left.contains("(cpsd)"), "{left}");
    let own = left.lines().find(|line| line.starts_with("own ")).unwrap();
    assert!(own.trim_end().ends_with(" ,,"), "{own}");
}

#[test]
fn a_primary_password_keeps_authorities_out_and_leaves_nothing_half_done() {
    let practice = Practice::new();
    let (sandbox, [firefox, ..]) = home();
    let password = sandbox.write("password", "an invented one\n");
    let password = password.display().to_string();
    nss(&sandbox, "certutil", &["-N", "-f", &password], &firefox);
    let socket = practice.cpsd.socket().display().to_string();
    let arguments = ["browsers", "--yes", "--authorities", "--socket", &socket];
    let output = setup(&sandbox, &arguments);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("primary password"), "{told}");
    assert!(registered(&sandbox, &firefox));
    let listed = nss(&sandbox, "certutil", &["-L"], &firefox);
    assert!(!listed.contains("(cpsd)"), "{listed}");
}

/// The policies are read where `cps setup system` writes them. `/etc` is private to the command.
#[test]
fn firefox_and_thunderbird_obey_the_policies() {
    let sandbox = Sandbox::new();
    setup_ok(
        &sandbox,
        &[
            "system",
            "--yes",
            "--destdir",
            &sandbox.join("root").display().to_string(),
        ],
    );
    for program in ["firefox-esr", "thunderbird"] {
        let profile = sandbox.join(program);
        fs::create_dir(&profile).unwrap();
        let script = "mount --bind \"$1/etc\" /etc && shift && exec \"$@\"";
        let mut command = sandbox.command("unshare");
        command
            .args(["-rm", "sh", "-c", script, "sh"])
            .arg(sandbox.join("root"));
        command
            .args([program, "--headless", "--no-remote", "--profile"])
            .arg(&profile);
        let _running = Peer::start(&sandbox, program, program, command);
        let entry = format!("library={}\nname=cpsd\n", module().display());
        until_within(Duration::from_secs(60), "the module in the profile", || {
            let list = fs::read_to_string(profile.join("pkcs11.txt")).ok()?;
            list.contains(&entry).then_some(())
        });
    }
}
