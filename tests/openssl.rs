//! The `openssl` command: the independent judge of certificates and signatures.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::Sandbox;

/// Runs `openssl` in the sandbox.
///
/// # Panics
///
/// When the command is missing.
pub fn run<S: AsRef<std::ffi::OsStr>>(
    sandbox: &Sandbox,
    arguments: impl IntoIterator<Item = S>,
) -> Output {
    sandbox
        .command("openssl")
        .args(arguments)
        .output()
        .expect("the openssl command is missing (package openssl: run tests/setup test)")
}

/// Verifies a DER SignedData against `anchors` (PEM); `content` for a detached one. The output holds
/// the content that was verified.
pub fn cms_verify(
    sandbox: &Sandbox,
    signature: &Path,
    content: Option<&Path>,
    anchors: &Path,
) -> Output {
    let mut arguments: Vec<&std::ffi::OsStr> =
        ["cms", "-verify", "-binary", "-inform", "DER", "-in"]
            .map(AsRef::as_ref)
            .to_vec();
    arguments.extend([
        signature.as_os_str(),
        "-CAfile".as_ref(),
        anchors.as_os_str(),
    ]);
    if let Some(content) = content {
        arguments.extend(["-content".as_ref(), content.as_os_str()]);
    }
    run(sandbox, arguments)
}

/// Writes certificates, given as DER, into one PEM file.
///
/// # Panics
///
/// When one is not a certificate.
pub fn pem(sandbox: &Sandbox, name: &str, certificates: &[Vec<u8>]) -> PathBuf {
    let mut pem = Vec::new();
    for certificate in certificates {
        let der = sandbox.write("tmp/certificate.der", certificate);
        let output = run(
            sandbox,
            [
                "x509".as_ref(),
                "-inform".as_ref(),
                "DER".as_ref(),
                "-in".as_ref(),
                der.as_os_str(),
            ],
        );
        assert!(output.status.success(), "{output:?}");
        pem.extend(output.stdout);
    }
    sandbox.write(name, pem)
}
