//! Holds a [`Dialogue`] with an operator over a stream.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use cps_mail::{Dialogue, Refused, Step};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// Why a dialogue did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// What the server said, or how it ended the connection.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The server let a step wait too long.
    #[error("the server did not answer within {} s", STEP.as_secs())]
    TimedOut,
}

/// Speaks until the dialogue is done. The server has half a minute for each step; what it sends
/// drop by drop does not prolong one. How much it may send is the dialogue's to bound.
///
/// # Errors
///
/// [`Failed`]: the connection must be closed.
pub async fn hold<D, S>(stream: &mut S, dialogue: D) -> Result<D::Done, Failed>
where
    D: Dialogue,
    S: AsyncRead + AsyncWrite + Unpin,
{
    hold_within(stream, dialogue, STEP).await
}

async fn hold_within<D, S>(
    stream: &mut S,
    mut dialogue: D,
    limit: Duration,
) -> Result<D::Done, Failed>
where
    D: Dialogue,
    S: AsyncRead + AsyncWrite + Unpin,
{
    // What is sent may hold a token.
    let mut buffer = vec![0; PIECE];
    let mut step = dialogue.advance(&[])?;
    loop {
        match step {
            Step::Done { send, done } => {
                say(stream, &Zeroizing::new(send), limit).await?;
                return Ok(done);
            }
            Step::More(send) => {
                let said = say(stream, &Zeroizing::new(send), limit).await;
                said.map_err(|failed| meaning(failed, &dialogue))?;
            }
        }
        let answer = next(stream, &mut dialogue, &mut buffer);
        let answered = tokio::time::timeout(limit, answer).await;
        let answered = answered.map_err(|_| Failed::TimedOut)?;
        step = answered.map_err(|failed| meaning(failed, &dialogue))?;
    }
}

/// What a connection that broke means where the dialogue stands: a server that closes behind its
/// challenge, without waiting for the answer to it, refuses the token, whether its close is seen
/// before that answer is sent or only by sending it.
fn meaning<D: Dialogue>(failed: Failed, dialogue: &D) -> Failed {
    match (failed, dialogue.closed()) {
        (Failed::Broken(_), Refused::Token) => Refused::Token.into(),
        (failed, _) => failed,
    }
}

/// What a client without a name of its own calls itself to a server: its address (RFC 5321 §4.1.3).
pub fn client_name(socket: &TcpStream) -> String {
    match local_address(socket) {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// Our own address on the network of a connection.
pub fn local_address(socket: &TcpStream) -> IpAddr {
    match socket.local_addr() {
        Ok(address) => address.ip().to_canonical(),
        // Only a socket that is closed has none.
        Err(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Reads until the dialogue has something to say.
async fn next<D, S>(
    stream: &mut S,
    dialogue: &mut D,
    buffer: &mut [u8],
) -> Result<Step<D::Done>, Failed>
where
    D: Dialogue,
    S: AsyncRead + Unpin,
{
    loop {
        let length = match stream.read(buffer).await {
            Ok(length) => length,
            // Without TLS's close_notify it is an end all the same: nothing is taken for whole here.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error.into()),
        };
        let Some(received) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
            return Err(dialogue.closed().into());
        };
        match dialogue.advance(received)? {
            Step::More(send) if send.is_empty() => {}
            step => return Ok(step),
        }
    }
}

async fn say<S>(stream: &mut S, words: &[u8], limit: Duration) -> Result<(), Failed>
where
    S: AsyncWrite + Unpin,
{
    if words.is_empty() {
        return Ok(());
    }
    let spoken = async {
        stream.write_all(words).await?;
        stream.flush().await
    };
    let spoken = tokio::time::timeout(limit, spoken).await;
    Ok(spoken.map_err(|_| Failed::TimedOut)??)
}

/// Time for each step. Servers that take ten seconds for a command exist.
const STEP: Duration = Duration::from_secs(30);

/// Bytes read at once.
const PIECE: usize = 4096;

#[cfg(test)]
mod tests;
