//! The demonstration, as a newcomer runs it.

use std::process::Command;

#[test]
fn the_demonstration_shows_the_main_job() {
    let output = Command::new(env!("CARGO_BIN_EXE_cpsd-demo"))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{shown}\n{said}");
    for expected in [
        "EXEMPLE",
        "nginx verified the certificate",
        "CMS Verification successful",
        "took the message",
        "Merci de passer voir notre patiente.",
        "card.absent",
    ] {
        assert!(
            shown.contains(expected),
            "{expected} is missing from:\n{shown}"
        );
    }
}
