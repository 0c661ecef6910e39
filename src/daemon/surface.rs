//! How programs reach the daemon. A surface only translates: every rule lives behind it.

pub mod http;
