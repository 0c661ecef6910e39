//! TLS client authentication, judged by nginx: whom it verified, over which protocol version.

use std::fs::File;
use std::process::Output;
use std::time::{Duration, SystemTime};

use cps_api::types::CrlState;
use cps_emulator::{CrlVariant, Holder, Pki, Profile, ServerFlaw, VirtualCard};
use cps_tests::{Answer, InsertedCard, Nginx, Practice, Site, TlsVersions, until};

#[test]
fn a_cps3_proves_the_practitioner_over_tls_1_2() {
    let (practice, site) = with_site(TlsVersions::Both);
    assert_eq!(prove(&practice, &site, Profile::Cps3), "TLSv1.2");
}

#[test]
fn a_cps4_proves_the_practitioner_over_tls_1_3() {
    let (practice, site) = with_site(TlsVersions::Both);
    assert_eq!(prove(&practice, &site, Profile::Cps4), "TLSv1.3");
}

#[test]
fn a_cps4_proves_the_practitioner_over_tls_1_2() {
    let (practice, site) = with_site(TlsVersions::Tls12);
    assert_eq!(prove(&practice, &site, Profile::Cps4), "TLSv1.2");
}

/// A CPS3 cannot satisfy a server that speaks TLS 1.3 only: said in words, and no PIN is asked.
#[test]
fn a_server_that_a_cps3_cannot_satisfy_is_told_before_the_pin() {
    let (practice, site) = with_site(TlsVersions::Tls13);
    let _nginx = start(&practice, &site, ServerFlaw::None);
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let output = tunnel(&practice, &site);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error(&output).contains("tls.needs_tls13"),
        "{}",
        error(&output)
    );
    assert_eq!(practice.pinentry.pins_asked(), 0);
    assert_eq!(card.counters().verify, 0);
}

/// A server certificate from an authority with the same names, but another key.
#[test]
fn a_server_of_a_look_alike_authority_is_refused_before_the_pin() {
    let (practice, site) = with_site(TlsVersions::Both);
    let _nginx = start(&practice, &site, ServerFlaw::RogueRoot);
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let output = tunnel(&practice, &site);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error(&output).contains("tls.server_untrusted"),
        "{}",
        error(&output)
    );
    assert_eq!(practice.pinentry.pins_asked(), 0);
}

#[test]
fn an_expired_server_is_told_apart() {
    let (practice, site) = with_site(TlsVersions::Both);
    let _nginx = start(&practice, &site, ServerFlaw::Expired);
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let output = tunnel(&practice, &site);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error(&output).contains("tls.server_expired"),
        "{}",
        error(&output)
    );
    assert_eq!(practice.pinentry.pins_asked(), 0);
}

/// The server's own authority took its certificate back.
#[test]
fn a_revoked_server_is_refused_before_the_pin() {
    let (practice, site) = with_site(TlsVersions::Both);
    practice
        .publisher
        .publish(&practice.pki, CrlVariant::Revoked);
    let _nginx = start(&practice, &site, ServerFlaw::Revoked);
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    refused_before_the_pin(&practice, &site, &card, "tls.server_revoked");
}

#[test]
fn an_expired_card_is_refused_before_the_pin() {
    let (practice, site) = with_site(TlsVersions::Both);
    let nginx = start(&practice, &site, ServerFlaw::None);
    for profile in [Profile::Cps3, Profile::Cps4] {
        let card = practice.insert(0, practice.card(Holder::CpsExpired, profile));
        refused_before_the_pin(&practice, &site, &card, "certificate.expired");
        remove(&practice, card);
    }
    assert!(nginx.requests().is_empty());
}

#[test]
fn a_revoked_card_is_refused_before_the_pin() {
    let (practice, site) = with_site(TlsVersions::Both);
    practice
        .publisher
        .publish(&practice.pki, CrlVariant::Revoked);
    let nginx = start(&practice, &site, ServerFlaw::None);
    for profile in [Profile::Cps3, Profile::Cps4] {
        let card = practice.insert(0, practice.card(Holder::CpsRevoked, profile));
        refused_before_the_pin(&practice, &site, &card, "certificate.revoked");
        remove(&practice, card);
    }
    assert!(nginx.requests().is_empty());
}

/// Issued two years from now.
#[test]
fn a_card_of_the_future_is_refused_before_the_pin() {
    let (practice, site) = with_site(TlsVersions::Both);
    let _nginx = start(&practice, &site, ServerFlaw::None);
    let card = VirtualCard::new(&in_two_years(), Holder::CpsMedecin, Profile::Cps3);
    let card = practice.insert(0, card);
    refused_before_the_pin(&practice, &site, &card, "certificate.not_yet_valid");
}

/// What the authorities sign today is dated in the future of this computer: its clock is to blame,
/// not the card.
#[test]
fn a_wrong_clock_is_told_apart_from_a_bad_card() {
    let (practice, site) = with_site(TlsVersions::Both);
    practice
        .publisher
        .publish(&in_two_years(), CrlVariant::Empty);
    let _nginx = start(&practice, &site, ServerFlaw::None);
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    lists_fetched(&practice);
    refused_before_the_pin(&practice, &site, &card, "certificate.clock_skew");
}

fn in_two_years() -> Pki {
    Pki::new(SystemTime::now() + Duration::from_secs(2 * 365 * 86_400))
}

#[test]
fn a_server_that_is_not_configured_is_refused() {
    let (practice, site) = with_site(TlsVersions::Both);
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let elsewhere = Site {
        port: site.port ^ 1,
        ..site
    };
    let output = tunnel(&practice, &elsewhere);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error(&output).contains("tls.destination_not_allowed"),
        "{}",
        error(&output)
    );
    assert_eq!(practice.pinentry.dialogs(), 0);
}

/// The person says no: nothing reaches the server, and nothing is signed.
#[test]
fn a_refused_grant_signs_nothing() {
    let (practice, site) = with_site(TlsVersions::Both);
    let nginx = start(&practice, &site, ServerFlaw::None);
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.pinentry.queue(&[Answer::Cancel]);
    let output = tunnel(&practice, &site);
    assert_eq!(output.status.code(), Some(1), "{}", error(&output));
    assert_eq!(card.counters().key_operations, 0);
    assert!(
        nginx
            .requests()
            .iter()
            .all(|request| request["verify"] != "SUCCESS")
    );
}

/// A refusal with this code, which costs the person nothing and the card no try.
fn refused_before_the_pin(practice: &Practice, site: &Site, card: &InsertedCard, code: &str) {
    let output = tunnel(practice, site);
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains(code), "{}", error(&output));
    assert_eq!(practice.pinentry.dialogs(), 0);
    let counters = card.counters();
    assert_eq!((counters.verify, counters.key_operations), (0, 0));
}

/// Waits for the lists of the card's two authorities: they are fetched behind the insertion, which
/// does not wait for the network.
fn lists_fetched(practice: &Practice) {
    let client = practice.cpsd.client();
    until("the revocation lists", || {
        let lists = client.trust().unwrap().crls;
        let current = lists.iter().filter(|list| list.state == CrlState::Current);
        (current.count() >= 2).then_some(())
    });
}

fn remove(practice: &Practice, card: InsertedCard) {
    card.remove();
    let client = practice.cpsd.client();
    until("the card gone", || {
        client.cards().unwrap().cards.is_empty().then_some(())
    });
}

/// Opens a connection with a card of this family; the protocol version that nginx saw.
fn prove(practice: &Practice, site: &Site, profile: Profile) -> String {
    let nginx = start(practice, site, ServerFlaw::None);
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, profile));
    let output = tunnel(practice, site);
    assert!(output.status.success(), "{}", error(&output));
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let national_id = Holder::CpsMedecin.national_id();
    assert!(
        answer.contains("200 OK") && answer.contains(national_id),
        "{answer}"
    );
    assert_eq!(practice.pinentry.pins_asked(), 1);

    // nginx answers first and writes its log afterwards.
    let request = until("the line in the log of nginx", || nginx.requests().pop());
    assert_eq!(request["verify"], "SUCCESS");
    assert_eq!(request["uri"], "/dossier");
    assert!(
        request["dn"].as_str().unwrap().contains(national_id),
        "{request}"
    );
    request["protocol"].as_str().unwrap().to_owned()
}

fn with_site(versions: TlsVersions) -> (Practice, Site) {
    let site = Site::new(versions);
    (Practice::with_destinations(&[site.port]), site)
}

fn start(practice: &Practice, site: &Site, flaw: ServerFlaw) -> Nginx {
    let identity = practice.pki.server_with(&["localhost"], flaw);
    Nginx::start(
        &practice.sandbox,
        &identity,
        &practice.anchors,
        std::slice::from_ref(site),
    )
}

/// `cps tunnel` with one HTTP request on its standard input.
fn tunnel(practice: &Practice, site: &Site) -> Output {
    let request = "GET /dossier HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let request = practice.sandbox.write("request", request);
    let target = format!("localhost:{}", site.port);
    practice
        .cpsd
        .command(&practice.sandbox, &["tunnel", &target])
        .stdin(File::open(request).unwrap())
        .output()
        .unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
