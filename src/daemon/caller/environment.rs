//! The few environment variables of a caller that a dialog needs.

use std::fs::File;
use std::io::Read;

use zeroize::Zeroizing;

/// Where a caller's user is sitting. Only these names are ever taken from a process's environment:
/// the rest may hold secrets of other programs and is wiped unread.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PromptEnvironment {
    /// `DISPLAY`: X11 display.
    pub display: Option<String>,
    /// `WAYLAND_DISPLAY`: Wayland socket.
    pub wayland: Option<String>,
    /// `XAUTHORITY`: file of the X11 cookie.
    pub xauthority: Option<String>,
    /// `GPG_TTY`: terminal on which a text dialog may appear.
    pub tty: Option<String>,
    /// `TERM`: type of that terminal.
    pub terminal: Option<String>,
    /// `LC_ALL`, else `LC_MESSAGES`, else `LANG`.
    pub lang: Option<String>,
}

impl PromptEnvironment {
    /// Reads `/proc/PID/environ`; empty when the kernel does not show it.
    pub(super) fn of_process(pid: u32) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT));
        let read = File::open(format!("/proc/{pid}/environ"))
            .and_then(|file| file.take(LIMIT as u64).read_to_end(&mut bytes));
        match read {
            Ok(_) => Self::parse(&bytes),
            Err(_) => Self::default(),
        }
    }

    /// Reads `NAME=value` strings separated by zero bytes. A value that is empty, too long, not
    /// UTF-8 or holds a control character is ignored.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let value = |name: &str| {
            bytes
                .split(|byte| *byte == 0)
                .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
                .filter(|value| (1..=VALUE_LIMIT).contains(&value.len()))
                .and_then(|value| std::str::from_utf8(value).ok())
                .filter(|value| !value.chars().any(char::is_control))
                .map(str::to_owned)
        };
        Self {
            display: value("DISPLAY"),
            wayland: value("WAYLAND_DISPLAY"),
            xauthority: value("XAUTHORITY"),
            tty: value("GPG_TTY"),
            terminal: value("TERM"),
            lang: value("LC_ALL")
                .or_else(|| value("LC_MESSAGES"))
                .or_else(|| value("LANG")),
        }
    }
}

/// The kernel limits one string to 128 KiB; a desktop's whole environment is a few KiB.
const LIMIT: usize = 256 * 1024;
const VALUE_LIMIT: usize = 512;
