//! The card of a mailbox's holder, among those inserted.

use cps_identity::Practitioner;
use cps_mail::Trouble;

use super::trouble;
use crate::app::App;
use crate::broker::BrokerError;
use crate::cards::{CardState, CardsError, Phase, ServiceState};

/// The card of the person with this national identifier, once it is read.
pub(super) async fn card(app: &App, holder: &str) -> Result<CardState, Trouble> {
    match app.card_of(|card| belongs(card, holder)).await {
        Ok(card) => Ok(card),
        Err(BrokerError::Cards(CardsError::Absent)) => Err(absent(app)),
        Err(error) => Err(trouble::of_code(error.code())),
    }
}

/// Without the right card: whether there is another one, none, or not even a reader.
fn absent(app: &App) -> Trouble {
    let personal = |card: &CardState| card.phase == Phase::Ready && !card.kind.is_technical();
    if app.cards.cards().iter().any(personal) {
        Trouble::OtherCard
    } else if app.cards.service() == ServiceState::Stopped || app.cards.readers().is_empty() {
        Trouble::NoReader
    } else {
        Trouble::NoCard
    }
}

fn belongs(card: &CardState, holder: &str) -> bool {
    let is_holder = |certificate| {
        Practitioner::from_certificate(certificate)
            .is_ok_and(|person| person.national_id.as_str() == holder)
    };
    let mut certificates = card.certificates.iter();
    !card.kind.is_technical() && certificates.any(|one| is_holder(&one.certificate))
}
