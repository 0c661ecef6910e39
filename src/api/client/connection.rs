//! Opening the socket of the right daemon, and the time-outs of what follows.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::body::Body;
use super::http::{self, Framing, Head, MAX_HEAD};
use super::{Error, Tunnel};
use crate::Problem;

/// Environment variable that names the socket.
pub const SOCKET_VARIABLE: &str = "CPSD_SOCKET";

/// Where the daemon listens: `$CPSD_SOCKET`, else `$XDG_RUNTIME_DIR/cpsd/cpsd.sock`.
///
/// # Errors
/// [`Error::NoSocketPath`] when neither variable is set.
pub fn default_socket() -> Result<PathBuf, Error> {
    socket_of(env::var_os(SOCKET_VARIABLE), env::var_os("XDG_RUNTIME_DIR"))
}

pub(super) fn socket_of(
    named: Option<OsString>,
    runtime: Option<OsString>,
) -> Result<PathBuf, Error> {
    let set = |value: Option<OsString>| value.filter(|value| !value.is_empty());
    if let Some(socket) = set(named) {
        return Ok(socket.into());
    }
    // The XDG base directory specification: a relative path is to be ignored.
    let runtime = set(runtime)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    runtime
        .map(|folder| folder.join("cpsd/cpsd.sock"))
        .ok_or(Error::NoSocketPath)
}

/// Whether a socket whose file is owned by `file_uid`, served by a process of `peer_uid`, may be
/// spoken to by the user `own_uid`: all three must be the same.
pub fn check_owner(file_uid: u32, peer_uid: u32, own_uid: u32) -> bool {
    file_uid == own_uid && peer_uid == own_uid
}

/// An open connection, its owner checked.
pub(super) struct Connection {
    stream: BufReader<Timed>,
}

impl Connection {
    pub(super) fn open(socket: &Path, deadline: Option<Instant>) -> Result<Self, Error> {
        Self::open_as(rustix::process::geteuid().as_raw(), socket, deadline)
    }

    /// Opens the socket of the user `own`.
    pub(super) fn open_as(
        own: u32,
        socket: &Path,
        deadline: Option<Instant>,
    ) -> Result<Self, Error> {
        let stream = open_as(own, socket, deadline)?;
        let stream = Timed { stream, deadline };
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self.stream.get_mut().write_all(bytes) {
            Err(error) if !hung_up(&error) => Err(Error::from_socket(error)),
            // The daemon may have answered before it read everything: the answer tells.
            _ => Ok(()),
        }
    }

    /// Sends `content` in chunks (RFC 9112 §7.1) as it is read.
    pub(super) fn write_chunks(&mut self, content: &mut dyn Read) -> Result<(), Error> {
        let mut block = vec![0; 64 * 1024];
        loop {
            let n = match content.read(&mut block) {
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::Content(error)),
            };
            match self.write_chunk(&block[..n]) {
                Err(error) if hung_up(&error) => return Ok(()),
                Err(error) => return Err(Error::from_socket(error)),
                Ok(()) if n == 0 => return Ok(()),
                Ok(()) => {}
            }
        }
    }

    /// One chunk; an empty one ends the body.
    fn write_chunk(&mut self, chunk: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")
    }

    /// Reads the head of the final answer; interim ones (RFC 9110 §15.2) are passed over.
    pub(super) fn answer(mut self) -> Result<Answer, Error> {
        for _ in 0..MAX_INTERIM {
            let head = self.head()?;
            if head.status >= 200 || head.status == 101 {
                return Ok(Answer {
                    head,
                    stream: self.stream,
                });
            }
        }
        Err(Error::Protocol("too many interim answers".into()))
    }

    fn head(&mut self) -> Result<Head, Error> {
        let mut bytes = Vec::default();
        loop {
            let available = self.stream.fill_buf().map_err(Error::from_socket)?;
            if available.is_empty() {
                return Err(Error::from_socket(io::ErrorKind::UnexpectedEof.into()));
            }
            let before = bytes.len();
            bytes.extend_from_slice(available);
            let new = available.len();
            let parsed = http::parse_head(&bytes).map_err(|e| Error::Protocol(e.to_string()))?;
            if let Some((head, length)) = parsed {
                // What follows the head is left in the buffer.
                self.stream.consume(length - before);
                return Ok(head);
            }
            self.stream.consume(new);
            if bytes.len() > MAX_HEAD {
                return Err(Error::Protocol("the head of the answer is too long".into()));
            }
        }
    }
}

/// Opens another Unix socket of the daemon, its owner checked as that of the API is: one of the mail
/// gateway, beside it.
///
/// # Errors
/// [`Error::Absent`] when nothing listens there, [`Error::Foreign`] when somebody else does.
pub fn open_socket(socket: &Path) -> Result<UnixStream, Error> {
    open_as(rustix::process::geteuid().as_raw(), socket, None)
}

fn open_as(own: u32, socket: &Path, deadline: Option<Instant>) -> Result<UnixStream, Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied => Error::Foreign {
            socket: socket.to_owned(),
        },
        _ => Error::Absent {
            socket: socket.to_owned(),
            source,
        },
    };
    let metadata = fs::metadata(socket).map_err(failed)?;
    if !metadata.file_type().is_socket() {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "not a socket");
        return Err(failed(source));
    }
    let stream = match connect(socket, deadline) {
        // The daemon accepts nobody, and its queue is full.
        Err(rustix::io::Errno::AGAIN) => return Err(Error::TimedOut),
        connected => connected.map_err(|error| failed(error.into()))?,
    };
    // The file may have been replaced since: what the kernel says of the other end decides.
    let peer = sockopt::socket_peercred(&stream)
        .map_err(|error| failed(error.into()))?
        .uid;
    if !check_owner(metadata.uid(), peer.as_raw(), own) {
        return Err(Error::Foreign {
            socket: socket.to_owned(),
        });
    }
    Ok(stream)
}

/// Connects by the deadline, which the standard library knows of for other sockets only.
fn connect(socket: &Path, deadline: Option<Instant>) -> rustix::io::Result<UnixStream> {
    let stream = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    if let Some(deadline) = deadline {
        // Zero would be for ever.
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.max(Duration::from_millis(1));
        sockopt::set_socket_timeout(&stream, Timeout::Send, Some(left))?;
    }
    let address = SocketAddrUnix::new(socket)?;
    rustix::io::retry_on_intr(|| rustix::net::connect(&stream, &address))?;
    Ok(stream.into())
}

/// An answer whose head is read.
pub(super) struct Answer {
    head: Head,
    stream: BufReader<Timed>,
}

impl Answer {
    /// The body of a 2xx answer; the problem of any other.
    pub(super) fn success(self) -> Result<Body<BufReader<Timed>>, Error> {
        let status = self.head.status;
        let is_problem = self.head.media_type() == Some(Problem::MEDIA_TYPE);
        let framing = Framing::of(&self.head).map_err(|e| Error::Protocol(e.to_string()))?;
        let body = Body::new(self.stream, framing);
        if (200..300).contains(&status) {
            return Ok(body);
        }
        if !is_problem {
            return Err(Error::Protocol(format!("HTTP {status} without a reason")));
        }
        let document = body.bounded(MAX_PROBLEM).whole()?;
        let problem = super::parsed::<Problem>(&document)?;
        Err(Error::Problem(Box::new(problem)))
    }

    /// The bytes that follow a 101 answer.
    pub(super) fn switched(self, protocol: &str) -> Result<Tunnel, Error> {
        if self.head.status == 101 {
            let agreed = self.head.field("upgrade");
            if !agreed.is_some_and(|name| name.eq_ignore_ascii_case(protocol)) {
                return Err(Error::Protocol("switched to another protocol".into()));
            }
            let early = self.stream.buffer().to_vec();
            let stream = self.stream.into_inner().into_patient();
            return Tunnel::new(early, stream).map_err(Error::from_socket);
        }
        let status = self.head.status;
        self.success()?;
        Err(Error::Protocol(format!(
            "HTTP {status} instead of a tunnel"
        )))
    }
}

/// A stream whose reads and writes all end by one deadline.
pub(super) struct Timed {
    stream: UnixStream,
    deadline: Option<Instant>,
}

impl Timed {
    /// Waits as long as it takes from now on.
    pub(super) fn forget_deadline(&mut self) {
        self.deadline = None;
    }

    fn into_patient(self) -> io::Result<UnixStream> {
        self.stream.set_read_timeout(None)?;
        self.stream.set_write_timeout(None)?;
        Ok(self.stream)
    }

    /// The time left; `None` for ever.
    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl AsFd for Timed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(self.left()?)?;
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hung_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// Interim answers passed over before the daemon is given up.
const MAX_INTERIM: usize = 8;

/// Longest problem document accepted, in bytes.
const MAX_PROBLEM: u64 = 64 * 1024;
