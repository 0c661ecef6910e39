//! What a test keeps for a person to look at.

use std::fs;
use std::path::PathBuf;

/// Writes a file into `artefacts` of the build folder, in place of the one of an earlier run.
///
/// # Panics
///
/// When it cannot be written.
pub fn artefact(name: &str, content: &[u8]) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    // BUILD/PROFILE/deps/PROGRAM
    let target = program.ancestors().nth(3).unwrap();
    let folder = target.join("artefacts");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}
