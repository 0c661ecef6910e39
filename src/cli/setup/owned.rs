//! Whole files of ours: p11-kit's description of the module, policies of Firefox and Thunderbird. A
//! file of somebody else is never changed, whatever it says.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cps_api::{Code, Problem};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use serde_json::{Value, json};

use super::{Change, NAME, Plan, Wanted, Workstation, obstacle};
use crate::files::Replacement;

/// What there is to do with p11-kit's description at `place` (pkcs11.conf(5)).
pub(super) fn p11_kit(station: &Workstation, place: &Path, wanted: &Wanted) -> Plan {
    // The description of a package, or of the administrator, serves every user.
    let served = SHARED.iter().any(|folder| {
        let shared = station.root.join(folder).join("cpsd.module");
        let text = read(&shared).ok().flatten();
        let library = text.as_deref().and_then(described);
        shared != place && library.is_some_and(|library| wanted.is_ours(&library))
    });
    if served && matches!(wanted, Wanted::Registered { .. }) {
        return Plan::Changes(Vec::default());
    }
    let form = Form {
        write: |module| format!("{MARK}\nmodule: {}\n", module.display()),
        library: described,
        ours: |text, _| text.starts_with(MARK),
        addition: |module| format!("module: {}", module.display()),
    };
    plan(place, wanted, &form, !place.starts_with(&station.home))
}

/// What there is to do with the policies at `place` (`SecurityDevices`, Mozilla's policy templates).
pub(super) fn policy(place: &Path, wanted: &Wanted) -> Plan {
    let form = Form {
        write: |module| format!("{:#}\n", policies(module)),
        library: |text| {
            let document: Value = serde_json::from_str(text).ok()?;
            let devices = document.pointer("/policies/SecurityDevices/Add")?;
            Some(devices.get(NAME)?.as_str()?.into())
        },
        // Nothing but what this command writes.
        ours: |text, library| {
            serde_json::from_str(text).is_ok_and(|is: Value| is == policies(library))
        },
        addition: |module| {
            let devices = &policies(module)["policies"]["SecurityDevices"];
            format!("\"policies\": {{ \"SecurityDevices\": {devices} }}")
        },
    };
    plan(place, wanted, &form, true)
}

/// Writes the file whole, readable by everyone.
pub(super) fn write(place: &Path, content: &str) -> Result<(), Box<Problem>> {
    let written = || -> io::Result<()> {
        fs::create_dir_all(place.parent().unwrap_or_else(|| Path::new("/")))?;
        let mut file = Replacement::new(place)?;
        file.write_all(content.as_bytes())?;
        file.commit()?;
        fs::set_permissions(place, fs::Permissions::from_mode(0o644))
    };
    written().map_err(|error| failed(Code::FileUnwritable, place, &error).into())
}

/// Removes the file. Its folder stays: it may have been there before.
pub(super) fn remove(place: &Path) -> Result<(), Box<Problem>> {
    fs::remove_file(place).map_err(|error| failed(Code::FileUnwritable, place, &error).into())
}

/// One form of file.
struct Form {
    /// The file that names this module.
    write: fn(&Path) -> String,
    /// The library that a file names for us.
    library: fn(&str) -> Option<PathBuf>,
    /// Whether a file that names this library is one that `write` made.
    ours: fn(&str, &Path) -> bool,
    /// What a person adds to a file that is not ours.
    addition: fn(&Path) -> String,
}

fn plan(place: &Path, wanted: &Wanted, form: &Form, of_system: bool) -> Plan {
    let text = match read(place) {
        Ok(text) => text,
        Err(problem) => return obstacle(problem),
    };
    let library = text.as_deref().and_then(form.library);
    let ours = match (&text, &library) {
        (Some(text), Some(library)) => (form.ours)(text, library),
        _ => false,
    };
    let change = match wanted {
        Wanted::Registered { module, .. } => {
            if library.as_ref() == Some(module) {
                return Plan::Changes(Vec::default());
            }
            if text.is_some() && !ours {
                let problem = Problem::new(Code::SetupForeignFile);
                let problem = problem.with("file", place.display().to_string());
                return obstacle(problem.with("addition", (form.addition)(module)));
            }
            Change::WriteFile {
                content: (form.write)(module),
            }
        }
        Wanted::Removed { .. } if ours => Change::RemoveFile,
        Wanted::Gateway { .. } | Wanted::Removed { .. } => return Plan::Changes(Vec::default()),
    };
    let existing = place.ancestors().skip(1).find(|folder| folder.exists());
    let refused = existing.map(|folder| access(folder, Access::WRITE_OK));
    if let Some(Err(error)) = refused {
        return obstacle(match (error, of_system) {
            (Errno::ACCESS, true) => {
                let problem = Problem::new(Code::SetupAdministrator);
                problem.with("file", place.display().to_string())
            }
            _ => failed(Code::FileUnwritable, place, &error.into()),
        });
    }
    Plan::Changes(vec![change])
}

/// The file's text; none when there is no file.
fn read(place: &Path) -> Result<Option<String>, Box<Problem>> {
    let mut text = Vec::default();
    let read = File::open(place).and_then(|file| file.take(MAX_FILE).read_to_end(&mut text));
    match read {
        Ok(_) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(Code::FileUnreadable, place, &error).into()),
    }
}

fn described(text: &str) -> Option<PathBuf> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| {
        line.trim()
            .strip_prefix("module")?
            .trim_start()
            .strip_prefix(':')
    })?;
    Some(value.trim().into())
}

fn policies(module: &Path) -> Value {
    json!({"policies": {"SecurityDevices": {"Add": {NAME: module.display().to_string()}}}})
}

fn failed(code: Code, place: &Path, error: &io::Error) -> Problem {
    let problem = Problem::new(code).with("file", place.display().to_string());
    problem.with("reason", error.to_string())
}

/// Where p11-kit finds the modules of every user.
const SHARED: [&str; 2] = ["usr/share/p11-kit/modules", "etc/pkcs11/modules"];

/// First line of a p11-kit description of ours.
const MARK: &str = "# Written by 'cps setup', which removes it with --undo.";

/// Longest file read, in bytes.
const MAX_FILE: u64 = 1 << 20;
