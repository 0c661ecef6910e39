//! `/v1/mail`: the gateway, its mailboxes and their application passwords.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use cps_api::{Code, Problem, types};
use cps_identity::Practitioner;
use cps_mail::{Address, Protocol, Trouble};
use jiff::Timestamp;

use super::extract::{Json, Nothing, Query};
use super::problem::Refusal;
use super::wire::{mail as wire, trial::trial};
use super::{blocking, identity};
use crate::app::App;
use crate::journal::Record;
use crate::mail::mailboxes::{Mailbox, MailboxError, Source};
use crate::mail::{resolve, upstream};
use crate::server::Connection;

pub(super) async fn read(
    State(app): State<Arc<App>>,
    Query(Nothing {}): Query<Nothing>,
) -> axum::Json<types::Mail> {
    axum::Json(wire::mail(&app.mail))
}

/// The operator is looked for before anything is kept; the card is not used.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    connection: Connection,
    Json(wanted): Json<types::NewMailbox>,
) -> Result<axum::Json<types::AddedMailbox>, Refusal> {
    let address = parse(&wanted.address)?;
    let client = client(&wanted.client)?;
    if app.mail.mailboxes.find(&address).is_some() {
        return Err(MailboxError::Exists(address).into());
    }
    let card = app.person_card(wanted.card.as_deref()).await?;
    let (holder, _) = identity::holder(&card)?;
    let (operator, source) = resolve::operator(&address, &app.config, &app.trust).await?;
    let mailboxes = app.mail.mailboxes.clone();
    let (mailbox, secret) = blocking(move || {
        let (password, secret) = mailboxes.random_password(&client)?;
        let mailbox = Mailbox {
            address,
            operator,
            source,
            holder: holder.national_id.to_string(),
            holder_name: name(&holder),
            shared: wanted.shared,
            passwords: vec![password],
            created: Timestamp::now(),
        };
        mailboxes.add(mailbox.clone())?;
        Ok::<_, MailboxError>((mailbox, secret))
    })
    .await??;
    note(&app, &connection, "mail_add", &mailbox.address, None).await?;
    Ok(axum::Json(types::AddedMailbox {
        mailbox: wire::mailbox(&mailbox),
        password: secret.to_string(),
    }))
}

pub(super) async fn remove(
    State(app): State<Arc<App>>,
    connection: Connection,
    Path(address): Path<String>,
) -> Result<StatusCode, Refusal> {
    let address = parse(&address)?;
    let mailboxes = app.mail.mailboxes.clone();
    let removed = blocking(move || mailboxes.remove(&address)).await??;
    note(&app, &connection, "mail_remove", &removed.address, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn make_password(
    State(app): State<Arc<App>>,
    connection: Connection,
    Path(address): Path<String>,
    Json(wanted): Json<types::NewMailPassword>,
) -> Result<axum::Json<types::MadeMailPassword>, Refusal> {
    let address = parse(&address)?;
    let client = client(&wanted.client)?;
    let (mailboxes, at) = (app.mail.mailboxes.clone(), address.clone());
    let (password, secret) =
        blocking(move || mailboxes.new_password(&at, &client, wanted.replace.as_deref())).await??;
    let id = Some(password.id.as_str());
    note(&app, &connection, "mail_password", &address, id).await?;
    Ok(axum::Json(types::MadeMailPassword {
        id: password.id,
        client: password.client,
        password: secret.to_string(),
    }))
}

pub(super) async fn revoke_password(
    State(app): State<Arc<App>>,
    connection: Connection,
    Path((address, id)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let address = parse(&address)?;
    let (mailboxes, at, name) = (app.mail.mailboxes.clone(), address.clone(), id.clone());
    blocking(move || mailboxes.revoke(&at, &name)).await??;
    note(&app, &connection, "mail_revoke", &address, Some(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens the mailbox at both servers, one after the other: the person is asked once.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    connection: Connection,
    Path(address): Path<String>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<types::MailTest>, Refusal> {
    let address = parse(&address)?;
    let mailbox = app.mail.mailboxes.find(&address);
    let mailbox = mailbox.ok_or(MailboxError::Unknown(address))?;
    let language = app.mail.settings(&app.config).language;
    let of = async |protocol| {
        let outcome = match mailbox.source {
            Source::Withdrawn => Err(Trouble::Unreachable),
            _ => upstream::test(&app, &connection.caller, &mailbox, protocol).await,
        };
        trial(outcome, protocol, language)
    };
    Ok(axum::Json(types::MailTest {
        imap: of(Protocol::Imap).await,
        smtp: of(Protocol::Smtp).await,
    }))
}

/// Writes in the journal what was done, and to which mailbox and password.
async fn note(
    app: &App,
    connection: &Connection,
    operation: &str,
    address: &Address,
    password: Option<&str>,
) -> Result<(), Refusal> {
    let note = match password {
        Some(id) => format!("{address}, {id}"),
        None => address.to_string(),
    };
    let record = Record {
        note: Some(note),
        ..Record::of(operation, &connection.caller)
    };
    Ok(app.broker.note(record).await?)
}

fn parse(address: &str) -> Result<Address, Refusal> {
    Address::parse(address).map_err(|_| {
        Problem::new(Code::MailAddressInvalid)
            .with("address", address)
            .into()
    })
}

/// The name of a mail program, to be shown in lists.
fn client(name: &str) -> Result<String, Refusal> {
    let known = (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    match known && !name.trim().is_empty() {
        true => Ok(name.to_owned()),
        false => Err(Refusal::bad_request("client: 1 to 64 visible characters")),
    }
}

/// What a person is called; those of service cards have only a number.
fn name(holder: &Practitioner) -> String {
    let names = [&holder.given_name, &holder.family_name];
    let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
    match names.is_empty() {
        true => holder.national_id.to_string(),
        false => names.join(" "),
    }
}
