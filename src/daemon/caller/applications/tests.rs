use std::os::unix::fs::symlink;

use super::*;

/// A workstation in a folder: what lies below `system` is the administrator's.
struct Workstation {
    root: tempfile::TempDir,
    applications: Applications,
}

impl Workstation {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("folder");
        let path = |name: &str| root.path().join(name);
        let applications = Applications::new(
            vec![
                // The order must not matter: the user's folder comes first in XDG's.
                path("user/share"),
                path("system/local/share"),
                path("system/share"),
                path("system/flatpak/exports/share"),
                path("system/snapd/desktop"),
            ],
            vec![path("system/flatpak"), path("user/share/flatpak")],
            path("system/snap"),
            |path| {
                let path = path.canonicalize().expect("a file");
                path.iter().any(|part| part == "system")
            },
        );
        Self { root, applications }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(&path, content).expect("written");
        path
    }

    /// A program that runs.
    fn program(&self, name: &str) -> Executable {
        let path = self.write(name, "\x7fELF");
        running(&path)
    }

    fn entry(&self, file: &str, name: &str, exec: &str) {
        self.write(
            file,
            &format!("[Desktop Entry]\nType=Application\nName={name}\nIcon=icon\nExec={exec}\n"),
        );
    }

    /// Name in French, and whether it is vouched for.
    fn found(&self, executable: &Executable, app_id: Option<&str>) -> Option<(String, bool)> {
        let found = self.applications.find(executable, app_id, Language::Fr)?;
        Some((found.name, found.vouched))
    }

    fn name(&self, executable: &Executable) -> Option<(String, bool)> {
        self.found(executable, None)
    }
}

fn running(path: &Path) -> Executable {
    let file = fs::metadata(path).expect("a file");
    Executable {
        path: path.to_owned(),
        device: file.dev(),
        inode: file.ino(),
        modified_ns: 0,
        changed_ns: 0,
    }
}

fn vouched(name: &str) -> Option<(String, bool)> {
    Some((name.to_owned(), true))
}

#[test]
fn a_program_has_the_name_and_icon_of_its_entry() {
    let station = Workstation::new();
    let firefox = station.program("system/lib/firefox-esr/firefox-esr");
    let link = station.path("system/bin-firefox");
    symlink(&firefox.path, &link).expect("link");
    station.write(
        "system/share/applications/firefox-esr.desktop",
        &format!(
            "[Desktop Entry]\nType=Application\nName=Firefox Web Browser\n\
             Name[fr]=Navigateur Firefox\nIcon=firefox-esr\nExec={} %u\n",
            link.display()
        ),
    );
    let found = station.applications.find(&firefox, None, Language::Fr);
    let expected = Application {
        name: "Navigateur Firefox".to_owned(),
        icon: Some("firefox-esr".to_owned()),
        vouched: true,
    };
    assert_eq!(found, Some(expected));
    let english = station.applications.find(&firefox, None, Language::En);
    assert_eq!(english.expect("found").name, "Firefox Web Browser");
    let other = station.program("system/lib/firefox-esr/updater");
    assert_eq!(station.name(&other), None);
}

#[test]
fn a_script_of_the_administrator_leads_to_its_program() {
    let station = Workstation::new();
    // Debian's Thunderbird: a script named as the program's folder.
    let thunderbird = station.program("system/lib/thunderbird/thunderbird-bin");
    let script = station.write("system/bin/thunderbird", "#!/bin/sh\n");
    let exec = script.display().to_string();
    station.entry(
        "system/share/applications/thunderbird.desktop",
        "Thunderbird",
        &exec,
    );
    assert_eq!(station.name(&thunderbird), vouched("Thunderbird"));
    // Google's Chrome: a link to a script beside the program.
    let chrome = station.program("system/opt/google/chrome/chrome");
    let script = station.write("system/opt/google/chrome/google-chrome", "#!/bin/bash\n");
    let link = station.path("system/bin/google-chrome-stable");
    symlink(script, &link).expect("link");
    let exec = link.display().to_string();
    station.entry(
        "system/share/applications/google-chrome.desktop",
        "Google Chrome",
        &exec,
    );
    assert_eq!(station.name(&chrome), vouched("Google Chrome"));
    // Neither names what merely lies in the same folder of programs.
    assert_eq!(station.name(&station.program("system/bin/curl")), None);
}

#[test]
fn a_script_that_others_can_write_leads_nowhere() {
    let station = Workstation::new();
    let program = station.program("user/thunderbird/evil");
    let script = station.write("user/bin/thunderbird", "#!/bin/sh\n");
    let exec = script.display().to_string();
    station.entry("user/share/applications/x.desktop", "Courriel", &exec);
    station.entry("system/share/applications/y.desktop", "Courriel", &exec);
    assert_eq!(station.name(&program), None);
}

#[test]
fn a_users_entry_names_only_the_users_own_programs() {
    let station = Workstation::new();
    let curl = station.program("system/bin/curl");
    let exec = curl.path.display().to_string();
    station.entry(
        "user/share/applications/a.desktop",
        "Assurance maladie",
        &exec,
    );
    assert_eq!(station.name(&curl), None);

    let own = station.program("user/lps/lps");
    let exec = own.path.display().to_string();
    station.entry("user/share/applications/lps.desktop", "Mon logiciel", &exec);
    assert_eq!(station.name(&own), Some(("Mon logiciel".to_owned(), false)));
}

#[test]
fn a_users_entry_takes_no_name_of_an_installed_application() {
    for name in ["Firefox", " firefox ", "FIREFOX"] {
        let station = Workstation::new();
        let firefox = station.program("system/lib/firefox/firefox");
        let exec = firefox.path.display().to_string();
        station.entry(
            "system/share/applications/firefox.desktop",
            "Firefox",
            &exec,
        );
        let evil = station.program("user/evil");
        let exec = evil.path.display().to_string();
        // The same ID as the installed one's, as the specification lets a user replace an entry.
        station.entry("user/share/applications/firefox.desktop", name, &exec);
        station.entry("user/share/applications/evil.desktop", name, &exec);
        assert_eq!(station.name(&evil), None, "{name}");
        assert_eq!(station.name(&firefox), vouched("Firefox"));
    }
}

#[test]
fn an_entry_of_the_administrator_does_not_vouch_for_a_users_program() {
    let station = Workstation::new();
    let own = station.program("user/lps/lps");
    let exec = own.path.display().to_string();
    station.entry("system/share/applications/lps.desktop", "Logiciel", &exec);
    assert_eq!(station.name(&own), Some(("Logiciel".to_owned(), false)));
}

#[test]
fn a_program_that_only_seems_to_lie_there_has_no_name() {
    let station = Workstation::new();
    let firefox = station.program("system/lib/firefox/firefox");
    let exec = firefox.path.display().to_string();
    station.entry(
        "system/share/applications/firefox.desktop",
        "Firefox",
        &exec,
    );
    // As in a mount namespace of its own: the path is right, the file is another.
    let evil = Executable {
        path: firefox.path,
        ..station.program("user/evil")
    };
    assert_eq!(station.name(&evil), None);
}

#[test]
fn a_command_that_runs_something_else_names_nothing() {
    let station = Workstation::new();
    let pkexec = station.program("system/bin/pkexec");
    let exec = format!("{} editor", pkexec.path.display());
    station.entry("system/share/applications/editor.desktop", "Editor", &exec);
    assert_eq!(station.name(&pkexec), None);
}

#[test]
fn of_several_entries_the_programs_own_is_taken() {
    let station = Workstation::new();
    let office = station.program("system/lib/office/office");
    let exec = office.path.display().to_string();
    station.entry(
        "system/share/applications/a.desktop",
        "Writer",
        &format!("{exec} --writer"),
    );
    station.entry(
        "system/share/applications/b.desktop",
        "Office",
        &format!("{exec} %U"),
    );
    assert_eq!(station.name(&office), vouched("Office"));
}

#[test]
fn a_hidden_entry_hides_the_one_it_replaces_but_a_users_hides_nothing() {
    let station = Workstation::new();
    let one = station.program("system/lib/one/one");
    let two = station.program("system/lib/two/two");
    let hidden = "[Desktop Entry]\nHidden=true\n";
    for (program, id) in [(&one, "one"), (&two, "two")] {
        let file = format!("system/share/applications/{id}.desktop");
        station.entry(&file, id, &program.path.display().to_string());
    }
    station.write("system/local/share/applications/one.desktop", hidden);
    station.write("user/share/applications/two.desktop", hidden);
    assert_eq!(station.name(&one), None);
    assert_eq!(station.name(&two), vouched("two"));
}

#[test]
fn an_entry_that_comes_later_is_found() {
    let station = Workstation::new();
    let program = station.program("system/lib/one/one");
    assert_eq!(station.name(&program), None);
    let exec = program.path.display().to_string();
    station.entry("system/share/applications/one.desktop", "One", &exec);
    assert_eq!(station.name(&program), vouched("One"));
}

#[test]
fn a_snap_is_named_by_what_snapd_mounted() {
    let station = Workstation::new();
    let firefox = station.program("system/snap/firefox/4242/usr/lib/firefox/firefox");
    station.entry(
        "system/snapd/desktop/applications/firefox_firefox.desktop",
        "Firefox",
        "env A=b /snap/bin/firefox %u",
    );
    let snap = Some("snap:firefox");
    assert_eq!(station.found(&firefox, snap), vouched("Firefox"));
    // A scope may carry any name.
    let evil = station.program("user/evil");
    assert_eq!(station.found(&evil, snap), None);
    let other = station.program("system/snap/other/1/bin/other");
    assert_eq!(station.found(&other, snap), None);
}

#[test]
fn a_flatpak_is_named_by_its_installation() {
    let station = Workstation::new();
    let id = "org.mozilla.firefox";
    let files = format!("flatpak/app/{id}/current/active/files/lib/firefox");
    let inside = |installed: Executable| Executable {
        path: "/app/lib/firefox".into(),
        ..installed
    };
    let app_id = format!("flatpak:{id}");
    let installed = inside(station.program(&format!("system/{files}")));
    let entry = format!("system/flatpak/exports/share/applications/{id}.desktop");
    station.entry(
        &entry,
        "Firefox",
        "/usr/bin/flatpak run --branch=stable org.mozilla.firefox",
    );
    assert_eq!(station.found(&installed, Some(&app_id)), vouched("Firefox"));
    // The same claim by a file that is not the installed one.
    let evil = inside(station.program("user/evil"));
    assert_eq!(station.found(&evil, Some(&app_id)), None);
    // In the user's own installation every program of the user may have written it.
    let own = inside(station.program(&format!("user/share/{files}")));
    assert_eq!(
        station.found(&own, Some(&app_id)),
        Some(("Firefox".to_owned(), false))
    );
}

#[test]
fn a_link_gives_no_honest_entry_a_false_id() {
    let station = Workstation::new();
    let other = station.program("system/lib/other/other");
    let exec = other.path.display().to_string();
    let entry = "system/share/applications/other.desktop";
    station.entry(entry, "Other", &exec);
    let id = "fr.example.App";
    let link = station.path(&format!("user/share/applications/{id}.desktop"));
    fs::create_dir_all(link.parent().expect("folder")).expect("folders");
    symlink(station.path(entry), link).expect("link");
    let installed = Executable {
        path: "/app/app".into(),
        ..station.program(&format!("system/flatpak/app/{id}/current/active/files/app"))
    };
    assert_eq!(
        station.found(&installed, Some(&format!("flatpak:{id}"))),
        None
    );
}

#[test]
fn names_cannot_rewrite_a_dialog() {
    let station = Workstation::new();
    let program = station.program("system/lib/one/one");
    let exec = program.path.display().to_string();
    station.entry(
        "system/share/applications/one.desktop",
        "a\\nb\u{202e}c",
        &exec,
    );
    let (name, _) = station.name(&program).expect("named");
    assert!(!name.contains(['\n', '\u{202e}']), "{name}");
}

#[test]
fn only_what_root_alone_can_write_is_guarded() {
    assert!(only_root_writes(Path::new("/usr/bin/env")));
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    // Everybody can write where temporary folders are made.
    assert!(!only_root_writes(&file));
    assert!(!only_root_writes(Path::new("/nonexistent")));
}
