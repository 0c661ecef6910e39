//! Dialogs through a pinentry program (GnuPG, "Pinentry" manual).
//!
//! Why not the `pinentry` crate: it runs the program synchronously and cannot be interrupted. Here
//! a caller that goes away must take its dialog with it, and the PIN must be read into locked
//! memory rather than into a `String`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::assuan::{Lines, Response, decode, encode, locked, misbehaved};
use super::text::Dialog;
use super::{
    ConfirmRequest, Decision, InformRequest, LockedBuffer, PinRequest, PromptError, Prompter,
    Question,
};
use crate::caller::PromptEnvironment;

/// Starts a pinentry program for each dialog.
pub struct Pinentry {
    program: PathBuf,
    patience: Duration,
    /// Whether the daemon itself knows where the practitioner sits.
    own_display: bool,
    /// One dialog per user: two at once would steal each other's keyboard focus.
    turn: Mutex<()>,
}

impl Pinentry {
    /// Uses `program` (a path, or a name found in `PATH`); a dialog without an answer is closed
    /// after `patience`. Dialogs open on the daemon's own display; a daemon without one (started
    /// before the desktop, or outside it) has to believe the caller where the practitioner sits.
    pub fn new(program: PathBuf, patience: Duration) -> Self {
        Self {
            program,
            patience,
            own_display: ["DISPLAY", "WAYLAND_DISPLAY"]
                .into_iter()
                .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())),
            turn: Mutex::new(()),
        }
    }

    /// Shows one dialog and returns how it was closed.
    async fn show(
        &self,
        dialog: Dialog,
        environment: &PromptEnvironment,
        command: &str,
    ) -> Result<Answer, PromptError> {
        let _turn = self.turn.lock().await;
        // A program could name a screen or a terminal of its own making, and answer there itself.
        let elsewhere = PromptEnvironment {
            lang: environment.lang.clone(),
            ..PromptEnvironment::default()
        };
        let environment = match self.own_display {
            true => &elsewhere,
            false => environment,
        };
        let talk = async {
            let mut session = Session::start(&self.program, environment).await?;
            session.introduce(environment, self.patience).await?;
            let three_buttons = dialog.once.is_some() && session.has_three_buttons().await?;
            session.describe(&dialog, three_buttons).await?;
            let answer = session.command(command).await?;
            Ok(match answer {
                Answer::Error(NOT_CONFIRMED, _) if three_buttons => Answer::Once,
                answer => answer,
            })
        };
        match tokio::time::timeout(self.patience, talk).await {
            Ok(answer) => answer,
            Err(_) => Err(PromptError::TimedOut),
        }
    }
}

impl Prompter for Pinentry {
    fn pin(&self, request: PinRequest) -> BoxFuture<'_, Result<LockedBuffer, PromptError>> {
        async move {
            let dialog = Dialog::from(&request);
            match self
                .show(dialog, &request.subject.environment, "GETPIN")
                .await?
            {
                Answer::Ok(typed) => Ok(typed),
                Answer::Error(code, text) => Err(refusal(code, text)),
                Answer::Once => Err(PromptError::Cancelled),
            }
        }
        .boxed()
    }

    fn confirm(&self, request: ConfirmRequest) -> BoxFuture<'_, Result<Decision, PromptError>> {
        async move {
            let dialog = Dialog::from(&request);
            let answer = self
                .show(dialog, &request.subject.environment, "CONFIRM")
                .await?;
            match (answer, request.question) {
                (Answer::Ok(_), Question::Allow { days: 0 }) => Ok(Decision::ForSession),
                (Answer::Ok(_), Question::Allow { days }) => Ok(Decision::Days(days)),
                (
                    Answer::Ok(_),
                    Question::AllowOnce
                    | Question::LastTry
                    | Question::PerhapsLastTry
                    | Question::PinPad,
                ) => Ok(Decision::Once),
                (Answer::Once, _) => Ok(Decision::Once),
                (Answer::Error(CANCELLED | FULLY_CANCELLED | NOT_CONFIRMED, _), _) => {
                    Ok(Decision::Deny)
                }
                (Answer::Error(code, text), _) => Err(refusal(code, text)),
            }
        }
        .boxed()
    }

    fn inform(&self, request: InformRequest) -> BoxFuture<'_, Result<(), PromptError>> {
        async move {
            let dialog = Dialog::from(&request);
            let environment = &request.subject.environment;
            match self
                .show(dialog, environment, "CONFIRM --one-button")
                .await?
            {
                Answer::Error(CANCELLED | FULLY_CANCELLED | NOT_CONFIRMED | TIMED_OUT, _)
                | Answer::Ok(_)
                | Answer::Once => Ok(()),
                Answer::Error(code, text) => Err(refusal(code, text)),
            }
        }
        .boxed()
    }
}

/// How a command ended.
enum Answer {
    /// `ERR`: code and text.
    Error(u16, String),
    /// `OK`, with the data sent before it.
    Ok(LockedBuffer),
    /// The third button, where the dialog has one.
    Once,
}

/// One running pinentry. Dropping it kills the program: its window closes.
struct Session {
    _child: Child,
    input: ChildStdin,
    output: Lines<ChildStdout>,
}

impl Session {
    async fn start(program: &Path, environment: &PromptEnvironment) -> Result<Self, PromptError> {
        let unavailable = |what: &dyn std::fmt::Display| PromptError::Unavailable {
            what: format!("{}: {what}", program.display()),
        };
        let mut command = Command::new(program);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        // The sockets that systemd gave to the daemon are none of its business.
        for name in [
            "LISTEN_FDS",
            "LISTEN_FDNAMES",
            "LISTEN_PID",
            "NOTIFY_SOCKET",
        ] {
            command.env_remove(name);
        }
        // Only when the caller shows where it is.
        if environment.display.is_some() || environment.wayland.is_some() {
            let variables = [
                ("DISPLAY", &environment.display),
                ("WAYLAND_DISPLAY", &environment.wayland),
                ("XAUTHORITY", &environment.xauthority),
            ];
            for (name, value) in variables {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
        }
        if let Some(lang) = &environment.lang {
            command.env("LC_ALL", lang);
        }
        let mut child = command.spawn().map_err(|error| unavailable(&error))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unavailable(&"its input and output are not connected"));
        };
        let mut session = Self {
            _child: child,
            input,
            output: Lines::new(output)?,
        };
        match session.answer().await? {
            Answer::Error(_, text) => Err(unavailable(&text)),
            _ => Ok(session),
        }
    }

    /// Tells where and in which language; what a pinentry does not know of this does not matter.
    async fn introduce(
        &mut self,
        environment: &PromptEnvironment,
        patience: Duration,
    ) -> Result<(), PromptError> {
        let lang = &environment.lang;
        let options = [
            ("display", &environment.display),
            ("ttyname", &environment.tty),
            ("ttytype", &environment.terminal),
            ("lc-ctype", lang),
            ("lc-messages", lang),
        ];
        for (name, value) in options {
            if let Some(value) = value {
                self.command(&format!("OPTION {name}={}", encode(value)))
                    .await?;
            }
        }
        // Its own clock, so that it closes by itself even if we are stopped meanwhile.
        self.command(&format!("SETTIMEOUT {}", patience.as_secs()))
            .await?;
        // No name for this PIN: nothing that a password store could keep it under.
        self.command("SETKEYINFO --clear").await?;
        Ok(())
    }

    /// Whether refusing can be told from the third button. Where it cannot (GNOME), a dialog has
    /// two buttons: taking a refusal for a weaker yes would be the worst of errors.
    async fn has_three_buttons(&mut self) -> Result<bool, PromptError> {
        Ok(match self.command("GETINFO flavor").await? {
            Answer::Ok(flavor) => ["curses", "gtk2", "qt", "tty"]
                .iter()
                .any(|known| flavor.bytes().starts_with(known.as_bytes())),
            _ => false,
        })
    }

    async fn describe(&mut self, dialog: &Dialog, three: bool) -> Result<(), PromptError> {
        let once = dialog.once.as_deref().filter(|_| three).unwrap_or_default();
        let texts = [
            ("SETTITLE", dialog.title.as_str()),
            ("SETDESC", &dialog.description),
            ("SETPROMPT", &dialog.prompt),
            ("SETOK", &dialog.ok),
            ("SETCANCEL", &dialog.cancel),
            ("SETNOTOK", once),
            ("SETERROR", dialog.error.as_deref().unwrap_or_default()),
        ];
        for (command, text) in texts {
            if text.is_empty() {
                continue;
            }
            let answer = self.command(&format!("{command} {}", encode(text))).await?;
            // A dialog that does not say what it is about must not be shown.
            if let Answer::Error(_, text) = answer {
                return Err(misbehaved(&format!("{command} was refused: {text}")));
            }
        }
        Ok(())
    }

    async fn command(&mut self, line: &str) -> Result<Answer, PromptError> {
        let sent = self.input.write_all(format!("{line}\n").as_bytes()).await;
        sent.map_err(|error| misbehaved(&format!("it does not listen: {error}")))?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Answer, PromptError> {
        let mut data = locked()?;
        for _ in 0..ANSWER_LINES {
            match self.output.next().await? {
                Response::Aside => {}
                Response::Data(encoded) => decode(encoded, &mut data)?,
                Response::Error(code, text) => return Ok(Answer::Error(code, text)),
                Response::Ok => return Ok(Answer::Ok(data)),
            }
        }
        Err(misbehaved("an answer without end"))
    }
}

fn refusal(code: u16, text: String) -> PromptError {
    match code {
        CANCELLED | FULLY_CANCELLED | NOT_CONFIRMED => PromptError::Cancelled,
        TIMED_OUT => PromptError::TimedOut,
        _ => PromptError::Unavailable {
            what: format!("{text} (code {code})"),
        },
    }
}

/// An answer is a handful of status lines, at most one PIN, and its end.
const ANSWER_LINES: usize = 64;
// Codes of libgpg-error.
const TIMED_OUT: u16 = 62;
const CANCELLED: u16 = 99;
const NOT_CONFIRMED: u16 = 114;
const FULLY_CANCELLED: u16 = 198;

#[cfg(test)]
mod tests;
