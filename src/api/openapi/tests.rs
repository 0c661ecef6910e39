use std::collections::BTreeSet;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{OPENAPI, samples, schema};
use crate::types::*;
use crate::{Code, Problem, ROUTES};

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// Checks a full value of `T`, then the same value with nothing in what may be null.
fn check<T: Debug + DeserializeOwned + PartialEq + Serialize>(name: &str, full: &T) {
    let document = document();
    let schema = document
        .pointer(&format!("/components/schemas/{name}"))
        .unwrap_or_else(|| panic!("no schema {name}"));
    let mut json = serde_json::to_value(full).unwrap();
    let none: &[String] = &[];
    assert_eq!(schema::errors(&document, schema, &json), none, "{name}");
    let documented = schema["properties"].as_object().unwrap().keys();
    for property in documented {
        assert!(
            json.get(property).is_some(),
            "{name}.{property} is never sent"
        );
    }
    assert_eq!(
        &serde_json::from_value::<T>(json.clone()).unwrap(),
        full,
        "{name}"
    );

    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (property, schema) in schema["properties"].as_object().unwrap() {
        let nullable = schema::errors(&document, schema, &Value::Null).is_empty();
        if nullable || !required.contains(&property.as_str().into()) {
            json.as_object_mut().unwrap().remove(property);
        }
    }
    let least: T = serde_json::from_value(json).unwrap_or_else(|e| panic!("{name}: {e}"));
    let least = serde_json::to_value(least).unwrap();
    assert_eq!(
        schema::errors(&document, schema, &least),
        none,
        "{name}, at least"
    );
}

#[test]
fn every_wire_type_is_the_schema_of_its_name() {
    check("Anchor", &samples::anchor());
    check("Caller", &samples::caller());
    check("Card", &samples::card());
    check("CardRef", &samples::identity().card);
    check(
        "CardSelector",
        &CardSelector {
            card: Some("1".into()),
        },
    );
    check(
        "Cards",
        &Cards {
            cards: vec![samples::card()],
        },
    );
    check("Certificate", &samples::certificate());
    check("Coded", &samples::coded());
    check("Crl", &samples::trust().crls[0]);
    check("Doctor", &samples::doctor());
    check("Event", &samples::event());
    check("Exercise", &samples::exercises().exercises[0]);
    check(
        "Billing",
        samples::exercises().exercises[0].billing.as_ref().unwrap(),
    );
    check("Exercises", &samples::exercises());
    check("Finding", &samples::doctor().findings[0]);
    check("Grant", &samples::grants().grants[0]);
    check("Grants", &samples::grants());
    check("Identity", &samples::identity());
    check("Imported", &samples::imported());
    check("Journal", &samples::journal());
    check("JournalEntry", &samples::journal().entries[0]);
    check("JournalVerification", &samples::journal_verification());
    check(
        "Locked",
        &Locked {
            locked: vec!["1".into()],
        },
    );
    check(
        "LoginState",
        &LoginState {
            card: "1".into(),
            logged_in: true,
        },
    );
    check("Mail", &samples::mail());
    check("MailJournal", &samples::mail_journal());
    check("MailJournalEntry", &samples::mail_journal().entries[0]);
    check("Mailbox", &samples::mailbox());
    check("MailServer", &samples::mailbox().imap);
    check("MailPassword", &samples::mailbox().passwords[0]);
    check(
        "NewMailbox",
        &NewMailbox {
            address: "alix@medecin.example.mssante.fr".into(),
            client: "Thunderbird".into(),
            shared: true,
            card: Some("1".into()),
        },
    );
    check(
        "AddedMailbox",
        &AddedMailbox {
            mailbox: samples::mailbox(),
            password: "abcde".into(),
        },
    );
    check("MailTest", &samples::mail_test());
    check("MailTrial", &samples::mail_test().imap);
    check(
        "NewMailPassword",
        &NewMailPassword {
            client: "Thunderbird".into(),
            replace: Some("0a1b2c3d".into()),
        },
    );
    check(
        "MadeMailPassword",
        &MadeMailPassword {
            id: "0a1b2c3d".into(),
            client: "Thunderbird".into(),
            password: "abcde".into(),
        },
    );
    check("Objects", &samples::objects());
    check("ModuleSettings", &samples::objects().module);
    let token = &samples::objects().tokens[0];
    check("ObjectToken", token);
    check("ObjectKey", &token.keys[0]);
    check("ObjectCertificate", &token.certificates[0]);
    check("ObjectData", &token.data[0]);
    check("PinFlags", &token.pin);
    check("ObjectSignRequest", &samples::object_sign_request());
    check(
        "ObjectSignature",
        &ObjectSignature {
            signature: "AAAA".into(),
        },
    );
    check(
        "ObjectDecryptRequest",
        &ObjectDecryptRequest {
            cryptogram: "AAAA".into(),
        },
    );
    check(
        "ObjectPlaintext",
        &ObjectPlaintext {
            plaintext: "AAAA".into(),
        },
    );
    check(
        "ObjectValue",
        &ObjectValue {
            value: "AAAA".into(),
        },
    );
    check(
        "PinState",
        &PinState {
            card: "1".into(),
            tries_left: Some(3),
        },
    );
    check("PinTries", &samples::card().pin);
    check("Reader", &samples::reader());
    check(
        "Readers",
        &Readers {
            readers: vec![samples::reader()],
        },
    );
    check("Status", &samples::status());
    check("Structure", &samples::structure());
    check("TlsSignRequest", &samples::tls_sign_request());
    check("TlsSignature", &samples::tls_signature());
    check("Trust", &samples::trust());
    check("TrustReport", &samples::trust_report());
    check("TunnelRequest", &samples::tunnel_request());
    check(
        "UnknownField",
        &samples::exercises().exercises[0].unknown[0],
    );
}

#[test]
fn every_problem_is_the_schema_of_problems() {
    let document = document();
    let schema = &document["components"]["schemas"]["Problem"];
    for code in Code::ALL {
        let problem = Problem::new(*code).with("tries_left", 1);
        let errors = schema::errors(&document, schema, &serde_json::to_value(problem).unwrap());
        assert!(errors.is_empty(), "{code}: {errors:?}");
    }
}

/// Checks that each of `values` is in the enumeration at `pointer`, and that it holds nothing else.
fn enumeration<T: Serialize>(pointer: &str, values: &[T]) {
    let document = document();
    let documented = document
        .pointer(&format!("/components/schemas/{pointer}/enum"))
        .unwrap_or_else(|| panic!("no enumeration {pointer}"))
        .as_array()
        .unwrap()
        .iter()
        .filter(|value| !value.is_null())
        .map(Value::to_string);
    let values = values
        .iter()
        .map(|value| serde_json::to_string(value).unwrap());
    assert_eq!(
        documented.collect::<BTreeSet<_>>(),
        values.collect::<BTreeSet<_>>(),
        "{pointer}"
    );
}

#[test]
fn every_enumeration_has_the_same_values() {
    use {
        AnchorRole as A, CardKind as K, CardPhase as P, CertificateUse as U, CrlState as L,
        Environment as E, GrantDuration as G, HolderCategory as H, IdentitySource as I,
        NationalIdKind as N, PcscState as S, ReaderState as R, StructureKind as T, Verdict as V,
    };
    enumeration("Anchor/properties/role", &[A::Intermediate, A::Root]);
    enumeration(
        "CardKind",
        &[K::Cps3, K::Cps3Contactless, K::Cps4, K::Pkcs11],
    );
    enumeration(
        "Card/properties/state",
        &[P::Reading, P::Ready, P::Unusable],
    );
    enumeration(
        "Certificate/properties/use",
        &[
            U::Authority,
            U::Authentication,
            U::Server,
            U::Signature,
            U::Technical,
            U::Other,
        ],
    );
    enumeration(
        "Crl/properties/state",
        &[L::Current, L::Grace, L::Missing, L::Stale],
    );
    for owner in ["Status", "Trust"] {
        let pointer = format!("{owner}/properties/environment");
        enumeration(&pointer, &[E::Custom, E::Production, E::Test]);
    }
    enumeration(
        "Finding/properties/level",
        &[Level::Ok, Level::Warning, Level::Error],
    );
    enumeration("Grant/properties/duration", &[G::Days, G::Once, G::Session]);
    enumeration(
        "Identity/properties/category",
        &[H::Cpa, H::Cpe, H::Cpf, H::Cps, H::Other],
    );
    enumeration(
        "Identity/properties/source",
        &[I::Certificate, I::CertificateAndCard],
    );
    enumeration(
        "Identity/properties/national_id_kind",
        &[
            N::Adeli,
            N::AdeliPractice,
            N::Drass,
            N::FinessInternal,
            N::SirenInternal,
            N::SiretInternal,
            N::RppsPractice,
            N::Rpps,
            N::Student,
            N::Other,
        ],
    );
    enumeration(
        "KeyScheme",
        &[
            KeyScheme::EcdsaSha256,
            KeyScheme::EcdsaSha384,
            KeyScheme::EcdsaSha512,
            KeyScheme::Pkcs1Sha1,
            KeyScheme::Pkcs1Sha256,
            KeyScheme::Pkcs1Sha384,
            KeyScheme::Pkcs1Sha512,
            KeyScheme::PssSha1,
            KeyScheme::PssSha256,
            KeyScheme::PssSha384,
            KeyScheme::PssSha512,
        ],
    );
    enumeration(
        "MailLogin",
        &[
            MailLogin::Certificate,
            MailLogin::External,
            MailLogin::Oauthbearer,
            MailLogin::Xoauth2,
        ],
    );
    enumeration(
        "MailServer/properties/tls",
        &[MailTls::Implicit, MailTls::Starttls],
    );
    enumeration(
        "Mailbox/properties/source",
        &[
            OperatorSource::Autoconfig,
            OperatorSource::Configuration,
            OperatorSource::Dns,
            OperatorSource::Withdrawn,
        ],
    );
    enumeration(
        "ModuleSettings/properties/login",
        &[ModuleLogin::None, ModuleLogin::ProtectedPath],
    );
    enumeration(
        "ModuleSettings/properties/program_pin",
        &[ProgramPin::Ignore, ProgramPin::Refuse],
    );
    enumeration(
        "ObjectToken/properties/pair",
        &[KeyPair::Authentication, KeyPair::Signature],
    );
    enumeration("Status/properties/pcsc", &[S::Running, S::Stopped]);
    enumeration(
        "Reader/properties/state",
        &[R::Card, R::Empty, R::Mute, R::Unavailable, R::UnknownCard],
    );
    enumeration(
        "Structure/properties/kind",
        &[
            T::AdeliPractice,
            T::Finess,
            T::Siren,
            T::Siret,
            T::RppsRank,
            T::Other,
        ],
    );
    enumeration(
        "TlsSignRequest/properties/scheme",
        &[
            SignatureScheme::EcdsaSecp256r1Sha256,
            SignatureScheme::RsaPkcs1Sha256,
            SignatureScheme::RsaPkcs1Sha384,
            SignatureScheme::RsaPkcs1Sha512,
            SignatureScheme::RsaPssRsaeSha256,
            SignatureScheme::RsaPssRsaeSha384,
            SignatureScheme::RsaPssRsaeSha512,
        ],
    );
    enumeration(
        "TrustReport/properties/revocation",
        &[Revocation::Good, Revocation::Unknown],
    );
    enumeration(
        "TrustReport/properties/verdict",
        &[
            V::BadSignature,
            V::ClockSkew,
            V::Expired,
            V::KeyPeriodOver,
            V::NotYetValid,
            V::Obsolete,
            V::Revoked,
            V::TestInProduction,
            V::Trusted,
            V::UnknownIssuer,
            V::WrongUse,
        ],
    );
}

#[test]
fn every_value_is_written_as_it_is_shown() {
    for kind in [
        CardKind::Cps3,
        CardKind::Cps3Contactless,
        CardKind::Cps4,
        CardKind::Pkcs11,
    ] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for kind in EventKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

#[test]
fn a_value_that_is_newer_is_accepted() {
    let verdict: Verdict = serde_json::from_str("\"quantum\"").unwrap();
    assert_eq!(verdict, Verdict::Other);
}

/// Each operation of the document: method, path, description.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    operations.collect()
}

#[test]
fn the_document_and_the_router_have_the_same_paths() {
    let document = document();
    let documented: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    assert_eq!(documented, routes);
    assert_eq!(routes.len(), ROUTES.len(), "a route twice");
}

#[test]
fn every_event_is_documented() {
    let document = document();
    let text = document["paths"]["/v1/events"]["get"]["responses"]["200"]["description"]
        .as_str()
        .unwrap();
    for kind in EventKind::ALL {
        assert!(text.contains(kind.as_str()), "{}", kind.as_str());
    }
}

#[test]
fn each_operation_documents_the_statuses_of_its_codes() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let codes = operation["x-codes"].as_array().unwrap();
        let expected: BTreeSet<String> = codes
            .iter()
            .map(|code| {
                code.as_str()
                    .unwrap()
                    .parse::<Code>()
                    .unwrap()
                    .status()
                    .to_string()
            })
            .collect();
        let documented: BTreeSet<String> = operation["responses"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, response)| response["$ref"] == "#/components/responses/Problem")
            .map(|(status, _)| status.clone())
            .collect();
        assert_eq!(documented, expected, "{method} {path}");
    }
}

#[test]
fn every_code_belongs_to_an_operation() {
    /// Answers outside of any operation.
    const ANSWERS: &[Code] = &[Code::CallerMethod, Code::CallerNotFound];
    /// Found by clients, before or instead of an answer.
    const CLIENTS: &[Code] = &[
        Code::AddressUnavailable,
        Code::DaemonAbsent,
        Code::DaemonForeign,
        Code::DaemonNoSocketPath,
        Code::DaemonProtocol,
        Code::DaemonTimeout,
        Code::FileAmongInputs,
        Code::FileExists,
        Code::FileFolder,
        Code::FileLink,
        Code::FileName,
        Code::FileSameName,
        Code::FileSpecial,
        Code::FileUnreadable,
        Code::FileUnwritable,
        Code::MailClientAmbiguous,
        Code::MailClosed,
        Code::MailTunnelUnsupported,
        Code::SetupAdministrator,
        Code::SetupAnotherUser,
        Code::SetupChanged,
        Code::SetupConflict,
        Code::SetupDeclined,
        Code::SetupForeignFile,
        Code::SetupModuleAbsent,
        Code::SetupNeverOpened,
        Code::SetupNothingFound,
        Code::SetupProgramRunning,
        Code::SetupSandboxed,
        Code::SetupToolAbsent,
        Code::SetupToolFailed,
        Code::SetupUnregistered,
    ];
    /// Findings of the doctor and warnings of cards.
    const FINDINGS: &[Code] = &[
        Code::CardUpdateUnfinished,
        Code::CertificateExpiring,
        Code::CertificateIdentifierDoubtful,
        Code::ConfigInvalid,
        Code::MailOperatorWithdrawn,
        Code::MailPortUnavailable,
        Code::MailStateDamaged,
        Code::ReaderAbsent,
        Code::TrustAbsent,
        Code::TrustExpiring,
        Code::TrustListStale,
    ];
    /// In the answers of `POST /v1/mail/mailboxes/{address}/test`.
    const TRIALS: &[Code] = &[
        Code::MailCardNotAccepted,
        Code::MailCardUnusable,
        Code::MailInsecure,
        Code::MailNoMechanism,
        Code::MailNoToken,
        Code::MailNotYourMailbox,
        Code::MailOperatorFailed,
        Code::MailOtherCard,
        Code::MailTokenRefused,
    ];
    let document = document();
    let mut known: BTreeSet<Code> = operations(&document)
        .into_iter()
        .flat_map(|(_, _, operation)| operation["x-codes"].as_array().unwrap())
        .map(|code| code.as_str().unwrap().parse().unwrap())
        .collect();
    known.extend([ANSWERS, CLIENTS, FINDINGS, TRIALS].concat());
    for code in Code::ALL {
        assert!(known.contains(code), "{code} is in no operation");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn follow(document: &Value, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| follow(document, item)),
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = target.trim_start_matches('#');
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                members.values().for_each(|member| follow(document, member));
            }
            _ => {}
        }
    }
    let document = document();
    follow(&document, &document);
}
