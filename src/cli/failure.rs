//! Why a verb ended early, and how that is said.

use std::io;
use std::process::ExitCode;

use cps_api::{Code, Error, Lang, Problem};

/// Why a verb ended early.
pub(crate) enum Failure {
    /// Nobody reads the output any more (`cps journal | head`): nothing to say.
    OutputClosed,
    /// Something refused or failed.
    Problem(Box<Problem>),
}

impl Failure {
    /// Says it on standard error; gives the exit status.
    pub(crate) fn report(&self, lang: Lang, json: bool) -> ExitCode {
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Problem(problem) => {
                say(problem, lang, json);
                ExitCode::FAILURE
            }
        }
    }

    /// The file `name` could not be read.
    pub(crate) fn reading(name: &str, error: &io::Error) -> Self {
        Self::file(Code::FileUnreadable, name, error)
    }

    /// The file `name` could not be written.
    pub(crate) fn writing(name: &str, error: &io::Error) -> Self {
        Self::file(Code::FileUnwritable, name, error)
    }

    fn file(code: Code, name: &str, error: &io::Error) -> Self {
        let problem = Problem::new(code).with("file", name);
        problem.with("reason", error.to_string()).into()
    }

    /// Standard output could not be written.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::writing("-", error),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Box<Problem>> for Failure {
    fn from(problem: Box<Problem>) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}

/// Says a problem on standard error: the sentence, its code, and what to do.
pub(crate) fn say(problem: &Problem, lang: Lang, json: bool) {
    if json && let Ok(document) = serde_json::to_string(problem) {
        eprintln!("{document}");
        return;
    }
    let line = crate::output::plain;
    eprintln!(
        "cps: {} [{}]",
        line(problem.sentence(lang)),
        line(&problem.code)
    );
    if problem.detail != problem.en {
        eprintln!("     ({})", line(&problem.detail));
    }
    eprintln!("     {}", line(problem.remedy(lang)));
}
