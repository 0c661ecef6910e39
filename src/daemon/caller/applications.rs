//! What a program is called on the practitioner's desktop: « Firefox ESR », with its icon, rather
//! than `/usr/lib/firefox-esr/firefox-esr`.
//!
//! The name comes from the desktop entries of this workstation, and a wrong one would make a person
//! say yes to a stranger. So a name is an answer to one question only: which entry starts the very
//! file that the kernel says is running?
//!
//! - The running file is looked up by its path in the daemon's own view and must be the same file
//!   there (device and inode): a process can choose what its own mount namespace looks like. A snap
//!   is looked up below `/snap/NAME`, a Flatpak below its installation; what a process merely says
//!   of its sandbox names nothing.
//! - An entry names a file when its command (`Exec`, `TryExec`), links followed, is that file. Where
//!   only the administrator can write, the command may be a script as well (Debian's
//!   `/usr/bin/thunderbird`, Google's `/opt/google/chrome/google-chrome`): it names the programs of
//!   the folder it lies in, or of the folder that bears its name.
//! - *Vouched for* is a name when nobody but the administrator can write the entry and the program.
//!   Such an entry always wins. Any other entry is a file that every program of the user may have
//!   written: it never names a program that the administrator installed, never takes a name that an
//!   installed application has, and its name is shown with the file name of the program behind it.
//! - A command that is told what to run (`pkexec editor`, `java -jar x.jar`) names nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::desktop_entry::{DesktopEntry, Parsed};
use super::{Caller, Executable, visible};
use crate::purpose::Language;

/// A program as the desktop presents it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Application {
    /// Its name, without control characters.
    pub name: String,
    /// Its icon: a name of the icon theme, or the path of a picture.
    pub icon: Option<String>,
    /// Whether only the administrator can have written this.
    pub vouched: bool,
}

/// The desktop entries of this workstation. They are read when first needed, and again when a
/// folder of theirs has changed.
pub struct Applications {
    folders: Vec<PathBuf>,
    flatpaks: Vec<PathBuf>,
    snaps: PathBuf,
    guarded: fn(&Path) -> bool,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    /// Last change of each folder, when it was read.
    changed: Vec<Option<(i64, i64)>>,
    entries: Vec<Entry>,
    /// What was found before: looking costs two system calls an entry.
    known: HashMap<(Executable, Option<String>), Option<usize>>,
}

struct Entry {
    /// Desktop file ID without its suffix.
    id: String,
    entry: DesktopEntry,
    /// Whether only the administrator can write it.
    guarded: bool,
}

/// A running file, found in the daemon's own view.
struct Found {
    path: PathBuf,
    metadata: Metadata,
    guarded: bool,
}

impl Applications {
    /// Those of the environment (XDG Base Directory Specification), of Flatpak and of snapd.
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = variable("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/share")));
        let listed = variable("XDG_DATA_DIRS").unwrap_or_default();
        // A service may be started without the variables of the graphical session.
        let usual = ["/usr/local/share", "/usr/share", SNAP_DATA].map(PathBuf::from);
        let flatpaks: Vec<_> = [PathBuf::from("/var/lib/flatpak")]
            .into_iter()
            .chain(home.iter().map(|home| home.join("flatpak")))
            .collect();
        let exported = flatpaks.iter().map(|root| root.join("exports/share"));
        let folders = std::env::split_paths(&listed)
            .chain(usual)
            .chain(exported)
            .chain(home)
            .filter(|folder| folder.is_absolute());
        Self::new(
            folders.collect(),
            flatpaks,
            "/snap".into(),
            only_root_writes,
        )
    }

    fn new(
        data: Vec<PathBuf>,
        flatpaks: Vec<PathBuf>,
        snaps: PathBuf,
        guarded: fn(&Path) -> bool,
    ) -> Self {
        let mut folders = Vec::new();
        for folder in data.iter().map(|folder| folder.join("applications")) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        Self {
            folders,
            flatpaks,
            snaps,
            guarded,
            index: Mutex::default(),
        }
    }

    /// What the program of a caller is called. A script is not what its interpreter is called.
    /// Reads files: not for the runtime's own threads.
    pub fn of(&self, caller: &Caller, language: Language) -> Option<Application> {
        match caller.script {
            Some(_) => None,
            None => self.find(caller.program(), caller.app_id.as_deref(), language),
        }
    }

    fn find(
        &self,
        executable: &Executable,
        app_id: Option<&str>,
        language: Language,
    ) -> Option<Application> {
        let found = self.located(executable, app_id)?;
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let changed: Vec<_> = self
            .folders
            .iter()
            .map(|folder| last_change(folder))
            .collect();
        if index.changed != changed {
            *index = Index {
                changed,
                entries: self.read(),
                known: HashMap::new(),
            };
        }
        let key = (executable.clone(), app_id.map(str::to_owned));
        let position = match index.known.get(&key) {
            Some(known) => *known,
            None => {
                let position = self.choose(&index.entries, &found, app_id);
                if index.known.len() >= KNOWN {
                    index.known.clear();
                }
                index.known.insert(key, position);
                position
            }
        };
        let Entry { entry, guarded, .. } = index.entries.get(position?)?;
        let icon = entry.icon.as_deref().filter(|icon| icon.len() <= ICON);
        Some(Application {
            name: visible(entry.name(language).trim()),
            icon: icon.map(visible),
            vouched: *guarded && found.guarded,
        })
    }

    /// The running file where the daemon sees it, if it is the same one.
    fn located(&self, executable: &Executable, app_id: Option<&str>) -> Option<Found> {
        let place = &executable.path;
        let candidates = match app_id.and_then(|id| id.split_once(':')) {
            Some(("snap", name)) if !place.starts_with(self.snaps.join(name)) => return None,
            Some(("flatpak", id)) => {
                let inside = place.strip_prefix("/app").ok()?;
                let files = |root: &PathBuf| {
                    let application = root.join("app").join(id);
                    application.join("current/active/files").join(inside)
                };
                self.flatpaks.iter().map(files).collect()
            }
            _ => vec![place.clone()],
        };
        candidates.into_iter().find_map(|path| {
            let metadata = fs::metadata(&path).ok()?;
            let same = (metadata.dev(), metadata.ino()) == (executable.device, executable.inode);
            same.then(|| Found {
                guarded: (self.guarded)(&path),
                path,
                metadata,
            })
        })
    }

    /// The entry of a running file, by its position.
    fn choose(&self, entries: &[Entry], found: &Found, app_id: Option<&str>) -> Option<usize> {
        let rank = |entry: &Entry| {
            let options = entry.entry.command.as_ref().map(|command| command.options);
            (
                !entry.guarded,
                entry.entry.no_display,
                options,
                entry.id.clone(),
            )
        };
        let fits = |entry: &Entry| {
            let names = match app_id.and_then(|id| id.split_once(':')) {
                Some(("flatpak", id)) => entry.id == id || entry.id.starts_with(&format!("{id}.")),
                // snapd writes these names itself.
                Some(("snap", name)) => entry.id.starts_with(&format!("{name}_")),
                _ => self.starts(entry, found),
            };
            names && (entry.guarded || !found.guarded && !taken(entry, entries))
        };
        let candidates = entries.iter().enumerate().filter(|(_, entry)| fits(entry));
        let (position, _) = candidates.min_by_key(|(_, entry)| rank(entry))?;
        Some(position)
    }

    /// Whether an entry's command is, or leads to, a file.
    fn starts(&self, entry: &Entry, found: &Found) -> bool {
        let Some(command) = &entry.entry.command else {
            return false;
        };
        let programs = [Some(&command.program), entry.entry.try_exec.as_ref()];
        !command.runs_another
            && programs
                .into_iter()
                .flatten()
                .filter_map(|program| program_file(program))
                .any(|program| {
                    fs::metadata(&program).is_ok_and(|metadata| {
                        (metadata.dev(), metadata.ino())
                            == (found.metadata.dev(), found.metadata.ino())
                    }) || entry.guarded && found.guarded && self.wraps(&program, &found.path)
                })
    }

    /// Whether a command is a script in front of a program of its own folder, or of the folder that
    /// bears its name.
    fn wraps(&self, command: &Path, program: &Path) -> bool {
        let (Ok(script), Ok(program)) = (command.canonicalize(), program.canonicalize()) else {
            return false;
        };
        let (Some(folder), Some(home)) = (script.parent(), program.parent()) else {
            return false;
        };
        let named = command.file_name().is_some() && home.file_name() == command.file_name();
        let beside = folder == home && !folder.file_name().is_some_and(is_shared);
        (named || beside) && is_script(&script) && (self.guarded)(&script)
    }

    /// Every entry of every folder; of two with the same ID the first, and the administrator's
    /// before the others.
    fn read(&self) -> Vec<Entry> {
        let mut entries: BTreeMap<(bool, String), Option<Entry>> = BTreeMap::new();
        for folder in &self.folders {
            let mut files = Vec::new();
            list(folder, "", DEPTH, &mut files);
            for (id, path) in files {
                // The folder too: a link in another's folder gives an honest entry a false ID.
                let guarded = (self.guarded)(folder) && (self.guarded)(&path);
                let key = (!guarded, id.clone());
                if entries.contains_key(&key) || entries.len() >= ENTRIES {
                    continue;
                }
                let Ok(bytes) = crate::files::read(&path, LONGEST) else {
                    continue;
                };
                let entry = match DesktopEntry::parse(&String::from_utf8_lossy(&bytes)) {
                    Parsed::Application(entry) => Some(Entry { id, entry, guarded }),
                    Parsed::Hidden => None,
                    Parsed::Other => continue,
                };
                entries.insert(key, entry);
            }
        }
        entries.into_values().flatten().collect()
    }
}

/// Whether an application of the administrator's goes by a name of this entry.
fn taken(entry: &Entry, entries: &[Entry]) -> bool {
    let plain = |name: &str| visible(name.trim()).to_lowercase();
    let theirs: Vec<String> = entry.entry.names().map(plain).collect();
    let installed = entries.iter().filter(|other| other.guarded);
    let mut names = installed.flat_map(|other| other.entry.names());
    names.any(|name| theirs.contains(&plain(name)))
}

/// The file of a command: a path, or a name in the system's own folders. Not the `PATH` of the
/// environment: it is the user's.
fn program_file(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_absolute());
    }
    let folders = PROGRAMS
        .iter()
        .map(|folder| Path::new(folder).join(program));
    folders.into_iter().find(|path| path.is_file())
}

/// `.desktop` files below a folder, with their IDs: a subfolder's name becomes a prefix.
fn list(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<(String, PathBuf)>) {
    let mut found: Vec<_> = match fs::read_dir(folder) {
        Ok(found) => found
            .flatten()
            .take(ENTRIES)
            .map(|one| one.path())
            .collect(),
        Err(_) => return,
    };
    found.sort();
    for path in found {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        match name.strip_suffix(".desktop") {
            Some(stem) => files.push((format!("{prefix}{stem}"), path)),
            None if depth > 0 && path.is_dir() => {
                list(&path, &format!("{prefix}{name}-"), depth - 1, files);
            }
            None => {}
        }
    }
}

fn last_change(folder: &Path) -> Option<(i64, i64)> {
    let metadata = fs::metadata(folder).ok()?;
    Some((metadata.mtime(), metadata.mtime_nsec()))
}

fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    crate::files::open_to_read(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && start == *b"#!"
}

/// A folder in which programs of every origin lie side by side.
fn is_shared(name: &std::ffi::OsStr) -> bool {
    ["bin", "games", "sbin"]
        .iter()
        .any(|shared| name == *shared)
}

/// Whether nobody but the administrator can put something else in a file's place: the file, links
/// followed, and every folder above it are root's and writable by root only.
pub(super) fn only_root_writes(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    let roots = |path: &Path| {
        fs::metadata(path).is_ok_and(|file| {
            let others = file.mode() & 0o002 != 0 || file.mode() & 0o020 != 0 && file.gid() != 0;
            file.uid() == 0 && !others
        })
    };
    path.ancestors().all(roots)
}

const DEPTH: usize = 3;
const ENTRIES: usize = 4096;
const ICON: usize = 255;
const KNOWN: usize = 256;
const LONGEST: u64 = 256 * 1024;
const PROGRAMS: [&str; 5] = [
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/games",
    "/usr/local/games",
];
const SNAP_DATA: &str = "/var/lib/snapd/desktop";

#[cfg(test)]
mod tests;
