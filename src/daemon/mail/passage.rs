//! Bytes both ways between a client and its operator, untouched.
//!
//! A session that waits, as most do all day long, holds no buffer: bytes pass through one that all
//! sessions of a thread share, and only what the other side does not take at once is kept. Nothing
//! more is read from a side until the other has taken what came before.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Looks on.
pub(super) trait Watch {
    /// The client has sent this.
    fn sent(&mut self, bytes: &[u8]);
    /// The operator has sent this.
    fn received(&mut self, bytes: &[u8]);
}

/// A connection of a client, and one to its operator.
pub(super) struct Passage<C, S> {
    pub(super) client: C,
    pub(super) server: S,
    up: Way,
    down: Way,
}

impl<C, S> Passage<C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Joins the two; `up` and `down` are what is to be sent first. A side that takes nothing for
    /// `patience` while something waits for it breaks the session.
    pub(super) fn new(
        client: C,
        server: S,
        up: Vec<u8>,
        down: Vec<u8>,
        patience: Duration,
    ) -> Self {
        Self {
            client,
            server,
            up: Way::new(up, patience),
            down: Way::new(down, patience),
        }
    }

    /// Carries bytes until the operator has ended its side: nothing comes for the client then. The
    /// client may end its own side before, and still gets all that comes.
    ///
    /// # Errors
    ///
    /// A connection that breaks, a side that takes nothing.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        watch: &mut impl Watch,
    ) -> Poll<io::Result<()>> {
        let seen = |bytes: &[u8]| watch.sent(bytes);
        let up = (self.up).poll(context, &mut self.client, &mut self.server, seen);
        match up {
            // The operator may have ended the connection with some last words.
            Poll::Ready(Err(error)) if !is_closed(&error) => return Poll::Ready(Err(error)),
            _ => {}
        }
        let seen = |bytes: &[u8]| watch.received(bytes);
        (self.down).poll(context, &mut self.server, &mut self.client, seen)
    }

    /// What came for the client and did not reach it.
    pub(super) fn rest(&self) -> &[u8] {
        self.down.rest()
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

/// One direction.
struct Way {
    /// What the other side has not taken yet, from `taken` on.
    waiting: Vec<u8>,
    taken: usize,
    /// Written, perhaps not sent: TLS makes records of it.
    unsent: bool,
    state: State,
    patience: Duration,
    /// Runs only while something waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Open,
    /// Nothing more comes; the other side is to be told.
    Ended,
    /// The other side was told, or is gone.
    Closed,
}

impl Way {
    fn new(waiting: Vec<u8>, patience: Duration) -> Self {
        Self {
            unsent: !waiting.is_empty(),
            waiting,
            taken: 0,
            state: State::Open,
            patience,
            stalled: None,
        }
    }

    fn rest(&self) -> &[u8] {
        self.waiting.get(self.taken..).unwrap_or_default()
    }

    fn poll<R, W>(
        &mut self,
        context: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        seen: impl FnMut(&[u8]),
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.state == State::Closed {
            return Poll::Ready(Ok(()));
        }
        let outcome = self.carry(context, from, to, seen);
        if let Poll::Ready(Err(_)) = outcome {
            self.state = State::Closed;
        }
        outcome
    }

    fn carry<R, W>(
        &mut self,
        context: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        mut seen: impl FnMut(&[u8]),
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        for _ in 0..ROUNDS {
            while !self.rest().is_empty() {
                let written = Pin::new(&mut *to).poll_write(context, self.rest());
                match ready!(self.timed(context, written))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    length => self.taken += length,
                }
                self.unsent = true;
            }
            if self.taken > 0 {
                // Memory is for what waits.
                (self.waiting, self.taken) = (Vec::new(), 0);
            }
            if self.state == State::Ended {
                let closed = Pin::new(&mut *to).poll_shutdown(context);
                let closed = ready!(self.timed(context, closed));
                self.state = State::Closed;
                // Gone is closed.
                return Poll::Ready(closed.or_else(|error| match is_closed(&error) {
                    true => Ok(()),
                    false => Err(error),
                }));
            }
            let read = SHARED.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                let read = Pin::new(&mut *from).poll_read(context, &mut buffer);
                if ready!(ended_is_empty(read))?.is_none() || buffer.filled().is_empty() {
                    self.state = State::Ended;
                    return Poll::Ready(Ok(()));
                }
                let bytes = buffer.filled();
                seen(bytes);
                self.unsent = true;
                let mut taken = 0;
                while let Some(left) = bytes.get(taken..).filter(|left| !left.is_empty()) {
                    match Pin::new(&mut *to).poll_write(context, left) {
                        Poll::Ready(Ok(0)) => {
                            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                        }
                        Poll::Ready(Ok(length)) => taken += length,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => {
                            self.waiting = left.to_vec();
                            break;
                        }
                    }
                }
                Poll::Ready(Ok(()))
            });
            match read {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    if self.unsent {
                        let sent = Pin::new(&mut *to).poll_flush(context);
                        ready!(self.timed(context, sent))?;
                        self.unsent = false;
                    }
                    return Poll::Pending;
                }
            }
        }
        // Other sessions have their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Bounds how long the other side lets something wait.
    fn timed<T>(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stalled = None;
            return done;
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Many servers close without TLS's close_notify; for mail protocols, which say when they are
/// through, that is an end like another. Nothing: the end.
fn ended_is_empty(read: Poll<io::Result<()>>) -> Poll<io::Result<Option<()>>> {
    match read {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Poll::Ready(Ok(None))
        }
        other => other.map_ok(Some),
    }
}

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// Four TLS records of plain text.
const BUFFER: usize = 64 * 1024;
/// How many buffers one session carries before others have their turn.
const ROUNDS: usize = 16;

#[cfg(test)]
mod tests;
