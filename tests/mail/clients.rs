//! The mail programs of other people, each used for one reading or one sending.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::Sandbox;

/// Where and as whom a client logs in: the gateway, a mailbox, its application password.
#[derive(Clone, Debug)]
pub struct Account {
    /// A loopback address, in the clear.
    pub address: SocketAddr,
    /// The mailbox.
    pub user: String,
    /// Its application password for this client.
    pub password: String,
}

/// How a client ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether it says that it succeeded.
    pub success: bool,
    /// Everything it wrote, both streams.
    pub said: String,
    /// The message it read, if it read one.
    pub message: Option<Vec<u8>>,
}

/// A program that reads the first message of the mailbox.
pub type Reader = fn(&Sandbox, &Account) -> Ended;

/// A program that sends the message in this file from the account to this recipient.
pub type Sender = fn(&Sandbox, &Account, to: &str, message: &Path) -> Ended;

/// Those that read.
pub const READERS: [(&str, Reader); 3] = [
    ("curl", curl_reads),
    ("mbsync", mbsync),
    ("neomutt", neomutt),
];

/// Those that send.
pub const SENDERS: [(&str, Sender); 3] = [("curl", curl_sends), ("msmtp", msmtp), ("swaks", swaks)];

/// curl, IMAP.
pub fn curl_reads(sandbox: &Sandbox, account: &Account) -> Ended {
    let mut command = curl(sandbox, account);
    command.arg(format!("imap://{}/INBOX;MAILINDEX=1", account.address));
    let output = ran(&mut command, "curl");
    ended(&output, Some(output.stdout.clone()))
}

/// curl, SMTP.
pub fn curl_sends(sandbox: &Sandbox, account: &Account, to: &str, message: &Path) -> Ended {
    let mut command = curl(sandbox, account);
    command
        .arg(format!("smtp://{}/client.test", account.address))
        .args([
            "--mail-from",
            &account.user,
            "--mail-rcpt",
            to,
            "--upload-file",
        ])
        .arg(message);
    ended(&ran(&mut command, "curl"), None)
}

fn curl(sandbox: &Sandbox, account: &Account) -> Command {
    let mut command = limited(sandbox, "curl");
    let user = format!("{}:{}", account.user, account.password);
    command.args(["--silent", "--show-error", "--verbose", "--user", &user]);
    command
}

/// mbsync: copies the mailbox into a maildir.
pub fn mbsync(sandbox: &Sandbox, account: &Account) -> Ended {
    let (host, port) = (account.address.ip(), account.address.port());
    let line = format!("Host {host}\nPort {port}\nSSLType None\n");
    mbsync_through(sandbox, account, &line)
}

/// mbsync with these lines in place of an address: `Tunnel "…"`.
///
/// # Panics
///
/// When mbsync is missing.
pub fn mbsync_through(sandbox: &Sandbox, account: &Account, way: &str) -> Ended {
    let local = sandbox.join("clients/mbsync");
    let _ = fs::remove_dir_all(&local);
    fs::create_dir_all(&local).unwrap();
    let rc = format!(
        "IMAPAccount here\n{way}User {}\nPass {}\n\n\
         IMAPStore far\nAccount here\n\n\
         MaildirStore near\nPath {local}/\nInbox {local}/INBOX\n\n\
         Channel mail\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSync Pull\nSyncState *\n",
        account.user,
        account.password,
        local = local.display(),
    );
    let rc = private(sandbox, "clients/mbsyncrc", &rc);
    let output = ran(
        limited(sandbox, "mbsync")
            .arg("-V")
            .arg("-c")
            .arg(rc)
            .arg("mail"),
        "isync",
    );
    let read = |folder: &str| {
        let mut entries = fs::read_dir(local.join("INBOX").join(folder)).ok()?;
        fs::read(entries.next()?.ok()?.path()).ok()
    };
    ended(&output, read("new").or_else(|| read("cur")))
}

/// neomutt, in a terminal of its own: opens the mailbox, writes the first message into a file, quits.
pub fn neomutt(sandbox: &Sandbox, account: &Account) -> Ended {
    let copy = sandbox.join("clients/neomutt.message");
    let _ = fs::remove_file(&copy);
    let place = format!("imap://{}/", account.address);
    let rc = format!(
        "set folder=\"{place}\"\nset spoolfile=\"{place}INBOX\"\n\
         set imap_user=\"{}\"\nset imap_pass=\"{}\"\n\
         set ssl_starttls=no\nset ssl_force_tls=no\nset wait_key=no\nset pipe_decode=no\n\
         set quit=yes\nset abort_key=\"\\Cx\"\n\
         push \"<first-entry><pipe-message>cat >{}<enter><exit>\"\n",
        account.user,
        account.password,
        copy.display(),
    );
    let rc = private(sandbox, "clients/neomuttrc", &rc);
    let mut command = limited(sandbox, "script");
    command
        .args(["--quiet", "--return", "--command"])
        .arg(format!("neomutt -n -F {}", rc.display()))
        .arg("/dev/null")
        .env("TERM", "xterm");
    let output = ran(&mut command, "neomutt");
    ended(
        &output,
        fs::read(copy).ok().filter(|message| !message.is_empty()),
    )
}

/// msmtp.
pub fn msmtp(sandbox: &Sandbox, account: &Account, to: &str, message: &Path) -> Ended {
    let (host, port) = (account.address.ip(), account.address.port());
    let way = format!("host {host}\nport {port}\n");
    msmtp_through(sandbox, account, to, message, &way)
}

/// msmtp with these lines in place of an address: `socket …`.
pub fn msmtp_through(
    sandbox: &Sandbox,
    account: &Account,
    to: &str,
    message: &Path,
    way: &str,
) -> Ended {
    let (user, password) = (&account.user, &account.password);
    let rc = format!(
        "account default\n{way}tls off\nauth plain\nuser {user}\npassword {password}\nfrom {user}\n"
    );
    let rc = private(sandbox, "clients/msmtprc", &rc);
    let mut command = limited(sandbox, "msmtp");
    command
        .arg("--debug")
        .arg("--file")
        .arg(rc)
        .args(["--", to])
        .stdin(fs::File::open(message).unwrap());
    ended(&ran(&mut command, "msmtp"), None)
}

/// swaks.
pub fn swaks(sandbox: &Sandbox, account: &Account, to: &str, message: &Path) -> Ended {
    // It ends the message with a line end of its own.
    let text = fs::read(message).unwrap();
    let text = text.strip_suffix(b"\r\n").unwrap_or(&text);
    let message = sandbox.write("clients/swaks.message", text);
    let mut command = limited(sandbox, "swaks");
    command
        .args([
            "--server",
            &account.address.to_string(),
            "--ehlo",
            "client.test",
        ])
        .args(["--auth", "PLAIN", "--auth-user", &account.user])
        .args(["--auth-password", &account.password])
        .args(["--from", &account.user, "--to", to, "--data"])
        .arg(format!("@{}", message.display()));
    ended(&ran(&mut command, "swaks"), None)
}

/// No client may wait for ever.
fn limited(sandbox: &Sandbox, program: &str) -> Command {
    let mut command = sandbox.command("timeout");
    command.args(["60", program]).stdin(Stdio::null());
    command
}

fn ran(command: &mut Command, package: &str) -> Output {
    let output = command.output().unwrap();
    // timeout(1): the program was not found.
    assert_ne!(
        output.status.code(),
        Some(127),
        "package {package} is missing: run tests/setup test"
    );
    output
}

fn ended(output: &Output, message: Option<Vec<u8>>) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        success: output.status.success(),
        said: text(&output.stdout) + &text(&output.stderr),
        message: message.filter(|_| output.status.success()),
    }
}

/// Passwords stand in it: some clients insist on mode 0600.
fn private(sandbox: &Sandbox, name: &str, content: &str) -> std::path::PathBuf {
    let path = sandbox.write(name, content);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}
