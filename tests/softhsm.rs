//! SoftHSM: a token in software, driven by its own PKCS#11 module.

use std::path::{Path, PathBuf};

use crate::{Sandbox, openssl};

/// A token with a PIN. Its files are in a folder of its own.
#[derive(Debug)]
pub struct SoftHsm<'a> {
    sandbox: &'a Sandbox,
    label: String,
    configuration: PathBuf,
    tokens: PathBuf,
}

impl<'a> SoftHsm<'a> {
    /// The user PIN of every token.
    pub const PIN: &'static str = "1234";

    /// The module.
    pub const MODULE: &'static str = "/usr/lib/softhsm/libsofthsm2.so";

    /// Initialises a token of this label.
    ///
    /// # Panics
    ///
    /// When SoftHSM is missing.
    pub fn new(sandbox: &'a Sandbox, label: &str) -> Self {
        let folder = format!("softhsm-{label}");
        let tokens = sandbox.write(&format!("{folder}/tokens/.keep"), "");
        let tokens = tokens.parent().unwrap().to_owned();
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        let this = Self {
            sandbox,
            label: label.to_owned(),
            configuration: sandbox.write(&format!("{folder}/softhsm2.conf"), text),
            tokens,
        };
        let init = ["--init-token", "--free", "--label", label];
        let pins = ["--so-pin", "12345678", "--pin", Self::PIN];
        this.run("softhsm2-util", "softhsm2", &[&init[..], &pins].concat());
        this
    }

    /// Where its files are.
    pub fn sandbox(&self) -> &'a Sandbox {
        self.sandbox
    }

    /// What the module reads: `SOFTHSM2_CONF`.
    pub fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// The folder that the module writes.
    pub fn tokens(&self) -> &Path {
        &self.tokens
    }

    /// The table of the daemon's configuration that makes its tokens cards.
    pub fn toml(&self) -> String {
        format!(
            "[[module]]\nname = \"softhsm\"\npath = \"{}\"\n\
             environment = {{ SOFTHSM2_CONF = \"{}\" }}\nwritable = [\"{}\"]\n",
            Self::MODULE,
            self.configuration.display(),
            self.tokens.display()
        )
    }

    /// Puts a private key (PEM) and its certificate (DER) on the token, under one `CKA_ID` (hexadecimal
    /// digits).
    ///
    /// # Panics
    ///
    /// When the token does not take them.
    pub fn import(&self, id: &str, label: &str, key_pem: &str, certificate_der: &[u8]) {
        let key = self.sandbox.write("tmp/import.pem", key_pem);
        let pkcs8 = self.sandbox.join("tmp/import.p8");
        let converted = openssl::run(
            self.sandbox,
            [
                "pkcs8".as_ref(),
                "-topk8".as_ref(),
                "-nocrypt".as_ref(),
                "-in".as_ref(),
                key.as_os_str(),
                "-out".as_ref(),
                pkcs8.as_os_str(),
            ],
        );
        assert!(converted.status.success(), "{converted:?}");
        let named = ["--id", id, "--label", label, "--pin", Self::PIN];
        let file = pkcs8.to_str().unwrap();
        let import = ["--import", file, "--token", &self.label];
        self.run("softhsm2-util", "softhsm2", &[&import[..], &named].concat());

        let certificate = self.sandbox.write("tmp/import.der", certificate_der);
        let file = certificate.to_str().unwrap();
        let write = ["--login", "--write-object", file, "--type", "cert"];
        self.pkcs11_tool(&[&write[..], &named].concat());
    }

    /// Makes a key pair on the token: `rsa:2048`, `EC:prime256v1`.
    ///
    /// # Panics
    ///
    /// When the token cannot.
    pub fn generate(&self, id: &str, label: &str, kind: &str) {
        let pair = ["--login", "--keypairgen", "--key-type", kind];
        let named = ["--id", id, "--label", label, "--pin", Self::PIN];
        self.pkcs11_tool(&[&pair[..], &named].concat());
    }

    /// The public half of a key pair: SubjectPublicKeyInfo in DER.
    ///
    /// # Panics
    ///
    /// When the token has no such object.
    pub fn public_key(&self, id: &str) -> Vec<u8> {
        let file = self.sandbox.join("tmp/public.der");
        let read = ["--read-object", "--type", "pubkey", "--id", id];
        let out = ["--output-file", file.to_str().unwrap()];
        self.pkcs11_tool(&[&read[..], &out].concat());
        std::fs::read(file).unwrap()
    }

    fn pkcs11_tool(&self, arguments: &[&str]) {
        let token = ["--module", Self::MODULE, "--token-label", &self.label];
        self.run("pkcs11-tool", "opensc", &[&token[..], arguments].concat());
    }

    fn run(&self, tool: &str, package: &str, arguments: &[&str]) {
        let mut command = self.sandbox.command("timeout");
        command
            .env("SOFTHSM2_CONF", &self.configuration)
            .args(["60", tool])
            .args(arguments);
        let output = command.output().unwrap();
        assert_ne!(
            output.status.code(),
            Some(127),
            "{tool} is missing (package {package}: run tests/setup test)"
        );
        assert!(output.status.success(), "{tool} {arguments:?}: {output:?}");
    }
}
