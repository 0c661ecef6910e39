//! Every function with nothing but null pointers, before and after `C_Initialize`.

use std::collections::BTreeSet;
use std::ptr;

use super::*;

/// One test, because the library has one state in a process.
#[test]
fn no_function_follows_a_null_pointer() {
    let expected_before = |function: &Function| match function.name {
        "C_Initialize" => CKR_OK,
        // They say how to call the library, so they come first.
        "C_GetFunctionList" | "C_GetInterface" | "C_GetInterfaceList" => CKR_ARGUMENTS_BAD,
        _ => CKR_CRYPTOKI_NOT_INITIALIZED,
    };
    for function in TABLE {
        let answered = (function.call_with_zeros)();
        assert_eq!(answered, expected_before(function), "{}", function.name);
        if function.name == "C_Initialize" {
            // SAFETY: null is what the standard wants here.
            assert_eq!(unsafe { C_Finalize(ptr::null_mut()) }, CKR_OK);
        }
    }

    // SAFETY: null is the standard's way to say nothing.
    assert_eq!(unsafe { C_Initialize(ptr::null_mut()) }, CKR_OK);
    let refusals = [
        CKR_ARGUMENTS_BAD,
        CKR_FUNCTION_NOT_SUPPORTED,
        CKR_SESSION_HANDLE_INVALID,
        CKR_TOKEN_NOT_PRESENT,
    ];
    for function in TABLE {
        let answered = (function.call_with_zeros)();
        match function.name {
            "C_Initialize" => assert_eq!(answered, CKR_CRYPTOKI_ALREADY_INITIALIZED),
            "C_Finalize" => {
                assert_eq!(answered, CKR_OK);
                // SAFETY: as above.
                assert_eq!(unsafe { C_Initialize(ptr::null_mut()) }, CKR_OK);
            }
            // Nothing to close: slot 0 exists, and is empty.
            "C_CloseAllSessions" => assert_eq!(answered, CKR_OK),
            name => assert!(refusals.contains(&answered), "{name}: {answered:#x}"),
        }
    }
    // SAFETY: as above.
    assert_eq!(unsafe { C_Finalize(ptr::null_mut()) }, CKR_OK);
}

#[test]
fn each_function_is_there_once() {
    let names: BTreeSet<_> = TABLE.iter().map(|function| function.name).collect();
    assert_eq!(names.len(), TABLE.len());
    // What the lists of the standard have.
    let of = |since| {
        TABLE
            .iter()
            .filter(|function| function.since == since)
            .count()
    };
    assert_eq!((of("2.40"), of("3.0")), (68, 24));
}

#[test]
fn the_documentation_has_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pkcs11.md");
    let document = std::fs::read_to_string(path).expect("docs/pkcs11.md");
    let (head, rest) = document.split_once(BEGIN).expect("where the table begins");
    let (found, tail) = rest.split_once(END).expect("where the table ends");
    let expected = format!("\n{}", table());
    if std::env::var_os("CPSD_WRITE_DOCS").is_some() {
        std::fs::write(path, [head, BEGIN, &expected, END, tail].concat()).expect("written");
        return;
    }
    assert_eq!(
        found, expected,
        "functions.rs changed: run this test with CPSD_WRITE_DOCS=1 to write the table anew"
    );
}

/// The functions as a Markdown table.
fn table() -> String {
    let mut text = String::from("| function | since | what it does |\n|---|---|---|\n");
    for function in TABLE {
        let does = function
            .does
            .unwrap_or("not supported: `CKR_FUNCTION_NOT_SUPPORTED`");
        text += &format!("| `{}` | {} | {does} |\n", function.name, function.since);
    }
    text
}

const BEGIN: &str = "<!-- functions: begin -->";
const END: &str = "<!-- functions: end -->";
