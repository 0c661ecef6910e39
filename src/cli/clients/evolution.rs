//! Evolution: data sources of `~/.config/evolution/sources` (key files).

use std::net::SocketAddr;

use super::{Account, Settings, one_line};

/// The account, the identity and the transport, which name each other.
pub(super) fn sources(account: &Account) -> Vec<Settings> {
    let address = &account.address;
    let name = value(&account.name);
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    let account_id = format!("cpsd-{}", address.chars().map(plain).collect::<String>());
    let (identity_id, transport_id) = (
        format!("{account_id}-identity"),
        format!("{account_id}-transport"),
    );
    let source = |id: &str, parent: &str, rest: String| Settings {
        name: Some(format!("{id}.source")),
        content: format!(
            "[Data Source]\nDisplayName={address}\nEnabled=true\nParent={parent}\n\n{rest}"
        ),
    };
    vec![
        source(
            &account_id,
            "",
            format!(
                "[Mail Account]\nBackendName=imapx\nIdentityUid={identity_id}\n\n{}\
                 [Refresh]\nEnabled=true\nIntervalMinutes=60\n\n\
                 [Imapx Backend]\nUseIdle=true\n",
                connection(address, account.imap)
            ),
        ),
        source(
            &identity_id,
            &account_id,
            format!(
                "[Mail Identity]\nAddress={address}\nName={name}\n\n\
                 [Mail Submission]\nTransportUid={transport_id}\n\n[Mail Composition]\n"
            ),
        ),
        source(
            &transport_id,
            &account_id,
            format!(
                "[Mail Transport]\nBackendName=smtp\n\n{}",
                connection(address, account.smtp)
            ),
        ),
    ]
}

fn connection(user: &str, server: SocketAddr) -> String {
    format!(
        "[Authentication]\nHost={}\nPort={}\nUser={user}\nMethod=PLAIN\nRememberPassword=true\n\n\
         [Security]\nMethod=none\n\n",
        server.ip(),
        server.port()
    )
}

/// A value of a key file.
fn value(text: &str) -> String {
    one_line(text).trim().replace('\\', "\\\\")
}
