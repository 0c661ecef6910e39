//! The byte pipe that a 101 answer opens.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// An authenticated connection to a server: what is written goes to the server, what the server sends
/// is read. The TLS of it is the daemon's.
#[derive(Debug)]
pub struct Tunnel {
    reader: TunnelReader,
    writer: TunnelWriter,
}

impl Tunnel {
    pub(super) fn new(early: Vec<u8>, stream: io::Result<UnixStream>) -> io::Result<Self> {
        let stream = stream?;
        Ok(Self {
            writer: TunnelWriter(stream.try_clone()?),
            reader: TunnelReader {
                early: io::Cursor::new(early),
                stream,
            },
        })
    }

    /// The two directions, each usable in a thread of its own.
    pub fn split(self) -> (TunnelReader, TunnelWriter) {
        (self.reader, self.writer)
    }
}

impl Read for Tunnel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl Write for Tunnel {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.writer.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the server sends.
#[derive(Debug)]
pub struct TunnelReader {
    /// Came in the same packet as the answer.
    early: io::Cursor<Vec<u8>>,
    stream: UnixStream,
}

impl TunnelReader {
    /// Ends the tunnel in both directions: a read or write that waits in another thread returns.
    ///
    /// # Errors
    /// When the system refuses; already ended is not an error.
    pub fn close(&self) -> io::Result<()> {
        ended(self.stream.shutdown(Shutdown::Both))
    }
}

impl Read for TunnelReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.early.read(buffer)? {
            0 => self.stream.read(buffer),
            n => Ok(n),
        }
    }
}

/// What goes to the server.
#[derive(Debug)]
pub struct TunnelWriter(UnixStream);

impl TunnelWriter {
    /// Tells the server that nothing more comes; what it still sends can be read.
    ///
    /// # Errors
    /// When the system refuses; already ended is not an error.
    pub fn finish(self) -> io::Result<()> {
        ended(self.0.shutdown(Shutdown::Write))
    }

    /// Ends the tunnel in both directions: a read that waits in another thread returns.
    ///
    /// # Errors
    /// When the system refuses; already ended is not an error.
    pub fn close(self) -> io::Result<()> {
        ended(self.0.shutdown(Shutdown::Both))
    }
}

impl Write for TunnelWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ended(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        other => other,
    }
}
