//! The PKCS#11 module beside its peers: what a program waits for it.

use std::path::Path;

use cps_emulator::{Holder, Profile};
use cps_tests::{Authority, Peer, Practice, Sandbox, Settings, SoftHsm, module, until};

use crate::Metrics;
use crate::host::{Host, p11_kit_client};

pub(crate) fn measure(metrics: &mut Metrics) {
    signatures(metrics);
    start(metrics);
}

/// One P-256 key in a SoftHSM token, reached in three ways in turn, so that the load of the machine
/// is the same for all.
fn signatures(metrics: &mut Metrics) {
    let mut configuration = None;
    let practice = Practice::prepared(|sandbox, _| {
        let token = SoftHsm::new(sandbox, "bench");
        configuration = Some(token.configuration().to_owned());
        let authority = Authority::new(sandbox);
        let (key, certificate) = authority.issue("auth", "digitalSignature", "clientAuth");
        token.import("01", "auth", &key, &certificate);
        Settings {
            anchors: vec![authority.certificate()],
            more: token.toml(),
            ..Settings::default()
        }
    });
    let configuration = configuration.expect("a token");
    until("the card's token", || {
        let objects = practice.cpsd.client().objects().ok()?;
        (!objects.tokens.is_empty()).then_some(())
    });
    let sandbox = &practice.sandbox;
    let (_server, address) = p11_kit_server(sandbox, &configuration);
    let mut times: [(&str, Vec<f64>); 3] =
        ["direct", "p11kit", "cpsd"].map(|way| (way, Vec::new()));
    for _ in 0..ROUNDS {
        for (way, times) in &mut times {
            let host = match *way {
                "direct" => Host::new(sandbox, SoftHsm::MODULE.as_ref())
                    .with("SOFTHSM2_CONF", &configuration),
                "p11kit" => {
                    Host::new(sandbox, &p11_kit_client()).with("P11_KIT_SERVER_ADDRESS", &address)
                }
                _ => Host::new(sandbox, &module()),
            };
            times.extend(host.sign(SIGNATURES));
        }
    }
    assert_eq!(practice.pinentry.dialogs(), 1);
    for (way, mut times) in times {
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        times.sort_by(f64::total_cmp);
        metrics.set(format!("module.{way}.sign_per_second"), 1000.0 / mean);
        metrics.set(format!("module.{way}.sign_p50_ms"), times[times.len() / 2]);
        metrics.set(
            format!("module.{way}.sign_p99_ms"),
            times[times.len() * 99 / 100],
        );
    }
}

/// p11-kit's remoting of the same token, and its address.
fn p11_kit_server(sandbox: &Sandbox, configuration: &Path) -> (Peer, std::path::PathBuf) {
    let socket = sandbox.join("p11-kit.sock");
    let mut server = sandbox.command("p11-kit");
    server
        .env("SOFTHSM2_CONF", configuration)
        .args(["server", "-f", "-n"])
        .arg(&socket)
        .args(["--provider", SoftHsm::MODULE, "pkcs11:token=bench"]);
    let peer = Peer::start(sandbox, "p11-kit", "p11-kit", server);
    until("the socket of p11-kit", || socket.exists().then_some(()));
    let address = format!("unix:path={}", socket.display());
    (peer, address.into())
}

/// From `C_Initialize` to the list of tokens, in a new process each time; median.
fn start(metrics: &mut Metrics) {
    let mut practice = Practice::new();
    let median = |practice: &Practice, tokens: usize| {
        let mut times: Vec<f64> = (0..STARTS)
            .map(|_| {
                let (time, listed) = Host::new(&practice.sandbox, &module()).start();
                assert_eq!(listed, tokens);
                time
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[STARTS / 2]
    };
    metrics.set("module.start.no_card_ms", median(&practice, 0));
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    until("the card's token", || {
        let objects = practice.cpsd.client().objects().ok()?;
        (!objects.tokens.is_empty()).then_some(())
    });
    metrics.set("module.start.one_card_ms", median(&practice, 1));
    drop(card);
    practice.cpsd.stop();
    metrics.set("module.start.no_daemon_ms", median(&practice, 0));
}

const ROUNDS: usize = 5;
const SIGNATURES: usize = 200;
const STARTS: usize = 21;
