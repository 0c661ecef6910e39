//! `cps doctor`: what the daemon finds, or what can be told from outside when it does not answer.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cps_api::types::{Doctor, Finding, Level};
use cps_api::{Client, Code, Error, Lang, Problem};

use super::{Context, Done};
use crate::failure::Failure;
use crate::files::Replacement;
use crate::output::{plain, print, print_json};
use crate::setup::{self, Plan, Workstation};

/// Shows what is wrong; or writes what the card declares.
pub(super) fn run(context: &Context, client: &Client, card_report: Option<&Path>) -> Done {
    if let Some(file) = card_report {
        return write_report(context, client, file);
    }
    match client.doctor() {
        Ok(mut doctor) => {
            doctor.findings.extend(programs());
            show(context, &doctor)
        }
        Err(Error::Problem(problem)) => Err((*problem).into()),
        Err(error) => without_daemon(context, error, Some(client.socket())),
    }
}

/// Shows what can be told when the daemon at `socket` cannot be asked, because of `error`.
pub(super) fn without_daemon(context: &Context, error: Error, socket: Option<&Path>) -> Done {
    let mut findings = vec![of_problem("cpsd", &error.into())];
    findings.extend(socket.map(socket_finding));
    findings.push(pcscd_finding());
    findings.extend(programs());
    show(context, &Doctor { findings })
}

fn show(context: &Context, doctor: &Doctor) -> Done {
    if context.json {
        print_json(doctor)?;
    } else {
        let lines: String = doctor
            .findings
            .iter()
            .map(|finding| lines(context, finding))
            .collect();
        print(&lines)?;
    }
    let wrong = doctor
        .findings
        .iter()
        .any(|finding| finding.level == Level::Error);
    Ok(if wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn lines(context: &Context, finding: &Finding) -> String {
    let level = match finding.level {
        Level::Ok => context.pick("bon      ", "good     "),
        Level::Error => context.pick("ERREUR   ", "ERROR    "),
        Level::Warning | Level::Other => context.pick("attention", "warning  "),
    };
    let sentence = context.pick(&finding.fr, &finding.en);
    // French puts a no-break space before the colon.
    let colon = context.pick("\u{a0}:", ":");
    let mut lines = format!(
        "{level}  {}{colon} {}",
        plain(&finding.subject),
        plain(sentence)
    );
    if finding.level != Level::Ok {
        lines.push_str(&format!(" [{}]", plain(&finding.code)));
    }
    lines.push('\n');
    let remedy = match context.lang {
        Lang::English => &finding.remedy_en,
        Lang::French => &finding.remedy_fr,
    };
    if let Some(remedy) = remedy {
        lines.push_str(&format!("           → {}\n", plain(remedy)));
    }
    lines
}

/// What the file at `socket` tells of a daemon that does not answer.
fn socket_finding(socket: &Path) -> Finding {
    let subject = socket.display().to_string();
    let finding = |fr: &str, en: &str| Finding {
        code: Code::DaemonAbsent.as_str().to_owned(),
        level: Level::Error,
        subject: subject.clone(),
        fr: fr.to_owned(),
        en: en.to_owned(),
        remedy_fr: None,
        remedy_en: None,
    };
    let own = rustix::process::geteuid().as_raw();
    match fs::symlink_metadata(socket) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => finding(
            "Le point d'accès n'existe pas : le service n'a jamais démarré dans cette session.",
            "The socket does not exist: the service never started in this session.",
        ),
        Err(error) => finding(
            &format!("Le point d'accès ne peut pas être examiné : {error}."),
            &format!("The socket cannot be looked at: {error}."),
        ),
        Ok(metadata) if metadata.uid() != own => finding(
            &format!(
                "Le point d'accès appartient à l'utilisateur {}, et non à vous.",
                metadata.uid()
            ),
            &format!("The socket belongs to user {}, not to you.", metadata.uid()),
        ),
        Ok(_) => match UnixStream::connect(socket) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => finding(
                "Le point d'accès existe mais plus aucun service n'y répond : il s'est arrêté brutalement.",
                "The socket exists but no service answers there any more: it stopped abruptly.",
            ),
            Err(error) => finding(
                &format!("Le point d'accès ne peut pas être ouvert : {error}."),
                &format!("The socket cannot be opened: {error}."),
            ),
            Ok(_) => finding(
                "Quelque chose écoute sur le point d'accès, mais ne répond pas comme cpsd.",
                "Something listens at the socket, but does not answer as cpsd does.",
            ),
        },
    }
}

/// Whether the reader service answers, as far as it can be told from outside.
fn pcscd_finding() -> Finding {
    // pcsc-lite reads the same variable.
    let socket = env::var_os("PCSCLITE_CSOCK_NAME").map(PathBuf::from);
    let socket = socket.unwrap_or_else(|| PathBuf::from("/run/pcscd/pcscd.comm"));
    match UnixStream::connect(&socket) {
        Ok(_) => Finding {
            code: "ok".to_owned(),
            level: Level::Ok,
            subject: "pcscd".to_owned(),
            fr: "Le service des lecteurs de carte répond.".to_owned(),
            en: "The card reader service answers.".to_owned(),
            remedy_fr: None,
            remedy_en: None,
        },
        Err(_) => of_problem("pcscd", &Problem::new(Code::ReaderServiceAbsent)),
    }
}

/// Whether the browsers and mail programs of this user know the module. It is `cps` that looks: their
/// settings are this user's files, which are none of the daemon's business.
fn programs() -> Vec<Finding> {
    let Ok(station) = Workstation::new() else {
        return Vec::default();
    };
    let Some(steps) = setup::registrations(&station) else {
        let problem = Problem::new(Code::SetupModuleAbsent);
        return vec![told(Level::Warning, "PKCS#11", &problem)];
    };
    let findings = steps.into_iter().map(|(step, verb)| {
        let subject = format!("{} ({})", step.program, step.place.display());
        let unregistered = || {
            let problem = Problem::new(Code::SetupUnregistered).with("program", step.program);
            told(Level::Warning, &subject, &problem.with("what", verb))
        };
        match &step.plan {
            Plan::Changes(changes) if changes.is_empty() => Finding {
                code: "ok".to_owned(),
                level: Level::Ok,
                subject,
                fr: "Le module PKCS#11 y est enregistré.".to_owned(),
                en: "The PKCS#11 module is registered there.".to_owned(),
                remedy_fr: None,
                remedy_en: None,
            },
            Plan::Changes(_) => unregistered(),
            // It keeps the change from being made, not the card from being used.
            Plan::Obstacle(problem) if !lasting(problem) => unregistered(),
            Plan::Notice(problem) | Plan::Obstacle(problem) => {
                told(Level::Warning, &subject, problem)
            }
        }
    });
    findings.collect()
}

/// Whether an obstacle is one that a person must remove by hand.
fn lasting(problem: &Problem) -> bool {
    [
        Code::FileUnreadable,
        Code::SetupConflict,
        Code::SetupForeignFile,
    ]
    .iter()
    .any(|code| code.as_str() == problem.code)
}

fn of_problem(subject: &str, problem: &Problem) -> Finding {
    told(Level::Error, subject, problem)
}

fn told(level: Level, subject: &str, problem: &Problem) -> Finding {
    Finding {
        code: problem.code.clone(),
        level,
        subject: subject.to_owned(),
        fr: problem.fr.clone(),
        en: problem.en.clone(),
        remedy_fr: Some(problem.remedy_fr.clone()),
        remedy_en: Some(problem.remedy_en.clone()),
    }
}

fn write_report(context: &Context, client: &Client, file: &Path) -> Done {
    let name = file.display().to_string();
    let unwritten = |error: io::Error| Failure::writing(&name, &error);
    if file == Path::new("-") {
        print_json(&client.card_report(context.card())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = Replacement::new(file).map_err(unwritten)?;
    let report = client.card_report(context.card())?;
    let written = out.write_all(format!("{report:#}\n").as_bytes());
    written.and_then(|()| out.commit()).map_err(unwritten)?;
    let done = context.pick(
        "Description de la carte écrite, sans code ni donnée personnelle\u{a0}:",
        "Description of the card written, without PIN nor personal data:",
    );
    if !context.json {
        print(&format!("{done} {}\n", plain(&name)))?;
    }
    Ok(ExitCode::SUCCESS)
}
