//! mbsync, msmtp and neomutt.

use super::{Account, HEADER, one_line, password_command, shell};

/// `~/.mbsyncrc`, or a part of it (mbsync(1)).
pub(super) fn mbsync(account: &Account) -> String {
    let address = &account.address;
    let connection = match &account.tunnel {
        Some(tunnel) => format!(
            "Tunnel {}",
            quoted(&format!("{} tunnel imap", shell(&tunnel.cps)))
        ),
        None => format!("Host {}\nPort {}", account.imap.ip(), account.imap.port()),
    };
    let password = quoted(&password_command(account));
    format!(
        "# {address} {HEADER}.\n\
         # Once: mkdir -p ~/Mail/{address}\n\
         IMAPAccount {address}\n\
         {connection}\n\
         User {address}\n\
         PassCmd {password}\n\
         SSLType None\n\
         AuthMechs LOGIN\n\
         \n\
         IMAPStore {address}-remote\n\
         Account {address}\n\
         \n\
         MaildirStore {address}-local\n\
         Path ~/Mail/{address}/\n\
         Inbox ~/Mail/{address}/INBOX\n\
         SubFolders Verbatim\n\
         \n\
         Channel {address}\n\
         Far :{address}-remote:\n\
         Near :{address}-local:\n\
         Patterns *\n\
         Create Near\n\
         SyncState *\n"
    )
}

/// `~/.msmtprc`, or a part of it (msmtp(1)).
pub(super) fn msmtp(account: &Account) -> String {
    let address = &account.address;
    let socket = match &account.tunnel {
        Some(tunnel) => format!("socket {}\n", tunnel.smtp.display()),
        None => String::default(),
    };
    let password = quoted(&password_command(account));
    format!(
        "# {address} {HEADER}.\n\
         account {address}\n\
         {socket}\
         host {}\n\
         port {}\n\
         tls off\n\
         auth plain\n\
         user {address}\n\
         from {address}\n\
         passwordeval {password}\n",
        account.smtp.ip(),
        account.smtp.port()
    )
}

/// `~/.config/neomutt/neomuttrc`, or a part of it (neomuttrc(5)).
pub(super) fn neomutt(account: &Account) -> String {
    let address = &account.address;
    let name = escaped(&one_line(&account.name));
    let password = password_command(account).replace('\\', "\\\\");
    let (folder, sending) = match &account.tunnel {
        // A tunnel would be used for sending as well: another program does that.
        Some(tunnel) => (
            format!(
                "set tunnel=\"{}\"\nset folder=\"imap://cpsd/\"",
                escaped(&format!("{} tunnel imap", shell(&tunnel.cps)))
            ),
            format!(
                "# Needs the settings of cps mail config msmtp.\nset sendmail=\"msmtp -a {address}\""
            ),
        ),
        None => (
            format!("set folder=\"imap://{}/\"", account.imap),
            format!(
                "set smtp_url=\"smtp://{}@{}/\"\nset smtp_pass=\"`{password}`\"\n\
                 set smtp_authenticators=\"plain\"",
                address.replace('%', "%25").replace('@', "%40"),
                account.smtp
            ),
        ),
    };
    format!(
        "# {address} {HEADER}.\n\
         set realname=\"{name}\"\n\
         set from=\"{address}\"\n\
         set imap_user=\"{address}\"\n\
         set imap_pass=\"`{password}`\"\n\
         {folder}\n\
         set spoolfile=\"+INBOX\"\n\
         {sending}\n\
         set ssl_starttls=no\n\
         set ssl_force_tls=no\n"
    )
}

/// A word of mbsync's and msmtp's settings.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What stands between the double quotes of a neomuttrc.
fn escaped(text: &str) -> String {
    let mut out = String::default();
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
