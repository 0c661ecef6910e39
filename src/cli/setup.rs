//! Making the PKCS#11 module, and the mail gateway, known to the programs of this workstation.
//!
//! # Layout
//!
//! - [`browsers`], [`mail`], [`system`]: what there is to do, as [`Step`]s; nothing is changed before
//!   [`Step::apply`].
//! - `workstation`: where programs keep their settings; `running`: whether they are open.
//! - `nss`: databases of Firefox, Thunderbird and Chromium, changed by `modutil` and `certutil` only.
//! - `preferences`: where Thunderbird asks for the settings of mailboxes.
//! - `owned`: whole files, written and removed only when they are ours.
//! - `module`: where the module is; `tool`: a foreign program, run with a deadline.

use std::path::{Path, PathBuf};

use cps_api::{Code, Problem};
use serde::Serialize;

pub(crate) mod module;
mod nss;
mod owned;
pub(crate) mod preferences;
mod running;
mod tool;
mod workstation;

pub(crate) use workstation::Workstation;

/// What is to be at every place.
pub(crate) enum Wanted {
    /// The module, and these authorities for servers.
    Registered {
        module: PathBuf,
        authorities: Vec<Authority>,
    },
    /// Thunderbird asks this address for the settings of mailboxes; nothing about the module.
    Gateway { url: String },
    /// Nothing of ours. Ours is the library with the name of the module, or this one.
    Removed { module: Option<PathBuf> },
}

impl Wanted {
    /// Whether an entry for `library` is one that this command makes.
    fn is_ours(&self, library: &Path) -> bool {
        let given = match self {
            Self::Registered { module, .. } => Some(module),
            Self::Removed { module } => module.as_ref(),
            Self::Gateway { .. } => None,
        };
        module::is_module(library) || given.is_some_and(|given| given == library)
    }
}

/// A certification authority for servers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Authority {
    /// Its name, for people.
    pub(crate) name: String,
    /// Its certificate: DER in base64, as the API gives it.
    pub(crate) der: String,
}

/// One place, and what there is to do there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Step {
    /// The program, as people call it.
    pub(crate) program: &'static str,
    /// Its database or file.
    pub(crate) place: PathBuf,
    pub(crate) plan: Plan,
}

/// What there is to do at one place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    /// These changes, in this order; none when everything is as wanted.
    Changes(Vec<Change>),
    /// Something to do, which cannot be done now.
    Obstacle(Box<Problem>),
    /// Nothing that could ever be done here, which is worth knowing.
    Notice(Box<Problem>),
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum Change {
    AddAuthority { name: String, certificate: String },
    AddModule { module: PathBuf },
    CreateDatabase,
    RemoveAuthority { name: String },
    RemoveFile,
    RemoveModule,
    RemovePreference { name: &'static str },
    SetPreference { name: &'static str, value: String },
    WriteFile { content: String },
}

impl Step {
    fn new(program: &'static str, place: PathBuf, plan: Plan) -> Self {
        Self {
            program,
            place,
            plan,
        }
    }

    /// Whether there is a change to make.
    pub(crate) fn changes_something(&self) -> bool {
        matches!(&self.plan, Plan::Changes(changes) if !changes.is_empty())
    }

    /// The step as it is once it no longer is what a person agreed to.
    pub(crate) fn changed(self) -> Self {
        let plan = obstacle(Problem::new(Code::SetupChanged));
        Self { plan, ..self }
    }

    /// Makes the changes; ends at the first that fails.
    ///
    /// # Errors
    /// The obstacle, or why a change failed; those before it were made.
    pub(crate) fn apply(&self) -> Result<(), Box<Problem>> {
        match &self.plan {
            Plan::Changes(changes) => changes
                .iter()
                .try_for_each(|change| change.apply(&self.place)),
            Plan::Obstacle(problem) | Plan::Notice(problem) => Err(problem.clone()),
        }
    }
}

impl Change {
    fn apply(&self, place: &Path) -> Result<(), Box<Problem>> {
        match self {
            Self::AddAuthority { name, certificate } => {
                nss::add_authority(place, name, certificate)
            }
            Self::AddModule { module } => nss::add_module(place, module),
            Self::CreateDatabase => nss::create(place),
            Self::RemoveAuthority { name } => nss::remove_authority(place, name),
            Self::RemoveFile => owned::remove(place),
            Self::RemoveModule => nss::remove_module(place),
            Self::RemovePreference { .. } => preferences::change(place, None),
            Self::SetPreference { value, .. } => preferences::change(place, Some(value)),
            Self::WriteFile { content } => owned::write(place, content),
        }
    }
}

/// Firefox's profiles, and the database that Chromium and Chrome share.
pub(crate) fn browsers(station: &Workstation, wanted: &Wanted) -> Vec<Step> {
    let mut steps = mozilla(station, &workstation::FIREFOX, wanted);
    let chromium = &workstation::CHROMIUM;
    let removed = matches!(wanted, Wanted::Removed { .. });
    if let Some(database) = station.chromium_database(removed) {
        let running = || station.chromium_running();
        let plan = nss::plan(chromium.name, &database, wanted, running);
        steps.push(Step::new(chromium.name, database, plan));
    }
    if !removed {
        steps.extend(sandboxed(station, chromium));
    }
    steps
}

/// Thunderbird's profiles, and p11-kit for the programs of this user that ask it (GnuTLS: Evolution,
/// `gnutls-cli`).
pub(crate) fn mail(station: &Workstation, wanted: &Wanted) -> Vec<Step> {
    let thunderbird = &workstation::THUNDERBIRD;
    if matches!(wanted, Wanted::Gateway { .. }) {
        let mut steps = autoconfig(station, wanted);
        if steps.is_empty() {
            steps.extend(never_opened(station, thunderbird));
        }
        return steps;
    }
    let mut steps = mozilla(station, thunderbird, wanted);
    if matches!(wanted, Wanted::Removed { .. }) {
        let ours = |step: &Step| step.plan != NOTHING;
        steps.extend(autoconfig(station, wanted).into_iter().filter(ours));
    }
    let place = station.config.join("pkcs11/modules/cpsd.module");
    let plan = owned::p11_kit(station, &place, wanted);
    steps.push(Step::new(P11_KIT, place, plan));
    steps
}

/// p11-kit for every user, and the policies of Firefox and Thunderbird.
pub(crate) fn system(station: &Workstation, wanted: &Wanted) -> Vec<Step> {
    let place = station.root.join("etc/pkcs11/modules/cpsd.module");
    let plan = owned::p11_kit(station, &place, wanted);
    let mut steps = vec![Step::new(P11_KIT, place, plan)];
    for (program, file) in [
        ("Firefox", "etc/firefox/policies/policies.json"),
        ("Thunderbird", "etc/thunderbird/policies/policies.json"),
    ] {
        let place = station.root.join(file);
        let plan = owned::policy(&place, wanted);
        steps.push(Step::new(program, place, plan));
    }
    steps
}

/// Whether the programs of this user know the module, and the verb of `cps setup` that would tell
/// them; none when the module itself is not there. Nothing about programs that were never opened, nor
/// about p11-kit unless it was told: few need it.
pub(crate) fn registrations(station: &Workstation) -> Option<Vec<(Step, &'static str)>> {
    let wanted = Wanted::Registered {
        module: module::find()?,
        authorities: Vec::default(),
    };
    let system = system(station, &wanted);
    let policy = |program| {
        let mut steps = system.iter().filter(|step| step.program == program);
        steps.any(|step| step.plan == NOTHING)
    };
    let browsers = browsers(station, &wanted).into_iter();
    let browsers = browsers.map(|step| (step, "browsers"));
    let mail = mail(station, &wanted)
        .into_iter()
        .map(|step| (step, "mail"));
    let steps = browsers.chain(mail).filter_map(|(mut step, verb)| {
        let sandboxed = Code::SetupSandboxed.as_str();
        let wanted = match &step.plan {
            Plan::Notice(problem) => problem.code == sandboxed,
            plan => *plan == NOTHING || step.program != P11_KIT,
        };
        if policy(step.program) && !matches!(step.plan, Plan::Notice(_)) {
            step.plan = NOTHING;
        }
        wanted.then_some((step, verb))
    });
    Some(steps.collect())
}

fn mozilla(station: &Workstation, program: &workstation::Program, wanted: &Wanted) -> Vec<Step> {
    let mut steps: Vec<_> = station
        .profiles(program)
        .into_iter()
        .map(|profile| {
            let running = || running::mozilla(&profile);
            let plan = nss::plan(program.name, &profile, wanted, running);
            Step::new(program.name, profile, plan)
        })
        .collect();
    if matches!(wanted, Wanted::Removed { .. }) {
        return steps;
    }
    let confined = sandboxed(station, program);
    // What stands in PATH for a confined program is a wrapper.
    if steps.is_empty() && confined.is_empty() {
        steps.extend(never_opened(station, program));
    }
    steps.extend(confined);
    steps
}

/// Where Thunderbird asks for the settings of mailboxes.
fn autoconfig(station: &Workstation, wanted: &Wanted) -> Vec<Step> {
    let program = &workstation::THUNDERBIRD;
    let profiles = station.profiles(program).into_iter();
    profiles
        .map(|profile| {
            let running = || running::mozilla(&profile);
            let file = profile.join("prefs.js");
            let plan = preferences::plan(program.name, &file, wanted, running);
            Step::new(program.name, file, plan)
        })
        .collect()
}

fn never_opened(station: &Workstation, program: &workstation::Program) -> Option<Step> {
    let binary = station.binary(program)?;
    let problem = Problem::new(Code::SetupNeverOpened).with("program", program.name);
    Some(Step::new(program.name, binary, notice(problem)))
}

fn sandboxed(station: &Workstation, program: &workstation::Program) -> Vec<Step> {
    let confined = station.confined(program).into_iter();
    confined
        .map(|(format, place)| {
            let problem = Problem::new(Code::SetupSandboxed).with("program", program.name);
            Step::new(program.name, place, notice(problem.with("format", format)))
        })
        .collect()
}

fn notice(problem: impl Into<Box<Problem>>) -> Plan {
    Plan::Notice(problem.into())
}

fn obstacle(problem: impl Into<Box<Problem>>) -> Plan {
    Plan::Obstacle(problem.into())
}

const NOTHING: Plan = Plan::Changes(Vec::new());

/// Under which name the module is registered wherever names exist.
const NAME: &str = "cpsd";

const P11_KIT: &str = "p11-kit";

#[cfg(test)]
mod tests;
