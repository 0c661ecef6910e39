//! Socket activation, as systemd does it: the daemon starts with the first connection.

use std::fs;
use std::time::SystemTime;

use cps_emulator::{Holder, Pki, Profile, VirtualCard};
use cps_tests::{InsertedCard, Pcscd, Peer, Pinentry, Sandbox, Settings, binary, until};

/// The socket belongs to systemd: it is there before the daemon, which answers its first request
/// and leaves it behind.
#[test]
fn the_first_connection_starts_the_daemon_and_its_end_leaves_the_socket() {
    let sandbox = Sandbox::new();
    let pinentry = Pinentry::new(&sandbox);
    let pcscd = Pcscd::start(&sandbox);
    let _card = InsertedCard::new(
        &pcscd,
        0,
        VirtualCard::new(
            &Pki::new(SystemTime::now()),
            Holder::CpsMedecin,
            Profile::Cps3,
        ),
    );
    let configuration = sandbox.write("cpsd.toml", Settings::default().toml(&pinentry));
    // Not the place where the daemon would make a socket of its own.
    let socket = sandbox.join("activated.sock");
    let mut command = sandbox.command("systemd-socket-activate");
    command.arg("--listen").arg(&socket);
    // It hands over nothing of its environment that is not named.
    for (name, value) in [
        ("PCSCLITE_CSOCK_NAME", pcscd.socket()),
        ("XDG_RUNTIME_DIR", sandbox.join("run")),
    ] {
        command
            .arg("--setenv")
            .arg(format!("{name}={}", value.display()));
    }
    command.arg(binary("cpsd")).arg("run");
    command.arg("--config").arg(configuration);
    command.arg("--state-dir").arg(sandbox.join("state"));
    let mut service = Peer::start(&sandbox, "activated", "systemd", command);
    until("the socket of systemd", || socket.exists().then_some(()));
    let program = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_ne!(program(service.pid()), "cpsd\n");

    let cps = |arguments: &[&str]| {
        let mut command = sandbox.command(binary("cps"));
        command.arg("--socket").arg(&socket).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // The first request is not lost, and waits for the card that nobody has looked at yet.
    let identity = cps(&["identity", "--json"]);
    assert!(
        identity.contains(Holder::CpsMedecin.national_id()),
        "{identity}"
    );
    assert_eq!(program(service.pid()), "cpsd\n");
    assert!(cps(&["status"]).contains("cpsd"));
    assert!(!sandbox.join("run/cpsd/cpsd.sock").exists());

    let status = service.stop();
    assert!(status.success(), "{status}");
    assert!(socket.exists(), "the socket of systemd was removed");
}
