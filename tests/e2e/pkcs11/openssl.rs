//! OpenSSL with its PKCS#11 engine (libp11), and curl over it.

use std::fs::File;
use std::process::{Command, Output};

use cps_emulator::Profile;
use cps_tests::{Site, openssl as judge};

use super::{Desk, command, finish, succeeded, text};

/// The only private key of the only token; docs/pkcs11.md says how to name one of several.
const KEY: &str = "pkcs11:type=private";

/// What a CPS3 needs from OpenSSL, beside TLS 1.2 at most: OpenSSL asks for PSS otherwise.
const NO_PSS: &str = "openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
SignatureAlgorithms = RSA+SHA256:RSA+SHA384:ECDSA+SHA256
";

impl Desk {
    fn s_client(&self, site: &Site, page: &str, more: &[&str]) -> Output {
        let request = format!("GET {page} HTTP/1.0\r\n\r\n");
        let request = self.practice.sandbox.write("request", request);
        let mut client = command(&self.practice.sandbox, "openssl");
        client.args(["s_client", "-engine", "pkcs11", "-keyform", "engine"]);
        client
            .args(["-key", KEY, "-cert"])
            .arg(self.certificate())
            .arg("-CAfile")
            .arg(&self.practice.anchors);
        client.args(["-quiet", "-ign_eof", "-verify_return_error", "-connect"]);
        client.arg(format!("localhost:{}", site.port)).args(more);
        finish(client.stdin(File::open(request).unwrap()))
    }

    /// curl takes the certificate out of the token too.
    fn curl(&self, site: &Site, page: &str) -> Command {
        let mut client = command(&self.practice.sandbox, "curl");
        client.args(["--silent", "--show-error", "--cacert"]);
        client.arg(&self.practice.anchors);
        client.args(["--engine", "pkcs11", "--key-type", "ENG", "--key", KEY]);
        client.args(["--cert-type", "ENG", "--cert", "pkcs11:type=cert"]);
        client.arg(site.url(page));
        client
    }

    /// Signs a file with `openssl dgst`, and has it verified with the public key alone.
    fn dgst(&self, options: &[&str]) {
        let key = self.public_key();
        let engine = ["dgst", "-engine", "pkcs11", "-keyform", "engine"];
        let sign = ["-sha256", "-sign", KEY, "-out", "signature"];
        self.ok(
            "openssl",
            &[&engine[..], &sign, options, &["data"]].concat(),
        );
        let verify = ["dgst", "-sha256", "-verify", key.to_str().unwrap()];
        let files = ["-signature", "signature", "data"];
        self.ok("openssl", &[&verify[..], options, &files].concat());
    }

    /// Signs a file as CMS, and has it verified against the authorities.
    fn cms(&self) {
        let certificate = self.certificate();
        let engine = ["cms", "-engine", "pkcs11", "-keyform", "engine"];
        let sign = ["-sign", "-inkey", KEY, "-signer"];
        let files = [certificate.to_str().unwrap(), "-in", "data", "-binary"];
        let out = ["-outform", "DER", "-out", "data.p7s"];
        self.ok("openssl", &[&engine[..], &sign, &files, &out].concat());
        let verified = judge::run(
            &self.practice.sandbox,
            [
                "cms".as_ref(),
                "-verify".as_ref(),
                "-binary".as_ref(),
                "-inform".as_ref(),
                "DER".as_ref(),
                "-in".as_ref(),
                "data.p7s".as_ref(),
                "-content".as_ref(),
                "data".as_ref(),
                // The authentication certificate is not made for mail.
                "-purpose".as_ref(),
                "any".as_ref(),
                "-CAfile".as_ref(),
                self.practice.anchors.as_os_str(),
            ],
        );
        assert_eq!(succeeded(verified), "un texte a signer");
    }
}

/// OpenSSL prefers PSS in TLS 1.2 too: it needs both settings of docs/pkcs11.md, and fails with a
/// clear word without them.
#[test]
fn openssl_opens_the_portal_with_a_cps3_and_two_settings() {
    let desk = Desk::new(Profile::Cps3);
    let portal = desk.portal();
    let refused = text(&desk.s_client(&portal.tls12, "/without", &[]));
    assert!(refused.contains("Mechanism invalid"), "{refused}");
    assert_eq!(desk.practice.pinentry.dialogs(), 0);
    let settings = ["-tls1_2", "-sigalgs", "RSA+SHA256"];
    succeeded(desk.s_client(&portal.both, "/s_client", &settings));

    let refused = finish(&mut desk.curl(&portal.both, "/without"));
    assert!(text(&refused).contains("Mechanism invalid"), "{refused:?}");
    let configuration = desk.practice.sandbox.write("cps3.cnf", NO_PSS);
    let mut client = desk.curl(&portal.both, "/curl");
    client.env("OPENSSL_CONF", configuration);
    succeeded(finish(client.args(["--tls-max", "1.2"])));
    portal.saw(&["/s_client TLSv1.2 known", "/curl TLSv1.2 known"]);
    let pinentry = &desk.practice.pinentry;
    assert_eq!(pinentry.dialogs(), 2, "one for each program");
    assert_eq!(pinentry.pins_asked(), 1);
}

#[test]
fn openssl_opens_the_portal_with_a_cps4() {
    let desk = Desk::new(Profile::Cps4);
    let portal = desk.portal();
    for site in [&portal.tls12, &portal.both] {
        succeeded(desk.s_client(site, "/s_client", &[]));
        succeeded(finish(&mut desk.curl(site, "/curl")));
    }
    portal.saw(&[
        "/s_client TLSv1.2 known",
        "/curl TLSv1.2 known",
        "/s_client TLSv1.3 known",
        "/curl TLSv1.3 known",
    ]);
}

#[test]
fn openssl_signs_files_and_cms() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let desk = Desk::new(profile);
        desk.practice.sandbox.write("data", "un texte a signer");
        desk.dgst(&[]);
        desk.cms();
        if profile == Profile::Cps4 {
            // A salt of another length than the hash, OpenSSL's default, is nothing for the card.
            let pss = ["-sigopt", "rsa_padding_mode:pss"];
            let salt = ["-sigopt", "rsa_pss_saltlen:digest"];
            desk.dgst(&[pss, salt].concat());
        }
        assert_eq!(desk.practice.pinentry.dialogs(), 1);
    }
}
