//! `cps mail journal`.

use std::process::ExitCode;

use cps_api::types::{MailJournal, MailJournalEntry};
use cps_api::{Client, Code, Error, Problem};

use super::super::{Context, Done};
use crate::output::{Table, print_json};
use crate::text;

/// Shows the last entries, or those after one.
pub(super) fn list(
    context: &Context,
    client: &Client,
    after: Option<u64>,
    limit: Option<u32>,
) -> Done {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let journal = match after {
        Some(after) => client.mail_journal(Some(after), Some(limit))?,
        None => last(client, limit)?,
    };
    context.show(&journal, |journal| {
        let mut table = Table::default();
        for entry in &journal.entries {
            row(context, entry, &mut table);
        }
        let mut lines = table.render();
        if journal.entries.is_empty() {
            lines.push_str(context.pick("Aucune action.\n", "No action.\n"));
        }
        if !journal.verified {
            lines.push_str(context.pick(
                "ATTENTION : la chaîne de ces entrées est rompue ; voyez « cps mail journal --verify ».\n",
                "WARNING: the chain of these entries is broken; see 'cps mail journal --verify'.\n",
            ));
        }
        lines
    })
}

/// The last entries: pages are read to the end, because old entries are deleted and nobody counts.
fn last(client: &Client, limit: u32) -> Result<MailJournal, Error> {
    let mut all = MailJournal::default();
    let mut after = 0;
    loop {
        let page = client.mail_journal(Some(after), Some(PAGE))?;
        all.verified = page.verified && (after == 0 || all.verified);
        let Some(last) = page.entries.last().filter(|last| last.sequence > after) else {
            return Ok(all);
        };
        after = last.sequence;
        all.entries.extend(page.entries);
        let excess = all.entries.len().saturating_sub(limit as usize);
        all.entries.drain(..excess);
    }
}

fn row(context: &Context, entry: &MailJournalEntry, table: &mut Table) {
    table.row([
        &entry.sequence.to_string(),
        &text::date_time(context.lang, &entry.at),
        entry.author.as_deref().unwrap_or("-"),
        entry.mailbox.as_deref().unwrap_or("-"),
        action(context, &entry.action),
        entry.program.as_deref().unwrap_or("-"),
        &entry.request,
        "→",
        entry.answer.as_deref().unwrap_or("-"),
    ]);
}

/// What was done, in words; a newer daemon's action as it is.
fn action<'a>(context: &Context, word: &'a str) -> &'a str {
    words(word).map_or(word, |(fr, en)| context.pick(fr, en))
}

/// An action in French and in English.
fn words(action: &str) -> Option<(&'static str, &'static str)> {
    Some(match action {
        "append" => ("dépôt", "store"),
        "compress" => ("compression", "compression"),
        "copy" => ("copie", "copy"),
        "delete" => ("suppression", "delete"),
        "login" => ("ouverture", "opening"),
        "lost" => ("actions non notées", "actions not noted"),
        "move" => ("déplacement", "move"),
        "pruned" => ("entrées échues retirées", "old entries removed"),
        "recovered" => ("journal repris", "journal recovered"),
        "send" => ("envoi", "send"),
        _ => return None,
    })
}

/// Checks the whole journal.
pub(super) fn verify(context: &Context, client: &Client) -> Done {
    let verification = client.verify_mail_journal()?;
    if verification.verified {
        return context.show(&verification, |verification| {
            let whole = context.pick(
                "Journal intact, entrées vérifiées\u{a0}:",
                "Journal whole, entries checked:",
            );
            let mut line = format!("{whole} {}", verification.entries);
            if let Some(first) = verification.begins_at {
                let since = context.pick(
                    ", à partir du numéro {first}, le premier conservé",
                    ", from number {first}, the first that is kept",
                );
                line.push_str(&since.replace("{first}", &first.to_string()));
            }
            line + "\n"
        });
    }
    if context.json {
        print_json(&verification)?;
        return Ok(ExitCode::FAILURE);
    }
    let mut problem = Problem::new(Code::JournalBroken);
    if let Some(sequence) = verification.broken_at {
        problem = problem.with("sequence", sequence);
    }
    if let Some(detail) = verification.detail {
        problem = problem.detail(detail);
    }
    Err(problem.into())
}

/// How many entries are shown when no number is asked.
const DEFAULT_LIMIT: u32 = 100;

/// The largest page that the daemon gives.
const PAGE: u32 = 1000;

#[cfg(test)]
mod tests {
    use cps_api::types::MAIL_ACTIONS;

    use super::*;

    #[test]
    fn every_action_has_words() {
        let missing = MAIL_ACTIONS.map(|action| words(action).is_none().then_some(action));
        assert_eq!(missing, [None; MAIL_ACTIONS.len()]);
    }
}
