//! `cps mail`.

use cps_api::{Client, Error};

use super::{Context, Done};
use crate::arguments::Mail;

mod protect;

/// Runs an action; only some need the daemon.
pub(super) fn run(context: &Context, _client: Result<Client, Error>, action: &Mail) -> Done {
    match action {
        Mail::Protect {
            files,
            output,
            name,
            force,
        } => protect::run(context, files, output, name.as_deref(), *force),
    }
}
