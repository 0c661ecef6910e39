//! nginx that requires a client certificate.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use cps_emulator::ServerIdentity;
use serde_json::Value;

use crate::{Peer, Sandbox, until};

/// Protocol versions a site accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3.
    Both,
    /// TLS 1.2 only.
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// One TLS site of the server.
#[derive(Clone, Debug)]
pub struct Site {
    /// Loopback port, see [`Sandbox::free_port`].
    pub port: u16,
    /// Protocol versions.
    pub versions: TlsVersions,
    /// Whether a client certificate is demanded.
    pub client_certificate: bool,
    /// Whether a client may resume its TLS session: then only the first connection needs a
    /// signature of the card.
    pub resumption: bool,
}

impl Site {
    /// A site that demands a client certificate.
    pub fn new(versions: TlsVersions) -> Self {
        Self {
            port: Sandbox::free_port(),
            versions,
            client_certificate: true,
            resumption: false,
        }
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

/// The server. It answers each request with a page that shows the subject of the certificate it
/// verified, closes the connection, and writes what it saw to a log of JSON lines: the evidence the
/// tests judge by.
#[derive(Debug)]
pub struct Nginx {
    peer: Peer,
    log: PathBuf,
}

impl Nginx {
    /// Starts the server and waits for its ports. `client_anchors` is a PEM file with the roots
    /// *and* intermediates whose names the server announces to clients.
    ///
    /// # Panics
    ///
    /// When nginx is missing or refuses its configuration.
    pub fn start(
        sandbox: &Sandbox,
        identity: &ServerIdentity,
        client_anchors: &Path,
        sites: &[Site],
    ) -> Self {
        let folder = sandbox.join("nginx");
        let certificate = sandbox.write("nginx/server.pem", &identity.chain_pem);
        let key = sandbox.write("nginx/server.key", &identity.key_pem);
        let servers: String = sites.iter().map(server).collect();
        let configuration = sandbox.write(
            "nginx/nginx.conf",
            CONFIGURATION
                .replace("@FOLDER@", &folder.display().to_string())
                .replace("@CERTIFICATE@", &certificate.display().to_string())
                .replace("@KEY@", &key.display().to_string())
                .replace("@ANCHORS@", &client_anchors.display().to_string())
                .replace("@SERVERS@", &servers),
        );
        let mut command = sandbox.command("nginx");
        command
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(configuration);
        let mut peer = Peer::start(sandbox, "nginx", "nginx-light", command);
        for site in sites {
            until("the port of nginx", || {
                if let Some(status) = peer.ended() {
                    let errors = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
                    panic!("nginx ended with {status}: {}{errors}", peer.log());
                }
                TcpStream::connect(("127.0.0.1", site.port)).ok()
            });
        }
        Self {
            peer,
            log: folder.join("access.log"),
        }
    }

    /// Requests answered so far: an object each with `dn` and `verify` of the client certificate,
    /// the `protocol`, whether the session was `reused`, the `status` and the `uri`.
    ///
    /// # Panics
    ///
    /// When the log is not what the configuration asks for.
    pub fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Ends the server.
    pub fn stop(&mut self) {
        self.peer.stop();
    }
}

fn server(site: &Site) -> String {
    let versions = match site.versions {
        TlsVersions::Both => "TLSv1.2 TLSv1.3",
        TlsVersions::Tls12 => "TLSv1.2",
        TlsVersions::Tls13 => "TLSv1.3",
    };
    let verify = if site.client_certificate { "on" } else { "off" };
    let page = PORTAL.replace('\\', r"\\").replace('"', "\\\"");
    let tickets = if site.resumption { "on" } else { "off" };
    format!(
        "server {{ listen 127.0.0.1:{} ssl; ssl_protocols {versions}; ssl_verify_client {verify}; \
         ssl_session_tickets {tickets}; location / {{ return 200 \"{page}\"; }} }}\n",
        site.port
    )
}

/// nginx puts its variables in, such as `$ssl_client_s_dn`.
const PORTAL: &str = include_str!("portal.html");

const CONFIGURATION: &str = r#"
daemon off;
worker_processes 1;
pid @FOLDER@/pid;
error_log @FOLDER@/error.log info;
events { worker_connections 64; }
http {
    log_format json escape=json '{"dn":"$ssl_client_s_dn","verify":"$ssl_client_verify","protocol":"$ssl_protocol","reused":"$ssl_session_reused","status":"$status","uri":"$request_uri"}';
    access_log @FOLDER@/access.log json;
    default_type text/html;
    keepalive_timeout 0;
    client_body_temp_path @FOLDER@/body;
    proxy_temp_path @FOLDER@/proxy;
    fastcgi_temp_path @FOLDER@/fastcgi;
    uwsgi_temp_path @FOLDER@/uwsgi;
    scgi_temp_path @FOLDER@/scgi;
    ssl_certificate @CERTIFICATE@;
    ssl_certificate_key @KEY@;
    ssl_client_certificate @ANCHORS@;
    ssl_verify_depth 3;
    ssl_session_cache off;
    @SERVERS@
}
"#;
