//! `cps events`.

use std::process::ExitCode;

use cps_api::types::EventKind;
use cps_api::{Client, ServerEvent};
use serde_json::json;

use super::{Context, Done};
use crate::output::{plain, print};

/// Shows changes as they happen, until the daemon stops.
pub(super) fn run(context: &Context, client: &Client) -> Done {
    for event in client.events()? {
        let event = event?;
        if context.json {
            let line = json!({
                "event": event.name,
                "reader": event.event.reader,
                "card": event.event.card,
            });
            print(&format!("{line}\n"))?;
        } else {
            print(&format!("{}\n", plain(&words(context, &event))))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn words(context: &Context, event: &ServerEvent) -> String {
    let what = match event.kind() {
        Some(EventKind::CardInserted) => context.pick("carte insérée", "card inserted"),
        Some(EventKind::CardReady) => context.pick("carte prête", "card ready"),
        Some(EventKind::CardRemoved) => context.pick("carte retirée", "card removed"),
        Some(EventKind::CardReset) => context.pick("carte réinitialisée", "card reset"),
        Some(EventKind::Login) => context.pick("code vérifié", "PIN verified"),
        Some(EventKind::Logout) => context.pick("carte verrouillée", "card locked"),
        Some(EventKind::PcscStarted) => context.pick("pcscd en marche", "pcscd running"),
        Some(EventKind::PcscStopped) => context.pick("pcscd arrêté", "pcscd stopped"),
        Some(EventKind::PromptClosed) => context.pick("fenêtre fermée", "window closed"),
        Some(EventKind::PromptOpened) => {
            context.pick("une fenêtre vous attend", "a window waits for you")
        }
        Some(EventKind::ReaderAdded) => context.pick("lecteur branché", "reader plugged in"),
        Some(EventKind::ReaderRemoved) => context.pick("lecteur débranché", "reader unplugged"),
        None => &event.name,
    };
    let details = [event.event.card.as_deref(), event.event.reader.as_deref()];
    let details: Vec<&str> = details.into_iter().flatten().collect();
    match details.is_empty() {
        true => what.to_owned(),
        false => format!("{what} ({})", details.join(", ")),
    }
}
