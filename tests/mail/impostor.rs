//! An operator that does what none should.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_emulator::{Pki, ServerIdentity};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, crypto};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// How it behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Manner {
    /// STARTTLS, and every login is right: only its certificate may be wrong.
    Proper,
    /// Does not offer STARTTLS, and refuses it: somebody on the way took it out.
    NoStartTls,
    /// Lets an answer of a later command follow its consent to STARTTLS in the clear (RFC 3207 §4.2,
    /// RFC 9051 §11.1).
    Injects,
    /// Claims, in the clear, that the client is logged in already (RFC 3501 §7.1.4), so that it never
    /// asks for TLS.
    PreAuthenticated,
    /// TLS from the first byte, and the client is logged in already: by its certificate.
    PreAuthenticatedInTls,
    /// Refuses a token with a challenge, and closes without waiting for the answer to it.
    RefusesAndDrops,
}

/// What it was asked.
#[derive(Debug, Default)]
struct Heard {
    lines: Vec<String>,
    handshakes: usize,
}

/// It speaks IMAP and SMTP, each on a loopback port, for as long as this process lives.
#[derive(Debug)]
pub struct Impostor {
    imap: u16,
    smtp: u16,
    heard: Arc<Mutex<Heard>>,
}

impl Impostor {
    /// Starts it. It asks for a client certificate, and does without.
    ///
    /// # Panics
    ///
    /// When the identity cannot be used.
    pub fn start(pki: &Pki, identity: &ServerIdentity, manner: Manner) -> Self {
        let config = Arc::new(config(pki, identity));
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let port = |greet: fn(Manner) -> &'static str, answer: Answer| {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let (config, heard) = (Arc::clone(&config), Arc::clone(&heard));
            thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    let side = Side {
                        config: Arc::clone(&config),
                        heard: Arc::clone(&heard),
                        manner,
                        greet,
                        answer,
                    };
                    // A client that goes away in the middle is what most of them do.
                    thread::spawn(move || side.serve(client));
                }
            });
            port
        };
        Self {
            imap: port(imap_greeting, imap),
            smtp: port(smtp_greeting, smtp),
            heard,
        }
    }

    /// Port for IMAP.
    pub fn imap(&self) -> u16 {
        self.imap
    }

    /// Port for submission.
    pub fn smtp(&self) -> u16 {
        self.smtp
    }

    /// Every line that a client sent so far, in the clear or under TLS.
    pub fn heard(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// How many TLS handshakes were completed.
    pub fn handshakes(&self) -> usize {
        self.lock().handshakes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer = fn(&str, Manner, secured: bool) -> Reply;

enum Reply {
    Say(String),
    /// Says it, then begins TLS.
    Secure(String),
    /// Says it, then closes.
    Drop(String),
}

struct Side {
    config: Arc<ServerConfig>,
    heard: Arc<Mutex<Heard>>,
    manner: Manner,
    greet: fn(Manner) -> &'static str,
    answer: Answer,
}

impl Side {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        if self.manner != Manner::PreAuthenticatedInTls {
            client.write_all((self.greet)(self.manner).as_bytes())?;
            if !self.converse(&mut client, false)? {
                return Ok(());
            }
        }
        let mut connection =
            ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        connection.complete_io(&mut client)?;
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .handshakes += 1;
        let mut secured = StreamOwned::new(connection, client);
        if self.manner == Manner::PreAuthenticatedInTls {
            secured.write_all((self.greet)(self.manner).as_bytes())?;
        }
        self.converse(&mut secured, true)?;
        Ok(())
    }

    /// Whether TLS begins now.
    fn converse(&self, stream: &mut (impl Read + Write), secured: bool) -> io::Result<bool> {
        loop {
            // Byte by byte: nothing of a TLS handshake may be read here.
            let mut line = Vec::new();
            while line.last() != Some(&b'\n') {
                let mut byte = [0];
                if stream.read(&mut byte)? == 0 {
                    return Ok(false);
                }
                line.push(byte[0]);
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.heard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .lines
                .push(line.clone());
            match (self.answer)(&line, self.manner, secured) {
                Reply::Say(text) => stream.write_all(text.as_bytes())?,
                Reply::Secure(text) => {
                    stream.write_all(text.as_bytes())?;
                    return Ok(true);
                }
                Reply::Drop(text) => {
                    stream.write_all(text.as_bytes())?;
                    stream.flush()?;
                    return Ok(false);
                }
            }
            stream.flush()?;
        }
    }
}

fn imap_greeting(manner: Manner) -> &'static str {
    match manner {
        Manner::PreAuthenticated | Manner::PreAuthenticatedInTls => "* PREAUTH welcome\r\n",
        _ => "* OK ready\r\n",
    }
}

fn smtp_greeting(_: Manner) -> &'static str {
    "220 localhost ESMTP\r\n"
}

fn imap(line: &str, manner: Manner, secured: bool) -> Reply {
    let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
    let command = command.to_ascii_uppercase();
    let offered = if secured || manner == Manner::NoStartTls {
        ""
    } else {
        " STARTTLS LOGINDISABLED"
    };
    match command.as_str() {
        "STARTTLS" if manner == Manner::NoStartTls => Reply::Say(format!("{tag} BAD unknown\r\n")),
        "STARTTLS" if manner == Manner::Injects => Reply::Secure(format!(
            "{tag} OK go\r\n* CAPABILITY IMAP4rev1 AUTH=EXTERNAL\r\n"
        )),
        "STARTTLS" => Reply::Secure(format!("{tag} OK go\r\n")),
        "LOGOUT" => Reply::Drop(format!("* BYE\r\n{tag} OK bye\r\n")),
        "CAPABILITY" => Reply::Say(format!(
            "* CAPABILITY IMAP4rev1 SASL-IR AUTH=EXTERNAL AUTH=XOAUTH2{offered}\r\n{tag} OK done\r\n"
        )),
        _ if manner == Manner::RefusesAndDrops && command.starts_with("AUTHENTICATE") => {
            Reply::Drop(format!("+ {}\r\n", STANDARD.encode(REFUSAL)))
        }
        _ => Reply::Say(format!("{tag} OK done\r\n")),
    }
}

fn smtp(line: &str, manner: Manner, secured: bool) -> Reply {
    let command = line.to_ascii_uppercase();
    let offered = if secured || manner == Manner::NoStartTls {
        ""
    } else {
        "250-STARTTLS\r\n"
    };
    if command.starts_with("EHLO") {
        return Reply::Say(format!(
            "250-localhost\r\n{offered}250 AUTH EXTERNAL XOAUTH2\r\n"
        ));
    }
    match command.as_str() {
        "STARTTLS" if manner == Manner::NoStartTls => Reply::Say("502 5.5.1 unknown\r\n".into()),
        "STARTTLS" if manner == Manner::Injects => {
            Reply::Secure("220 go\r\n250 AUTH EXTERNAL\r\n".into())
        }
        "STARTTLS" => Reply::Secure("220 go\r\n".into()),
        "QUIT" => Reply::Drop("221 bye\r\n".into()),
        // The message comes on a line of its own.
        "AUTH XOAUTH2" => Reply::Say("334 \r\n".into()),
        _ if manner == Manner::RefusesAndDrops => {
            Reply::Drop(format!("334 {}\r\n", STANDARD.encode(REFUSAL)))
        }
        _ if command.starts_with("AUTH") => Reply::Say("235 2.7.0 ok\r\n".into()),
        _ => Reply::Say("250 2.0.0 ok\r\n".into()),
    }
}

/// What a real operator said (domain page "mssante", section 4.3).
const REFUSAL: &str = r#"{"status":"401","schemes":"bearer","scope":"mail"}"#;

pub(super) fn config(pki: &Pki, identity: &ServerIdentity) -> ServerConfig {
    let provider = Arc::new(crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for root in pki.anchors_der() {
        roots.add(CertificateDer::from(root)).unwrap();
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let body: String = identity
        .key_pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let key = PrivatePkcs8KeyDer::from(STANDARD.decode(body).unwrap());
    let chain = identity
        .chain_der
        .iter()
        .cloned()
        .map(CertificateDer::from)
        .collect();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::from(key))
        .unwrap()
}
