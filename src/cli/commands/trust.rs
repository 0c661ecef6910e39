//! `cps trust`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cps_api::types::{Anchor, CrlState, Imported};
use cps_api::{Client, Problem};

use super::{Context, Done};
use crate::arguments::Trust;
use crate::failure::{Failure, say};
use crate::output::{Table, print_json};
use crate::text;

/// Shows the authorities, or imports some.
pub(super) fn run(context: &Context, client: &Client, action: &Trust) -> Done {
    match action {
        Trust::List => list(context, client),
        Trust::Import { files } => import(context, client, files),
    }
}

fn list(context: &Context, client: &Client) -> Done {
    let trust = client.trust()?;
    context.show(&trust, |trust| {
        let mut table = Table::default();
        for anchor in &trust.anchors {
            row(context, anchor, &mut table);
        }
        let mut lines = table.render();
        if trust.anchors.iter().any(|anchor| !anchor.present) {
            lines.push_str(context.pick(
                "\nImportez les certificats manquants avec « cps trust import FICHIER ».\n",
                "\nImport the missing certificates with 'cps trust import FILE'.\n",
            ));
        }
        let mut table = Table::default();
        for crl in &trust.crls {
            let state = match crl.state {
                CrlState::Current => context.pick("à jour", "current"),
                CrlState::Grace => context.pick("en retard, encore admise", "late, still accepted"),
                CrlState::Missing => context.pick("jamais obtenue", "never fetched"),
                CrlState::Stale => context.pick("périmée", "stale"),
                CrlState::Other => "?",
            };
            // The issuer is in the list: of one never fetched, only the address is known.
            let issuer = match crl.issuer.is_empty() {
                true => crl.url.as_deref().unwrap_or("-"),
                false => &crl.issuer,
            };
            let next = crl
                .next_update
                .as_deref()
                .map(|at| text::date_time(context.lang, at));
            let name = context.pick("Liste de révocation", "Revocation list");
            table.row([name, issuer, state, next.as_deref().unwrap_or("-")]);
        }
        let crls = table.render();
        if !crls.is_empty() {
            lines.push('\n');
            lines.push_str(&crls);
        }
        lines
    })
}

fn import(context: &Context, client: &Client, files: &[PathBuf]) -> Done {
    let mut all = Imported::default();
    let mut status = ExitCode::SUCCESS;
    for file in files {
        let imported = read(file).and_then(|bytes| Ok(client.import_anchors(&bytes)?));
        match imported {
            Ok(mut imported) => {
                all.imported.append(&mut imported.imported);
                all.already_present.append(&mut imported.already_present);
            }
            // One bad file does not keep the others out.
            Err(Failure::Problem(problem)) => {
                say(&named(*problem, file), context.lang, context.json);
                status = ExitCode::FAILURE;
            }
            Err(other) => return Err(other),
        }
    }
    if context.json {
        print_json(&all)?;
    } else {
        let mut table = Table::default();
        for anchor in all.imported.iter().chain(&all.already_present) {
            row(context, anchor, &mut table);
        }
        crate::output::print(&table.render())?;
    }
    Ok(status)
}

fn row(context: &Context, anchor: &Anchor, table: &mut Table) {
    let state = match anchor.present {
        true => context.pick("présent", "present"),
        false => context.pick("à importer", "to import"),
    };
    let until = anchor
        .not_after
        .as_deref()
        .map(|end| text::date(context.lang, end));
    table.row([
        &anchor.name,
        state,
        until.as_deref().unwrap_or("-"),
        &anchor.fingerprint_sha256,
    ]);
}

/// The problem, which tells the file it is about.
fn named(problem: Problem, file: &Path) -> Problem {
    let file = file.display();
    let detail = match problem.detail == problem.en {
        true => file.to_string(),
        false => format!("{file}: {}", problem.detail),
    };
    problem.detail(detail)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::reading(&file.display().to_string(), &error);
    let mut bytes = Vec::default();
    let opened = File::open(file).map_err(failed)?;
    opened
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// Longest file of certificates, in bytes.
const MAX_FILE: u64 = 1 << 20;
