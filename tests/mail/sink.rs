//! Where mail goes behind an operator.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Mailboxes;

/// A mail server (RFC 5321) that delivers every message into the mailboxes of its recipients, for
/// as long as this process lives. A recipient `inconnu@…` is unknown to it.
#[derive(Debug)]
pub struct Sink {
    port: u16,
    messages: Arc<AtomicUsize>,
}

impl Sink {
    /// Starts it on a loopback port.
    ///
    /// # Panics
    ///
    /// When the loopback has no free port.
    pub fn start(mailboxes: &Mailboxes) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let messages = Arc::new(AtomicUsize::new(0));
        let (mailboxes, counter) = (mailboxes.clone(), Arc::clone(&messages));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (mailboxes, counter) = (mailboxes.clone(), Arc::clone(&counter));
                // A client that goes away in the middle is its own business.
                thread::spawn(move || serve(&client, &mailboxes, &counter));
            }
        });
        Self { port, messages }
    }

    /// Its port, in the clear.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many messages it took, whatever the number of their recipients.
    pub fn messages(&self) -> usize {
        self.messages.load(Ordering::Relaxed)
    }
}

fn serve(client: &TcpStream, mailboxes: &Mailboxes, messages: &AtomicUsize) -> io::Result<()> {
    let mut input = BufReader::new(client);
    let mut output = client;
    let mut recipients: Vec<String> = Vec::new();
    output.write_all(b"220 localhost ESMTP\r\n")?;
    let mut line = Vec::new();
    while read_line(&mut input, &mut line)? {
        let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
        let verb = text.split([' ', '\r']).next().unwrap_or_default();
        let answer = match verb {
            "ehlo" => "250-localhost\r\n250-SIZE 0\r\n250-8BITMIME\r\n250 PIPELINING",
            "rcpt" => match path(&text) {
                Some(to) if !to.starts_with("inconnu@") => {
                    recipients.push(to.to_owned());
                    "250 2.1.5 ok"
                }
                _ => "550 5.1.1 no such mailbox",
            },
            "data" if recipients.is_empty() => "554 5.5.1 no recipient",
            "data" => {
                output.write_all(b"354 go on\r\n")?;
                let message = message(&mut input)?;
                for to in recipients.drain(..) {
                    mailboxes.deliver(&to, &message);
                }
                messages.fetch_add(1, Ordering::Relaxed);
                "250 2.0.0 taken"
            }
            "mail" | "rset" | "helo" => {
                recipients.clear();
                "250 2.0.0 ok"
            }
            "noop" => "250 2.0.0 ok",
            "quit" => return output.write_all(b"221 2.0.0 bye\r\n"),
            _ => "502 5.5.2 unknown",
        };
        output.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}

/// What stands between the angle brackets.
fn path(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once('<')?;
    rest.split_once('>').map(|(path, _)| path)
}

/// The lines up to the one that is a dot, without the dots that transparency added (RFC 5321
/// §4.5.2).
fn message(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut line = Vec::new();
    while read_line(input, &mut line)? {
        if line == b".\r\n" {
            return Ok(message);
        }
        message.extend(line.strip_prefix(b".").unwrap_or(&line));
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(input.read_until(b'\n', line)? > 0)
}
