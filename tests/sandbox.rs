//! The private world of one test.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder that is removed at the end, and commands that see nothing of the real user: no `HOME`,
/// no session bus, no display, no card reader.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    /// A sandbox of its own for each test.
    ///
    /// # Panics
    ///
    /// When the folder cannot be made.
    #[allow(clippy::new_without_default, reason = "it makes a folder on the disk")]
    pub fn new() -> Self {
        // Short, because the path of a Unix socket holds 107 bytes at most.
        let dir = tempfile::Builder::new().prefix("cpsd-").tempdir().unwrap();
        for folder in ["home", "tmp", "log"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let runtime = dir.path().join("run");
        fs::create_dir(&runtime).unwrap();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        Self { dir }
    }

    /// Checks that the process runs in the namespace of `tests/ns-run`.
    ///
    /// # Panics
    ///
    /// Outside of it, with the command to use.
    pub fn require_namespace() {
        assert!(
            Path::new("/run/cpsd-test-namespace").exists(),
            "the end-to-end tests run in a namespace of their own. Use: make e2e\n\
             or, for one test:\n  env CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/ns-run \
             cargo test -p cps-tests NAME"
        );
    }

    /// Gives the computer an address, or takes it away: `add 192.0.2.1`, `del 192.0.2.1`.
    ///
    /// # Panics
    ///
    /// Outside of the test namespace.
    pub fn network(change: &str) {
        Self::require_namespace();
        fs::write("/run/cpsd-test-network", format!("{change}\n")).unwrap();
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path in the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, making its folder.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A command in this sandbox, in English, with no standard input.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("LANG", "C.UTF-8")
            .env("HOME", self.join("home"))
            .env("TMPDIR", self.join("tmp"))
            .env("XDG_RUNTIME_DIR", self.join("run"))
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Files below the folder that hold `needle`, outside of the folders named in `except`.
    ///
    /// # Panics
    ///
    /// When a file cannot be read.
    pub fn files_with(&self, needle: &[u8], except: &[&str]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                if except.iter().any(|name| path == self.join(name)) {
                    continue;
                } else if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let content = fs::read(&path).unwrap();
                    if content.windows(needle.len()).any(|window| window == needle) {
                        found.push(path);
                    }
                }
            }
        }
        found
    }

    /// A loopback port that nobody listens on.
    ///
    /// # Panics
    ///
    /// When the system has none left.
    pub fn free_port() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    }
}
