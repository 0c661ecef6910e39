//! `cps trust`: authorities are believed by their pinned fingerprints only.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cps_emulator::Pki;
use cps_tests::{Cpsd, Pcscd, Pinentry, Sandbox, Settings, openssl};
use serde_json::Value;

/// In production: an authority that nobody pinned is refused and not kept; the nine of IGC-Santé
/// are wanted from the start and, where their files are at hand, taken and listed by name.
#[test]
fn production_takes_the_authorities_of_igc_sante_and_no_other() {
    let sandbox = Sandbox::new();
    let pinentry = Pinentry::new(&sandbox);
    let pcscd = Pcscd::start(&sandbox);
    let settings = Settings {
        environment: Some("production"),
        ..Settings::default()
    };
    let mut cpsd = Cpsd::start(&sandbox, &pcscd, &pinentry, &settings);
    let wanted = anchors(&cpsd, &sandbox);
    assert_eq!(wanted.len(), 9);
    assert!(wanted.iter().all(|(_, present)| !present), "{wanted:?}");

    let stranger = sandbox.write(
        "stranger.cer",
        &Pki::new(SystemTime::now()).anchors_der()[0],
    );
    let reason = cpsd.cps_refused(&sandbox, &["trust", "import", &text(&stranger)]);
    assert!(reason.contains("trust.not_pinned"), "{reason}");
    assert_eq!(anchors(&cpsd, &sandbox), wanted);

    let files = real_authorities();
    for file in &files {
        cpsd.cps_ok(&sandbox, &["trust", "import", &text(file)]);
    }
    // The names as openssl reads them in the files.
    let mut expected: Vec<_> = files
        .iter()
        .map(|file| common_name(&sandbox, file))
        .collect();
    expected.sort();
    let present = |cpsd: &Cpsd| {
        let anchors = anchors(cpsd, &sandbox).into_iter();
        anchors
            .filter_map(|(name, present)| present.then_some(name))
            .collect::<Vec<_>>()
    };
    assert_eq!(present(&cpsd), expected);
    assert_eq!(anchors(&cpsd, &sandbox).len(), 9);

    // And still after a restart.
    cpsd.stop();
    let cpsd = Cpsd::start(&sandbox, &pcscd, &pinentry, &settings);
    assert_eq!(present(&cpsd), expected);
}

/// Names of the authorities, sorted, each with whether its certificate is here.
fn anchors(cpsd: &Cpsd, sandbox: &Sandbox) -> Vec<(String, bool)> {
    let list = cpsd.json(sandbox, &["trust", "list"]);
    let anchor = |anchor: &Value| {
        let name = anchor["name"].as_str().unwrap().to_owned();
        (name, anchor["present"].as_bool().unwrap())
    };
    let mut anchors: Vec<_> = list["anchors"]
        .as_array()
        .unwrap()
        .iter()
        .map(anchor)
        .collect();
    anchors.sort();
    anchors
}

/// The published certificates of the nine authorities; none where they are not at hand: they are
/// not ours to distribute.
fn real_authorities() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/igc-sante");
    let Ok(files) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let files: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cer"))
        .collect();
    assert_eq!(files.len(), 9);
    files
}

fn common_name(sandbox: &Sandbox, file: &Path) -> String {
    let file = text(file);
    let der = [
        "x509",
        "-noout",
        "-subject",
        "-nameopt",
        "multiline",
        "-inform",
        "DER",
        "-in",
        &file,
    ];
    let output = openssl::run(sandbox, der);
    let subject = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = subject.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "commonName").then(|| value.trim().to_owned())
    });
    line.unwrap_or_else(|| panic!("{output:?}"))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
