//! What `/proc` and the socket tell about a process (proc(5), cgroups(7), unix(7)).

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};

use super::Executable;

/// The pidfd of the process that connected, straight from the kernel (Linux 6.5).
#[allow(unsafe_code)]
pub(super) fn peer_pidfd(socket: BorrowedFd<'_>) -> Option<OwnedFd> {
    let mut descriptor: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the two pointers are to live locals of the sizes the call is told.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut descriptor).cast(),
            &raw mut length,
        )
    };
    if status != 0 || descriptor < 0 {
        return None;
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether the process behind a pidfd has not ended: a pidfd becomes readable at exit.
pub(super) fn alive(pidfd: BorrowedFd<'_>) -> bool {
    let pidfd = pidfd.as_fd();
    let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    loop {
        match rustix::event::poll(&mut polled, Some(&now)) {
            // A signal that comes just now (the end of a dialog program is one) says nothing of
            // the caller.
            Err(rustix::io::Errno::INTR) => {}
            result => return result == Ok(0),
        }
    }
}

/// Start time, in clock ticks since boot.
pub(super) fn start_time(pid: u32) -> Result<u64, String> {
    let stat = bounded(&format!("/proc/{pid}/stat"))?;
    parse_start_time(&stat).ok_or_else(|| format!("/proc/{pid}/stat is not understood"))
}

/// Field 22 of `/proc/PID/stat`. The second field is the program's name between parentheses and
/// may itself hold blanks and parentheses: count from the last one.
pub(super) fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Number of the parent process.
pub(super) fn parent(pid: u32) -> Option<u32> {
    parse_parent(&bounded(&format!("/proc/{pid}/stat")).ok()?)
}

/// Field 4 of `/proc/PID/stat`; nothing for a process without a parent that is seen from here.
pub(super) fn parse_parent(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let parent = fields.split_ascii_whitespace().nth(1)?.parse().ok()?;
    (parent != 0).then_some(parent)
}

pub(super) fn executable(pid: u32) -> Result<Executable, String> {
    let link = format!("/proc/{pid}/exe");
    let path = fs::read_link(&link).map_err(|error| format!("{link}: {error}"))?;
    let file = fs::metadata(&link).map_err(|error| format!("{link}: {error}"))?;
    Ok(Executable {
        path,
        device: file.dev(),
        inode: file.ino(),
        modified_ns: nanoseconds(file.mtime(), file.mtime_nsec()),
        changed_ns: nanoseconds(file.ctime(), file.ctime_nsec()),
    })
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

/// The path in the unified hierarchy.
pub(super) fn control_group(pid: u32) -> Option<String> {
    parse_control_group(&bounded(&format!("/proc/{pid}/cgroup")).ok()?)
}

pub(super) fn parse_control_group(text: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix("0::"))
        .map(str::to_owned)
}

/// The innermost service or scope on a control group's path.
pub(super) fn unit(group: &str) -> Option<String> {
    group
        .rsplit('/')
        .find(|part| part.ends_with(".service") || part.ends_with(".scope"))
        .map(visible)
}

/// Flatpak writes `/.flatpak-info` into each application's root; snapd names its scopes.
pub(super) fn app_id(pid: u32, unit: Option<&str>) -> Option<String> {
    let flatpak = flatpak_info(pid)
        .and_then(|info| parse_flatpak_info(&info))
        .or_else(|| unit.and_then(flatpak_scope));
    flatpak
        .map(|id| format!("flatpak:{id}"))
        .or_else(|| unit.and_then(snap_scope).map(|name| format!("snap:{name}")))
}

fn flatpak_info(pid: u32) -> Option<String> {
    let path = format!("/proc/{pid}/root/.flatpak-info");
    // The process chooses its root: a fifo or a link put there must neither block nor mislead us.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text).ok()?;
    Some(text)
}

/// `name=` of the `[Application]` or `[Runtime]` group (flatpak-metadata(5)).
pub(super) fn parse_flatpak_info(text: &str) -> Option<String> {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[Application]" || line == "[Runtime]";
        } else if inside && let Some(name) = line.strip_prefix("name=") {
            return application_name(name);
        }
    }
    None
}

/// `app-flatpak-ID-NUMBER.scope`.
pub(super) fn flatpak_scope(unit: &str) -> Option<String> {
    let (id, number) = unit
        .strip_prefix("app-flatpak-")?
        .strip_suffix(".scope")?
        .rsplit_once('-')?;
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    application_name(&id.replace(r"\x2d", "-"))
}

/// `snap.NAME.APP-UUID.scope`, `snap.NAME.APP.UUID.scope` (older) or `snap.NAME.APP.service`.
pub(super) fn snap_scope(unit: &str) -> Option<String> {
    let name = unit
        .strip_prefix("snap.")?
        .strip_suffix(".scope")
        .or_else(|| unit.strip_prefix("snap.")?.strip_suffix(".service"))?;
    application_name(name.split('.').next()?)
}

/// Reverse-DNS names and snap names: short, plain ASCII.
fn application_name(name: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    ((1..=255).contains(&name.len()) && name.bytes().all(plain)).then(|| name.to_owned())
}

/// The script on the command line of a known interpreter.
pub(super) fn script(pid: u32, executable: &Path) -> Option<String> {
    let name = executable.file_name()?.to_str()?;
    let interpreter = INTERPRETERS.iter().any(|known| {
        name.strip_prefix(known).is_some_and(|version| {
            version
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
    });
    if !interpreter {
        return None;
    }
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(LIMIT).read_to_end(&mut bytes).ok()?;
    parse_script(&bytes)
}

/// First argument that is not an option; `-jar FILE`, `-m MODULE` and `-cp PATH` take one.
pub(super) fn parse_script(command_line: &[u8]) -> Option<String> {
    let mut arguments = command_line
        .split(|byte| *byte == 0)
        .filter(|argument| !argument.is_empty())
        .map(String::from_utf8_lossy)
        .skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_ref() {
            "-jar" | "-m" => return arguments.next().map(|name| visible(&name)),
            "-cp" | "-classpath" | "-W" | "-X" | "-I" => drop(arguments.next()),
            "-c" | "-e" => return None,
            option if option.starts_with('-') => {}
            script => return Some(visible(script)),
        }
    }
    None
}

/// `firefox`, `python3.11 (script.py)`, `thunderbird [flatpak:org.mozilla.Thunderbird]`.
pub(super) fn display_name(path: &Path, script: Option<&str>, app_id: Option<&str>) -> String {
    let mut name = visible(
        &path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy(),
    );
    if let Some(script) = script {
        let file = script.rsplit('/').next().unwrap_or(script);
        name = format!("{name} ({file})");
    }
    if let Some(app_id) = app_id {
        name = format!("{name} [{app_id}]");
    }
    name
}

/// Text that a hostile name cannot use to rewrite a dialog: no control characters, no invisible
/// direction marks (Unicode TR 36), at most 80 characters.
pub(crate) fn visible(text: &str) -> String {
    let hidden = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
    };
    let mut clean: String = text
        .chars()
        .map(|character| {
            if hidden(character) {
                '\u{fffd}'
            } else {
                character
            }
        })
        .take(VISIBLE)
        .collect();
    if text.chars().count() > VISIBLE {
        clean.push('…');
    }
    clean
}

fn bounded(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
        .map_err(|error| format!("{path}: {error}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const LIMIT: u64 = 64 * 1024;
const VISIBLE: usize = 80;
const INTERPRETERS: [&str; 11] = [
    "bash", "dash", "java", "node", "nodejs", "perl", "php", "python", "ruby", "sh", "zsh",
];
