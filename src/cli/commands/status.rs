//! `cps status`.

use cps_api::Client;
use cps_api::types::{Card, CardPhase, PcscState, Reader, ReaderState, Status};
use serde::Serialize;

use super::{Context, Done};
use crate::output::Table;
use crate::text;

/// Shows the service, the readers and the cards.
pub(super) fn run(context: &Context, client: &Client) -> Done {
    let overview = Overview {
        daemon: client.status()?,
        readers: client.readers()?.readers,
        cards: client.cards()?.cards,
    };
    context.show(&overview, |overview| {
        let mut lines = daemon(context, &overview.daemon);
        if overview.readers.is_empty() {
            let none = context.pick("Aucun lecteur branché.\n", "No reader plugged in.\n");
            lines.push_str(none);
        }
        lines.push_str(&readers(context, &overview.readers));
        for card in &overview.cards {
            lines.push('\n');
            lines.push_str(&card_lines(context, card));
        }
        lines
    })
}

#[derive(Serialize)]
struct Overview {
    daemon: Status,
    readers: Vec<Reader>,
    cards: Vec<Card>,
}

fn daemon(context: &Context, status: &Status) -> String {
    let since = text::date_time(context.lang, &status.started_at);
    let pcsc = match status.pcsc {
        PcscState::Running => context.pick("en marche", "running"),
        _ => context.pick("arrêté", "stopped"),
    };
    let mut table = Table::default();
    let service = format!(
        "cpsd {}, {} {since}",
        status.version,
        context.pick("depuis le", "since")
    );
    table.row([context.pick("Service", "Service"), &service]);
    table.row([
        context.pick("Lecteurs de carte (pcscd)", "Card readers (pcscd)"),
        pcsc,
    ]);
    table.render()
}

fn readers(context: &Context, readers: &[Reader]) -> String {
    let mut table = Table::default();
    for reader in readers {
        let state = match reader.state {
            ReaderState::Card => context.pick("carte", "card"),
            ReaderState::Empty => context.pick("vide", "empty"),
            ReaderState::Mute => context.pick("carte muette", "mute card"),
            ReaderState::Unavailable => context.pick("indisponible", "unavailable"),
            ReaderState::UnknownCard => context.pick("carte inconnue", "unknown card"),
            ReaderState::Other => "?",
        };
        let card = reader.card.as_deref().unwrap_or_default();
        table.row([
            context.pick("Lecteur", "Reader"),
            &reader.name,
            &format!("{state} {card}"),
        ]);
    }
    table.render()
}

fn card_lines(context: &Context, card: &Card) -> String {
    let mut table = Table::default();
    let kind = text::card_kind(context.lang, card.kind);
    table.row([
        context.pick("Carte", "Card"),
        &format!("{} ({kind})", card.serial),
    ]);
    table.field(
        context.pick("Numéro imprimé", "Printed number"),
        card.card_number.as_deref(),
    );
    let state = match card.state {
        CardPhase::Reading => context.pick("en cours de lecture", "being read"),
        CardPhase::Ready => context.pick("prête", "ready"),
        CardPhase::Unusable => context.pick("inutilisable", "unusable"),
        CardPhase::Other => "?",
    };
    table.row([context.pick("État", "State"), state]);
    let mut login = match card.logged_in {
        true => context.pick("vérifié", "verified").to_owned(),
        false => context.pick("non vérifié", "not verified").to_owned(),
    };
    if let Some(left) = card.pin.tries_left {
        login.push_str(&format!(
            ", {} {left}",
            context.pick("essais restants :", "tries left:")
        ));
    }
    table.row([context.pick("Code", "PIN"), &login]);
    for certificate in &card.certificates {
        let usage = text::certificate_use(context.lang, certificate);
        let until = text::date(context.lang, &certificate.not_after);
        let trust = text::trust(context.lang, &certificate.trust);
        let until_word = context.pick("jusqu'au", "until");
        let line = format!("{usage}, {until_word} {until}, {trust}");
        table.row([context.pick("Certificat", "Certificate"), &line]);
    }
    if !card.warnings.is_empty() {
        table.row([
            context.pick("Attention", "Warning"),
            &warnings(context, card),
        ]);
    }
    table.render()
}

/// The warnings in words; a code that this version does not know as it is.
fn warnings(context: &Context, card: &Card) -> String {
    let sentence = |code: &String| match code.parse::<cps_api::Code>() {
        Ok(known) => {
            let sentence = known.sentence(context.lang, &serde_json::Map::new());
            format!("{sentence} [{code}]")
        }
        Err(_) => code.clone(),
    };
    let sentences: Vec<String> = card.warnings.iter().map(sentence).collect();
    sentences.join(" ")
}
