//! Where our milter is asked for when it has its place behind a content filter alone.
//!
//! Pure but for reading the instance.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::error::Error;
use super::filters::{Filters, Layout};
use super::instance::Instance;
use super::site::Site;
use super::syntax::Service;
use crate::config::Config;

/// The smtpds behind a content filter that ask our milter, where those before it do not; none where the
/// filter gives mail back by a program. Nothing where the milter is asked where mail comes in.
pub fn behind(instance: &Instance, config: &Config) -> Result<Option<Vec<SocketAddr>>, Error> {
    let site = Site::read(instance)?;
    let filters = Filters::of(config, &site);
    let asking = filters.behind.iter().filter(|service| filters.is_at(service));
    let asking = asking.filter_map(|service| address(service)).collect();
    Ok((filters.layout == Some(Layout::Behind)).then_some(asking))
}

/// Where a smtpd can be reached from this machine.
fn address(service: &Service) -> Option<SocketAddr> {
    let (host, port) = service.name.rsplit_once(':').unwrap_or(("", &service.name));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = match host {
        "" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.parse().ok()?,
    };
    Some(SocketAddr::new(ip, port.parse().ok()?))
}
