//! What is well and what is not, each with its remedy, in the order in which a person should
//! read it: the base first, since what stands on it fails with it.

mod mail;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use cps_api::types::{CrlState, Finding, Level};
use cps_api::{Code, Problem};
use cps_card::Kind;
use cps_identity::{Check, Practitioner};
use jiff::{SignedDuration, Timestamp};

use crate::app::App;
use crate::broker::{BrokerError, token_code};
use crate::cards::{CardKind, CardState, Phase, ReaderContent, ServiceState, Warning};
use crate::modules::HostError;
use crate::surface::http::wire;
use crate::token::{CertificateRole, TokenError};
use crate::trust::refusal;

/// Looks at everything; asks no card anything.
pub fn examine(app: &App) -> Vec<Finding> {
    let now = Timestamp::now();
    let mut findings = vec![socket(app), pcscd(app)];
    findings.extend(readers(app));
    findings.extend(modules(app));
    for card in app.cards.cards() {
        findings.extend(of_card(app, &card, now));
    }
    findings.extend(trust(app, now));
    findings.push(clock(app, now));
    findings.push(pinentry(&app.config.pinentry));
    findings.extend(mail::examine(app));
    findings.extend(last_failure(app));
    findings
}

fn socket(app: &App) -> Finding {
    match &app.socket {
        Some(path) => well(
            "socket",
            format!("Le service répond sur {}.", path.display()),
            format!("The daemon answers on {}.", path.display()),
        ),
        None => well(
            "socket",
            "Le service répond sur la prise ouverte par systemd.".to_owned(),
            "The daemon answers on the socket opened by systemd.".to_owned(),
        ),
    }
}

fn pcscd(app: &App) -> Finding {
    match app.cards.service() {
        ServiceState::Running => well(
            "pcscd",
            "Le service des lecteurs de carte fonctionne.".to_owned(),
            "The card reader service is running.".to_owned(),
        ),
        ServiceState::Stopped => told(Level::Error, "pcscd", &Code::ReaderServiceAbsent.into()),
    }
}

fn readers(app: &App) -> Vec<Finding> {
    let readers = app.cards.readers();
    if readers.is_empty() && app.cards.service() == ServiceState::Running {
        return vec![told(Level::Error, "readers", &Code::ReaderAbsent.into())];
    }
    let finding = |reader: crate::cards::ReaderState| {
        let problem = match reader.content {
            ReaderContent::Card => {
                return well(
                    &reader.name,
                    "Ce lecteur contient une carte.".to_owned(),
                    "This reader holds a card.".to_owned(),
                );
            }
            ReaderContent::Empty => {
                return well(
                    &reader.name,
                    "Ce lecteur est vide.".to_owned(),
                    "This reader is empty.".to_owned(),
                );
            }
            ReaderContent::Mute => Code::CardMute,
            ReaderContent::Unavailable => Code::ReaderError,
            ReaderContent::UnknownCard => Code::CardUnknown,
        };
        told(Level::Error, &reader.name, &problem.into())
    };
    readers.into_iter().map(finding).collect()
}

fn modules(app: &App) -> Vec<Finding> {
    let finding = |(name, problem): (Arc<str>, Option<HostError>)| match problem {
        None => well(
            &name,
            "Ce module PKCS#11 répond.".to_owned(),
            "This PKCS#11 module answers.".to_owned(),
        ),
        Some(error) => {
            let error = BrokerError::Cards(TokenError::from(error).into());
            told(Level::Error, &name, &error.problem())
        }
    };
    app.cards.modules().into_iter().map(finding).collect()
}

fn of_card(app: &App, card: &CardState, now: Timestamp) -> Vec<Finding> {
    let serial = card.id.serial.as_str();
    let mut findings = match &card.phase {
        Phase::Reading => vec![told(Level::Warning, serial, &Code::CardReading.into())],
        Phase::Ready => vec![well(
            serial,
            format!("Carte {} reconnue.", card.kind),
            format!("Card {} recognised.", card.kind),
        )],
        Phase::Unusable(error) => {
            let problem = Problem::new(token_code(error)).detail(error.to_string());
            vec![told(Level::Error, serial, &problem)]
        }
    };
    // The server's refusal names neither the card nor the reason.
    if card.kind == CardKind::Cps(Kind::Cps3) {
        findings.push(well(
            serial,
            "Une CPS3 s'authentifie en TLS 1.2 : un site qui impose TLS 1.3 répond \
             « 400 » ou « certificat absent »."
                .to_owned(),
            "A CPS3 authenticates in TLS 1.2: a site that insists on TLS 1.3 answers \
             '400' or 'no certificate'."
                .to_owned(),
        ));
    }
    for warning in &card.warnings {
        let code = match warning {
            Warning::UnrecognisedVersion => Code::CardUnknown,
            Warning::UpdateUnfinished => Code::CardUpdateUnfinished,
        };
        findings.push(told(Level::Warning, serial, &code.into()));
    }
    let tries = card.tries.and_then(|tries| tries.left);
    if tries == Some(0) {
        findings.push(told(Level::Error, serial, &Code::PinBlocked.into()));
    }
    for one in card
        .certificates
        .iter()
        .filter(|one| one.role != CertificateRole::Technical)
    {
        let certificate = &one.certificate;
        let subject = format!("{serial}: {}", one.label);
        let until = certificate.not_after();
        let date = until.strftime("%Y-%m-%d").to_string();
        findings.push(
            match refusal(app.trust.judge(certificate, wire::purpose(one.role))) {
                Some(refusal) => {
                    let problem = Problem::new(refusal.code)
                        .with("date", date)
                        .detail(refusal.detail);
                    told(Level::Error, &subject, &problem)
                }
                None if until.duration_since(now) < SOON => {
                    let problem = Problem::new(Code::CertificateExpiring).with("date", date);
                    told(Level::Warning, &subject, &problem)
                }
                None => well(
                    &subject,
                    format!("Certificat reconnu, valable jusqu'au {date}."),
                    format!("Certificate trusted, valid until {date}."),
                ),
            },
        );
    }
    let holder = card
        .certificates
        .iter()
        .find_map(|one| Practitioner::from_certificate(&one.certificate).ok());
    findings.extend(holder.iter().flat_map(identifiers));
    findings
}

/// Identifiers that fail their check digit. Some that are in use do, so this is only a warning.
fn identifiers(holder: &Practitioner) -> Vec<Finding> {
    let structure = holder.structure.as_ref();
    let structure = structure.and_then(|structure| structure.id.as_ref());
    let person = (holder.national_id.check(), holder.national_id.as_str());
    let checked = structure.map(|id| (id.check(), id.as_str()));
    checked
        .into_iter()
        .chain([person])
        .filter(|(check, _)| *check == Check::Wrong)
        .map(|(_, identifier)| {
            let problem = Problem::new(Code::CertificateIdentifierDoubtful);
            let problem = problem.with("identifier", identifier);
            told(Level::Warning, identifier, &problem)
        })
        .collect()
}

fn trust(app: &App, now: Timestamp) -> Vec<Finding> {
    let trust = app.trust.trust();
    if trust.roots().next().is_none() {
        return vec![told(Level::Error, "trust", &Code::TrustAbsent.into())];
    }
    let count = trust.authorities().count();
    let mut findings = vec![well(
        "trust",
        format!("{count} autorité(s) de certification présente(s)."),
        format!("{count} certification authorities present."),
    )];
    findings.extend(trust.expiring(now).map(|authority| {
        let date = authority.not_after().strftime("%Y-%m-%d").to_string();
        let problem = Problem::new(Code::TrustExpiring).with("date", date);
        told(Level::Warning, &authority.subject().to_string(), &problem)
    }));
    for list in app.trust.lists() {
        findings.push(match (list.state(now), &list.crl) {
            (CrlState::Current, Some(crl)) => {
                let date = crl.this_update().strftime("%Y-%m-%d").to_string();
                well(
                    &list.url,
                    format!("Liste de révocation du {date}."),
                    format!("Revocation list of {date}."),
                )
            }
            _ => {
                let problem = Problem::new(Code::TrustListStale).with("url", list.url.as_str());
                told(Level::Warning, &list.url, &problem)
            }
        });
    }
    findings
}

/// Nothing signed can come from the future: what does proves that our clock is behind.
fn clock(app: &App, now: Timestamp) -> Finding {
    let trust = app.trust.trust();
    let begun = trust.authorities().map(|authority| authority.not_before());
    let made = trust.crls().iter().map(|crl| crl.this_update());
    let latest = begun.chain(made).max();
    match latest {
        Some(latest) if latest.duration_since(now) > CLOCK_TOLERANCE => {
            told(Level::Error, "clock", &Code::CertificateClockSkew.into())
        }
        _ => well(
            "clock",
            format!("L'horloge indique {now}."),
            format!("The clock says {now}."),
        ),
    }
}

fn pinentry(program: &Path) -> Finding {
    match find_program(program) {
        Some(path) => well(
            "pinentry",
            format!("Le code est demandé par {}.", path.display()),
            format!("The PIN is asked by {}.", path.display()),
        ),
        None => {
            let detail = format!("no program {}", program.display());
            let problem = Problem::new(Code::PromptUnavailable).detail(detail);
            told(Level::Error, "pinentry", &problem)
        }
    }
}

/// As `execvp(3)` finds it.
fn find_program(program: &Path) -> Option<PathBuf> {
    let runs = |path: &Path| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if program.components().count() > 1 {
        return runs(program).then(|| program.to_owned());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| runs(path))
}

fn last_failure(app: &App) -> Option<Finding> {
    let failure = app
        .last_failure
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()?;
    let subject = format!("{}", failure.at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    Some(told(Level::Warning, &subject, &failure.problem))
}

fn well(subject: &str, fr: String, en: String) -> Finding {
    Finding {
        code: "ok".to_owned(),
        level: Level::Ok,
        subject: subject.to_owned(),
        fr,
        en,
        remedy_fr: None,
        remedy_en: None,
    }
}

fn told(level: Level, subject: &str, problem: &Problem) -> Finding {
    Finding {
        code: problem.code.clone(),
        level,
        subject: subject.to_owned(),
        fr: problem.fr.clone(),
        en: problem.en.clone(),
        remedy_fr: Some(problem.remedy_fr.clone()),
        remedy_en: Some(problem.remedy_en.clone()),
    }
}

/// A renewal takes weeks.
const SOON: SignedDuration = SignedDuration::from_hours(60 * 24);

const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

#[cfg(test)]
mod tests {
    use cps_emulator::Holder;
    use cps_identity::{Certificate, PersonId, StructureId};

    use super::*;
    use crate::testing::pki;

    #[test]
    fn an_identifier_that_fails_its_check_digit_is_a_warning() {
        let holder = |holder| {
            let certificate = pki().authentication_der(holder);
            let certificate = Certificate::from_der(&certificate).expect("a certificate");
            Practitioner::from_certificate(&certificate).expect("a holder")
        };
        for sound in [Holder::CpsMedecin, Holder::CpeNominative] {
            assert_eq!(identifiers(&holder(sound)), [], "{sound}");
        }
        // One digit of an RPPS number, and of a FINESS number, is another.
        let mut doubtful = holder(Holder::CpeNominative);
        doubtful.national_id = PersonId::new("899700000014").expect("an identifier");
        let structure = doubtful.structure.as_mut().expect("an employer");
        structure.id = StructureId::new("1990000011").ok();
        let findings = identifiers(&doubtful);
        let told: Vec<_> = findings
            .iter()
            .map(|one| (one.level, one.code.as_str(), one.subject.as_str()))
            .collect();
        let code = "certificate.identifier_doubtful";
        let expected = [
            (Level::Warning, code, "1990000011"),
            (Level::Warning, code, "899700000014"),
        ];
        assert_eq!(told, expected);
        assert!(findings[1].fr.contains("899700000014"));
    }
}
