//! `cpsd`: arguments, logs, signals. Everything else is in the library.

#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use cpsd::config::Config;
use cpsd::daemon::{Daemon, DaemonOptions};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Lends the identity on a French health professional's card to the programs of its holder.
#[derive(Parser)]
#[command(name = "cpsd", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read the configuration, and say what is wrong with it.
    CheckConfig {
        /// Configuration file, in place of the usual ones.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// The process in which a PKCS#11 module runs; only the daemon starts it.
    #[command(hide = true)]
    ModuleHost {
        /// What the configuration calls the module, for the process list.
        name: String,
    },
    /// Run in the foreground; logs go to standard error (CPSD_LOG sets what is logged).
    Run {
        /// Configuration file, in place of the usual ones.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Socket, in place of systemd's or $XDG_RUNTIME_DIR/cpsd/cpsd.sock.
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
        /// Folder of the journal, the grants and the caches, in place of ~/.local/state/cpsd.
        #[arg(long, value_name = "DIR")]
        state_dir: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::CheckConfig { config } => check_config(config),
        Command::ModuleHost { .. } => cpsd::modules::process::run().map_err(Into::into),
        Command::Run {
            config,
            socket,
            state_dir,
        } => run(config, socket, state_dir),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cpsd: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn check_config(config: Option<PathBuf>) -> Outcome {
    match load(config)? {
        (_, Some(path)) => println!("{}: in order", path.display()),
        (_, None) => println!("no configuration file: every key has its default"),
    }
    Ok(())
}

fn run(config: Option<PathBuf>, socket: Option<PathBuf>, state_dir: Option<PathBuf>) -> Outcome {
    let filter = EnvFilter::try_from_env("CPSD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    // First of all: nothing secret is read before.
    cpsd::hardening::apply()?;
    let (config, path) = load(config)?;
    tracing::info!(config = ?path, "starting");
    let mut options = DaemonOptions::new(config, state_folder(state_dir)?);
    options.socket = socket;
    // Requests wait for people and cards, not for processors.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(64)
        .thread_keep_alive(Duration::from_secs(5))
        .enable_all()
        .build()?
        .block_on(serve(options))
}

async fn serve(options: DaemonOptions) -> Outcome {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut daemon = Daemon::start(options).await?;
    match daemon.socket() {
        Some(path) => tracing::info!(socket = %path.display(), "ready"),
        None => tracing::info!("ready on the socket of systemd"),
    }
    notify(NotifyState::Ready);
    tokio::select! {
        failed = daemon.failed() => failed?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending");
    notify(NotifyState::Stopping);
    daemon.stop().await;
    Ok(())
}

/// Without systemd there is nobody to tell; with it, a failure shows as a unit that never starts.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd was not told");
    }
}

/// The file named, else the user's own, else the machine's, else none.
fn load(named: Option<PathBuf>) -> Result<(Config, Option<PathBuf>), Box<dyn std::error::Error>> {
    let path = match named {
        Some(path) => Some(path),
        None => {
            let own = home("XDG_CONFIG_HOME", ".config").map(|home| home.join("cpsd/cpsd.toml"));
            let usual = own
                .into_iter()
                .chain([PathBuf::from("/etc/cpsd/cpsd.toml")]);
            usual.into_iter().find(|path| path.exists())
        }
    };
    match path {
        Some(path) => Ok((Config::load(&path)?, Some(path))),
        None => Ok((Config::default(), None)),
    }
}

fn state_folder(named: Option<PathBuf>) -> Result<PathBuf, String> {
    named
        .or_else(|| home("XDG_STATE_HOME", ".local/state").map(|home| home.join("cpsd")))
        .ok_or_else(|| "neither HOME nor XDG_STATE_HOME is set: give --state-dir DIR".to_owned())
}

/// A base folder of the XDG specification; relative values are ignored, as it demands.
fn home(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let value = std::env::var_os(name)?;
        Path::new(&value)
            .is_absolute()
            .then(|| PathBuf::from(value))
    };
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}
