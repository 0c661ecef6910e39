//! Hostile PKCS#11 modules in a daemon that also has an honest card: the card works all along.

use std::fs;

use cps_api::types::{Card, CardPhase};
use cps_emulator::{Holder, Pki, Profile};
use cps_tests::{Pcscd, Practice, Sandbox, Settings, binary, openssl, until};

/// A token whose module crashes, answers nonsense, or signs wrongly, gets an answer that names the
/// fault; one that holds no certificate, or is another at each look, is no card. The CPS3 signs
/// before and after each of them.
#[test]
fn whatever_a_module_does_the_card_in_the_reader_works() {
    let practice = Practice::prepared(|sandbox, pki| {
        let modules = [
            module(
                sandbox,
                pki,
                "segfault",
                "Segfault",
                Some(Holder::CpsInfirmier),
            ),
            module(sandbox, pki, "noise", "Noise", Some(Holder::CpfMedecin)),
            module(sandbox, pki, "wrong", "None", Some(Holder::CpeNominative)),
            module(sandbox, pki, "not-der", "None", None),
            module(sandbox, pki, "shifting", "Shifting", None),
            module(sandbox, pki, "stuck", "HangAtStart", None),
        ];
        settings(modules.concat())
    });
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let native = card(&practice, |card| card.reader == Pcscd::reader_name(0)).serial;
    practice.sandbox.write("document", "text");
    let sign = |card: &str| {
        let file = ["sign", "document", "-o", "document.p7s", "--card", card];
        practice.cpsd.cps(&practice.sandbox, &file)
    };
    let native_signs = || {
        assert!(sign(&native).status.success());
        let signature = practice.sandbox.join("document.p7s");
        let document = practice.sandbox.join("document");
        let verified = openssl::cms_verify(
            &practice.sandbox,
            &signature,
            Some(&document),
            &practice.anchors,
        );
        assert!(verified.status.success(), "{verified:?}");
    };
    native_signs();
    for (serial, code) in [
        ("segfault:0", "module.crashed"),
        ("noise:0", "module.malformed"),
        ("wrong:0", "card.malformed"),
    ] {
        card(&practice, |card| card.serial == serial);
        let refused = sign(serial);
        let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{serial}: {reason}");
        assert!(reason.contains(code), "{serial}: {reason}");
        native_signs();
        // It is there again, for whoever wants to try.
        card(&practice, |card| card.serial == serial);
    }
    let cards = practice.cpsd.client().cards().unwrap().cards;
    for name in ["not-der:", "shifting:", "stuck:"] {
        let ready = |card: &&Card| card.serial.starts_with(name) && card.state == CardPhase::Ready;
        assert_eq!(cards.iter().find(ready), None);
    }
}

/// A daemon that is killed takes its modules with it, even one that hangs; so does one that ends,
/// without waiting for it.
#[test]
fn no_module_outlives_the_daemon() {
    for killed in [true, false] {
        let name = if killed { "orphan" } else { "follower" };
        let mut practice = Practice::prepared(|sandbox, pki| {
            settings(module(sandbox, pki, name, "HangAtStart", None))
        });
        until("the module", || running(name).then_some(()));
        if killed {
            practice.cpsd.peer().kill();
        } else {
            assert!(practice.cpsd.stop().success());
        }
        until("the end of the module", || (!running(name)).then_some(()));
    }
}

/// A module that turns to the daemon as if it were a program gets nothing: the daemon's own name
/// would be on the dialogs.
#[test]
fn a_module_is_no_caller() {
    let practice = Practice::prepared(|sandbox, pki| {
        sandbox.write("outside/file", "");
        sandbox.write("inside/.keep", "");
        settings(module(
            sandbox,
            pki,
            "probe",
            "Probe",
            Some(Holder::CpsInfirmier),
        ))
    });
    card(&practice, |card| card.serial == "probe:0");
    practice.sandbox.write("document", "text");
    practice.refused(&[
        "sign",
        "document",
        "-o",
        "document.p7s",
        "--card",
        "probe:0",
    ]);
    let report = fs::read_to_string(practice.sandbox.join("inside/report")).unwrap();
    let daemon = report.lines().find_map(|line| line.strip_prefix("daemon="));
    let answer = daemon.expect("an answer");
    assert!(!answer.contains("200"), "{answer}");
    for closed in ["daemon environment", "daemon memory", "ptrace", "signal"] {
        let open = format!("{closed}=ok");
        assert!(!report.contains(&open), "{report}");
    }
}

/// The table of a hostile module, whose token has the signature certificate of somebody, or none.
fn module(
    sandbox: &Sandbox,
    pki: &Pki,
    name: &str,
    mischief: &str,
    holder: Option<Holder>,
) -> String {
    let certificate = holder.map_or_else(String::new, |holder| {
        let der = pki.signature_der(holder);
        let file = sandbox.write(&format!("{name}.der"), der);
        format!("HOSTILE_CERTIFICATE = {file:?}, ")
    });
    let library = binary("examples/libhostile_module.so");
    let inside = sandbox.write("inside/.keep", "");
    let inside = inside.parent().unwrap();
    format!(
        "[[module]]\nname = \"{name}\"\npath = {library:?}\nwritable = [{inside:?}]\n\
         environment = {{ {certificate}HOSTILE = \"{mischief}\", HOSTILE_INSIDE = {inside:?}, \
         HOSTILE_OUTSIDE = {outside:?}, HOSTILE_DAEMON = {daemon:?} }}\n",
        outside = sandbox.join("outside"),
        daemon = sandbox.join("run/cpsd/cpsd.sock"),
    )
}

fn settings(modules: String) -> Settings {
    Settings {
        more: modules,
        ..Settings::default()
    }
}

/// Waits until a card is ready.
fn card(practice: &Practice, wanted: impl Fn(&Card) -> bool) -> Card {
    let client = practice.cpsd.client();
    until("a card", || {
        let cards = client.cards().unwrap().cards;
        let ready = |card: &Card| card.state == CardPhase::Ready && wanted(card);
        cards.into_iter().find(ready)
    })
}

/// Whether a process of this module runs.
fn running(name: &str) -> bool {
    let command = format!("module-host\0{name}\0");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).contains(&command))
}
