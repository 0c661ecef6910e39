//! An MSSanté operator on loopback, good or bad in one way at a time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_emulator::{Pki, ServerIdentity};
use cps_mail::Protocol;
use rustls::{CipherSuite, ProtocolVersion};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::{Behaviour, acceptor};

/// How an operator behaves.
pub(crate) struct Manner {
    pub(crate) protocol: Protocol,
    /// Whether TLS begins with STARTTLS.
    pub(crate) starttls: bool,
    /// STARTTLS is not offered, and refused.
    pub(crate) strips: bool,
    /// Something follows the consent to TLS.
    pub(crate) injects: bool,
    /// The connection is closed instead of this reply, counted from the greeting.
    pub(crate) dies_at: usize,
    /// After the reason for refusing a token, the connection is closed.
    pub(crate) leaves: bool,
    /// The tokens that are accepted; nothing: logins are EXTERNAL.
    pub(crate) tokens: Option<&'static [&'static str]>,
    pub(crate) tls: Behaviour,
}

impl Manner {
    pub(crate) fn good(protocol: Protocol, starttls: bool) -> Self {
        Self {
            protocol,
            starttls,
            strips: false,
            injects: false,
            dies_at: usize::MAX,
            leaves: false,
            tokens: None,
            tls: Behaviour::default(),
        }
    }

    /// One that accepts these tokens and asks for no certificate.
    pub(crate) fn of_tokens(protocol: Protocol, tokens: &'static [&'static str]) -> Self {
        let mut manner = Self::good(protocol, true);
        manner.tokens = Some(tokens);
        manner.tls.asks = false;
        manner
    }
}

/// What an operator saw of a handshake.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    pub(crate) certificate: Option<Vec<u8>>,
    pub(crate) version: ProtocolVersion,
    pub(crate) suite: CipherSuite,
    pub(crate) resumed: bool,
}

/// A running operator.
pub(crate) struct Operator {
    pub(crate) address: SocketAddr,
    /// Connections accepted.
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) handshakes: Arc<Mutex<Vec<Handshake>>>,
    /// Every line it was sent, before TLS and within.
    heard: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Operator {
    pub(crate) async fn start(pki: &Pki, identity: &ServerIdentity, mut manner: Manner) -> Self {
        let tls = std::mem::take(&mut manner.tls);
        let acceptor = acceptor(pki, identity, tls);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let connections = Arc::<AtomicUsize>::default();
        let handshakes = Arc::<Mutex<Vec<Handshake>>>::default();
        let heard = Arc::default();
        let (counter, seen) = (Arc::clone(&connections), Arc::clone(&handshakes));
        let (manner, lines) = (Arc::new(manner), Arc::clone(&heard));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                let mut talk = Talk {
                    manner: Arc::clone(&manner),
                    heard: Arc::clone(&lines),
                    replies: 0,
                    secure: !manner.starttls,
                };
                tokio::spawn(async move {
                    if !talk.secure && talk.hold(&mut stream).await != Some(End::Tls) {
                        return;
                    }
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let session = stream.get_ref().1;
                    let certificate = session.peer_certificates().map(|all| all[0].to_vec());
                    seen.lock().expect("not poisoned").push(Handshake {
                        certificate,
                        version: session.protocol_version().expect("agreed"),
                        suite: session.negotiated_cipher_suite().expect("agreed").suite(),
                        resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
                    });
                    talk.hold(&mut stream).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self {
            address,
            connections,
            handshakes,
            heard,
            task,
        }
    }

    /// Every line it was sent, in order.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").clone()
    }

    /// The lines that carry a login.
    pub(crate) fn logins(&self) -> Vec<String> {
        let login = |line: &String| line.contains("AUTH");
        self.heard().into_iter().filter(login).collect()
    }

    pub(crate) fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().expect("not poisoned").clone()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Eq, PartialEq)]
enum End {
    Tls,
    Closed,
}

/// One connection.
struct Talk {
    manner: Arc<Manner>,
    heard: Arc<Mutex<Vec<String>>>,
    replies: usize,
    secure: bool,
}

impl Talk {
    /// Speaks until TLS begins or the connection ends.
    async fn hold<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Option<End> {
        let mut stream = BufReader::new(stream);
        let inside = self.secure && self.manner.starttls;
        if !inside {
            let greeting = match self.manner.protocol {
                Protocol::Imap => "* OK operator\r\n",
                Protocol::Smtp => "220 operateur.test ESMTP\r\n",
            };
            self.say(&mut stream, greeting).await?;
        }
        loop {
            let line = self.listen(&mut stream).await?;
            let (tag, rest) = match self.manner.protocol {
                Protocol::Imap => line.split_once(' ')?,
                Protocol::Smtp => ("", line.as_str()),
            };
            let verb = rest.split(' ').next()?.to_ascii_uppercase();
            match verb.as_str() {
                "STARTTLS" if !self.secure => {
                    let mut consent = match (self.manner.protocol, self.manner.strips) {
                        (Protocol::Imap, false) => format!("{tag} OK begin\r\n"),
                        (Protocol::Imap, true) => format!("{tag} BAD unknown\r\n"),
                        (Protocol::Smtp, false) => "220 begin\r\n".to_owned(),
                        (Protocol::Smtp, true) => "502 5.5.1 unknown\r\n".to_owned(),
                    };
                    if self.manner.injects {
                        consent += "* PREAUTH\r\n";
                    }
                    self.say(&mut stream, &consent).await?;
                    self.secure = true;
                    return Some(End::Tls);
                }
                "CAPABILITY" => {
                    let can = match (self.secure, self.manner.strips, self.manner.tokens) {
                        (false, true, _) => "LOGINDISABLED",
                        (false, ..) => "STARTTLS LOGINDISABLED",
                        (true, _, None) => "SASL-IR AUTH=EXTERNAL",
                        (true, _, Some(_)) => "SASL-IR AUTH=XOAUTH2",
                    };
                    let answer = format!("* CAPABILITY IMAP4rev1 {can}\r\n{tag} OK done\r\n");
                    self.say(&mut stream, &answer).await?;
                }
                "EHLO" => {
                    let can = match (self.secure, self.manner.strips, self.manner.tokens) {
                        (false, true, _) => "8BITMIME",
                        (false, ..) => "STARTTLS",
                        (true, _, None) => "AUTH EXTERNAL",
                        (true, _, Some(_)) => "AUTH XOAUTH2",
                    };
                    let answer = format!("250-operateur.test\r\n250 {can}\r\n");
                    self.say(&mut stream, &answer).await?;
                }
                "AUTHENTICATE" | "AUTH" => self.judge(&mut stream, tag, rest).await?,
                // A farewell, or what a good client never says.
                _ => return Some(End::Closed),
            }
        }
    }

    async fn judge<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        tag: &str,
        command: &str,
    ) -> Option<()> {
        let message = command.rsplit(' ').next()?;
        let message = STANDARD.decode(message).unwrap_or_default();
        let message = String::from_utf8_lossy(&message).into_owned();
        let accepted = self.manner.tokens.is_none_or(|tokens| {
            let bearer = |token: &&str| message.contains(&format!("auth=Bearer {token}\x01"));
            tokens.iter().any(bearer)
        });
        let imap = self.manner.protocol == Protocol::Imap;
        if accepted {
            let welcome = match imap {
                true => format!("{tag} OK [CAPABILITY IMAP4rev1 IDLE] welcome\r\n"),
                false => "235 2.7.0 welcome\r\n".to_owned(),
            };
            return self.say(stream, &welcome).await;
        }
        let challenge = STANDARD.encode(r#"{"status":"401","schemes":"bearer","scope":"mail"}"#);
        let challenge = match imap {
            true => format!("+ {challenge}\r\n"),
            false => format!("334 {challenge}\r\n"),
        };
        self.say(stream, &challenge).await?;
        if self.manner.leaves {
            return None;
        }
        self.listen(stream).await?;
        let refusal = match imap {
            true => format!("{tag} NO [AUTHENTICATIONFAILED] no\r\n"),
            false => "535 5.7.8 no\r\n".to_owned(),
        };
        self.say(stream, &refusal).await
    }

    async fn listen<S: AsyncRead + Unpin>(&self, stream: &mut BufReader<S>) -> Option<String> {
        let mut line = Vec::new();
        let length = stream.read_until(b'\n', &mut line).await.ok()?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if length > 0 {
            self.heard.lock().expect("not poisoned").push(line.clone());
        }
        (length > 0).then_some(line)
    }

    async fn say<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        words: &str,
    ) -> Option<()> {
        if self.replies == self.manner.dies_at {
            return None;
        }
        self.replies += 1;
        stream.write_all(words.as_bytes()).await.ok()?;
        stream.flush().await.ok()
    }
}
