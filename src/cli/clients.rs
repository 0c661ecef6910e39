//! The settings of mail programs that read and send through the gateway.
//!
//! No password is in them: programs with a window ask for it once, those of the terminal run `cat` on
//! a file that only its owner reads.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::arguments::Program;

mod apple;
mod evolution;
mod terminal;
mod thunderbird;

#[cfg(test)]
mod tests;

/// What a mail program is told.
pub(crate) struct Account {
    /// Address of the mailbox, which is also the user name.
    pub(crate) address: String,
    /// The holder's name, as correspondents see it.
    pub(crate) name: String,
    /// Where IMAP is spoken.
    pub(crate) imap: SocketAddr,
    /// Where mail is submitted.
    pub(crate) smtp: SocketAddr,
    /// Where settings are found by address, when they are.
    pub(crate) autoconfig: Option<SocketAddr>,
    /// Instead of the ports.
    pub(crate) tunnel: Option<Tunnel>,
    /// The file that holds the password, for programs that take it from a command.
    pub(crate) password: PathBuf,
}

/// A way around the ports.
pub(crate) struct Tunnel {
    /// The `cps` program.
    pub(crate) cps: PathBuf,
    /// The socket where mail is submitted.
    pub(crate) smtp: PathBuf,
}

/// A file of settings.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Settings {
    /// Its name, where the program wants several in one folder.
    pub(crate) name: Option<String>,
    pub(crate) content: String,
}

impl Settings {
    fn single(content: String) -> Vec<Self> {
        vec![Self {
            name: None,
            content,
        }]
    }
}

impl Program {
    /// The settings of this program.
    pub(crate) fn settings(self, account: &Account) -> Vec<Settings> {
        match self {
            Self::Apple => Settings::single(apple::profile(account)),
            Self::Evolution => evolution::sources(account),
            Self::Mbsync => Settings::single(terminal::mbsync(account)),
            Self::Msmtp => Settings::single(terminal::msmtp(account)),
            Self::Neomutt => Settings::single(terminal::neomutt(account)),
            Self::Thunderbird => Settings::single(thunderbird::preferences(account)),
        }
    }

    /// Whether it takes the password from [`Account::password`] rather than from a person.
    pub(crate) fn reads_password_file(self) -> bool {
        matches!(self, Self::Mbsync | Self::Msmtp | Self::Neomutt)
    }

    /// Whether it can do without the ports.
    pub(crate) fn tunnels(self) -> bool {
        self.reads_password_file()
    }
}

/// One line of the comment that begins each file.
const HEADER: &str = "through the cpsd gateway on this computer (cps mail config)";

/// The command that prints the password.
fn password_command(account: &Account) -> String {
    format!("cat {}", shell(&account.password))
}

/// A path as one word of a shell.
fn shell(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// Text without what a line of settings cannot hold.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
