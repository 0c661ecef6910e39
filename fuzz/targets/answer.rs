//! What the API client is answered: heads, chunks, JSON, events. Through a socket, so that every
//! layer of the client is met. The first byte chooses the request.
#![no_main]

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use cps_api::types::{CmsParameters, TunnelRequest};
use cps_api::{Client, Patience};
use libfuzzer_sys::fuzz_target;

/// Answers the next client of each socket with these bytes.
static SERVER: LazyLock<Sender<(UnixListener, Vec<u8>)>> = LazyLock::new(|| {
    let (sender, receiver) = channel::<(UnixListener, Vec<u8>)>();
    thread::spawn(move || {
        for (listener, answer) in receiver {
            let (mut stream, _) = listener.accept().expect("a client");
            // The client may be gone as soon as it has seen enough.
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = io::copy(&mut stream, &mut io::sink());
        }
    });
    sender
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, answer)) = input.split_first() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket).expect("a socket");
    SERVER
        .send((listener, answer.to_vec()))
        .expect("the server");
    let client = Client::new(socket).with_patience(Patience {
        machine: Duration::from_secs(5),
        human: Duration::from_secs(5),
    });
    match choice % 6 {
        0 => drop(client.status()),
        1 => drop(client.identity(None)),
        2 => {
            if let Ok(events) = client.events() {
                events.for_each(drop);
            }
        }
        3 => {
            let parameters = CmsParameters::default();
            let _ = client.sign_cms(&parameters, &mut &b"content"[..], &mut io::sink());
        }
        4 => {
            let request = TunnelRequest {
                card: None,
                host: "localhost".to_owned(),
                port: 443,
                purpose: None,
            };
            if let Ok(mut tunnel) = client.tunnel(&request) {
                let _ = tunnel.read_to_end(&mut Vec::new());
            }
        }
        _ => drop(client.objects()),
    }
});
