//! Each verb against a daemon that answers what it is told to.

use crate::support::{Answer, Ended, Fake, cps, identity};
use std::io::Write;

use cps_api::{Code, Problem};
use serde_json::{Value, json};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn identity_in_json_has_what_scripts_rely_on() {
    let fake = Fake::answering(&[("GET /v1/identity", Answer::json(&identity()))]);
    let out = parsed(
        &fake
            .run(&["identity", "--json", "--card", "90000001"])
            .done(),
    );
    assert_eq!(out["national_id"], "899700000013");
    assert_eq!(out["family_name"], "EXEMPLE");
    assert_eq!(out.get("given_name"), Some(&Value::Null));
    assert_eq!(out["profession"]["code"], "10");
    assert_eq!(out["card"]["serial"], "90000001");
    assert_eq!(out["card"]["kind"], "cps3-contactless");
    assert_eq!(fake.requests()[0].line, "GET /v1/identity?card=90000001");
}

#[test]
fn identity_is_told_in_the_language_of_the_session() {
    let fake = Fake::answering(&[("GET /v1/identity", Answer::json(&identity()))]);
    let english = fake.run(&["identity"]).done();
    assert!(
        english.contains("\nNational identifier  899700000013\n"),
        "{english}"
    );
    assert!(english.contains("2026-01-02 to 2029-01-02"), "{english}");
    let french = fake.run_in_french(&["identity"]).done();
    assert!(
        french.contains("\nIdentifiant national  899700000013\n"),
        "{french}"
    );
    assert!(
        french.contains("Validité              du 02/01/2026 au 02/01/2029\n"),
        "{french}"
    );
    assert!(french.contains("expiré (since 2029-01-02)"), "{french}");
}

#[test]
fn the_option_and_the_posix_order_choose_the_language() {
    let fake = Fake::answering(&[("GET /v1/identity", Answer::json(&identity()))]);
    let french = |variables: &[(&str, &str)], arguments: &[&str]| {
        let arguments = [&["identity"], arguments].concat();
        let mut command = fake.command(&arguments);
        command.envs(variables.iter().copied());
        Ended::of(command.output().unwrap())
            .done()
            .starts_with("Nom")
    };
    assert!(french(
        &[("LC_ALL", ""), ("LC_MESSAGES", "fr_CA"), ("LANG", "en_GB")],
        &[]
    ));
    assert!(!french(
        &[("LC_ALL", "C"), ("LC_MESSAGES", "fr_FR"), ("LANG", "fr_FR")],
        &[]
    ));
    assert!(french(&[("LC_ALL", "C")], &["--lang", "fr"]));
    assert!(!french(&[("LC_ALL", "fr_FR")], &["--lang", "en"]));
}

#[test]
fn what_a_card_says_cannot_drive_the_terminal() {
    let mut hostile = identity();
    hostile["family_name"] = json!("X\u{1b}]0;owned\u{7}\nNom faux");
    let fake = Fake::answering(&[("GET /v1/identity", Answer::json(&hostile))]);
    let out = fake.run(&["identity"]).done();
    assert!(!out.contains('\u{1b}') && !out.contains('\u{7}'), "{out:?}");
    assert!(out.starts_with("Name                 X"), "{out:?}");
    assert!(!out.contains("\nNom faux"), "{out:?}");
}

#[test]
fn a_refusal_tells_its_code_and_what_to_do() {
    let problem = Problem::new(Code::PinIncorrect)
        .with("tries_left", 2)
        .detail("VERIFY answered 63C2");
    let fake = Fake::answering(&[("POST /v1/login", Answer::problem(&problem))]);
    let err = fake.run_in_french(&["login"]).refused(Code::PinIncorrect);
    assert!(
        err.starts_with("cps: Le code est incorrect. Essais restants : 2. [pin.incorrect]\n"),
        "{err}"
    );
    assert!(err.contains("VERIFY answered 63C2"), "{err}");
    assert!(err.contains("Recommencez avec le bon code"), "{err}");
    let ended = fake.run(&["login", "--json"]);
    assert_eq!((ended.status, ended.out.as_str()), (1, ""));
    assert_eq!(parsed(&ended.err)["tries_left"], 2);
}

#[test]
fn misuse_ends_with_two() {
    let fake = Fake::answering(&[]);
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["sign", "file"],
        &["sign", "-o", "out"],
        &["tunnel", "dmp.example"],
        &["tunnel", "dmp.example:443", "--listen", "0.0.0.0:8080"],
        &["pin"],
        &["trust", "import"],
        &["journal", "list", "--limit", "0"],
        &["status", "--lang", "de"],
    ] {
        let ended = fake.run(arguments);
        assert_eq!(
            (ended.status, ended.out.as_str()),
            (2, ""),
            "{arguments:?}: {ended:?}"
        );
        assert!(!ended.err.is_empty());
    }
    assert!(fake.requests().is_empty());
}

#[test]
fn an_absent_daemon_is_told_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let output = cps(&folder.path().join("none"), &["identity"])
        .output()
        .unwrap();
    let err = Ended::of(output).refused(Code::DaemonAbsent);
    assert!(err.contains("systemctl --user start cpsd.socket"), "{err}");
    let mut nowhere = cps(folder.path(), &["identity"]);
    let output = nowhere.env_remove("CPSD_SOCKET").output().unwrap();
    Ended::of(output).refused(Code::DaemonNoSocketPath);
}

#[test]
fn status_shows_the_daemon_the_readers_and_the_cards() {
    let card = json!({"cards": [{
        "serial": "90000001", "kind": "cps4", "reader": "R1", "state": "ready", "logged_in": false,
        "pin": {"tries_left": 3, "max": 3}, "card_number": null,
        "certificates": [], "warnings": ["certificate.expired", "moon.eclipse"]
    }]});
    let status = json!({"version": "9.9", "pcsc": "running", "readers": 1, "cards": 1, "pid": 4,
        "started_at": "2026-01-02T03:04:05Z", "environment": "production"});
    let readers = json!({"readers": [{"name": "R1", "state": "card", "card": "90000001"}]});
    let fake = Fake::answering(&[
        ("GET /v1/status", Answer::json(&status)),
        ("GET /v1/readers", Answer::json(&readers)),
        ("GET /v1/cards", Answer::json(&card)),
    ]);
    let out = fake.run(&["status"]).done();
    for expected in [
        "cpsd 9.9, since 2026-01-02 03:04:05",
        "Reader  R1  card 90000001",
        "90000001 (CPS4)",
        "not verified, tries left: 3",
        "has expired. [certificate.expired] moon.eclipse",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    let out = parsed(&fake.run(&["--json", "status"]).done());
    assert_eq!(out["cards"], card["cards"]);
    assert_eq!(out["daemon"], status);
}

#[test]
fn exercises_show_what_is_not_understood_too() {
    let exercises = json!({"card": "90000001", "exercises": [{
        "index": 16, "structure": {"id": "499700000013001", "kind": "rpps_rank", "name": "CABINET"},
        "sector": {"code": "SA07", "label": "Cabinet individuel"}, "mode": null, "billing": null,
        "unknown": [{"tag": "9f01", "value": "00ff"}]
    }]});
    let fake = Fake::answering(&[("GET /v1/exercises", Answer::json(&exercises))]);
    let out = fake.run(&["exercises"]).done();
    assert_eq!(
        out,
        "Exercise    16\nStructure   CABINET (499700000013001)\n\
         Sector      Cabinet individuel (SA07)\nField 9f01  00ff\n"
    );
}

#[test]
fn login_lock_and_pin_ask_the_daemon_and_send_no_pin() {
    let state = json!({"card": "90000001", "tries_left": 3});
    let fake = Fake::answering(&[
        (
            "POST /v1/login",
            Answer::json(&json!({"card": "90000001", "logged_in": true})),
        ),
        (
            "POST /v1/lock",
            Answer::json(&json!({"locked": ["90000001"]})),
        ),
        ("POST /v1/pin/change", Answer::json(&state)),
        ("POST /v1/pin/unblock", Answer::json(&state)),
    ]);
    assert_eq!(
        fake.run(&["login"]).done(),
        "Card 90000001: PIN verified.\n"
    );
    assert_eq!(
        fake.run_in_french(&["lock"]).done(),
        "Carte 90000001\u{a0}: verrouillée.\n"
    );
    let card = ["--card", "90000001"];
    fake.run(&[&["pin", "change"][..], &card].concat()).done();
    fake.run(&[&["pin", "unblock"][..], &card].concat()).done();
    let bodies: Vec<String> = fake
        .requests()
        .into_iter()
        .map(|request| String::from_utf8(request.body).unwrap())
        .collect();
    let named = r#"{"card":"90000001"}"#;
    assert_eq!(bodies, ["{}", "{}", named, named]);
}

#[test]
fn grants_are_listed_and_taken_back() {
    let caller = json!({"executable": "/usr/bin/lps", "pid": 4, "app_id": null, "unit": null, "display": "lps"});
    let grant = json!({"id": "g1", "caller": caller, "purpose": "tls_client_auth",
        "destination": "dmp.example:443", "card": null, "duration": "days",
        "granted_at": "2026-01-02T03:04:05Z", "expires_at": "2026-01-03T03:04:05Z"});
    let mut named = grant.clone();
    named["program_name"] = "Logiciel de cabinet".into();
    named["icon"] = "lps".into();
    let grants = json!({"grants": [grant, named]});
    let unknown = Answer::problem(&Problem::new(Code::GrantUnknown));
    let fake = Fake::answering(&[
        ("GET /v1/grants", Answer::json(&grants)),
        (
            "DELETE /v1/grants/g1",
            Answer::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        ),
        ("DELETE ", unknown),
    ]);
    let lines = "\
g1  lps                  authenticated connection  dmp.example:443  until 2026-01-03 03:04:05
g1  Logiciel de cabinet  authenticated connection  dmp.example:443  until 2026-01-03 03:04:05
";
    assert_eq!(fake.run(&["grants"]).done(), lines);
    assert_eq!(fake.run(&["grants", "list"]).done(), lines);
    assert_eq!(
        fake.run(&["grants", "revoke", "g1"]).done(),
        "Grant revoked: g1\n"
    );
    fake.run(&["grants", "revoke", "../x"])
        .refused(Code::GrantUnknown);
    assert_eq!(fake.requests()[3].line, "DELETE /v1/grants/..%2Fx");
}

#[test]
fn what_keys_are_lent_for_is_told_in_words() {
    let grant = |purpose: &str| {
        json!({"id": "g", "caller": {"display": "firefox"}, "purpose": purpose, "destination": null,
            "card": null, "duration": "session", "granted_at": "2026-01-02T03:04:05Z", "expires_at": null})
    };
    let purposes = ["key_authenticate", "key_decrypt", "key_sign", "teleport"];
    let grants = json!({ "grants": purposes.map(grant) });
    let fake = Fake::answering(&[("GET /v1/grants", Answer::json(&grants))]);
    let purposes = |out: String| -> Vec<String> {
        let purpose = |line: &str| line.split("  ").nth(2).map(|word| word.trim().to_owned());
        out.lines().filter_map(purpose).collect()
    };
    assert_eq!(
        purposes(fake.run(&["grants"]).done()),
        [
            "authentication",
            "decryption",
            "signature, document unseen",
            "teleport"
        ]
    );
    assert_eq!(
        purposes(fake.run_in_french(&["grants"]).done()),
        [
            "authentification",
            "déchiffrement",
            "signature sans le document",
            "teleport"
        ]
    );
}

#[test]
fn the_journal_is_listed_and_checked() {
    let caller =
        json!({"executable": null, "pid": null, "app_id": null, "unit": null, "display": "lps"});
    let journal = json!({"verified": false, "entries": [{"sequence": 7, "at": "2026-01-02T03:04:05Z",
        "operation": "sign_cms", "caller": caller, "destination": null, "card": "90000001",
        "certificate": null, "result": "done", "hash": "00"}]});
    let broken = json!({"verified": false, "entries": 9, "begins_at": null, "broken_at": 7, "detail": "hash"});
    let fake = Fake::answering(&[
        ("GET /v1/journal/verify", Answer::json(&broken)),
        ("GET /v1/journal?after=6&limit=2", Answer::json(&journal)),
    ]);
    let out = fake
        .run(&["journal", "list", "--after", "6", "--limit", "2"])
        .done();
    assert!(
        out.starts_with("7  2026-01-02 03:04:05  document signature  lps  -  90000001  done\n"),
        "{out}"
    );
    assert!(out.contains("WARNING"), "{out}");
    let err = fake
        .run(&["journal", "verify"])
        .refused(Code::JournalBroken);
    assert!(err.contains("at entry 7"), "{err}");
    let ended = fake.run(&["journal", "verify", "--json"]);
    assert_eq!((ended.status, parsed(&ended.out)), (1, broken));
    let whole = json!({"verified": true, "entries": 9, "broken_at": null, "detail": null});
    let fake = Fake::answering(&[("GET /v1/journal/verify", Answer::json(&whole))]);
    assert!(fake.run(&["journal", "verify"]).done().contains('9'));
}

#[test]
fn the_last_entries_of_the_journal_are_shown() {
    // A journal whose first entries were archived: 5 entries, numbered 4 to 8.
    let fake = Fake::new(|request, mut stream| {
        let after = request.line.strip_prefix("GET /v1/journal?after=");
        let answer = match after.and_then(|rest| rest.strip_suffix("&limit=2")) {
            None => {
                json!({"verified": true, "entries": 5, "broken_at": null, "detail": null})
            }
            Some(after) => {
                let first = after.parse::<u64>().unwrap().max(3) + 1;
                let entries: Vec<Value> = (first..=8).take(2).map(entry).collect();
                json!({ "verified": true, "entries": entries })
            }
        };
        let _ = stream.write_all(Answer::json(&answer).bytes());
    });
    let mut command = fake.command(&["journal", "list", "--limit", "2", "--json"]);
    let out = parsed(&Ended::of(command.output().unwrap()).done());
    assert_eq!(out["entries"], json!([entry(7), entry(8)]));
}

fn entry(sequence: u64) -> Value {
    let caller =
        json!({"executable": null, "pid": null, "app_id": null, "unit": null, "display": "lps"});
    json!({"sequence": sequence, "at": "2026-01-02T03:04:05Z", "operation": "sign_cms",
        "caller": caller, "destination": null, "card": "90000001", "certificate": null,
        "result": "done", "note": null, "hash": "00"})
}

#[test]
fn one_bad_anchor_does_not_keep_the_others_out() {
    let anchor = json!({"name": "ACR", "role": "root", "fingerprint_sha256": "ab", "pinned": true,
        "present": true, "not_after": "2033-01-01T00:00:00Z"});
    let imported = Answer::json(&json!({"imported": [anchor], "already_present": []}));
    let fake = Fake::new(move |request, mut stream| {
        let bad = Answer::problem(&Problem::new(Code::TrustNotPinned));
        let answer = if request.body == b"bad" {
            bad
        } else {
            imported.clone()
        };
        let _ = stream.write_all(answer.bytes());
    });
    for name in ["bad", "good"] {
        std::fs::write(fake.path(name), name).unwrap();
    }
    let path = |name: &str| fake.path(name).to_str().unwrap().to_owned();
    let (bad, good, none) = (path("bad"), path("good"), path("none"));
    let ended = fake.run(&["trust", "import", &bad, &none, &good]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.err.contains("[trust.not_pinned]") && ended.err.contains(&bad),
        "{ended:?}"
    );
    assert!(ended.err.contains("[file.unreadable]"), "{ended:?}");
    assert_eq!(ended.out, "ACR  present  2033-01-01  ab\n");
    assert_eq!(fake.run(&["trust", "import", &good]).status, 0);
}

#[test]
fn trust_shows_what_is_still_to_import() {
    let list = json!({"issuer": "", "url": "http://192.0.2.1/a.crl", "state": "missing",
        "this_update": null, "next_update": null, "next_fetch": null});
    let trust = json!({"environment": "production", "crls": [list], "anchors": [{"name": "ACR",
        "role": "root", "fingerprint_sha256": "ab", "pinned": true, "present": false, "not_after": null}]});
    let fake = Fake::answering(&[("GET /v1/trust", Answer::json(&trust))]);
    let out = fake.run_in_french(&["trust", "list"]).done();
    assert!(
        out.starts_with("ACR  à importer  -  ab\n") && out.contains("cps trust import"),
        "{out}"
    );
    assert!(
        out.contains("Liste de révocation  http://192.0.2.1/a.crl  jamais obtenue  -\n"),
        "{out}"
    );
}

#[test]
fn events_are_told_one_by_one() {
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n\
        event: card_ready\ndata: {\"reader\":\"R1\",\"card\":\"90000001\"}\n\n\
        event: comet\ndata: {\"reader\":null,\"card\":null}\n\n";
    let fake = Fake::answering(&[("GET /v1/events", Answer::raw(stream))]);
    assert_eq!(
        fake.run(&["events"]).done(),
        "card ready (90000001, R1)\ncomet\n"
    );
    let out = fake.run(&["events", "--json"]).done();
    let first = parsed(out.lines().next().unwrap());
    assert_eq!(
        first,
        json!({"event": "card_ready", "reader": "R1", "card": "90000001"})
    );
}

#[test]
fn completion_and_manual_need_no_daemon() {
    let nowhere = std::path::Path::new("/nonexistent");
    let run = |arguments: &[&str]| {
        let mut command = cps(nowhere, arguments);
        Ended::of(command.env_remove("CPSD_SOCKET").output().unwrap()).done()
    };
    assert!(run(&["completion", "bash"]).contains("complete -F _cps"));
    assert!(run(&["man"]).contains(".TH cps 1"));
    let folder = tempfile::tempdir().unwrap();
    run(&["man", "--out", folder.path().to_str().unwrap()]);
    for page in ["cps.1", "cps-sign.1", "cps-pin-unblock.1"] {
        assert!(folder.path().join(page).is_file(), "{page}");
    }
}

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    let fake = Fake::answering(&[("GET /v1/identity", Answer::json(&identity()))]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = fake.command(&["identity"]);
    let ended = Ended::of(command.stdout(writer).output().unwrap());
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
}
