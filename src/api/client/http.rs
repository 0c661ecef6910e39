//! HTTP/1.1 heads (RFC 9112), without I/O.

use std::fmt::Write as _;

/// Methods of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    Delete,
    Get,
    Post,
}

/// A request before its body.
pub(super) struct RequestHead {
    text: String,
    upgrades: bool,
}

impl RequestHead {
    /// `path` is trusted; the values of `query` are not.
    pub(super) fn new(method: Method, path: &str, query: &[(&str, Option<&str>)]) -> Self {
        let method = match method {
            Method::Delete => "DELETE",
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let mut text = format!("{method} {path}");
        let mut separator = '?';
        for (name, value) in query {
            if let Some(value) = value {
                text.push(separator);
                text.push_str(name);
                text.push('=');
                text.push_str(&percent_encoded(value));
                separator = '&';
            }
        }
        text.push_str(" HTTP/1.1\r\nHost: cpsd\r\n");
        Self {
            text,
            upgrades: false,
        }
    }

    pub(super) fn accept(mut self, media_type: &str) -> Self {
        self.field("Accept", media_type);
        self
    }

    pub(super) fn upgrade(mut self, protocol: &str) -> Self {
        self.field("Connection", "Upgrade");
        self.field("Upgrade", protocol);
        self.upgrades = true;
        self
    }

    pub(super) fn without_body(self) -> Vec<u8> {
        self.end()
    }

    pub(super) fn with_body(mut self, media_type: &str, body: &[u8]) -> Vec<u8> {
        self.field("Content-Type", media_type);
        self.field("Content-Length", &body.len().to_string());
        let mut bytes = self.end();
        bytes.extend_from_slice(body);
        bytes
    }

    pub(super) fn with_chunks(mut self, media_type: &str) -> Vec<u8> {
        self.field("Content-Type", media_type);
        self.field("Transfer-Encoding", "chunked");
        self.end()
    }

    fn end(mut self) -> Vec<u8> {
        if !self.upgrades {
            self.field("Connection", "close");
        }
        self.text.push_str("\r\n");
        self.text.into_bytes()
    }

    fn field(&mut self, name: &str, value: &str) {
        for part in [name, ": ", value, "\r\n"] {
            self.text.push_str(part);
        }
    }
}

/// `text` with everything but the unreserved characters of RFC 3986 §2.3 percent-encoded.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// An answer before its body.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Names in lower case.
    fields: Vec<(String, String)>,
}

impl Head {
    /// The only or first field of that name.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// `Content-Type` without its parameters.
    pub(super) fn media_type(&self) -> Option<&str> {
        let value = self.field("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim())
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Parses the head at the beginning of `bytes`, with its length; `None` when it is not all there.
pub(super) fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = response.parse(bytes)? else {
        return Ok(None);
    };
    if length > MAX_HEAD {
        return Err(HeadError::TooLong);
    }
    let status = response.code.ok_or(HeadError::Status)?;
    if !(100..=599).contains(&status) {
        return Err(HeadError::Status);
    }
    let mut head = Head {
        status,
        fields: Vec::with_capacity(response.headers.len()),
    };
    for field in response.headers.iter() {
        let value = std::str::from_utf8(field.value).map_err(|_| HeadError::Text)?;
        head.fields
            .push((field.name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Some((head, length)))
}

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    Chunked,
    Close,
    Length(u64),
}

impl Framing {
    pub(super) fn of(head: &Head) -> Result<Self, HeadError> {
        if matches!(head.status, 100..=199 | 204 | 304) {
            return Ok(Self::Length(0));
        }
        let mut encodings = head.values("transfer-encoding");
        let mut lengths = head.values("content-length");
        match (encodings.next(), lengths.next()) {
            (Some(encoding), None) => {
                let chunked = encoding.eq_ignore_ascii_case("chunked");
                if !chunked || encodings.next().is_some() {
                    return Err(HeadError::TransferEncoding);
                }
                Ok(Self::Chunked)
            }
            (None, Some(length)) => {
                let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
                if !digits || lengths.any(|other| other != length) {
                    return Err(HeadError::ContentLength);
                }
                let length = length.parse().map_err(|_| HeadError::ContentLength)?;
                Ok(Self::Length(length))
            }
            // Both is how requests are smuggled (RFC 9112 §6.1): never answered by our daemon.
            (Some(_), Some(_)) => Err(HeadError::ContentLength),
            (None, None) => Ok(Self::Close),
        }
    }
}

/// What is wrong with a head.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum HeadError {
    #[error("bad Content-Length")]
    ContentLength,
    #[error("bad status")]
    Status,
    #[error("HTTP: {0}")]
    Syntax(#[from] httparse::Error),
    #[error("a field that is not text")]
    Text,
    #[error("the head is too long")]
    TooLong,
    #[error("bad Transfer-Encoding")]
    TransferEncoding,
}

/// Longest head accepted, in bytes.
pub(super) const MAX_HEAD: usize = 32 * 1024;

const MAX_FIELDS: usize = 64;

#[cfg(test)]
mod tests;
