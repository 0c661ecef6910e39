//! The configuration file: TOML, every key explained in the shipped `packaging/cpsd.toml`.

mod mail;
mod module;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use cps_card::Hex;
use serde::Deserialize;

pub use self::mail::{MailConfig, MailLogin, MailServer, MailTls, OperatorConfig, Outside};
pub use self::module::{Module, Prefer};

use crate::purpose::Language;

/// Everything that can be configured. An absent file is the default value of each key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Program that shows the dialogs: a path, or a name looked up in `PATH`.
    pub pinentry: PathBuf,
    /// Seconds a dialog stays open without an answer.
    pub prompt_seconds: u32,
    /// Language of dialogs and messages; the caller's own when absent.
    pub language: Option<Language>,
    /// Files or folders of trust anchors, beside those imported with `cps trust import`.
    pub anchors: Vec<PathBuf>,
    /// An official dictionary of codes (`DICO-FR.GIP`), newer than the labels built in.
    pub dictionary: Option<PathBuf>,
    /// Which certificates are believed.
    pub environment: Environment,
    /// The only servers to which the card may prove an identity.
    #[serde(rename = "destination")]
    pub destinations: Vec<Destination>,
    /// Whether other programs are kept away from the card while the daemon uses it.
    pub exclusive: bool,
    /// Minutes without use after which the card is locked again; 0: never by idleness.
    pub idle_minutes: u32,
    /// Days that "allow for longer" means in a dialog; 0: until the card is removed.
    pub grant_days: u16,
    /// ATRs of card versions this program does not know that may be used with the PIN all the same.
    pub accepted_atrs: Vec<Hex>,
    /// Folder of the journal; `journal` in the state folder when absent.
    pub journal: Option<PathBuf>,
    /// Size in MiB at which a journal file is closed and the next one begun.
    pub journal_mib: u32,
    /// The MSSanté gateway.
    pub mail: MailConfig,
    /// Modules of others, whose tokens are used like cards.
    #[serde(rename = "module")]
    pub modules: Vec<Module>,
    /// MSSanté operators that the administrator names.
    #[serde(rename = "operator")]
    pub operators: Vec<OperatorConfig>,
    /// How our own PKCS#11 module shows the cards to programs.
    pub pkcs11: Pkcs11,
    /// Which drives a card that cpsd and a module both see.
    pub prefer: Prefer,
}

/// Which certificates are believed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Only the anchors in `anchors`.
    Custom,
    /// Real cards: the pinned production certificates of the IGC-Santé.
    #[default]
    Production,
    /// Test cards: the pinned test certificates of the IGC-Santé.
    Test,
}

/// A server to which the card may prove an identity.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// DNS name or address, exactly as programs ask for it (case does not matter).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What the server is for, in the reader's words, such as `mssante` or `dmp`.
    pub purpose: String,
    /// Anchors for this server's own certificate; those of the whole file when empty.
    #[serde(default)]
    pub anchors: Vec<PathBuf>,
}

/// How the PKCS#11 module shows the cards to programs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Pkcs11 {
    /// How a token says that its use needs a person.
    pub login: ModuleLogin,
    /// What becomes of a PIN that a program asked for itself.
    pub program_pin: ProgramPin,
    /// Whether the signature key is shown too.
    pub signature_key: bool,
    /// Bound, in seconds, of a call that may wait for a person.
    pub wait_seconds: u32,
}

/// How a token says that its use needs a person.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ModuleLogin {
    /// Not at all: the daemon asks when a key is used.
    #[default]
    None,
    /// Programs must log in, without a PIN (`CKF_PROTECTED_AUTHENTICATION_PATH`).
    ProtectedPath,
}

/// What becomes of a PIN that a program asked for itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ProgramPin {
    /// It is forgotten, and the daemon asks the person.
    Ignore,
    /// The login fails.
    #[default]
    Refuse,
}

/// The configuration cannot be used. The daemon does not start: half a configuration could trust
/// more than was meant.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that parses but cannot be meant.
    #[error("{file}: {key}: {what}")]
    Invalid {
        /// The file.
        file: String,
        /// The key, as written in the file.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// Not TOML, an unknown key, or a value of another type; line and key are in the message.
    #[error("{file}: {what}")]
    Malformed {
        /// The file.
        file: String,
        /// The parser's message, with line, column and key.
        what: String,
    },
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`ConfigError`]; also a file of more than 1 MiB.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let unreadable = |source| ConfigError::Unreadable {
            file: file.clone(),
            source,
        };
        let bytes = crate::files::read(path, LIMIT).map_err(unreadable)?;
        let text = String::from_utf8(bytes)
            .map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        Self::parse(&text, &file)
    }

    /// Reads the text of a file; `file` is its name for error messages.
    ///
    /// # Errors
    /// [`ConfigError::Malformed`] and [`ConfigError::Invalid`].
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Malformed {
            file: file.to_owned(),
            what: error.to_string().trim_end().to_owned(),
        })?;
        config.check().map_err(|(key, what)| ConfigError::Invalid {
            file: file.to_owned(),
            key,
            what: what.to_owned(),
        })?;
        Ok(config)
    }

    /// The destination for a host and port, if one is configured.
    pub fn destination(&self, host: &str, port: u16) -> Option<&Destination> {
        self.destinations
            .iter()
            .find(|known| known.port == port && known.host.eq_ignore_ascii_case(host))
    }

    fn check(&self) -> Result<(), (String, &'static str)> {
        let refuse = |key: &str, what| Err((key.to_owned(), what));
        if self.pinentry.as_os_str().is_empty() {
            return refuse("pinentry", "is empty; name a program such as \"pinentry\"");
        }
        if !(10..=3600).contains(&self.prompt_seconds) {
            return refuse("prompt_seconds", "must be between 10 and 3600");
        }
        if self.idle_minutes > 24 * 60 {
            return refuse("idle_minutes", "must be at most 1440 (one day)");
        }
        if self.grant_days > 90 {
            return refuse("grant_days", "must be at most 90");
        }
        // ISO 7816-3 §8.2: TS, T0 and at most 32 characters more.
        if !self
            .accepted_atrs
            .iter()
            .all(|atr| (2..=33).contains(&atr.len()))
        {
            return refuse("accepted_atrs", "each must be an ATR: 2 to 33 bytes");
        }
        if !(1..=1024).contains(&self.journal_mib) {
            return refuse("journal_mib", "must be between 1 and 1024");
        }
        if self
            .journal
            .as_deref()
            .is_some_and(|path| !path.is_absolute())
        {
            return refuse("journal", "must be an absolute path");
        }
        if !(5..=600).contains(&self.pkcs11.wait_seconds) {
            return refuse("pkcs11.wait_seconds", "must be between 5 and 600");
        }
        mail::check(&self.mail)?;
        mail::check_operators(&self.operators)?;
        module::check(&self.modules)?;
        let mut seen = BTreeSet::new();
        for (index, destination) in self.destinations.iter().enumerate() {
            let key = |name: &str| format!("destination[{index}].{name}");
            let host = &destination.host;
            if !is_host(host) {
                return Err((key("host"), HOST));
            }
            if destination.port == 0 {
                return Err((key("port"), "must not be 0"));
            }
            let purpose = &destination.purpose;
            if !(1..=64).contains(&purpose.chars().count()) || purpose.chars().any(char::is_control)
            {
                return Err((key("purpose"), "must be 1 to 64 visible characters"));
            }
            if !seen.insert((host.to_ascii_lowercase(), destination.port)) {
                return Err((key("host"), "host and port are already given above"));
            }
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pinentry: PathBuf::from("pinentry"),
            prompt_seconds: 120,
            language: None,
            anchors: Vec::new(),
            dictionary: None,
            environment: Environment::default(),
            destinations: Vec::new(),
            exclusive: false,
            idle_minutes: 30,
            grant_days: 0,
            accepted_atrs: Vec::new(),
            journal: None,
            journal_mib: 8,
            mail: MailConfig::default(),
            modules: Vec::new(),
            operators: Vec::new(),
            pkcs11: Pkcs11::default(),
            prefer: Prefer::default(),
        }
    }
}

impl Default for Pkcs11 {
    fn default() -> Self {
        Self {
            login: ModuleLogin::default(),
            program_pin: ProgramPin::default(),
            signature_key: false,
            wait_seconds: 60,
        }
    }
}

/// Whether this can be the name or the address of a server.
fn is_host(host: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    (1..=253).contains(&host.len()) && host.bytes().all(plain)
}

const HOST: &str = "must be a DNS name (international names in their xn-- form) or an address, \
                    without port";

const LIMIT: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
