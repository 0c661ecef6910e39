//! A mail client of a few lines, which says exactly what a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection in the clear. Reading waits for thirty seconds at most: longer than the gateway holds
/// a client that waits for a person.
pub struct Talk {
    stream: Box<dyn Stream>,
    pending: Vec<u8>,
    tags: usize,
}

impl Talk {
    /// Connects to a loopback address.
    ///
    /// # Panics
    ///
    /// When nobody listens.
    pub fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    fn over(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            pending: Vec::new(),
            tags: 0,
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    ///
    /// When the other end has gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// The next line, without its end; `None` when the other end has closed.
    ///
    /// # Panics
    ///
    /// When nothing comes for too long.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// The next bytes, this many.
    ///
    /// # Panics
    ///
    /// When they do not come.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.pending.len() < count {
            assert!(
                self.fill(),
                "closed after {} of {count} bytes",
                self.pending.len()
            );
        }
        self.pending.drain(..count).collect()
    }

    fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(length) => {
                self.pending.extend(&buffer[..length]);
                length > 0
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                false
            }
            Err(error) => panic!("nothing was said: {error}"),
        }
    }

    /// Sends an IMAP command and gives everything up to its tagged answer, without the tag on it:
    /// `OK …`, `NO …`, `BAD …` is the last line.
    ///
    /// # Panics
    ///
    /// When the answer does not come.
    pub fn imap(&mut self, command: &str) -> Vec<String> {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command}\r\n"));
        let mut lines = Vec::new();
        loop {
            let line = self
                .line()
                .unwrap_or_else(|| panic!("closed behind {command}: {lines:?}"));
            match line
                .strip_prefix(&tag)
                .and_then(|rest| rest.strip_prefix(' '))
            {
                Some(answer) => {
                    lines.push(answer.to_owned());
                    return lines;
                }
                None => lines.push(line),
            }
        }
    }

    /// The last line of [`Talk::imap`].
    pub fn imap_answer(&mut self, command: &str) -> String {
        self.imap(command).pop().unwrap_or_default()
    }

    /// Reads the greeting and logs in to IMAP; the tagged answer.
    pub fn imap_login(&mut self, user: &str, password: &str) -> String {
        let greeting = self.line();
        assert!(
            greeting
                .as_ref()
                .is_some_and(|line| line.starts_with("* OK")),
            "{greeting:?}"
        );
        self.imap_answer(&format!("LOGIN {user} \"{password}\""))
    }

    /// The next SMTP reply, all its lines.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self
                .line()
                .unwrap_or_else(|| panic!("closed behind {reply}"));
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply += &line;
            if last {
                return reply;
            }
            reply.push('\n');
        }
    }

    /// Sends an SMTP command and gives its reply.
    pub fn smtp(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        self.reply()
    }

    /// Reads the greeting, says EHLO and logs in (AUTH PLAIN); the reply to that.
    pub fn smtp_login(&mut self, user: &str, password: &str) -> String {
        let greeting = self.reply();
        assert!(greeting.starts_with("220 "), "{greeting}");
        self.smtp("EHLO client.test");
        let secret = STANDARD.encode(format!("\0{user}\0{password}"));
        self.smtp(&format!("AUTH PLAIN {secret}"))
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
