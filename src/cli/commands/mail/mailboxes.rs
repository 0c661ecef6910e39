//! Mailboxes and their application passwords.

use std::process::ExitCode;

use cps_api::types::{Mail, MailServer, MailTrial, Mailbox, NewMailPassword, NewMailbox};
use cps_api::{Client, Code, Problem};
use serde_json::json;

use super::super::{Context, Done};
use super::find;
use crate::failure::Failure;
use crate::output::{Table, plain, print, print_json};
use crate::text;

/// Adds a mailbox; shows how a mail program is set up.
pub(super) fn add(
    context: &Context,
    client: &Client,
    address: &str,
    program: &str,
    shared: bool,
) -> Done {
    let added = client.add_mailbox(&NewMailbox {
        address: address.to_owned(),
        client: program.to_owned(),
        shared,
        card: context.card.clone(),
    })?;
    let mail = client.mail()?;
    let document = json!({
        "mailbox": added.mailbox, "password": added.password,
        "imap": mail.imap, "smtp": mail.smtp, "autoconfig": mail.autoconfig,
    });
    let mailbox = &added.mailbox;
    context.show(&document, |_| {
        let done = context.pick("Boîte ajoutée\u{a0}:", "Mailbox added:");
        let head = plain(&format!("{done} {} ({})", mailbox.address, mailbox.operator));
        let mut table = Table::default();
        table.row([context.pick("Titulaire", "Holder"), &mailbox.holder]);
        for (label, place) in [
            (context.pick("Réception (IMAP)", "Incoming (IMAP)"), &mail.imap),
            (context.pick("Envoi (SMTP)", "Outgoing (SMTP)"), &mail.smtp),
        ] {
            table.row([label, &local(context, place.as_deref())]);
        }
        table.row([context.pick("Identifiant", "User name"), &mailbox.address]);
        table.row([context.pick("Mot de passe", "Password"), &added.password]);
        let advice = context.pick(
            "Ce mot de passe est pour un seul logiciel et n'est affiché qu'ici ; ce n'est pas votre code\n\
             PIN, et il n'ouvre rien sans votre carte.\n\nEnsuite\u{a0}:",
            "This password is for one program and is shown here only; it is not your PIN, and opens\n\
             nothing without your card.\n\nNext:",
        );
        let mut next = Table::default();
        next.row([
            &format!("cps mail test {}", mailbox.address),
            context.pick("vérifie que tout fonctionne", "checks that everything works"),
        ]);
        next.row([
            "cps setup mail --gateway",
            context.pick(
                "Thunderbird se règle par l'adresse seule",
                "Thunderbird sets itself up by the address alone",
            ),
        ]);
        next.row([
            &format!("cps mail config … {}", mailbox.address),
            context.pick("pour les autres logiciels", "for other programs"),
        ]);
        let next: String = next.render().lines().map(|line| format!("  {line}\n")).collect();
        format!("{head}\n\n{}\n{advice}\n{next}", table.render())
    })
}

/// Where a mail program connects.
fn local(context: &Context, place: Option<&str>) -> String {
    let Some((host, port)) = place.and_then(|place| place.rsplit_once(':')) else {
        let closed = context.pick(
            "n'écoute pas (voir cps doctor)",
            "not listening (see cps doctor)",
        );
        return closed.to_owned();
    };
    let words = context.pick(
        "aucune sécurité (ni SSL ni STARTTLS), mot de passe normal",
        "no security (neither SSL nor STARTTLS), normal password",
    );
    let label = context.pick("port", "port");
    format!("{host}, {label} {port}, {words}")
}

/// Shows the gateway and its mailboxes.
pub(super) fn list(context: &Context, client: &Client) -> Done {
    let mail = client.mail()?;
    context.show(&mail, |mail| {
        let mut lines = gateway(context, mail).render();
        for mailbox in &mail.mailboxes {
            lines.push('\n');
            lines.push_str(&described(context, mailbox));
        }
        if mail.mailboxes.is_empty() {
            lines.push_str(context.pick(
                "Aucune boîte : ajoutez la vôtre avec cps mail add ADRESSE.\n",
                "No mailbox: add yours with cps mail add ADDRESS.\n",
            ));
        }
        lines
    })
}

fn gateway(context: &Context, mail: &Mail) -> Table {
    let mut table = Table::default();
    table.field("IMAP", mail.imap.as_deref());
    table.field("SMTP", mail.smtp.as_deref());
    table.field("IMAP, TLS", mail.imaps.as_deref());
    table.field("SMTP, TLS", mail.smtps.as_deref());
    let authority = context.pick("Autorité TLS", "TLS authority");
    table.field(authority, mail.authority.as_deref());
    let settings = context.pick("Réglages (autoconfig)", "Settings (autoconfig)");
    table.field(settings, mail.autoconfig.as_deref());
    table.row([
        context.pick("Sessions ouvertes", "Open sessions"),
        &mail.sessions.to_string(),
    ]);
    table
}

fn described(context: &Context, mailbox: &Mailbox) -> String {
    let mut table = Table::default();
    let shared = match mailbox.shared {
        true => context.pick(" (partagée)", " (shared)"),
        false => "",
    };
    let server = |server: &MailServer| format!("{}:{}", server.host, server.port);
    table.row([context.pick("  Opérateur", "  Operator"), &mailbox.operator]);
    table.row(["  IMAP", &server(&mailbox.imap)]);
    table.row(["  SMTP", &server(&mailbox.smtp)]);
    table.row([context.pick("  Titulaire", "  Holder"), &mailbox.holder]);
    for password in &mailbox.passwords {
        let used = match &password.last_used_at {
            Some(at) => format!(
                "{} {}",
                context.pick("dernier usage", "last used"),
                text::date_time(context.lang, at)
            ),
            None => context.pick("jamais servi", "never used").to_owned(),
        };
        table.row([
            context.pick("  Mot de passe", "  Password"),
            &format!("{}, {used}", password.client),
        ]);
    }
    format!("{}{shared}\n{}", plain(&mailbox.address), table.render())
}

/// Removes a mailbox, or the passwords of one program.
pub(super) fn remove(
    context: &Context,
    client: &Client,
    address: &str,
    program: Option<&str>,
) -> Done {
    let Some(program) = program else {
        client.remove_mailbox(address)?;
        return context.show(&json!({ "removed": address }), |_| {
            let done = context.pick("Boîte retirée\u{a0}:", "Mailbox removed:");
            format!("{done} {}\n", plain(address))
        });
    };
    let mail = client.mail()?;
    let mailbox = find(&mail.mailboxes, address)?;
    let passwords = mailbox.passwords.iter();
    let mut revoked = Vec::default();
    for password in passwords.filter(|password| password.client == program) {
        client.revoke_mail_password(&mailbox.address, &password.id)?;
        revoked.push(password.id.as_str());
    }
    if revoked.is_empty() {
        let problem = Problem::new(Code::MailPasswordUnknown).with("client", program);
        return Err(problem.with("address", mailbox.address.as_str()).into());
    }
    context.show(&json!({ "revoked": revoked }), |_| {
        let done = context.pick("Mot de passe révoqué\u{a0}:", "Password revoked:");
        format!("{done} {}\n", plain(program))
    })
}

/// Makes a new password.
pub(super) fn rotate(
    context: &Context,
    client: &Client,
    address: &str,
    program: Option<&str>,
) -> Done {
    let mail = client.mail()?;
    let mailbox = find(&mail.mailboxes, address)?;
    let program = match program {
        Some(program) => program.to_owned(),
        None => only_program(mailbox)?,
    };
    let made = client.make_mail_password(&mailbox.address, &replacing(mailbox, &program))?;
    context.show(&made, |made| {
        let mut table = Table::default();
        table.row([context.pick("Logiciel", "Program"), &made.client]);
        table.row([context.pick("Identifiant", "User name"), &mailbox.address]);
        table.row([context.pick("Mot de passe", "Password"), &made.password]);
        let advice = context.pick(
            "Il n'est affiché qu'ici ; celui que ce logiciel avait ne vaut plus.\n",
            "It is shown here only; the one that this program had is worth nothing any more.\n",
        );
        format!("{}{advice}", table.render())
    })
}

/// What to ask for a new password of `program` in place of those it has.
pub(super) fn replacing(mailbox: &Mailbox, program: &str) -> NewMailPassword {
    let mut passwords = mailbox.passwords.iter();
    NewMailPassword {
        client: program.to_owned(),
        replace: passwords
            .any(|password| password.client == program)
            .then(|| program.to_owned()),
    }
}

/// The program that has the only passwords.
fn only_program(mailbox: &Mailbox) -> Result<String, Failure> {
    let mut clients: Vec<&str> = mailbox
        .passwords
        .iter()
        .map(|password| password.client.as_str())
        .collect();
    clients.sort_unstable();
    clients.dedup();
    match clients[..] {
        [client] => Ok(client.to_owned()),
        _ => Err(Problem::new(Code::MailClientAmbiguous)
            .with("clients", clients)
            .into()),
    }
}

/// Says what works.
pub(super) fn test(context: &Context, client: &Client, address: &str) -> Done {
    let test = client.test_mailbox(address)?;
    let works = test.imap.ok && test.smtp.ok;
    if context.json {
        print_json(&test)?;
    } else {
        let reading = context.pick("Réception (IMAP)", "Reading (IMAP)");
        let sending = context.pick("Envoi (SMTP)", "Sending (SMTP)");
        print(&tried(context, reading, &test.imap))?;
        print(&tried(context, sending, &test.smtp))?;
    }
    Ok(match works {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn tried(context: &Context, label: &str, trial: &MailTrial) -> String {
    if trial.ok {
        let works = context.pick("fonctionne", "works");
        return format!("✓ {label}\u{a0}: {works}\n");
    }
    let mut lines = match trial.code.as_deref().map(str::parse::<Code>) {
        Some(Ok(code)) => {
            let problem = Problem::new(code);
            let sentence = problem.sentence(context.lang);
            let remedy = problem.remedy(context.lang);
            format!("✗ {label}\u{a0}: {sentence} [{code}]\n  → {remedy}\n")
        }
        _ => {
            let fails = context.pick("ne fonctionne pas", "does not work");
            format!("✗ {label}\u{a0}: {fails}\n")
        }
    };
    if let Some(detail) = &trial.detail {
        lines.push_str(&format!("  ({})\n", plain(detail)));
    }
    if let Some(answer) = &trial.answer {
        let told = context.pick(
            "  réponse à un logiciel de messagerie\u{a0}:",
            "  answer to a mail program:",
        );
        lines.push_str(&format!("{told} {}\n", plain(answer)));
    }
    lines
}
