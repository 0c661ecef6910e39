//! The cards as PKCS#11 tokens.

use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_emulator::{Holder, Profile, VirtualCard};
use cps_verify::{PublicKey, Scheme};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::bench::{Answer, Bench, PATIENCE, Setup, soon};
use crate::prompt::Decision;

const BOTH_KEYS: &str = "[pkcs11]\nsignature_key = true\n";

async fn start(profile: Profile, settings: &str) -> Bench {
    let setup = Setup {
        destinations: settings.to_owned(),
        ..Setup::of(Holder::CpsMedecin, profile)
    };
    let bench = setup.start().await;
    // The card is read.
    bench.get("/v1/identity").await.good();
    bench
}

async fn tokens(bench: &Bench) -> Vec<Value> {
    let objects = bench.get("/v1/objects").await.good();
    objects["tokens"].as_array().expect("a list").clone()
}

/// The identifier of the only key of the token of this pair.
async fn key(bench: &Bench, pair: &str) -> String {
    let tokens = tokens(bench).await;
    let token = tokens.iter().find(|token| token["pair"] == pair);
    let id = &token.expect("a token")["keys"][0]["id"];
    id.as_str().expect("an identifier").to_owned()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD
        .decode(value.as_str().expect("text"))
        .expect("base64")
}

async fn sign(bench: &Bench, key: &str) -> Answer {
    let path = format!("/v1/objects/{key}/sign");
    bench.post(&path, sign_request("pkcs1_sha256")).await
}

fn sign_request(scheme: &str) -> Value {
    json!({"scheme": scheme, "digest": STANDARD.encode(Sha256::digest(b"abc"))})
}

fn encrypt(spki: &[u8], kind: u8, message: &[u8]) -> String {
    STANDARD.encode(crate::testing::encrypt(spki, kind, message))
}

async fn journal(bench: &Bench) -> Vec<String> {
    let journal = bench.get("/v1/journal").await.good();
    let entries = journal["entries"].as_array().expect("a list").iter();
    entries
        .map(|entry| format!("{} {}", entry["operation"], entry["result"]).replace('"', ""))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_show_what_each_key_of_a_card_does() {
    // What ANS documents of the two cards: PSS is of the CPS4; the signature key has a mechanism for
    // each hash, the authentication key signs any DigestInfo.
    let any_digest_info = ["pkcs1_sha1", "pkcs1_sha256", "pkcs1_sha384", "pkcs1_sha512"];
    let pss = ["pss_sha1", "pss_sha256"];
    let sha1_or_256 = ["pkcs1_sha1", "pkcs1_sha256"];
    for (profile, model, authentication, signature) in [
        (
            Profile::Cps3,
            "CPS3",
            any_digest_info.to_vec(),
            sha1_or_256.to_vec(),
        ),
        (
            Profile::Cps4,
            "CPS4",
            [&any_digest_info[..], &pss].concat(),
            [sha1_or_256, pss].concat(),
        ),
    ] {
        let bench = start(profile, BOTH_KEYS).await;
        let tokens = tokens(&bench).await;
        let pairs: Vec<_> = tokens.iter().map(|token| &token["pair"]).collect();
        assert_eq!(pairs, ["authentication", "signature"], "{model}");
        assert_ne!(tokens[0]["id"], tokens[1]["id"]);
        for (token, schemes) in tokens.iter().zip([authentication, signature]) {
            assert_eq!(token["model"], model);
            assert_eq!(token["card"], Holder::CpsMedecin.serial());
            assert_eq!(token["reader"], "Virtual reader");
            assert_eq!(token["logged_in"], false);
            let key = &token["keys"][0];
            let mut told: Vec<_> = key["schemes"].as_array().expect("a list").clone();
            told.sort_by_key(Value::to_string);
            assert_eq!(told, schemes, "{model} {}", token["pair"]);
            assert_eq!(key["decrypts"], token["pair"] == "authentication");
        }
        let ours = bench.pki.authentication_der(Holder::CpsMedecin);
        assert_eq!(bytes(&tokens[0]["certificates"][0]["der"]), ours, "{model}");
        let ours = bench.pki.signature_der(Holder::CpsMedecin);
        assert_eq!(bytes(&tokens[1]["certificates"][0]["der"]), ours, "{model}");
        let name = Holder::CpsMedecin.family_name().expect("a name");
        let labels = tokens.iter().map(|token| token["label"].as_str());
        let labels: Vec<_> = labels.map(|label| label.expect("text")).collect();
        assert!(
            labels.iter().all(|label| label.contains(name)),
            "{labels:?}"
        );
        assert!(labels.iter().all(|label| label.len() <= 32), "{labels:?}");
        assert_ne!(labels[0], labels[1]);
        assert_eq!(bench.dialogs.shown.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_followed_by_their_issuers_up_to_the_anchor() {
    let bench = start(Profile::Cps4, "").await;
    let tokens = tokens(&bench).await;
    assert_eq!(tokens.len(), 1, "without the setting, no signature key");
    let chain = tokens[0]["certificates"].as_array().expect("a list");
    assert_eq!(chain.len(), 3, "leaf, intermediate authority, root");
    let parsed: Vec<_> = chain
        .iter()
        .map(|one| cps_identity::Certificate::from_der(&bytes(&one["der"])).expect("DER"))
        .collect();
    for pair in parsed.windows(2) {
        assert_eq!(pair[0].issuer_raw(), pair[1].subject_raw());
    }
    assert!(parsed[2].is_self_issued());
    let authority: Vec<_> = chain.iter().map(|one| &one["authority"]).collect();
    assert_eq!(authority, [false, true, true]);
    let spki = bytes(&tokens[0]["keys"][0]["spki"]);
    assert_eq!(spki, parsed[0].public_key_spki());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_without_contact_is_no_token() {
    let bench = start_contactless().await;
    assert_eq!(tokens(&bench).await, Vec::<Value>::new());
}

async fn start_contactless() -> Bench {
    let setup = Setup::of(Holder::CpsMedecin, Profile::Cps3Contactless);
    let bench = setup.start().await;
    soon("the card is read", || {
        let mut cards = bench.daemon.app.cards.cards().into_iter();
        cards.any(|card| card.phase == crate::cards::Phase::Ready)
    })
    .await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_asked_for_its_objects_once() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let bench = start(profile, BOTH_KEYS).await;
        let first = tokens(&bench).await;
        let read = bench.slot.counters().expect("a card").apdus;
        // Not even while another program keeps it.
        let rival = bench.slot.connect().expect("a card");
        rival.begin_transaction(PATIENCE).expect("free");
        for _ in 0..3 {
            assert_eq!(tokens(&bench).await, first);
        }
        rival.end_transaction();
        assert_eq!(bench.slot.counters().expect("a card").apdus, read);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_another_program_holds_is_missed_and_found_later() {
    let bench = start(Profile::Cps4, "").await;
    let rival = bench.slot.connect().expect("a connection");
    rival.begin_transaction(PATIENCE).expect("a transaction");
    // Answered although the rival holds the card for as long as this takes.
    let objects = bench.get("/v1/objects").await.good();
    assert_eq!(objects["complete"], false);
    assert_eq!(objects["tokens"], json!([]));
    rival.end_transaction();
    let objects = bench.get("/v1/objects").await.good();
    assert_eq!(objects["complete"], true);
    assert_eq!(objects["tokens"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_that_nobody_shows_is_not_read_for_it() {
    let bench = start(Profile::Cps3, "").await;
    let before = bench.slot.counters().expect("a card").bytes_out;
    tokens(&bench).await;
    let signature = bench.pki.signature_der(Holder::CpsMedecin).len() as u64;
    let read = bench.slot.counters().expect("a card").bytes_out - before;
    assert!(read < signature, "{read} bytes of the card");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_signs_after_one_consent_and_the_journal_says_so() {
    let pkcs1 = ("pkcs1_sha256", Scheme::Pkcs1Sha256);
    let pss = ("pss_sha256", Scheme::PssSha256);
    for (profile, schemes) in [
        (Profile::Cps3, vec![pkcs1]),
        (Profile::Cps4, vec![pkcs1, pss]),
    ] {
        let bench = start(profile, "").await;
        let token = tokens(&bench).await.remove(0);
        let spki = bytes(&token["keys"][0]["spki"]);
        let path = format!("/v1/objects/{}/sign", key(&bench, "authentication").await);
        for (name, scheme) in schemes {
            let signed = bench.post(&path, sign_request(name)).await.good();
            let digest = Sha256::digest(b"abc");
            let signature = bytes(&signed["signature"]);
            assert!(cps_verify::verifies(&spki, scheme, &digest, &signature));
            let last = journal(&bench).await.pop();
            assert_eq!(last.as_deref(), Some("key_authenticate done"));
        }
        assert_eq!(bench.dialogs.shown.load(Ordering::SeqCst), 1, "one PIN");
        assert_eq!(bench.dialogs.asked.load(Ordering::SeqCst), 0);
        let grants = bench.get("/v1/grants").await.good();
        assert_eq!(grants["grants"][0]["purpose"], "key_authenticate");
        let login = &tokens(&bench).await[0]["logged_in"];
        assert_eq!(login, true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_consent_no_key_is_used() {
    for (pair, operation, purpose) in [
        ("authentication", "sign", "key_authenticate"),
        ("signature", "sign", "key_sign"),
        ("authentication", "decrypt", "key_decrypt"),
    ] {
        let bench = start(Profile::Cps4, BOTH_KEYS).await;
        bench.post("/v1/login", json!({})).await.good();
        let key = key(&bench, pair).await;
        let mut body = sign_request("pkcs1_sha256");
        body["cryptogram"] = json!(STANDARD.encode([7; 256]));
        let before = bench.slot.counters().expect("a card").key_operations;
        bench.dialogs.decide_next(Decision::Deny);
        let answer = bench
            .post(&format!("/v1/objects/{key}/{operation}"), body)
            .await;
        assert_eq!(answer.code(), "grant.denied", "{purpose}");
        let after = bench.slot.counters().expect("a card").key_operations;
        assert_eq!(after, before, "{purpose}");
        let last = journal(&bench).await.pop();
        assert_eq!(last, Some(format!("{purpose} grant.denied")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_key_asks_each_time() {
    let bench = start(Profile::Cps3, BOTH_KEYS).await;
    bench.post("/v1/login", json!({})).await.good();
    let key = key(&bench, "signature").await;
    for times in 1..=3 {
        // Even when the answer was "for this session".
        bench.dialogs.decide_next(Decision::ForSession);
        sign(&bench, &key).await.good();
        assert_eq!(bench.dialogs.asked.load(Ordering::SeqCst), times);
    }
    assert_eq!(bench.get("/v1/grants").await.good()["grants"], json!([]));
    let uses = journal(&bench).await.split_off(1);
    assert_eq!(uses, ["key_sign done"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_encrypted_for_the_card_is_decrypted() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let bench = start(profile, "").await;
        let token = tokens(&bench).await.remove(0);
        let spki = bytes(&token["keys"][0]["spki"]);
        let path = format!(
            "/v1/objects/{}/decrypt",
            token["keys"][0]["id"].as_str().expect("an identifier")
        );
        let longest = vec![7; 256 - 11];
        for message in [&b"a content-encryption key"[..], &longest, b""] {
            // As the PKCS#11 module does it.
            let key = PublicKey::parse(&spki).expect("a key");
            let cryptogram = key.encrypt(message, &vec![0xA5; 253 - message.len()]);
            let cryptogram = STANDARD.encode(cryptogram.expect("room"));
            let answer = bench.post(&path, json!({"cryptogram": cryptogram})).await;
            assert_eq!(bytes(&answer.good()["plaintext"]), message);
        }
        let last = journal(&bench).await.pop();
        assert_eq!(last.as_deref(), Some("key_decrypt done"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_cryptogram_has_the_same_answer() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let bench = start(profile, "").await;
        let token = tokens(&bench).await.remove(0);
        let spki = bytes(&token["keys"][0]["spki"]);
        let path = format!(
            "/v1/objects/{}/decrypt",
            token["keys"][0]["id"].as_str().expect("an identifier")
        );
        // Another block type, no zero after the filler, a filler that is too short, nothing at all.
        let bad = [
            encrypt(&spki, 1, b"secret"),
            encrypt(&spki, 0, b"secret"),
            encrypt(&spki, 2, &[1; 256 - 3 - 7]),
            STANDARD.encode([0; 256]),
            STANDARD.encode([0x55; 256]),
        ];
        let mut answers = Vec::new();
        for cryptogram in bad {
            let answer = bench.post(&path, json!({"cryptogram": cryptogram})).await;
            assert_eq!(answer.code(), "object.undecryptable", "{profile:?}");
            answers.push(answer.json());
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_behind_the_pin_are_shown_and_read_after_it() {
    let bench = start(Profile::Cps3, "").await;
    let data = |tokens: &[Value]| tokens[0]["data"].as_array().expect("a list").clone();
    let public = data(&tokens(&bench).await);
    assert!(public.iter().all(|object| object["private"] == false));
    let of = |objects: &[Value], label: &str| {
        let found = objects.iter().find(|object| object["label"] == label);
        let id = found.map(|object| object["id"].as_str().expect("an identifier").to_owned());
        id.map(|id| format!("/v1/objects/{id}/value"))
    };
    let name = of(&public, "CPS_NAME_PS").expect("a public object");
    let value = bytes(&bench.get(&name).await.good()["value"]);
    let family_name = Holder::CpsMedecin.family_name().expect("a name").as_bytes();
    assert!(
        value
            .windows(family_name.len())
            .any(|part| part == family_name),
        "{value:02x?}"
    );
    assert_eq!(bench.dialogs.shown.load(Ordering::SeqCst), 0, "public");

    bench.post("/v1/login", json!({})).await.good();
    let all = data(&tokens(&bench).await);
    let private = of(&all, "CPS_ACTIVITY_01_PS").expect("a private object");
    assert!(!bytes(&bench.get(&private).await.good()["value"]).is_empty());
    assert_eq!(bench.dialogs.asked.load(Ordering::SeqCst), 1, "consent");
    let last = journal(&bench).await.pop();
    assert_eq!(last.as_deref(), Some("read_exercises done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn identifiers_end_with_the_insertion() {
    let bench = start(Profile::Cps3, "").await;
    let old = key(&bench, "authentication").await;
    let card = bench.slot.remove().expect("a card");
    soon("the card is gone", || {
        bench.daemon.app.cards.cards().is_empty()
    })
    .await;
    assert_eq!(sign(&bench, &old).await.code(), "card.removed");
    assert_eq!(tokens(&bench).await, Vec::<Value>::new());
    bench.slot.insert(card);
    bench.get("/v1/identity").await.good();
    let new = key(&bench, "authentication").await;
    assert_ne!(old, new);
    assert_eq!(sign(&bench, &old).await.code(), "card.removed");
    sign(&bench, &new).await.good();
    // Another card in the same reader has nothing of the one before.
    bench.slot.remove();
    bench.slot.insert(VirtualCard::new(
        &bench.pki,
        Holder::CpsInfirmier,
        Profile::Cps4,
    ));
    soon("another card", || {
        let mut cards = bench.daemon.app.cards.cards().into_iter();
        cards.any(|card| card.id.serial == Holder::CpsInfirmier.serial())
    })
    .await;
    assert_eq!(sign(&bench, &new).await.code(), "card.removed");
    let shown = tokens(&bench).await;
    assert_eq!(shown[0]["card"], Holder::CpsInfirmier.serial());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    let bench = start(Profile::Cps3, BOTH_KEYS).await;
    let authentication = key(&bench, "authentication").await;
    let signature = key(&bench, "signature").await;
    let digest = STANDARD.encode([7; 32]);
    for (id, scheme, digest, code) in [
        (&authentication, "pkcs1_sha256", "%", "caller.bad_request"),
        (&authentication, "pkcs1_sha256", "", "caller.bad_request"),
        (
            &authentication,
            "pkcs1_sha384",
            &*digest,
            "caller.bad_request",
        ),
        (&authentication, "pkcs1_md5", &*digest, "card.unsupported"),
        (&authentication, "pss_sha256", &*digest, "card.unsupported"),
        (
            &authentication,
            "ecdsa_sha256",
            &*digest,
            "card.unsupported",
        ),
        (&signature, "pkcs1_sha512", &*digest, "card.unsupported"),
    ] {
        let path = format!("/v1/objects/{id}/sign");
        let body = json!({"scheme": scheme, "digest": digest});
        assert_eq!(bench.post(&path, body).await.code(), code, "{scheme}");
    }
    let token = &tokens(&bench).await[0];
    let data = token["data"][0]["id"].as_str().expect("an identifier");
    let cryptogram = STANDARD.encode([7; 256]);
    for (id, cryptogram, code) in [
        (&*authentication, "%", "caller.bad_request"),
        (&authentication, "AAAA", "object.undecryptable"),
        (&authentication, "", "object.undecryptable"),
        (&signature, &cryptogram, "card.unsupported"),
        (data, &cryptogram, "object.unknown"),
        ("none", &cryptogram, "object.unknown"),
        ("%00", &cryptogram, "object.unknown"),
    ] {
        let path = format!("/v1/objects/{id}/decrypt");
        let answer = bench.post(&path, json!({"cryptogram": cryptogram})).await;
        assert_eq!(answer.code(), code, "{id} {cryptogram}");
    }
    let value = |id: &str| format!("/v1/objects/{id}/value");
    let of_a_key = bench.get(&value(&authentication)).await;
    assert_eq!(of_a_key.code(), "object.unknown");
    let (start, _) = data.rsplit_once('-').expect("a number");
    let beyond = bench.get(&value(&format!("{start}-99999"))).await;
    assert_eq!(beyond.code(), "object.unknown");
    let query = bench.get("/v1/objects?card=1").await;
    assert_eq!(query.code(), "caller.bad_request");
    assert_eq!(bench.dialogs.shown.load(Ordering::SeqCst), 0);
    assert_eq!(journal(&bench).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_card_decrypts_and_does_not_sign() {
    let setup = Setup::of(Holder::CpsExpired, Profile::Cps4);
    let bench = setup.start().await;
    bench.get("/v1/identity").await.good();
    let token = tokens(&bench).await.remove(0);
    let id = token["keys"][0]["id"].as_str().expect("an identifier");
    let refused = sign(&bench, id).await.code();
    assert_eq!(refused, "certificate.expired");
    let refused = ["key_authenticate certificate.expired"];
    assert_eq!(journal(&bench).await, refused);
    let spki = bytes(&token["keys"][0]["spki"]);
    let cryptogram = encrypt(&spki, 2, b"an old message");
    let path = format!("/v1/objects/{id}/decrypt");
    let answer = bench.post(&path, json!({"cryptogram": cryptogram})).await;
    assert_eq!(bytes(&answer.good()["plaintext"]), b"an old message");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_the_module_are_told() {
    let settings = "[pkcs11]\nlogin = \"protected_path\"\nprogram_pin = \"ignore\"\n\
                    signature_key = true\nwait_seconds = 30\n";
    let bench = start(Profile::Cps4, settings).await;
    let objects = bench.get("/v1/objects").await.good();
    let expected = json!({"login": "protected_path", "program_pin": "ignore", "wait_seconds": 30});
    assert_eq!(objects["module"], expected);
    let always: Vec<_> = [0, 1]
        .map(|token| objects["tokens"][token]["keys"][0]["always_authenticate"].clone())
        .to_vec();
    assert_eq!(always, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_pins_are_told_in_the_flags() {
    let bench = start(Profile::Cps3, "").await;
    let flags = |objects: Vec<Value>| objects[0]["pin"].clone();
    let none = json!({"count_low": false, "final_try": false, "locked": false});
    assert_eq!(flags(tokens(&bench).await), none);
    bench.dialogs.type_next(&["9999", "8888"]);
    bench.post("/v1/login", json!({})).await;
    let told = flags(tokens(&bench).await);
    assert_eq!(told["count_low"], true, "{told}");
}
