//! A blocking client: one connection, one request, one answer.
//!
//! A connection is opened for each call: the daemon attests the program behind each connection, and
//! closing it cancels what it asked. Nothing is sent before the owner of the socket is checked.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::types::{
    CardSelector, Cards, CmsParameters, Doctor, Exercises, Grants, Identity, Imported, Journal,
    JournalVerification, Locked, LoginState, ObjectDecryptRequest, ObjectPlaintext,
    ObjectSignRequest, ObjectSignature, ObjectValue, Objects, PinState, Readers, Status,
    TUNNEL_PROTOCOL, TlsSignRequest, TlsSignature, Trust, TunnelRequest,
};

mod body;
mod connection;
mod error;
mod http;
mod mail;
mod sse;
mod tunnel;

#[cfg(test)]
mod tests;

pub use connection::{SOCKET_VARIABLE, check_owner, default_socket, open_socket};
pub use error::Error;
pub use sse::{Events, ServerEvent};
pub use tunnel::{Tunnel, TunnelReader, TunnelWriter};

use connection::Connection;
use http::{Method, RequestHead};

/// A client of the daemon listening at one socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    patience: Patience,
}

impl Client {
    /// A client of the daemon at `socket`; nothing is opened yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            patience: Patience::default(),
        }
    }

    /// The same, with other time-outs.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Where the daemon is expected.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// `GET /v1/status`.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn status(&self) -> Result<Status, Error> {
        self.get("/v1/status", &[])
    }

    /// `GET /v1/readers`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn readers(&self) -> Result<Readers, Error> {
        self.get("/v1/readers", &[])
    }

    /// `GET /v1/cards`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn cards(&self) -> Result<Cards, Error> {
        self.get("/v1/cards", &[])
    }

    /// `GET /v1/events`: blocks in its iterator until something changes.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn events(&self) -> Result<Events, Error> {
        let head = RequestHead::new(Method::Get, "/v1/events", &[]).accept("text/event-stream");
        let mut connection = self.open(Some(self.patience.machine))?;
        connection.write_all(&head.without_body())?;
        let body = connection.answer()?.success()?;
        Ok(Events::new(body.without_deadline()))
    }

    /// `GET /v1/identity` of `card`, or of the only card present.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn identity(&self, card: Option<&str>) -> Result<Identity, Error> {
        self.get("/v1/identity", &[("card", card)])
    }

    /// `GET /v1/exercises` of `card`, or of the only card present; may ask for the PIN.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn exercises(&self, card: Option<&str>) -> Result<Exercises, Error> {
        self.get_patiently("/v1/exercises", &[("card", card)])
    }

    /// `POST /v1/login`: asks for the PIN unless the login is open.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn login(&self, card: Option<&str>) -> Result<LoginState, Error> {
        self.post("/v1/login", &selector(card), self.patience.human)
    }

    /// `POST /v1/lock`: ends the login of `card`, or of every card.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn lock(&self, card: Option<&str>) -> Result<Locked, Error> {
        self.post("/v1/lock", &selector(card), self.patience.machine)
    }

    /// `POST /v1/pin/change`: asks for the PIN and a new one.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn change_pin(&self, card: Option<&str>) -> Result<PinState, Error> {
        self.post("/v1/pin/change", &selector(card), self.patience.human)
    }

    /// `POST /v1/pin/unblock`: asks for the unblocking code and a new PIN.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn unblock_pin(&self, card: Option<&str>) -> Result<PinState, Error> {
        self.post("/v1/pin/unblock", &selector(card), self.patience.human)
    }

    /// `POST /v1/sign/cms`: sends `content` as it is read, writes the DER of the CMS to `out`.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Content`] and [`Error::Output`] when `content` or `out` fail.
    pub fn sign_cms(
        &self,
        parameters: &CmsParameters,
        content: &mut dyn Read,
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        let attached = if parameters.attached { "true" } else { "false" };
        let query = [
            ("card", parameters.card.as_deref()),
            ("attached", Some(attached)),
            ("name", parameters.name.as_deref()),
        ];
        let head = RequestHead::new(Method::Post, "/v1/sign/cms", &query);
        let mut connection = self.open(Some(self.patience.human))?;
        connection.write_all(&head.with_chunks("application/octet-stream"))?;
        connection.write_chunks(content)?;
        let mut answer = connection.answer()?.success()?.bounded(MAX_CMS);
        let mut block = [0; 16 * 1024];
        loop {
            match answer.read(&mut block).map_err(Error::from_socket)? {
                0 => return Ok(()),
                n => out.write_all(&block[..n]).map_err(Error::Output)?,
            }
        }
    }

    /// `POST /v1/tls/tunnel`: the bytes of the application, authenticated by the card.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn tunnel(&self, request: &TunnelRequest) -> Result<Tunnel, Error> {
        let body = json(request)?;
        let head = RequestHead::new(Method::Post, "/v1/tls/tunnel", &[]).upgrade(TUNNEL_PROTOCOL);
        let mut connection = self.open(Some(self.patience.human))?;
        connection.write_all(&head.with_body("application/json", &body))?;
        connection.answer()?.switched(TUNNEL_PROTOCOL)
    }

    /// `POST /v1/tls/sign`: one handshake signature.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn tls_sign(&self, request: &TlsSignRequest) -> Result<TlsSignature, Error> {
        self.post("/v1/tls/sign", request, self.patience.human)
    }

    /// `GET /v1/objects`: the cards as a PKCS#11 module shows them; nobody is asked anything.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn objects(&self) -> Result<Objects, Error> {
        self.get("/v1/objects", &[])
    }

    /// `POST /v1/objects/{id}/sign`: may ask for consent and for the PIN.
    ///
    /// # Errors
    /// See [`Error`]; `object.unknown` and `card.removed` when the key is no longer there.
    pub fn object_sign(
        &self,
        id: &str,
        request: &ObjectSignRequest,
    ) -> Result<ObjectSignature, Error> {
        let path = format!("/v1/objects/{}/sign", http::percent_encoded(id));
        self.post(&path, request, self.patience.human)
    }

    /// `POST /v1/objects/{id}/decrypt`: may ask for consent and for the PIN.
    ///
    /// # Errors
    /// As [`Client::object_sign`]; `object.undecryptable` for a cryptogram of no use.
    pub fn object_decrypt(
        &self,
        id: &str,
        request: &ObjectDecryptRequest,
    ) -> Result<ObjectPlaintext, Error> {
        let path = format!("/v1/objects/{}/decrypt", http::percent_encoded(id));
        self.post(&path, request, self.patience.human)
    }

    /// `GET /v1/objects/{id}/value` of a data object: may ask for consent and for the PIN.
    ///
    /// # Errors
    /// As [`Client::object_sign`].
    pub fn object_value(&self, id: &str) -> Result<ObjectValue, Error> {
        let path = format!("/v1/objects/{}/value", http::percent_encoded(id));
        self.get_patiently(&path, &[])
    }

    /// `GET /v1/grants`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn grants(&self) -> Result<Grants, Error> {
        self.get("/v1/grants", &[])
    }

    /// `DELETE /v1/grants/{id}`.
    ///
    /// # Errors
    /// See [`Error`]; `grant.unknown` when there is none of that name.
    pub fn revoke_grant(&self, id: &str) -> Result<(), Error> {
        let path = format!("/v1/grants/{}", http::percent_encoded(id));
        self.delete(&path)
    }

    /// `GET /v1/journal`: at most `limit` entries numbered above `after`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn journal(&self, after: Option<u64>, limit: Option<u32>) -> Result<Journal, Error> {
        let after = after.map(|n| n.to_string());
        let limit = limit.map(|n| n.to_string());
        let query = [("after", after.as_deref()), ("limit", limit.as_deref())];
        self.get("/v1/journal", &query)
    }

    /// `GET /v1/journal/verify`: checks the whole chain.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn verify_journal(&self) -> Result<JournalVerification, Error> {
        self.get_patiently("/v1/journal/verify", &[])
    }

    /// `GET /v1/trust`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn trust(&self) -> Result<Trust, Error> {
        self.get("/v1/trust", &[])
    }

    /// `POST /v1/trust/anchors`: imports a DER, PEM or P7B `file`.
    ///
    /// # Errors
    /// See [`Error`]; `trust.not_pinned` and `trust.malformed` among the problems.
    pub fn import_anchors(&self, file: &[u8]) -> Result<Imported, Error> {
        let head = RequestHead::new(Method::Post, "/v1/trust/anchors", &[]);
        let request = head.with_body("application/octet-stream", file);
        parsed(&self.exchange(&request, self.patience.machine)?)
    }

    /// `GET /v1/doctor`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn doctor(&self) -> Result<Doctor, Error> {
        self.get_patiently("/v1/doctor", &[])
    }

    /// `GET /v1/card-report`: what the card declares of itself, redacted; no PIN is asked.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn card_report(&self, card: Option<&str>) -> Result<Value, Error> {
        self.get_patiently("/v1/card-report", &[("card", card)])
    }

    /// `GET` of `path` with the `query` members that have a value, as a JSON document.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<T, Error> {
        let request = RequestHead::new(Method::Get, path, query).without_body();
        parsed(&self.exchange(&request, self.patience.machine)?)
    }

    fn get_patiently<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<T, Error> {
        let request = RequestHead::new(Method::Get, path, query).without_body();
        parsed(&self.exchange(&request, self.patience.human)?)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        patience: Duration,
    ) -> Result<T, Error> {
        let head = RequestHead::new(Method::Post, path, &[]);
        let request = head.with_body("application/json", &json(body)?);
        parsed(&self.exchange(&request, patience)?)
    }

    fn delete(&self, path: &str) -> Result<(), Error> {
        let head = RequestHead::new(Method::Delete, path, &[]);
        self.exchange(&head.without_body(), self.patience.machine)?;
        Ok(())
    }

    /// Sends a whole request, returns the whole body of the answer.
    fn exchange(&self, request: &[u8], patience: Duration) -> Result<Vec<u8>, Error> {
        let mut connection = self.open(Some(patience))?;
        connection.write_all(request)?;
        connection.answer()?.success()?.bounded(MAX_JSON).whole()
    }

    fn open(&self, patience: Option<Duration>) -> Result<Connection, Error> {
        Connection::open(&self.socket, patience.map(|time| Instant::now() + time))
    }
}

/// How long to wait for the end of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// When nobody is asked anything.
    pub machine: Duration,
    /// When a person may have to answer a window, or a slow card or network work.
    pub human: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            machine: Duration::from_secs(30),
            // The daemon ends its own dialogs, after the time that its configuration sets; this only
            // ends the wait for a daemon that does not.
            human: Duration::from_secs(2 * 60 * 60),
        }
    }
}

fn selector(card: Option<&str>) -> CardSelector {
    CardSelector {
        card: card.map(str::to_owned),
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Content(io::Error::other(error)))
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Protocol(format!("JSON: {error}")))
}

/// Longest JSON answer accepted, in bytes.
const MAX_JSON: u64 = 8 << 20;

/// Longest CMS accepted, in bytes: it is streamed, the bound only ends a runaway answer.
const MAX_CMS: u64 = 1 << 30;
