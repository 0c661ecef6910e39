//! `cps setup`: shows what would be changed, asks, does it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use cps_api::types::AnchorRole;
use cps_api::{Client, Code, Error, Problem};
use rustix::fs::Mode;
use serde_json::{Value, json};

use super::{Context, Done};
use crate::arguments::{Setup, SetupOptions};
use crate::failure::{Failure, say};
use crate::output::{plain, print, print_json};
use crate::setup::{self, Authority, Change, Plan, Step, Wanted, Workstation, module, preferences};

/// Registers the module, or takes it back.
pub(super) fn run(context: &Context, client: Result<Client, Error>, what: &Setup) -> Done {
    let (options, station, authorities) = match what {
        Setup::Browsers {
            options,
            authorities,
        }
        | Setup::Mail {
            options,
            authorities,
            ..
        } => {
            let station = Workstation::new()?;
            of_this_user(&station.home)?;
            (options, station, *authorities)
        }
        Setup::System { options, destdir } => {
            // What an administrator writes is for everyone.
            rustix::process::umask(Mode::from_raw_mode(0o022));
            (options, Workstation::of_system(destdir), false)
        }
    };
    let wanted = if let Setup::Mail { gateway: true, .. } = what {
        Wanted::Gateway {
            url: autoconfig(&client?)?,
        }
    } else {
        let authorities = match authorities {
            true => present(&client?)?,
            false => Vec::default(),
        };
        wanted(options, authorities)?
    };
    let steps = || match what {
        Setup::Browsers { .. } => setup::browsers(&station, &wanted),
        Setup::Mail { .. } => setup::mail(&station, &wanted),
        Setup::System { .. } => setup::system(&station, &wanted),
    };
    let planned = steps();
    let removes = matches!(wanted, Wanted::Removed { .. });
    if !removes && planned.is_empty() {
        return Err(Problem::new(Code::SetupNothingFound).into());
    }
    let changes = planned.iter().any(Step::changes_something);
    if !context.json {
        print(&shown(context, &planned))?;
    }
    if options.dry_run || !changes || (context.json && !options.yes) {
        return finish(context, &planned, |step| match &step.plan {
            Plan::Changes(changes) if changes.is_empty() => Outcome::Unchanged,
            Plan::Changes(_) => Outcome::Planned,
            Plan::Notice(problem) => Outcome::Notice(problem.clone()),
            Plan::Obstacle(problem) => Outcome::Failed(problem.clone()),
        });
    }
    let steps = match options.yes {
        true => planned,
        false if agreed(context)? => still(planned, &steps()),
        false => return Err(Problem::new(Code::SetupDeclined).into()),
    };
    finish(context, &steps, |step| match &step.plan {
        Plan::Changes(changes) if changes.is_empty() => Outcome::Unchanged,
        Plan::Notice(problem) => Outcome::Notice(problem.clone()),
        _ => match step.apply() {
            Ok(()) => Outcome::Done,
            Err(problem) => Outcome::Failed(problem),
        },
    })
}

fn wanted(options: &SetupOptions, authorities: Vec<Authority>) -> Result<Wanted, Box<Problem>> {
    if options.undo {
        let module = options.module.as_deref().map(std::path::absolute);
        let module = module.transpose().ok().flatten();
        return Ok(Wanted::Removed { module });
    }
    let module = match &options.module {
        Some(path) => module::at(path)?,
        None => module::find().ok_or_else(|| Problem::new(Code::SetupModuleAbsent))?,
    };
    Ok(Wanted::Registered {
        module,
        authorities,
    })
}

/// Where the gateway tells the settings of its mailboxes.
fn autoconfig(client: &Client) -> Result<String, Failure> {
    let place = client.mail()?.autoconfig;
    let server = place.and_then(|place| place.parse().ok());
    let server = server.ok_or_else(|| Problem::new(Code::MailClosed))?;
    Ok(preferences::autoconfig_url(server))
}

/// Run through sudo, this command would leave files in a person's folders that are not that person's.
fn of_this_user(home: &Path) -> Result<(), Box<Problem>> {
    let owner = fs::metadata(home).map(|metadata| metadata.uid());
    match owner {
        Ok(owner) if owner == rustix::process::geteuid().as_raw() => Ok(()),
        _ => {
            let problem = Problem::new(Code::SetupAnotherUser);
            Err(problem.with("home", home.display().to_string()).into())
        }
    }
}

/// The roots that the daemon believes: servers send the rest of their path.
fn present(client: &Client) -> Result<Vec<Authority>, Failure> {
    let anchors = client.trust()?.anchors.into_iter();
    let authorities: Vec<_> = anchors
        .filter(|anchor| anchor.role == AnchorRole::Root)
        .filter_map(|anchor| {
            let (name, der) = (anchor.name, anchor.der?);
            Some(Authority { name, der })
        })
        .collect();
    if authorities.is_empty() {
        return Err(Problem::new(Code::TrustAbsent).into());
    }
    Ok(authorities)
}

/// The plan as people read it.
fn shown(context: &Context, steps: &[Step]) -> String {
    let mut lines = String::default();
    for step in steps {
        let place = step.place.display().to_string();
        lines.push_str(&format!("{}  {}\n", step.program, plain(&place)));
        match &step.plan {
            Plan::Changes(changes) if changes.is_empty() => {
                let nothing = context.pick("rien à changer", "nothing to change");
                lines.push_str(&format!("    {nothing}\n"));
            }
            Plan::Changes(changes) => {
                for change in changes {
                    for line in described(context, change).lines() {
                        lines.push_str(&format!("    {}\n", plain(line)));
                    }
                }
            }
            // Told at the end.
            Plan::Obstacle(_) => {
                let held = context.pick("impossible pour l'instant", "not possible now");
                lines.push_str(&format!("    {held}\n"));
            }
            Plan::Notice(problem) => {
                let sentence = problem.sentence(context.lang);
                lines.push_str(&format!("    {} [{}]\n", plain(sentence), problem.code));
                lines.push_str(&format!("    → {}\n", plain(problem.remedy(context.lang))));
            }
        }
    }
    lines
}

fn described(context: &Context, change: &Change) -> String {
    match change {
        Change::AddAuthority { name, .. } => format!(
            "+ {} {name}",
            context.pick(
                "autorité reconnue pour les serveurs :",
                "authority trusted for servers:"
            )
        ),
        Change::AddModule { module } => format!(
            "+ {} {}",
            context.pick("module cpsd :", "module cpsd:"),
            module.display()
        ),
        Change::CreateDatabase => context
            .pick("+ base de certificats vide", "+ empty certificate database")
            .to_owned(),
        Change::RemoveAuthority { name } => {
            format!("- {} {name}", context.pick("autorité", "authority"))
        }
        Change::RemoveFile => context.pick("- ce fichier", "- this file").to_owned(),
        Change::RemoveModule => "- module cpsd".to_owned(),
        Change::RemovePreference { name } => {
            format!("- {} {name}", context.pick("préférence", "preference"))
        }
        Change::SetPreference { name, value } => format!(
            "+ {} {name} = {value}",
            context.pick("préférence", "preference")
        ),
        Change::WriteFile { content } => {
            let lines: String = content
                .lines()
                .map(|line| format!("\n    {line}"))
                .collect();
            format!("{}{lines}", context.pick("+ ce fichier :", "+ this file:"))
        }
    }
}

/// Asks on the terminal.
fn agreed(context: &Context) -> Result<bool, Failure> {
    let question = context.pick(
        "Faire ces changements ? [o/N] ",
        "Make these changes? [y/N] ",
    );
    let mut err = io::stderr().lock();
    // Nobody who could read the question: no answer will come either.
    let _ = err.write_all(question.as_bytes());
    let mut answer = String::default();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::reading("-", &error))?;
    if answer.is_empty() {
        // Nothing was typed that would have ended the line.
        let _ = err.write_all(b"\n");
    }
    Ok(matches!(
        answer.trim().to_lowercase().as_str(),
        "o" | "oui" | "y" | "yes"
    ))
}

/// The steps agreed to; a step that is no longer what was shown becomes an obstacle.
fn still(shown: Vec<Step>, now: &[Step]) -> Vec<Step> {
    let same = |step: Step| match now.contains(&step) {
        true => step,
        false => step.changed(),
    };
    shown.into_iter().map(same).collect()
}

/// What became of a step.
enum Outcome {
    Done,
    Failed(Box<Problem>),
    Notice(Box<Problem>),
    Planned,
    Unchanged,
}

impl Outcome {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Notice(_) => "notice",
            Self::Planned => "planned",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Ends every step with `end` and tells what became of it: failed when one failed, or when there was
/// nothing but programs that can never use the card.
fn finish(context: &Context, steps: &[Step], end: impl Fn(&Step) -> Outcome) -> Done {
    let mut documents: Vec<Value> = Vec::default();
    let (mut failed, mut useful) = (false, steps.is_empty());
    for step in steps {
        let outcome = end(step);
        let place = step.place.display().to_string();
        let problem = match &outcome {
            Outcome::Failed(problem) | Outcome::Notice(problem) => Some(problem),
            Outcome::Done | Outcome::Planned | Outcome::Unchanged => None,
        };
        failed |= matches!(outcome, Outcome::Failed(_));
        useful |= !matches!(outcome, Outcome::Notice(_));
        if context.json {
            let changes = match &step.plan {
                Plan::Changes(changes) => changes.as_slice(),
                Plan::Notice(_) | Plan::Obstacle(_) => &[],
            };
            documents.push(
                json!({"program": step.program, "place": place, "changes": changes,
                "outcome": outcome.as_str(), "problem": problem}),
            );
        } else if let Outcome::Failed(problem) = &outcome {
            eprintln!("{}  {}", step.program, plain(&place));
            say(problem, context.lang, false);
        } else if matches!(outcome, Outcome::Done) {
            let done = context.pick("fait", "done");
            print(&format!("{done}  {}  {}\n", step.program, plain(&place)))?;
        }
    }
    if context.json {
        print_json(&json!({ "steps": documents }))?;
    }
    Ok(match failed || !useful {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
