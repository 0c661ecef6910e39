//! Thunderbird, on a screen of its own.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::marionette::Marionette;
use crate::{Peer, Sandbox, Xvfb, nss};

/// A Thunderbird with one IMAP account.
#[derive(Debug)]
pub struct Thunderbird {
    session: Marionette,
    _peer: Peer,
    _screen: Xvfb,
}

impl Thunderbird {
    /// Makes the profile, where a person has it, and gives its folder: one account on this server,
    /// whose user is known by a certificate. `root` (DER) may certify servers.
    ///
    /// # Panics
    ///
    /// When the tools of NSS are missing.
    pub fn profile(sandbox: &Sandbox, root: &[u8], port: u16, user: &str) -> PathBuf {
        let list = format!("{HOME}/profiles.ini");
        sandbox.write(
            &list,
            "[Profile0]\nName=test\nIsRelative=1\nPath=test\nDefault=1\n",
        );
        let profile = sandbox.join(&format!("{HOME}/test"));
        nss::database(sandbox, &profile, root);
        let account = PREFERENCES
            .replace("@PORT@", &port.to_string())
            .replace("@USER@", user);
        let preferences = [&account, Marionette::PREFERENCES].concat();
        sandbox.write(&format!("{HOME}/test/user.js"), preferences);
        profile
    }

    /// Starts it with this profile; it logs in by itself.
    ///
    /// # Panics
    ///
    /// When it is missing or does not start.
    pub fn start(sandbox: &Sandbox, profile: &Path) -> Self {
        let screen = Xvfb::start(sandbox);
        let mut command = sandbox.command("thunderbird");
        command
            .args(["--no-remote", "--profile"])
            .arg(profile)
            .args(Marionette::ARGUMENTS);
        screen.open_to(&mut command);
        let mut peer = Peer::start(sandbox, "thunderbird", "thunderbird", command);
        let mut session = Marionette::open(&mut peer, profile);
        // The program's own window instead of a web page.
        let context = json!({ "value": "chrome" });
        session.call("Marionette:SetContext", &context).unwrap();
        Self {
            session,
            _peer: peer,
            _screen: screen,
        }
    }

    /// Its window, as PNG.
    pub fn picture(&mut self) -> Vec<u8> {
        self.session.picture()
    }
}

const HOME: &str = "home/.thunderbird";

/// `socketType` 3 is TLS from the first byte, `authMethod` 7 is EXTERNAL.
const PREFERENCES: &str = r#"
user_pref("app.update.enabled", false);
user_pref("browser.safebrowsing.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("mail.account.account1.identities", "id1");
user_pref("mail.account.account1.server", "server1");
user_pref("mail.accountmanager.accounts", "account1");
user_pref("mail.accountmanager.defaultaccount", "account1");
user_pref("mail.identity.id1.fullName", "Alix EXEMPLE");
user_pref("mail.identity.id1.useremail", "alix.exemple@mssante.test");
user_pref("mail.identity.id1.valid", true);
user_pref("mail.rights.version", 1);
user_pref("mail.server.server1.authMethod", 7);
user_pref("mail.server.server1.check_new_mail", true);
user_pref("mail.server.server1.hostname", "localhost");
user_pref("mail.server.server1.login_at_startup", true);
user_pref("mail.server.server1.name", "MSSanté");
user_pref("mail.server.server1.port", @PORT@);
user_pref("mail.server.server1.socketType", 3);
user_pref("mail.server.server1.type", "imap");
user_pref("mail.server.server1.userName", "@USER@");
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mail.spotlight.firstRunDone", true);
user_pref("mail.winsearch.firstRunDone", true);
user_pref("mailnews.start_page.enabled", false);
user_pref("security.OCSP.enabled", 0);
user_pref("security.default_personal_cert", "Select Automatically");
user_pref("services.settings.server", "");
"#;
