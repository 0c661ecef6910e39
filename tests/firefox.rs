//! Firefox, without a window.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::marionette::Marionette;
use crate::{Browser, Peer, Sandbox, nss};

/// A Firefox with a profile of its own.
#[derive(Debug)]
pub struct Firefox {
    session: Marionette,
    peer: Peer,
}

impl Firefox {
    /// Makes the profile, where a person has it, and gives its folder. `root` (DER) may certify
    /// servers.
    ///
    /// # Panics
    ///
    /// When the tools of NSS are missing.
    pub fn profile(sandbox: &Sandbox, root: &[u8]) -> PathBuf {
        let list = format!("{HOME}/profiles.ini");
        sandbox.write(
            &list,
            "[Profile0]\nName=test\nIsRelative=1\nPath=test\nDefault=1\n",
        );
        let profile = sandbox.join(&format!("{HOME}/test"));
        nss::database(sandbox, &profile, root);
        let preferences = [PREFERENCES, Marionette::PREFERENCES].concat();
        sandbox.write(&format!("{HOME}/test/user.js"), preferences);
        profile
    }

    /// Starts it with this profile.
    ///
    /// # Panics
    ///
    /// When it is missing or does not start.
    pub fn start(sandbox: &Sandbox, profile: &Path) -> Self {
        let mut command = sandbox.command("firefox-esr");
        command
            .args(["--headless", "--no-remote", "--profile"])
            .arg(profile)
            .args(Marionette::ARGUMENTS);
        let mut peer = Peer::start(sandbox, "firefox", "firefox-esr", command);
        let session = Marionette::open(&mut peer, profile);
        Self { session, peer }
    }
}

impl Browser for Firefox {
    fn open(&mut self, url: &str) -> Result<(), String> {
        let opened = self
            .session
            .call("WebDriver:Navigate", &json!({ "url": url }));
        opened.map(drop)
    }

    fn begin(&mut self, url: &str) {
        let script = "setTimeout(url => { location = url }, 0, arguments[0])";
        self.session.script(script, &json!([url])).unwrap();
    }

    fn text(&mut self) -> String {
        let script = "return document.body.innerText";
        let text = self.session.script(script, &json!([])).unwrap();
        text.as_str().unwrap().to_owned()
    }

    fn picture(&mut self) -> Vec<u8> {
        self.session.picture().unwrap()
    }

    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }
}

const HOME: &str = "home/.mozilla/firefox";

/// Nobody is there to choose a certificate, and nothing but the test's server can be reached.
const PREFERENCES: &str = r#"
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("security.OCSP.enabled", 0);
user_pref("security.default_personal_cert", "Select Automatically");
user_pref("services.settings.server", "");
user_pref("toolkit.telemetry.enabled", false);
"#;
