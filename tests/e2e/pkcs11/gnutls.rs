//! GnuTLS: `p11tool` and `gnutls-cli`.

use std::fs::File;

use cps_emulator::{Holder, Profile};
use cps_tests::{Site, module};

use super::{Desk, command, finish, succeeded};

impl Desk {
    fn p11tool(&self, arguments: &[&str]) -> String {
        let module = module();
        let module = ["--provider", module.to_str().unwrap()];
        self.ok("p11tool", &[&module, arguments].concat())
    }

    /// The URI of the first object that a listing shows.
    fn uri(&self, listing: &str) -> String {
        let listed = self.p11tool(&[listing, "--only-urls", "pkcs11:"]);
        listed.lines().next().unwrap().to_owned()
    }

    /// Opens a page with the card.
    fn gnutls(&self, site: &Site, page: &str, more: &[&str]) {
        let request = format!("GET {page} HTTP/1.0\r\n\r\n");
        let request = self.practice.sandbox.write("request", request);
        let mut client = command(&self.practice.sandbox, "gnutls-cli");
        client.arg("--provider").arg(module());
        client
            .arg("--x509cafile")
            .arg(&self.practice.anchors)
            .args(more);
        client.args(["--x509certfile", &self.uri("--list-certs")]);
        client.args(["--x509keyfile", &self.uri("--list-privkeys")]);
        client.args(["--port", &site.port.to_string(), "localhost"]);
        succeeded(finish(client.stdin(File::open(request).unwrap())));
    }
}

#[test]
fn p11tool_shows_the_card_and_signs() {
    let desk = Desk::new(Profile::Cps4);
    let token = desk.p11tool(&["--list-tokens"]);
    assert!(
        token.contains("pkcs11:model=CPS4;manufacturer=ANS;serial=90000001;token=ALIX%20EXEMPLE"),
        "{token}"
    );
    let key = desk.uri("--list-privkeys");
    // It verifies what it signed.
    desk.p11tool(&["--test-sign", &key]);
    desk.p11tool(&["--test-sign", "--sign-params=rsa-pss", &key]);
    assert_eq!(desk.card.counters().key_operations, 2);
    assert_eq!(desk.practice.pinentry.dialogs(), 1);
}

/// The certificates of the token, leaf first, are a chain that `openssl` accepts.
#[test]
fn p11tool_exports_the_chain() {
    let desk = Desk::new(Profile::Cps3);
    let urls = desk.p11tool(&["--list-all-certs", "--only-urls", "pkcs11:"]);
    let (leaf, issuer, root) = ("leaf.pem", "issuer.pem", "root.pem");
    assert_eq!(urls.lines().count(), 3, "{urls}");
    for (url, name) in urls.lines().zip([leaf, issuer, root]) {
        let pem = desk.p11tool(&["--export", url]);
        desk.practice.sandbox.write(name, pem);
    }
    let trusted = ["verify", "-CAfile", root, "-untrusted", issuer, leaf];
    desk.ok("openssl", &trusted);
    // By the name that docs/pkcs11.md gives.
    let name = "pkcs11:object=Certificat%20d%27Authentification%20CPS;type=cert";
    let named = desk.p11tool(&["--export", name]);
    let exported = std::fs::read(desk.practice.sandbox.join(leaf)).unwrap();
    assert!(named.as_bytes() == exported);
    let issued = desk.practice.pki.authentication_der(Holder::CpsMedecin);
    let der = ["x509", "-in", leaf, "-outform", "DER", "-out", "leaf.der"];
    desk.ok("openssl", &der);
    let exported = std::fs::read(desk.practice.sandbox.join("leaf.der")).unwrap();
    assert!(exported == issued);
}

/// A CPS3 makes no signature that TLS 1.3 takes: GnuTLS sends no certificate then.
#[test]
fn gnutls_opens_the_portal_with_a_cps3() {
    let desk = Desk::new(Profile::Cps3);
    let portal = desk.portal();
    desk.gnutls(&portal.tls12, "/1.2", &[]);
    desk.gnutls(&portal.both, "/any", &[]);
    let limit = ["--priority", "NORMAL:-VERS-TLS1.3"];
    desk.gnutls(&portal.both, "/limited", &limit);
    portal.saw(&[
        "/1.2 TLSv1.2 known",
        "/any TLSv1.3 unknown",
        "/limited TLSv1.2 known",
    ]);
}

#[test]
fn gnutls_opens_the_portal_with_a_cps4() {
    let desk = Desk::new(Profile::Cps4);
    let portal = desk.portal();
    desk.gnutls(&portal.tls12, "/1.2", &[]);
    desk.gnutls(&portal.both, "/any", &[]);
    portal.saw(&["/1.2 TLSv1.2 known", "/any TLSv1.3 known"]);
    assert_eq!(desk.practice.pinentry.dialogs(), 1);
}
