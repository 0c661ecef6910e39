//! Tokens of real PKCS#11 modules as cards of the daemon: SoftHSM with RSA and P-256 keys, OpenSC over
//! the virtual CPS3.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;

use cps_api::types::{Card, CardKind, CardPhase};
use cps_emulator::{Holder, Pki, Profile, ServerFlaw};
use cps_tests::{
    Answer, Authority, Nginx, Practice, Settings, Site, SoftHsm, TlsVersions, openssl, until,
};

/// A CPS identity whose keys are in a soft token does what a card does: identity, documents, TLS,
/// grants, journal, one PIN for all of it.
#[test]
fn a_soft_token_is_a_card_like_any_other() {
    let site = Site::new(TlsVersions::Both);
    let practice = with_softhsm(&site, |token, pki| {
        import_holder(token, pki);
        Vec::new()
    });
    let card = token_of(&practice, "softhsm");
    assert_eq!(card.kind, CardKind::Pkcs11);
    assert!(card.serial.starts_with("softhsm:"), "{}", card.serial);

    let identity = practice.json(&["identity"]);
    assert_eq!(identity["national_id"], Holder::CpsMedecin.national_id());
    assert_eq!(identity["card"]["kind"], "pkcs11");
    assert_eq!(identity["trust"]["verdict"], "trusted");

    assert!(signed(&practice, &practice.anchors).status.success());
    let subject = prove(&practice, &site, &practice.anchors);
    assert!(
        subject.contains(Holder::CpsMedecin.national_id()),
        "{subject}"
    );
    assert_eq!(practice.pinentry.pins_asked(), 1);

    let journal = practice.json(&["journal"]).to_string();
    for part in ["sign_cms", "tls_client_auth", card.serial.as_str()] {
        assert!(journal.contains(part), "{part} in {journal}");
    }
    practice.cps(&["journal", "verify"]);
    let grants = practice.json(&["grants"]).to_string();
    assert!(grants.contains(&card.serial), "{grants}");

    // Locked, it asks again.
    practice.cps(&["lock"]);
    assert!(signed(&practice, &practice.anchors).status.success());
    assert_eq!(practice.pinentry.pins_asked(), 2);
}

/// A certificate that no health authority issued, with a P-256 key: the anchors decide.
#[test]
fn a_p256_key_signs_documents_and_opens_tls_connections() {
    let site = Site::new(TlsVersions::Both);
    let practice = with_softhsm(&site, |token, _| {
        let authority = Authority::new(token.sandbox());
        for (id, name, usage, purpose) in [
            ("01", "auth", "digitalSignature", "clientAuth"),
            ("02", "sign", "nonRepudiation", "emailProtection"),
        ] {
            let (key, certificate) = authority.issue(name, usage, purpose);
            token.import(id, name, &key, &certificate);
        }
        vec![authority.certificate()]
    });
    let card = token_of(&practice, "softhsm");
    assert_eq!(card.certificates.len(), 2);
    let anchors = practice.sandbox.join("authority/ca.pem");
    let verified = signed(&practice, &anchors);
    assert!(verified.status.success(), "{verified:?}");
    let subject = prove(&practice, &site, &anchors);
    assert!(subject.contains("MARTIN"), "{subject}");
    assert_eq!(practice.pinentry.pins_asked(), 1);
}

/// SoftHSM does not count tries: after a wrong PIN, the next one may be the last for all we know.
#[test]
fn a_token_that_does_not_count_tries_is_asked_for_with_care() {
    let site = Site::new(TlsVersions::Both);
    let practice = with_softhsm(&site, |token, pki| {
        import_holder(token, pki);
        Vec::new()
    });
    token_of(&practice, "softhsm");
    practice.pinentry.queue(&[Answer::Pin("9999".to_owned())]);
    let refused = practice.refused(&["login"]);
    assert!(refused.contains("pin.incorrect"), "{refused}");

    practice.pinentry.queue(&[Answer::Cancel]);
    let declined = practice.refused(&["login"]);
    assert!(declined.contains("pin.last_try_declined"), "{declined}");
    let question = practice.pinentry.questions().pop().unwrap();
    assert!(question.contains("peut-être le dernier") || question.contains("may be the last"));
    assert_eq!(practice.pinentry.pins_asked(), 1);

    // A program whose dialog was closed has to wait a moment.
    until("the login", || {
        let login = practice.cpsd.cps(&practice.sandbox, &["login"]);
        login.status.success().then_some(())
    });
    assert!(token_of(&practice, "softhsm").logged_in);
}

/// The process of a module is killed: the login is gone, the token is not, and the next use asks for
/// the PIN and works.
#[test]
fn a_module_that_dies_costs_its_login_and_nothing_else() {
    let site = Site::new(TlsVersions::Both);
    let mut practice = with_softhsm(&site, |token, pki| {
        import_holder(token, pki);
        Vec::new()
    });
    let before = token_of(&practice, "softhsm").serial;
    practice.cps(&["login"]);
    let pid = module_process(practice.cpsd.peer().pid());
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();

    practice.sandbox.write("document", CONTENT);
    let lost = practice.refused(&["sign", "document", "-o", "document.p7s"]);
    assert!(
        lost.contains("module.crashed") && lost.contains("softhsm"),
        "{lost}"
    );
    assert!(signed(&practice, &practice.anchors).status.success());
    assert_eq!(practice.pinentry.pins_asked(), 2);
    assert_eq!(token_of(&practice, "softhsm").serial, before);
}

/// The daemon's own driver and OpenSC see the same CPS3: it is one card, with either in charge.
#[test]
fn a_cps_that_a_module_sees_too_is_one_card() {
    for (prefer, module) in [("native", false), ("module", true)] {
        let mut practice = with_opensc(prefer);
        let inserted = cps_tests::InsertedCard::new(
            &practice.pcscd,
            0,
            practice.card(Holder::CpsMedecin, Profile::Cps3),
        );
        let client = practice.cpsd.client();
        let ready = || {
            let mut cards = client.cards().unwrap().cards;
            cards.retain(|card| card.state == CardPhase::Ready);
            (!cards.is_empty()).then_some(cards)
        };
        until("a card", ready);
        let identity = practice.json(&["identity"]);
        assert_eq!(identity["national_id"], Holder::CpsMedecin.national_id());

        // The authentication key: the one that OpenSC can use.
        let card = prove_with_the_module(&practice);
        assert_eq!(card.kind == CardKind::Pkcs11, module, "{prefer}: {card:?}");
        assert_eq!(
            card.serial.starts_with("opensc:"),
            module,
            "{}",
            card.serial
        );
        assert_eq!(ready().unwrap().len(), 1, "{prefer}");
        assert_eq!(inserted.counters().verify, 1, "{prefer}");
        let journal = practice.json(&["journal"]).to_string();
        assert!(journal.contains(&card.serial), "{journal}");
        if !module {
            // It did look, and was told apart.
            until("the module's look", || {
                let log = practice.cpsd.peer().log();
                log.contains("driven already").then_some(())
            });
            assert_eq!(ready().unwrap().len(), 1);
        }

        // Taken out, it is gone whoever drives it.
        inserted.remove();
        until("no card", || {
            client.cards().unwrap().cards.is_empty().then_some(())
        });
    }
}

/// A module that cannot be loaded is told by the doctor, and keeps nobody from the card.
#[test]
fn a_module_that_is_not_there_is_told_and_holds_nobody_up() {
    let practice = Practice::prepared(|_, _| Settings {
        more: "prefer = \"module\"\n[[module]]\nname = \"vendor\"\npath = \"/nowhere.so\"\n"
            .to_owned(),
        ..Settings::default()
    });
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    assert_eq!(practice.json(&["identity"])["card"]["kind"], "cps3");
    let output = practice.cpsd.cps(&practice.sandbox, &["doctor", "--json"]);
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = findings["findings"].as_array().unwrap().clone();
    let mut findings = findings.into_iter();
    let finding = findings.find(|finding| finding["subject"] == "vendor");
    let finding = finding.expect("a finding about the module");
    assert_eq!(finding["code"], "module.unavailable");
    assert!(
        finding["en"].as_str().unwrap().contains("nowhere.so"),
        "{finding}"
    );
}

/// `/v1/tls/sign` with whatever card there is; the card.
fn prove_with_the_module(practice: &Practice) -> Card {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use cps_api::types::{SignatureScheme, TlsSignRequest};

    let client = practice.cpsd.client();
    let signed = client
        .tls_sign(&TlsSignRequest {
            card: None,
            scheme: SignatureScheme::RsaPkcs1Sha256,
            digest: STANDARD.encode([7; 32]),
            destination: "localhost:443".to_owned(),
        })
        .unwrap();
    assert!(!signed.signature.is_empty());
    let card = client.cards().unwrap().cards.remove(0);
    assert!(card.logged_in, "{card:?}");
    card
}

fn with_opensc(prefer: &str) -> Practice {
    Practice::prepared(|sandbox, _| Settings {
        more: format!(
            "prefer = \"{prefer}\"\n[[module]]\nname = \"opensc\"\n\
             path = \"/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so\"\n\
             environment = {{ PCSCLITE_CSOCK_NAME = \"{}\" }}\n",
            sandbox.join("pcscd/pcscd.comm").display()
        ),
        destinations: vec![("localhost".to_owned(), 443)],
        ..Settings::default()
    })
}

/// A practice with a SoftHSM token; what `fill` gives are further anchors.
fn with_softhsm(site: &Site, fill: impl FnOnce(&SoftHsm<'_>, &Pki) -> Vec<PathBuf>) -> Practice {
    Practice::prepared(|sandbox, pki| {
        let token = SoftHsm::new(sandbox, "practice");
        Settings {
            anchors: fill(&token, pki),
            destinations: vec![("localhost".to_owned(), site.port)],
            more: token.toml(),
            ..Settings::default()
        }
    })
}

/// The two key pairs of a physician's card.
fn import_holder(token: &SoftHsm<'_>, pki: &Pki) {
    let holder = Holder::CpsMedecin;
    let keys = [
        include_str!("../../fixtures/keys/cps-medecin-authentication.pem"),
        include_str!("../../fixtures/keys/cps-medecin-signature.pem"),
    ];
    token.import("01", "auth", keys[0], &pki.authentication_der(holder));
    token.import("02", "sign", keys[1], &pki.signature_der(holder));
}

/// The token of a module, once it is there.
fn token_of(practice: &Practice, module: &str) -> Card {
    let client = practice.cpsd.client();
    until("the token", || {
        let mut cards = client.cards().unwrap().cards.into_iter();
        cards.find(|card| card.serial.starts_with(&format!("{module}:")))
    })
}

/// `cps sign`, then what `openssl cms` says of it.
fn signed(practice: &Practice, anchors: &Path) -> Output {
    let document = practice.sandbox.write("document", CONTENT);
    practice.cps(&["sign", "document", "-o", "document.p7s"]);
    let signature = practice.sandbox.join("document.p7s");
    openssl::cms_verify(&practice.sandbox, &signature, Some(&document), anchors)
}

/// `cps tunnel` to nginx; the subject that nginx verified.
fn prove(practice: &Practice, site: &Site, anchors: &Path) -> String {
    let identity = practice.pki.server_with(&["localhost"], ServerFlaw::None);
    let nginx = Nginx::start(
        &practice.sandbox,
        &identity,
        anchors,
        std::slice::from_ref(site),
    );
    let request = "GET /dossier HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let request = practice.sandbox.write("request", request);
    let target = format!("localhost:{}", site.port);
    let output = practice
        .cpsd
        .command(&practice.sandbox, &["tunnel", &target])
        .stdin(File::open(request).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let request = until("the line in the log of nginx", || nginx.requests().pop());
    assert_eq!(request["verify"], "SUCCESS");
    assert_eq!(request["protocol"], "TLSv1.3");
    request["dn"].as_str().unwrap().to_owned()
}

/// The process that the daemon started for its only module.
fn module_process(daemon: u32) -> rustix::process::Pid {
    let children = format!("/proc/{daemon}/task");
    let found = fs::read_dir(children).unwrap().find_map(|task| {
        let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        children.split_whitespace().find_map(|pid| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
            line.contains("module-host").then(|| pid.parse().unwrap())
        })
    });
    rustix::process::Pid::from_raw(found.expect("the process of the module")).unwrap()
}

const CONTENT: &[u8] = b"Compte rendu de consultation (document d'essai)\n";
