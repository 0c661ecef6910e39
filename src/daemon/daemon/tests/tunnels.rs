//! Authenticated connections: real handshakes with the card against a TLS server that requires a
//! client certificate, and what happens to them when the card goes.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cps_emulator::{Holder, Pki, Profile};
use rustls::SignatureScheme;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bench::{Bench, Setup, soon};
use crate::prompt::Decision;
use crate::testing::{Behaviour, Publisher, TLS12, TLS13, TlsServer};

/// What the server saw of each connection: certificate, protocol version, resumption.
type Seen = Arc<Mutex<Vec<(Vec<u8>, rustls::ProtocolVersion, bool)>>>;

/// A server that sends back what it gets, then closes its side when the client has closed its own.
async fn echo(pki: &Pki, behaviour: Behaviour) -> (TlsServer, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let identity = pki.server(&["localhost"]);
    let server = TlsServer::start(pki, &identity, behaviour, move |mut stream| {
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().expect("authenticated")[0].to_vec();
        let version = session.protocol_version().expect("agreed");
        let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        notes
            .lock()
            .expect("not poisoned")
            .push((certificate, version, resumed));
        async move {
            let (mut reader, mut writer) = tokio::io::split(&mut stream);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
            let _ = writer.shutdown().await;
        }
    })
    .await;
    (server, seen)
}

/// A daemon that may reach a server with `behaviour`, both in one test PKI.
async fn joined(setup: Setup, behaviour: Behaviour) -> (Bench, TlsServer, Seen) {
    let (publisher, pki) = Publisher::of_lists(setup.lists).await;
    let (server, seen) = echo(&pki, behaviour).await;
    let bench = setup
        .allowing(server.address.port())
        .start_with(publisher, pki)
        .await;
    (bench, server, seen)
}

fn shown(bench: &Bench) -> usize {
    bench.dialogs.shown.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_card_authenticates_in_the_versions_it_can() {
    for (profile, versions, expected) in [
        (
            Profile::Cps3,
            rustls::ALL_VERSIONS,
            rustls::ProtocolVersion::TLSv1_2,
        ),
        (Profile::Cps3, TLS12, rustls::ProtocolVersion::TLSv1_2),
        (Profile::Cps4, TLS12, rustls::ProtocolVersion::TLSv1_2),
        (Profile::Cps4, TLS13, rustls::ProtocolVersion::TLSv1_3),
        (
            Profile::Cps4,
            rustls::ALL_VERSIONS,
            rustls::ProtocolVersion::TLSv1_3,
        ),
    ] {
        let behaviour = Behaviour {
            versions,
            ..Behaviour::default()
        };
        let setup = Setup::of(Holder::CpsMedecin, profile);
        let (bench, server, seen) = joined(setup, behaviour).await;
        let mut tunnel = bench.open_tunnel(server.address.port()).await;
        tunnel.write_all(b"hello").await.expect("written");
        let mut answer = [0; 5];
        tunnel.read_exact(&mut answer).await.expect("echoed");
        assert_eq!(&answer, b"hello");
        let seen = seen.lock().expect("not poisoned").clone();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].0, bench.pki.authentication_der(Holder::CpsMedecin));
        assert_eq!(seen[0].1, expected);
        assert_eq!(shown(&bench), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_amounts_pass_both_ways_and_each_direction_ends_on_its_own() {
    let (bench, server, _) = joined(Setup::default(), Behaviour::default()).await;
    let tunnel = bench.open_tunnel(server.address.port()).await;
    let (mut reader, mut writer) = tokio::io::split(tunnel);
    let sent: Vec<u8> = (0..3_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    let expected = sent.clone();
    let sending = tokio::spawn(async move {
        writer.write_all(&sent).await.expect("written");
        writer.shutdown().await.expect("half closed");
    });
    // Reading late: what does not fit anywhere waits.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut received = Vec::new();
    reader
        .read_to_end(&mut received)
        .await
        .expect("read to the end");
    sending.await.expect("sent");
    assert!(received == expected, "{} bytes came back", received.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tunnel_carries_may_wait() {
    let limits = crate::server::Limits {
        head: Duration::from_millis(200),
        body: Duration::from_millis(200),
        ..Default::default()
    };
    let setup = Setup {
        limits,
        ..Setup::default()
    };
    let (bench, server, _) = joined(setup, Behaviour::default()).await;
    let tunnel = bench.open_tunnel(server.address.port()).await;
    let (mut reader, mut writer) = tokio::io::split(tunnel);
    let sending = tokio::spawn(async move {
        writer
            .write_all(&vec![7; 3_000_000])
            .await
            .expect("written");
        writer.shutdown().await.expect("half closed");
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut received = Vec::new();
    reader
        .read_to_end(&mut received)
        .await
        .expect("read to the end");
    sending.await.expect("sent");
    assert_eq!(received.len(), 3_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pin_and_one_consent_serve_many_connections() {
    let (bench, server, seen) = joined(Setup::default(), Behaviour::default()).await;
    for _ in 0..3 {
        let mut tunnel = bench.open_tunnel(server.address.port()).await;
        tunnel.write_all(b"x").await.expect("written");
        tunnel.read_u8().await.expect("echoed");
    }
    assert_eq!(
        (shown(&bench), bench.dialogs.asked.load(Ordering::SeqCst)),
        (1, 0)
    );
    let resumed: Vec<_> = seen
        .lock()
        .expect("not poisoned")
        .iter()
        .map(|(_, _, resumed)| *resumed)
        .collect();
    assert_eq!(resumed, [false, true, true]);
    assert_eq!(bench.slot.counters().expect("a card").key_operations, 1);
    let journal = bench.get("/v1/journal").await.good();
    let uses = journal["entries"].as_array().expect("a list").iter();
    let uses = uses.filter(|one| one["operation"] == "tls_client_auth" && one["result"] == "done");
    assert_eq!(uses.count(), 3, "a resumed session is a use too: {journal}");

    bench.post("/v1/lock", json!({})).await.good();
    let mut tunnel = bench.open_tunnel(server.address.port()).await;
    tunnel.write_all(b"x").await.expect("written");
    tunnel.read_u8().await.expect("echoed");
    assert!(
        !seen.lock().expect("not poisoned")[3].2,
        "no session survives the lock"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_once_is_asked_once() {
    let (bench, server, _) = joined(Setup::default(), Behaviour::default()).await;
    bench.post("/v1/login", json!({})).await.good();
    bench.dialogs.decide_next(Decision::Once);
    bench.open_tunnel(server.address.port()).await;
    assert_eq!(bench.dialogs.asked.load(Ordering::SeqCst), 1);
    bench.dialogs.decide_next(Decision::Deny);
    let refused = bench.refused_tunnel(server.address.port()).await;
    assert_eq!(refused.code(), "grant.denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_cannot_be_satisfied_cost_no_pin() {
    let elementaire = |pki: &Pki| {
        let root = pki.server(&["x"]).root_der;
        let root = cps_identity::Certificate::from_der(&root).expect("parses");
        vec![root.subject_raw().to_vec()]
    };
    let other = elementaire(crate::testing::pki());
    for (profile, behaviour, code) in [
        (
            Profile::Cps3,
            Behaviour {
                versions: TLS13,
                ..Behaviour::default()
            },
            "tls.needs_tls13",
        ),
        (
            Profile::Cps3,
            Behaviour {
                versions: TLS12,
                schemes: &[SignatureScheme::RSA_PSS_SHA256],
                ..Behaviour::default()
            },
            "tls.needs_pss",
        ),
        (
            Profile::Cps4,
            Behaviour {
                authorities: other,
                ..Behaviour::default()
            },
            "tls.issuer_not_accepted",
        ),
        (
            Profile::Cps4,
            Behaviour {
                asks: false,
                ..Behaviour::default()
            },
            "tls.no_client_auth",
        ),
    ] {
        let setup = Setup::of(Holder::CpsMedecin, profile);
        let (bench, server, _) = joined(setup, behaviour).await;
        let refused = bench.refused_tunnel(server.address.port()).await;
        assert_eq!(refused.code(), code);
        assert_eq!(refused.json()["host"], "localhost");
        assert_eq!(shown(&bench), 0, "{code}");
        assert_eq!(bench.slot.counters().expect("a card").verify, 0);

        // An unlocked card is told the same by the handshake itself.
        bench.post("/v1/login", json!({})).await.good();
        let refused = bench.refused_tunnel(server.address.port()).await;
        assert_eq!(refused.code(), code, "unlocked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_destinations_are_not_even_contacted() {
    let (bench, _, _) = joined(Setup::default(), Behaviour::default()).await;
    let (elsewhere, _) = echo(&bench.pki, Behaviour::default()).await;
    let refused = bench.refused_tunnel(elsewhere.address.port()).await;
    assert_eq!(refused.code(), "tls.destination_not_allowed");
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0);
    assert_eq!(shown(&bench), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_certificate_is_checked_first() {
    let setup = Setup::of(Holder::CpsExpired, Profile::Cps3);
    let (bench, server, _) = joined(setup, Behaviour::default()).await;
    let refused = bench.refused_tunnel(server.address.port()).await;
    assert_eq!(refused.code(), "certificate.expired");
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    assert_eq!(shown(&bench), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_revocation_cannot_be_known_is_refused() {
    // Certificates that name a publisher which has no list.
    let mut made = None;
    let publisher = Publisher::start(|url| {
        made = Some(crate::testing::pki().clone().with_base_url(url));
        HashMap::new()
    })
    .await;
    let pki = made.expect("made above");
    let (server, _) = echo(&pki, Behaviour::default()).await;
    let setup = Setup::default().allowing(server.address.port());
    let bench = setup.start_with(publisher, pki).await;
    let refused = bench.refused_tunnel(server.address.port()).await;
    assert_eq!(refused.code(), "tls.revocation_unknown");
    assert_eq!(shown(&bench), 0);
    let asked = bench.publisher.requests.load(Ordering::SeqCst);
    assert!(asked > 0);
    bench.refused_tunnel(server.address.port()).await;
    assert_eq!(
        bench.publisher.requests.load(Ordering::SeqCst),
        asked,
        "back-off"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_ends_with_its_card() {
    for end in ["remove", "lock", "reset"] {
        let (bench, server, _) = joined(Setup::default(), Behaviour::default()).await;
        let mut tunnel = bench.open_tunnel(server.address.port()).await;
        tunnel.write_all(b"x").await.expect("written");
        tunnel.read_u8().await.expect("echoed");
        match end {
            "remove" => drop(bench.slot.remove()),
            "lock" => drop(bench.post("/v1/lock", json!({})).await.good()),
            _ => {
                bench.slot.reset_by_rival();
                // Nothing tells of another program's reset before the card is used again.
                bench.get("/v1/exercises").await.good();
            }
        }
        let ended = Instant::now();
        let closed = tokio::time::timeout(Duration::from_secs(5), tunnel.read_u8()).await;
        assert!(closed.expect("closed").is_err(), "{end}");
        assert!(
            ended.elapsed() < Duration::from_secs(1),
            "{end}: {:?}",
            ended.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_goes_during_the_handshake() {
    let (bench, server, _) = joined(Setup::default(), Behaviour::default()).await;
    bench.post("/v1/login", json!({})).await.good();
    let first = bench.daemon.app.cards.cards()[0].id.clone();
    // The first command from now on: whatever the handshake asks of the card.
    bench
        .slot
        .arm(cps_emulator::FaultPlan::at(1, cps_emulator::Fault::Remove));
    let refused = bench.refused_tunnel(server.address.port()).await;
    assert_eq!(refused.code(), "card.removed");
    soon("the card is gone", || {
        bench.daemon.app.cards.cards().is_empty()
    })
    .await;
    let card = cps_emulator::VirtualCard::new(&bench.pki, Holder::CpsMedecin, Profile::Cps3);
    bench.slot.insert(card);
    // Until the reader is looked at again the daemon may take the new card for the old insertion.
    soon("the card is back", || {
        let cards = bench.daemon.app.cards.cards();
        cards.iter().any(|card| card.id != first)
    })
    .await;
    bench.open_tunnel(server.address.port()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let bench = Setup::default().allowing(port).start().await;
    let refused = bench.refused_tunnel(port).await;
    assert_eq!(refused.code(), "tls.unreachable");
    assert_eq!(shown(&bench), 0);
}
