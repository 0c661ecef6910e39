//! One value of each wire type, with nothing left out.

use crate::types::*;

const DATE: &str = "2026-01-02T03:04:05Z";

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) fn anchor() -> Anchor {
    Anchor {
        name: "CPSD-TEST ROOT".into(),
        role: AnchorRole::Root,
        fingerprint_sha256: SHA256.into(),
        pinned: true,
        present: true,
        not_after: some(DATE),
        der: Some("MIIB".to_owned()),
    }
}

pub(super) fn caller() -> Caller {
    Caller {
        executable: some("/usr/bin/lps"),
        pid: Some(42),
        app_id: some("org.example.Lps"),
        unit: some("app-lps.scope"),
        display: "Lps".into(),
    }
}

pub(super) fn card() -> Card {
    Card {
        serial: "90000001".into(),
        kind: CardKind::Cps3Contactless,
        reader: "Virtual reader".into(),
        state: CardPhase::Ready,
        logged_in: false,
        pin: PinTries {
            tries_left: Some(3),
            max: Some(3),
        },
        card_number: some("9900000012"),
        certificates: vec![certificate()],
        warnings: vec!["certificate.expired".into()],
    }
}

pub(super) fn certificate() -> Certificate {
    Certificate {
        usage: CertificateUse::Authentication,
        subject: "CN=899700000013,C=FR".into(),
        issuer: "CN=CPSD-TEST CA,C=FR".into(),
        serial: "0a".into(),
        not_before: DATE.into(),
        not_after: DATE.into(),
        fingerprint_sha256: SHA256.into(),
        trust: trust_report(),
    }
}

pub(super) fn coded() -> Coded {
    Coded {
        code: "10".into(),
        label: some("Médecin"),
        table: some("G15"),
        oid: some("1.2.250.1.71.1.2.7"),
    }
}

pub(super) fn doctor() -> Doctor {
    Doctor {
        findings: vec![Finding {
            code: "reader.service_absent".into(),
            level: Level::Error,
            subject: "pcscd".into(),
            fr: "Absent.".into(),
            en: "Absent.".into(),
            remedy_fr: some("Démarrez-le."),
            remedy_en: some("Start it."),
        }],
    }
}

pub(super) fn event() -> Event {
    Event {
        reader: some("Virtual reader"),
        card: some("90000001"),
    }
}

pub(super) fn exercises() -> Exercises {
    let unknown = UnknownField {
        tag: "9f01".into(),
        value: "00ff".into(),
    };
    Exercises {
        card: "90000001".into(),
        exercises: vec![Exercise {
            index: 16,
            structure: Some(structure()),
            sector: Some(coded()),
            mode: Some(coded()),
            adeli_specialty: Some(coded()),
            pharmacist_table: Some(coded()),
            billing: Some(Billing {
                identifier: some("991234567"),
                specialty: Some(coded()),
                convention: Some(coded()),
                tariff_zone: Some(coded()),
                travel_allowance: Some(coded()),
                agreement: Some(coded()),
                geographic_zone: Some(coded()),
                unknown: vec![unknown.clone()],
            }),
            unknown: vec![unknown],
        }],
    }
}

pub(super) fn grants() -> Grants {
    Grants {
        grants: vec![Grant {
            id: "1".into(),
            caller: caller(),
            program_name: some("Logiciel de cabinet"),
            icon: some("logiciel"),
            purpose: "tls_client_auth".into(),
            destination: some("dmp.example:443"),
            card: some("90000001"),
            duration: GrantDuration::Days,
            granted_at: DATE.into(),
            expires_at: some(DATE),
        }],
    }
}

pub(super) fn identity() -> Identity {
    Identity {
        national_id: "899700000013".into(),
        national_id_kind: NationalIdKind::Rpps,
        family_name: some("EXEMPLE"),
        given_name: some("ALIX"),
        title: some("Médecin"),
        profession: Some(coded()),
        profession_in_training: Some(coded()),
        specialty: vec![coded()],
        category: HolderCategory::Cps,
        structure: Some(structure()),
        card: CardRef {
            serial: "90000001".into(),
            kind: CardKind::Cps3,
            number: some("9900000012"),
        },
        valid_from: DATE.into(),
        valid_until: DATE.into(),
        test: true,
        obsolete: false,
        trust: trust_report(),
        source: IdentitySource::CertificateAndCard,
    }
}

pub(super) fn imported() -> Imported {
    Imported {
        imported: vec![anchor()],
        already_present: vec![anchor()],
    }
}

pub(super) fn journal() -> Journal {
    Journal {
        entries: vec![JournalEntry {
            sequence: 1,
            at: DATE.into(),
            operation: "sign_cms".into(),
            caller: caller(),
            destination: some("dmp.example:443"),
            card: some("90000001"),
            certificate: some(SHA256),
            result: "done".into(),
            note: some("for the session"),
            hash: SHA256.into(),
        }],
        verified: true,
    }
}

pub(super) fn journal_verification() -> JournalVerification {
    JournalVerification {
        verified: false,
        entries: 9,
        begins_at: Some(3),
        broken_at: Some(7),
        detail: some("the hash does not follow"),
    }
}

pub(super) fn mail() -> Mail {
    Mail {
        imap: some("127.0.0.1:1143"),
        smtp: some("127.0.0.1:1587"),
        autoconfig: some("127.0.0.1:1480"),
        imaps: some("127.0.0.1:1993"),
        smtps: some("127.0.0.1:1465"),
        imap_socket: some("/run/user/1000/cpsd/imap.sock"),
        smtp_socket: some("/run/user/1000/cpsd/smtp.sock"),
        authority: some("/home/alix/.local/state/cpsd/mail-authority.pem"),
        mailboxes: vec![mailbox()],
        sessions: 2,
    }
}

pub(super) fn mail_journal() -> MailJournal {
    MailJournal {
        entries: vec![MailJournalEntry {
            sequence: 12,
            at: "2026-01-05T09:00:00+01:00".into(),
            author: some("899700000013"),
            mailbox: some("alix.exemple@medecin.mssante.fr"),
            protocol: some("smtp"),
            action: "send".into(),
            request: "MAIL FROM:<alix.exemple@medecin.mssante.fr> RCPT 1 medecin.mssante.fr".into(),
            answer: some("250 2.0.0 Ok: queued as 4Xy"),
            program: some("Thunderbird"),
            hash: SHA256.into(),
        }],
        verified: true,
    }
}

pub(super) fn mail_test() -> MailTest {
    let trial = MailTrial {
        ok: false,
        code: some("card.absent"),
        detail: some("no card"),
        answer: some("NO [UNAVAILABLE] Insert your CPS card"),
    };
    MailTest {
        imap: trial.clone(),
        smtp: trial,
    }
}

pub(super) fn mailbox() -> Mailbox {
    let server = |port| MailServer {
        host: "mail.example.mssante.fr".into(),
        port,
        tls: MailTls::Starttls,
    };
    Mailbox {
        address: "alix@medecin.example.mssante.fr".into(),
        operator: "Exemple".into(),
        source: OperatorSource::Dns,
        imap: server(143),
        smtp: server(587),
        login: MailLogin::External,
        smtp_login: MailLogin::Certificate,
        shared: true,
        national_id: "899700000013".into(),
        holder: "ALIX EXEMPLE".into(),
        created_at: DATE.into(),
        passwords: vec![MailPassword {
            id: "0a1b2c3d".into(),
            client: "Thunderbird".into(),
            created_at: DATE.into(),
            last_used_at: some(DATE),
        }],
    }
}

pub(super) fn objects() -> Objects {
    Objects {
        complete: true,
        module: ModuleSettings {
            login: ModuleLogin::ProtectedPath,
            program_pin: ProgramPin::Refuse,
            wait_seconds: 60,
        },
        tokens: vec![ObjectToken {
            id: "t1".into(),
            card: "90000001".into(),
            pair: KeyPair::Authentication,
            label: "ALIX EXEMPLE".into(),
            manufacturer: "ANS".into(),
            model: "CPS4".into(),
            serial: "90000001".into(),
            reader: "Virtual reader".into(),
            logged_in: true,
            pin: PinFlags::default(),
            keys: vec![ObjectKey {
                id: "t1".into(),
                label: "Authentification".into(),
                spki: "AAAA".into(),
                schemes: vec![KeyScheme::PssSha256],
                decrypts: true,
                always_authenticate: false,
            }],
            certificates: vec![ObjectCertificate {
                label: "Authentification".into(),
                der: "AAAA".into(),
                authority: false,
            }],
            data: vec![ObjectData {
                id: "d1".into(),
                label: "CPS_INFO_PS".into(),
                private: false,
            }],
        }],
    }
}

pub(super) fn object_sign_request() -> ObjectSignRequest {
    ObjectSignRequest {
        scheme: KeyScheme::Pkcs1Sha256,
        digest: "AAAA".into(),
    }
}

pub(super) fn reader() -> Reader {
    Reader {
        name: "Virtual reader".into(),
        state: ReaderState::UnknownCard,
        card: some("90000001"),
    }
}

pub(super) fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        pcsc: PcscState::Running,
        readers: 1,
        cards: 1,
        pid: 42,
        started_at: DATE.into(),
        environment: Environment::Production,
    }
}

pub(super) fn structure() -> Structure {
    Structure {
        id: some("499700000013001"),
        kind: Some(StructureKind::RppsRank),
        name: some("CABINET EXEMPLE"),
    }
}

pub(super) fn tls_sign_request() -> TlsSignRequest {
    TlsSignRequest {
        card: some("90000001"),
        scheme: SignatureScheme::RsaPssRsaeSha256,
        digest: "A".repeat(44),
        destination: "dmp.example".into(),
    }
}

pub(super) fn tls_signature() -> TlsSignature {
    TlsSignature {
        signature: "AAAA".into(),
        certificate_chain: vec!["AAAA".into()],
    }
}

pub(super) fn trust() -> Trust {
    Trust {
        environment: Environment::Custom,
        anchors: vec![anchor()],
        crls: vec![Crl {
            issuer: "CN=CPSD-TEST CA,C=FR".into(),
            url: some("http://127.0.0.1/ca.crl"),
            state: CrlState::Grace,
            this_update: some(DATE),
            next_update: some(DATE),
            next_fetch: some(DATE),
        }],
    }
}

pub(super) fn trust_report() -> TrustReport {
    TrustReport {
        verdict: Verdict::KeyPeriodOver,
        detail: some("since yesterday"),
        revocation: Some(Revocation::Good),
    }
}

pub(super) fn tunnel_request() -> TunnelRequest {
    TunnelRequest {
        card: some("90000001"),
        host: "dmp.example".into(),
        port: 443,
        purpose: some("dmp"),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}
