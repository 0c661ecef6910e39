//! Clients that flood, stall, send half a request or disappear: the others notice nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cps_emulator::{Holder, Profile, VirtualCard};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::bench::{Bench, Setup, soon};
use crate::server::Limits;

fn short() -> Limits {
    Limits {
        head: Duration::from_millis(300),
        body: Duration::from_millis(300),
        ..Limits::default()
    }
}

async fn limited(limits: Limits) -> Bench {
    Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await
}

/// Everything until the daemon closes the connection.
async fn rest(mut stream: UnixStream) -> String {
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    // A connection reset is a way to be closed.
    let _ = tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .expect("closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_refused_beyond_the_limit_and_forgotten_afterwards() {
    let bench = limited(Limits {
        per_process: 4,
        ..Limits::default()
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(bench.connect().await);
    }
    // The seats are taken once the connections are accepted, in order.
    let answer = bench.get("/v1/status").await;
    assert_eq!(answer.code(), "caller.too_many");
    assert_eq!(answer.status.as_u16(), 429);
    drop(held);
    for _ in 0..100 {
        if bench.get("/v1/status").await.status.is_success() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the seats are not free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_hasty_connections_do_no_harm() {
    let bench = Setup::default().start().await;
    bench.get("/v1/identity").await.good();
    for round in 0..1000 {
        let mut stream = bench.connect().await;
        if round % 2 == 0 {
            let _ = stream
                .write_all(b"GET /v1/identity HTTP/1.1\r\nHost: x\r\n\r\n")
                .await;
        }
    }
    for _ in 0..100 {
        if bench.get("/v1/identity").await.status.is_success() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the daemon does not recover");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_is_closed_in_time() {
    let bench = limited(short()).await;
    let mut stream = bench.connect().await;
    stream
        .write_all(b"GET /v1/status HT")
        .await
        .expect("written");
    rest(stream).await;
    // A connection kept open for nothing.
    let mut stream = bench.connect().await;
    stream
        .write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("written");
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    bench.get("/v1/status").await.good();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_body_is_answered_with_a_time_out() {
    let bench = limited(short()).await;
    for path in ["/v1/login", "/v1/sign/cms"] {
        let mut stream = bench.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 100\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.expect("written");
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
        assert!(answer.contains("caller.slow"), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_is_given_up() {
    let bench = limited(short()).await;
    let mut stream = bench.connect().await;
    let content = vec![b'x'; 4 * 1024 * 1024];
    let head = format!(
        "POST /v1/sign/cms?attached=true HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    stream.write_all(&content).await.expect("written");
    // The socket holds a part of the answer; the rest is waited for no longer than the limit.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let answer = rest(stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "{}",
        &answer[..answer.len().min(200)]
    );
    assert!(answer.len() < content.len(), "{} bytes", answer.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_closed() {
    let bench = Setup::default().start().await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\r\n\r\nHELO\r\n\r\n",
    ] {
        let mut stream = bench.connect().await;
        stream.write_all(nonsense).await.expect("written");
        let answer = rest(stream).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
    }
    let mut stream = bench.connect().await;
    let head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "y".repeat(100_000)
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = rest(stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialog_closes_with_its_client_and_the_others_notice_nothing() {
    let bench = Setup::default().start().await;
    bench.get("/v1/identity").await.good();
    bench.dialogs.hang.store(true, Ordering::SeqCst);
    let request = "POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                   Content-Length: 2\r\n\r\n{}";
    // The second one has sent more than its request: that must not hide its end.
    for extra in ["", "GET /v1/status HTTP/1.1\r\n"] {
        let mut stream = bench.connect().await;
        stream
            .write_all(format!("{request}{extra}").as_bytes())
            .await
            .expect("written");
        soon("a dialog", || bench.dialogs.open() == 1).await;
        bench.get("/v1/identity").await.good();
        bench.get("/v1/status").await.good();
        drop(stream);
        soon("no dialog", || bench.dialogs.open() == 0).await;
    }
    bench.dialogs.hang.store(false, Ordering::SeqCst);
    // A program that takes its dialogs away again and again has to wait.
    let held = bench.post("/v1/login", json!({})).await;
    assert_eq!(held.code(), "prompt.held_off");
    assert_eq!(bench.dialogs.shown.load(Ordering::SeqCst), 2);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    bench.post("/v1/login", json!({})).await.good();
    assert_eq!(bench.slot.counters().expect("a card").verify, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_streamed_as_they_happen() {
    let bench = Setup::default().start().await;
    bench.get("/v1/identity").await.good();
    let mut stream = bench.connect().await;
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("written");
    let mut text = String::new();
    read_until(&mut stream, &mut text, "listening").await;
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    bench.post("/v1/login", json!({})).await.good();
    read_until(&mut stream, &mut text, "event: login").await;
    bench.slot.remove();
    read_until(&mut stream, &mut text, "event: card_removed").await;
    bench.slot.insert(VirtualCard::new(
        &bench.pki,
        Holder::CpsMedecin,
        Profile::Cps3,
    ));
    read_until(&mut stream, &mut text, "event: card_ready").await;
    bench.readers.stop_service();
    read_until(&mut stream, &mut text, "event: pcsc_stopped").await;
    // Dialogs and cards are told by two sources, each in its own order.
    let dialogs = ["prompt_opened", "prompt_closed"].as_slice();
    let cards = [
        "login",
        "logout",
        "card_removed",
        "card_inserted",
        "card_ready",
        "pcsc_stopped",
    ];
    for expected in [dialogs, &cards] {
        let mut from = 0;
        for name in expected {
            let line = format!("event: {name}\n");
            from += text[from..]
                .find(&line)
                .unwrap_or_else(|| panic!("{name} in order: {text}"));
        }
    }
    let data = text
        .lines()
        .find(|line| line.starts_with("data: "))
        .expect("data");
    let data: serde_json::Value = serde_json::from_str(&data[6..]).expect("JSON");
    assert_eq!(data["card"], Holder::CpsMedecin.serial());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_events_is_told_and_dropped() {
    let bench = Setup::default().start().await;
    bench.get("/v1/identity").await.good();
    let mut stream = bench.connect().await;
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("written");
    let mut text = String::new();
    read_until(&mut stream, &mut text, "listening").await;
    // Far more than socket and channel hold, while nobody reads.
    let prompts = bench.daemon.app.prompts.clone();
    for _ in 0..200_000 {
        let card = "0".repeat(64);
        let _ = prompts.send(crate::announce::PromptEvent::Opened { card });
    }
    let rest = rest(stream).await;
    assert!(
        rest.contains("too slow"),
        "{}",
        &rest[rest.len().saturating_sub(200)..]
    );
    bench.get("/v1/status").await.good();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_closes_dialogs_locks_the_card_and_removes_the_socket() {
    let bench = Setup::default().start().await;
    bench.post("/v1/login", json!({})).await.good();
    let mut events = bench.connect().await;
    events
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("written");
    let mut waiting = bench.connect().await;
    bench.dialogs.hang.store(true, Ordering::SeqCst);
    waiting
        .write_all(b"POST /v1/pin/change HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .await
        .expect("written");
    soon("a dialog", || bench.dialogs.open() == 1).await;
    let path = bench.daemon.socket().expect("a path").to_owned();
    let resets = bench.slot.counters().expect("a card").resets;
    tokio::time::timeout(Duration::from_secs(10), bench.daemon.stop())
        .await
        .expect("ends");
    assert!(!path.exists());
    assert_eq!(bench.dialogs.open(), 0);
    assert!(
        bench.slot.counters().expect("a card").resets > resets,
        "the login is gone"
    );
    rest(events).await;
    rest(waiting).await;
}

async fn read_until(stream: &mut UnixStream, text: &mut String, wanted: &str) {
    let reading = async {
        let mut buffer = [0; 4096];
        while !text.contains(wanted) {
            let count = stream.read(&mut buffer).await.expect("readable");
            assert!(count > 0, "the stream ended before {wanted}: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    if tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .is_err()
    {
        panic!("no {wanted} in time: {text}");
    }
}

/// A request's answer, whatever was sent; nothing when the connection was just closed.
async fn answer_to(bench: &Bench, request: &[u8]) -> String {
    let mut stream = bench.connect().await;
    // The daemon may close before everything is written.
    let _ = stream.write_all(request).await;
    let _ = stream.shutdown().await;
    rest(stream).await
}

#[test]
fn random_bodies_get_a_problem_and_mutated_requests_do_no_harm() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let bench = runtime.block_on(Setup::default().start());
    let mut runner = TestRunner::new(Config {
        cases: 300,
        ..Config::default()
    });

    let objects = runtime.block_on(async {
        bench.get("/v1/identity").await.good();
        bench.get("/v1/objects").await.good()
    });
    let key = objects["tokens"][0]["keys"][0]["id"].as_str();
    let of_key = |use_| format!("/v1/objects/{}/{use_}", key.expect("a key"));
    let mut paths = vec![of_key("sign"), of_key("decrypt")];
    paths.extend(
        [
            "/v1/tls/sign",
            "/v1/tls/tunnel",
            "/v1/pin/change",
            "/v1/lock",
            "/v1/trust/anchors",
        ]
        .map(str::to_owned),
    );
    let paths = prop::sample::select(paths);
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..300),
        "[{\\[\"a-z0-9:,. -]{1,60}".prop_map(String::into_bytes),
    ];
    let bodies = (paths, body);
    let outcome = runner.run(&bodies, |(path, body)| {
        let headers = [
            ("content-type", "application/json"),
            ("upgrade", "cpsd-tunnel"),
        ];
        // A handler that panicked would leave no answer, and `send` would say so.
        let answer = runtime.block_on(bench.send("POST", &path, &headers, body));
        prop_assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        answer.code();
        Ok(())
    });
    outcome.expect("problems only");

    let valid = "GET /v1/cards?card=90000001 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let changes = prop::collection::vec((0..valid.len(), any::<u8>()), 1..6);
    let outcome = runner.run(&changes, |changes| {
        let mut request = valid.as_bytes().to_vec();
        for (place, byte) in changes {
            request[place] = byte;
        }
        let answer = runtime.block_on(answer_to(&bench, &request));
        let starts = |start| answer.starts_with(start);
        let fine = answer.is_empty() || starts("HTTP/1.1 2") || starts("HTTP/1.1 4");
        prop_assert!(fine, "{answer}");
        Ok(())
    });
    outcome.expect("answered or closed");
    runtime.block_on(async { bench.get("/v1/status").await.good() });
}
