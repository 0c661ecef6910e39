//! Our values as those of the API: renaming only, no rule.

pub(super) mod mail;
pub(super) mod objects;
pub(super) mod trial;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_api::{Code, types};
use cps_card::Kind;
use cps_identity::{
    Anchors, Billing, CardType, CertificateUse, Coded, Environment, Exercise, PersonIdKind,
    Practitioner, Purpose, Revocation, Structure, StructureIdKind, Verdict,
};
use jiff::Timestamp;

use crate::broker::token_code;
use crate::cards::{CardKind, CardState, Phase, ReaderContent, ReaderState, ServiceState, Warning};
use crate::grants::{Grant, Lifetime};
use crate::journal::{Entry, Record};
use crate::token::{CertificateRole, TokenCertificate};
use crate::trust::{Authority, List, TrustStore, refusal};

pub(super) fn service(service: ServiceState) -> types::PcscState {
    match service {
        ServiceState::Running => types::PcscState::Running,
        ServiceState::Stopped => types::PcscState::Stopped,
    }
}

pub(super) fn environment(environment: Environment) -> types::Environment {
    match environment {
        Environment::Custom => types::Environment::Custom,
        Environment::Production => types::Environment::Production,
        Environment::Test => types::Environment::Test,
    }
}

pub(super) fn reader(reader: ReaderState) -> types::Reader {
    types::Reader {
        name: reader.name,
        state: match reader.content {
            ReaderContent::Card => types::ReaderState::Card,
            ReaderContent::Empty => types::ReaderState::Empty,
            ReaderContent::Mute => types::ReaderState::Mute,
            ReaderContent::Unavailable => types::ReaderState::Unavailable,
            ReaderContent::UnknownCard => types::ReaderState::UnknownCard,
        },
        card: reader.card.map(|card| card.serial),
    }
}

pub(super) fn card(card: &CardState, trust: &TrustStore) -> types::Card {
    let certificates: Vec<_> = card
        .certificates
        .iter()
        .map(|one| certificate(one, trust))
        .collect();
    types::Card {
        serial: card.id.serial.clone(),
        kind: kind(&card.kind),
        reader: card.reader.clone(),
        state: match &card.phase {
            Phase::Reading => types::CardPhase::Reading,
            Phase::Ready => types::CardPhase::Ready,
            Phase::Unusable(_) => types::CardPhase::Unusable,
        },
        logged_in: card.logged_in,
        pin: types::PinTries {
            tries_left: card.tries.and_then(|tries| tries.left),
            max: card.tries.and_then(|tries| tries.max),
        },
        card_number: card
            .certificates
            .iter()
            .find_map(|one| one.certificate.card_number())
            .map(str::to_owned),
        warnings: warnings(card, trust),
        certificates,
    }
}

/// Codes that deserve attention, each once.
fn warnings(card: &CardState, trust: &TrustStore) -> Vec<String> {
    let mut codes: Vec<Code> = card
        .warnings
        .iter()
        .map(|warning| match warning {
            Warning::UnrecognisedVersion => Code::CardUnknown,
            Warning::UpdateUnfinished => Code::CardUpdateUnfinished,
        })
        .collect();
    if let Phase::Unusable(error) = &card.phase {
        codes.push(token_code(error));
    }
    for one in card
        .certificates
        .iter()
        .filter(|one| one.role != CertificateRole::Technical)
    {
        let verdict = trust.judge(&one.certificate, purpose(one.role));
        codes.extend(refusal(verdict).map(|refusal| refusal.code));
    }
    let mut words: Vec<_> = codes
        .into_iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    words.sort();
    words.dedup();
    words
}

fn certificate(one: &TokenCertificate, trust: &TrustStore) -> types::Certificate {
    let certificate = &one.certificate;
    types::Certificate {
        usage: match (one.role, certificate.usage()) {
            (CertificateRole::Authentication, _) => types::CertificateUse::Authentication,
            (CertificateRole::Signature, _) => types::CertificateUse::Signature,
            (CertificateRole::Technical, _) => types::CertificateUse::Technical,
            (CertificateRole::Other, CertificateUse::Authority) => types::CertificateUse::Authority,
            (CertificateRole::Other, _) => types::CertificateUse::Other,
        },
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: certificate.serial_hex(),
        not_before: certificate.not_before().to_string(),
        not_after: certificate.not_after().to_string(),
        fingerprint_sha256: certificate.fingerprint_sha256().to_string(),
        trust: verdict(trust.judge(certificate, purpose(one.role))),
    }
}

/// What a certificate of the card would be used for.
pub(crate) fn purpose(role: CertificateRole) -> Purpose<'static> {
    match role {
        CertificateRole::Signature => Purpose::CardSignature,
        _ => Purpose::CardAuthentication,
    }
}

fn kind(kind: &CardKind) -> types::CardKind {
    match kind {
        CardKind::Cps(Kind::Cps3) => types::CardKind::Cps3,
        CardKind::Cps(Kind::Cps3Contactless) => types::CardKind::Cps3Contactless,
        CardKind::Cps(Kind::Cps4) => types::CardKind::Cps4,
        CardKind::Module(_) => types::CardKind::Pkcs11,
    }
}

pub(super) fn verdict(verdict: Verdict) -> types::TrustReport {
    let word = match verdict {
        Verdict::BadSignature => types::Verdict::BadSignature,
        Verdict::ClockSkew { .. } => types::Verdict::ClockSkew,
        Verdict::Expired { .. } => types::Verdict::Expired,
        Verdict::KeyPeriodOver { .. } => types::Verdict::KeyPeriodOver,
        Verdict::NotYetValid { .. } => types::Verdict::NotYetValid,
        Verdict::Obsolete => types::Verdict::Obsolete,
        Verdict::Revoked { .. } => types::Verdict::Revoked,
        Verdict::TestInProduction => types::Verdict::TestInProduction,
        Verdict::Trusted { .. } => types::Verdict::Trusted,
        Verdict::UnknownIssuer | Verdict::RogueIssuer => types::Verdict::UnknownIssuer,
        Verdict::WrongUse => types::Verdict::WrongUse,
        _ => types::Verdict::Other,
    };
    let (revocation, detail) = match verdict {
        Verdict::Trusted {
            revocation: Revocation::Good,
        } => (Some(types::Revocation::Good), None),
        Verdict::Trusted {
            revocation: Revocation::Unknown { .. },
        } => (Some(types::Revocation::Unknown), None),
        Verdict::Trusted {
            revocation: Revocation::NotPublished,
        } => (None, None),
        other => (None, Some(other.to_string())),
    };
    types::TrustReport {
        verdict: word,
        detail,
        revocation,
    }
}

pub(super) fn identity(
    practitioner: &Practitioner,
    card: &CardState,
    judged: Verdict,
    source: types::IdentitySource,
) -> types::Identity {
    types::Identity {
        national_id: practitioner.national_id.to_string(),
        national_id_kind: match practitioner.national_id.kind() {
            PersonIdKind::Adeli => types::NationalIdKind::Adeli,
            PersonIdKind::AdeliPractice => types::NationalIdKind::AdeliPractice,
            PersonIdKind::Drass => types::NationalIdKind::Drass,
            PersonIdKind::FinessEmployee => types::NationalIdKind::FinessInternal,
            PersonIdKind::SirenEmployee => types::NationalIdKind::SirenInternal,
            PersonIdKind::SiretEmployee => types::NationalIdKind::SiretInternal,
            PersonIdKind::RppsPracticeEmployee => types::NationalIdKind::RppsPractice,
            PersonIdKind::Rpps => types::NationalIdKind::Rpps,
            PersonIdKind::Student => types::NationalIdKind::Student,
            _ => types::NationalIdKind::Other,
        },
        family_name: practitioner.family_name.clone(),
        given_name: practitioner.given_name.clone(),
        title: practitioner.title.clone(),
        profession: practitioner.profession.as_ref().map(coded),
        profession_in_training: practitioner.profession_in_training.as_ref().map(coded),
        specialty: practitioner.specialty.iter().map(coded).collect(),
        category: match practitioner.category {
            Some(CardType::Cpa) => types::HolderCategory::Cpa,
            Some(CardType::Cpe) => types::HolderCategory::Cpe,
            Some(CardType::Cpf) => types::HolderCategory::Cpf,
            Some(CardType::Cps) => types::HolderCategory::Cps,
            _ => types::HolderCategory::Other,
        },
        structure: practitioner.structure.as_ref().map(structure),
        card: types::CardRef {
            serial: card.id.serial.clone(),
            kind: kind(&card.kind),
            number: practitioner.card_number.clone(),
        },
        valid_from: practitioner.valid_from.to_string(),
        valid_until: practitioner.valid_until.to_string(),
        test: practitioner.test,
        obsolete: practitioner.obsolete,
        trust: verdict(judged),
        source,
    }
}

pub(super) fn exercise(exercise: &Exercise) -> types::Exercise {
    types::Exercise {
        index: exercise.index,
        structure: Some(structure(&exercise.structure)),
        sector: exercise.sector.as_ref().map(coded),
        mode: exercise.mode.as_ref().map(coded),
        adeli_specialty: None,
        pharmacist_table: exercise.pharmacist_section.as_ref().map(coded),
        billing: exercise.billing.as_ref().map(billing),
        unknown: unknown(&exercise.unknown),
    }
}

fn billing(billing: &Billing) -> types::Billing {
    let mut fields = billing.unknown.clone();
    fields.extend(
        billing
            .signing_rights
            .map(|rights| (SIGNING_RIGHTS, vec![rights])),
    );
    types::Billing {
        identifier: billing.identifier.clone(),
        specialty: billing.specialty.as_ref().map(coded),
        convention: billing.convention.as_ref().map(coded),
        tariff_zone: billing.tariff_zone.as_ref().map(coded),
        travel_allowance: billing.kilometre_allowance.as_ref().map(coded),
        agreement: billing.agreements.as_ref().map(coded),
        geographic_zone: billing.geographic_zone.as_ref().map(coded),
        // No public document says which bit stands for which right: the byte is passed on.
        unknown: unknown(&fields),
    }
}

fn unknown(fields: &[(u32, Vec<u8>)]) -> Vec<types::UnknownField> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    fields
        .iter()
        .map(|(tag, value)| types::UnknownField {
            tag: format!("{tag:02x}"),
            value: hex(value),
        })
        .collect()
}

fn coded(coded: &Coded) -> types::Coded {
    types::Coded {
        code: coded.code.clone(),
        label: coded.label_fr.clone(),
        table: Some(coded.table.as_str().to_owned()),
        oid: coded.oid().map(str::to_owned),
    }
}

fn structure(structure: &Structure) -> types::Structure {
    types::Structure {
        id: structure.id.as_ref().map(ToString::to_string),
        kind: structure.id.as_ref().map(|id| match id.kind() {
            StructureIdKind::AdeliPractice => types::StructureKind::AdeliPractice,
            StructureIdKind::Finess => types::StructureKind::Finess,
            StructureIdKind::RppsPractice => types::StructureKind::RppsRank,
            StructureIdKind::Siren => types::StructureKind::Siren,
            StructureIdKind::Siret => types::StructureKind::Siret,
            _ => types::StructureKind::Other,
        }),
        name: structure.name.clone(),
    }
}

pub(super) fn trust(store: &TrustStore) -> types::Trust {
    let present = store.authorities();
    let mut anchors: Vec<_> = present.iter().map(anchor).collect();
    for pin in Anchors::built_in().pinned() {
        let here = |one: &Authority| one.certificate.fingerprint_sha256() == pin.fingerprint;
        if pin.environment == store.environment() && !present.iter().any(here) {
            anchors.push(types::Anchor {
                name: pin.common_name.clone(),
                role: role(pin.root),
                fingerprint_sha256: pin.fingerprint.to_string(),
                pinned: true,
                present: false,
                not_after: None,
                der: None,
            });
        }
    }
    let now = Timestamp::now();
    let crls = store.lists().iter().map(|list| crl(list, now)).collect();
    types::Trust {
        environment: environment(store.environment()),
        anchors,
        crls,
    }
}

pub(super) fn anchor(authority: &Authority) -> types::Anchor {
    let certificate = &authority.certificate;
    let fingerprint = certificate.fingerprint_sha256();
    // The name it had while it was wanted.
    let name = match Anchors::built_in().find(fingerprint) {
        Some(pin) => pin.common_name.clone(),
        None => certificate.subject().to_string(),
    };
    types::Anchor {
        name,
        role: role(certificate.is_self_issued()),
        fingerprint_sha256: fingerprint.to_string(),
        pinned: authority.pinned,
        present: true,
        not_after: Some(certificate.not_after().to_string()),
        der: Some(STANDARD.encode(certificate.der())),
    }
}

fn role(root: bool) -> types::AnchorRole {
    if root {
        types::AnchorRole::Root
    } else {
        types::AnchorRole::Intermediate
    }
}

fn crl(list: &List, now: Timestamp) -> types::Crl {
    let issuer = list
        .crl
        .as_ref()
        .map(|crl| cps_identity::Name::from_der(crl.issuer_raw()));
    types::Crl {
        issuer: match issuer {
            Some(Ok(name)) => name.to_string(),
            _ => String::new(),
        },
        url: Some(list.url.clone()),
        state: list.state(now),
        this_update: list.crl.as_ref().map(|crl| crl.this_update().to_string()),
        next_update: list.crl.as_ref().map(|crl| crl.next_update().to_string()),
        next_fetch: Some(list.next_fetch.to_string()),
    }
}

pub(super) fn grant(grant: Grant) -> types::Grant {
    let expires_at = match grant.lifetime {
        Lifetime::Until(end) => Some(end.to_string()),
        Lifetime::Once | Lifetime::Session { .. } => None,
    };
    types::Grant {
        id: grant.id,
        caller: types::Caller {
            executable: Some(grant.executable.path.display().to_string()),
            pid: None,
            app_id: grant.app_id,
            unit: None,
            display: grant.program,
        },
        program_name: grant.name,
        icon: grant.icon,
        purpose: grant.purpose.as_str().to_owned(),
        destination: grant.destination,
        card: Some(grant.card),
        duration: match grant.lifetime {
            Lifetime::Once => types::GrantDuration::Once,
            Lifetime::Session { .. } => types::GrantDuration::Session,
            Lifetime::Until(_) => types::GrantDuration::Days,
        },
        granted_at: grant.given.to_string(),
        expires_at,
    }
}

pub(super) fn journal_entry(entry: Entry) -> types::JournalEntry {
    let Record {
        operation,
        caller,
        destination,
        card,
        certificate,
        result,
        note,
    } = entry.record;
    types::JournalEntry {
        sequence: entry.sequence,
        at: entry.time.to_string(),
        operation,
        caller: match caller {
            Some(who) => types::Caller {
                executable: Some(who.executable),
                pid: Some(who.pid),
                app_id: who.app_id,
                unit: who.unit,
                display: who.display,
            },
            None => types::Caller {
                display: "cpsd".to_owned(),
                ..types::Caller::default()
            },
        },
        destination,
        card,
        certificate,
        result,
        note,
        hash: entry.hash,
    }
}

/// Tag of the signing rights in a billing situation of the card.
const SIGNING_RIGHTS: u32 = 0x84;
