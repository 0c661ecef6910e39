//! Dovecot, an IMAP server that knows its users by their certificates.

use std::net::TcpStream;
use std::path::Path;

use cps_emulator::ServerIdentity;

use crate::{Peer, Sandbox, until};

/// The server: TLS with a client certificate, whose common name is the user (EXTERNAL, RFC 4422
/// appendix A). Everyone with a certificate reads the same mailbox, which holds one message.
#[derive(Debug)]
pub struct Dovecot {
    port: u16,
    peer: Peer,
}

impl Dovecot {
    /// Starts the server and waits for its port. `client_anchors` is a PEM file with the roots
    /// *and* intermediates whose names the server announces to clients.
    ///
    /// # Panics
    ///
    /// When Dovecot is missing or refuses its configuration.
    pub fn start(sandbox: &Sandbox, identity: &ServerIdentity, client_anchors: &Path) -> Self {
        let folder = sandbox.join("dovecot");
        let certificate = sandbox.write("dovecot/server.pem", &identity.chain_pem);
        let key = sandbox.write("dovecot/server.key", &identity.key_pem);
        let port = Sandbox::free_port();
        let configuration = sandbox.write(
            "dovecot/dovecot.conf",
            CONFIGURATION
                .replace("@FOLDER@", &folder.display().to_string())
                .replace("@CERTIFICATE@", &certificate.display().to_string())
                .replace("@KEY@", &key.display().to_string())
                .replace("@ANCHORS@", &client_anchors.display().to_string())
                .replace("@PORT@", &port.to_string()),
        );
        sandbox.write("dovecot/mail/new/1.test", MESSAGE);
        let mut command = sandbox.command("dovecot");
        command.arg("-F").arg("-c").arg(configuration);
        let mut peer = Peer::start(sandbox, "dovecot", "dovecot-imapd", command);
        until("the port of Dovecot", || {
            if let Some(status) = peer.ended() {
                panic!("Dovecot ended with {status}: {}", peer.log());
            }
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { port, peer }
    }

    /// Its loopback port, TLS from the first byte.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it wrote about each login so far, one line each: the evidence the tests judge by.
    pub fn logins(&self) -> Vec<String> {
        let text = self.peer.log();
        let login = |line: &&str| line.contains(" Login: ");
        text.lines().filter(login).map(str::to_owned).collect()
    }
}

const MESSAGE: &str = "\
From: Laboratoire d'essai <labo@mssante.test>
To: Alix EXEMPLE <alix.exemple@mssante.test>
Subject: Resultats d'analyses
Date: Mon, 5 Jan 2026 09:00:00 +0100
Message-ID: <1@mssante.test>
Content-Type: text/plain

Rien a signaler.
";

// One user, 65534, exists in the namespace of the tests.
const CONFIGURATION: &str = "
base_dir = @FOLDER@/run
state_dir = @FOLDER@/run
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <@CERTIFICATE@
ssl_key = <@KEY@
ssl_ca = <@ANCHORS@
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_require_client_cert = yes
auth_ssl_username_from_cert = yes
ssl_cert_username_field = commonName
auth_mechanisms = external
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=@FOLDER@/home allow_all_users=yes
}
mail_location = maildir:@FOLDER@/mail
first_valid_uid = 1
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
service imap-login {
  chroot =
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = @PORT@
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
service auth {
  extra_groups =
}
service imap {
  extra_groups =
}
";
