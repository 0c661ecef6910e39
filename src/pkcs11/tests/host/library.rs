//! What comes into a program with the library.

use std::env;
use std::process::Command;

#[test]
fn it_brings_the_functions_of_pkcs11_and_nothing_else() {
    let mut library = env::current_exe().expect("the test");
    library.set_file_name("libcpsd_pkcs11.so");
    let checked = Command::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../packaging/check-module"
    ))
    .arg(library)
    .output()
    .expect("the script");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}
