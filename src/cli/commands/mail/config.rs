//! `cps mail config`.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cps_api::types::{Mail, Mailbox};
use cps_api::{Client, Code, Problem};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::{Context, Done};
use super::{find, mailboxes};
use crate::arguments::{MailConfig, Program};
use crate::clients::{Account, Settings, Tunnel};
use crate::failure::Failure;
use crate::files::Replacement;
use crate::output::plain;
use crate::setup::Workstation;

/// Prints or writes the settings of a mail program.
pub(super) fn run(context: &Context, client: &Client, wanted: &MailConfig) -> Done {
    let program = wanted.program;
    if wanted.tunnel && !program.tunnels() {
        let problem = Problem::new(Code::MailTunnelUnsupported);
        return Err(problem.with("program", program.as_str()).into());
    }
    let mail = client.mail()?;
    let mailbox = find(&mail.mailboxes, &wanted.address)?;
    let account = account(&mail, mailbox, wanted)?;
    let settings = program.settings(&account);
    let Some(out) = &wanted.out else {
        return printed(context, &settings);
    };
    let files = places(out, &settings);
    if !wanted.force {
        for (path, _) in &files {
            if fs::symlink_metadata(path).is_ok() {
                return Err(exists(path));
            }
        }
    }
    if settings.iter().any(|file| file.name.is_some()) {
        fs::create_dir_all(out).map_err(|error| Failure::writing(&shown(out), &error))?;
    }
    for (path, content) in &files {
        write(path, content, wanted.force)?;
    }
    // Last: a password that was made and is not told would be one to revoke.
    let password = match wanted.new_password {
        false => None,
        true => {
            let name = wanted.client.as_deref().unwrap_or(program.as_str());
            let asked = mailboxes::replacing(mailbox, name);
            let made = client.make_mail_password(&mailbox.address, &asked)?;
            Some(Zeroizing::new(made.password))
        }
    };
    let kept = program.reads_password_file();
    if kept && let Some(password) = &password {
        let folder = account.password.parent().unwrap_or_else(|| Path::new("/"));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Failure::writing(&shown(folder), &error))?;
        write(&account.password, &format!("{}\n", **password), true)?;
    }
    let paths: Vec<String> = files.iter().map(|(path, _)| shown(path)).collect();
    let shown_password = password.as_ref().filter(|_| !kept);
    let document = json!({
        "program": program.as_str(),
        "files": paths,
        "password": shown_password.map(|password| password.as_str()),
        "password_file": kept.then(|| shown(&account.password)),
    });
    context.show(&document, |_| {
        let mut lines = String::default();
        for path in &paths {
            let written = context.pick("Réglages écrits\u{a0}:", "Settings written:");
            lines.push_str(&format!("{written} {}\n", plain(path)));
        }
        if let Some(password) = shown_password {
            let label = context.pick("Mot de passe\u{a0}:", "Password:");
            lines.push_str(&format!("{label} {}\n", **password));
        }
        lines.push_str(&next(context, program, &account, password.is_some()));
        lines
    })
}

/// What remains to be done.
fn next(context: &Context, program: Program, account: &Account, made: bool) -> String {
    let file = plain(&shown(&account.password));
    match (program.reads_password_file(), made) {
        (true, true) => {
            let kept = context.pick(
                "Mot de passe, que vous seul pouvez lire\u{a0}:",
                "Password, which only you can read:",
            );
            format!("{kept} {file}\n")
        }
        (true, false) => {
            let left = context.pick(
                "Mettez le mot de passe dans ce fichier, que vous seul devez pouvoir lire (ou ajoutez --new-password)\u{a0}:",
                "Put the password into this file, which only you must be able to read (or add --new-password):",
            );
            format!("{left} {file}\n")
        }
        (false, _) => context
            .pick(
                "Le logiciel demandera le mot de passe une fois.\n",
                "The program will ask for the password once.\n",
            )
            .to_owned(),
    }
}

fn account(mail: &Mail, mailbox: &Mailbox, wanted: &MailConfig) -> Result<Account, Failure> {
    let closed = || Failure::from(Problem::new(Code::MailClosed));
    let place = |place: &Option<String>| -> Option<SocketAddr> { place.as_ref()?.parse().ok() };
    let tunnel = match wanted.tunnel {
        false => None,
        true => Some(Tunnel {
            cps: env::current_exe().map_err(|error| Failure::reading("cps", &error))?,
            smtp: mail.smtp_socket.as_ref().ok_or_else(closed)?.into(),
        }),
    };
    let name = format!("{}.{}", mailbox.address, wanted.program.as_str());
    Ok(Account {
        address: mailbox.address.clone(),
        name: mailbox.holder.clone(),
        imap: place(&mail.imap).ok_or_else(closed)?,
        smtp: place(&mail.smtp).ok_or_else(closed)?,
        autoconfig: place(&mail.autoconfig),
        tunnel,
        password: Workstation::new()?.config.join("cpsd/passwords").join(name),
    })
}

fn printed(context: &Context, settings: &[Settings]) -> Done {
    let documents: Vec<Value> = settings
        .iter()
        .map(|file| json!({"name": file.name, "content": file.content}))
        .collect();
    context.show(&json!({ "files": documents }), |_| {
        let mut lines = String::default();
        for file in settings {
            if let Some(name) = &file.name {
                lines.push_str(&format!("# {name}\n"));
            }
            lines.push_str(&file.content);
        }
        lines
    })
}

/// Where each file goes.
fn places<'a>(out: &Path, settings: &'a [Settings]) -> Vec<(PathBuf, &'a str)> {
    let place = |file: &'a Settings| match &file.name {
        Some(name) => (out.join(name), file.content.as_str()),
        None => (out.to_owned(), file.content.as_str()),
    };
    settings.iter().map(place).collect()
}

/// Writes a file that only its owner reads.
fn write(path: &Path, content: &str, replace: bool) -> Result<(), Failure> {
    let written = || -> io::Result<()> {
        let mut file = Replacement::private(path)?;
        file.write_all(content.as_bytes())?;
        match replace {
            true => file.commit(),
            false => file.commit_new(),
        }
    };
    written().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Failure::writing(&shown(path), &error),
    })
}

fn exists(path: &Path) -> Failure {
    let problem = Problem::new(Code::FileExists);
    problem.with("file", shown(path)).into()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
