//! Autoconfiguration documents of operators (Mozilla's `clientConfig`, version 1.1).
//!
//! They come from the network, so nothing in them is expanded, followed or believed: no document
//! type, no entity but the five of XML, bounded depth and lengths.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;

/// What a document offers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Document {
    /// What the operator calls itself.
    pub(super) name: String,
    /// Servers to read mail, in the operator's order; IMAP and more.
    pub(super) incoming: Vec<Server>,
    /// Servers to send mail.
    pub(super) outgoing: Vec<Server>,
}

/// A server of a document, as written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Server {
    /// `imap`, `pop3`, `smtp`…
    pub(super) kind: String,
    pub(super) host: String,
    pub(super) port: String,
    /// `STARTTLS`, `SSL`, `plain`.
    pub(super) socket: String,
    /// `OAuth2`, `TLS-client-cert`, `none`…, the preferred one first.
    pub(super) authentication: Vec<String>,
}

/// Why a document cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("its published settings cannot be read: {0}")]
pub(super) struct Unreadable(&'static str);

/// Reads a document.
///
/// # Errors
/// [`Unreadable`].
pub(super) fn read(bytes: &[u8]) -> Result<Document, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable("not UTF-8"))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut walk = Walk::default();
    loop {
        match reader.read_event().map_err(|_| Unreadable("not XML"))? {
            Event::Start(element) => {
                let kind = element.try_get_attribute("type");
                let kind = kind.map_err(|_| Unreadable("not XML"))?;
                let kind = kind.map(|attribute| attribute.value.into_owned());
                walk.open(element.local_name().into_inner(), kind)?;
            }
            Event::End(_) => walk.close(),
            Event::Empty(element) => {
                walk.open(element.local_name().into_inner(), None)?;
                walk.close();
            }
            Event::Text(text) => walk.text(&text)?,
            Event::CData(text) => walk.text(&text)?,
            Event::GeneralRef(reference) => walk.reference(&reference)?,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::DocType(_) => return Err(Unreadable("a document type")),
            Event::Eof => return walk.end(),
        }
    }
}

/// Where the reader is, and what it has found.
#[derive(Default)]
struct Walk {
    path: Vec<String>,
    text: String,
    elements: usize,
    providers: usize,
    document: Document,
}

impl Walk {
    fn open(&mut self, name: &str, kind: Option<String>) -> Result<(), Unreadable> {
        self.elements += 1;
        if self.path.len() >= DEPTH || self.elements > ELEMENTS || name.len() > LENGTH {
            return Err(Unreadable("too large"));
        }
        if self.path.is_empty() && name != "clientConfig" {
            return Err(Unreadable("not a clientConfig document"));
        }
        self.path.push(name.to_owned());
        self.text.clear();
        let server = |kind: Option<String>| Server {
            kind: kind.unwrap_or_default(),
            ..Server::default()
        };
        match self.place().as_slice() {
            ["emailProvider"] => self.providers += 1,
            ["emailProvider", "incomingServer"] if self.providers == 1 => {
                self.document.incoming.push(server(kind));
            }
            ["emailProvider", "outgoingServer"] if self.providers == 1 => {
                self.document.outgoing.push(server(kind));
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self) {
        let text = std::mem::take(&mut self.text).trim().to_owned();
        let path = self.place();
        // The first provider is the one that was asked for.
        if self.providers == 1 {
            let document = &mut self.document;
            match path.as_slice() {
                ["emailProvider", "displayName"] => document.name = text,
                ["emailProvider", "incomingServer", member] => {
                    set(document.incoming.last_mut(), member, text);
                }
                ["emailProvider", "outgoingServer", member] => {
                    set(document.outgoing.last_mut(), member, text);
                }
                _ => {}
            }
        }
        self.path.pop();
    }

    fn text(&mut self, text: &str) -> Result<(), Unreadable> {
        self.text.push_str(text);
        match self.text.len() > LENGTH {
            // Long texts are descriptions; those that matter are short.
            true if self.matters() => Err(Unreadable("too large")),
            true => {
                self.text.clear();
                Ok(())
            }
            false => Ok(()),
        }
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Unreadable> {
        let character = reference.resolve_char_ref();
        match character.map_err(|_| Unreadable("not XML"))? {
            Some(character) => self.text(character.encode_utf8(&mut [0; 4])),
            None => match resolve_predefined_entity(reference) {
                Some(text) => self.text(text),
                None => Err(Unreadable("an entity")),
            },
        }
    }

    fn end(self) -> Result<Document, Unreadable> {
        match self.path.is_empty() && self.elements > 0 {
            true => Ok(self.document),
            false => Err(Unreadable("incomplete")),
        }
    }

    fn matters(&self) -> bool {
        matches!(
            self.place().as_slice(),
            ["emailProvider", "incomingServer" | "outgoingServer", _]
        )
    }

    /// The path below the root.
    fn place(&self) -> Vec<&'static str> {
        let known = |name: &String| {
            let found = MEMBERS.iter().find(|member| *member == name);
            found.copied().unwrap_or_default()
        };
        self.path.iter().skip(1).map(known).collect()
    }
}

fn set(server: Option<&mut Server>, member: &str, text: String) {
    let Some(server) = server else { return };
    match member {
        "hostname" => server.host = text,
        "port" => server.port = text,
        "socketType" => server.socket = text,
        "authentication" => server.authentication.push(text),
        _ => {}
    }
}

/// The elements that mean something here.
const MEMBERS: [&str; 8] = [
    "authentication",
    "displayName",
    "emailProvider",
    "hostname",
    "incomingServer",
    "outgoingServer",
    "port",
    "socketType",
];

/// A document has four levels.
const DEPTH: usize = 16;

/// A document has some dozens.
const ELEMENTS: usize = 2000;

/// Bytes of a name or of a text that matters; a host name has 253 at most.
const LENGTH: usize = 512;

#[cfg(test)]
mod tests;
