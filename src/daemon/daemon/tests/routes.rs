//! Every route: its ordinary answer, and its problem documents.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_emulator::{Holder, Profile, VirtualCard};
use hyper::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::bench::{PATIENCE, Setup, soon};
use crate::prompt::Decision;

#[tokio::test(flavor = "multi_thread")]
async fn states() {
    let bench = Setup::default().start().await;
    let identity = bench.get("/v1/identity").await.good();
    let serial = Holder::CpsMedecin.serial();
    assert_eq!(identity["card"]["serial"], serial);

    let status = bench.get("/v1/status").await.good();
    assert_eq!(status["pcsc"], "running");
    assert_eq!(
        (&status["readers"], &status["cards"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(status["pid"], std::process::id());
    assert_eq!(status["environment"], "custom");

    let readers = bench.get("/v1/readers").await.good();
    let expected = json!([{"name": "Virtual reader", "state": "card", "card": serial}]);
    assert_eq!(readers["readers"], expected);

    let cards = bench.get("/v1/cards").await.good();
    let card = &cards["cards"][0];
    assert_eq!(card["serial"], serial);
    assert_eq!(card["kind"], "cps3");
    assert_eq!(card["state"], "ready");
    assert_eq!(card["logged_in"], false);
    assert_eq!(card["warnings"], json!([]));
    assert_eq!(card["certificates"][0]["use"], "authentication");
    assert_eq!(card["certificates"][0]["trust"]["verdict"], "trusted");

    bench.slot.remove();
    soon("the card is gone", || {
        bench.daemon.app.cards.cards().is_empty()
    })
    .await;
    let readers = bench.get("/v1/readers").await.good();
    assert_eq!(readers["readers"][0]["state"], "empty");
    assert_eq!(bench.get("/v1/identity").await.code(), "card.absent");
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_of_every_holder_on_both_cards() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        for holder in Holder::ALL {
            let bench = Setup::of(holder, profile).start().await;
            let identity = bench.get("/v1/identity").await.good();
            let name = holder.name();
            assert_eq!(identity["national_id"], holder.national_id(), "{name}");
            assert_eq!(
                identity["family_name"],
                json!(holder.family_name()),
                "{name}"
            );
            assert_eq!(identity["given_name"], json!(holder.given_name()), "{name}");
            assert_eq!(identity["card"]["kind"], profile.name(), "{name}");
            assert_eq!(identity["test"], true, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_costs_what_the_budget_allows() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let bench = Setup::of(Holder::CpsMedecin, profile).start().await;
        bench.get("/v1/identity").await.good();
        let cold = bench.slot.counters().expect("a card");
        assert!(cold.apdus <= 20, "{profile:?}: {cold:?}");
        assert!(
            cold.bytes_in + cold.bytes_out <= 3_500,
            "{profile:?}: {cold:?}"
        );
        let kept = format!("state/cards/{}.json", Holder::CpsMedecin.serial());
        let kept = bench.folder.path().join(kept);
        soon("what was read is kept", || kept.exists()).await;
        let mut card = bench.slot.remove().expect("a card");
        card.reset_counters();
        soon("the card is gone", || {
            bench.daemon.app.cards.cards().is_empty()
        })
        .await;
        bench.slot.insert(card);
        soon("the card is back", || {
            !bench.daemon.app.cards.cards().is_empty()
        })
        .await;
        bench.get("/v1/identity").await.good();
        let warm = bench.slot.counters().expect("a card");
        assert!(warm.apdus <= 2, "{profile:?}: {warm:?}");
        assert!(
            warm.bytes_in + warm.bytes_out <= 64,
            "{profile:?}: {warm:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_is_part_of_the_identity() {
    use cps_emulator::CrlVariant;
    for (holder, lists, verdict) in [
        (Holder::CpsMedecin, CrlVariant::Empty, "trusted"),
        (Holder::CpsExpired, CrlVariant::Empty, "expired"),
        (Holder::CpsRevoked, CrlVariant::Revoked, "revoked"),
        (Holder::CpsLegacy, CrlVariant::Empty, "obsolete"),
    ] {
        let setup = Setup {
            holder,
            lists,
            ..Setup::default()
        };
        let bench = setup.start().await;
        let mut told = Value::Null;
        // The lists are fetched in the background.
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            told = bench.get("/v1/identity").await.good()["trust"]["verdict"].clone();
            if told == verdict {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(told, verdict, "{}", holder.name());
    }
}

/// On one thread: nothing of the daemon runs before this test waits.
#[tokio::test]
async fn a_card_that_was_ready_first_has_its_lists_fetched() {
    let bench = Setup::default().start().await;
    let end = Instant::now() + PATIENCE;
    let ready = |card: &crate::cards::CardState| card.phase == crate::cards::Phase::Ready;
    while !bench.daemon.app.cards.cards().iter().any(ready) {
        assert!(Instant::now() < end, "the card is not ready");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let requests = &bench.publisher.requests;
    soon("the lists are asked for", || {
        requests.load(std::sync::atomic::Ordering::SeqCst) > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_come_from_the_configured_dictionary() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("DICO-FR.GIP");
    let sectors = cps_identity::Dictionary::built_in().codes(cps_identity::Table::R02);
    let mut rows = "G15\t10\t\t\t11\tM\u{e9}decine 2030\r\n".to_owned();
    rows.extend(sectors.map(|(code, _)| format!("R02\t{code}\t\t\t7\tNouveau\r\n")));
    std::fs::write(&path, crate::dictionary::tests::gip(&rows)).expect("written");
    let setup = Setup {
        destinations: format!("dictionary = {path:?}\n"),
        ..Setup::default()
    };
    let bench = setup.start().await;
    let identity = bench.get("/v1/identity").await.good();
    let profession = json!({"code": "10", "label": "Médecine 2030"});
    for member in ["code", "label"] {
        assert_eq!(identity["profession"][member], profession[member]);
    }
    let exercises = bench.get("/v1/exercises").await.good();
    assert_eq!(exercises["exercises"][0]["sector"]["label"], "Nouveau");
    let mode = &exercises["exercises"][0]["mode"]["label"];
    assert!(mode.is_string(), "{mode}: as built in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contactless_card_has_no_identity_to_lend() {
    let bench = Setup::of(Holder::CpsMedecin, Profile::Cps3Contactless)
        .start()
        .await;
    assert_eq!(
        bench.get("/v1/identity").await.code(),
        "card.technical_only"
    );
    assert_eq!(
        bench.post("/v1/login", json!({})).await.code(),
        "card.technical_only"
    );
    assert_eq!(
        bench
            .dialogs
            .shown
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn exercises_after_the_pin() {
    let bench = Setup::of(Holder::CpsMulti, Profile::Cps3).start().await;
    let exercises = bench.get("/v1/exercises").await.good();
    let activities = Holder::CpsMulti.activities();
    let found = exercises["exercises"].as_array().expect("a list");
    assert_eq!(found.len(), activities.len());
    for (found, expected) in found.iter().zip(activities) {
        assert_eq!(found["index"], expected.index);
        assert_eq!(found["structure"]["id"], expected.structure_id);
        assert_eq!(found["sector"]["code"], expected.sector);
        // Ten digits on the card, padded in front.
        let billing = found["billing"]["identifier"]
            .as_str()
            .expect("an identifier");
        assert_eq!(billing.trim_start_matches('0'), expected.billing_id);
    }
    let cards = bench.get("/v1/cards").await.good();
    assert_eq!(cards["cards"][0]["logged_in"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn login_asks_once_and_lock_ends_it() {
    let bench = Setup::default().start().await;
    let login = || bench.post("/v1/login", json!({}));
    let serial = Holder::CpsMedecin.serial();
    assert_eq!(
        login().await.good(),
        json!({"card": serial, "logged_in": true})
    );
    assert_eq!(login().await.good()["logged_in"], true);
    let shown = || {
        bench
            .dialogs
            .shown
            .load(std::sync::atomic::Ordering::SeqCst)
    };
    assert_eq!(shown(), 1, "the second login finds the card unlocked");

    let locked = bench.post("/v1/lock", json!({})).await.good();
    assert_eq!(locked["locked"], json!([serial]));
    assert_eq!(
        bench.get("/v1/cards").await.good()["cards"][0]["logged_in"],
        false
    );
    let again = bench.post("/v1/lock", json!({"card": serial})).await.good();
    assert_eq!(again["locked"], json!([]));
    login().await.good();
    assert_eq!(shown(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_told_with_the_tries_left() {
    let bench = Setup::default().start().await;
    bench.dialogs.type_next(&["9999"]);
    let answer = bench.post("/v1/login", json!({})).await;
    assert_eq!(answer.code(), "pin.incorrect");
    assert_eq!(answer.json()["tries_left"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pin_is_changed_and_unblocked() {
    let bench = Setup::default().start().await;
    let changed = bench.post("/v1/pin/change", json!({})).await.good();
    assert_eq!(changed["card"], Holder::CpsMedecin.serial());
    bench.post("/v1/lock", json!({})).await.good();
    bench.dialogs.type_next(&["4321"]);
    bench.post("/v1/login", json!({})).await.good();

    bench.post("/v1/lock", json!({})).await.good();
    bench.slot.with_card(|card| card.set_pin_tries(0));
    assert_eq!(
        bench.post("/v1/login", json!({})).await.code(),
        "pin.blocked"
    );
    bench.dialogs.type_next(&["12345678", "7777", "7777"]);
    bench.post("/v1/pin/unblock", json!({})).await.good();
    bench.dialogs.type_next(&["7777"]);
    bench.post("/v1/login", json!({})).await.good();
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_signed_with_the_signature_certificate() {
    let bench = Setup::default().start().await;
    let content = b"ordonnance".repeat(1000);
    let contains = |all: &[u8], part: &[u8]| all.windows(part.len()).any(|window| window == part);
    let certificate = bench.pki.signature_der(Holder::CpsMedecin);
    for attached in [false, true] {
        let path = format!("/v1/sign/cms?attached={attached}&name=ordonnance.pdf");
        let answer = bench.send("POST", &path, &[], content.clone()).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{:?}",
            String::from_utf8_lossy(&answer.body)
        );
        assert_eq!(
            answer.headers["content-type"],
            "application/pkcs7-signature"
        );
        assert!(contains(&answer.body, &certificate));
        assert_eq!(contains(&answer.body, &content), attached);
    }
    let journal = bench.get("/v1/journal").await.good();
    let entries = journal["entries"].as_array().expect("a list");
    let signed: Vec<_> = entries
        .iter()
        .filter(|one| one["operation"] == "sign_cms")
        .collect();
    assert_eq!(signed.len(), 2);
    assert!(signed.iter().all(|one| one["result"] == "done"));
    let text = journal.to_string();
    assert!(!text.contains("ordonnance"), "a name is never kept: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_document_is_not_signed() {
    let bench = Setup::default().start().await;
    bench.post("/v1/login", json!({})).await.good();
    bench.dialogs.decide_next(Decision::Deny);
    let answer = bench.send("POST", "/v1/sign/cms", &[], b"x".to_vec()).await;
    assert_eq!(answer.code(), "grant.denied");
    assert_eq!(bench.slot.counters().expect("a card").key_operations, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_card_is_refused_before_any_dialog() {
    let bench = Setup::of(Holder::CpsExpired, Profile::Cps3).start().await;
    let answer = bench.send("POST", "/v1/sign/cms", &[], b"x".to_vec()).await;
    assert_eq!(answer.code(), "certificate.expired");
    assert_eq!(
        bench
            .dialogs
            .shown
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attached_document_has_a_limit() {
    let bench = Setup::default().start().await;
    let content = vec![0; 64 * 1024 * 1024 + 1];
    let answer = bench
        .send("POST", "/v1/sign/cms?attached=true", &[], content)
        .await;
    assert_eq!(answer.code(), "caller.too_large");
    assert_eq!(answer.json()["limit_bytes"], 64 * 1024 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_signature_verifies_under_the_certificate_it_comes_with() {
    let bench = Setup::default().allowing(443).start().await;
    let message = b"what TLS signs";
    let request = json!({
        "scheme": "rsa_pkcs1_sha256",
        "digest": STANDARD.encode(Sha256::digest(message)),
        "destination": "localhost:443",
    });
    let answer = bench.post("/v1/tls/sign", request.clone()).await.good();
    let bytes = |value: &Value| {
        STANDARD
            .decode(value.as_str().expect("text"))
            .expect("base64")
    };
    let chain = answer["certificate_chain"].as_array().expect("a list");
    assert_eq!(chain.len(), 2, "the certificate and its issuer");
    let leaf = rustls::pki_types::CertificateDer::from(bytes(&chain[0]));
    webpki::EndEntityCert::try_from(&leaf)
        .expect("a certificate")
        .verify_signature(
            webpki::ring::RSA_PKCS1_2048_8192_SHA256,
            message,
            &bytes(&answer["signature"]),
        )
        .expect("verifies");

    let with = |name: &str, value: &str| {
        let mut request = request.clone();
        request[name] = json!(value);
        bench.post("/v1/tls/sign", request)
    };
    assert_eq!(with("digest", "AAAA").await.code(), "caller.bad_request");
    assert_eq!(with("digest", "%").await.code(), "caller.bad_request");
    assert_eq!(
        with("scheme", "rsa_pss_rsae_sha256").await.code(),
        "card.unsupported"
    );
    assert_eq!(with("scheme", "md5").await.code(), "caller.bad_request");
    let elsewhere = with("destination", "elsewhere.example:443").await;
    assert_eq!(elsewhere.code(), "tls.destination_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_listed_and_revoked() {
    let bench = Setup::default().start().await;
    bench.get("/v1/exercises").await.good();
    let grants = bench.get("/v1/grants").await.good();
    let grant = &grants["grants"][0];
    assert_eq!(grant["purpose"], "read_exercises");
    assert_eq!(grant["duration"], "session");
    let path = format!("/v1/grants/{}", grant["id"].as_str().expect("an id"));
    let revoked = bench.send("DELETE", &path, &[], Vec::new()).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.get("/v1/grants").await.good()["grants"], json!([]));
    let again = bench.send("DELETE", &path, &[], Vec::new()).await;
    assert_eq!(again.code(), "grant.unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_read_in_pages_and_verified() {
    let bench = Setup::default().start().await;
    bench.post("/v1/login", json!({})).await.good();
    bench.post("/v1/lock", json!({})).await.good();
    let all = bench.get("/v1/journal").await.good();
    assert_eq!(all["verified"], true);
    let sequences = |journal: &Value| -> Vec<u64> {
        let entries = journal["entries"].as_array().expect("a list").iter();
        entries
            .filter_map(|entry| entry["sequence"].as_u64())
            .collect()
    };
    let numbers = sequences(&all);
    assert!(numbers.len() >= 2, "{all}");
    let second = bench.get("/v1/journal?after=1&limit=1").await.good();
    assert_eq!(sequences(&second), [2]);
    let verification = bench.get("/v1/journal/verify").await.good();
    assert_eq!(verification["verified"], true);
    assert_eq!(verification["entries"], numbers.len());

    let folder = bench.folder.path().join("state/journal");
    let file = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("login")))
        .expect("a volume");
    let text = std::fs::read_to_string(&file).expect("text");
    std::fs::write(&file, text.replacen("login", "logon", 1)).expect("written");
    let verification = bench.get("/v1/journal/verify").await.good();
    assert_eq!(verification["verified"], false);
    assert!(verification["broken_at"].is_u64(), "{verification}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_is_told_and_only_pinned_authorities_are_imported() {
    let bench = Setup::default().start().await;
    let trust = bench.get("/v1/trust").await.good();
    assert_eq!(trust["environment"], "custom");
    assert_eq!(trust["anchors"].as_array().map(Vec::len), Some(9));
    assert!(
        trust["anchors"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|one| one["pinned"] == false)
    );
    let root = bench.pki.anchors_der().remove(0);
    let import = |body| bench.send("POST", "/v1/trust/anchors", &[], body);
    assert_eq!(import(root).await.code(), "trust.not_pinned");
    assert_eq!(import(b"nonsense".to_vec()).await.code(), "trust.malformed");
    // One byte too many: nothing is left unread, for which this client would miss the answer.
    assert_eq!(
        import(vec![0; 1024 * 1024 + 1]).await.code(),
        "caller.too_large"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_what_is_wrong() {
    let bench = Setup::of(Holder::CpsExpired, Profile::Cps3).start().await;
    bench.get("/v1/identity").await.good();
    let findings = bench.get("/v1/doctor").await.good();
    let codes = |findings: &Value, level: &str| -> Vec<String> {
        let all = findings["findings"].as_array().expect("a list").iter();
        all.filter(|one| one["level"] == level)
            .map(|one| one["code"].as_str().expect("a code").to_owned())
            .collect()
    };
    assert!(
        codes(&findings, "error").contains(&"certificate.expired".to_owned()),
        "{findings}"
    );
    bench.readers.stop_service();
    soon("the service is gone", || {
        bench.daemon.app.cards.service() == crate::cards::ServiceState::Stopped
    })
    .await;
    let findings = bench.get("/v1/doctor").await.good();
    assert!(codes(&findings, "error").contains(&"reader.service_absent".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_a_card_is_what_the_emulator_loads() {
    let bench = Setup::default().start().await;
    let report = bench.get("/v1/card-report").await.good();
    let text = report.to_string();
    serde_json::from_str::<cps_card::Report>(&text).expect("a report");
    let holder = Holder::CpsMedecin;
    for private in [holder.family_name().expect("a name"), holder.national_id()] {
        let hex: String = private.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            !text.contains(private) && !text.to_lowercase().contains(&hex),
            "{private}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_cards_must_be_named() {
    let bench = Setup::default().start().await;
    let second = cps_emulator::Slot::new("Second reader");
    second.insert(VirtualCard::new(
        &bench.pki,
        Holder::CpsInfirmier,
        Profile::Cps4,
    ));
    let reader = std::sync::Arc::new(crate::readers::slots::SlotReader::new(second));
    bench.readers.plug("Second reader", reader);
    soon("two cards", || bench.daemon.app.cards.cards().len() == 2).await;
    let answer = bench.get("/v1/identity").await;
    assert_eq!(answer.code(), "card.ambiguous");
    assert_eq!(answer.json()["serials"].as_array().map(Vec::len), Some(2));
    let path = format!("/v1/identity?card={}", Holder::CpsInfirmier.serial());
    let identity = bench.get(&path).await.good();
    assert_eq!(identity["national_id"], Holder::CpsInfirmier.national_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense() {
    let bench = Setup::default().start().await;
    let json_type = [("content-type", "application/json")];
    let post =
        |headers, body: &str| bench.send("POST", "/v1/login", headers, body.as_bytes().to_vec());
    assert_eq!(bench.get("/v1/nothing").await.code(), "caller.not_found");
    assert_eq!(bench.get("/").await.code(), "caller.not_found");
    let method = bench.send("PUT", "/v1/status", &[], Vec::new()).await;
    assert_eq!(method.code(), "caller.method");
    assert!(method.headers.contains_key("allow"), "RFC 9110 §15.5.6");
    assert_eq!(
        bench.get("/v1/identity?cart=1").await.code(),
        "caller.bad_request"
    );
    assert_eq!(
        bench.get("/v1/status?x=1").await.code(),
        "caller.bad_request"
    );
    assert_eq!(
        bench.get("/v1/journal?after=-1").await.code(),
        "caller.bad_request"
    );
    assert_eq!(
        bench.get("/v1/identity?card=12345678").await.code(),
        "card.absent"
    );
    assert_eq!(post(&json_type, "{").await.code(), "caller.bad_request");
    assert_eq!(post(&json_type, "[1]").await.code(), "caller.bad_request");
    assert_eq!(
        post(&[("content-type", "text/plain")], "{}").await.code(),
        "caller.media_type"
    );
    assert_eq!(post(&[], "{}").await.code(), "caller.media_type");
    let large = format!("{{\"card\": \"{}\"}}", "1".repeat(65 * 1024));
    assert_eq!(post(&json_type, &large).await.code(), "caller.too_large");
    let tunnel = json!({"host": "localhost", "port": 1});
    assert_eq!(
        bench.post("/v1/tls/tunnel", tunnel).await.code(),
        "caller.bad_request"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_contract_is_served() {
    let bench = Setup::default().start().await;
    let document = bench.get("/v1/openapi.json").await.good();
    for route in cps_api::ROUTES {
        let method = route.method.to_lowercase();
        assert!(
            document["paths"][route.path][&method].is_object(),
            "{route:?} is described"
        );
        if route.path == "/v1/events" {
            continue; // a stream without end, see the clients' tests
        }
        let path = route.path.replace("{id}", "none");
        let answer = bench.send(route.method, &path, &[], Vec::new()).await;
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{route:?}");
        if answer.status == StatusCode::NOT_FOUND {
            let unknown = ["grant.unknown", "object.unknown"];
            assert!(unknown.contains(&&*answer.code()), "{route:?}");
        }
    }
}
