use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use proptest::prelude::*;

use super::*;

#[test]
fn a_peer_is_identified_by_its_own_socket() {
    let (ours, _theirs) = UnixStream::pair().expect("pair");
    let caller = Caller::of_peer(ours.as_fd()).expect("caller");
    assert_eq!(caller.pid, std::process::id());
    assert_eq!(caller.uid, rustix::process::geteuid().as_raw());
    assert_eq!(
        caller.executable.path,
        std::env::current_exe().expect("this program")
    );
    assert_eq!(caller.program_sha256().expect("hash").len(), 32);
    caller.verify().expect("still the same");
}

#[test]
fn the_kernel_gives_the_pidfd_with_the_socket() {
    let (ours, _theirs) = UnixStream::pair().expect("pair");
    let caller = Caller::of_peer(ours.as_fd()).expect("caller");
    let pidfd = proc::peer_pidfd(ours.as_fd());
    // Where the kernel is too old for it, the other way must have found the same process.
    if let Some(pidfd) = pidfd {
        assert!(proc::alive(pidfd.as_fd()));
    }
    let info = fs::read_to_string(format!(
        "/proc/self/fdinfo/{}",
        std::os::fd::AsRawFd::as_raw_fd(&*caller.pidfd)
    ))
    .expect("fdinfo");
    let pid = info
        .lines()
        .find_map(|line| line.strip_prefix("Pid:\t"))
        .expect("Pid");
    assert_eq!(pid, std::process::id().to_string());
}

/// A copy of `sleep` that runs; ended with the test.
struct Sleeper {
    folder: tempfile::TempDir,
    child: Child,
}

impl Sleeper {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let program = folder.path().join("sleeper");
        // By a program of its own: no other thread's child can hold the copy open for writing.
        let copied = Command::new("cp")
            .arg("/bin/sleep")
            .arg(&program)
            .status()
            .expect("cp");
        assert!(copied.success());
        let child = Command::new(&program).arg("600").spawn().expect("sleep");
        let started = Self { folder, child };
        while proc::executable(started.child.id())
            .map(|exe| exe.path)
            .as_deref()
            != Ok(&program)
        {
            thread::yield_now();
        }
        started
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_process_that_ended_is_refused() {
    let mut sleeper = Sleeper::start();
    let caller = Caller::of_pid(sleeper.child.id()).expect("caller");
    caller.verify().expect("alive");
    sleeper.child.kill().expect("kill");
    // Even before its parent has taken note of its end.
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while caller.still_alive() {
        assert!(std::time::Instant::now() < limit, "still alive");
        thread::yield_now();
    }
    assert!(matches!(caller.verify(), Err(CallerError::Changed { .. })));
    sleeper.child.wait().expect("wait");
    assert!(matches!(caller.verify(), Err(CallerError::Changed { .. })));
    assert!(Caller::of_pid(caller.pid).is_err());
}

#[test]
fn a_process_that_runs_another_program_is_refused() {
    // A shell that becomes `sleep` when told.
    let mut child = Command::new("sh")
        .args(["-c", "read go; exec sleep 600"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    let shell = || {
        proc::executable(child.id()).is_ok_and(|exe| {
            exe.path.ends_with("dash") || exe.path.ends_with("bash") || exe.path.ends_with("sh")
        })
    };
    while !shell() {
        thread::yield_now();
    }
    let caller = Caller::of_pid(child.id()).expect("caller");
    caller.verify().expect("the shell");
    drop(child.stdin.take());
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while caller.verify().is_ok() {
        assert!(std::time::Instant::now() < limit, "the change was not seen");
        thread::yield_now();
    }
    assert!(
        caller.still_alive(),
        "the process lives, with another program"
    );
    child.kill().expect("kill");
    child.wait().expect("wait");
}

#[test]
fn a_replaced_file_is_another_executable() {
    let sleeper = Sleeper::start();
    let program = sleeper.folder.path().join("sleeper");
    let before = Caller::of_pid(sleeper.child.id()).expect("caller");
    let other = sleeper.folder.path().join("other");
    assert!(
        Command::new("cp")
            .arg("/bin/sleep")
            .arg(&other)
            .status()
            .expect("cp")
            .success()
    );
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).expect("mode");
    fs::rename(&other, &program).expect("replace");
    let mut second = Command::new(&program).arg("600").spawn().expect("second");
    while proc::executable(second.id()).map(|exe| exe.path).as_deref() != Ok(&program) {
        thread::yield_now();
    }
    let after = Caller::of_pid(second.id()).expect("caller");
    assert_ne!(before.executable, after.executable);
    // The program that was started before the update goes on, and is still itself.
    before.verify().expect("still running");
    assert!(before.program_sha256().is_ok());
    second.kill().expect("kill");
    second.wait().expect("wait");
}

#[test]
fn the_environment_of_the_caller_reaches_the_dialog() {
    let child = Command::new("sleep")
        .arg("600")
        .env_clear()
        .env("DISPLAY", ":7")
        .env("LANG", "en_GB.UTF-8")
        .env("SECRET", "hunter2")
        .spawn()
        .expect("sleep");
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let caller = loop {
        let caller = Caller::of_pid(child.id()).expect("caller");
        // The kernel shows the new program a moment before its environment.
        if caller.display == "sleep" && caller.environment.display.is_some() {
            break caller;
        }
        assert!(std::time::Instant::now() < limit, "{}", caller.display);
        thread::yield_now();
    };
    let mut child = child;
    child.kill().expect("kill");
    child.wait().expect("wait");
    let environment = &caller.environment;
    assert_eq!(environment.display.as_deref(), Some(":7"));
    assert_eq!(environment.lang.as_deref(), Some("en_GB.UTF-8"));
    assert!(!format!("{caller:?}").contains("hunter2"));
}

#[test]
fn a_listening_socket_is_no_peer() {
    let folder = tempfile::tempdir().expect("folder");
    let listener = UnixListener::bind(folder.path().join("socket")).expect("bind");
    let client = UnixStream::connect(folder.path().join("socket")).expect("connect");
    let (server, _) = listener.accept().expect("accept");
    assert_eq!(
        Caller::of_peer(server.as_fd()).expect("caller").pid,
        std::process::id()
    );
    drop(client);
    let (left, _right) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .expect("pair");
    assert!(Caller::of_peer(left.as_fd()).is_ok());
    let file = File::open("/dev/null").expect("file");
    assert!(matches!(
        Caller::of_peer(file.as_fd()),
        Err(CallerError::Unreadable { .. })
    ));
}

#[test]
fn start_time_is_read_behind_any_name() {
    let fields = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 424242 20";
    assert_eq!(
        proc::parse_start_time(&format!("7 (a) b) (c) {fields}")),
        Some(424_242)
    );
    assert_eq!(proc::parse_start_time("7 (a) S 1 2"), None);
    assert_eq!(proc::parse_start_time(""), None);
}

#[test]
fn units_and_applications_are_read_from_the_control_group() {
    let user = "/user.slice/user-1000.slice/user@1000.service/app.slice";
    for (leaf, unit, flatpak, snap) in [
        (
            "app-flatpak-org.mozilla.Thunderbird-4242.scope",
            Some("app-flatpak-org.mozilla.Thunderbird-4242.scope"),
            Some("org.mozilla.Thunderbird"),
            None,
        ),
        (
            r"app-flatpak-fr.example.My\x2dApp-1.scope",
            Some(r"app-flatpak-fr.example.My\x2dApp-1.scope"),
            Some("fr.example.My-App"),
            None,
        ),
        (
            "snap.firefox.firefox-0d2f6a1e-0000-4000-8000-000000000000.scope",
            Some("snap.firefox.firefox-0d2f6a1e-0000-4000-8000-000000000000.scope"),
            None,
            Some("firefox"),
        ),
        ("logiciel.service", Some("logiciel.service"), None, None),
        (
            "app-flatpak-evil-x.scope",
            Some("app-flatpak-evil-x.scope"),
            None,
            None,
        ),
        (
            "app-flatpak-e\u{202e}vil-1.scope",
            Some("app-flatpak-e\u{fffd}vil-1.scope"),
            None,
            None,
        ),
        ("plain", Some("user@1000.service"), None, None),
    ] {
        let group = proc::parse_control_group(&format!("1:name=x:/y\n0::{user}/{leaf}\n"));
        let found = group.as_deref().and_then(proc::unit);
        assert_eq!(found.as_deref(), unit);
        assert_eq!(
            found.as_deref().and_then(proc::flatpak_scope).as_deref(),
            flatpak
        );
        assert_eq!(found.as_deref().and_then(proc::snap_scope).as_deref(), snap);
    }
    assert_eq!(proc::parse_control_group("3:cpu:/x\n"), None);
    assert_eq!(proc::unit("/"), None);
}

#[test]
fn flatpak_names_come_from_the_right_group() {
    let info = "[Instance]\nname=wrong\n[Application]\nname=org.example.App\nruntime=x\n";
    assert_eq!(
        proc::parse_flatpak_info(info).as_deref(),
        Some("org.example.App")
    );
    assert_eq!(proc::parse_flatpak_info("[Application]\nname=a b\n"), None);
    assert_eq!(proc::parse_flatpak_info("name=x"), None);
}

#[test]
fn scripts_of_interpreters_are_shown() {
    let line = |parts: &[&str]| parts.join("\0").into_bytes();
    for (parts, script) in [
        (
            &["python3", "-u", "/opt/lps/main.py", "x"][..],
            Some("/opt/lps/main.py"),
        ),
        (&["python3", "-m", "lps"], Some("lps")),
        (
            &["java", "-Xmx1g", "-cp", "a.jar:b.jar", "fr.example.Main"],
            Some("fr.example.Main"),
        ),
        (&["java", "-jar", "lps.jar"], Some("lps.jar")),
        (&["sh", "-c", "echo secret"], None),
        (&["python3"], None),
    ] {
        assert_eq!(
            proc::parse_script(&line(parts)).as_deref(),
            script,
            "{parts:?}"
        );
    }
    let name = proc::display_name(
        "/usr/bin/python3.11".as_ref(),
        Some("/opt/lps/main.py"),
        None,
    );
    assert_eq!(name, "python3.11 (main.py)");
    let name = proc::display_name("/app/bin/tb".as_ref(), None, Some("flatpak:org.mozilla.tb"));
    assert_eq!(name, "tb [flatpak:org.mozilla.tb]");
}

#[test]
fn only_known_variables_are_taken_and_only_sane_values() {
    let bytes = b"LANG=fr_FR.UTF-8\0DISPLAY=:0\0XDISPLAY=:1\0GPG_TTY=/dev/pts/1\nOPTION x\0\
        WAYLAND_DISPLAY=\0XAUTHORITY=\xff\0TERM=xterm\0LC_ALL=en_US.UTF-8";
    let environment = PromptEnvironment::parse(bytes);
    let expected = PromptEnvironment {
        display: Some(":0".to_owned()),
        terminal: Some("xterm".to_owned()),
        lang: Some("en_US.UTF-8".to_owned()),
        ..PromptEnvironment::default()
    };
    assert_eq!(environment, expected);
    let long = [b"DISPLAY=".to_vec(), vec![b'x'; 600]].concat();
    assert_eq!(
        PromptEnvironment::parse(&long),
        PromptEnvironment::default()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_process_says_of_itself_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..400), text in any::<String>(),
    ) {
        let _ = PromptEnvironment::parse(&bytes);
        let _ = proc::parse_script(&bytes);
        let _ = proc::parse_start_time(&text);
        let _ = proc::parse_flatpak_info(&text);
        let _ = proc::flatpak_scope(&text);
        let _ = proc::snap_scope(&text);
        let _ = proc::parse_control_group(&text).as_deref().and_then(proc::unit);
        prop_assert!(!visible(&text).chars().any(char::is_control));
        prop_assert!(visible(&text).chars().count() <= 81);
    }
}

#[test]
fn a_program_rewritten_in_place_is_another_one_even_with_its_old_date() {
    let mut sleeper = Sleeper::start();
    let program = sleeper.folder.path().join("sleeper");
    let before = Caller::of_pid(sleeper.child.id()).expect("caller");
    sleeper.child.kill().expect("killed");
    sleeper.child.wait().expect("ended");
    // In a shell: no other thread's child can hold the program open for writing.
    let script = "date=$(stat -c %y \"$1\") && echo other >> \"$1\" && touch -d \"$date\" \"$1\"";
    let rewritten = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(&program)
        .status();
    assert!(rewritten.expect("sh").success());
    sleeper.child = Command::new(&program).arg("600").spawn().expect("starts");
    while proc::executable(sleeper.child.id()).is_ok_and(|running| running.path != program) {
        thread::yield_now();
    }
    let after = Caller::of_pid(sleeper.child.id()).expect("caller");
    assert_eq!(after.executable.path, program);
    assert_eq!(after.executable.modified_ns, before.executable.modified_ns);
    assert_ne!(after.executable, before.executable);
}
