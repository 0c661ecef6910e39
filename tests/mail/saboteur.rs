//! An operator that keeps to the protocols up to a point.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use cps_emulator::{Pki, ServerIdentity};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::impostor;

/// Where it stops keeping to them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Point {
    /// Instead of its greeting.
    Greeting,
    /// Instead of saying, in the clear, what it can do.
    Extensions,
    /// Instead of its consent to TLS.
    Consent,
    /// Instead of its part of the TLS handshake.
    Handshake,
    /// Instead of saying under TLS what it can do.
    ExtensionsInTls,
    /// Instead of its answer to the login.
    Login,
    /// Instead of its answer to `NOOP`.
    Session,
    /// Instead of its answer to `MAIL`.
    Sender,
    /// Instead of its answer to `RCPT`.
    Recipient,
    /// Instead of its answer to `DATA`.
    Data,
    /// At the first line of a message.
    Message,
    /// Instead of its answer to the end of a message, which it has taken.
    Taken,
}

/// What it does there. Then it closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Sends octets of no protocol, in lines.
    Garbage,
    /// Sends a line that does not end, for as long as somebody reads.
    Flood,
    /// Nothing.
    Leave,
}

/// It speaks IMAP and SMTP, each on a loopback port, for as long as this process lives; it wants TLS
/// and lets everybody in.
#[derive(Debug)]
pub struct Saboteur {
    imap: u16,
    smtp: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    plan: Mutex<Option<(Point, Deed)>>,
    messages: Mutex<Vec<Vec<u8>>>,
}

impl Saboteur {
    /// Starts it. It does nothing wrong until it is told to.
    ///
    /// # Panics
    ///
    /// When the identity cannot be used.
    pub fn start(pki: &Pki, identity: &ServerIdentity) -> Self {
        let config = Arc::new(impostor::config(pki, identity));
        let shared: Arc<Shared> = Arc::default();
        let port = |speaks_imap| {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let (config, shared) = (Arc::clone(&config), Arc::clone(&shared));
            thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    let side = Side {
                        config: Arc::clone(&config),
                        shared: Arc::clone(&shared),
                        speaks_imap,
                    };
                    // A client that goes away in the middle is what most of them do.
                    thread::spawn(move || side.serve(client));
                }
            });
            port
        };
        Self {
            imap: port(true),
            smtp: port(false),
            shared,
        }
    }

    /// Port for IMAP.
    pub fn imap(&self) -> u16 {
        self.imap
    }

    /// Port for submission.
    pub fn smtp(&self) -> u16 {
        self.smtp
    }

    /// What it does from now on.
    pub fn plan(&self, plan: Option<(Point, Deed)>) {
        *lock(&self.shared.plan) = plan;
    }

    /// The messages that it has taken, each once for each time that its end came.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.messages).clone()
    }
}

struct Side {
    config: Arc<ServerConfig>,
    shared: Arc<Shared>,
    speaks_imap: bool,
}

impl Side {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let greeting = match self.speaks_imap {
            true => "* OK ready\r\n",
            false => "220 localhost ESMTP\r\n",
        };
        self.say(&mut client, Point::Greeting, greeting)?;
        if !self.converse(&mut client, false)? {
            return Ok(());
        }
        self.say(&mut client, Point::Handshake, "")?;
        let mut connection =
            ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        connection.complete_io(&mut client)?;
        self.converse(&mut StreamOwned::new(connection, client), true)?;
        Ok(())
    }

    /// Whether TLS begins now.
    fn converse(&self, stream: &mut (impl Read + Write), secured: bool) -> io::Result<bool> {
        while let Some(line) = read_line(stream)? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let (tag, command) = match self.speaks_imap {
                true => line.split_once(' ').unwrap_or((&line, "")),
                false => ("", line.as_str()),
            };
            let verb = command
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            let extensions = match secured {
                true => Point::ExtensionsInTls,
                false => Point::Extensions,
            };
            let offered = match secured {
                true => "AUTH EXTERNAL",
                false => "STARTTLS",
            };
            let point = match verb.as_str() {
                "EHLO" | "CAPABILITY" => Some(extensions),
                "STARTTLS" => Some(Point::Consent),
                "AUTH" | "AUTHENTICATE" => Some(Point::Login),
                "NOOP" => Some(Point::Session),
                "MAIL" => Some(Point::Sender),
                "RCPT" => Some(Point::Recipient),
                "DATA" => Some(Point::Data),
                _ => None,
            };
            let answer = match (self.speaks_imap, verb.as_str()) {
                (true, "CAPABILITY") => format!(
                    "* CAPABILITY IMAP4rev1 SASL-IR {}\r\n{tag} OK done\r\n",
                    offered.replace("AUTH ", "AUTH=")
                ),
                (true, _) => format!("{tag} OK done\r\n"),
                (false, "EHLO") => format!("250-localhost\r\n250 {offered}\r\n"),
                (false, "STARTTLS") => "220 go\r\n".to_owned(),
                (false, "AUTH") => "235 2.7.0 ok\r\n".to_owned(),
                (false, "DATA") => "354 go\r\n".to_owned(),
                (false, "QUIT") => "221 2.0.0 bye\r\n".to_owned(),
                (false, _) => "250 2.0.0 ok\r\n".to_owned(),
            };
            match point {
                Some(point) => self.say(stream, point, &answer)?,
                None => send(stream, answer.as_bytes())?,
            }
            match (verb.as_str(), secured) {
                ("STARTTLS", false) => return Ok(true),
                ("DATA", _) => self.take(stream)?,
                ("QUIT" | "LOGOUT", _) => return Ok(false),
                _ => {}
            }
        }
        Ok(false)
    }

    fn take(&self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        let mut message = Vec::new();
        while let Some(line) = read_line(stream)? {
            if message.is_empty() {
                self.say(stream, Point::Message, "")?;
            }
            if line == b".\r\n" {
                lock(&self.shared.messages).push(message);
                return self.say(stream, Point::Taken, "250 2.0.0 queued\r\n");
            }
            message.extend(line);
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Says this, or does what is planned for this point.
    fn say(&self, stream: &mut impl Write, point: Point, text: &str) -> io::Result<()> {
        let plan = *lock(&self.shared.plan);
        match plan {
            Some((planned, deed)) if planned == point => {
                match deed {
                    Deed::Garbage => send(stream, GARBAGE)?,
                    Deed::Flood => loop {
                        send(stream, &[b'A'; 16 * 1024])?;
                    },
                    Deed::Leave => {}
                }
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            _ => send(stream, text.as_bytes()),
        }
    }
}

/// Byte by byte: nothing of a TLS handshake may be read here.
fn read_line(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        line.push(byte[0]);
    }
    Ok(Some(line))
}

fn send(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Controls, NUL, bytes that are no UTF-8, an answer to nothing.
const GARBAGE: &[u8] =
    b"\x00\xff\xfe\x1b[2J\r\n999 what\r\n* \r\n\x16\x03\x01\x00\x05hello\r\n250-\r\n";
