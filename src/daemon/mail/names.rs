//! Look-ups in DNS: services (SRV), which the system's functions do not give, and addresses, when the
//! configuration names other servers than the system's.
//!
//! A resolver is made for a look-up and dropped behind it: between two there is nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

/// Name servers to be asked.
pub struct Names {
    resolver: TokioResolver,
}

/// A server that offers a service (RFC 2782).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// The lowest is preferred.
    pub priority: u16,
    /// DNS name, without the dot at its end.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Nobody answered, or not properly; the reason in English.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct NamesError(String);

impl Names {
    /// These servers, or those of the system (`/etc/resolv.conf`) when there are none.
    ///
    /// # Errors
    /// The system's configuration cannot be used.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, NamesError> {
        let mut builder = match servers {
            [] => TokioResolver::builder_tokio().map_err(failed)?,
            _ => {
                let servers = servers.iter().map(name_server).collect();
                let config = ResolverConfig::from_parts(None, Vec::new(), servers);
                let provider = TokioRuntimeProvider::default();
                let mut builder = TokioResolver::builder_with_config(config, provider);
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder
            }
        };
        bound(builder.options_mut());
        let resolver = builder.build().map_err(failed)?;
        Ok(Self { resolver })
    }

    /// The servers that offer a service (`_imap._tcp`) in a domain, the preferred ones first; none
    /// when there is no record, or when it says that the service is not offered.
    ///
    /// # Errors
    /// [`NamesError`].
    pub async fn services(&self, service: &str, domain: &str) -> Result<Vec<Service>, NamesError> {
        // The dot keeps the domains that the system searches in out of it.
        let found = match self
            .resolver
            .srv_lookup(format!("{service}.{domain}."))
            .await
        {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut services: Vec<Service> = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(service) if !service.target.is_root() => Some(Service {
                    priority: service.priority,
                    host: service.target.to_ascii().trim_end_matches('.').to_owned(),
                    port: service.port,
                }),
                _ => None,
            })
            .collect();
        services.sort_by_key(|service| service.priority);
        Ok(services)
    }

    /// The addresses of a host; none when there are no records.
    ///
    /// # Errors
    /// [`NamesError`].
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NamesError> {
        match self.resolver.lookup_ip(format!("{host}.")).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(failed(error)),
        }
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    NameServerConfig::new(address.ip(), true, connections.map(on_port).to_vec())
}

fn bound(options: &mut ResolverOpts) {
    options.timeout = TIMEOUT;
    options.attempts = 2;
    // It is dropped behind its look-up.
    options.cache_size = 0;
}

fn failed(error: NetError) -> NamesError {
    NamesError(error.to_string())
}

/// For one attempt.
const TIMEOUT: Duration = Duration::from_secs(3);
