//! The store against a publisher on loopback.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cps_emulator::{Authority, CrlVariant, Holder, Pki};
use cps_identity::{Certificate, Purpose, Revocation, Verdict};
use jiff::Timestamp;

use super::{TrustError, TrustStore};
use crate::config::Config;
use crate::testing::{Answer, Publisher, pki};

const LONG: Duration = Duration::from_secs(10);

/// A store that believes the roots and intermediates of `pki`.
fn store(folder: &Path, pki: &Pki) -> TrustStore {
    let anchors = folder.join("given");
    std::fs::create_dir_all(&anchors).expect("created");
    for (index, der) in pki
        .anchors_der()
        .iter()
        .chain(&pki.intermediates_der())
        .enumerate()
    {
        std::fs::write(anchors.join(format!("{index}.cer")), der).expect("written");
    }
    let text = format!("environment = \"custom\"\nanchors = [{anchors:?}]");
    let config = Config::parse(&text, "test").expect("a configuration");
    TrustStore::open(&folder.join("state"), &config).expect("opens")
}

fn card(pki: &Pki, holder: Holder) -> Certificate {
    Certificate::from_der(&pki.authentication_der(holder)).expect("parses")
}

fn judged(store: &TrustStore, certificate: &Certificate) -> Verdict {
    store.judge(certificate, Purpose::CardAuthentication)
}

async fn refresh(store: &TrustStore, certificate: &Certificate) {
    let trust = store.trust();
    store.refresh(&trust, vec![certificate.clone()], LONG).await;
}

fn is_good(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Trusted {
            revocation: Revocation::Good
        }
    )
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn lists_are_fetched_once_a_day_and_survive_a_restart() {
    let (publisher, pki) = Publisher::of_lists(CrlVariant::Revoked).await;
    let folder = folder();
    let store_ = store(folder.path(), &pki);
    let (good, revoked) = (
        card(&pki, Holder::CpsMedecin),
        card(&pki, Holder::CpsRevoked),
    );
    assert!(!is_good(judged(&store_, &good)), "nothing is known yet");
    refresh(&store_, &good).await;
    assert!(is_good(judged(&store_, &good)));
    assert!(matches!(judged(&store_, &revoked), Verdict::Revoked { .. }));
    let asked = publisher.requests.load(Ordering::Relaxed);
    assert_eq!(
        asked, 2,
        "the list of the card's issuer, and that of the root"
    );

    refresh(&store_, &good).await;
    let again = store(folder.path(), &pki);
    assert!(is_good(judged(&again, &good)), "from the disk");
    refresh(&again, &good).await;
    assert_eq!(
        publisher.requests.load(Ordering::Relaxed),
        asked,
        "not due before tomorrow"
    );
    let lists = again.lists();
    assert_eq!(lists.len(), 2);
    assert!(lists.iter().all(|list| list.next_fetch > Timestamp::now()));
}

#[tokio::test]
async fn many_who_need_a_list_fetch_it_once() {
    let (publisher, pki) = Publisher::of_lists(CrlVariant::Empty).await;
    let folder = folder();
    let store = store(folder.path(), &pki);
    let certificate = card(&pki, Holder::CpsMedecin);
    let all = (0..20).map(|_| refresh(&store, &certificate));
    futures_util::future::join_all(all).await;
    assert_eq!(publisher.requests.load(Ordering::Relaxed), 2);
    assert!(is_good(judged(&store, &certificate)));
}

/// A store, the certificate of a card, and a publisher that answers `answer` for every list.
async fn answering(answer: Answer) -> (tempfile::TempDir, Publisher, TrustStore, Certificate) {
    let mut made = None;
    let publisher = Publisher::start(|url| {
        let pki = pki().clone().with_base_url(url);
        let paths = Authority::ALL.map(|authority| (pki.crl_path(authority), answer.clone()));
        made = Some(pki);
        HashMap::from(paths)
    })
    .await;
    let pki = made.expect("made above");
    let folder = folder();
    let store = store(folder.path(), &pki);
    let certificate = card(&pki, Holder::CpsMedecin);
    (folder, publisher, store, certificate)
}

#[tokio::test]
async fn useless_answers_leave_nothing_and_are_not_asked_for_again() {
    let forged = pki().crl_der(
        Pki::issuer_of(Holder::CpsMedecin),
        CrlVariant::WrongSignature,
    );
    for answer in [
        Answer::Bytes(b"<html>404</html>".to_vec()),
        Answer::Bytes(Vec::new()),
        Answer::Bytes(vec![0x30; 17 * 1024 * 1024]),
        Answer::Bytes(forged),
        Answer::Status(403),
        Answer::Status(404),
        Answer::Status(500),
    ] {
        let (_folder, publisher, store, certificate) = answering(answer).await;
        refresh(&store, &certificate).await;
        let asked = publisher.requests.load(Ordering::Relaxed);
        assert_eq!(asked, 2);
        assert!(store.lists().iter().all(|list| list.crl.is_none()));
        refresh(&store, &certificate).await;
        assert_eq!(
            publisher.requests.load(Ordering::Relaxed),
            asked,
            "back-off"
        );
    }
}

#[tokio::test]
async fn a_silent_publisher_keeps_nobody_waiting() {
    let (_folder, _publisher, store, certificate) = answering(Answer::Silence).await;
    let begun = Instant::now();
    let trust = store.trust();
    store
        .refresh(&trust, vec![certificate], Duration::from_millis(200))
        .await;
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_fetch_cut_short_by_the_end_of_the_process_is_not_begun_again_at_once() {
    let (folder, publisher, store_, certificate) = answering(Answer::Silence).await;
    let trust = store_.trust();
    let chain = vec![certificate];
    store_.refresh(&trust, chain, Duration::ZERO).await;
    asked(&publisher, 1).await;
    // Another process finds what this one leaves in the middle of its first fetch.
    let left = store(folder.path(), pki()).lists();
    assert_eq!(left.len(), 1, "written before the answer came");
    let wait = left[0].next_fetch.duration_since(Timestamp::now());
    assert!(wait.as_secs() > 60, "{wait}");
}

#[tokio::test]
async fn who_comes_during_a_fetch_waits_for_it() {
    let (_folder, publisher, store, certificate) = answering(Answer::Silence).await;
    let trust = store.trust();
    let chain = vec![certificate];
    store.refresh(&trust, chain.clone(), Duration::ZERO).await;
    asked(&publisher, 1).await;
    // The answer never comes: waiting shows as time.
    let (begun, limit) = (Instant::now(), Duration::from_millis(200));
    let first_list = trust.crl_urls(&chain[0], &[]).remove(0);
    assert!(store.inner.is_in_flight(&first_list));
    store.refresh(&trust, chain, limit).await;
    assert!(begun.elapsed() >= limit);
    assert_eq!(publisher.requests.load(Ordering::Relaxed), 1);
}

/// Waits until the publisher was asked so many times.
async fn asked(publisher: &Publisher, times: usize) {
    let end = Instant::now() + LONG;
    while publisher.requests.load(Ordering::Relaxed) < times {
        assert!(Instant::now() < end, "the publisher is not asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_forged_list_does_not_replace_a_good_one() {
    let (_publisher, pki) = Publisher::of_lists(CrlVariant::Empty).await;
    let folder = folder();
    let store = store(folder.path(), &pki);
    let certificate = card(&pki, Holder::CpsMedecin);
    refresh(&store, &certificate).await;
    let issuer = Pki::issuer_of(Holder::CpsMedecin);
    let forged = pki.crl_der(issuer, CrlVariant::WrongSignature);
    assert!(store.accept(&forged, &[]).is_err());
    let rogue = pki.rogue().crl_der(issuer, CrlVariant::Empty);
    assert!(
        store.accept(&rogue, &[]).is_err(),
        "the name of our authority, another key"
    );
    // A server may send anything in its chain.
    let namesake = pki.rogue().authority_der(issuer);
    let namesake = Certificate::from_der(&namesake).expect("parses");
    assert!(store.accept(&rogue, &[namesake]).is_err());
    assert!(is_good(judged(&store, &certificate)));
}

#[test]
fn damaged_files_of_the_cache_are_fetched_again() {
    let folder = folder();
    let lists = folder.path().join("state/crl");
    std::fs::create_dir_all(&lists).expect("created");
    std::fs::write(lists.join("00.json"), b"{").expect("written");
    std::fs::write(lists.join("01.json"), vec![b' '; 1 << 20]).expect("written");
    assert!(store(folder.path(), pki()).lists().is_empty());
}

#[test]
fn anchors_of_the_configuration_must_be_there() {
    let folder = folder();
    std::fs::write(folder.path().join("text"), b"not a certificate").expect("written");
    for name in ["missing", "text", "."] {
        let path = folder.path().join(name);
        let text = format!("environment = \"custom\"\nanchors = [{path:?}]");
        let config = Config::parse(&text, "test").expect("a configuration");
        let opened = TrustStore::open(&folder.path().join("state"), &config);
        let named = opened.expect_err("refused").to_string();
        assert!(named.contains(&path.display().to_string()), "{named}");
    }
}

#[test]
fn only_pinned_authorities_are_imported() {
    let folder = folder();
    let config = Config::default();
    let store = TrustStore::open(folder.path(), &config).expect("opens");
    let refused = store.import(&pki().anchors_der()[0]);
    assert!(
        matches!(refused, Err(TrustError::NotPinned { .. })),
        "{refused:?}"
    );
    assert!(matches!(
        store.import(b"x"),
        Err(TrustError::Malformed { .. })
    ));
    assert_eq!(store.authorities().len(), 0);
    assert_eq!(
        std::fs::read_dir(folder.path().join("anchors"))
            .expect("a folder")
            .count(),
        0
    );
}

#[test]
fn a_pipe_among_the_lists_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("folder");
    drop(TrustStore::open(folder.path(), &Config::default()).expect("open"));
    let ticket = serde_json::json!({
        "url": "http://crl.example/a.crl",
        "schedule": cps_identity::CrlSchedule::new(0, Timestamp::now()),
    });
    let name = |end: &str| folder.path().join("crl").join(format!("a.{end}"));
    std::fs::write(name("json"), ticket.to_string()).expect("written");
    crate::testing::fifo(&name("crl"));
    let (path, crl) = (folder.path().to_owned(), name("crl"));
    let lists = crate::testing::in_time(move || {
        let store = TrustStore::open(&path, &Config::default()).expect("open");
        store.lists()
    });
    assert!(crl.exists());
    assert!(lists.iter().all(|list| list.crl.is_none()));
    assert_eq!(lists.len(), 1);
}
