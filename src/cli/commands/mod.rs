//! The verbs.

use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;
use cps_api::{Client, Error, Lang};
use serde::Serialize;

use crate::arguments::{Arguments, Target, Verb};
use crate::failure::Failure;
use crate::output;
use crate::text;

mod doctor;
mod events;
mod grants;
mod identity;
mod journal;
mod login;
mod mail;
mod peer;
mod setup;
mod shell;
mod sign;
mod status;
mod trust;
mod tunnel;

/// What every verb needs.
pub(crate) struct Context {
    pub(crate) card: Option<String>,
    pub(crate) json: bool,
    pub(crate) lang: Lang,
}

impl Context {
    /// The one of two texts that is in the language of the messages.
    fn pick<'a>(&self, fr: &'a str, en: &'a str) -> &'a str {
        text::pick(self.lang, fr, en)
    }

    fn card(&self) -> Option<&str> {
        self.card.as_deref()
    }

    /// Shows `value` as JSON, or as `human` says it.
    fn show<T: Serialize>(&self, value: &T, human: impl FnOnce(&T) -> String) -> Done {
        if self.json {
            output::print_json(value)?;
        } else {
            output::print(&human(value))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How a verb ends.
pub(crate) type Done = Result<ExitCode, Failure>;

/// Runs the verbs that do not concern the daemon.
pub(crate) fn without_daemon(arguments: &Arguments) -> Option<Done> {
    match &arguments.verb {
        Verb::Completion { shell } => Some(shell::completion(*shell)),
        Verb::Man { out } => Some(shell::man(out.as_deref())),
        _ => None,
    }
}

/// Runs a verb.
pub(crate) fn run(context: &Context, client: Result<Client, Error>, verb: Verb) -> Done {
    let client = match (client, &verb) {
        (client, Verb::Mail { action }) => return mail::run(context, client, action),
        (client, Verb::Setup { what }) => return setup::run(context, client, what),
        (Ok(client), _) => client,
        (Err(error), Verb::Doctor { card_report: None }) => {
            return doctor::without_daemon(context, error, None);
        }
        (Err(error), _) => return Err(error.into()),
    };
    match verb {
        Verb::Status => status::run(context, &client),
        Verb::Identity => identity::identity(context, &client),
        Verb::Exercises => identity::exercises(context, &client),
        Verb::Login => login::login(context, &client),
        Verb::Lock => login::lock(context, &client),
        Verb::Sign {
            file,
            output,
            attached,
        } => sign::run(context, &client, &file, &output, attached),
        Verb::Tunnel {
            target: Target::Server(destination),
            listen,
            purpose,
        } => tunnel::run(context, &client, destination, listen, purpose),
        Verb::Tunnel {
            target: Target::Gateway(name),
            listen: None,
            purpose: None,
        } => tunnel::gateway(&client, name),
        Verb::Tunnel { .. } => Arguments::command()
            .error(
                ErrorKind::ArgumentConflict,
                "imap and smtp go without --listen and --purpose",
            )
            .exit(),
        Verb::Mail { action } => mail::run(context, Ok(client), &action),
        Verb::Pin { action } => login::pin(context, &client, &action),
        Verb::Trust { action } => trust::run(context, &client, &action),
        Verb::Grants { action } => grants::run(context, &client, action.as_ref()),
        Verb::Journal { action } => journal::run(context, &client, action.as_ref()),
        Verb::Setup { what } => setup::run(context, Ok(client), &what),
        Verb::Doctor { card_report } => doctor::run(context, &client, card_report.as_deref()),
        Verb::Events => events::run(context, &client),
        Verb::Completion { shell } => shell::completion(shell),
        Verb::Man { out } => shell::man(out.as_deref()),
    }
}
