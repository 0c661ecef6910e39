//! The mail gateway: where programs connect, and which mailboxes cannot be opened.

use cps_api::types::{Finding, Level};
use cps_api::{Code, Problem};

use super::{told, well};
use crate::app::App;
use crate::mail::autoconfig::Place;
use crate::mail::mailboxes::Source;

/// Nothing for who has no mailbox.
pub(super) fn examine(app: &App) -> Vec<Finding> {
    let mail = &app.mail;
    let mut findings = Vec::new();
    if let Some(file) = mail.mailboxes.set_aside() {
        let problem = Problem::new(Code::MailStateDamaged);
        let problem = problem.with("file", file.display().to_string());
        findings.push(told(Level::Warning, "mail", &problem));
    }
    let mailboxes = mail.mailboxes.list();
    if mailboxes.is_empty() {
        return findings;
    }
    let places = mail.gateway.places();
    if let (Some(imap), Some(smtp)) = (places.imap, places.smtp) {
        let (count, sessions) = (mailboxes.len(), mail.gateway.sessions());
        findings.push(well(
            "mail",
            format!(
                "Messagerie : {count} boîte(s), IMAP sur {imap}, SMTP sur {smtp}, {sessions} \
                 session(s)."
            ),
            format!(
                "Mail: {count} mailbox(es), IMAP on {imap}, SMTP on {smtp}, {sessions} session(s)."
            ),
        ));
    }
    let mut problems = places.problems;
    if let Place::Failed(reason) = mail.autoconfig.place() {
        let place = format!("mail.autoconfig = {}", app.config.mail.autoconfig);
        problems.push((place, reason));
    }
    findings.extend(problems.into_iter().map(|(place, reason)| {
        let problem = Problem::new(Code::MailPortUnavailable);
        let problem = problem
            .with("address", place.as_str())
            .with("reason", reason);
        told(Level::Error, &place, &problem)
    }));
    let withdrawn = mailboxes
        .iter()
        .filter(|one| one.source == Source::Withdrawn);
    findings.extend(withdrawn.map(|one| {
        let address = one.address.to_string();
        let problem = Problem::new(Code::MailOperatorWithdrawn).with("address", address.as_str());
        told(Level::Error, &address, &problem)
    }));
    if mail.conduct.is_quiet() {
        let problem = Code::PinCancelled.into();
        findings.push(told(Level::Warning, "mail", &problem));
    }
    findings
}
