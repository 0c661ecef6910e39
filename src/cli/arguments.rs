//! The command line.

use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use cps_api::Lang;

use crate::archive;

#[cfg(test)]
mod tests;

/// Uses the health professional's card through the cpsd service.
#[derive(Parser)]
#[command(name = "cps", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Socket of the service [default: $CPSD_SOCKET, or $XDG_RUNTIME_DIR/cpsd/cpsd.sock]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Serial number of the card to use, when several are present
    #[arg(long, global = true, value_name = "SERIAL")]
    pub(crate) card: Option<String>,
    /// Print JSON, on standard error for failures
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Language of messages [default: that of the locale]
    #[arg(long, global = true, value_name = "LANG")]
    lang: Option<LangArgument>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Arguments {
    /// The language asked for, else that of the locale.
    pub(crate) fn lang(&self) -> Lang {
        match self.lang {
            Some(LangArgument::En) => Lang::English,
            Some(LangArgument::Fr) => Lang::French,
            // POSIX XBD §8.2: the first of these that is set and not empty decides.
            None => ["LC_ALL", "LC_MESSAGES", "LANG"]
                .iter()
                .filter_map(|name| env::var(name).ok())
                .find(|value| !value.is_empty())
                .map_or(Lang::English, |locale| Lang::of_locale(&locale)),
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Show the service, the readers and the cards
    Status,
    /// Show who the holder of the card is
    Identity,
    /// Show where and how the holder practises (needs the PIN)
    Exercises,
    /// Verify the PIN, once for the programs that will use the card
    Login,
    /// End the login of the card, or of every card
    Lock,
    /// Sign a document (CMS, CAdES-BES)
    Sign {
        /// Document to sign; - for standard input
        file: PathBuf,
        /// Where to write the signature; - for standard output
        #[arg(short, long, value_name = "OUT")]
        output: PathBuf,
        /// Put the document inside the signature
        #[arg(long)]
        attached: bool,
    },
    /// Connect to a server that asks for the card (joins standard input and output)
    Tunnel {
        /// Server, which the configuration must allow; or imap, smtp: the mail gateway
        #[arg(value_name = "HOST:PORT|imap|smtp", value_parser = target)]
        target: Target,
        /// Serve the connection on a loopback address instead: ADDR:PORT or PORT, 0 for any free port
        #[arg(long, value_name = "ADDR", value_parser = loopback)]
        listen: Option<SocketAddr>,
        /// Which of the configured purposes of this server
        #[arg(long)]
        purpose: Option<String>,
    },
    /// Change or unblock the PIN
    Pin {
        #[command(subcommand)]
        action: Pin,
    },
    /// Show or import certification authorities
    Trust {
        #[command(subcommand)]
        action: Trust,
    },
    /// Read and send MSSanté mail with any mail program; protect files for ordinary mail
    Mail {
        #[command(subcommand)]
        action: Mail,
    },
    /// Make the card known to the programs of this computer (its PKCS#11 module)
    Setup {
        #[command(subcommand)]
        what: Setup,
    },
    /// Show or take back what programs may do
    Grants {
        #[command(subcommand)]
        action: Option<Grants>,
    },
    /// Show or check the uses of the card
    Journal {
        #[command(subcommand)]
        action: Option<Journal>,
    },
    /// Look for what is wrong; ends with 1 when something is
    Doctor {
        /// Write what the card declares of itself, redacted, to FILE instead; - for standard output
        #[arg(long, value_name = "FILE")]
        card_report: Option<PathBuf>,
    },
    /// Show changes as they happen, until interrupted
    Events,
    /// Print the completion script of a shell
    Completion {
        /// Shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of every verb
    Man {
        /// Folder for the pages of every verb
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(crate) enum Mail {
    /// Add a mailbox, and show once the password for one mail program
    Add {
        /// Address of the mailbox
        address: String,
        /// The mail program that the password is for, in your words
        #[arg(long, value_name = "NAME", default_value = DEFAULT_CLIENT)]
        client: String,
        /// A team shares the mailbox: its address is told to the operator beside your identity
        #[arg(long)]
        shared: bool,
    },
    /// Show the mailboxes, and where mail programs connect
    List,
    /// Remove a mailbox from this computer with its passwords, or the password of one program
    Remove {
        /// Address of the mailbox
        address: String,
        /// Only the password of this program
        #[arg(long, value_name = "NAME")]
        client: Option<String>,
    },
    /// Make a new password for a mail program, instead of the one that it had
    Rotate {
        /// Address of the mailbox
        address: String,
        /// The mail program, in your words [default: the only one that has a password]
        #[arg(long, value_name = "NAME")]
        client: Option<String>,
    },
    /// Open the mailbox at its operator, and say what works
    Test {
        /// Address of the mailbox
        address: String,
    },
    /// Print or write the settings of a mail program
    Config(MailConfig),
    /// Show or check what was done with the mailboxes
    Journal {
        /// Only check that no entry was altered; ends with 1 when one was
        #[arg(long, conflicts_with_all = ["after", "limit"])]
        verify: bool,
        /// Only entries numbered above this one [default: the last ones]
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
        /// How many entries at most
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: Option<u32>,
    },
    /// Put files into an encrypted archive, for a correspondent without an MSSanté address
    ///
    /// The archive (zip, AES-256) opens with 7-Zip and most other archive programs. Its passphrase is
    /// printed once: give it by another channel. Names, sizes and dates of the files are not secret.
    Protect {
        /// Files; neither folders nor symbolic links
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The archive to write
        #[arg(short, long, value_name = "OUT.zip")]
        output: PathBuf,
        /// Call the files NAME in the archive, numbered when there are several, instead of their own
        /// names
        #[arg(long, value_parser = plain_name)]
        name: Option<String>,
        /// Replace OUT.zip if it exists
        #[arg(long)]
        force: bool,
    },
}

#[derive(Args)]
pub(crate) struct MailConfig {
    /// Mail program
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: Program,
    /// Address of the mailbox
    pub(crate) address: String,
    /// Write the settings there instead: a file, or for evolution a folder
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Replace what is there
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// Through `cps tunnel` or the Unix sockets instead of a port (neomutt, mbsync, msmtp)
    #[arg(long)]
    pub(crate) tunnel: bool,
    /// Make a password for this program, instead of the one that it had
    #[arg(long, requires = "out")]
    pub(crate) new_password: bool,
    /// The mail program in your words, for --new-password [default: PROGRAM]
    #[arg(long, value_name = "NAME", requires = "new_password")]
    pub(crate) client: Option<String>,
}

/// A mail program whose settings can be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Program {
    Apple,
    Evolution,
    Mbsync,
    Msmtp,
    Neomutt,
    Thunderbird,
}

impl Program {
    /// Its name on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Apple => "apple",
            Self::Evolution => "evolution",
            Self::Mbsync => "mbsync",
            Self::Msmtp => "msmtp",
            Self::Neomutt => "neomutt",
            Self::Thunderbird => "thunderbird",
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Pin {
    /// Choose a new PIN
    Change,
    /// Set a new PIN with the unblocking code (PUK)
    Unblock,
}

#[derive(Subcommand)]
pub(crate) enum Trust {
    /// Show the certification authorities and revocation lists
    List,
    /// Import certificates of the IGC-Santé (DER, PEM or P7B)
    Import {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(crate) enum Setup {
    /// Firefox, Chromium, Chrome and their siblings, for yourself
    Browsers {
        #[command(flatten)]
        options: SetupOptions,
        /// Also make them trust, for any server, the authorities that cpsd has (see `cps trust list`):
        /// the IGC-Santé, which issues the certificates of health servers, is in no browser
        #[arg(long, conflicts_with = "undo")]
        authorities: bool,
    },
    /// Thunderbird, and programs that use p11-kit (Evolution), for yourself
    Mail {
        #[command(flatten)]
        options: SetupOptions,
        /// Also make Thunderbird trust, for any server, the authorities that cpsd has
        #[arg(long, conflicts_with = "undo")]
        authorities: bool,
        /// Instead of the module: Thunderbird finds the settings of MSSanté mailboxes by their address
        #[arg(long, conflicts_with_all = ["undo", "authorities", "module"])]
        gateway: bool,
    },
    /// p11-kit, and the policies of Firefox and Thunderbird, for every user (as administrator)
    System {
        #[command(flatten)]
        options: SetupOptions,
        /// Prepare the system in this folder instead (packages, disk images)
        #[arg(long, value_name = "DIR", default_value = "/")]
        destdir: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct SetupOptions {
    /// Remove what this command added, and nothing else
    #[arg(long)]
    pub(crate) undo: bool,
    /// Do not ask (for scripts)
    #[arg(long)]
    pub(crate) yes: bool,
    /// Only show what would be changed
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// The PKCS#11 module [default: the one installed with this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) module: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Grants {
    /// Show the grants in force (what `cps grants` does)
    List,
    /// Take a grant back
    Revoke {
        /// Name of the grant
        id: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum Journal {
    /// Show entries (what `cps journal` does)
    List {
        /// Only entries numbered above this one [default: the last ones]
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
        /// How many entries at most
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: Option<u32>,
    },
    /// Check that no entry was altered; ends with 1 when one was
    Verify,
}

/// Where a tunnel leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    /// A server that asks for the card.
    Server(Destination),
    /// The mail gateway's socket of this name.
    Gateway(&'static str),
}

/// A server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Destination {
    pub(crate) host: String,
    pub(crate) port: u16,
}

#[derive(Clone, Copy, ValueEnum)]
enum LangArgument {
    En,
    Fr,
}

fn target(text: &str) -> Result<Target, String> {
    match text {
        "imap" => Ok(Target::Gateway("imap")),
        "smtp" => Ok(Target::Gateway("smtp")),
        _ => destination(text).map(Target::Server),
    }
}

fn destination(text: &str) -> Result<Destination, String> {
    let (host, port) = text.rsplit_once(':').ok_or("HOST:PORT is expected")?;
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(address) => address,
        None if host.contains(':') => return Err("an IPv6 address goes between brackets".into()),
        None => host,
    };
    match port.parse() {
        Ok(port) if port != 0 && !host.is_empty() => Ok(Destination {
            host: host.to_owned(),
            port,
        }),
        _ => Err("HOST:PORT is expected, with a port from 1 to 65535".into()),
    }
}

/// A loopback address: whoever reaches this port uses the card, so no other machine may.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address = match text.parse::<u16>() {
        Ok(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        Err(_) => text.parse().map_err(|_| "ADDR:PORT or PORT is expected")?,
    };
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("only a loopback address (127.0.0.1, ::1) is allowed".into())
    }
}

/// A file name that every computer reads.
fn plain_name(text: &str) -> Result<String, String> {
    match archive::is_plain(text) {
        true => Ok(text.to_owned()),
        false => Err("a file name is expected, without / \\ : * ? \" < > |".into()),
    }
}

/// What a password is for when nobody said it.
const DEFAULT_CLIENT: &str = "mail";

const AFTER_HELP: &str = "Exit status: 0 done; 1 refused or failed, with the reason, its code and \
    what to do on standard error; 2 misuse.";
