//! Bodies of answers: the end is found, whatever the framing, and a body cut short is an error.

use std::io::{self, BufRead, BufReader, Read};

use super::Error;
use super::connection::Timed;
use super::http::Framing;

/// A body being read.
pub(super) struct Body<R> {
    stream: R,
    state: State,
    /// Bytes still allowed.
    allowance: u64,
}

impl<R: BufRead> Body<R> {
    pub(super) fn new(stream: R, framing: Framing) -> Self {
        let state = match framing {
            Framing::Chunked => State::ChunkSize,
            Framing::Close => State::UntilClose,
            Framing::Length(length) => State::Length(length),
        };
        Self {
            stream,
            state,
            allowance: u64::MAX,
        }
    }

    /// The same body, which fails beyond `bytes`.
    pub(super) fn bounded(mut self, bytes: u64) -> Self {
        self.allowance = bytes;
        self
    }

    /// All of it.
    pub(super) fn whole(mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::default();
        self.read_to_end(&mut bytes).map_err(Error::from_socket)?;
        Ok(bytes)
    }

    /// Reads a line of the chunked coding, without its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::default();
        let mut limited = (&mut self.stream).take(MAX_LINE);
        limited.read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(line.to_vec()),
            None if (line.len() as u64) < MAX_LINE && !line.ends_with(b"\n") => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            None => Err(malformed("a line of the chunked coding")),
        }
    }

    /// Moves over what separates the data, up to data or the end.
    fn advance(&mut self) -> io::Result<()> {
        loop {
            match self.state {
                State::ChunkSize => {
                    let size = chunk_size(&self.line()?)?;
                    self.state = match size {
                        0 => State::Trailer(MAX_TRAILERS),
                        size => State::Chunk(size),
                    };
                }
                State::ChunkEnd => {
                    if !self.line()?.is_empty() {
                        return Err(malformed("the end of a chunk"));
                    }
                    self.state = State::ChunkSize;
                }
                State::Trailer(left) => {
                    if self.line()?.is_empty() {
                        self.state = State::Length(0);
                    } else if left == 0 {
                        return Err(malformed("too many trailers"));
                    } else {
                        self.state = State::Trailer(left - 1);
                    }
                }
                State::Chunk(_) | State::Length(_) | State::UntilClose => return Ok(()),
            }
        }
    }
}

impl Body<BufReader<Timed>> {
    /// The same body, waited for as long as it takes.
    pub(super) fn without_deadline(mut self) -> Self {
        self.stream.get_mut().forget_deadline();
        self
    }

    /// Where the bytes come from.
    pub(super) fn stream(&self) -> &Timed {
        self.stream.get_ref()
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.advance()?;
        let left = match self.state {
            State::Chunk(left) | State::Length(left) => left,
            _ => u64::MAX,
        };
        if left == 0 {
            return Ok(0);
        }
        if self.allowance == 0 {
            // Only bytes beyond the bound are too many: at the close, the end is the end.
            let over = left != u64::MAX || !self.stream.fill_buf()?.is_empty();
            return if over {
                Err(malformed("an answer longer than the bound"))
            } else {
                Ok(0)
            };
        }
        let most = left.min(self.allowance);
        let most = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let n = self.stream.read(&mut buffer[..most])?;
        if n == 0 && !matches!(self.state, State::UntilClose) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.allowance -= n as u64;
        self.state = match self.state {
            State::Chunk(left) if left == n as u64 => State::ChunkEnd,
            State::Chunk(left) => State::Chunk(left - n as u64),
            State::Length(left) => State::Length(left - n as u64),
            other => other,
        };
        Ok(n)
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In a chunk, with so many bytes left of it.
    Chunk(u64),
    /// Before the line end that follows a chunk.
    ChunkEnd,
    /// Before the line that gives the size of a chunk.
    ChunkSize,
    /// So many bytes left.
    Length(u64),
    /// In the trailers, so many of them still accepted.
    Trailer(u8),
    UntilClose,
}

/// Size of a chunk: hexadecimal digits; extensions are ignored (RFC 9112 §7.1.1).
fn chunk_size(line: &[u8]) -> io::Result<u64> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = digits.trim_ascii();
    let well_formed = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    if !well_formed {
        return Err(malformed("the size of a chunk"));
    }
    let digits = str::from_utf8(digits).map_err(|_| malformed("the size of a chunk"))?;
    u64::from_str_radix(digits, 16).map_err(|_| malformed("the size of a chunk"))
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Longest line of the chunked coding accepted, in bytes.
const MAX_LINE: u64 = 4096;

const MAX_TRAILERS: u8 = 32;

#[cfg(test)]
mod tests;
