//! A certification authority that is no health authority.

use std::fs;
use std::path::PathBuf;

use crate::Sandbox;

/// An authority that issues certificates for P-256 keys.
#[derive(Debug)]
pub struct Authority<'a> {
    sandbox: &'a Sandbox,
}

impl<'a> Authority<'a> {
    /// Makes its key.
    ///
    /// # Panics
    ///
    /// When openssl cannot.
    pub fn new(sandbox: &'a Sandbox) -> Self {
        sandbox.write("authority/.keep", "");
        let this = Self { sandbox };
        this.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key \
             -out ca.pem -days 30 -subj /C=FR/O=CPSD-TEST/CN=CPSD-TEST-CA \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign",
        );
        this
    }

    /// Its certificate (PEM).
    pub fn certificate(&self) -> PathBuf {
        self.sandbox.join("authority/ca.pem")
    }

    /// Private key (PEM) and certificate (DER) of Marie MARTIN, in files of this `name`, for a key
    /// usage and an extended key usage in openssl's words.
    ///
    /// # Panics
    ///
    /// When openssl cannot.
    pub fn issue(&self, name: &str, usage: &str, purpose: &str) -> (String, Vec<u8>) {
        self.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key \
             -out {name}.der -outform DER -days 30 -CA ca.pem -CAkey ca.key \
             -subj /C=FR/O=CPSD-TEST/SN=MARTIN/GN=Marie/CN=MARTIN \
             -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,{usage} \
             -addext extendedKeyUsage={purpose}"
        ));
        let file = |suffix| self.sandbox.join(&format!("authority/{name}.{suffix}"));
        (
            fs::read_to_string(file("key")).unwrap(),
            fs::read(file("der")).unwrap(),
        )
    }

    fn openssl(&self, arguments: &str) {
        let mut command = self.sandbox.command("openssl");
        command
            .current_dir(self.sandbox.join("authority"))
            .args(arguments.split_whitespace());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
