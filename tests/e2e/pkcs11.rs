//! Programs that know nothing of cpsd use the card through its PKCS#11 module. What each needs is
//! written in docs/pkcs11.md, as it is done here.

mod absent;
mod gnutls;
mod java;
mod memory;
mod opensc;
mod openssl;
mod sharing;
mod ssh;

use std::path::PathBuf;
use std::process::{Command, Output};

use cps_emulator::{Holder, Profile, ServerFlaw, VirtualCard};
use cps_tests::{InsertedCard, Nginx, Practice, Sandbox, Settings, Site, TlsVersions, module};
use cps_tests::{openssl as judge, until};

/// A practitioner with a card in the reader, and programs that find the module where they are told.
struct Desk {
    card: InsertedCard,
    practice: Practice,
}

impl Desk {
    fn new(profile: Profile) -> Self {
        Self::configured(profile, "")
    }

    /// With these lines in the section `[pkcs11]`.
    fn configured(profile: Profile, pkcs11: &str) -> Self {
        let practice = practice(pkcs11);
        let card = practice.card(Holder::CpsMedecin, profile);
        Self::holding(practice, card)
    }

    fn holding(practice: Practice, card: VirtualCard) -> Self {
        let card = practice.insert(0, card);
        until("the card's token", || {
            let objects = practice.cpsd.client().objects().unwrap();
            (!objects.tokens.is_empty()).then_some(())
        });
        Self { card, practice }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        finish(command(&self.practice.sandbox, program).args(arguments))
    }

    /// Runs a program that must succeed; its standard output.
    fn ok(&self, program: &str, arguments: &[&str]) -> String {
        succeeded(self.run(program, arguments))
    }

    /// Writes the certificate of the card as PEM.
    fn certificate(&self) -> PathBuf {
        let der = self
            .practice
            .pki
            .authentication_der(Holder::CpsMedecin)
            .to_vec();
        judge::pem(&self.practice.sandbox, "card.pem", &[der])
    }

    /// Writes the public key of the card as PEM.
    fn public_key(&self) -> PathBuf {
        let certificate = self.certificate();
        let file = certificate.to_str().unwrap();
        let key = self.ok("openssl", &["x509", "-in", file, "-pubkey", "-noout"]);
        self.practice.sandbox.write("card.pub", key)
    }

    /// A portal that demands the card's certificate, over TLS 1.2 and over what its client prefers.
    fn portal(&self) -> Portal {
        let sites = [TlsVersions::Tls12, TlsVersions::Both].map(Site::new);
        let practice = &self.practice;
        let identity = practice.pki.server_with(&["localhost"], ServerFlaw::None);
        let nginx = Nginx::start(&practice.sandbox, &identity, &practice.anchors, &sites);
        let [tls12, both] = sites;
        Portal { nginx, tls12, both }
    }
}

struct Portal {
    nginx: Nginx,
    tls12: Site,
    both: Site,
}

impl Portal {
    /// Whom it has seen must be these: address, protocol, and whether it verified the card's
    /// certificate.
    fn saw(&self, expected: &[&str]) {
        // nginx answers first and writes its log afterwards.
        let requests = until("the log of nginx", || {
            let requests = self.nginx.requests();
            (requests.len() >= expected.len()).then_some(requests)
        });
        let line = |request: &serde_json::Value| {
            let field = |name: &str| request[name].as_str().unwrap().to_owned();
            let named = field("dn").contains("GN=ALIX");
            assert_eq!(field("verify") == "SUCCESS", named, "{request}");
            let who = if named { "known" } else { "unknown" };
            format!("{} {} {who}", field("uri"), field("protocol"))
        };
        assert_eq!(requests.iter().map(line).collect::<Vec<_>>(), expected);
    }
}

/// A practice with these lines in the section `[pkcs11]`.
fn practice(pkcs11: &str) -> Practice {
    Practice::with_settings(Settings {
        more: format!("[pkcs11]\n{pkcs11}\n"),
        ..Settings::default()
    })
}

/// A program that ends after a minute at the latest: many wait for ever for what nobody gives them.
fn command(sandbox: &Sandbox, program: &str) -> Command {
    let mut command = sandbox.command("timeout");
    command.args(["60", program]);
    // OpenSSL's engine.
    command.env("PKCS11_MODULE_PATH", module());
    command
}

fn finish(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert_ne!(
        output.status.code(),
        Some(127),
        "missing: {command:?} (run tests/setup test)"
    );
    assert_ne!(
        output.status.code(),
        Some(124),
        "hangs: {command:?}: {}",
        text(&output)
    );
    output
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything a program said.
fn text(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    format!("{stdout}{}", String::from_utf8_lossy(&output.stderr))
}
