//! The OpenAPI document: the contract, kept as a file and checked against the types.

/// The OpenAPI 3.1 document of the API, as `GET /v1/openapi.json` answers it.
pub const OPENAPI: &str = include_str!("openapi.json");

#[cfg(test)]
mod samples;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
