use std::fs;

use serde_json::{Value, json};

use super::*;

/// A made-up home and system, with a module.
struct Made {
    folder: tempfile::TempDir,
    station: Workstation,
    module: PathBuf,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let station = Workstation {
            config: home.join(".config"),
            home,
            root: folder.path().join("root"),
        };
        let module = folder.path().join("libcpsd_pkcs11.so");
        Self {
            folder,
            station,
            module,
        }
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn registered(&self) -> Wanted {
        Wanted::Registered {
            module: self.module.clone(),
            authorities: Vec::default(),
        }
    }
}

const REMOVED: Wanted = Wanted::Removed { module: None };

fn code(step: &Step) -> &str {
    match &step.plan {
        Plan::Notice(problem) | Plan::Obstacle(problem) => &problem.code,
        Plan::Changes(_) => "",
    }
}

fn apply(steps: &[Step]) {
    for step in steps {
        step.apply().unwrap();
    }
}

#[test]
fn profiles_are_found_where_every_version_keeps_them() {
    let made = Made::new();
    let old = made.folder.path().join("home/.mozilla/firefox");
    let elsewhere = made.folder.path().join("usb/profile");
    let new = made.folder.path().join("home/.config/mozilla/firefox");
    let ini = format!(
        "[Install4F96D1932A9F858E]\nDefault=x.default\n\n[Profile1]\nName=usb\nIsRelative=0\nPath={}\n\
         \n[Profile0]\nName=default\nIsRelative=1\nPath=Profiles/a b\n\n[Profile2]\nPath=gone\n",
        elsewhere.display()
    );
    made.write("home/.mozilla/firefox/profiles.ini", &ini);
    made.write(
        "home/.config/mozilla/firefox/profiles.ini",
        "[Profile0]\nPath=x\n",
    );
    for profile in [&old.join("Profiles/a b"), &elsewhere, &new.join("x")] {
        fs::create_dir_all(profile).unwrap();
    }
    let profiles = made.station.profiles(&workstation::FIREFOX);
    assert_eq!(
        profiles,
        [new.join("x"), old.join("Profiles/a b"), elsewhere]
    );
}

#[test]
fn confined_programs_are_told_and_left_alone() {
    let made = Made::new();
    made.write(
        "home/snap/firefox/common/.mozilla/firefox/profiles.ini",
        "[Profile0]\nPath=x\n",
    );
    made.write("home/snap/firefox/common/.mozilla/firefox/x/cert9.db", "");
    fs::create_dir_all(
        made.station
            .root
            .join("var/lib/flatpak/app/com.google.Chrome"),
    )
    .unwrap();
    fs::create_dir_all(made.station.home.join(".var/app/org.mozilla.Thunderbird")).unwrap();

    let steps = browsers(&made.station, &made.registered());
    let told: Vec<_> = steps
        .iter()
        .filter(|step| code(step) == "setup.sandboxed")
        .map(|step| (step.program, step.place.clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("Firefox", made.station.home.join("snap/firefox")),
            (
                "Chromium/Chrome",
                made.station
                    .root
                    .join("var/lib/flatpak/app/com.google.Chrome")
            ),
        ]
    );
    assert!(!steps.iter().any(Step::changes_something));
    let steps = mail(&made.station, &made.registered());
    assert_eq!(code(&steps[0]), "setup.sandboxed");
    assert!(
        !browsers(&made.station, &REMOVED)
            .iter()
            .any(|step| code(step) == "setup.sandboxed")
    );
}

#[test]
fn a_system_is_registered_and_taken_back() {
    let made = Made::new();
    let root = made.station.root.clone();
    fs::create_dir(&root).unwrap();
    let steps = system(&made.station, &made.registered());
    apply(&steps);
    let policy = root.join("etc/firefox/policies/policies.json");
    let document: Value = serde_json::from_slice(&fs::read(&policy).unwrap()).unwrap();
    // Mozilla's policy templates, SecurityDevices.
    let expected = json!({"policies": {"SecurityDevices": {"Add": {"cpsd": made.module}}}});
    assert_eq!(document, expected);
    let p11_kit = root.join("etc/pkcs11/modules/cpsd.module");
    let description = fs::read_to_string(&p11_kit).unwrap();
    assert_eq!(
        description.lines().nth(1),
        Some(format!("module: {}", made.module.display()).as_str())
    );

    let again = system(&made.station, &made.registered());
    assert!(!again.iter().any(Step::changes_something));
    // The module moved: our own files follow.
    let moved = Wanted::Registered {
        module: "/elsewhere/libcpsd_pkcs11.so".into(),
        authorities: Vec::default(),
    };
    assert!(
        system(&made.station, &moved)
            .iter()
            .all(Step::changes_something)
    );

    apply(&system(&made.station, &REMOVED));
    assert!(!policy.exists() && !p11_kit.exists());
    assert!(
        !system(&made.station, &REMOVED)
            .iter()
            .any(Step::changes_something)
    );
}

#[test]
fn a_file_of_somebody_else_is_never_touched_and_the_addition_is_told() {
    let made = Made::new();
    let ours =
        json!({"policies": {"SecurityDevices": {"Add": {"cpsd": "/old/libcpsd_pkcs11.so"}}}});
    let mut extended = ours;
    extended["policies"]["DisableTelemetry"] = json!(true);
    let texts = [
        extended.to_string(),
        "{}".to_owned(),
        String::default(),
        "not JSON".to_owned(),
    ];
    for text in texts {
        let file = made.write("root/etc/thunderbird/policies/policies.json", &text);
        let steps = system(&made.station, &made.registered());
        let Plan::Obstacle(problem) = &steps[2].plan else {
            panic!("{text}: {steps:?}");
        };
        assert_eq!(problem.code, "setup.foreign_file");
        let addition = format!("{{\"Add\":{{\"cpsd\":{}}}}}", json!(made.module));
        assert!(
            problem.remedy_en.contains(&addition),
            "{}",
            problem.remedy_en
        );
        for step in steps.iter().chain(&system(&made.station, &REMOVED)) {
            let _ = step.apply();
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    // One that already names the module needs nothing.
    extended["policies"]["SecurityDevices"]["Add"]["cpsd"] = json!(made.module);
    made.write(
        "root/etc/thunderbird/policies/policies.json",
        &extended.to_string(),
    );
    let steps = system(&made.station, &made.registered());
    assert_eq!(steps[2].plan, Plan::Changes(Vec::default()));
}

#[test]
fn p11_kit_is_told_once() {
    let made = Made::new();
    let user = || mail(&made.station, &made.registered()).pop().unwrap();
    let place = made.station.config.join("pkcs11/modules/cpsd.module");
    user().apply().unwrap();
    assert!(place.is_file());
    mail(&made.station, &REMOVED)
        .pop()
        .unwrap()
        .apply()
        .unwrap();
    assert!(!place.exists());
    // A package's own description serves every user; its path is relative to p11-kit's folder.
    made.write(
        "root/usr/share/p11-kit/modules/cpsd.module",
        "module: libcpsd_pkcs11.so\n",
    );
    assert_eq!(user().plan, Plan::Changes(Vec::default()));
    // A person's own description stays, and is not ours to remove.
    made.write(
        "root/usr/share/p11-kit/modules/cpsd.module",
        "module: opensc-pkcs11.so\n",
    );
    let own = made.write(
        "home/.config/pkcs11/modules/cpsd.module",
        "module: other.so\n",
    );
    assert_eq!(code(&user()), "setup.foreign_file");
    assert!(
        !mail(&made.station, &REMOVED)
            .pop()
            .unwrap()
            .changes_something()
    );
    assert_eq!(fs::read_to_string(own).unwrap(), "module: other.so\n");
}
