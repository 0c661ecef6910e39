//! Dovecot as an operator (domain page "mssante", sections 13.2 and 13.3).

use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use cps_emulator::{CrlVariant, Pki, ServerIdentity};
use rustix::process::Signal;

use super::{HOLDERS, Mailboxes, Sink, Tokens, address, authorities_with_lists};
use crate::{Peer, Sandbox, until};

/// How it knows people.
#[derive(Clone, Copy, Debug)]
pub enum Login<'a> {
    /// By the certificate of their card, whose common name is the user (EXTERNAL). The physician may
    /// also open any other mailbox, by an authorization identity.
    Card,
    /// The same, without an initial response (RFC 4959): the empty answer is a line of its own.
    CardInTwoSteps,
    /// As `Card`, with login processes that serve many clients. They hand out TLS sessions, and break
    /// off when one is to be resumed: Dovecot gives OpenSSL no session id context.
    CardManyClients,
    /// By a token that these keys verify (XOAUTH2, OAUTHBEARER).
    Token(&'a Tokens),
}

/// One of its ports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Port {
    /// IMAP, STARTTLS.
    Imap,
    /// IMAP, TLS from the first byte.
    Imaps,
    /// Submission, STARTTLS.
    Submission,
    /// Submission, TLS from the first byte.
    Submissions,
}

/// An operator with IMAP and submission.
#[derive(Debug)]
pub struct Dovecot {
    folder: PathBuf,
    ports: [u16; 4],
    peer: Peer,
}

impl Dovecot {
    /// Starts it as `name` and waits for its ports. What is sent to it goes to the sink.
    ///
    /// # Panics
    ///
    /// When Dovecot is missing or refuses its configuration.
    pub fn start(
        sandbox: &Sandbox,
        name: &str,
        (pki, identity): (&Pki, &ServerIdentity),
        login: Login<'_>,
        (mailboxes, sink): (&Mailboxes, &Sink),
    ) -> Self {
        let folder = sandbox.join(name);
        sandbox.write(&format!("{name}/server.pem"), &identity.chain_pem);
        sandbox.write(&format!("{name}/server.key"), &identity.key_pem);
        sandbox.write(&format!("{name}/users"), users());
        let master = HOLDERS[0].national_id();
        sandbox.write(
            &format!("{name}/masters"),
            format!("{master}:::::::nopassword=y\n"),
        );
        if let Login::Token(tokens) = login {
            sandbox.write(&format!("{name}/oauth2"), tokens.validation());
        }
        let ports = [(); 4].map(|()| Sandbox::free_port());
        let mut text = CONFIGURATION
            .replace(
                "@LOGIN@",
                match login {
                    Login::Card | Login::CardInTwoSteps | Login::CardManyClients => CARD,
                    Login::Token(_) => TOKEN,
                },
            )
            .replace("@FOLDER@", &folder.display().to_string())
            .replace("@MAIL@", &mailboxes.folder().display().to_string())
            .replace("@SINK@", &sink.port().to_string());
        for (name, port) in ["@IMAP@", "@IMAPS@", "@SUBMISSION@", "@SUBMISSIONS@"]
            .iter()
            .zip(ports)
        {
            text = text.replace(name, &port.to_string());
        }
        if matches!(login, Login::CardManyClients) {
            let many = "{\n  service_count = 0\n  process_limit = 1\n}\n";
            text.push_str(&format!(
                "service imap-login {many}service submission-login {many}"
            ));
        }
        if matches!(login, Login::CardInTwoSteps) {
            text.push_str("imap_capability = IMAP4rev1 ID ENABLE IDLE LITERAL+\n");
        }
        text = User::present().prepare(sandbox, mailboxes, &text);
        let configuration = sandbox.write(&format!("{name}/dovecot.conf"), text);
        let this = Self {
            folder: folder.clone(),
            ports,
            peer: {
                fs::write(
                    folder.join("authorities"),
                    authorities_with_lists(pki, CrlVariant::Empty),
                )
                .unwrap();
                let mut command = sandbox.command("dovecot");
                command.arg("-F").arg("-c").arg(configuration);
                Peer::start(sandbox, name, "dovecot-imapd dovecot-submissiond", command)
            },
        };
        this.ready()
    }

    fn ready(mut self) -> Self {
        for port in self.ports {
            until("the ports of Dovecot", || {
                if let Some(status) = self.peer.ended() {
                    panic!(
                        "Dovecot ended with {status}: {}{}",
                        self.peer.log(),
                        self.log()
                    );
                }
                TcpStream::connect(("127.0.0.1", port)).ok()
            });
        }
        self
    }

    /// A loopback port.
    pub fn port(&self, port: Port) -> u16 {
        self.ports[port as usize]
    }

    /// Takes these revocation lists from now on.
    ///
    /// # Panics
    ///
    /// When they cannot be written.
    pub fn believe(&mut self, pki: &Pki, variant: CrlVariant) {
        let lists = authorities_with_lists(pki, variant);
        fs::write(self.folder.join("authorities"), lists).unwrap();
        let before = self.log().matches(RELOADED).count();
        self.peer.signal(Signal::HUP);
        until("Dovecot to reload", || {
            (self.log().matches(RELOADED).count() > before).then_some(())
        });
    }

    /// Ends it: nobody listens on its ports any more.
    pub fn stop(&mut self) {
        self.peer.stop();
    }

    /// Everything it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What it wrote about each login so far, one line each: user, mechanism, TLS version; the
    /// evidence the tests judge by.
    pub fn logins(&self) -> Vec<String> {
        let login = |line: &&str| line.contains(" Login: ");
        self.log()
            .lines()
            .filter(login)
            .map(str::to_owned)
            .collect()
    }
}

const RELOADED: &str = "SIGHUP received";

/// Common name of the certificate, seven empty fields, mailbox.
fn users() -> String {
    HOLDERS.iter().fold(String::new(), |mut users, holder| {
        let (id, address) = (holder.national_id(), address(*holder));
        let _ = writeln!(users, "{id}:::::::nopassword=y user={address}");
        users
    })
}

const CARD: &str = "
ssl_ca = <@FOLDER@/authorities
ssl_require_crl = yes
ssl_verify_client_cert = yes
auth_ssl_require_client_cert = yes
auth_ssl_username_from_cert = yes
ssl_cert_username_field = commonName
auth_mechanisms = external
passdb {
  driver = passwd-file
  master = yes
  mechanisms = external
  args = username_format=%u @FOLDER@/masters
}
passdb {
  driver = passwd-file
  mechanisms = external
  args = username_format=%u @FOLDER@/users
}
";

const TOKEN: &str = "
auth_mechanisms = xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = @FOLDER@/oauth2
}
";

/// Whom Dovecot runs as.
struct User {
    uid: u32,
    gid: u32,
    name: String,
    group: String,
}

impl User {
    /// The one who runs the tests or the demonstration; for root, whom Dovecot does not serve, nobody.
    fn present() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        if uid == 0 {
            return Self {
                uid: 65534,
                gid: 65534,
                name: "nobody".to_owned(),
                group: "nogroup".to_owned(),
            };
        }
        let named = |option: &str| {
            let output = Command::new("id").arg(option).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        Self {
            uid,
            gid: rustix::process::getegid().as_raw(),
            name: named("-un"),
            group: named("-gn"),
        }
    }

    /// The configuration for this user, who can reach the mailboxes.
    fn prepare(&self, sandbox: &Sandbox, mailboxes: &Mailboxes, text: &str) -> String {
        if rustix::process::geteuid().is_root() {
            fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o711)).unwrap();
            for holder in HOLDERS {
                mailboxes.belong_to(address(holder), self.uid, self.gid);
            }
        }
        text.replace("@UID@", &self.uid.to_string())
            .replace("@GID@", &self.gid.to_string())
            .replace("@USER@", &self.name)
            .replace("@GROUP@", &self.group)
    }
}

// The empty settings and the mode 0 make the services run without root, and failures answer at once.
const CONFIGURATION: &str = "
protocols = imap submission
base_dir = @FOLDER@/run
state_dir = @FOLDER@/run
log_path = @FOLDER@/log
listen = 127.0.0.1
hostname = localhost
ssl = required
ssl_min_protocol = TLSv1.2
ssl_cert = <@FOLDER@/server.pem
ssl_key = <@FOLDER@/server.key
disable_plaintext_auth = yes
auth_verbose = yes
login_log_format_elements = user=<%u> method=%m %k
auth_failure_delay = 0
@LOGIN@
userdb {
  driver = static
  args = uid=@UID@ gid=@GID@ home=@MAIL@/%d/%n allow_all_users=yes
}
mail_location = maildir:@MAIL@/%d/%n
mail_max_userip_connections = 50
first_valid_uid = 1
default_login_user = @USER@
default_internal_user = @USER@
default_internal_group = @GROUP@
submission_relay_host = 127.0.0.1
submission_relay_port = @SINK@
submission_relay_trusted = no
submission_max_mail_size = 100M
service imap-login {
  chroot =
  inet_listener imap {
    port = @IMAP@
  }
  inet_listener imaps {
    port = @IMAPS@
    ssl = yes
  }
}
service submission-login {
  chroot =
  inet_listener submission {
    port = @SUBMISSION@
  }
  inet_listener submissions {
    port = @SUBMISSIONS@
    ssl = yes
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
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
