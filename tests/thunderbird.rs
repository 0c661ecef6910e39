//! Thunderbird, on a screen of its own.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::marionette::Marionette;
use crate::{Peer, Sandbox, Xvfb, artefact, nss, until_within};

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

    /// Starts it with this profile. It asks for no mail until it is told to
    /// ([`Thunderbird::get_until`]): a login that fails would open a dialog, behind which its
    /// remote control does not start, and one that is lost is not tried again for ten minutes.
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

    /// Clicks on "Get Messages" until `probe` sees what comes of it: again after a while, as a
    /// person would whose program shows nothing.
    ///
    /// # Panics
    ///
    /// After a minute and a half, naming `what`.
    pub fn get_until<T>(&mut self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let mut clicked = None::<Instant>;
        until_within(Duration::from_secs(90), what, || {
            if clicked.is_none_or(|clicked| clicked.elapsed() > BETWEEN_CLICKS) {
                // A dialog in the way is closed by the refusal.
                if let Err(refusal) = self.session.script(GET_MESSAGES, &json!([])) {
                    eprintln!("Thunderbird: {refusal}");
                }
                clicked = Some(Instant::now());
            }
            probe()
        })
    }

    /// Its window, as PNG.
    ///
    /// # Panics
    ///
    /// When it does not show itself.
    pub fn picture(&mut self) -> Vec<u8> {
        self.session.picture().unwrap()
    }
}

impl Drop for Thunderbird {
    /// What a person needs to see who looks for the reason of a failure.
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        self.session.set_patience(Duration::from_secs(10));
        let state = match self.session.script(STATE, &json!([])) {
            Ok(state) => format!("{state:#}"),
            Err(error) => error,
        };
        eprintln!("----- state of Thunderbird -----\n{state}");
        match self.session.picture() {
            Ok(picture) => {
                let kept = artefact("Thunderbird-failed.png", &picture);
                eprintln!("its window: {}", kept.display());
            }
            Err(error) => eprintln!("no picture of its window: {error}"),
        }
    }
}

/// A person is less patient than a loaded machine is slow.
const BETWEEN_CLICKS: Duration = Duration::from_secs(15);

const GET_MESSAGES: &str = r#"
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const messenger = Services.wm.getMostRecentWindow("mail:3pane");
messenger.MsgGetMessagesForAccount(MailServices.accounts.defaultAccount.incomingServer.rootFolder);
"#;

const STATE: &str = r#"
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
return {
    offline: Services.io.offline,
    connectivity: Services.io.connectivity,
    windows: Array.from(Services.wm.getEnumerator(null), window => window.document.documentURI),
    servers: MailServices.accounts.allServers.map(server => ({
        name: server.serverURI,
        port: server.port,
        busy: server.serverBusy,
        folders: server.rootFolder.descendants.map(folder =>
            `${folder.URI}: ${folder.getTotalMessages(false)}`),
    })),
    tokens: tokens(),
    console: Services.console.getMessageArray().slice(-40).map(String),
};

function tokens() {
    const modules = Cc["@mozilla.org/security/pkcs11moduledb;1"].getService(Ci.nsIPKCS11ModuleDB);
    return Array.from(modules.listModules(), module =>
        [module.name, ...Array.from(module.listSlots(), slot => slot.tokenName)]);
}
"#;

const HOME: &str = "home/.thunderbird";

/// `socketType` 3 is TLS from the first byte, `authMethod` 7 is EXTERNAL. A machine with nothing but
/// its loopback is not offline.
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
user_pref("mail.server.server1.check_new_mail", false);
user_pref("mail.server.server1.hostname", "localhost");
user_pref("mail.server.server1.name", "MSSanté");
user_pref("mail.server.server1.port", @PORT@);
user_pref("mail.server.server1.socketType", 3);
user_pref("mail.server.server1.type", "imap");
user_pref("mail.server.server1.userName", "@USER@");
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mail.spotlight.firstRunDone", true);
user_pref("mail.winsearch.firstRunDone", true);
user_pref("mailnews.start_page.enabled", false);
user_pref("network.manage-offline-status", false);
user_pref("offline.autoDetect", false);
user_pref("security.OCSP.enabled", 0);
user_pref("security.default_personal_cert", "Select Automatically");
user_pref("services.settings.server", "");
"#;
