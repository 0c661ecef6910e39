//! Where access tokens come from.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cps_mail::Trouble;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use zeroize::Zeroizing;

/// Gives the access token that a login needs. It is asked just before the login: a token lives for
/// minutes only, and an open session outlives it.
pub trait TokenSource: Send + Sync {
    /// An access token; `fresh`: another one than the last, which the operator has refused.
    ///
    /// # Errors
    ///
    /// [`Trouble::NoToken`], or what the person did with the request.
    fn token(&self, fresh: bool) -> BoxFuture<'_, Result<Zeroizing<String>, Trouble>>;
}

/// A program that prints a token. It is run for each login: nothing is kept here.
pub struct CommandSource<'a> {
    command: &'a [String],
}

/// Why a program gave no token; never with what it printed.
#[derive(Debug, thiserror::Error)]
enum NoToken {
    #[error("no program is configured")]
    Unconfigured,
    #[error("{program} is not an absolute path")]
    Relative { program: String },
    #[error("{program}: {source}")]
    Failed {
        program: String,
        source: std::io::Error,
    },
    #[error("{program} ended with {status}")]
    Refused {
        program: String,
        status: std::process::ExitStatus,
    },
    #[error("{program} did not end within {} s", patience.as_secs())]
    TimedOut { program: String, patience: Duration },
    #[error("{program} printed something else than a token")]
    Malformed { program: String },
}

impl<'a> CommandSource<'a> {
    /// Program (an absolute path) and arguments. It finds [`FRESH`] in its environment when the
    /// operator has refused the token it gave before.
    #[must_use]
    pub fn new(command: &'a [String]) -> Self {
        Self { command }
    }

    async fn run(&self, fresh: bool, patience: Duration) -> Result<Zeroizing<String>, NoToken> {
        let (program, arguments) = self.command.split_first().ok_or(NoToken::Unconfigured)?;
        let program = program.clone();
        if !Path::new(&program).is_absolute() {
            return Err(NoToken::Relative { program });
        }
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // It may tell what must not be in a log.
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let kept = KEPT.map(|name| (name, std::env::var_os(name)));
        command.envs(
            kept.into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        if fresh {
            command.env(FRESH, "1");
        }
        // One allocation: a growing one would leave parts of the token behind.
        let mut printed = Zeroizing::new(Vec::with_capacity(OUTPUT_LIMIT + 1));
        let work = async {
            let mut child = command.spawn()?;
            if let Some(output) = child.stdout.take() {
                let mut output = output.take(OUTPUT_LIMIT as u64 + 1);
                while printed.len() < printed.capacity() {
                    if output.read_buf(&mut *printed).await? == 0 {
                        break;
                    }
                }
            }
            child.wait().await
        };
        match tokio::time::timeout(patience, work).await {
            Err(_) => Err(NoToken::TimedOut { program, patience }),
            Ok(Err(source)) => Err(NoToken::Failed { program, source }),
            Ok(Ok(status)) if !status.success() => Err(NoToken::Refused { program, status }),
            Ok(Ok(_)) => token(printed).ok_or(NoToken::Malformed { program }),
        }
    }
}

impl TokenSource for CommandSource<'_> {
    fn token(&self, fresh: bool) -> BoxFuture<'_, Result<Zeroizing<String>, Trouble>> {
        let run = self.run(fresh, PATIENCE).map(|outcome| {
            outcome.map_err(|error| {
                tracing::warn!(%error, "no access token");
                Trouble::NoToken
            })
        });
        run.boxed()
    }
}

/// The one word that was printed, if it is a token (RFC 6750 §2.1).
fn token(printed: Zeroizing<Vec<u8>>) -> Option<Zeroizing<String>> {
    let word = printed.trim_ascii();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    if word.is_empty() || printed.len() > OUTPUT_LIMIT || !word.iter().all(is_token) {
        return None;
    }
    str::from_utf8(word)
        .ok()
        .map(|word| Zeroizing::new(word.to_owned()))
}

/// Set in the environment of a program whose last token was refused.
pub const FRESH: &str = "CPSD_TOKEN_REFUSED";

/// What a program may need of our environment: the person's folders, language and session.
const KEPT: [&str; 6] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "LANG",
    "LC_ALL",
    "USER",
    "XDG_RUNTIME_DIR",
];

/// How long a program may take: as long as mail clients wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest output. The tokens of Pro Santé Connect have one or two thousand bytes.
const OUTPUT_LIMIT: usize = 16 * 1024;

#[cfg(test)]
mod tests;
