//! `cps mail`.

use cps_api::types::Mailbox;
use cps_api::{Client, Code, Error, Problem};

use super::{Context, Done};
use crate::arguments::Mail;
use crate::failure::Failure;

mod config;
mod journal;
mod mailboxes;
mod protect;

/// Runs an action.
pub(super) fn run(context: &Context, client: Result<Client, Error>, action: &Mail) -> Done {
    let client = || client.map_err(Failure::from);
    match action {
        Mail::Add {
            address,
            client: program,
            shared,
        } => mailboxes::add(context, &client()?, address, program, *shared),
        Mail::List => mailboxes::list(context, &client()?),
        Mail::Remove {
            address,
            client: program,
        } => mailboxes::remove(context, &client()?, address, program.as_deref()),
        Mail::Rotate {
            address,
            client: program,
        } => mailboxes::rotate(context, &client()?, address, program.as_deref()),
        Mail::Test { address } => mailboxes::test(context, &client()?, address),
        Mail::Config(wanted) => config::run(context, &client()?, wanted),
        Mail::Journal { verify: true, .. } => journal::verify(context, &client()?),
        Mail::Journal { after, limit, .. } => journal::list(context, &client()?, *after, *limit),
        // The only one that does not concern the daemon.
        Mail::Protect {
            files,
            output,
            name,
            force,
        } => protect::run(context, files, output, name.as_deref(), *force),
    }
}

/// The mailbox of this address, capitals aside.
fn find<'a>(mailboxes: &'a [Mailbox], address: &str) -> Result<&'a Mailbox, Failure> {
    let mut mailboxes = mailboxes.iter();
    let found = mailboxes.find(|mailbox| mailbox.address.eq_ignore_ascii_case(address));
    found.ok_or_else(|| {
        Problem::new(Code::MailMailboxUnknown)
            .with("address", address)
            .into()
    })
}
