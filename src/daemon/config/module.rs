//! `[[module]]` and `prefer`: the PKCS#11 modules whose tokens are used like cards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

/// A PKCS#11 module whose tokens are used like cards.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// What it is called here: part of the serial numbers of its tokens, of messages, of the
    /// journal. Lower-case letters, digits and hyphens.
    pub name: String,
    /// The library.
    pub path: PathBuf,
    /// The environment of its process, beside `HOME`, `LANG` and `PATH`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Files and folders that it may change; the rest of the disk it can only read.
    #[serde(default)]
    pub writable: Vec<PathBuf>,
    /// Whether it may open other sockets than Unix ones.
    #[serde(default)]
    pub network: bool,
}

/// Which drives a card that cpsd and a module both see.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// The module.
    Module,
    /// Our own driver.
    #[default]
    Native,
}

/// What is wrong with the modules: the key, and why.
pub(super) fn check(modules: &[Module]) -> Result<(), (String, &'static str)> {
    if modules.len() > MODULES {
        return Err(("module".to_owned(), "at most 16 modules"));
    }
    let mut names = BTreeSet::new();
    for (index, module) in modules.iter().enumerate() {
        let refuse = |name: &str, what| Err((format!("module[{index}].{name}"), what));
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if !(1..=32).contains(&module.name.len()) || !module.name.bytes().all(plain) {
            return refuse(
                "name",
                "must be 1 to 32 lower-case letters, digits or hyphens",
            );
        }
        if !names.insert(&module.name) {
            return refuse("name", "is already given above");
        }
        if !module.path.is_absolute() {
            return refuse("path", "must be an absolute path");
        }
        if !module.writable.iter().all(|path| path.is_absolute()) {
            return refuse("writable", "must be absolute paths");
        }
        let named = |name: &String| {
            !name.is_empty() && !name.contains(['=', '\0']) && !OURS.contains(&name.as_str())
        };
        let settings = &module.environment;
        if !settings.keys().all(named) || settings.values().any(|value| value.contains('\0')) {
            let what = "names must not be empty, hold '=' or be HOME, LANG or PATH";
            return refuse("environment", what);
        }
    }
    Ok(())
}

/// Each is a process.
const MODULES: usize = 16;

/// Set for every module.
const OURS: [&str; 3] = ["HOME", "LANG", "PATH"];
