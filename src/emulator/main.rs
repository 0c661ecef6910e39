//! `cps-emulator`: a virtual card in a `vpcd` reader, driven by lines on standard input; and the
//! test PKI as files.
#![forbid(unsafe_code)]

mod console;
mod export;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use cps_emulator::{FaultPlan, Holder, Profile};

/// Virtual CPS card for tests.
///
/// Plays a card in a vpcd reader of pcscd. The card is inserted at once unless --empty is given.
/// While it runs, lines on standard input drive it: insert, remove, swap, reset, fault FAULT,
/// clear, counters, zero, log, quit.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    card: CardArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Write the test PKI as files: anchors, intermediates, revocation lists, server certificates
    Pki(PkiArguments),
}

/// Which card, and how it behaves.
#[derive(Args)]
struct CardArguments {
    /// Family of the card: cps3, cps3-contactless or cps4
    #[arg(long = "card", value_name = "PROFILE", default_value = "cps3")]
    profile: Profile,
    /// Holder: cps-medecin, cps-infirmier, cpf-medecin, cpe-nominative, cpe-service, cpa,
    /// cps-expired, cps-revoked, cps-legacy, cps-accents or cps-multi
    #[arg(long, default_value = "cps-medecin")]
    holder: Holder,
    /// Card layout, or report of `cps doctor --card-report`, to play instead of the default
    #[arg(long, value_name = "FILE")]
    layout: Option<PathBuf>,
    /// The vpcd reader
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:35963")]
    vpcd: String,
    /// Start with the card outside the reader
    #[arg(long)]
    empty: bool,
    /// What goes wrong: remove@5, reset@1, mute@2, delay=200@3, status=6F00@1+, garbage, short, long
    #[arg(long, value_name = "FAULT")]
    fault: Vec<FaultPlan>,
    /// Tries left of the PIN; 0 is blocked
    #[arg(long, value_name = "N")]
    pin_tries: Option<u8>,
    /// Tries left of the PUK; 0 is blocked
    #[arg(long, value_name = "N")]
    puk_tries: Option<u8>,
    /// What EF_ACTUA tells of an update of the card
    #[arg(long, value_enum, default_value = "never")]
    update: Update,
    /// Another ATR, in hexadecimal
    #[arg(long, value_name = "HEX")]
    atr: Option<cps_card::Hex>,
    /// Time for each byte in either direction, in microseconds; a real CPS3 takes 1100
    #[arg(long, value_name = "MICROSECONDS", value_parser = microseconds, default_value = "0")]
    byte_time: Duration,
    /// Time for each private-key operation, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", value_parser = milliseconds, default_value = "0")]
    key_time: Duration,
    /// URL that certificates announce for revocation lists
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8089")]
    crl_base: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Update {
    /// Updated once
    Done,
    /// File present and empty: interrupted
    Empty,
    /// File absent
    Never,
    /// Begun and not ended
    Unfinished,
}

#[derive(Args)]
struct PkiArguments {
    /// Folder to fill; made if missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// URL that certificates announce for revocation lists
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8089")]
    crl_base: String,
    /// DNS name or IP address of a server certificate; may be repeated
    #[arg(long, value_name = "NAME", default_values = ["localhost", "127.0.0.1"])]
    server: Vec<String>,
}

fn microseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_micros)
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Some(Command::Pki(pki)) => export::write(&pki),
        None => console::run(&arguments.card),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("cps-emulator: {problem}");
            ExitCode::FAILURE
        }
    }
}
