//! Access tokens (domain page "mssante", section 13.3).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cps_emulator::Pki;
use jiff::Timestamp;
use serde_json::json;

use crate::{Sandbox, openssl};

/// What a token says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Token {
    /// All in order, for one hour.
    Good,
    /// Over since an hour.
    Expired,
    /// Of an issuer that the operator does not believe.
    OtherIssuer,
}

/// A maker of tokens, and a program that hands out one at a time.
#[derive(Debug)]
pub struct Tokens {
    folder: PathBuf,
}

impl Tokens {
    /// The key is one of the committed test keys.
    ///
    /// # Panics
    ///
    /// When openssl cannot read it.
    pub fn new(sandbox: &Sandbox, pki: &Pki) -> Self {
        Self::named(sandbox, "tokens", pki)
    }

    /// The same in a folder of this name: several programs, one key.
    ///
    /// # Panics
    ///
    /// When openssl cannot read the key.
    pub fn named(sandbox: &Sandbox, name: &str, pki: &Pki) -> Self {
        let key = pki.organisation_signature().key_pem;
        let key = sandbox.write(&format!("{name}/signer.key"), key);
        let public = sandbox.write(&format!("{name}/default/RS256/default"), "");
        let arguments = [
            "pkey".as_ref(),
            "-pubout".as_ref(),
            "-in".as_ref(),
            key.as_os_str(),
        ];
        let output = openssl::run(sandbox, arguments);
        assert!(output.status.success(), "{output:?}");
        fs::write(public, output.stdout).unwrap();
        sandbox.write(&format!("{name}/asked"), "");
        let program = sandbox.write(&format!("{name}/program"), PROGRAM);
        fs::set_permissions(program, fs::Permissions::from_mode(0o700)).unwrap();
        Self {
            folder: sandbox.join(name),
        }
    }

    /// A token (RFC 7519) for this mailbox. No two are the same.
    ///
    /// # Panics
    ///
    /// When openssl cannot sign.
    pub fn mint(&self, sandbox: &Sandbox, mailbox: &str, token: Token) -> String {
        let now = Timestamp::now().as_second();
        let from = if token == Token::Expired {
            now - 7200
        } else {
            now - 1
        };
        let issuer = if token == Token::OtherIssuer {
            "https://elsewhere.test"
        } else {
            ISSUER
        };
        let claims = json!({
            "iss": issuer, "sub": mailbox, "mail": mailbox, "iat": from, "nbf": from,
            "exp": from + 3600, "scope": "openid scope_all", "jti": Timestamp::now().as_nanosecond().to_string(),
        });
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let input = sandbox.write("tmp/signed", &signed);
        let key = self.folder.join("signer.key");
        let arguments = [
            "dgst".as_ref(),
            "-sha256".as_ref(),
            "-sign".as_ref(),
            key.as_os_str(),
            input.as_os_str(),
        ];
        let output = openssl::run(sandbox, arguments);
        assert!(output.status.success(), "{output:?}");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(output.stdout))
    }

    /// What the program prints from now on: each token once, in this order, the last for ever.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn hand_out(&self, tokens: &[String]) {
        fs::write(self.folder.join("queue"), tokens.join("\n") + "\n").unwrap();
    }

    /// The program, for `token_command`.
    pub fn program(&self) -> PathBuf {
        self.folder.join("program")
    }

    /// How often the program ran.
    ///
    /// # Panics
    ///
    /// When its record cannot be read.
    pub fn asked(&self) -> usize {
        let record = fs::read_to_string(self.folder.join("asked")).unwrap();
        record.lines().count()
    }

    /// What Dovecot needs in order to verify them by itself.
    pub(super) fn validation(&self) -> String {
        format!(
            "introspection_mode = local\n\
             local_validation_key_dict = fs:posix:prefix={}/\n\
             issuers = {ISSUER}\n\
             username_attribute = mail\n",
            self.folder.display()
        )
    }
}

const ISSUER: &str = "https://psc.test/realms/esante-wallet";

const PROGRAM: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo asked >>"$here/asked"
head -n 1 "$here/queue"
if [ "$(wc -l <"$here/queue")" -gt 1 ]; then
    tail -n +2 "$here/queue" >"$here/queue.rest"
    mv "$here/queue.rest" "$here/queue"
fi
"#;
