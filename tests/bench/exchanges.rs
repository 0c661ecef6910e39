//! Exchanges with the card, ours and OpenSC's.

use std::time::SystemTime;

use cps_api::types::{CmsParameters, SignatureScheme, TlsSignRequest};
use cps_emulator::{Counters, Exchange, Holder, Pki, Profile, VirtualCard};
use cps_tests::{Embedded, InsertedCard, Pcscd, Sandbox, opensc};

use crate::Metrics;

pub(crate) fn measure(metrics: &mut Metrics) {
    for profile in [Profile::Cps3, Profile::Cps4] {
        ours(metrics, profile);
    }
    opensc(metrics);
}

fn ours(metrics: &mut Metrics, profile: Profile) {
    let practice = Embedded::with_destinations(&[443]);
    let client = practice.client();
    let mut set = |phase: &str, counters: Counters| {
        metrics.set(format!("apdu.{profile}.{phase}"), counters.apdus as f64);
        if phase.starts_with("identity") {
            metrics.set(format!("bytes.{profile}.{phase}"), counters.bytes() as f64);
        }
    };

    let mut card = VirtualCard::new(&practice.pki, Holder::CpsMedecin, profile);
    for phase in ["identity_cold", "identity_warm"] {
        card.reset_counters();
        practice.insert(card);
        client.identity(None).expect("the identity");
        set(phase, practice.counters());
        card = practice.remove();
    }
    practice.insert(card);
    client.identity(None).expect("the identity");

    practice.reset_counters();
    client.login(None).expect("a login");
    let log = practice
        .slot
        .with_card(|card| card.log().to_vec())
        .expect("a card");
    let verify = log.iter().position(is_verify).expect("the PIN was sent");
    metrics.set(format!("apdu.{profile}.login_tries"), verify as f64);
    metrics.set(format!("apdu.{profile}.login"), (log.len() - verify) as f64);

    let request = tls_request();
    let document = b"document";
    for turn in 0..4 {
        practice.reset_counters();
        client.tls_sign(&request).expect("a TLS signature");
        if turn == 3 {
            let apdus = practice.counters().apdus;
            metrics.set(format!("apdu.{profile}.sign_auth"), apdus as f64);
        }
    }
    for turn in 0..4 {
        practice.reset_counters();
        let parameters = CmsParameters::default();
        client
            .sign_cms(&parameters, &mut &document[..], &mut Vec::new())
            .expect("a CMS signature");
        if turn == 3 {
            let apdus = practice.counters().apdus;
            metrics.set(format!("apdu.{profile}.sign_signature"), apdus as f64);
        }
    }
}

/// One handshake signature, always the same.
pub(crate) fn tls_request() -> TlsSignRequest {
    TlsSignRequest {
        card: None,
        scheme: SignatureScheme::RsaPkcs1Sha256,
        digest: "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=".to_owned(),
        destination: "localhost:443".to_owned(),
    }
}

/// OpenSC's pkcs11-tool on the same card, through the real pcscd.
fn opensc(metrics: &mut Metrics) {
    let sandbox = Sandbox::new();
    let pki = Pki::new(SystemTime::now());
    let pcscd = Pcscd::start(&sandbox);
    let card = VirtualCard::new(&pki, Holder::CpsMedecin, Profile::Cps3);
    let card = InsertedCard::new(&pcscd, 0, card);
    card.seen_by_pcscd(&sandbox, &pcscd);
    sandbox.write("data", "data");
    opensc::digest_info(&sandbox, "data");

    let run = |arguments: &[&str]| {
        card.reset_counters();
        let output = opensc::run(&sandbox, &pcscd, "pkcs11-tool", arguments);
        assert!(
            output.status.success(),
            "pkcs11-tool {arguments:?}: {output:?}"
        );
        (card.log(), output)
    };
    let list = ["--list-objects", "--type", "cert"];
    let login = ["--login", "--pin", "1234"];
    let (enumerated, objects) = run(&list);
    metrics.set("apdu.opensc.identity_cold", enumerated.len() as f64);
    let (logged_in, _) = run(&[&list[..], &login[..]].concat());
    let login_only = logged_in.len().saturating_sub(enumerated.len());
    metrics.set("apdu.opensc.login", login_only as f64);
    let id = opensc::authentication_id(&objects);
    let sign = ["--sign", "--mechanism", "RSA-PKCS", "--id", &id];
    let files = ["--input-file", "digest-info", "--output-file", "signature"];
    let (signed, _) = run(&[&login[..], &sign[..], &files[..]].concat());
    let verify = signed
        .iter()
        .rposition(is_verify)
        .expect("OpenSC sent the PIN");
    metrics.set("apdu.opensc.sign_auth", (signed.len() - verify - 1) as f64);
}

/// VERIFY with a PIN in it: the tries are asked with an empty one.
fn is_verify(exchange: &Exchange) -> bool {
    let command = exchange.command.replace(' ', "");
    command.get(2..4) == Some("20") && command.len() > 10
}
