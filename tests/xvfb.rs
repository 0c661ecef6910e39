//! A screen that nobody sees.

use std::fs;
use std::process::Command;

use crate::{Peer, Sandbox, until};

/// An X server without hardware.
#[derive(Debug)]
pub struct Xvfb {
    display: String,
    _peer: Peer,
}

impl Xvfb {
    /// Starts it on a display number of its own choice.
    ///
    /// # Panics
    ///
    /// When it is missing or does not start.
    pub fn start(sandbox: &Sandbox) -> Self {
        let number = sandbox.join("tmp/display");
        let mut command = sandbox.command("sh");
        command
            .args([
                "-c",
                "exec Xvfb -displayfd 3 -screen 0 1024x768x24 -nolisten tcp 3>\"$1\"",
                "sh",
            ])
            .arg(&number);
        let mut peer = Peer::start(sandbox, "xvfb", "xvfb", command);
        let number = until("the display", || {
            if let Some(status) = peer.ended() {
                panic!("Xvfb ended with {status} (package xvfb): {}", peer.log());
            }
            let number = fs::read_to_string(&number).unwrap_or_default();
            number.strip_suffix('\n').map(str::to_owned)
        });
        Self {
            display: format!(":{number}"),
            _peer: peer,
        }
    }

    /// Lets a command show its windows here.
    pub fn open_to(&self, command: &mut Command) {
        command.env("DISPLAY", &self.display);
    }
}
