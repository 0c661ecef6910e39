//! `/v1/identity` and `/v1/exercises`.

use std::sync::Arc;

use axum::extract::State;
use cps_api::{Code, types};
use cps_identity::{CardType, Exercise, Practitioner};

use super::extract::{Query, WhichCard};
use super::problem::Refusal;
use super::wire;
use crate::app::App;
use crate::cards::{CardKind, CardState};
use crate::server::Connection;
use crate::token::{CertificateRole, TokenCertificate};

pub(super) async fn identity(
    State(app): State<Arc<App>>,
    connection: Connection,
    Query(which): Query<WhichCard>,
) -> Result<axum::Json<types::Identity>, Refusal> {
    let card = app.card(which.card.as_deref()).await?;
    let (mut practitioner, holder) = holder(&card)?;
    let certificate = &holder.certificate;
    let mut source = types::IdentitySource::Certificate;
    if is_incomplete(&practitioner) {
        let data = app
            .run(&card.id, &connection.caller, |token| token.card_data())
            .await?;
        practitioner.add_card_data(&data);
        source = types::IdentitySource::CertificateAndCard;
    }
    if let Some(dictionary) = &app.dictionary {
        practitioner.relabel(dictionary);
    }
    let verdict = app.trust.judge(certificate, wire::purpose(holder.role));
    Ok(axum::Json(wire::identity(
        &practitioner,
        &card,
        verdict,
        source,
    )))
}

/// The practice situations, which the card shows after the PIN only.
pub(super) async fn exercises(
    State(app): State<Arc<App>>,
    connection: Connection,
    Query(which): Query<WhichCard>,
) -> Result<axum::Json<types::Exercises>, Refusal> {
    let card = app.person_card(which.card.as_deref()).await?;
    if let CardKind::Module(_) = card.kind {
        // Before the PIN is asked for in vain.
        let what = "a token of a PKCS#11 module shows no practice situations";
        return Err(Refusal::new(Code::CardUnsupported, what.to_owned()));
    }
    let practice = app.broker.practice(&connection.caller, &card.id).await?;
    let mut exercises = Exercise::from_card(&practice.activities, &practice.billing);
    if let Some(dictionary) = &app.dictionary {
        for exercise in &mut exercises {
            exercise.relabel(dictionary);
        }
    }
    Ok(axum::Json(types::Exercises {
        card: card.id.serial,
        exercises: exercises.iter().map(wire::exercise).collect(),
    }))
}

/// Whose card it is, as its certificate says.
pub(super) fn holder(card: &CardState) -> Result<(Practitioner, &TokenCertificate), Refusal> {
    let holder = holder_certificate(card)?;
    let practitioner = Practitioner::from_certificate(&holder.certificate).map_err(|error| {
        let code = match card.kind {
            CardKind::Cps(_) => Code::CardMalformed,
            // A token may hold anybody's certificate.
            CardKind::Module(_) => Code::CardUnsupported,
        };
        Refusal::new(code, error.to_string())
    })?;
    Ok((practitioner, holder))
}

/// Both person certificates name the same holder; whichever is read already serves.
fn holder_certificate(card: &CardState) -> Result<&TokenCertificate, Refusal> {
    let with = |role| card.certificates.iter().find(move |one| one.role == role);
    with(CertificateRole::Authentication)
        .or_else(|| with(CertificateRole::Signature))
        .ok_or_else(|| match with(CertificateRole::Technical) {
            Some(_) => Code::CardTechnicalOnly.into(),
            None => Code::CardNoKey.into(),
        })
}

/// Whether the card's own files could tell something that the certificate does not. They are not
/// read otherwise: on a contact CPS3 they cost longer than the whole recognition of the card.
fn is_incomplete(practitioner: &Practitioner) -> bool {
    let no_profession =
        practitioner.profession.is_none() && practitioner.profession_in_training.is_none();
    let professional = matches!(practitioner.category, Some(CardType::Cps | CardType::Cpf));
    practitioner.category.is_none()
        || practitioner.family_name.is_none()
        || practitioner.card_number.is_none()
        || (professional && no_profession)
}
