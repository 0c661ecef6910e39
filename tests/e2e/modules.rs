//! PKCS#11 modules of others in the daemon's process for them: real ones work there, and whatever a
//! hostile one does, it costs one operation.

use std::collections::BTreeMap;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cps_emulator::{Holder, Pki, Profile, VirtualCard};
use cps_identity::Certificate;
use cps_tests::{InsertedCard, Pcscd, Sandbox, SoftHsm, binary, openssl, until};
use cps_verify::{Hash, Scheme};
use cpsd::modules::protocol::{KeyKind, Reason, Setup, TokenId};
use cpsd::modules::{Host, HostError, ModuleProcess};
use cpsd::prompt::LockedBuffer;

/// Looked up by the dynamic linker, in the folder of this architecture.
const OPENSC: &str = "opensc-pkcs11.so";

/// Long enough for a loaded machine; what must time out gets less.
const PATIENCE: Duration = Duration::from_secs(30);

fn process(name: &str, module: impl Into<PathBuf>) -> ModuleProcess {
    ModuleProcess {
        name: name.to_owned(),
        program: binary("cpsd"),
        environment: BTreeMap::new(),
        setup: Setup {
            module: module.into(),
            network: false,
            writable: Vec::new(),
        },
    }
}

/// The hostile module, up to this mischief.
fn hostile(mischief: &str) -> ModuleProcess {
    let module = binary("examples/libhostile_module.so");
    let mut process = process(mischief, module);
    process
        .environment
        .insert("HOSTILE".to_owned(), mischief.to_owned());
    process
}

fn softhsm(token: &SoftHsm<'_>) -> Host {
    let mut process = process("softhsm", SoftHsm::MODULE);
    let configuration = token.configuration().to_str().unwrap().to_owned();
    process
        .environment
        .insert("SOFTHSM2_CONF".to_owned(), configuration);
    process.setup.writable.push(token.tokens().to_owned());
    Host::start(process).unwrap()
}

/// Has the hostile token sign, which is when most mischief happens.
fn sign(host: &Host, patience: Duration) -> Result<Vec<u8>, HostError> {
    let token = host.tokens(PATIENCE)?.remove(0).id;
    let digest = Hash::Sha256.digest(b"text");
    host.sign(&token, "01", Scheme::Pkcs1Sha256, &digest, patience)
}

/// The processes of this module that exist, dead ones that nobody has reaped included: those cannot
/// be told apart by their command line, so every child of ours that is one counts.
fn processes(name: &str) -> usize {
    let ours = format!("PPid:\t{}\n", std::process::id());
    let mut count = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if status.contains(&ours) && command.contains(&format!("module-host\0{name}\0")) {
            count += 1;
        }
    }
    count
}

fn pin(digits: &str) -> Option<LockedBuffer> {
    Some(LockedBuffer::holding(digits.as_bytes()).unwrap())
}

fn reason(error: HostError) -> Reason {
    match error {
        HostError::Refused { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

/// SoftHSM in the sandbox: RSA and P-256 keys sign in every way, the signatures verify; what OpenSSL
/// encrypted is decrypted.
#[test]
fn softhsm_signs_inside_the_walls() {
    let sandbox = Sandbox::new();
    let token = SoftHsm::new(&sandbox, "practice");
    token.generate("01", "rsa", "rsa:2048");
    token.generate("02", "ec", "EC:prime256v1");
    let host = softhsm(&token);

    let tokens = host.tokens(PATIENCE).unwrap();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(tokens[0].label, "practice");
    assert!(tokens[0].login_required);
    let id = &tokens[0].id;
    assert_eq!(host.keys(id, PATIENCE).unwrap(), []);
    let digest = Hash::Sha256.digest(b"text");
    let early = host.sign(id, "01", Scheme::Pkcs1Sha256, &digest, PATIENCE);
    assert_eq!(reason(early.unwrap_err()), Reason::NoKey);

    let wrong = host.login(id, pin("9999"), PATIENCE).unwrap_err();
    assert_eq!(reason(wrong), Reason::PinIncorrect);
    host.login(id, pin(SoftHsm::PIN), PATIENCE).unwrap();
    let keys = host.keys(id, PATIENCE).unwrap();
    let kinds: BTreeMap<_, _> = keys.iter().map(|key| (&*key.id, key.kind)).collect();
    assert_eq!(
        kinds,
        BTreeMap::from([("01", KeyKind::Rsa), ("02", KeyKind::P256)])
    );
    for key in &keys {
        let public = token.public_key(&key.id);
        assert!(key.schemes.len() >= 3, "{key:?}");
        for scheme in &key.schemes {
            let digest = scheme.hash().digest(b"text");
            let signature = host.sign(id, &key.id, *scheme, &digest, PATIENCE).unwrap();
            assert!(
                cps_verify::verifies(&public, *scheme, &digest, &signature),
                "{scheme}"
            );
        }
    }
    sandbox.write("public.der", token.public_key("01"));
    sandbox.write("plaintext", "a session key");
    let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey"];
    let files = ["public.der", "-in", "plaintext", "-out", "cryptogram"];
    let encrypted = openssl::run(&sandbox, encrypt.iter().chain(&files));
    assert!(encrypted.status.success(), "{encrypted:?}");
    let cryptogram = fs::read(sandbox.join("cryptogram")).unwrap();
    let plaintext = host.decrypt(id, "01", &cryptogram, PATIENCE).unwrap();
    assert_eq!(&plaintext[..], b"a session key");

    host.logout(id, PATIENCE).unwrap();
    assert_eq!(host.keys(id, PATIENCE).unwrap(), []);
}

/// OpenSC's module in the sandbox: it reaches pcscd, finds the virtual CPS3 by itself, and is told
/// when the card was pulled.
#[test]
fn opensc_signs_with_the_virtual_cps3_inside_the_walls() {
    let sandbox = Sandbox::new();
    let pki = Pki::new(SystemTime::now());
    let pcscd = Pcscd::start(&sandbox);
    let card = VirtualCard::new(&pki, Holder::CpsMedecin, Profile::Cps3);
    let card = InsertedCard::new(&pcscd, 0, card);
    card.seen_by_pcscd(&sandbox, &pcscd);
    let mut process = process("opensc", OPENSC);
    let socket = pcscd.socket().to_str().unwrap().to_owned();
    process
        .environment
        .insert("PCSCLITE_CSOCK_NAME".to_owned(), socket);
    let host = Host::start(process).unwrap();

    let authentication = pki.authentication_der(Holder::CpsMedecin);
    let digest = Hash::Sha256.digest(b"text");
    let public = Certificate::from_der(&authentication).unwrap();
    let public = public.public_key_spki();
    let tokens = host.tokens(PATIENCE).unwrap();
    let mut signed = 0;
    for token in &tokens {
        let certificates = host.certificates(&token.id, PATIENCE).unwrap();
        let Some(own) = certificates.iter().find(|one| one.der == authentication) else {
            continue;
        };
        host.login(&token.id, pin("1234"), PATIENCE).unwrap();
        let signature = host.sign(&token.id, &own.id, Scheme::Pkcs1Sha256, &digest, PATIENCE);
        let signature = signature.unwrap();
        assert!(cps_verify::verifies(
            public,
            Scheme::Pkcs1Sha256,
            &digest,
            &signature
        ));
        signed += 1;
    }
    assert_eq!(signed, 1, "{tokens:?}");

    card.remove();
    until("the token gone", || {
        let tokens = host.tokens(PATIENCE).unwrap();
        tokens.is_empty().then_some(())
    });
    let gone = host.keys(&tokens[0].id, PATIENCE).unwrap_err();
    assert_eq!(reason(gone), Reason::TokenGone);
}

/// A PIN goes to the token it was typed for, or to none.
#[test]
fn a_token_that_took_the_place_of_another_gets_no_pin() {
    let sandbox = Sandbox::new();
    let token = SoftHsm::new(&sandbox, "practice");
    let host = softhsm(&token);
    let mut other: TokenId = host.tokens(PATIENCE).unwrap().remove(0).id;
    other.serial = "another".to_owned();
    let refused = host.login(&other, pin("9999"), PATIENCE).unwrap_err();
    assert_eq!(reason(refused), Reason::TokenGone);
    let info = host.tokens(PATIENCE).unwrap().remove(0);
    assert!(!info.count_low, "the PIN was tried");
}

/// What a module does to itself costs the call under way, and nothing else: the answer says what
/// happened, and the next call finds the module again.
#[test]
fn a_module_that_ends_costs_one_call() {
    for (mischief, how) in [
        ("Abort", "signal 6"),
        ("Exit", "exit status 0"),
        ("Segfault", "signal 11"),
    ] {
        let host = Host::start(hostile(mischief)).unwrap();
        for _ in 0..2 {
            let crashed = sign(&host, PATIENCE).unwrap_err();
            let expected = HostError::Crashed {
                module: mischief.to_owned(),
                how: how.to_owned(),
            };
            assert_eq!(crashed, expected);
        }
        assert_eq!(host.tokens(PATIENCE).unwrap().len(), 1);
    }
}

/// A module that hangs is killed when the patience is over, not before; meanwhile another module
/// works, and afterwards this one does again.
#[test]
fn a_module_that_hangs_holds_nobody_up() {
    let sandbox = Sandbox::new();
    let token = SoftHsm::new(&sandbox, "practice");
    let other = softhsm(&token);
    let host = Host::start(hostile("Hang")).unwrap();
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| sign(&host, Duration::from_secs(3)));
        until("the hanging module", || {
            (processes("Hang") == 1).then_some(())
        });
        assert_eq!(other.tokens(PATIENCE).unwrap().len(), 1);
        assert!(!hanging.is_finished());
        let timed_out = hanging.join().unwrap().unwrap_err();
        assert!(
            matches!(timed_out, HostError::TimedOut { .. }),
            "{timed_out}"
        );
    });
    assert_eq!(host.tokens(PATIENCE).unwrap().len(), 1);
}

/// A daemon that ends does not wait for a module that hangs, and leaves no process behind.
#[test]
fn the_end_of_the_daemon_waits_for_no_module() {
    let sandbox = Sandbox::new();
    let token = SoftHsm::new(&sandbox, "end");
    let mut idle = process("idle", SoftHsm::MODULE);
    let configuration = token.configuration().to_str().unwrap().to_owned();
    idle.environment
        .insert("SOFTHSM2_CONF".to_owned(), configuration);
    let idle = Host::start(idle).unwrap();
    idle.tokens(PATIENCE).unwrap();
    assert_eq!(processes("idle"), 1);
    drop(idle);
    assert_eq!(processes("idle"), 0);

    let host = Host::start(hostile("HangAtStart")).unwrap();
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| {
            let day = Duration::from_secs(86_400);
            host.tokens(day)
        });
        until("the hanging module", || {
            (processes("HangAtStart") == 1).then_some(())
        });
        host.stop();
        let ended = hanging.join().unwrap().unwrap_err();
        assert!(matches!(ended, HostError::Crashed { .. }), "{ended}");
    });
    assert_eq!(processes("HangAtStart"), 0);
    let late = host.tokens(PATIENCE).unwrap_err();
    assert!(matches!(late, HostError::Unavailable { .. }), "{late}");
}

/// A module that cannot even start is not started again and again.
#[test]
fn a_module_that_fails_at_once_is_held_off() {
    let host = Host::start(hostile("AbortAtStart")).unwrap();
    for _ in 0..2 {
        let crashed = host.tokens(PATIENCE).unwrap_err();
        assert!(matches!(crashed, HostError::Crashed { .. }), "{crashed}");
    }
    let held_off = until("a refusal to start it", || match host.tokens(PATIENCE) {
        Err(HostError::Unavailable { why, .. }) => Some(why),
        _ => None,
    });
    assert!(held_off.contains("it is started again in"), "{held_off}");

    let missing = Host::start(process("missing", "/nonexistent.so")).unwrap();
    let absent = missing.tokens(PATIENCE).unwrap_err();
    assert!(
        matches!(&absent, HostError::Unavailable { why, .. } if why.contains("/nonexistent.so")),
        "{absent}"
    );
    let mut unwritable = hostile("None");
    unwritable.setup.writable.push("/nonexistent/folder".into());
    let unwritable = Host::start(unwritable).unwrap();
    let absent = unwritable.tokens(PATIENCE).unwrap_err();
    assert!(
        matches!(&absent, HostError::Unavailable { why, .. } if why.contains("/nonexistent/folder")),
        "{absent}"
    );
}

/// What a module says on the daemon's line in place of its process is not believed.
#[test]
fn a_module_that_speaks_for_its_process_is_killed() {
    let host = Host::start(hostile("Noise")).unwrap();
    let noise = sign(&host, PATIENCE).unwrap_err();
    assert!(matches!(noise, HostError::Garbage { .. }), "{noise}");
    // A well-formed answer, but not to the call that was made.
    let host = Host::start(hostile("Forge")).unwrap();
    let forged = sign(&host, PATIENCE).unwrap_err();
    assert!(matches!(forged, HostError::Garbage { .. }), "{forged}");
    // The process is killed even if it only pretends to have ended.
    let host = Host::start(hostile("CloseAll")).unwrap();
    let closed = sign(&host, PATIENCE).unwrap_err();
    assert!(matches!(closed, HostError::Crashed { .. }), "{closed}");
    assert_eq!(processes("CloseAll"), 0);
    assert_eq!(host.tokens(PATIENCE).unwrap().len(), 1);
}

/// Absurd lengths and counts end in an error or in a bounded answer, and what is shown is printable.
#[test]
fn a_module_that_lies_is_bounded() {
    let host = Host::start(hostile("None")).unwrap();
    let token = host.tokens(PATIENCE).unwrap().remove(0);
    assert!(!token.label.contains(char::is_control), "{:?}", token.label);
    let certificates = host.certificates(&token.id, PATIENCE).unwrap();
    assert_eq!(certificates.len(), 1);
    assert!(!certificates[0].label.contains(char::is_control));
    // That it is a certificate, and whether the signature is one, is for the token above to judge.
    assert_eq!(certificates[0].der, b"no certificate at all");
    assert_eq!(sign(&host, PATIENCE).unwrap(), [0x5A; 256]);

    let host = Host::start(hostile("Unending")).unwrap();
    let token = host.tokens(PATIENCE).unwrap().remove(0).id;
    assert_eq!(host.certificates(&token, PATIENCE).unwrap().len(), 64);
    assert_eq!(host.keys(&token, PATIENCE).unwrap().len(), 64);

    let host = Host::start(hostile("HugeSlotCount")).unwrap();
    let refused = host.tokens(PATIENCE).unwrap_err();
    assert_eq!(reason(refused), Reason::Failed);

    for mischief in ["HugeLength", "Overlong"] {
        let host = Host::start(hostile(mischief)).unwrap();
        let token = host.tokens(PATIENCE).unwrap().remove(0).id;
        match host.certificates(&token, PATIENCE) {
            Ok(certificates) => assert_eq!(certificates, []),
            Err(HostError::Crashed { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        assert_eq!(host.tokens(PATIENCE).unwrap().len(), 1);
    }

    let host = Host::start(hostile("Memory")).unwrap();
    let refused = sign(&host, PATIENCE).unwrap_err();
    assert!(
        matches!(&refused, HostError::Refused { text, .. } if text.contains("HostMemory")),
        "{refused}"
    );

    let host = Host::start(hostile("Shifting")).unwrap();
    let token = host.tokens(PATIENCE).unwrap().remove(0).id;
    let shifted = host.login(&token, pin("1234"), PATIENCE).unwrap_err();
    assert_eq!(reason(shifted), Reason::TokenGone);
}

/// Every way out that a module of the same user could try, from inside.
#[test]
fn there_is_no_way_out() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("outside/file", "as it was");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.write("inside/.keep", "");
    let outside = file.parent().unwrap();
    let inside = sandbox.join("inside");
    let _path = UnixListener::bind(inside.join("socket")).unwrap();
    let name = sandbox.path().display().to_string();
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();

    let mut process = hostile("Probe");
    let mut set = |name: &str, value: &Path| {
        let value = value.to_str().unwrap().to_owned();
        process.environment.insert(name.to_owned(), value);
    };
    set("HOSTILE_OUTSIDE", outside);
    set("HOSTILE_INSIDE", &inside);
    set("HOSTILE_ABSTRACT", name.as_ref());
    process.setup.writable.push(inside.clone());
    let host = Host::start(process.clone()).unwrap();
    let report = String::from_utf8(sign(&host, PATIENCE).unwrap()).unwrap();
    let landlock = landlock_version();
    println!("Landlock {landlock}\n{report}");
    let outcomes: BTreeMap<&str, &str> = report
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();

    for allowed in [
        "own signals",
        "path socket",
        "read outside",
        "remove inside",
        "thread",
        "write inside",
    ] {
        assert_eq!(outcomes[allowed], "ok", "{allowed}");
    }
    const EPERM: &str = "1";
    for denied in [
        "bpf",
        "connect",
        "datagram",
        "dumpable",
        "execve",
        "fork",
        "keyring",
        "limits",
        "listen",
        "memory",
        "mode outside",
        "mount",
        "namespace",
        "outlive",
        "ptrace",
        "run",
        "signal",
    ] {
        assert_eq!(outcomes[denied], EPERM, "{denied}");
    }
    assert_eq!(outcomes["ring"], "38", "ENOSYS");
    assert_eq!(outcomes["two gigabytes"], "12", "ENOMEM");
    // Standard input, output and error, the line, and the folder that is being listed.
    assert_eq!(outcomes["descriptors"], "5");
    let mut names: Vec<_> = outcomes["environment"].split(' ').collect();
    names.retain(|name| !name.starts_with("HOSTILE"));
    assert!(
        names
            .iter()
            .all(|name| ["HOME", "LANG", "PATH"].contains(name)),
        "{names:?}"
    );

    // What depends on the kernel. Without Landlock, files are as open as to any other program. (The
    // daemon's own process would be closed all the same; this one, in its place, is not.)
    let files = [
        "change outside",
        "create outside",
        "daemon environment",
        "daemon memory",
        "remove outside",
        "rename outside",
    ];
    for denied in files {
        assert_eq!(outcomes[denied] != "ok", landlock >= 1, "{denied}");
    }
    assert_eq!(outside.join("constructed").exists(), landlock == 0);
    if landlock >= 1 {
        assert_eq!(fs::read(&file).unwrap(), b"as it was");
    }
    assert_eq!(
        fs::metadata(outside).unwrap().permissions().mode() & 0o777,
        0o755
    );
    assert_eq!(outcomes["abstract socket"] == "ok", landlock < 6);

    // With `network`, sockets of the Internet are let through: nobody listens there.
    process.setup.network = true;
    let host = Host::start(process).unwrap();
    let report = String::from_utf8(sign(&host, PATIENCE).unwrap()).unwrap();
    assert!(report.contains("connect=111\n"), "{report}");
    assert!(report.contains("datagram=ok\n"), "{report}");
    assert!(report.contains("fork=1\n"), "{report}");
}

/// The kernel's own answer, not that of the code under test; 0: none.
fn landlock_version() -> i64 {
    const VERSION: libc::c_uint = 1;
    // SAFETY: without a ruleset no memory is involved.
    let version = unsafe {
        let none = std::ptr::null::<libc::c_void>();
        libc::syscall(libc::SYS_landlock_create_ruleset, none, 0, VERSION)
    };
    version.max(0)
}
