//! The MSSanté gateway: mail clients of this computer on one side, operators on the other.
//!
//! # Layout
//!
//! - [`autoconfig`]: settings that mail programs find by themselves.
//! - [`gateway`]: where clients connect: ports of the loopback interface, sockets, their bounds
//!   (`seats`), local TLS (`local_tls`).
//! - `visit`: one connection (`client`) until its login; `session`: from the login to the end, with
//!   `passage`, bytes both ways.
//! - [`conduct`]: when a person is asked, and how long a client waits for that; `quiet`: when not.
//! - `sessions`: the sessions that are open; `keeper`: what ends them (`network`: another place).
//! - [`notices`]: what the person is told on the desktop.
//! - [`mailboxes`]: the mailboxes, and who may ask for one; [`passwords`]: what programs know.
//! - [`operator`]: an operator: where it is and how one logs in there.
//! - [`resolve`]: from an address to its operator; [`names`]: DNS; [`public`]: where a found one may be.
//! - [`upstream`]: a connection to an operator, logged in, or why there is none.
//! - [`conversation`]: holds a dialogue of [`cps_mail`] with an operator over a stream.
//! - [`rules`]: what may be sent, and to whom.
//! - [`token`]: where access tokens come from.
//! - [`traces`]: the journal of mail.
//!
//! The words of the mail protocols are those of [`cps_mail`], which knows no socket.

pub mod autoconfig;
mod client;
pub mod conduct;
pub mod conversation;
pub mod gateway;
mod keeper;
mod local_tls;
pub mod mailboxes;
pub mod names;
mod network;
pub mod notices;
pub mod operator;
mod passage;
pub mod passwords;
pub mod public;
mod quiet;
pub mod resolve;
pub mod rules;
mod seats;
mod session;
mod sessions;
pub mod token;
pub mod traces;
pub mod upstream;
mod visit;

use std::sync::Arc;

use cps_mail::smtp;
use tokio::task::JoinSet;

use self::autoconfig::Autoconfig;
use self::conduct::Conduct;
use self::gateway::{Gateway, Setup};
use self::mailboxes::Mailboxes;
use self::notices::Notices;
use self::traces::Traces;
use crate::app::App;
use crate::config::Config;
use crate::purpose::Language;
use crate::server::Stopping;

/// The running gateway, as the surfaces and the parts of the gateway see it.
#[derive(Debug)]
pub struct Mail {
    /// Where programs find their settings.
    pub autoconfig: Autoconfig,
    /// Dialogs that mail causes.
    pub conduct: Conduct,
    /// Where clients connect, and the sessions that are open.
    pub gateway: Gateway,
    /// The mailboxes.
    pub mailboxes: Mailboxes,
    /// What the person is told on the desktop.
    pub notices: Notices,
    /// What was done in the mailboxes.
    pub traces: Traces,
}

impl Mail {
    /// A gateway to these mailboxes; nothing listens yet.
    pub fn new(mailboxes: Mailboxes, notices: Notices, traces: Traces) -> Self {
        Self {
            autoconfig: Autoconfig::default(),
            conduct: Conduct::default(),
            gateway: Gateway::default(),
            mailboxes,
            notices,
            traces,
        }
    }

    /// What the gateway is to SMTP clients, and the language of its words to all.
    pub(crate) fn settings(&self, config: &Config) -> smtp::Settings {
        let product = &config.mail.product;
        smtp::Settings {
            host_name: HOST_NAME.to_owned(),
            size: u64::from(config.mail.size_mib) * 1024 * 1024,
            language: match self.notices.language() {
                Language::En => cps_mail::Language::English,
                Language::Fr => cps_mail::Language::French,
            },
            product: (!product.is_empty()).then(|| product.clone()),
        }
    }
}

/// Serves mail clients; ends with the daemon, once the sessions have had their last words.
pub(crate) fn start(app: &Arc<App>, setup: Setup, stopping: &Stopping) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(keeper::run(Arc::clone(app), stopping.clone()));
    tasks.spawn(autoconfig::run(Arc::clone(app), stopping.clone()));
    tasks.spawn(gateway::run(Arc::clone(app), setup, stopping.clone()));
    tasks
}

/// What clients on this computer are told they speak with (RFC 6761 §6.3).
const HOST_NAME: &str = "localhost";
