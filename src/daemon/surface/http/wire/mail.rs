//! The gateway and its mailboxes.

use cps_api::types;

use crate::journal::Entry;
use crate::mail::Mail;
use crate::mail::autoconfig::Place;
use crate::mail::mailboxes::{Mailbox, Source};
use crate::mail::operator::{Endpoint, LoginKind};
use crate::mail::passwords::AppPassword;
use crate::mail::traces::Trace;

pub(in crate::surface::http) fn mail(mail: &Mail) -> types::Mail {
    let places = mail.gateway.places();
    let port = |address: Option<std::net::SocketAddr>| address.map(|place| place.to_string());
    let path = |path: Option<std::path::PathBuf>| path.map(|path| path.display().to_string());
    types::Mail {
        imap: port(places.imap),
        smtp: port(places.smtp),
        autoconfig: match mail.autoconfig.place() {
            Place::Open(address) => Some(address.to_string()),
            Place::Closed | Place::Failed(_) => None,
        },
        imaps: port(places.imaps),
        smtps: port(places.smtps),
        imap_socket: path(places.imap_socket),
        smtp_socket: path(places.smtp_socket),
        authority: path(places.authority),
        mailboxes: mail.mailboxes.list().iter().map(mailbox).collect(),
        sessions: u32::try_from(mail.gateway.sessions()).unwrap_or(u32::MAX),
    }
}

pub(in crate::surface::http) fn mailbox(mailbox: &Mailbox) -> types::Mailbox {
    let operator = &mailbox.operator;
    types::Mailbox {
        address: mailbox.address.to_string(),
        operator: operator.name.clone(),
        source: match mailbox.source {
            Source::Autoconfig => types::OperatorSource::Autoconfig,
            Source::Configuration => types::OperatorSource::Configuration,
            Source::Dns => types::OperatorSource::Dns,
            Source::Withdrawn => types::OperatorSource::Withdrawn,
        },
        imap: server(&operator.imap),
        smtp: server(&operator.smtp),
        login: login(operator.login),
        smtp_login: login(operator.smtp_login),
        shared: mailbox.shared,
        national_id: mailbox.holder.clone(),
        holder: mailbox.holder_name.clone(),
        created_at: mailbox.created.to_string(),
        passwords: mailbox.passwords.iter().map(password).collect(),
    }
}

pub(in crate::surface::http) fn journal_entry(entry: Entry<Trace>) -> types::MailJournalEntry {
    let trace = entry.record;
    let present = |text: String| (!text.is_empty()).then_some(text);
    types::MailJournalEntry {
        sequence: entry.sequence,
        at: trace.at,
        author: present(trace.author),
        mailbox: present(trace.mailbox),
        protocol: present(trace.protocol),
        action: trace.action,
        request: trace.request,
        answer: trace.answer,
        program: present(trace.program),
        hash: entry.hash,
    }
}

fn password(password: &AppPassword) -> types::MailPassword {
    types::MailPassword {
        id: password.id.clone(),
        client: password.client.clone(),
        created_at: password.created.to_string(),
        last_used_at: password.last_used.map(|used| used.to_string()),
    }
}

fn server(endpoint: &Endpoint) -> types::MailServer {
    types::MailServer {
        host: endpoint.host.clone(),
        port: endpoint.port,
        tls: match endpoint.starttls {
            true => types::MailTls::Starttls,
            false => types::MailTls::Implicit,
        },
    }
}

fn login(login: LoginKind) -> types::MailLogin {
    match login {
        LoginKind::Certificate => types::MailLogin::Certificate,
        LoginKind::External => types::MailLogin::External,
        LoginKind::OauthBearer => types::MailLogin::Oauthbearer,
        LoginKind::XOauth2 => types::MailLogin::Xoauth2,
    }
}
