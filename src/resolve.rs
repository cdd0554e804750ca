//! Which servers take mail for a domain, or behind a next hop: DNS.
//!
//! The only place that asks DNS. Must not know why.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use tokio::time::timeout;

/// How long all look-ups together may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// No more servers are looked at.
const MAX_SERVERS: usize = 8;
const SMTP: u16 = 25;

/// A server, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, or its address as text.
    pub host: String,
    /// Where it is.
    pub address: SocketAddr,
}

/// Why there is no server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The domain says that it takes no mail (RFC 7505).
    NoMail(String),
    /// There is no such name, or it has no address.
    NotFound(String),
    /// DNS does not answer.
    Dns(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMail(domain) => write!(f, "{domain} takes no mail, says its MX record"),
            Self::NotFound(name) => write!(f, "{name} has neither MX nor address in DNS"),
            Self::Dns(why) => write!(f, "DNS does not answer: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// A next hop as Postfix writes them: `[host]`, `[host]:port`, `host`, `host:port`, `domain`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NextHop<'a> {
    host: &'a str,
    port: u16,
    /// In brackets: no MX look-up.
    itself: bool,
}

impl<'a> NextHop<'a> {
    fn parse(text: &'a str) -> Self {
        if let Some((host, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
            let port = rest.strip_prefix(':').and_then(port).unwrap_or(SMTP);
            // Postfix writes IPv6 addresses as [ipv6:::1].
            let host = host.strip_prefix("ipv6:").or(host.strip_prefix("IPv6:")).unwrap_or(host);
            return Self { host, port, itself: true };
        }
        match text.rsplit_once(':') {
            Some((host, service)) => {
                Self { host, port: port(service).unwrap_or(SMTP), itself: false }
            }
            None => Self { host: text, port: SMTP, itself: false },
        }
    }
}

fn port(service: &str) -> Option<u16> {
    match service {
        "smtp" => Some(SMTP),
        "submission" => Some(587),
        "submissions" | "smtps" => Some(465),
        number => number.parse().ok(),
    }
}

/// The servers behind a next hop, the preferred first. A domain is one: the servers of its MX records,
/// or itself if it has none (RFC 5321 5.1).
pub async fn servers(next_hop: &str) -> Result<Vec<Server>, Error> {
    let hop = NextHop::parse(next_hop);
    let found = timeout(PATIENCE, look_up(&hop)).await;
    found.unwrap_or_else(|_| Err(Error::Dns(format!("nothing in {} s", PATIENCE.as_secs()))))
}

async fn look_up(hop: &NextHop<'_>) -> Result<Vec<Server>, Error> {
    if let Ok(ip) = hop.host.parse::<IpAddr>() {
        let address = SocketAddr::new(ip, hop.port);
        return Ok(vec![Server { host: hop.host.to_owned(), address }]);
    }
    let failed = |error: &dyn fmt::Display| Error::Dns(error.to_string());
    let builder = TokioResolver::builder_tokio().map_err(|error| failed(&error))?;
    let resolver = builder.build().map_err(|error| failed(&error))?;
    let hosts =
        if hop.itself { vec![hop.host.to_owned()] } else { mx(&resolver, hop.host).await? };
    let mut servers = Vec::new();
    let mut trouble = None;
    for host in hosts {
        match resolver.lookup_ip(host.as_str()).await {
            Ok(found) => servers.extend(found.iter().map(|ip| Server {
                host: host.trim_end_matches('.').to_owned(),
                address: SocketAddr::new(ip, hop.port),
            })),
            Err(error) if error.is_nx_domain() || error.is_no_records_found() => {}
            Err(error) => trouble = Some(failed(&error)),
        }
    }
    servers.truncate(MAX_SERVERS);
    if servers.is_empty() {
        return Err(trouble.unwrap_or_else(|| Error::NotFound(hop.host.to_owned())));
    }
    Ok(servers)
}

/// The hosts of a domain's MX records, the preferred first.
async fn mx(resolver: &TokioResolver, domain: &str) -> Result<Vec<String>, Error> {
    let records = match resolver.mx_lookup(domain).await {
        Ok(found) => found,
        Err(error) if error.is_nx_domain() || error.is_no_records_found() => {
            return Ok(vec![domain.to_owned()]);
        }
        Err(error) => return Err(Error::Dns(error.to_string())),
    };
    let mut hosts: Vec<(u16, String)> = Vec::new();
    for record in records.answers() {
        if let RData::MX(mx) = &record.data {
            hosts.push((mx.preference, mx.exchange.to_string()));
        }
    }
    hosts.sort();
    if hosts.iter().any(|(_, host)| host == ".") {
        return Err(Error::NoMail(domain.to_owned()));
    }
    if hosts.is_empty() {
        return Ok(vec![domain.to_owned()]);
    }
    Ok(hosts.into_iter().map(|(_, host)| host).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_hops_are_read_as_postfix_reads_them() {
        for (text, host, port, itself) in [
            ("[mx.example]:2525", "mx.example", 2525, true),
            ("[mx.example]", "mx.example", 25, true),
            ("[ipv6:::1]:26", "::1", 26, true),
            ("ats.example", "ats.example", 25, false),
            ("ats.example:587", "ats.example", 587, false),
            ("ats.example:submission", "ats.example", 587, false),
        ] {
            assert_eq!(NextHop::parse(text), NextHop { host, port, itself }, "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_needs_no_look_up() {
        let server = Server { host: "127.0.0.1".into(), address: "127.0.0.1:26".parse().unwrap() };
        assert_eq!(servers("[127.0.0.1]:26").await, Ok(vec![server]));
    }
}
