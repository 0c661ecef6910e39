//! `cps completion` and `cps man`: made from the command line's own definition.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Done;
use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::output;

/// Prints the completion script of `shell`.
pub(super) fn completion(shell: Shell) -> Done {
    let mut script = Vec::default();
    clap_complete::generate(shell, &mut Arguments::command(), "cps", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the page of the command, or writes the pages of every verb in a folder.
pub(super) fn man(folder: Option<&Path>) -> Done {
    let command = Arguments::command();
    match folder {
        None => {
            let mut page = Vec::default();
            let rendered = clap_mangen::Man::new(command).render(&mut page);
            rendered.map_err(|error| Failure::output(&error))?;
            output::print(&String::from_utf8_lossy(&page))?;
        }
        Some(folder) => fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(command, folder))
            .map_err(|error| Failure::writing(&folder.display().to_string(), &error))?,
    }
    Ok(ExitCode::SUCCESS)
}
