//! What is installed beside the binaries.

use std::path::Path;

use cps_tests::{Sandbox, binary};

/// systemd itself finds no unknown key, no bad value and no missing program in the user units.
#[test]
fn systemd_accepts_the_user_units() {
    let sandbox = Sandbox::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let units = ["cpsd.socket", "cpsd.service"].map(|name| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let installed = text.replace("/usr/bin/cpsd", &binary("cpsd").display().to_string());
        sandbox.write(name, installed)
    });
    let output = sandbox
        .command("systemd-analyze")
        .args(["verify", "--user", "--man=no", "--recursive-errors=no"])
        .args(&units)
        .output()
        .expect("systemd-analyze is missing (package systemd: run tests/setup test)");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
}
