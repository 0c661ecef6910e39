//! `cps journal`.

use std::process::ExitCode;

use cps_api::types::{self, JournalEntry};
use cps_api::{Client, Code, Error, Problem};

use super::{Context, Done};
use crate::arguments::Journal;
use crate::output::{Table, print_json};
use crate::text;

/// Shows entries of the journal, or checks it.
pub(super) fn run(context: &Context, client: &Client, action: Option<&Journal>) -> Done {
    match action {
        None => list(context, client, None, None),
        Some(Journal::List { after, limit }) => list(context, client, *after, *limit),
        Some(Journal::Verify) => verify(context, client),
    }
}

fn list(context: &Context, client: &Client, after: Option<u64>, limit: Option<u32>) -> Done {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let journal = match after {
        Some(after) => client.journal(Some(after), Some(limit))?,
        None => last(client, limit)?,
    };
    context.show(&journal, |journal| {
        let mut table = Table::default();
        for entry in &journal.entries {
            row(context, entry, &mut table);
        }
        let mut lines = table.render();
        if journal.entries.is_empty() {
            lines.push_str(context.pick("Aucune utilisation.\n", "No use.\n"));
        }
        if !journal.verified {
            lines.push_str(context.pick(
                "ATTENTION : la chaîne de ces entrées est rompue ; voyez « cps journal verify ».\n",
                "WARNING: the chain of these entries is broken; see 'cps journal verify'.\n",
            ));
        }
        lines
    })
}

/// The last entries. Their numbers are not known beforehand: pages are read up to the end, from where
/// the number of entries says that the last ones begin.
fn last(client: &Client, limit: u32) -> Result<types::Journal, Error> {
    let count = client.verify_journal()?.entries;
    let mut after = count.saturating_sub(limit.into());
    let mut all = types::Journal::default();
    loop {
        let page = client.journal(Some(after), Some(limit))?;
        all.verified = page.verified;
        let Some(last) = page.entries.last().filter(|last| last.sequence > after) else {
            return Ok(all);
        };
        after = last.sequence;
        all.entries.extend(page.entries);
        let excess = all.entries.len().saturating_sub(limit as usize);
        all.entries.drain(..excess);
    }
}

fn row(context: &Context, entry: &JournalEntry, table: &mut Table) {
    table.row([
        &entry.sequence.to_string(),
        &text::date_time(context.lang, &entry.at),
        text::operation(context.lang, &entry.operation),
        &entry.caller.display,
        entry.destination.as_deref().unwrap_or("-"),
        entry.card.as_deref().unwrap_or("-"),
        &entry.result,
        entry.note.as_deref().unwrap_or_default(),
    ]);
}

fn verify(context: &Context, client: &Client) -> Done {
    let verification = client.verify_journal()?;
    if verification.verified {
        return context.show(&verification, |verification| {
            let whole = context.pick(
                "Journal intact, entrées vérifiées\u{a0}:",
                "Journal whole, entries checked:",
            );
            format!("{whole} {}\n", verification.entries)
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
