//! `cps identity` and `cps exercises`.

use cps_api::Client;
use cps_api::types::{Billing, Coded, Exercise, Exercises, Identity, Structure};

use super::{Context, Done};
use crate::output::Table;
use crate::text;

/// Shows who the holder of the card is.
pub(super) fn identity(context: &Context, client: &Client) -> Done {
    let identity = client.identity(context.card())?;
    context.show(&identity, |identity| identity_lines(context, identity))
}

/// Shows where and how the holder practises.
pub(super) fn exercises(context: &Context, client: &Client) -> Done {
    let exercises = client.exercises(context.card())?;
    context.show(&exercises, |exercises| exercises_lines(context, exercises))
}

fn identity_lines(context: &Context, identity: &Identity) -> String {
    let lang = context.lang;
    let names = [
        identity.family_name.as_deref(),
        identity.given_name.as_deref(),
    ];
    let names: Vec<&str> = names.into_iter().flatten().collect();
    let mut table = Table::default();
    table.field(context.pick("Nom", "Name"), Some(&names.join(" ")));
    table.field(
        context.pick("Identifiant national", "National identifier"),
        Some(&identity.national_id),
    );
    table.field(context.pick("Titre", "Title"), identity.title.as_deref());
    coded(&mut table, "Profession", identity.profession.as_ref());
    coded(
        &mut table,
        context.pick("En formation", "In training"),
        identity.profession_in_training.as_ref(),
    );
    for specialty in &identity.specialty {
        coded(
            &mut table,
            context.pick("Spécialité", "Specialty"),
            Some(specialty),
        );
    }
    if let Some(structure) = &identity.structure {
        table.field("Structure", Some(&structure_words(structure)));
    }
    let kind = text::card_kind(lang, identity.card.kind);
    let number = identity.card.number.as_deref();
    let card = match number {
        Some(number) => format!("{kind} {} ({number})", identity.card.serial),
        None => format!("{kind} {}", identity.card.serial),
    };
    table.field(context.pick("Carte", "Card"), Some(&card));
    let from = text::date(lang, &identity.valid_from);
    let until = text::date(lang, &identity.valid_until);
    let validity = match lang {
        cps_api::Lang::French => format!("du {from} au {until}"),
        cps_api::Lang::English => format!("{from} to {until}"),
    };
    table.field(context.pick("Validité", "Validity"), Some(&validity));
    table.field(
        context.pick("Certificat", "Certificate"),
        Some(&text::trust(lang, &identity.trust)),
    );
    if identity.test {
        let test = context.pick(
            "carte de test, sans valeur réelle",
            "test card, of no real value",
        );
        table.field(context.pick("Attention", "Warning"), Some(test));
    }
    table.render()
}

fn exercises_lines(context: &Context, exercises: &Exercises) -> String {
    if exercises.exercises.is_empty() {
        return context
            .pick(
                "Aucune situation d'exercice sur cette carte.\n",
                "No practice situation on this card.\n",
            )
            .to_owned();
    }
    let blocks: Vec<String> = exercises
        .exercises
        .iter()
        .map(|exercise| exercise_lines(context, exercise))
        .collect();
    blocks.join("\n")
}

fn exercise_lines(context: &Context, exercise: &Exercise) -> String {
    let mut table = Table::default();
    table.row([
        context.pick("Exercice", "Exercise"),
        &exercise.index.to_string(),
    ]);
    if let Some(structure) = &exercise.structure {
        table.field("Structure", Some(&structure_words(structure)));
    }
    coded(
        &mut table,
        context.pick("Secteur", "Sector"),
        exercise.sector.as_ref(),
    );
    coded(&mut table, "Mode", exercise.mode.as_ref());
    coded(
        &mut table,
        context.pick("Spécialité ADELI", "ADELI specialty"),
        exercise.adeli_specialty.as_ref(),
    );
    coded(
        &mut table,
        context.pick("Tableau de l'ordre", "Pharmacists' table"),
        exercise.pharmacist_table.as_ref(),
    );
    if let Some(billing) = &exercise.billing {
        billing_lines(context, billing, &mut table);
    }
    for field in &exercise.unknown {
        let label = format!("{} {}", context.pick("Champ", "Field"), field.tag);
        table.field(&label, Some(&field.value));
    }
    table.render()
}

fn billing_lines(context: &Context, billing: &Billing, table: &mut Table) {
    table.field(
        context.pick("Facturation", "Billing"),
        billing.identifier.as_deref(),
    );
    let fields = [
        (
            context.pick("  spécialité", "  specialty"),
            &billing.specialty,
        ),
        ("  convention", &billing.convention),
        (
            context.pick("  zone tarifaire", "  tariff zone"),
            &billing.tariff_zone,
        ),
        (
            context.pick("  indemnité kilométrique", "  travel allowance"),
            &billing.travel_allowance,
        ),
        (
            context.pick("  agrément", "  agreement"),
            &billing.agreement,
        ),
        (
            context.pick("  zone géographique", "  geographic zone"),
            &billing.geographic_zone,
        ),
    ];
    for (label, value) in fields {
        coded(table, label, value.as_ref());
    }
}

fn coded(table: &mut Table, label: &str, value: Option<&Coded>) {
    table.field(label, value.map(text::coded).as_deref());
}

fn structure_words(structure: &Structure) -> String {
    match (&structure.name, &structure.id) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (Some(name), None) => name.clone(),
        (None, Some(id)) => id.clone(),
        (None, None) => String::default(),
    }
}
