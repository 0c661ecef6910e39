//! OpenSC's tools: another program's view of the virtual card.

use std::path::PathBuf;
use std::process::Output;

use crate::{Pcscd, Sandbox, openssl};

/// Runs a tool of OpenSC, for at most a minute: some of its questions wait for ever.
///
/// # Panics
///
/// When `timeout` (coreutils) is missing.
pub fn run(sandbox: &Sandbox, pcscd: &Pcscd, tool: &str, arguments: &[&str]) -> Output {
    let mut command = sandbox.command("timeout");
    pcscd.open_to(&mut command);
    let output = command.args(["60", tool]).args(arguments).output().unwrap();
    assert_ne!(
        output.status.code(),
        Some(127),
        "{tool} is missing (package opensc)"
    );
    output
}

/// The object identifier of the authentication certificate, from `pkcs11-tool --list-objects`.
///
/// # Panics
///
/// When there is no such certificate.
pub fn authentication_id(listed: &Output) -> String {
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let block = listed
        .split("Certificate Object")
        .find(|block| block.to_lowercase().contains("aut"))
        .unwrap_or_else(|| panic!("no authentication certificate in {listed}"));
    let line = block
        .lines()
        .find_map(|line| line.trim().strip_prefix("ID:"));
    line.expect("an ID").trim().to_owned()
}

/// Writes the DigestInfo (RFC 8017 §9.2, note 1) of a file's SHA-256: what OpenSC has this card
/// sign.
///
/// # Panics
///
/// When the file cannot be hashed.
pub fn digest_info(sandbox: &Sandbox, data: &str) -> PathBuf {
    let hash = openssl::run(sandbox, ["dgst", "-sha256", "-binary", data]).stdout;
    assert_eq!(hash.len(), 32);
    sandbox.write("digest-info", [&SHA256_PREFIX[..], &hash].concat())
}

const SHA256_PREFIX: &[u8; 19] =
    b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
