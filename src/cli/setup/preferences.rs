//! One preference of Thunderbird: where it asks for the settings of a mail address. It is a line of
//! the profile's `prefs.js`, which the program rewrites when it ends; every other line stays as it is.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::Path;

use cps_api::{Code, Problem};

use super::{Change, Plan, Wanted, obstacle};
use crate::files::Replacement;

/// The preference.
pub(crate) const AUTOCONFIG: &str = "mailnews.auto_config_url";

/// The value for the gateway's server; Thunderbird adds the domain of the address to it.
pub(crate) fn autoconfig_url(server: SocketAddr) -> String {
    format!("http://{server}{PATH}")
}

/// What there is to do with the preferences in `file` of `program`.
pub(super) fn plan(
    program: &str,
    file: &Path,
    wanted: &Wanted,
    running: impl FnOnce() -> bool,
) -> Plan {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) => return obstacle(failed(Code::FileUnreadable, file, &error)),
    };
    let current = text.lines().find_map(value);
    let ours = current.is_some_and(is_ours);
    let change = match wanted {
        Wanted::Gateway { url } if current == Some(url) => None,
        Wanted::Gateway { url } if current.is_some() && !ours => {
            let problem = Problem::new(Code::SetupForeignFile);
            let problem = problem.with("file", file.display().to_string());
            return obstacle(problem.with("addition", format!("{AUTOCONFIG} = {url}")));
        }
        Wanted::Gateway { url } => Some(Change::SetPreference {
            name: AUTOCONFIG,
            value: url.clone(),
        }),
        Wanted::Removed { .. } if ours => Some(Change::RemovePreference { name: AUTOCONFIG }),
        Wanted::Registered { .. } | Wanted::Removed { .. } => None,
    };
    if change.is_some() && running() {
        return obstacle(Problem::new(Code::SetupProgramRunning).with("program", program));
    }
    Plan::Changes(change.into_iter().collect())
}

/// Sets the preference, or takes it away.
pub(super) fn change(file: &Path, value: Option<&str>) -> Result<(), Box<Problem>> {
    let changed = || -> io::Result<()> {
        let text = read(file)?;
        let mut kept: String = text
            .split_inclusive('\n')
            .filter(|line| self::value(line).is_none())
            .collect();
        if let Some(value) = value {
            if !kept.is_empty() && !kept.ends_with('\n') {
                kept.push('\n');
            }
            kept.push_str(&format!("{START}\"{value}\"{END}\n"));
        }
        let mut file = Replacement::private(file)?;
        file.write_all(kept.as_bytes())?;
        file.commit()
    };
    changed().map_err(|error| failed(Code::FileUnwritable, file, &error).into())
}

/// The value that a line gives to the preference.
fn value(line: &str) -> Option<&str> {
    let value = line.trim().strip_prefix(START)?.strip_suffix(END)?;
    value.trim().strip_prefix('"')?.strip_suffix('"')
}

fn is_ours(value: &str) -> bool {
    let server = value
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix(PATH));
    let server: Option<SocketAddr> = server.and_then(|server| server.parse().ok());
    server.is_some_and(|server| server.ip().is_loopback())
}

/// The file's text; empty when there is no file.
fn read(file: &Path) -> io::Result<String> {
    match fs::metadata(file) {
        Ok(metadata) if metadata.len() > MAX_FILE => Err(ErrorKind::FileTooLarge.into()),
        Ok(_) => fs::read_to_string(file),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::default()),
        Err(error) => Err(error),
    }
}

fn failed(code: Code, file: &Path, error: &io::Error) -> Problem {
    let problem = Problem::new(code).with("file", file.display().to_string());
    problem.with("reason", error.to_string())
}

const START: &str = "user_pref(\"mailnews.auto_config_url\", ";
const END: &str = ");";
const PATH: &str = "/v1.1/";

/// Longest file read, in bytes.
const MAX_FILE: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const OTHERS: &str = "// Mozilla User Preferences\nuser_pref(\"mail.x\", 1);\n";

    fn gateway() -> Wanted {
        let url = autoconfig_url("127.0.0.1:1480".parse().unwrap());
        assert_eq!(url, "http://127.0.0.1:1480/v1.1/");
        Wanted::Gateway { url }
    }

    fn applied(file: &Path, wanted: &Wanted) -> usize {
        let Plan::Changes(changes) = plan("Thunderbird", file, wanted, || false) else {
            panic!("an obstacle");
        };
        for change in &changes {
            change.apply(file).unwrap();
        }
        changes.len()
    }

    #[test]
    fn the_preference_is_one_line_that_comes_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prefs.js");
        fs::write(&file, OTHERS).unwrap();
        assert_eq!(applied(&file, &gateway()), 1);
        let expected = format!(
            "{OTHERS}user_pref(\"mailnews.auto_config_url\", \"http://127.0.0.1:1480/v1.1/\");\n"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), expected);
        assert_eq!(applied(&file, &gateway()), 0, "once is enough");
        // The port moved.
        let moved = Wanted::Gateway {
            url: "http://127.0.0.1:2480/v1.1/".into(),
        };
        assert_eq!(applied(&file, &moved), 1);
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            expected.replace("1480", "2480")
        );
        assert_eq!(applied(&file, &Wanted::Removed { module: None }), 1);
        assert_eq!(fs::read_to_string(&file).unwrap(), OTHERS);
        assert_eq!(applied(&file, &Wanted::Removed { module: None }), 0);
    }

    #[test]
    fn the_value_of_somebody_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prefs.js");
        for value in [
            "https://autoconfig.example/v1.1/",
            "http://192.0.2.1:1480/v1.1/",
            "",
        ] {
            let text = format!("user_pref(\"mailnews.auto_config_url\", \"{value}\");\n");
            fs::write(&file, &text).unwrap();
            let Plan::Obstacle(problem) = plan("Thunderbird", &file, &gateway(), || false) else {
                panic!("{value}");
            };
            assert_eq!(problem.code, "setup.foreign_file");
            assert_eq!(applied(&file, &Wanted::Removed { module: None }), 0);
        }
    }

    #[test]
    fn a_program_that_runs_would_undo_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prefs.js");
        let asked = Cell::new(false);
        let running = || {
            asked.set(true);
            true
        };
        let Plan::Obstacle(problem) = plan("Thunderbird", &file, &gateway(), running) else {
            panic!("no obstacle");
        };
        assert_eq!(problem.code, "setup.program_running");
        assert!(asked.get());
        assert!(!file.exists());
    }
}
