//! dnsmasq, a name server that knows what a test tells it and asks no other.

use std::net::{SocketAddr, TcpStream};

use crate::{Peer, Sandbox, until};

/// The server, on a private port.
#[derive(Debug)]
pub struct Dnsmasq {
    address: SocketAddr,
    _peer: Peer,
}

impl Dnsmasq {
    /// Starts the server and waits for its port. `records` are options of dnsmasq(8), such as
    /// `host-record=NAME,ADDRESS` and `srv-host=SERVICE,NAME,PORT,PRIORITY`; nothing else exists.
    ///
    /// # Panics
    ///
    /// When dnsmasq is missing or refuses a record.
    pub fn start(sandbox: &Sandbox, records: &[&str]) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], Sandbox::free_port()));
        let lines: String = records.iter().map(|line| format!("{line}\n")).collect();
        // What is not among the records is known not to exist, rather than not known.
        let configuration = sandbox.write("dnsmasq/dnsmasq.conf", format!("{lines}local=/#/\n"));
        let mut command = sandbox.command("dnsmasq");
        command
            .args([
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
            ])
            .args([
                "--listen-address=127.0.0.1",
                "--pid-file",
                "--log-facility=-",
            ])
            .arg(format!("--port={}", address.port()))
            .arg(format!("--conf-file={}", configuration.display()));
        let mut peer = Peer::start(sandbox, "dnsmasq", "dnsmasq-base", command);
        until("the port of dnsmasq", || {
            if let Some(status) = peer.ended() {
                panic!("dnsmasq ended with {status}: {}", peer.log());
            }
            TcpStream::connect(address).ok()
        });
        Self {
            address,
            _peer: peer,
        }
    }

    /// Where it answers, over UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
