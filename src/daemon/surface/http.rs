//! HTTP/1.1 and JSON on the local socket.

pub mod extract;
pub mod problem;
