//! The network between the practice and an operator.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Carries bytes to a loopback port and back, unread, for as long as this process lives.
#[derive(Clone, Debug)]
pub struct Wire {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    closed: AtomicUsize,
    /// Milliseconds before each answer.
    delay: AtomicU64,
}

impl Wire {
    /// A wire to this port.
    ///
    /// # Panics
    ///
    /// When the loopback has no free port.
    pub fn to(target: u16) -> Self {
        Self::between("127.0.0.1", target)
    }

    /// A wire from this address of the computer to this port.
    ///
    /// # Panics
    ///
    /// When the computer has no such address.
    pub fn between(address: &str, target: u16) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let this = Self { port, shared };
        let shared = Arc::clone(&this.shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                // Nobody there: the client sees its connection close.
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
                    continue;
                };
                let both = [&client, &server].map(|stream| stream.try_clone().unwrap());
                shared
                    .open
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(both);
                let ways = [
                    (
                        client.try_clone().unwrap(),
                        server.try_clone().unwrap(),
                        false,
                    ),
                    (server, client, true),
                ];
                for (from, to, answers) in ways {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        carry(from, to, answers.then_some(&shared.delay));
                        // The client's way ends with the client.
                        shared
                            .closed
                            .fetch_add(usize::from(!answers), Ordering::Relaxed);
                    });
                }
            }
        });
        this
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many of them their client has not closed.
    pub fn open(&self) -> usize {
        self.connections() - self.shared.closed.load(Ordering::Relaxed)
    }

    /// Every answer of the server takes this much longer from now on.
    pub fn slow_down(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.shared.delay.store(delay, Ordering::Relaxed);
    }

    /// Breaks every connection.
    pub fn cut(&self) {
        let mut open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, delay: Option<&AtomicU64>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let delay = delay.map_or(0, |delay| delay.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(delay));
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
