//! `cps sign`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use cps_api::types::CmsParameters;
use cps_api::{Client, Error};
use serde_json::json;

use super::{Context, Done};
use crate::failure::Failure;
use crate::files::Replacement;
use crate::output::plain;

/// Signs `file`, writes the signature to `out`.
pub(super) fn run(
    context: &Context,
    client: &Client,
    file: &Path,
    out: &Path,
    attached: bool,
) -> Done {
    let job = Job {
        client,
        file,
        out,
        parameters: CmsParameters {
            card: context.card.clone(),
            attached,
            name: name(file),
        },
    };
    if is_standard(out) {
        // Kept until it is whole: half a signature must not look like one.
        let mut signature = Vec::default();
        job.sign(&mut signature)?;
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&signature).and_then(|()| stdout.flush());
        written.map_err(|error| Failure::output(&error))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut signature = Replacement::new(out).map_err(|error| job.unwritten(&error))?;
    job.sign(&mut signature)?;
    signature.commit().map_err(|error| job.unwritten(&error))?;
    let out = out.display().to_string();
    context.show(&json!({ "output": out }), |_| {
        let done = context.pick("Signature écrite\u{a0}:", "Signature written:");
        format!("{done} {}\n", plain(&out))
    })
}

struct Job<'a> {
    client: &'a Client,
    file: &'a Path,
    out: &'a Path,
    parameters: CmsParameters,
}

impl Job<'_> {
    fn sign(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let mut content: Box<dyn Read> = if is_standard(self.file) {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(self.file).map_err(|error| self.unread(&error))?)
        };
        let signed = self.client.sign_cms(&self.parameters, &mut content, out);
        signed.map_err(|error| match error {
            Error::Content(error) => self.unread(&error),
            Error::Output(error) => self.unwritten(&error),
            other => other.into(),
        })
    }

    fn unread(&self, error: &io::Error) -> Failure {
        Failure::reading(&self.file.display().to_string(), error)
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        Failure::writing(&self.out.display().to_string(), error)
    }
}

/// What the person who is asked to sign sees.
fn name(file: &Path) -> Option<String> {
    let name = file.file_name().filter(|_| !is_standard(file))?;
    Some(name.to_string_lossy().into_owned())
}

fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}
