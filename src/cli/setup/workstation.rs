//! Where programs keep their settings.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use cps_api::{Code, Problem};

use super::{running, tool};

/// The folders of one user, and the root of the system's files.
pub(crate) struct Workstation {
    pub(crate) home: PathBuf,
    /// `$XDG_CONFIG_HOME`.
    pub(crate) config: PathBuf,
    /// `/`, or the folder in which a system is prepared.
    pub(crate) root: PathBuf,
}

/// A program, and the names under which it is found.
pub(super) struct Program {
    pub(super) name: &'static str,
    binaries: &'static [&'static str],
    /// Folders with a `profiles.ini`, below the home folder and below the settings folder.
    homes: &'static [&'static str],
    configs: &'static [&'static str],
    snaps: &'static [&'static str],
    flatpaks: &'static [&'static str],
}

impl Workstation {
    /// This user's.
    ///
    /// # Errors
    /// Without a home folder.
    pub(crate) fn new() -> Result<Self, Box<Problem>> {
        let folder = |name| {
            let folder = env::var_os(name).map(PathBuf::from);
            folder.filter(|folder| folder.is_absolute())
        };
        let home = folder("HOME").ok_or_else(|| Problem::new(Code::SetupAnotherUser))?;
        Ok(Self {
            config: folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
            home,
            root: "/".into(),
        })
    }

    /// Nobody's, with the system below `root`: the scripts of packages may run without a home folder.
    pub(crate) fn of_system(root: &Path) -> Self {
        let home = PathBuf::from("/nonexistent");
        Self {
            config: home.join(".config"),
            home,
            root: root.to_owned(),
        }
    }

    /// The profiles of a Mozilla program that can load the module.
    pub(super) fn profiles(&self, program: &Program) -> Vec<PathBuf> {
        let homes = program.homes.iter().map(|folder| self.home.join(folder));
        let configs = program
            .configs
            .iter()
            .map(|folder| self.config.join(folder));
        let mut profiles: Vec<_> = homes
            .chain(configs)
            .flat_map(|folder| listed(&folder))
            .filter(|profile| profile.is_dir())
            .collect();
        profiles.sort();
        profiles.dedup();
        profiles
    }

    /// The program in `PATH`.
    pub(super) fn binary(&self, program: &Program) -> Option<PathBuf> {
        program.binaries.iter().find_map(|name| tool::find(name))
    }

    /// Where the program is installed in a sandbox that keeps the module out: kind of package, place.
    pub(super) fn confined(&self, program: &Program) -> Vec<(&'static str, PathBuf)> {
        let snaps = program.snaps.iter().map(|name| {
            let used = self.home.join("snap").join(name);
            let installed = self.root.join("snap").join(name);
            ("snap", vec![used, installed])
        });
        let flatpaks = program.flatpaks.iter().map(|name| {
            let used = self.home.join(".var/app").join(name);
            let own = self.home.join(".local/share/flatpak/app").join(name);
            let shared = self.root.join("var/lib/flatpak/app").join(name);
            ("flatpak", vec![used, own, shared])
        });
        snaps
            .chain(flatpaks)
            .filter_map(|(format, places)| {
                let place = places.into_iter().find(|place| place.is_dir())?;
                Some((format, place))
            })
            .collect()
    }

    /// The database that Chromium, Chrome and their siblings share; none when none of them is here.
    pub(super) fn chromium_database(&self, must_exist: bool) -> Option<PathBuf> {
        let database = self.home.join(".pki/nssdb");
        if database.is_dir() {
            return Some(database);
        }
        let used = || self.chromium_settings().any(|folder| folder.is_dir());
        let installed = || self.binary(&CHROMIUM).is_some() && self.confined(&CHROMIUM).is_empty();
        (!must_exist && (used() || installed())).then_some(database)
    }

    /// Whether one of the programs that share the database is open.
    pub(super) fn chromium_running(&self) -> bool {
        self.chromium_settings()
            .any(|folder| running::chromium(&folder))
    }

    fn chromium_settings(&self) -> impl Iterator<Item = PathBuf> {
        CHROMIUM
            .configs
            .iter()
            .map(|folder| self.config.join(folder))
    }
}

/// The profiles that `profiles.ini` names in `folder`.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut text = String::default();
    let read = File::open(folder.join("profiles.ini"))
        .and_then(|file| file.take(MAX_INI).read_to_string(&mut text));
    if read.is_err() {
        return Vec::default();
    }
    let mut profiles = Vec::default();
    for section in text.split("\n[").filter(|text| {
        let name = text.trim_start_matches('[');
        name.starts_with("Profile")
    }) {
        let value = |key: &str| {
            let mut lines = section.lines();
            lines.find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))
        };
        let Some(path) = value("Path").filter(|path| !path.is_empty()) else {
            continue;
        };
        // An absolute path replaces the folder.
        profiles.push(folder.join(path));
    }
    profiles
}

pub(super) const FIREFOX: Program = Program {
    name: "Firefox",
    binaries: &["firefox", "firefox-esr"],
    homes: &[".mozilla/firefox"],
    // Since Firefox 147, for new users.
    configs: &["mozilla/firefox"],
    snaps: &["firefox"],
    flatpaks: &["org.mozilla.firefox"],
};

pub(super) const THUNDERBIRD: Program = Program {
    name: "Thunderbird",
    binaries: &["thunderbird"],
    homes: &[".thunderbird"],
    configs: &["thunderbird"],
    snaps: &["thunderbird"],
    flatpaks: &["org.mozilla.Thunderbird", "org.mozilla.thunderbird"],
};

pub(super) const CHROMIUM: Program = Program {
    name: "Chromium/Chrome",
    binaries: &[
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "brave-browser",
        "microsoft-edge",
        "vivaldi",
    ],
    homes: &[],
    // Their own settings; the database is elsewhere and shared.
    configs: &[
        "chromium",
        "google-chrome",
        "google-chrome-beta",
        "google-chrome-unstable",
        "BraveSoftware/Brave-Browser",
        "microsoft-edge",
        "vivaldi",
    ],
    snaps: &["chromium", "brave"],
    flatpaks: &[
        "org.chromium.Chromium",
        "com.google.Chrome",
        "com.brave.Browser",
        "com.microsoft.Edge",
    ],
};

/// Longest `profiles.ini` read, in bytes.
const MAX_INI: u64 = 1 << 20;
