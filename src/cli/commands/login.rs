//! `cps login`, `cps lock`, `cps pin`. The PIN is asked by the daemon, in a window of its own.

use cps_api::Client;
use cps_api::types::PinState;

use super::{Context, Done};
use crate::arguments::Pin;
use crate::output::plain;

/// Verifies the PIN.
pub(super) fn login(context: &Context, client: &Client) -> Done {
    let login = client.login(context.card())?;
    context.show(&login, |login| {
        let done = context.pick("code vérifié.", "PIN verified.");
        format!("{}: {done}\n", card(context, &login.card))
    })
}

/// Ends the login.
pub(super) fn lock(context: &Context, client: &Client) -> Done {
    let locked = client.lock(context.card())?;
    context.show(&locked, |locked| {
        if locked.locked.is_empty() {
            let none = context.pick("Aucun code n'était vérifié.\n", "No PIN was verified.\n");
            return none.to_owned();
        }
        let done = context.pick("verrouillée.", "locked.");
        let lines = locked.locked.iter();
        lines
            .map(|serial| format!("{}: {done}\n", card(context, serial)))
            .collect()
    })
}

/// Changes or unblocks the PIN.
pub(super) fn pin(context: &Context, client: &Client, action: &Pin) -> Done {
    let (state, done) = match action {
        Pin::Change => {
            let state = client.change_pin(context.card())?;
            (state, context.pick("code changé.", "PIN changed."))
        }
        Pin::Unblock => {
            let state = client.unblock_pin(context.card())?;
            (state, context.pick("carte débloquée.", "card unblocked."))
        }
    };
    context.show(&state, |state: &PinState| {
        let mut line = format!("{}: {done}", card(context, &state.card));
        if let Some(left) = state.tries_left {
            let tries = context.pick("Essais possibles :", "Tries allowed:");
            line.push_str(&format!(" {tries} {left}."));
        }
        line.push('\n');
        line
    })
}

fn card(context: &Context, serial: &str) -> String {
    // French puts a no-break space before the colon.
    let space = context.pick("\u{a0}", "");
    format!("{} {}{space}", context.pick("Carte", "Card"), plain(serial))
}
