//! The listening sockets.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use cps_mail::Protocol;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::Places;
use crate::config::MailConfig;
use crate::mail::client::Client;
use crate::server::socket::Listener;

/// A listening socket that systemd opened for mail clients.
#[derive(Debug)]
pub enum Given {
    /// On the loopback interface; which service it is, its port tells.
    Tcp(std::net::TcpListener),
    /// In the file system; which service it is, its name tells: `imap.sock`, `smtp.sock`.
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

/// What is served behind a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Door {
    pub(super) protocol: Protocol,
    /// TLS from the first byte.
    pub(super) tls: bool,
}

/// A client at a door.
pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Accepted {
    pub(super) fn into_client(self) -> Client {
        match self {
            Self::Tcp(stream, _) => Client::Tcp(stream),
            Self::Unix(stream) => Client::Unix(stream),
        }
    }
}

/// All doors: those of systemd always, ours as long as they are wanted.
pub(super) struct Doors {
    given: Vec<Given>,
    folder: Option<PathBuf>,
    open: Vec<(Door, Socket)>,
    problems: Vec<(String, String)>,
    state: Option<bool>,
    /// After a failure to accept, clients wait a moment.
    pause: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

enum Socket {
    Tcp(TcpListener),
    Unix {
        socket: UnixListener,
        path: PathBuf,
        /// Takes the path away in the end, where it is ours.
        _ours: Option<Listener>,
    },
}

impl Doors {
    pub(super) fn new(given: Vec<Given>, folder: Option<PathBuf>) -> Self {
        Self {
            given,
            folder,
            open: Vec::new(),
            problems: Vec::new(),
            state: None,
            pause: None,
        }
    }

    /// Opens or closes what is to be; whether anything changed. A door that cannot be opened is a
    /// problem to be told, and keeps no other closed.
    pub(super) fn follow(&mut self, wanted: bool, config: &MailConfig) -> bool {
        if self.state == Some(wanted) {
            return false;
        }
        self.state = Some(wanted);
        self.open.clear();
        self.problems.clear();
        let mut ports = vec![
            (PLAIN_IMAP, config.imap, "mail.imap"),
            (PLAIN_SMTP, config.smtp, "mail.smtp"),
        ];
        if config.tls {
            ports.push((TLS_IMAP, config.imaps, "mail.imaps"));
            ports.push((TLS_SMTP, config.smtps, "mail.smtps"));
        }
        for (door, address, key) in ports {
            self.open_port(door, address, key, wanted);
        }
        for (door, name) in [(PLAIN_IMAP, "imap.sock"), (PLAIN_SMTP, "smtp.sock")] {
            self.open_socket(door, name, wanted);
        }
        true
    }

    fn open_port(&mut self, door: Door, address: SocketAddr, key: &str, wanted: bool) {
        let given: Vec<io::Result<TcpListener>> = self
            .given
            .iter()
            .filter_map(|given| match given {
                Given::Tcp(socket) => Some(socket),
                Given::Unix(..) => None,
            })
            .filter(|socket| {
                let bound = socket.local_addr();
                bound.is_ok_and(|bound| bound.port() == address.port())
            })
            .map(|socket| {
                let socket = socket.try_clone()?;
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket)
            })
            .collect();
        let sockets = match (given.is_empty(), wanted) {
            (false, _) => given,
            (true, true) => vec![listen(address)],
            (true, false) => Vec::new(),
        };
        for socket in sockets {
            match socket {
                Ok(socket) => self.open.push((door, Socket::Tcp(socket))),
                Err(error) => self.problem(format!("{key} = {address}"), &error),
            }
        }
    }

    fn open_socket(&mut self, door: Door, name: &str, wanted: bool) {
        let given = self.given.iter().find_map(|given| match given {
            Given::Unix(socket, path) if path.file_name()? == name => Some((socket, path.clone())),
            _ => None,
        });
        if let Some((socket, path)) = given {
            let open = || {
                let socket = socket.try_clone()?;
                socket.set_nonblocking(true)?;
                UnixListener::from_std(socket)
            };
            match open() {
                Ok(socket) => {
                    let socket = Socket::Unix {
                        socket,
                        path,
                        _ours: None,
                    };
                    self.open.push((door, socket));
                }
                Err(error) => self.problem(path.display().to_string(), &error),
            }
        } else if wanted && let Some(folder) = &self.folder {
            let path = folder.join(name);
            match bind(&path) {
                Ok((socket, ours)) => {
                    let socket = Socket::Unix {
                        socket,
                        path,
                        _ours: Some(ours),
                    };
                    self.open.push((door, socket));
                }
                Err(error) => self.problem(path.display().to_string(), &error),
            }
        }
    }

    fn problem(&mut self, place: String, error: &io::Error) {
        tracing::error!(place, %error, "mail clients cannot connect there");
        self.problems.push((place, error.to_string()));
    }

    /// Where clients connect.
    pub(super) fn places(&self) -> Places {
        let port = |wanted: Door| {
            self.open.iter().find_map(|(door, socket)| match socket {
                Socket::Tcp(socket) if *door == wanted => socket.local_addr().ok(),
                _ => None,
            })
        };
        let path = |wanted: Door| {
            self.open.iter().find_map(|(door, socket)| match socket {
                Socket::Unix { path, .. } if *door == wanted => Some(path.clone()),
                _ => None,
            })
        };
        Places {
            imap: port(PLAIN_IMAP),
            smtp: port(PLAIN_SMTP),
            imaps: port(TLS_IMAP),
            smtps: port(TLS_SMTP),
            imap_socket: path(PLAIN_IMAP),
            smtp_socket: path(PLAIN_SMTP),
            authority: None,
            problems: self.problems.clone(),
        }
    }

    /// The next client, at whichever door.
    pub(super) async fn accept(&mut self) -> (Door, Accepted) {
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<(Door, Accepted)> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            let mut failed = None;
            for (door, socket) in &self.open {
                let accepted = match socket {
                    Socket::Tcp(socket) => socket
                        .poll_accept(context)
                        .map(|accepted| accepted.map(|(stream, from)| Accepted::Tcp(stream, from))),
                    Socket::Unix { socket, .. } => socket
                        .poll_accept(context)
                        .map(|accepted| accepted.map(|(stream, _)| Accepted::Unix(stream))),
                };
                match accepted {
                    Poll::Ready(Ok(accepted)) => return Poll::Ready((*door, accepted)),
                    Poll::Ready(Err(error)) => failed = Some(error),
                    Poll::Pending => {}
                }
            }
            let Some(error) = failed else {
                return Poll::Pending;
            };
            // Out of descriptors or memory: clients wait, nothing else suffers.
            tracing::warn!(%error, "cannot accept a mail client now");
            self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    // As tokio does, without waiting for a name.
    let socket = std::net::TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

fn bind(path: &Path) -> io::Result<(UnixListener, Listener)> {
    let ours = Listener::bind(path).map_err(io::Error::other)?;
    let socket = ours.socket()?;
    Ok((socket, ours))
}

const PLAIN_IMAP: Door = door(Protocol::Imap, false);
const PLAIN_SMTP: Door = door(Protocol::Smtp, false);
const TLS_IMAP: Door = door(Protocol::Imap, true);
const TLS_SMTP: Door = door(Protocol::Smtp, true);

const fn door(protocol: Protocol, tls: bool) -> Door {
    Door { protocol, tls }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
