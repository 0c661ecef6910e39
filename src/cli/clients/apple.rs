//! Apple Mail: a configuration profile with one `com.apple.mail.managed` payload.

use std::fmt::Write;

use rustix::rand::{GetRandomFlags, getrandom};

use super::{Account, one_line};

/// `.mobileconfig`: the password is asked for when it is installed.
pub(super) fn profile(account: &Account) -> String {
    let address = escaped(&account.address);
    let name = escaped(&one_line(&account.name));
    let mut mail = String::default();
    for (side, server) in [("Incoming", account.imap), ("Outgoing", account.smtp)] {
        mail.push_str(&text(
            &format!("{side}MailServerAuthentication"),
            "EmailAuthPassword",
        ));
        mail.push_str(&text(
            &format!("{side}MailServerHostName"),
            &server.ip().to_string(),
        ));
        mail.push_str(&format!(
            "\t\t\t<key>{side}MailServerPortNumber</key>\n\t\t\t<integer>{}</integer>\n\
             \t\t\t<key>{side}MailServerUseSSL</key>\n\t\t\t<false/>\n",
            server.port()
        ));
        mail.push_str(&text(&format!("{side}MailServerUsername"), &address));
    }
    for (key, value) in [
        ("EmailAccountDescription", address.as_str()),
        ("EmailAccountName", &name),
        ("EmailAccountType", "EmailTypeIMAP"),
        ("EmailAddress", &address),
        ("PayloadDisplayName", &address),
        (
            "PayloadIdentifier",
            &format!("fr.cpsd.mail.{address}.account"),
        ),
        ("PayloadType", "com.apple.mail.managed"),
        ("PayloadUUID", &uuid()),
    ] {
        mail.push_str(&text(key, value));
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         \t<key>PayloadContent</key>\n\t<array>\n\t\t<dict>\n{mail}\
         \t\t\t<key>OutgoingPasswordSameAsIncomingPassword</key>\n\t\t\t<true/>\n\
         \t\t\t<key>PayloadVersion</key>\n\t\t\t<integer>1</integer>\n\
         \t\t</dict>\n\t</array>\n\
         \t<key>PayloadDisplayName</key>\n\t<string>{address}</string>\n\
         \t<key>PayloadIdentifier</key>\n\t<string>fr.cpsd.mail.{address}</string>\n\
         \t<key>PayloadType</key>\n\t<string>Configuration</string>\n\
         \t<key>PayloadUUID</key>\n\t<string>{}</string>\n\
         \t<key>PayloadVersion</key>\n\t<integer>1</integer>\n\
         </dict>\n</plist>\n",
        uuid()
    )
}

fn text(key: &str, value: &str) -> String {
    format!("\t\t\t<key>{key}</key>\n\t\t\t<string>{value}</string>\n")
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

/// A random identifier (RFC 9562 version 4).
fn uuid() -> String {
    let mut bytes = [0; 16];
    // An identifier that is the same for everybody harms nobody: the other one of the profile counts.
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut out = String::default();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{byte:02X}");
    }
    out
}
