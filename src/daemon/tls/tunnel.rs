//! Joins the caller's stream and the server's, both ways, with back-pressure and half-close.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

/// Copies until both sides have ended, or one fails. Each direction ends on its own: a caller
/// that has sent everything still receives the rest.
///
/// # Errors
///
/// The first read or write that fails. Returns the bytes sent to the server and received.
pub async fn join<C, S>(caller: &mut C, server: S) -> io::Result<(u64, u64)>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut server = Unannounced(server);
    copy_bidirectional_with_sizes(caller, &mut server, BUFFER, BUFFER).await
}

/// Many servers close the connection without TLS's close_notify. What they sent before is good:
/// the caller gets it, then the end of the stream.
struct Unannounced<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Unannounced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(context, buffer) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unannounced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// One TLS record of plain text in each direction.
const BUFFER: usize = 16 * 1024;
