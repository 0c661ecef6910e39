//! OpenSSH: a server that lets the card in, the client with the module, and the agent.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use cps_emulator::Profile;
use cps_tests::{Peer, Sandbox, module, until};

use super::{Desk, command, finish, succeeded};

/// A server on a port of its own, which lets in who holds one of the keys in `keys`. It gives files
/// only: its user, the one who runs the tests, may have no shell.
struct Sshd {
    peer: Peer,
    port: u16,
}

impl Sshd {
    fn start(sandbox: &Sandbox, keys: &str) -> Self {
        let host = sandbox.join("host");
        let mut keygen = sandbox.command("ssh-keygen");
        keygen
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&host);
        succeeded(finish(&mut keygen));
        let port = Sandbox::free_port();
        let public = fs::read_to_string(sandbox.join("host.pub")).unwrap();
        sandbox.write("known", format!("[localhost]:{port} {public}"));
        let keys = sandbox.write("keys", keys);
        let configuration = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\n\
             StrictModes no\nPidFile none\nUsePAM no\nAuthenticationMethods publickey\n\
             Subsystem sftp internal-sftp\nLogLevel VERBOSE\n",
            host.display(),
            keys.display()
        );
        let configuration = sandbox.write("sshd.conf", configuration);
        // It wants to be called by its whole path.
        let mut command = sandbox.command("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(configuration);
        let mut peer = Peer::start(sandbox, "sshd", "openssh-server", command);
        until("the port of sshd", || {
            assert!(peer.ended().is_none(), "{}", peer.log());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { peer, port }
    }

    /// `sftp`, which asks for nothing and believes this server only.
    fn visit(&self, desk: &Desk) -> Command {
        let sandbox = &desk.practice.sandbox;
        let mut client = command(&desk.practice.sandbox, "sftp");
        client
            .args(["-F", "none", "-b"])
            .arg(sandbox.write("verbs", "pwd\n"));
        client.arg(format!("-oPort={}", self.port));
        client.arg(format!(
            "-oUserKnownHostsFile={}",
            sandbox.join("known").display()
        ));
        client
    }

    fn logins(&self) -> usize {
        self.peer.log().matches("Accepted publickey").count()
    }
}

impl Desk {
    /// The key of the card: the first that the module shows. Those of its issuers follow, which a
    /// server must never let in.
    fn ssh_key(&self) -> String {
        let module = module();
        let keys = self.ok("ssh-keygen", &["-D", module.to_str().unwrap()]);
        let first = keys.lines().next().unwrap();
        assert!(
            first.ends_with("Certificat d'Authentification CPS"),
            "{keys}"
        );
        format!("{first}\n")
    }
}

#[test]
fn ssh_logs_in_with_the_card() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let desk = Desk::new(profile);
        let sshd = Sshd::start(&desk.practice.sandbox, &desk.ssh_key());
        let mut stranger = sshd.visit(&desk);
        let refused = finish(stranger.args(["-oIdentityAgent=none", "localhost"]));
        assert!(!refused.status.success());
        let mut client = sshd.visit(&desk);
        client.arg(format!("-oPKCS11Provider={}", module().display()));
        let said = succeeded(finish(client.args(["-oIdentityAgent=none", "localhost"])));
        assert!(said.contains("Remote working directory"), "{said}");
        assert_eq!(sshd.logins(), 1);
        let asked = desk.practice.pinentry.questions();
        assert!(asked.len() == 1 && asked[0].contains("“ssh”"), "{asked:?}");
    }
}

/// The agent loads the module in a helper of its own. Whatever it asks for as a PIN goes nowhere.
#[test]
fn ssh_agent_holds_the_card() {
    let desk = Desk::new(Profile::Cps3);
    let sandbox = &desk.practice.sandbox;
    let sshd = Sshd::start(sandbox, &desk.ssh_key());
    let socket = sandbox.join("agent.sock");
    let mut agent = sandbox.command("ssh-agent");
    agent
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .arg("-P")
        .arg(module());
    let _agent = Peer::start(sandbox, "ssh-agent", "openssh-client", agent);
    until("the agent's socket", || socket.exists().then_some(()));
    let typed = sandbox.write("askpass", "#!/bin/sh\necho 0000\n");
    fs::set_permissions(&typed, Permissions::from_mode(0o700)).unwrap();
    let mut add = command(&desk.practice.sandbox, "ssh-add");
    add.env("SSH_AUTH_SOCK", &socket)
        .env("SSH_ASKPASS", typed)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .arg("-s")
        .arg(module());
    succeeded(finish(&mut add));
    assert_eq!(desk.practice.pinentry.dialogs(), 0, "no key was used yet");
    let mut client = sshd.visit(&desk);
    client.env("SSH_AUTH_SOCK", &socket).arg("localhost");
    succeeded(finish(&mut client));
    assert_eq!(sshd.logins(), 1);
    let asked = desk.practice.pinentry.questions();
    assert!(
        asked.len() == 1 && asked[0].contains("ssh-pkcs11-helper"),
        "{asked:?}"
    );
    assert_eq!(desk.card.counters().verify, 1);
}
