//! The card behind a real reader service: client of `vpcd`, the PC/SC driver of *vsmartcard*.
//!
//! Frames in both directions are a 2-byte big-endian length and a payload. One-byte payloads are
//! controls (`00` off, `01` on, `02` reset, `04` get ATR), everything else is a command APDU.
//! Connecting is insertion, closing is removal.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{Outcome, VirtualCard};

const POWER_OFF: u8 = 0x00;
const POWER_ON: u8 = 0x01;
const RESET: u8 = 0x02;
const GET_ATR: u8 = 0x04;

/// How long a reader service may take to listen.
const PATIENCE: Duration = Duration::from_secs(5);

/// A card in a `vpcd` reader. Dropping it removes the card.
pub struct VpcdCard {
    card: Arc<Mutex<VirtualCard>>,
    stream: TcpStream,
    /// Dropped at removal, which ends a delay in progress.
    present: Option<Sender<()>>,
    server: Option<JoinHandle<io::Result<()>>>,
}

impl VpcdCard {
    /// Inserts a card into the reader that listens at `address`, waiting a few seconds for it.
    ///
    /// # Errors
    /// The last refusal, when nothing listens there in time: `pcscd` with the `vpcd` driver must be
    /// running.
    pub fn insert(card: Arc<Mutex<VirtualCard>>, address: &str) -> io::Result<Self> {
        let stream = connect(address)?;
        let own = stream.try_clone()?;
        let served = Arc::clone(&card);
        let (present, removal) = channel();
        let server = thread::Builder::new()
            .name("vpcd".into())
            .spawn(move || serve(&served, own, &removal))?;
        Ok(Self {
            card,
            stream,
            present: Some(present),
            server: Some(server),
        })
    }

    /// The card, for counters and faults.
    pub fn card(&self) -> &Arc<Mutex<VirtualCard>> {
        &self.card
    }

    /// Whether the reader still holds the card: false after a removal fault or when the reader
    /// service went away.
    pub fn inserted(&self) -> bool {
        self.server
            .as_ref()
            .is_some_and(|server| !server.is_finished())
    }

    /// Waits until the card has left the reader.
    ///
    /// # Errors
    /// Whatever broke the connection to the reader service.
    pub fn wait(mut self) -> io::Result<()> {
        match self.server.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other(
                "the virtual card stopped; see the message above",
            )),
            None => Ok(()),
        }
    }
}

impl Drop for VpcdCard {
    fn drop(&mut self) {
        self.present = None;
        // Already closed is as good as closed.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
        lock(&self.card).power_off();
    }
}

/// Plays a card in the reader that listens at `address` until the reader closes the connection or a
/// fault removes the card.
///
/// # Errors
/// When nothing listens there, or the connection breaks.
pub fn serve_vpcd(card: Arc<Mutex<VirtualCard>>, address: &str) -> io::Result<()> {
    VpcdCard::insert(card, address)?.wait()
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let candidates: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(&candidates[..]) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error)
                if error.kind() != ErrorKind::ConnectionRefused || Instant::now() > until =>
            {
                let text = format!(
                    "no vpcd reader at {address}: {error}; is pcscd running with vsmartcard-vpcd?"
                );
                return Err(io::Error::new(error.kind(), text));
            }
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn serve(
    card: &Mutex<VirtualCard>,
    mut stream: TcpStream,
    removal: &Receiver<()>,
) -> io::Result<()> {
    while let Some(message) = receive(&mut stream)? {
        match message[..] {
            [POWER_OFF] => lock(card).power_off(),
            [POWER_ON] => lock(card).power_on(),
            [RESET] => lock(card).reset(),
            // Also the presence poll: it comes at any time and changes nothing.
            [GET_ATR] => {
                let atr = lock(card).atr().to_vec();
                send(&mut stream, &atr)?;
            }
            [] | [_] => {}
            _ => {
                let outcome = lock(card).command(&message);
                match outcome {
                    Outcome::Answer(answer, delay) => {
                        if removal.recv_timeout(delay) == Err(RecvTimeoutError::Disconnected) {
                            return Ok(());
                        }
                        send(&mut stream, &answer)?;
                    }
                    // The reader waits; power or removal ends it.
                    Outcome::Mute => {}
                    Outcome::Removed => {
                        // Closing fails only when the reader was faster.
                        let _ = stream.shutdown(Shutdown::Both);
                        return Ok(());
                    }
                    // A rival's reset is invisible here: the command meets a card that forgot
                    // everything.
                    Outcome::Reset => {
                        let answer = lock(card).execute(&message);
                        send(&mut stream, &answer)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// One frame; `None` when the reader closed the connection.
fn receive(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    if !fill(stream, &mut length)? {
        return Ok(None);
    }
    let mut payload = vec![0; usize::from(u16::from_be_bytes(length))];
    Ok(fill(stream, &mut payload)?.then_some(payload))
}

fn fill(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        // vpcd writes length and payload separately; without an immediate acknowledgement, Nagle's
        // algorithm on its side costs 40 ms for each command. The kernel clears the option itself.
        rustix::net::sockopt::set_tcp_quickack(&*stream, true)?;
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(false),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
                ) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// One frame in one write, never empty: an empty one would mean "no card".
fn send(stream: &mut TcpStream, payload: &[u8]) -> io::Result<()> {
    let length =
        u16::try_from(payload.len()).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
    stream.write_all(&[&length.to_be_bytes()[..], payload].concat())
}

fn lock(card: &Mutex<VirtualCard>) -> MutexGuard<'_, VirtualCard> {
    card.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
