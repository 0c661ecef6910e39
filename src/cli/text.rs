//! Words shared by several verbs, in both languages.

use cps_api::Lang;
use cps_api::types::{CardKind, Certificate, CertificateUse, Coded, TrustReport, Verdict};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The one of two texts that is in `lang`.
pub(crate) fn pick<'a>(lang: Lang, fr: &'a str, en: &'a str) -> &'a str {
    match lang {
        Lang::English => en,
        Lang::French => fr,
    }
}

/// An RFC 3339 date as a local date; as it is when it is not one.
pub(crate) fn date(lang: Lang, text: &str) -> String {
    local(text, pick(lang, "%d/%m/%Y", "%Y-%m-%d"))
}

/// An RFC 3339 date as a local date and time; as it is when it is not one.
pub(crate) fn date_time(lang: Lang, text: &str) -> String {
    local(text, pick(lang, "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"))
}

fn local(text: &str, format: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime(format).to_string(),
        Err(_) => text.to_owned(),
    }
}

/// What a card is called.
pub(crate) fn card_kind(lang: Lang, kind: CardKind) -> &'static str {
    match kind {
        CardKind::Cps3 => "CPS3",
        CardKind::Cps3Contactless => pick(lang, "CPS3 sans contact", "CPS3 contactless"),
        CardKind::Cps4 => "CPS4",
        CardKind::Pkcs11 => "PKCS#11",
        CardKind::Other => pick(lang, "autre", "other"),
    }
}

/// What a certificate is for.
pub(crate) fn certificate_use(lang: Lang, certificate: &Certificate) -> &'static str {
    match certificate.usage {
        CertificateUse::Authentication => pick(lang, "authentification", "authentication"),
        CertificateUse::Authority => pick(lang, "autorité", "authority"),
        CertificateUse::Server => pick(lang, "serveur", "server"),
        CertificateUse::Signature => "signature",
        CertificateUse::Technical => pick(lang, "technique", "technical"),
        CertificateUse::Other => pick(lang, "autre", "other"),
    }
}

/// What was done, or may be done, with a card: a purpose or an operation of the journal.
pub(crate) fn operation(lang: Lang, word: &str) -> &str {
    match word {
        "change_pin" => pick(lang, "changement du code", "PIN change"),
        "grant" => pick(lang, "autorisation donnée", "grant given"),
        "key_authenticate" => pick(lang, "authentification", "authentication"),
        "key_decrypt" => pick(lang, "déchiffrement", "decryption"),
        "key_sign" => pick(
            lang,
            "signature sans le document",
            "signature, document unseen",
        ),
        "lock" => pick(lang, "verrouillage", "locking"),
        "login" => pick(lang, "déverrouillage", "unlocking"),
        "mail" => pick(lang, "messagerie MSSanté", "MSSanté mail"),
        "raw_tls_sign" => pick(lang, "signature TLS", "TLS signature"),
        "read_exercises" => pick(lang, "situations d'exercice", "practice situations"),
        "recovered" => pick(lang, "journal repris", "journal recovered"),
        "revoke" => pick(lang, "autorisation retirée", "grant revoked"),
        "sign_cms" => pick(lang, "signature d'un document", "document signature"),
        "tls_client_auth" => pick(lang, "connexion authentifiée", "authenticated connection"),
        "unblock_pin" => pick(lang, "déblocage du code", "PIN unblocking"),
        newer => newer,
    }
}

/// Whether a certificate is believed.
pub(crate) fn trust(lang: Lang, report: &TrustReport) -> String {
    let words = match report.verdict {
        Verdict::BadSignature => pick(lang, "signature fausse", "bad signature"),
        Verdict::ClockSkew => pick(lang, "horloge fausse", "wrong clock"),
        Verdict::Expired => pick(lang, "expiré", "expired"),
        Verdict::KeyPeriodOver => pick(lang, "période de la clé terminée", "key period over"),
        Verdict::NotYetValid => pick(lang, "pas encore valable", "not valid yet"),
        Verdict::Obsolete => pick(lang, "génération périmée", "obsolete"),
        Verdict::Revoked => pick(lang, "révoqué", "revoked"),
        Verdict::TestInProduction => pick(lang, "carte de test", "test card"),
        Verdict::Trusted => pick(lang, "reconnu", "trusted"),
        Verdict::UnknownIssuer => pick(lang, "autorité inconnue", "unknown issuer"),
        Verdict::WrongUse => pick(lang, "usage inadapté", "wrong use"),
        Verdict::Other => pick(lang, "non reconnu", "not trusted"),
    };
    match &report.detail {
        Some(detail) if !detail.is_empty() => format!("{words} ({detail})"),
        _ => words.to_owned(),
    }
}

/// A coded value: its label and code, or its code alone.
pub(crate) fn coded(value: &Coded) -> String {
    match &value.label {
        Some(label) => format!("{label} ({})", value.code),
        None => value.code.clone(),
    }
}
