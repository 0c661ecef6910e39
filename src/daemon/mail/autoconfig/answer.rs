//! What is answered to whom.

use std::io;
use std::net::{IpAddr, SocketAddr};

use cps_mail::Address;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use quick_xml::events::BytesText;
use quick_xml::writer::Writer;

/// What there is to tell.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// Domains of the mailboxes, in lower case, each once.
    pub(super) domains: Vec<String>,
    /// Where programs connect; nowhere while the ports are closed.
    pub(super) servers: Option<Servers>,
}

/// Where programs connect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Servers {
    /// TLS from the first byte.
    pub(super) tls: bool,
    pub(super) imap: SocketAddr,
    pub(super) smtp: SocketAddr,
}

impl Offer {
    /// The answer to a request.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let headers = request.headers();
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        // A web page may make a browser ask, under a name that leads here (DNS rebinding).
        if headers.contains_key(header::ORIGIN) || !host.is_some_and(is_loopback) {
            return status(StatusCode::FORBIDDEN);
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return status(StatusCode::METHOD_NOT_ALLOWED);
        }
        let path = request.uri().path();
        if let Some(domain) = path.strip_prefix("/v1.1/") {
            return match self.serves(domain) {
                true => self.document(Some(domain)),
                false => elsewhere(domain),
            };
        }
        if ![PUBLISHED, WELL_KNOWN].contains(&path) {
            return status(StatusCode::NOT_FOUND);
        }
        match asked(request.uri().query().unwrap_or_default()) {
            Asked::All => self.document(None),
            Asked::Of(address) if self.serves(address.domain()) => {
                self.document(Some(address.domain()))
            }
            Asked::Of(_) | Asked::Nobody => status(StatusCode::NOT_FOUND),
        }
    }

    fn serves(&self, domain: &str) -> bool {
        self.domains
            .iter()
            .any(|known| known.eq_ignore_ascii_case(domain))
    }

    /// The document of one domain, or of all.
    fn document(&self, domain: Option<&str>) -> Response<Full<Bytes>> {
        let one: Vec<String>;
        let domains = match domain {
            Some(domain) => {
                one = vec![domain.to_ascii_lowercase()];
                &one
            }
            None => &self.domains,
        };
        let Some(servers) = &self.servers else {
            return status(StatusCode::SERVICE_UNAVAILABLE);
        };
        let Ok(text) = write(domains, servers) else {
            return status(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let mut response = Response::new(Full::from(text));
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("text/xml; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Whose settings are asked for.
enum Asked {
    All,
    Nobody,
    Of(Address),
}

fn asked(query: &str) -> Asked {
    let mut members = query.split('&');
    match members.find_map(|member| member.strip_prefix("emailaddress=")) {
        None => Asked::All,
        Some(value) => match percent_decoded(value).map(|text| Address::parse(&text)) {
            Some(Ok(address)) => Asked::Of(address),
            _ => Asked::Nobody,
        },
    }
}

/// Where Thunderbird would have asked without us: for all mail accounts that are not ours.
fn elsewhere(domain: &str) -> Response<Full<Bytes>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let known = (1..=253).contains(&domain.len()) && domain.bytes().all(plain);
    let place = HeaderValue::from_str(&format!("{DATABASE}{domain}"));
    match (known, place) {
        (true, Ok(place)) => {
            let mut response = status(StatusCode::FOUND);
            response.headers_mut().insert(header::LOCATION, place);
            response
        }
        _ => status(StatusCode::NOT_FOUND),
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Whether a `Host` field names this computer by itself.
fn is_loopback(host: &str) -> bool {
    // An IPv6 address is full of colons, and in brackets.
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let address = name.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// A value of a query, as text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? << 4 | digit(rest.next())?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The document (Mozilla's `clientConfig`, version 1.1).
fn write(domains: &[String], servers: &Servers) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let identifier = domains.first().map_or("cpsd", String::as_str);
    writer
        .create_element("clientConfig")
        .with_attribute(("version", "1.1"))
        .write_inner_content(|writer| {
            writer
                .create_element("emailProvider")
                .with_attribute(("id", identifier))
                .write_inner_content(|writer| {
                    for domain in domains {
                        text(writer, "domain", domain)?;
                    }
                    text(writer, "displayName", "MSSanté (cpsd)")?;
                    text(writer, "displayShortName", "MSSanté")?;
                    server(
                        writer,
                        ("incomingServer", "imap"),
                        servers.imap,
                        servers.tls,
                    )?;
                    server(
                        writer,
                        ("outgoingServer", "smtp"),
                        servers.smtp,
                        servers.tls,
                    )
                })?;
            Ok(())
        })?;
    let mut document = writer.into_inner();
    document.push(b'\n');
    Ok(document)
}

fn server(
    writer: &mut Writer<Vec<u8>>,
    (element, kind): (&str, &str),
    place: SocketAddr,
    tls: bool,
) -> io::Result<()> {
    writer
        .create_element(element)
        .with_attribute(("type", kind))
        .write_inner_content(|writer| {
            text(writer, "hostname", &place.ip().to_string())?;
            text(writer, "port", &place.port().to_string())?;
            text(writer, "socketType", if tls { "SSL" } else { "plain" })?;
            text(writer, "username", "%EMAILADDRESS%")?;
            text(writer, "authentication", "password-cleartext")
        })?;
    Ok(())
}

fn text(writer: &mut Writer<Vec<u8>>, element: &str, text: &str) -> io::Result<()> {
    let text = BytesText::new(text);
    writer.create_element(element).write_text_content(text)?;
    Ok(())
}

const PUBLISHED: &str = "/mail/config-v1.1.xml";
const WELL_KNOWN: &str = "/.well-known/autoconfig/mail/config-v1.1.xml";

/// The database of mail operators that Thunderbird asks (`mailnews.auto_config_url`).
const DATABASE: &str = "https://live.thunderbird.net/autoconfig/v1.1/";

#[cfg(test)]
mod tests;
