//! The `cps` command: the daemon's API, for people and scripts.
//!
//! # Layout
//!
//! - `arguments`: the command line, which is also its help, completion and man page.
//! - `commands`: one module by family of verbs; each asks the daemon and shows the answer.
//! - `clients`: the settings of mail programs that use the gateway.
//! - `setup`: making the PKCS#11 module known to browsers and mail programs.
//! - `output`: aligned lines and JSON; `text`: the words shared by several verbs, in both languages.
//! - `files`: writing a file whole or not at all; `archive`: encrypted archives; `passphrase`: of what
//!   only two people are to open.
//!
//! Ends with 0 when done, 1 when refused or failed (the reason and its code on standard error), 2 when
//! misused.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use cps_api::{Client, default_socket};

mod archive;
mod arguments;
mod clients;
mod commands;
mod failure;
mod files;
mod output;
mod passphrase;
mod setup;
mod text;

use arguments::Arguments;
use commands::Context;
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let lang = arguments.lang();
    let json = arguments.json;
    match run(arguments) {
        Ok(code) => code,
        Err(failure) => failure.report(lang, json),
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    if let Some(done) = commands::without_daemon(&arguments) {
        return done;
    }
    let lang = arguments.lang();
    let socket = match arguments.socket {
        Some(socket) => Ok(socket),
        None => default_socket(),
    };
    let context = Context {
        card: arguments.card,
        json: arguments.json,
        lang,
    };
    commands::run(&context, socket.map(Client::new), arguments.verb)
}
