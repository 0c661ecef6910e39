//! The local API of the daemon: what travels on its Unix socket, and a client for it.
//!
//! # Layout
//!
//! - [`types`]: the JSON bodies, one module by family of paths. Wire types only: the daemon converts
//!   its own types to these, so that its insides may change while the wire does not.
//! - [`Code`]: every way a request can fail, with who is at fault, the sentences and the remedies.
//! - [`Problem`]: the RFC 9457 document in which a [`Code`] travels.
//! - [`Client`]: a blocking client, without any runtime, that checks the owner of the socket first.
//! - [`OPENAPI`]: the same contract as an OpenAPI 3.1 document.
//! - [`routes`]: the paths, shared by the daemon's router and the tests of the OpenAPI document.
//!
//! JSON is `snake_case`; dates are RFC 3339 text; what is not known is `null`. Readers accept members
//! and enumeration values that they do not know, so that an older client survives a newer daemon.

#![forbid(unsafe_code)]

pub mod routes;
pub mod types;

mod client;
mod code;
mod openapi;
mod problem;

pub use client::{
    Client, Error, Events, Patience, SOCKET_VARIABLE, ServerEvent, Tunnel, TunnelReader,
    TunnelWriter, check_owner, default_socket, open_socket,
};
pub use code::{Code, Fault, Lang, UnknownCode};
pub use openapi::OPENAPI;
pub use problem::Problem;
pub use routes::{ROUTES, Route};
