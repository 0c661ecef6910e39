//! The routes of the mail gateway.

use cps_emulator::Holder;
use cps_mail::{Address, Protocol};
use hyper::StatusCode;
use serde_json::json;

use super::bench::{Setup, soon};
use crate::mail::autoconfig::Place;
use crate::mail::traces::Author;

const OPERATOR: &str = r#"
[[operator]]
name = "Exemple"
domains = ["medecin.test"]
imap = { host = "localhost", port = 1430 }
smtp = { host = "localhost", port = 5870, tls = "implicit" }
smtp_login = "certificate"
"#;

fn with_operator() -> Setup {
    Setup {
        destinations: OPERATOR.to_owned(),
        ..Setup::default()
    }
}

const ALIX: &str = "alix@medecin.test";

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_added_for_the_holder_of_the_card() {
    let bench = with_operator().start().await;
    let wanted = json!({"address": "Alix@MEDECIN.test", "client": "Thunderbird"});
    let added = bench
        .post("/v1/mail/mailboxes", wanted.clone())
        .await
        .good();
    let password = added["password"].as_str().expect("a password");
    let mailbox = &added["mailbox"];
    assert_eq!(mailbox["address"], "Alix@medecin.test");
    assert_eq!(mailbox["operator"], "Exemple");
    assert_eq!(mailbox["source"], "configuration");
    assert_eq!(
        mailbox["imap"],
        json!({"host": "localhost", "port": 1430, "tls": "starttls"})
    );
    assert_eq!(mailbox["smtp"]["tls"], "implicit");
    assert_eq!(mailbox["login"], "external");
    assert_eq!(mailbox["smtp_login"], "certificate");
    let holder = Holder::CpsMedecin;
    assert_eq!(mailbox["national_id"], holder.national_id());
    let family = holder.family_name().expect("a name");
    let name = mailbox["holder"].as_str().expect("a name");
    assert!(name.ends_with(family), "{name}");

    let told = bench.get("/v1/mail").await.good();
    assert_eq!(told["mailboxes"], json!([mailbox]));
    assert!(!told.to_string().contains(password), "told once");
    let mailboxes = &bench.daemon.app.mail.mailboxes;
    assert!(mailboxes.authenticate(ALIX, password).is_ok());

    let again = bench.post("/v1/mail/mailboxes", wanted).await;
    assert_eq!(again.code(), "mail.mailbox_exists");
    // Neither PIN nor consent: nothing of the card was used.
    let shown = &bench.dialogs.shown;
    assert_eq!(shown.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_come_and_go_and_all_of_it_is_in_the_journal() {
    let bench = with_operator().start().await;
    let wanted = json!({"address": ALIX, "client": "Thunderbird"});
    let added = bench.post("/v1/mail/mailboxes", wanted).await.good();
    let first = added["mailbox"]["passwords"][0]["id"]
        .as_str()
        .expect("an id");
    let opens = |password: &serde_json::Value| {
        let password = password.as_str().expect("a password");
        let mailboxes = &bench.daemon.app.mail.mailboxes;
        mailboxes.authenticate(ALIX, password).is_ok()
    };

    let path = format!("/v1/mail/mailboxes/{ALIX}/passwords");
    let made = bench.post(&path, json!({"client": "mbsync"})).await.good();
    assert_eq!(made["client"], "mbsync");
    let instead = json!({"client": "mbsync", "replace": made["id"]});
    let second = bench.post(&path, instead).await.good();
    assert!(!opens(&made["password"]) && opens(&second["password"]));

    let revoked = bench
        .send("DELETE", &format!("{path}/{first}"), &[], vec![])
        .await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert!(!opens(&added["password"]));
    let again = bench
        .send("DELETE", &format!("{path}/{first}"), &[], vec![])
        .await;
    assert_eq!(again.code(), "mail.password_unknown");

    let mailbox = format!("/v1/mail/mailboxes/{ALIX}");
    let removed = bench.send("DELETE", &mailbox, &[], vec![]).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert!(!opens(&second["password"]));
    let again = bench.send("DELETE", &mailbox, &[], vec![]).await;
    assert_eq!(again.code(), "mail.mailbox_unknown");
    let nowhere = bench.post(&path, json!({"client": "x"})).await;
    assert_eq!(nowhere.code(), "mail.mailbox_unknown");

    let journal = bench.get("/v1/journal").await.good();
    let entries = journal["entries"].as_array().expect("a list");
    let told: Vec<_> = entries.iter().map(|one| &one["operation"]).collect();
    assert_eq!(
        told,
        [
            "mail_add",
            "mail_password",
            "mail_password",
            "mail_revoke",
            "mail_remove"
        ]
    );
    assert_eq!(entries[0]["note"], ALIX);
    assert_eq!(entries[3]["note"], format!("{ALIX}, {first}"));
    for secret in [&added["password"], &second["password"]] {
        assert!(!journal.to_string().contains(secret.as_str().expect("text")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_added_says_why() {
    let bench = with_operator().start().await;
    let add = |address: &str, client: &str| {
        let wanted = json!({"address": address, "client": client});
        bench.post("/v1/mail/mailboxes", wanted)
    };
    assert_eq!(add("alix", "x").await.code(), "mail.address_invalid");
    assert_eq!(
        add("a b@medecin.test", "x").await.code(),
        "mail.address_invalid"
    );
    assert_eq!(
        add("alix@gmail.com", "x").await.code(),
        "mail.domain_not_allowed"
    );
    // A configured domain is that domain, not all below.
    assert_eq!(
        add("a@x.medecin.test", "x").await.code(),
        "mail.domain_not_allowed"
    );
    for client in ["", " ", "a\nb", &"x".repeat(65)] {
        assert_eq!(add(ALIX, client).await.code(), "caller.bad_request");
    }
    bench.slot.remove();
    let cards = &bench.daemon.app.cards;
    soon("the card is gone", || cards.cards().is_empty()).await;
    assert_eq!(add(ALIX, "x").await.code(), "card.absent");
    assert!(bench.daemon.app.mail.mailboxes.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_of_mail_is_read_and_verified() {
    let bench = with_operator().start().await;
    let author = Author {
        id: Holder::CpsMedecin.national_id().to_owned(),
        mailbox: Address::parse(ALIX).expect("an address"),
        protocol: Protocol::Imap,
        program: "Thunderbird".to_owned(),
    };
    let traces = &bench.daemon.app.mail.traces;
    for (request, answer) in [("EXPUNGE", Some("OK done")), ("CLOSE", None)] {
        let trace = author.trace("delete", request.to_owned(), answer.map(str::to_owned));
        traces.record(trace).await.expect("recorded");
    }
    let page = bench.get("/v1/mail/journal?after=1").await.good();
    let entry = &page["entries"][0];
    assert_eq!(entry["sequence"], 2);
    assert_eq!(entry["author"], Holder::CpsMedecin.national_id());
    assert_eq!(entry["mailbox"], ALIX);
    assert_eq!(entry["protocol"], "imap");
    assert_eq!(entry["action"], "delete");
    assert_eq!(entry["request"], "CLOSE");
    assert!(entry["answer"].is_null());
    assert_eq!(entry["program"], "Thunderbird");
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(1));
    let verified = bench.get("/v1/mail/journal/verify").await.good();
    assert_eq!(
        verified,
        json!({"verified": true, "entries": 2, "begins_at": null, "broken_at": null, "detail": null})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_tells_of_each_server_what_programs_would_be_told() {
    let bench = with_operator().start().await;
    let wanted = json!({"address": ALIX, "client": "Thunderbird"});
    bench.post("/v1/mail/mailboxes", wanted).await.good();
    // Nobody listens at the operator's ports.
    let path = format!("/v1/mail/mailboxes/{ALIX}/test");
    let test = bench.post(&path, json!({})).await.good();
    for server in ["imap", "smtp"] {
        assert_eq!(test[server]["ok"], false);
        assert_eq!(test[server]["code"], "tls.unreachable");
    }
    let answer = test["imap"]["answer"].as_str().expect("an answer");
    assert!(answer.starts_with("NO [UNAVAILABLE] "), "{answer}");
    let nowhere = bench.post("/v1/mail/mailboxes/a@b.c/test", json!({})).await;
    assert_eq!(nowhere.code(), "mail.mailbox_unknown");
}

/// Asks for a document as a mail program does; status line and body.
async fn settings(place: &str, path: &str) -> std::io::Result<(String, String)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(place).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {place}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let status = head.lines().next().unwrap_or_default();
    Ok((status.to_owned(), body.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_find_their_settings_while_there_is_a_mailbox() {
    let bench = with_operator().start().await;
    let place = &bench.daemon.app.mail.autoconfig;
    assert_eq!(place.place(), Place::Closed);
    let wanted = json!({"address": ALIX, "client": "Thunderbird"});
    bench.post("/v1/mail/mailboxes", wanted).await.good();
    soon("the port is open", || place.place() != Place::Closed).await;
    let gateway = &bench.daemon.app.mail.gateway;
    soon("mail ports are open", || gateway.places().imap.is_some()).await;
    let told = bench.get("/v1/mail").await.good();
    let address = told["autoconfig"].as_str().expect("a place").to_owned();

    let (status, _) = settings(&address, "/v1.1/gmail.com")
        .await
        .expect("an answer");
    assert_eq!(status, "HTTP/1.1 302 Found");
    let (status, _) = settings(&address, "/v1.1/x.medecin.test")
        .await
        .expect("an answer");
    assert_eq!(status, "HTTP/1.1 302 Found");
    let (status, body) = settings(&address, "/v1.1/medecin.test")
        .await
        .expect("an answer");
    assert_eq!(status, "HTTP/1.1 200 OK");
    for protocol in ["imap", "smtp"] {
        let place = told[protocol].as_str().expect("a place");
        let (_, port) = place.rsplit_once(':').expect("a port");
        assert!(body.contains(&format!("<port>{port}</port>")), "{body}");
    }

    // Programs that say nothing keep nobody else waiting.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(
            tokio::net::TcpStream::connect(&address)
                .await
                .expect("connects"),
        );
    }
    settings(&address, "/").await.expect("an answer");

    let mailbox = format!("/v1/mail/mailboxes/{ALIX}");
    bench.send("DELETE", &mailbox, &[], vec![]).await;
    soon("the port is closed", || place.place() == Place::Closed).await;
    assert_eq!(
        bench.get("/v1/mail").await.good()["autoconfig"],
        json!(null)
    );
    assert!(settings(&address, "/").await.is_err());
}
