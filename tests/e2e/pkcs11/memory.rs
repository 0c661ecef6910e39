//! The module under valgrind's memcheck.

use std::path::Path;

use cps_emulator::Profile;
use cps_tests::module;

use super::{Desk, command, finish, text};

/// A program lists, signs and decrypts, and the module reads no byte that nobody wrote, writes none
/// that is not its own, and loses none.
#[test]
fn memcheck_finds_nothing() {
    let desk = Desk::new(Profile::Cps3);
    let key = desk.public_key();
    desk.practice.sandbox.write("data", "un texte a signer");
    let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey"];
    let files = [key.to_str().unwrap(), "-in", "data", "-out", "cryptogram"];
    desk.ok("openssl", &[&encrypt[..], &files].concat());
    let decrypt: &[&str] = &[
        "--decrypt",
        "--mechanism",
        "RSA-PKCS",
        "--input-file",
        "cryptogram",
    ];
    let sign: &[&str] = &[
        "--sign",
        "--mechanism",
        "SHA256-RSA-PKCS",
        "--input-file",
        "data",
    ];
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/pkcs11/memcheck.supp");
    for verb in [&["--list-objects"], sign, decrypt] {
        let mut valgrind = command(&desk.practice.sandbox, "valgrind");
        // With names for the frames of a library that is unloaded by then.
        valgrind.args(["--quiet", "--keep-debuginfo=yes", "--error-exitcode=99"]);
        valgrind.args(["--leak-check=full", "--errors-for-leak-kinds=definite"]);
        valgrind.args(["--show-leak-kinds=definite", "--num-callers=40"]);
        valgrind.arg(format!("--suppressions={}", foreign.display()));
        valgrind.args(["pkcs11-tool", "--module"]).arg(module());
        let output = finish(valgrind.args(verb).args(["--output-file", "result"]));
        assert!(output.status.success(), "{verb:?}: {}", text(&output));
    }
    assert_eq!(desk.card.counters().key_operations, 2);
}
