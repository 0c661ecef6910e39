//! The web server that publishes the revocation lists of the test authorities.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

use cps_emulator::{Authority, CrlVariant, Pki};

/// Publishes over HTTP on a loopback port for as long as this process lives.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    url: String,
    lists: Mutex<HashMap<String, Vec<u8>>>,
    requests: AtomicUsize,
}

impl Publisher {
    /// Starts publishing, and makes the authorities whose certificates name this publisher.
    ///
    /// # Panics
    ///
    /// When the loopback has no free port.
    pub fn start() -> (Self, Pki) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pki = Pki::new(SystemTime::now()).with_base_url(&url);
        let publisher = Self {
            shared: Arc::new(Shared {
                url,
                ..Shared::default()
            }),
        };
        publisher.publish(&pki, CrlVariant::Empty);
        let shared = Arc::clone(&publisher.shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that goes away in the middle is its own business.
                let _ = shared.answer(client);
            }
        });
        (publisher, pki)
    }

    /// Replaces the list of every authority.
    pub fn publish(&self, pki: &Pki, variant: CrlVariant) {
        let lists = Authority::ALL
            .into_iter()
            .map(|issuer| (pki.crl_path(issuer), pki.crl_der(issuer, variant)))
            .collect();
        *self
            .shared
            .lists
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = lists;
    }

    /// Address under which the certificates announce the lists.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// How many requests were answered.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn answer(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut head = BufReader::new((&client).take(8192));
        let mut request = String::new();
        head.read_line(&mut request)?;
        let mut line = String::new();
        while head.read_line(&mut line)? > 2 {
            line.clear();
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, body) = match lists.get(path) {
            Some(list) => ("200 OK", list.as_slice()),
            None => ("404 Not Found", &[][..]),
        };
        self.requests.fetch_add(1, Ordering::Relaxed);
        write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Type: application/pkix-crl\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        )?;
        client.write_all(body)
    }
}
