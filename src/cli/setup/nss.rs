//! Databases of certificates and modules of the Mozilla library (NSS), which Firefox, Thunderbird and
//! Chromium use: read from `pkcs11.txt` and `certutil`, changed by `modutil` and `certutil` only.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cps_api::{Code, Problem};

use super::{Authority, Change, NAME, Plan, Wanted, obstacle, tool};

/// What there is to do with the database in `folder` of `program`.
pub(super) fn plan(
    program: &str,
    folder: &Path,
    wanted: &Wanted,
    running: impl FnOnce() -> bool,
) -> Plan {
    let changes = match changes(folder, wanted) {
        Ok(changes) => changes,
        Err(problem) => return obstacle(problem),
    };
    if changes.is_empty() {
        return Plan::Changes(changes);
    }
    if running() {
        return obstacle(Problem::new(Code::SetupProgramRunning).with("program", program));
    }
    match [MODUTIL, CERTUTIL]
        .iter()
        .find(|one| tool::find(one).is_none())
    {
        Some(missing) => obstacle(tool::absent(missing)),
        None => Plan::Changes(changes),
    }
}

/// Makes an empty database without password, as a program's first start does.
pub(super) fn create(folder: &Path) -> Result<(), Box<Problem>> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| unusable(Code::FileUnwritable, folder, &error))?;
    let arguments = [
        "-N".into(),
        "-d".into(),
        database(folder),
        "--empty-password".into(),
    ];
    tool::run(CERTUTIL, &arguments, "").map(drop)
}

/// Registers `module`, which is loaded once to see that it can be.
pub(super) fn add_module(folder: &Path, module: &Path) -> Result<(), Box<Problem>> {
    modutil(
        folder,
        &["-add".into(), NAME.into(), "-libfile".into(), module.into()],
    )
}

/// Forgets our module.
pub(super) fn remove_module(folder: &Path) -> Result<(), Box<Problem>> {
    modutil(folder, &["-delete".into(), NAME.into()])
}

/// Trusts an authority for servers, and for nothing else.
pub(super) fn add_authority(
    folder: &Path,
    name: &str,
    certificate: &str,
) -> Result<(), Box<Problem>> {
    let lines: Vec<_> = certificate.as_bytes().chunks(64).collect();
    let lines = String::from_utf8_lossy(&lines.join(&b'\n')).into_owned();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
    // -f: a database with a primary password is refused at once; the question would not be seen.
    let arguments = ["-A", "-a", "-t", "C,,", "-f", "/dev/null", "-n", name, "-d"];
    let arguments = arguments.map(OsString::from);
    let added = tool::run(
        CERTUTIL,
        &[&arguments[..], &[database(folder)]].concat(),
        &pem,
    );
    if added.is_err() {
        // It then adds the certificate before it finds that it cannot trust it.
        let _ = remove_authority(folder, name);
    }
    added.map(drop)
}

/// Removes an authority of ours.
pub(super) fn remove_authority(folder: &Path, name: &str) -> Result<(), Box<Problem>> {
    let arguments = ["-D", "-n", name, "-d"].map(OsString::from);
    tool::run(
        CERTUTIL,
        &[&arguments[..], &[database(folder)]].concat(),
        "",
    )
    .map(drop)
}

fn changes(folder: &Path, wanted: &Wanted) -> Result<Vec<Change>, Box<Problem>> {
    let modules = modules(folder)?;
    let exists = folder.join("cert9.db").is_file();
    let named = modules.iter().find(|module| module.name == NAME);
    let foreign = named.filter(|entry| !wanted.is_ours(&entry.library));
    let mut changes = Vec::default();
    match (wanted, named) {
        (Wanted::Registered { module, .. }, None) => {
            if !exists {
                changes.push(Change::CreateDatabase);
            }
            // Added by hand under another name: it works, and it is not ours to change.
            if modules.iter().all(|entry| entry.library != *module) {
                let module = module.clone();
                changes.push(Change::AddModule { module });
            }
        }
        (Wanted::Registered { module, .. }, Some(entry)) => {
            if let Some(foreign) = foreign {
                let problem = Problem::new(Code::SetupConflict).with("name", NAME);
                let problem = problem.with("file", foreign.library.display().to_string());
                return Err(problem.into());
            }
            if entry.library != *module {
                let module = module.clone();
                changes.extend([Change::RemoveModule, Change::AddModule { module }]);
            }
        }
        (Wanted::Removed { .. }, Some(_)) if foreign.is_none() => {
            changes.push(Change::RemoveModule);
        }
        (Wanted::Gateway { .. } | Wanted::Removed { .. }, _) => {}
    }
    match wanted {
        Wanted::Registered { authorities, .. } if !authorities.is_empty() => {
            changes.extend(missing(folder, exists, authorities)?);
        }
        // Without the program that would have added them there is none.
        Wanted::Removed { .. } if exists && tool::find(CERTUTIL).is_some() => {
            let ours = |name: &String| name.ends_with(MARK);
            let names = nicknames(folder)?.into_iter().filter(ours);
            changes.extend(names.map(|name| Change::RemoveAuthority { name }));
        }
        _ => {}
    }
    Ok(changes)
}

/// The authorities that the database has under no name: `certutil` would change the trust of one that
/// somebody else added.
fn missing(
    folder: &Path,
    exists: bool,
    authorities: &[Authority],
) -> Result<Vec<Change>, Box<Problem>> {
    let mut present = Vec::default();
    if exists {
        for name in nicknames(folder)? {
            let arguments = ["-L", "-a", "-n", &name, "-d"].map(OsString::from);
            present.push(tool::run(
                CERTUTIL,
                &[&arguments[..], &[database(folder)]].concat(),
                "",
            )?);
        }
    }
    let present: Vec<String> = present
        .iter()
        .map(|pem| pem.split_ascii_whitespace().collect())
        .collect();
    Ok(authorities
        .iter()
        .filter(|authority| !present.iter().any(|pem| pem.contains(&authority.der)))
        .map(|authority| Change::AddAuthority {
            name: nickname(&authority.name),
            certificate: authority.der.clone(),
        })
        .collect())
}

/// The name of an authority of ours in a database. A colon would name a token.
fn nickname(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c == ':' || c.is_control() { ' ' } else { c })
        .collect();
    format!("{}{MARK}", name.trim())
}

/// The names of the certificates in the database: each line ends with the three kinds of trust.
fn nicknames(folder: &Path) -> Result<Vec<String>, Box<Problem>> {
    let listed = tool::run(CERTUTIL, &["-L".into(), "-d".into(), database(folder)], "")?;
    Ok(listed
        .lines()
        .filter_map(|line| {
            let (name, trust) = line.trim_end().rsplit_once(' ')?;
            let letters = |kind: &str| kind.bytes().all(|c| c.is_ascii_alphabetic());
            let kinds: Vec<&str> = trust.split(',').collect();
            let row = kinds.len() == 3 && kinds.into_iter().all(letters);
            row.then(|| name.trim_end().to_owned())
        })
        .collect())
}

/// An entry of `pkcs11.txt`.
#[derive(Debug, Default, Eq, PartialEq)]
struct Module {
    name: String,
    library: PathBuf,
}

/// The modules registered in the database; none when there is no database.
fn modules(folder: &Path) -> Result<Vec<Module>, Box<Problem>> {
    let path = folder.join("pkcs11.txt");
    let mut text = Vec::default();
    let read = File::open(&path).and_then(|file| file.take(MAX_TEXT).read_to_end(&mut text));
    match read {
        Ok(_) => Ok(parse(&String::from_utf8_lossy(&text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::default()),
        Err(error) => Err(unusable(Code::FileUnreadable, &path, &error).into()),
    }
}

/// Entries are separated by empty lines; each is made of `key=value` lines.
fn parse(text: &str) -> Vec<Module> {
    let mut modules = Vec::default();
    let mut current = Module::default();
    for line in text.lines().chain([""]) {
        match line.trim().split_once('=') {
            Some(("library", value)) => current.library = value.into(),
            Some(("name", value)) => current.name = value.to_owned(),
            Some(_) => {}
            None if line.trim().is_empty() => {
                let entry = std::mem::take(&mut current);
                if entry != Module::default() {
                    modules.push(entry);
                }
            }
            None => {}
        }
    }
    modules
}

fn modutil(folder: &Path, action: &[OsString]) -> Result<(), Box<Problem>> {
    // -force: it asks whether the browser is closed, which has been checked.
    let common = ["-force".into(), "-dbdir".into(), database(folder)];
    tool::run(MODUTIL, &[action, &common].concat(), "").map(drop)
}

/// The name that the tools have for a database in SQLite form.
fn database(folder: &Path) -> OsString {
    let mut name = OsString::from("sql:");
    name.push(folder);
    name
}

fn unusable(code: Code, path: &Path, error: &io::Error) -> Problem {
    let problem = Problem::new(code).with("file", path.display().to_string());
    problem.with("reason", error.to_string())
}

const MODUTIL: &str = "modutil";
const CERTUTIL: &str = "certutil";

/// End of the name of each authority of ours.
const MARK: &str = " (cpsd)";

/// Longest `pkcs11.txt` read, in bytes.
const MAX_TEXT: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_read_as_the_library_writes_them() {
        let text = "library=\nname=NSS Internal PKCS #11 Module\nparameters=configdir='sql:/p'\n\
            NSS=Flags=internal,critical trustOrder=75\n\nlibrary=/lib/with space.so\nname=cpsd\n\n\n\
            name=late\nlibrary=/b.so";
        let module = |name: &str, library: &str| Module {
            name: name.to_owned(),
            library: library.into(),
        };
        assert_eq!(
            parse(text),
            [
                module("NSS Internal PKCS #11 Module", ""),
                module("cpsd", "/lib/with space.so"),
                module("late", "/b.so"),
            ]
        );
        assert_eq!(parse(""), []);
    }

    #[test]
    fn an_authority_has_a_name_that_no_token_has() {
        assert_eq!(nickname("CN=a:b\n"), "CN=a b (cpsd)");
    }
}
