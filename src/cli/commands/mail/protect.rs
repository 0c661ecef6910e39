//! `cps mail protect`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use cps_api::{Code, Problem};
use rustix::fs::OFlags;
use serde_json::json;

use super::super::{Context, Done};
use crate::archive::{self, Error, Member};
use crate::failure::Failure;
use crate::files::Replacement;
use crate::output::plain;
use crate::passphrase;

/// Puts `files` into the archive `out` under a new passphrase, which is printed.
pub(super) fn run<P: AsRef<Path>>(
    context: &Context,
    files: &[P],
    out: &Path,
    name: Option<&str>,
    force: bool,
) -> Done {
    let existing = fs::symlink_metadata(out).is_ok();
    if existing && !force {
        return Err(exists(out));
    }
    let mut members = files
        .iter()
        .enumerate()
        .map(|(at, file)| member(file.as_ref(), out, named(name, at, files.len())))
        .collect::<Result<Vec<_>, _>>()?;
    distinct(&members, files)?;
    let passphrase = passphrase::generate()
        .map_err(|error| Problem::new(Code::Internal).detail(error.to_string()))?;
    let unwritten = |error: &io::Error| Failure::writing(&shown(out), error);
    let mut archive = Replacement::new(out).map_err(|error| unwritten(&error))?;
    let mut progress = Progress::of(&members);
    let written = archive::write(&mut archive, &mut members, &passphrase, |n| progress.add(n));
    progress.end();
    written.map_err(|error| match error {
        Error::Read(at, error) => Failure::reading(&shown(files[at].as_ref()), &error),
        Error::Write(error) => unwritten(&error),
    })?;
    let named = match force {
        true => archive.commit(),
        false => archive.commit_new(),
    };
    named.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(out),
        _ => unwritten(&error),
    })?;
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let document = json!({"output": shown(out), "files": names, "passphrase": *passphrase});
    context.show(&document, |_| told(context, out, &names, &passphrase))
}

/// The file of a path, opened so that it cannot become something else.
fn member(path: &Path, out: &Path, name: Option<String>) -> Result<Member, Failure> {
    let refused = |code: Code| Failure::from(Problem::new(code).with("file", shown(path)));
    let unread = |error: io::Error| Failure::reading(&shown(path), &error);
    // A link is not followed, and nobody waits for the other end of a pipe.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened = File::options()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            let link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
            return Err(match link {
                true => refused(Code::FileLink),
                false => unread(error),
            });
        }
    };
    let metadata = file.metadata().map_err(unread)?;
    if metadata.is_dir() {
        return Err(refused(Code::FileFolder));
    }
    if !metadata.is_file() {
        return Err(refused(Code::FileSpecial));
    }
    let same = |other: fs::Metadata| other.dev() == metadata.dev() && other.ino() == metadata.ino();
    if fs::metadata(out).is_ok_and(same) {
        return Err(refused(Code::FileAmongInputs));
    }
    let own = path.file_name().and_then(|name| name.to_str());
    let name = match (name, own) {
        (Some(mut name), own) => {
            // The program that opens a file is found by what follows the last point.
            let suffix = own.and_then(|own| Path::new(own).extension()?.to_str());
            if let Some(suffix) = suffix.filter(|suffix| archive::is_plain(suffix)) {
                name.push('.');
                name.push_str(suffix);
            }
            name
        }
        (None, Some(own)) if archive::is_plain(own) => own.to_owned(),
        (None, _) => return Err(refused(Code::FileName)),
    };
    Ok(Member {
        name,
        length: metadata.len(),
        modified: metadata.modified().ok(),
        file,
    })
}

/// The name, without its suffix, of the file at index `at` when they all get a neutral one.
fn named(name: Option<&str>, at: usize, count: usize) -> Option<String> {
    name.map(|name| match count {
        1 => name.to_owned(),
        _ => format!("{name}-{}", at + 1),
    })
}

/// Names that differ in capitals only are one name on many computers.
fn distinct<P: AsRef<Path>>(members: &[Member], files: &[P]) -> Result<(), Failure> {
    let mut seen = HashMap::new();
    for (member, file) in members.iter().zip(files) {
        if seen.insert(member.name.to_lowercase(), file).is_some() {
            let problem = Problem::new(Code::FileSameName);
            return Err(problem.with("file", shown(file.as_ref())).into());
        }
    }
    Ok(())
}

fn told(context: &Context, out: &Path, names: &[&str], passphrase: &str) -> String {
    let (written, label) = (
        context.pick(
            "Archive écrite (zip, AES-256)\u{a0}:",
            "Archive written (zip, AES-256):",
        ),
        context.pick("Phrase de passe\u{a0}:", "Passphrase:"),
    );
    let advice = context.pick(
        "Donnez-la à votre correspondant par un autre moyen, par exemple au téléphone, jamais dans le\n\
         message qui porte l'archive ; les tirets en font partie. Elle n'est affichée qu'ici et n'est\n\
         conservée nulle part : sans elle, personne n'ouvrira l'archive, pas même vous.\n\
         La taille, la date et le nom des fichiers ne sont pas secrets\u{a0}: ",
        "Give it to your correspondent by another channel, by telephone for example, never in the\n\
         message that carries the archive; the hyphens belong to it. It is shown here only and kept\n\
         nowhere: without it nobody will open the archive, not even you.\n\
         The size, date and name of the files are not secret: ",
    );
    let names = plain(&names.join(", "));
    let out = plain(&shown(out));
    format!("{written} {out}\n{label} {passphrase}\n\n{advice}{names}\n")
}

/// How much is done, on a terminal, when it takes long enough to be waited for.
struct Progress {
    total: u64,
    done: u64,
    told: Option<u64>,
}

impl Progress {
    fn of(members: &[Member]) -> Self {
        let total = members.iter().map(|member| member.length).sum();
        let watched = total >= LONG && io::stderr().is_terminal();
        Self {
            total,
            done: 0,
            told: watched.then_some(u64::MAX),
        }
    }

    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        // A file may have grown meanwhile.
        let percent = (self.done.saturating_mul(100) / self.total.max(1)).min(100);
        if self.told.is_some_and(|told| told != percent) {
            let _ = write!(io::stderr(), "\r{percent} %");
            self.told = Some(percent);
        }
    }

    fn end(&self) {
        if self.told.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn exists(out: &Path) -> Failure {
    Problem::new(Code::FileExists)
        .with("file", shown(out))
        .into()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// From how many bytes on progress is shown.
const LONG: u64 = 32 << 20;
