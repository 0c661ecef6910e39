//! A daemon with one virtual reader, and a small HTTP client.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cps_emulator::{CrlVariant, Holder, Pki, Profile, Slot, VirtualCard};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::config::Config;
use crate::daemon::{Daemon, DaemonOptions};
use crate::mail::gateway;
use crate::notify::Notifier;
use crate::prompt::{
    ConfirmRequest, Decision, InformRequest, LockedBuffer, PinRequest, PromptError, Prompter,
    Secret,
};
use crate::readers::simulated::SimulatedReaders;
use crate::readers::slots::SlotReader;
use crate::server::Limits;
use crate::testing::Publisher;

/// Everything a test needs; the folder goes last.
pub(super) struct Bench {
    pub(super) daemon: Daemon,
    pub(super) slot: Slot,
    pub(super) readers: SimulatedReaders,
    pub(super) dialogs: Arc<Dialogs>,
    pub(super) pki: Pki,
    pub(super) publisher: Publisher,
    pub(super) folder: Folder,
}

/// A temporary folder that is gone in the end even when a list is just being written into it, which
/// makes a single removal fail half-way.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.path().exists() && Instant::now() < deadline {
            if std::fs::remove_dir_all(self.path()).is_err() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// How a bench is set up.
pub(super) struct Setup {
    pub(super) holder: Holder,
    pub(super) profile: Profile,
    pub(super) lists: CrlVariant,
    pub(super) limits: Limits,
    pub(super) mail_limits: gateway::Limits,
    /// More of the configuration: keys first, then `[[destination]]` sections.
    pub(super) destinations: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            holder: Holder::CpsMedecin,
            profile: Profile::Cps3,
            lists: CrlVariant::Empty,
            limits: Limits::default(),
            mail_limits: gateway::Limits::default(),
            destinations: String::new(),
        }
    }
}

impl Setup {
    pub(super) fn of(holder: Holder, profile: Profile) -> Self {
        Self {
            holder,
            profile,
            ..Self::default()
        }
    }

    /// Allows one destination on loopback.
    pub(super) fn allowing(mut self, port: u16) -> Self {
        self.destinations +=
            &format!("[[destination]]\nhost = \"localhost\"\nport = {port}\npurpose = \"test\"\n");
        self
    }

    pub(super) async fn start(self) -> Bench {
        let (publisher, pki) = Publisher::of_lists(self.lists).await;
        self.start_with(publisher, pki).await
    }

    pub(super) async fn start_with(self, publisher: Publisher, pki: Pki) -> Bench {
        let folder = Folder::new();
        let anchors = folder.path().join("anchors");
        std::fs::create_dir(&anchors).expect("created");
        for (index, der) in pki
            .anchors_der()
            .iter()
            .chain(&pki.intermediates_der())
            .enumerate()
        {
            std::fs::write(anchors.join(format!("{index}.cer")), der).expect("written");
        }
        let mut text = format!(
            "environment = \"custom\"\nanchors = [{:?}]\n{}\n",
            anchors, self.destinations
        );
        // Any free port.
        if !text.contains("[mail]") {
            text += "[mail]\n";
        }
        let ports = ["imap", "smtp", "imaps", "smtps", "autoconfig"]
            .into_iter()
            .filter(|key| !text.contains(&format!("\n{key} = \"")))
            .map(|key| format!("{key} = \"127.0.0.1:0\"\n"));
        let ports = format!("[mail]\n{}", ports.collect::<String>());
        let text = text.replace("[mail]\n", &ports);
        let config = Config::parse(&text, "test").expect("a configuration");
        let slot = Slot::new("Virtual reader");
        slot.insert(VirtualCard::new(&pki, self.holder, self.profile));
        let readers = SimulatedReaders::default();
        readers.plug("Virtual reader", Arc::new(SlotReader::new(slot.clone())));
        let dialogs = Arc::new(Dialogs::default());
        let mut options = DaemonOptions::new(config, folder.path().join("state"));
        options.desktop = false;
        options.limits = self.limits;
        options.mail_limits = self.mail_limits;
        // Nobody's desktop.
        options.notifier = Notifier::on("unix:path=/nonexistent/bus".to_owned());
        options.prompter = Some(Arc::clone(&dialogs) as Arc<dyn Prompter>);
        options.socket = Some(folder.path().join("cpsd/cpsd.sock"));
        options.source = Some(Box::new(readers.source()));
        let daemon = Daemon::start(options).await.expect("starts");
        Bench {
            daemon,
            slot,
            readers,
            dialogs,
            pki,
            publisher,
            folder,
        }
    }
}

impl Bench {
    pub(super) async fn connect(&self) -> UnixStream {
        let path = self.daemon.socket().expect("a path");
        UnixStream::connect(path).await.expect("connects")
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Vec::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        let headers = [(header::CONTENT_TYPE.as_str(), "application/json")];
        self.send("POST", path, &headers, body.to_string().into_bytes())
            .await
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let stream = TokioIo::new(self.connect().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .expect("speaks HTTP");
        let connection = tokio::spawn(connection.with_upgrades());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "cpsd");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        drop(sender);
        connection.abort();
        Answer {
            status,
            headers,
            body,
        }
    }

    pub(super) async fn open_tunnel(&self, port: u16) -> TokioIo<hyper::upgrade::Upgraded> {
        match self.tunnel(port).await {
            Ok(tunnel) => tunnel,
            Err(answer) => panic!("no tunnel: {}", answer.json()),
        }
    }

    pub(super) async fn refused_tunnel(&self, port: u16) -> Answer {
        match self.tunnel(port).await {
            Ok(_) => panic!("a tunnel, where a refusal was expected"),
            Err(answer) => answer,
        }
    }

    /// Asks for a tunnel; the stream when it is there.
    async fn tunnel(&self, port: u16) -> Result<TokioIo<hyper::upgrade::Upgraded>, Answer> {
        let stream = TokioIo::new(self.connect().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .expect("speaks HTTP");
        tokio::spawn(connection.with_upgrades());
        let body = serde_json::json!({"host": "localhost", "port": port}).to_string();
        let request = Request::post("/v1/tls/tunnel")
            .header("host", "cpsd")
            .header("connection", "upgrade")
            .header("upgrade", "cpsd-tunnel")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgraded = hyper::upgrade::on(response).await.expect("upgraded");
            return Ok(TokioIo::new(upgraded));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        Err(Answer {
            status,
            headers,
            body,
        })
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The body of a success.
    pub(super) fn good(&self) -> Value {
        assert_eq!(
            self.status,
            StatusCode::OK,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self.json()
    }

    /// The code of a problem document that is consistent with its answer.
    pub(super) fn code(&self) -> String {
        let document = self.json();
        let media_type = self
            .headers
            .get(header::CONTENT_TYPE)
            .expect("a media type");
        assert_eq!(media_type, "application/problem+json", "{document}");
        assert_eq!(document["status"], self.status.as_u16(), "{document}");
        for member in ["fr", "en", "remedy_fr", "remedy_en", "title", "fault"] {
            assert!(
                document[member]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{document}"
            );
        }
        document["code"].as_str().expect("a code").to_owned()
    }
}

/// Dialogs answered by the test: PIN 1234 and "for this session" unless told otherwise.
#[derive(Default)]
pub(super) struct Dialogs {
    pub(super) pins: Mutex<VecDeque<String>>,
    pub(super) decisions: Mutex<VecDeque<Decision>>,
    /// PIN dialogs stay open as long as this is so.
    pub(super) hang: std::sync::atomic::AtomicBool,
    /// PIN dialogs are cancelled.
    pub(super) cancel: std::sync::atomic::AtomicBool,
    pub(super) open: Arc<AtomicUsize>,
    pub(super) shown: AtomicUsize,
    pub(super) asked: AtomicUsize,
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Dialogs {
    pub(super) fn type_next(&self, pins: &[&str]) {
        let mut queue = self.pins.lock().expect("not poisoned");
        queue.extend(pins.iter().map(|pin| (*pin).to_owned()));
    }

    pub(super) fn decide_next(&self, decision: Decision) {
        self.decisions
            .lock()
            .expect("not poisoned")
            .push_back(decision);
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    fn enter(&self) -> Open {
        self.open.fetch_add(1, Ordering::SeqCst);
        Open(Arc::clone(&self.open))
    }
}

impl Prompter for Dialogs {
    fn pin(&self, request: PinRequest) -> BoxFuture<'_, Result<LockedBuffer, PromptError>> {
        Box::pin(async move {
            let _open = self.enter();
            self.shown.fetch_add(1, Ordering::SeqCst);
            while self.hang.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if self.cancel.load(Ordering::SeqCst) {
                return Err(PromptError::Cancelled);
            }
            let usual = match request.secret {
                Secret::Unblocking => "12345678",
                Secret::New | Secret::Repeated => "4321",
                Secret::Current => "1234",
            };
            let next = self.pins.lock().expect("not poisoned").pop_front();
            let pin = next.unwrap_or_else(|| usual.to_owned());
            Ok(LockedBuffer::holding(pin.as_bytes()).expect("lockable"))
        })
    }

    fn confirm(&self, _request: ConfirmRequest) -> BoxFuture<'_, Result<Decision, PromptError>> {
        Box::pin(async move {
            let _open = self.enter();
            self.asked.fetch_add(1, Ordering::SeqCst);
            let next = self.decisions.lock().expect("not poisoned").pop_front();
            Ok(next.unwrap_or(Decision::ForSession))
        })
    }

    fn inform(&self, _request: InformRequest) -> BoxFuture<'_, Result<(), PromptError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Waits for something that must come true soon.
pub(super) async fn soon(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within {PATIENCE:?}");
}

/// What must come true takes milliseconds; a busy machine, whose disk is waited for, takes longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
