//! Where the PKCS#11 module is.

use std::env;
use std::path::{Path, PathBuf};

use cps_api::{Code, Problem};

/// The module of this installation: beside this program, else in the usual places.
pub(crate) fn find() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    places(&program).into_iter().find(|place| place.is_file())
}

/// The module at `path`, made absolute because other programs have other working folders.
///
/// # Errors
/// When there is no such file, or its name cannot stand in a settings file.
pub(crate) fn at(path: &Path) -> Result<PathBuf, Box<Problem>> {
    let absent = || Problem::new(Code::SetupModuleAbsent).with("file", path.display().to_string());
    let absolute = std::path::absolute(path).map_err(|_| absent())?;
    let plain = absolute
        .to_str()
        .is_some_and(|text| !text.contains(|c: char| c.is_control() || c == '"' || c == '\''));
    if !plain || !absolute.is_file() {
        return Err(absent().into());
    }
    Ok(absolute)
}

/// Whether this is the library that this project ships, wherever it stands.
pub(super) fn is_module(library: &Path) -> bool {
    library.file_name().is_some_and(|name| name == FILE)
}

fn places(program: &Path) -> Vec<PathBuf> {
    let folder = program.parent().unwrap_or_else(|| Path::new("/"));
    let mut places = vec![folder.join(FILE)];
    let prefix = folder.parent().unwrap_or_else(|| Path::new("/"));
    for prefix in [prefix, Path::new("/usr/local"), Path::new("/usr")] {
        for lib in [LIB, "lib64", "lib"] {
            places.push(prefix.join(lib).join("pkcs11").join(FILE));
        }
    }
    places
}

const FILE: &str = "libcpsd_pkcs11.so";

/// Debian's multiarch folder.
const LIB: &str = multiarch();

/// `lib/TRIPLET` of the usual processors.
const fn multiarch() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "lib/aarch64-linux-gnu"
    } else if cfg!(target_arch = "x86") {
        "lib/i386-linux-gnu"
    } else if cfg!(target_arch = "x86_64") {
        "lib/x86_64-linux-gnu"
    } else {
        "lib"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_beside_the_program_comes_first() {
        let places = places(Path::new("/opt/cpsd/bin/cps"));
        let at = |path: &str| places.iter().position(|place| place == Path::new(path));
        // A build tree, the release archive, then the system.
        assert_eq!(at("/opt/cpsd/bin/libcpsd_pkcs11.so"), Some(0));
        assert!(
            at("/opt/cpsd/lib/pkcs11/libcpsd_pkcs11.so")
                < at("/usr/local/lib/pkcs11/libcpsd_pkcs11.so")
        );
        assert!(at("/usr/lib/pkcs11/libcpsd_pkcs11.so").is_some());
    }

    #[test]
    fn a_module_that_is_not_there_or_would_break_a_settings_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("module.so");
        std::fs::write(&good, "").unwrap();
        assert_eq!(at(&good), Ok(good));
        for name in ["none.so", ".", "a\nlibrary=evil.so"] {
            let path = folder.path().join(name);
            if name.contains('\n') {
                std::fs::write(&path, "").unwrap();
            }
            assert_eq!(
                at(&path).unwrap_err().code,
                "setup.module_absent",
                "{name:?}"
            );
        }
    }
}
