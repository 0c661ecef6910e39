//! The certificate and module database of NSS, which Firefox, Thunderbird and Chromium share.

use std::path::Path;

use cps_emulator::certificate_pem;

use crate::Sandbox;

/// Makes an empty database without password in `folder`, where `root` (DER) may certify servers.
///
/// # Panics
///
/// When the tools are missing.
pub(crate) fn database(sandbox: &Sandbox, folder: &Path, root: &[u8]) {
    std::fs::create_dir_all(folder).unwrap();
    let database = format!("sql:{}", folder.display());
    run(
        sandbox,
        "certutil",
        &["-N", "-d", &database, "--empty-password"],
    );
    let root = sandbox.write("tmp/root.pem", certificate_pem(root));
    let root = root.display().to_string();
    run(
        sandbox,
        "certutil",
        &[
            "-A", "-d", &database, "-n", "test", "-t", "C,,", "-i", &root,
        ],
    );
}

fn run(sandbox: &Sandbox, program: &str, arguments: &[&str]) {
    let output = sandbox
        .command(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| {
            panic!("{program}: {error} (package libnss3-tools: run tests/setup test)")
        });
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
