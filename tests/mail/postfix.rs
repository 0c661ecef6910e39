//! Postfix as an operator (domain page "mssante", section 13.4).

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use cps_emulator::{Holder, Pki, ServerIdentity, certificate_pem};
use rustix::process::{Pid, Signal, kill_process};

use super::{HOLDERS, Sink, card_files};
use crate::{Peer, Sandbox, TlsVersions, openssl, until};

/// An operator that takes mail from whoever shows a certificate it knows, without a login. Its
/// master process and most of its services insist on being root; `fakeroot` lets them believe so.
#[derive(Debug)]
pub struct Postfix {
    folder: PathBuf,
    port: u16,
    peer: Peer,
}

impl Postfix {
    /// Starts it as `name` and waits for its port (STARTTLS). What is sent to it goes to the sink.
    /// It knows the certificates of these holders only.
    ///
    /// # Panics
    ///
    /// When Postfix or fakeroot is missing, or refuses its configuration.
    pub fn start(
        sandbox: &Sandbox,
        name: &str,
        (pki, identity): (&Pki, &ServerIdentity),
        versions: TlsVersions,
        sink: &Sink,
    ) -> Self {
        let folder = sandbox.join(name);
        for queue in QUEUES {
            fs::create_dir_all(folder.join("queue").join(queue)).unwrap();
        }
        fs::create_dir(folder.join("data")).unwrap();
        let server = sandbox.write(&format!("{name}/services/smtpd"), SMTPD);
        fs::set_permissions(server, fs::Permissions::from_mode(0o700)).unwrap();
        for service in fs::read_dir(PROGRAMS).into_iter().flatten() {
            let program = service.unwrap().path();
            // smtpd is there already.
            let _ = symlink(
                &program,
                folder.join("services").join(program.file_name().unwrap()),
            );
        }
        sandbox.write(
            &format!("{name}/server.pem"),
            identity.key_pem.clone() + &identity.chain_pem,
        );
        let authorities = [pki.anchors_der(), pki.intermediates_der()].concat();
        let authorities: String = authorities.iter().map(|der| certificate_pem(der)).collect();
        sandbox.write(&format!("{name}/authorities.pem"), authorities);
        let known: String = HOLDERS
            .iter()
            .map(|holder| known(sandbox, pki, *holder))
            .collect();
        sandbox.write(&format!("{name}/known"), known);
        let port = Sandbox::free_port();
        let protocols = match versions {
            TlsVersions::Both => ">=TLSv1.2",
            TlsVersions::Tls12 => "TLSv1.2",
            TlsVersions::Tls13 => "TLSv1.3",
        };
        let place = |text: &str| {
            text.replace("@FOLDER@", &folder.display().to_string())
                .replace("@PORT@", &port.to_string())
                .replace("@SINK@", &sink.port().to_string())
                .replace("@PROTOCOLS@", protocols)
        };
        sandbox.write(&format!("{name}/etc/main.cf"), place(MAIN));
        sandbox.write(&format!("{name}/etc/master.cf"), place(SERVICES));

        let mut command = sandbox.command("fakeroot");
        command.arg(format!("{PROGRAMS}/master")).arg("-d");
        command.arg("-c").arg(folder.join("etc"));
        let mut this = Self {
            peer: Peer::start(sandbox, name, "fakeroot", command),
            folder,
            port,
        };
        until("the port of Postfix", || {
            if let Some(status) = this.peer.ended() {
                panic!(
                    "Postfix ended with {status} (package postfix): {}{}",
                    this.peer.log(),
                    this.log()
                );
            }
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        this
    }

    /// Its loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // fakeroot ends with its program, but hands no signal on.
        let pid = fs::read_to_string(self.folder.join("queue/pid/master.pid")).unwrap_or_default();
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.peer.ended().is_none()) {
            let _ = kill_process(pid, Signal::TERM);
            until("Postfix to end", || self.peer.ended());
        }
    }
}

/// A line of the table of known certificates.
fn known(sandbox: &Sandbox, pki: &Pki, holder: Holder) -> String {
    let [certificate, _] = card_files(sandbox, pki, holder);
    let arguments = ["x509", "-noout", "-fingerprint", "-sha256", "-in"].map(AsRef::as_ref);
    let output = openssl::run(
        sandbox,
        arguments.into_iter().chain([certificate.as_os_str()]),
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, fingerprint) = text.trim().split_once('=').unwrap();
    format!("{fingerprint} {holder}\n")
}

const QUEUES: [&str; 14] = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop",
    "pid", "private", "public", "saved", "trace",
];

const PROGRAMS: &str = "/usr/lib/postfix/sbin";

/// The server insists on not being root: it is told who it is.
const SMTPD: &str = r#"#!/bin/sh
unset LD_PRELOAD
exec /usr/lib/postfix/sbin/smtpd "$@"
"#;

// One user, nobody, exists in the namespace of the tests; Postfix wants three different ones, and
// changes into none as long as its services are privileged.
const MAIN: &str = "
compatibility_level = 3.6
queue_directory = @FOLDER@/queue
data_directory = @FOLDER@/data
command_directory = /usr/sbin
daemon_directory = @FOLDER@/services
mail_owner = nobody
setgid_group = postdrop
default_privs = daemon
import_environment = MAIL_CONFIG LANG=C LD_PRELOAD LD_LIBRARY_PATH FAKEROOTKEY
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
mynetworks =
relayhost = [127.0.0.1]:@SINK@
maillog_file = @FOLDER@/log
maillog_file_prefixes = @FOLDER@
smtpd_tls_chain_files = @FOLDER@/server.pem
smtpd_tls_CAfile = @FOLDER@/authorities.pem
smtpd_tls_security_level = encrypt
smtpd_tls_mandatory_protocols = @PROTOCOLS@
smtpd_tls_ask_ccert = yes
smtpd_tls_req_ccert = yes
smtpd_tls_ccert_verifydepth = 3
smtpd_tls_fingerprint_digest = sha256
smtpd_tls_loglevel = 1
relay_clientcerts = texthash:@FOLDER@/known
smtpd_relay_restrictions = permit_tls_clientcerts, reject
message_size_limit = 104857600
alias_maps =
alias_database =
";

// Name, type, private, unprivileged, chroot, wakeup, processes, command.
const SERVICES: &str = "
127.0.0.1:@PORT@ inet n n n - - smtpd
pickup unix n n n 60 1 pickup
cleanup unix n n n - 0 cleanup
qmgr unix n n n 300 1 qmgr
tlsmgr unix - n n 1000? 1 tlsmgr
rewrite unix - n n - - trivial-rewrite
bounce unix - n n - 0 bounce
defer unix - n n - 0 bounce
trace unix - n n - 0 bounce
verify unix - n n - 1 verify
proxymap unix - n n - - proxymap
smtp unix - n n - - smtp
error unix - n n - - error
retry unix - n n - - error
anvil unix - n n - 1 anvil
scache unix - n n - 1 scache
postlog unix-dgram n n n - 1 postlogd
";
