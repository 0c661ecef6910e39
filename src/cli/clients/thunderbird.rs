//! Thunderbird.

use serde_json::Value;

use super::{Account, HEADER, one_line};
use crate::setup::preferences::{AUTOCONFIG, autoconfig_url};

/// `user.js` of a profile that has no account yet.
pub(super) fn preferences(account: &Account) -> String {
    let address = account.address.as_str();
    let name = one_line(&account.name);
    let (imap, smtp) = (account.imap, account.smtp);
    let mut lines = format!(
        "// {address} {HEADER}.\n\
         // user.js of a NEW profile: it sets the whole list of accounts. In a profile that has accounts,\n\
         // run: cps setup mail --gateway, then add an account with your name and address.\n"
    );
    let mut set = |name: &str, value: Value| {
        lines.push_str(&format!("user_pref(\"{name}\", {value});\n"));
    };
    set("mail.accountmanager.accounts", "account1".into());
    set("mail.accountmanager.defaultaccount", "account1".into());
    set("mail.account.account1.identities", "id1".into());
    set("mail.account.account1.server", "server1".into());
    set("mail.identity.id1.fullName", name.into());
    set("mail.identity.id1.useremail", address.into());
    set("mail.identity.id1.smtpServer", "smtp1".into());
    set("mail.identity.id1.valid", true.into());
    set("mail.server.server1.type", "imap".into());
    set("mail.server.server1.name", address.into());
    set("mail.server.server1.hostname", imap.ip().to_string().into());
    set("mail.server.server1.port", imap.port().into());
    set("mail.server.server1.userName", address.into());
    set("mail.server.server1.socketType", IN_CLEAR.into());
    set("mail.server.server1.authMethod", PASSWORD.into());
    set("mail.server.server1.login_at_startup", true.into());
    set("mail.smtpservers", "smtp1".into());
    set("mail.smtp.defaultserver", "smtp1".into());
    set(
        "mail.smtpserver.smtp1.hostname",
        smtp.ip().to_string().into(),
    );
    set("mail.smtpserver.smtp1.port", smtp.port().into());
    set("mail.smtpserver.smtp1.username", address.into());
    set("mail.smtpserver.smtp1.try_ssl", IN_CLEAR.into());
    set("mail.smtpserver.smtp1.authMethod", PASSWORD.into());
    if let Some(autoconfig) = account.autoconfig {
        set(AUTOCONFIG, autoconfig_url(autoconfig).into());
    }
    lines
}

/// `nsMsgSocketType::plain`: the connection never leaves this computer.
const IN_CLEAR: u8 = 0;

/// `nsMsgAuthMethod::passwordCleartext`.
const PASSWORD: u8 = 3;
