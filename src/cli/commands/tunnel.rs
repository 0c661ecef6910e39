//! `cps tunnel`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cps_api::types::TunnelRequest;
use cps_api::{Client, Code, Error, Lang, Problem, TunnelReader, TunnelWriter, open_socket};
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

/// Joins standard input and output to the mail gateway's socket of this name, beside that of the API.
pub(super) fn gateway(client: &Client, name: &str) -> Done {
    let socket = client.socket().with_file_name(format!("{name}.sock"));
    let mut reader = match open_socket(&socket) {
        Ok(stream) => stream,
        // The daemon is there: it has no mailbox.
        Err(Error::Absent { .. }) if client.socket().exists() => {
            return Err(Problem::new(Code::MailClosed).into());
        }
        Err(error) => return Err(error.into()),
    };
    let writer = reader.try_clone().map_err(|error| broken(&error))?;
    thread::spawn(move || {
        // A failure to write shows as the end of what is read.
        if copy(&mut io::stdin().lock(), &mut &writer).is_ok() {
            let _ = writer.shutdown(Shutdown::Write);
        }
    });
    shown(&mut reader, &mut io::stdout().lock())
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
    shown(&mut reader, &mut io::stdout().lock())
}

/// Writes what comes as it comes.
fn shown(reader: &mut impl Read, out: &mut impl Write) -> Done {
    let mut block = [0; BLOCK];
    loop {
        let n = match reader.read(&mut block) {
            Ok(0) => return Ok(ExitCode::SUCCESS),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(&error)),
        };
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
