//! The listening socket: from systemd, or made in a private folder.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrAny};

use crate::mail::gateway::Given;

/// Why the daemon cannot listen.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another daemon answers on this socket. Stop it first, or use another path.
    #[error("another program already serves {}", .0.display())]
    AlreadyServed(PathBuf),
    /// Others could put another socket in this folder.
    #[error("others can write in {}: choose another path, or chmod go-w it", .0.display())]
    FolderNotPrivate(PathBuf),
    /// The file system refused.
    #[error("cannot {operation} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Something that is not a socket has the socket's name; it is left alone.
    #[error("{} exists and is not a socket: move it away", .0.display())]
    NotASocket(PathBuf),
    /// systemd handed over something else than listening sockets, or two that are not for mail.
    #[error(
        "socket activation gave {0}: cpsd.socket must hold exactly one ListenStream= path, \
             cpsd-mail.socket loopback ports, imap.sock and smtp.sock"
    )]
    Activation(String),
    /// Neither a path nor `XDG_RUNTIME_DIR` is known.
    #[error("XDG_RUNTIME_DIR is not set: log in through a session, or give --socket PATH")]
    NoRuntimeFolder,
}

/// A listening socket and, when this process made it, the path to remove at the end.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: UnixListener,
    owned: Option<(PathBuf, u64)>,
}

impl Listener {
    /// Takes the sockets that systemd opened for this process (`LISTEN_FDS`): its own, and those of
    /// mail clients. Makes its own, if there is none, at `path`, or at [`default_path`].
    ///
    /// # Errors
    ///
    /// [`SocketError`]; nothing is removed except a socket on which nobody answers.
    pub fn open(path: Option<&Path>) -> Result<(Self, Vec<Given>), SocketError> {
        let (own, mail) = activated()?;
        let listener = match (own, path) {
            (Some(socket), _) => Self {
                socket,
                owned: None,
            },
            (None, Some(path)) => Self::bind(path)?,
            (None, None) => Self::bind(&default_path()?)?,
        };
        Ok((listener, mail))
    }

    /// The socket, for the runtime.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn socket(&self) -> io::Result<tokio::net::UnixListener> {
        let socket = self.socket.try_clone()?;
        socket.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(socket)
    }

    /// The folder that holds the socket, where it has a path at all.
    pub fn folder(&self) -> Option<PathBuf> {
        let path = match &self.owned {
            Some((path, _)) => path.clone(),
            None => self.socket.local_addr().ok()?.as_pathname()?.to_owned(),
        };
        path.parent().map(Path::to_owned)
    }

    /// Makes the socket, mode 0600, in a folder that is made 0700 when it is missing. Nobody else
    /// can reach it even for an instant, whatever the folder: it gets its name only once it is
    /// protected.
    ///
    /// # Errors
    ///
    /// [`SocketError`] as for [`Self::open`].
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        prepare_folder(folder)?;
        remove_stale(path)?;
        let socket = bind_privately(folder, path)?;
        let inode = path
            .symlink_metadata()
            .map_err(io_error("look at", path))?
            .ino();
        Ok(Self {
            socket,
            owned: Some((path.to_owned(), inode)),
        })
    }

    /// The path, when this process made the socket.
    pub fn path(&self) -> Option<&Path> {
        self.owned.as_ref().map(|(path, _)| path.as_path())
    }
}

impl Drop for Listener {
    /// Removes the socket this process made, unless another daemon has replaced it since.
    fn drop(&mut self) {
        let Some((path, inode)) = &self.owned else {
            return;
        };
        if path
            .symlink_metadata()
            .is_ok_and(|found| found.ino() == *inode)
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// `$XDG_RUNTIME_DIR/cpsd/cpsd.sock`.
///
/// # Errors
///
/// [`SocketError::NoRuntimeFolder`] outside a login session.
pub fn default_path() -> Result<PathBuf, SocketError> {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if Path::new(&folder).is_absolute() => {
            Ok(Path::new(&folder).join("cpsd").join("cpsd.sock"))
        }
        _ => Err(SocketError::NoRuntimeFolder),
    }
}

/// The descriptors that systemd may have passed (`sd_listen_fds(3)`): our own socket, and those of
/// mail clients.
fn activated() -> Result<(Option<UnixListener>, Vec<Given>), SocketError> {
    let activation = |what: &str| SocketError::Activation(what.to_owned());
    let descriptors = sd_notify::listen_fds().map_err(|error| activation(&error.to_string()))?;
    let (mut own, mut mail) = (None, Vec::new());
    for raw in descriptors {
        let socket = adopt(raw);
        if !rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false) {
            // With a wrong count it may be one of our own, such as the runtime's: left as it is.
            let _ = socket.into_raw_fd();
            return Err(activation("a descriptor that is not a listening socket"));
        }
        let family = rustix::net::getsockname(&socket)
            .map(|address: SocketAddrAny| address.address_family());
        match family {
            Ok(AddressFamily::INET | AddressFamily::INET6) => {
                let socket = TcpListener::from(socket);
                let loopback = |address: SocketAddr| address.ip().is_loopback();
                if !socket.local_addr().is_ok_and(loopback) {
                    return Err(activation("a port beyond the loopback interface"));
                }
                mail.push(Given::Tcp(socket));
            }
            Ok(AddressFamily::UNIX) => {
                let socket = UnixListener::from(socket);
                match mail_path(&socket) {
                    Some(path) => mail.push(Given::Unix(socket, path)),
                    None if own.is_some() => return Err(activation("two sockets of its own")),
                    None => own = Some(socket),
                }
            }
            _ => return Err(activation("a socket of another kind")),
        }
    }
    Ok((own, mail))
}

/// The path of a socket that is for mail clients, as its name tells.
fn mail_path(socket: &UnixListener) -> Option<PathBuf> {
    let address = socket.local_addr().ok()?;
    let path = address.as_pathname()?;
    let name = path.file_name()?;
    (name == "imap.sock" || name == "smtp.sock").then(|| path.to_owned())
}

#[allow(unsafe_code)]
fn adopt(raw: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: the descriptor comes from `LISTEN_FDS` checked against `LISTEN_PID`, it is passed
    // to this process alone, and this function runs once for each, before anything else could
    // take it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

fn prepare_folder(folder: &Path) -> Result<(), SocketError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(io_error("create", folder))?;
    let found = folder.metadata().map_err(io_error("look at", folder))?;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if ours && folder.file_name().is_some_and(|name| name == "cpsd") {
        // Our own folder; an older umask may have left it open.
        return std::fs::set_permissions(folder, Permissions::from_mode(0o700))
            .map_err(io_error("protect", folder));
    }
    // Elsewhere it is enough that nobody else can put another socket in place of ours.
    let sticky = found.mode() & 0o1000 != 0;
    let shared = found.mode() & 0o022 != 0 || !ours;
    if shared && !sticky {
        return Err(SocketError::FolderNotPrivate(folder.to_owned()));
    }
    Ok(())
}

/// Binds inside a fresh 0700 folder, protects the socket, and only then gives it its name.
fn bind_privately(folder: &Path, path: &Path) -> Result<UnixListener, SocketError> {
    let cradle = folder.join(format!(".{}.cpsd", std::process::id()));
    let _ = std::fs::remove_dir_all(&cradle);
    DirBuilder::new()
        .mode(0o700)
        .create(&cradle)
        .map_err(io_error("create", &cradle))?;
    let newborn = cradle.join("s");
    let bind = || {
        let socket = UnixListener::bind(&newborn)?;
        std::fs::set_permissions(&newborn, Permissions::from_mode(0o600))?;
        std::fs::rename(&newborn, path)?;
        Ok(socket)
    };
    let socket = bind().map_err(io_error("listen on", path));
    let _ = std::fs::remove_dir_all(&cradle);
    socket
}

fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("look at", path)(error)),
    };
    if !found.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        // Only a refused connection proves that no process listens there any more.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::warn!(path = %path.display(), "removing a socket left by a daemon that ended");
            std::fs::remove_file(path).map_err(io_error("remove", path))
        }
        Err(error) => Err(io_error("probe", path)(error)),
        Ok(_) => Err(SocketError::AlreadyServed(path.to_owned())),
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SocketError {
    let path = path.to_owned();
    move |source| SocketError::Io {
        operation,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .expect("a temporary folder")
    }

    #[test]
    fn folder_and_socket_are_private() {
        let temporary = folder();
        let path = temporary.path().join("cpsd/cpsd.sock");
        let listener = Listener::bind(&path).expect("binds");
        let mode = |path: &Path| path.metadata().expect("exists").mode() & 0o777;
        assert_eq!(mode(path.parent().expect("has one")), 0o700);
        assert_eq!(mode(&path), 0o600);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn an_open_folder_of_ours_is_closed_and_one_that_others_write_is_refused() {
        let temporary = folder();
        for (name, accepted) in [("cpsd", true), ("shared", false)] {
            let open = temporary.path().join(name);
            std::fs::create_dir(&open).expect("created");
            std::fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("set");
            let outcome = Listener::bind(&open.join("s"));
            assert_eq!(outcome.is_ok(), accepted, "{name}: {outcome:?}");
        }
        let mode = temporary
            .path()
            .join("cpsd")
            .metadata()
            .expect("exists")
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn nothing_but_the_socket_is_left_in_the_folder() {
        let temporary = folder();
        let _listener = Listener::bind(&temporary.path().join("s")).expect("binds");
        let names: Vec<_> = std::fs::read_dir(temporary.path())
            .expect("readable")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(names, ["s"]);
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let temporary = folder();
        let path = temporary.path().join("s");
        drop(UnixListener::bind(&path).expect("binds"));
        assert!(path.exists(), "the standard library leaves the file");
        let first = Listener::bind(&path).expect("replaces the dead socket");
        assert!(matches!(
            Listener::bind(&path),
            Err(SocketError::AlreadyServed(_))
        ));
        assert!(path.exists());
        drop(first);
    }

    #[test]
    fn another_kind_of_file_is_never_removed() {
        let temporary = folder();
        let path = temporary.path().join("s");
        std::fs::write(&path, b"precious").expect("written");
        assert!(matches!(
            Listener::bind(&path),
            Err(SocketError::NotASocket(_))
        ));
        assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
    }

    #[test]
    fn a_socket_that_replaced_ours_survives_our_end() {
        let temporary = folder();
        let path = temporary.path().join("s");
        let ours = Listener::bind(&path).expect("binds");
        std::fs::remove_file(&path).expect("removed");
        let placeholder = std::fs::File::create(temporary.path().join("keeps the inode busy"));
        let other = UnixListener::bind(&path).expect("binds");
        drop(ours);
        assert!(path.exists());
        drop((other, placeholder));
    }
}
