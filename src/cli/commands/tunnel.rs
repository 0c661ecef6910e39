//! `cps tunnel`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cps_api::types::TunnelRequest;
use cps_api::{Client, Code, Lang, Problem, TunnelReader, TunnelWriter};
use serde_json::json;

use super::{Context, Done, peer};
use crate::arguments::Destination;
use crate::failure::{Failure, say};
use crate::output::print;

/// Joins standard input and output, or each connection to `listen`, to the authenticated connection.
pub(super) fn run(
    context: &Context,
    client: &Client,
    destination: Destination,
    listen: Option<SocketAddr>,
    purpose: Option<String>,
) -> Done {
    let request = TunnelRequest {
        card: context.card.clone(),
        host: destination.host,
        port: destination.port,
        purpose,
    };
    match listen {
        None => join_standard(client, &request),
        Some(address) => serve(context, client, request, address),
    }
}

/// Ends when the server does; the end of standard input is told to the server.
fn join_standard(client: &Client, request: &TunnelRequest) -> Done {
    let (mut reader, mut writer) = client.tunnel(request)?.split();
    thread::spawn(move || {
        // A failure to write shows as the end, or the failure, of what is read.
        if copy(&mut io::stdin().lock(), &mut writer).is_ok() {
            let _ = writer.finish();
        }
    });
    let mut block = [0; BLOCK];
    let mut out = io::stdout().lock();
    loop {
        let n = reader.read(&mut block).map_err(|error| broken(&error))?;
        if n == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        let written = out.write_all(&block[..n]).and_then(|()| out.flush());
        written.map_err(|error| Failure::output(&error))?;
    }
}

fn broken(error: &io::Error) -> Failure {
    Problem::new(Code::DaemonProtocol)
        .with("reason", error.to_string())
        .into()
}

/// Serves until interrupted.
fn serve(context: &Context, client: &Client, request: TunnelRequest, address: SocketAddr) -> Done {
    let unavailable = |error: io::Error| {
        let problem = Problem::new(Code::AddressUnavailable).with("address", address.to_string());
        Failure::from(problem.with("reason", error.to_string()))
    };
    let listener = TcpListener::bind(address).map_err(unavailable)?;
    let chosen = listener.local_addr().map_err(unavailable)?;
    if context.json {
        print(&format!("{}\n", json!({ "listening": chosen.to_string() })))?;
    } else {
        print(&format!("{chosen}\n"))?;
    }
    let shared = Arc::new(Shared {
        client: client.clone(),
        request,
        lang: context.lang,
        json: context.json,
    });
    loop {
        match listener.accept() {
            // Each thread holds the shared part: their number is that of the tunnels.
            Ok(_) if Arc::strong_count(&shared) > MAX_TUNNELS => {
                shared.tell(&Problem::new(Code::CallerTooMany));
            }
            Ok((stream, peer)) => {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.connection(stream, peer));
            }
            // Out of descriptors, or a connection gone before it was accepted: others may come.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// What every connection needs.
struct Shared {
    client: Client,
    request: TunnelRequest,
    lang: Lang,
    json: bool,
}

impl Shared {
    fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        if !peer::is_ours(&stream, peer) {
            self.tell(&Problem::new(Code::CallerDenied));
            return;
        }
        match self.client.tunnel(&self.request) {
            Ok(tunnel) => {
                let (reader, writer) = tunnel.split();
                // A connection that breaks concerns its two ends, which both see it.
                let _ = join(&stream, reader, writer);
            }
            Err(error) => self.tell(&error.into()),
        }
    }

    fn tell(&self, problem: &Problem) {
        say(problem, self.lang, self.json);
    }
}

/// Joins `stream` and the tunnel until both directions have ended; each half closes on its own.
fn join(stream: &TcpStream, mut reader: TunnelReader, mut writer: TunnelWriter) -> io::Result<()> {
    stream.set_nodelay(true)?;
    thread::scope(|scope| {
        scope.spawn(move || match copy(&mut { stream }, &mut writer) {
            Ok(()) => writer.finish(),
            Err(_) => writer.close(),
        });
        match copy(&mut reader, &mut { stream }) {
            Ok(()) => stream.shutdown(Shutdown::Write),
            Err(_) => {
                let _ = reader.close();
                stream.shutdown(Shutdown::Both)
            }
        }
    })
}

/// Copies what comes as it comes.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut block = [0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&block[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

const BLOCK: usize = 16 * 1024;

/// How many connections are served at once.
const MAX_TUNNELS: usize = 64;
