//! Thunderbird, on a screen of its own.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::mail::Access;
use crate::marionette::Marionette;
use crate::{Peer, Sandbox, Xvfb, artefact, nss, until_within};

/// A Thunderbird with IMAP accounts. It works with its default account: the first one, or the one of
/// [`Thunderbird::choose_account`].
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
        let account = BY_CERTIFICATE
            .replace("@PORT@", &port.to_string())
            .replace("@USER@", user);
        let profile = write_profile(sandbox, &[account], "");
        nss::database(sandbox, &profile, root);
        profile
    }

    /// The same with one account at the gateway, as its user writes it down: IMAP and SMTP on this
    /// computer, in the clear, with a password, which is kept ([`Thunderbird::keep_passwords`]).
    pub fn mail_profile(sandbox: &Sandbox, access: &Access) -> PathBuf {
        Self::mail_profile_of(sandbox, std::slice::from_ref(access))
    }

    /// The same with several accounts at the gateway.
    pub fn mail_profile_of(sandbox: &Sandbox, accounts: &[Access]) -> PathBuf {
        let accounts: Vec<_> = accounts
            .iter()
            .map(|access| {
                BY_PASSWORD
                    .replace("@IMAP@", &access.imap.address.port().to_string())
                    .replace("@SMTP@", &access.smtp.address.port().to_string())
                    .replace("@USER@", &access.imap.user)
                    .replace("@FOLDERS@", &access.imap.user.replace('@', "%40"))
            })
            .collect();
        let servers = OUTGOING.replace("@SERVERS@", &numbered("smtp", accounts.len()));
        write_profile(sandbox, &accounts, &servers)
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
        session.script(WATCH_DIALOGS, &json!([])).unwrap();
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
        self.get_until_told(what, |_| probe())
    }

    /// Clicks on "Get Messages".
    pub fn get_messages(&mut self) {
        self.calmly(GET_MESSAGES, &json!([]));
    }

    /// Makes the account of this mailbox the default one.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn choose_account(&mut self, access: &Access) {
        let user = json!([access.imap.user]);
        self.session.script(CHOOSE_ACCOUNT, &user).unwrap();
    }

    /// Keeps the passwords of the account, as a person who ticks "remember" does.
    ///
    /// # Panics
    ///
    /// When the program refuses.
    pub fn keep_passwords(&mut self, access: &Access) {
        let passwords = json!([access.imap.user, access.imap.password, access.smtp.password]);
        self.session.script(KEEP_PASSWORDS, &passwords).unwrap();
    }

    /// The passwords that it keeps: origin, user, password.
    ///
    /// # Panics
    ///
    /// When it does not tell within a minute and a half.
    pub fn kept_passwords(&mut self) -> Value {
        until_within(PATIENCE, "the passwords", || {
            let kept = self.calmly(KEPT_PASSWORDS, &json!([]));
            kept.is_array().then_some(kept)
        })
    }

    /// What it finds by itself for a new account with this address, as it does when a person has typed
    /// name and address: `[kind, host, port, socket type, authentication, user]` of the servers to read
    /// and to send; null when it finds nothing.
    ///
    /// # Panics
    ///
    /// When it does not tell in time.
    pub fn find_settings(&mut self, address: &str) -> Value {
        let found = self.session.script(FIND_SETTINGS, &json!([address]));
        found.unwrap()
    }

    /// Opens the newest message of the inbox with this subject, once it is there: its text.
    pub fn open_message(&mut self, subject: &str) -> String {
        let mut chosen = Instant::now();
        self.get_until_told(&format!("the message {subject:?}"), |thunderbird| {
            // One that is chosen while its folder still loads may stay without its heading.
            let again = chosen.elapsed() > BETWEEN_CHOICES;
            if again {
                chosen = Instant::now();
            }
            let text = thunderbird.calmly(OPEN_MESSAGE, &json!([subject, again]));
            text.as_str().map(str::to_owned)
        })
    }

    /// Writes a message in the window that a person uses, and leaves it open.
    ///
    /// # Panics
    ///
    /// When the program refuses.
    pub fn compose(&mut self, to: &str, subject: &str, body: &str) {
        let message = json!([to, subject, body]);
        self.session.script(COMPOSE, &message).unwrap();
    }

    /// Clicks on "Send" in the window of [`Thunderbird::compose`], once it can be clicked.
    ///
    /// # Panics
    ///
    /// When it cannot within a minute and a half.
    pub fn click_send(&mut self) {
        until_within(PATIENCE, "a message that can be sent", || {
            (self.calmly(SEND, &json!([])) == true).then_some(())
        });
    }

    /// Clicks on "Send" until the message of [`Thunderbird::compose`] is sent, and its window closed:
    /// again after a while, and after closing what dialogs there are.
    ///
    /// # Panics
    ///
    /// When it is not within a minute and a half.
    pub fn send(&mut self) {
        let mut clicked = None::<Instant>;
        until_within(PATIENCE, "the message to be sent", || {
            if clicked.is_none_or(|clicked| clicked.elapsed() > BETWEEN_CLICKS) {
                self.dialogs();
                let sending = self.calmly(SEND, &json!([])) == true;
                clicked = sending.then(Instant::now);
            }
            (self.calmly(SENT, &json!([])) == true).then_some(())
        });
    }

    /// Dialogs that opened since it was started, each by its kind (`alert`, `promptPassword`, …) and
    /// its text. Those that are open are closed.
    pub fn dialogs(&mut self) -> Vec<String> {
        let dialogs = self.calmly(DIALOGS, &json!([]));
        let dialogs = dialogs.as_array().cloned().unwrap_or_default();
        dialogs.iter().map(ToString::to_string).collect()
    }

    fn get_until_told<T>(
        &mut self,
        what: &str,
        mut probe: impl FnMut(&mut Self) -> Option<T>,
    ) -> T {
        let mut clicked = None::<Instant>;
        until_within(PATIENCE, what, || {
            if clicked.is_none_or(|clicked| clicked.elapsed() > BETWEEN_CLICKS) {
                self.get_messages();
                clicked = Some(Instant::now());
            }
            probe(self)
        })
    }

    /// Runs a script. A dialog in the way is closed by the first refusal, and what comes of it is
    /// nothing.
    fn calmly(&mut self, body: &str, arguments: &Value) -> Value {
        self.session
            .script(body, arguments)
            .unwrap_or_else(|refusal| {
                eprintln!("Thunderbird: {refusal}");
                Value::Null
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

/// How long a loaded machine may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A person is less patient than a loaded machine is slow.
const BETWEEN_CLICKS: Duration = Duration::from_secs(15);

const BETWEEN_CHOICES: Duration = Duration::from_secs(5);

const GET_MESSAGES: &str = r#"
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const messenger = Services.wm.getMostRecentWindow("mail:3pane");
messenger.MsgGetMessagesForAccount(MailServices.accounts.defaultAccount.incomingServer.rootFolder);
"#;

const CHOOSE_ACCOUNT: &str = r#"
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const [user] = arguments;
MailServices.accounts.defaultAccount = MailServices.accounts.accounts.find(
    account => account.incomingServer.username == user);
"#;

const KEEP_PASSWORDS: &str = r#"
const [user, imap, smtp] = arguments;
return (async () => {
    for (const [origin, password] of [["imap://127.0.0.1", imap], ["smtp://127.0.0.1", smtp]]) {
        const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
        login.init(origin, null, origin, user, password, "", "");
        await Services.logins.addLoginAsync(login);
    }
})();
"#;

const KEPT_PASSWORDS: &str = r#"
return Services.logins.getAllLogins().then(logins =>
    logins.map(login => [login.origin, login.username, login.password]).sort());
"#;

const WATCH_DIALOGS: &str = r#"
const messenger = Services.wm.getMostRecentWindow("mail:3pane");
messenger.seenDialogs = [];
Services.obs.addObserver(dialog => {
    const { promptType, text } = dialog.Dialog.args;
    messenger.seenDialogs.push([promptType, text]);
}, "common-dialog-loaded");
"#;

const DIALOGS: &str = r#"
const messenger = Services.wm.getMostRecentWindow("mail:3pane");
for (const window of Services.wm.getEnumerator(null)) {
    if (window.document.documentURI.endsWith("/commonDialog.xhtml")) {
        const text = window.document.getElementById("infoBody")?.textContent;
        messenger.seenDialogs.push(["window", text]);
        window.document.querySelector("dialog").cancelDialog();
    }
}
return messenger.seenDialogs;
"#;

/// What `email.mjs` of the account hub does before it shows what it found. Nobody answers the question
/// whether a password may go to a foreign Exchange server: no.
const FIND_SETTINGS: &str = r#"
const modules = "resource:///modules/accountcreation";
const { FindConfig } = ChromeUtils.importESModule(`${modules}/FindConfig.sys.mjs`);
const { AccountConfig } = ChromeUtils.importESModule(`${modules}/AccountConfig.sys.mjs`);
const [address] = arguments;
return (async () => {
    const domain = address.split("@")[1];
    const search = FindConfig.parallelAutoDiscovery(domain, address, new AbortController().signal);
    let step = await search.next();
    while (!step.done) {
        step = await search.next({ acceptRedirect: false });
    }
    if (!step.value) {
        return null;
    }
    AccountConfig.replaceVariables(step.value, "Alix EXEMPLE", address);
    const { incoming, outgoing } = step.value;
    return [incoming, outgoing].map(server => [
        server.type, server.hostname, server.port, server.socketType, server.auth, server.username,
    ]);
})();
"#;

const OPEN_MESSAGE: &str = r#"
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const [subject, again] = arguments;
const tabmail = Services.wm.getMostRecentWindow("mail:3pane").document.getElementById("tabmail");
const root = MailServices.accounts.defaultAccount.incomingServer.rootFolder;
const inbox = root.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
const pane = tabmail.currentAbout3Pane;
if (!inbox || !pane?.threadTree) {
    return null;
}
if (pane.gFolder != inbox) {
    pane.displayFolder(inbox.URI);
    return null;
}
const view = pane.gDBView;
for (let row = 0; row < (view?.rowCount ?? 0); row++) {
    if (view.getMsgHdrAt(row).mime2DecodedSubject == subject) {
        if (pane.threadTree.selectedIndex != row) {
            pane.threadTree.selectedIndex = row;
            return null;
        }
        if (again) {
            pane.threadTree.selectedIndex = -1;
            return null;
        }
        const message = tabmail.currentAboutMessage;
        const shown = message?.document.getElementById("expandedsubjectBox")?.textContent ?? "";
        const text = message?.getMessagePaneBrowser()?.contentDocument?.body?.innerText;
        return shown.includes(subject) && text ? text : null;
    }
}
return null;
"#;

const COMPOSE: &str = r#"
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const [to, subject, body] = arguments;
const create = (name, type) => Cc[`@mozilla.org/messengercompose/${name};1`].createInstance(type);
const fields = create("composefields", Ci.nsIMsgCompFields);
const params = create("composeparams", Ci.nsIMsgComposeParams);
Object.assign(fields, { to, subject, body });
params.composeFields = fields;
params.format = Ci.nsIMsgCompFormat.PlainText;
params.identity = MailServices.accounts.defaultAccount.defaultIdentity;
MailServices.compose.OpenComposeWindowWithParams(null, params);
"#;

const SEND: &str = r#"
const compose = Services.wm.getMostRecentWindow("msgcompose");
if (!compose?.gMsgCompose?.editor || compose.gWindowLocked || !compose.gLoadingComplete) {
    return false;
}
compose.goDoCommand("cmd_sendNow");
return true;
"#;

const SENT: &str = r#"
return Services.wm.getMostRecentWindow("msgcompose") === null;
"#;

const STATE: &str = r#"
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
return {
    account: MailServices.accounts.defaultAccount?.incomingServer.serverURI,
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
    dialogs: Services.wm.getMostRecentWindow("mail:3pane")?.seenDialogs,
    console: Services.console.getMessageArray().slice(-40).map(String),
};
"#;

const HOME: &str = "home/.thunderbird";

/// Writes a profile with these accounts and further preferences, where a person has it.
fn write_profile(sandbox: &Sandbox, accounts: &[String], more: &str) -> PathBuf {
    let list = "[Profile0]\nName=test\nIsRelative=1\nPath=test\nDefault=1\n";
    sandbox.write(&format!("{HOME}/profiles.ini"), list);
    let mut preferences = PREFERENCES.replace("@ACCOUNTS@", &numbered("account", accounts.len()));
    for (account, number) in accounts.iter().zip(1..) {
        let account = [ACCOUNT, account].concat();
        preferences += &account.replace("@NUMBER@", &number.to_string());
    }
    preferences += more;
    preferences += Marionette::PREFERENCES;
    sandbox.write(&format!("{HOME}/test/user.js"), preferences);
    sandbox.join(&format!("{HOME}/test"))
}

/// The keys of so many things of a kind.
fn numbered(kind: &str, count: usize) -> String {
    let keys: Vec<_> = (1..=count)
        .map(|number| format!("{kind}{number}"))
        .collect();
    keys.join(",")
}

/// `socketType` 3 is TLS from the first byte, `authMethod` 7 is EXTERNAL.
const BY_CERTIFICATE: &str = r#"
user_pref("mail.identity.id@NUMBER@.useremail", "alix.exemple@mssante.test");
user_pref("mail.server.server@NUMBER@.authMethod", 7);
user_pref("mail.server.server@NUMBER@.hostname", "localhost");
user_pref("mail.server.server@NUMBER@.name", "MSSanté");
user_pref("mail.server.server@NUMBER@.port", @PORT@);
user_pref("mail.server.server@NUMBER@.socketType", 3);
user_pref("mail.server.server@NUMBER@.userName", "@USER@");
"#;

/// No TLS (0), a password as it is (3).
const BY_PASSWORD: &str = r#"
user_pref("mail.identity.id@NUMBER@.fcc_folder", "imap://@FOLDERS@@127.0.0.1/Sent");
user_pref("mail.identity.id@NUMBER@.smtpServer", "smtp@NUMBER@");
user_pref("mail.identity.id@NUMBER@.useremail", "@USER@");
user_pref("mail.server.server@NUMBER@.authMethod", 3);
user_pref("mail.server.server@NUMBER@.hostname", "127.0.0.1");
user_pref("mail.server.server@NUMBER@.name", "@USER@");
user_pref("mail.server.server@NUMBER@.port", @IMAP@);
user_pref("mail.server.server@NUMBER@.socketType", 0);
user_pref("mail.server.server@NUMBER@.userName", "@USER@");
user_pref("mail.smtpserver.smtp@NUMBER@.authMethod", 3);
user_pref("mail.smtpserver.smtp@NUMBER@.hostname", "127.0.0.1");
user_pref("mail.smtpserver.smtp@NUMBER@.port", @SMTP@);
user_pref("mail.smtpserver.smtp@NUMBER@.try_ssl", 0);
user_pref("mail.smtpserver.smtp@NUMBER@.type", "smtp");
user_pref("mail.smtpserver.smtp@NUMBER@.username", "@USER@");
"#;

/// Where messages are sent.
const OUTGOING: &str = r#"
user_pref("mail.smtp.defaultserver", "smtp1");
user_pref("mail.smtpservers", "@SERVERS@");
"#;

/// What every account has.
const ACCOUNT: &str = r#"
user_pref("mail.account.account@NUMBER@.identities", "id@NUMBER@");
user_pref("mail.account.account@NUMBER@.server", "server@NUMBER@");
user_pref("mail.identity.id@NUMBER@.fullName", "Alix EXEMPLE");
user_pref("mail.identity.id@NUMBER@.valid", true);
user_pref("mail.server.server@NUMBER@.check_new_mail", false);
user_pref("mail.server.server@NUMBER@.type", "imap");
"#;

/// A machine with nothing but its loopback is not offline.
const PREFERENCES: &str = r#"
user_pref("app.update.enabled", false);
user_pref("browser.safebrowsing.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("mail.accountmanager.accounts", "@ACCOUNTS@");
user_pref("mail.accountmanager.defaultaccount", "account1");
user_pref("mail.rights.version", 1);
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
