//! What is wanted, piece by piece: a parameter, a service, a file; and how Postfix names a socket.
//!
//! Pure. Must not know which pieces there are.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::path::Path;

use super::error::Error;
use super::site::Site;
use super::syntax::Service;
use crate::config::Socket;

/// A parameter of ours in main.cf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Its value, unexpanded.
    pub value: String,
    /// Why it is there.
    pub why: &'static str,
}

/// A service of ours in master.cf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedService {
    /// The entry.
    pub service: Service,
    /// What it is for.
    pub why: &'static str,
    /// The reason of each option, in their order; empty where the one above covers it.
    pub reasons: Vec<&'static str>,
}

/// A file of ours in the configuration directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedFile {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub content: String,
}

/// The per-milter settings. Without them a hanging milter would hold a client for five minutes, and
/// `milter_default_action = accept` would let mail pass unseen.
pub(super) const MILTER_SETTINGS: &str =
    "default_action=tempfail, connect_timeout=5s, command_timeout=30s, content_timeout=60s";

/// How Postfix names a socket. One below the queue directory is named relative to it: that works in
/// a chroot jail and outside.
pub(super) fn endpoint(socket: &Socket, queue_directory: &str) -> String {
    match socket {
        Socket::Inet(address) => format!("inet:{}:{}", host(address), address.port()),
        Socket::Unix(path) => {
            let below = path.strip_prefix(queue_directory).ok();
            let shown = below.filter(|rest| *rest != Path::new("")).unwrap_or(path);
            format!("unix:{}", shown.display())
        }
    }
}

/// How Postfix's lmtp(8) names a socket. It does not run chrooted.
pub(super) fn lmtp_endpoint(socket: &Socket) -> String {
    match socket {
        Socket::Inet(address) => format!("inet:{}:{}", host(address), address.port()),
        Socket::Unix(path) => format!("unix:{}", path.display()),
    }
}

pub(super) fn host(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

pub(super) fn milter(
    sockets: &[Socket],
    which: &'static str,
    site: &Site,
) -> Result<String, Error> {
    let socket = sockets.first().ok_or(Error::NoSocket(which))?;
    with_settings(socket, site)
}

/// A milter with the settings of its own.
pub(super) fn with_settings(socket: &Socket, site: &Site) -> Result<String, Error> {
    let endpoint = safe("a socket", &endpoint(socket, site.value("queue_directory")))?;
    Ok(format!("{{ {endpoint}, {MILTER_SETTINGS} }}"))
}

/// Refuses a value that would mean something else inside a braced list of main.cf.
pub(super) fn safe(what: &'static str, value: &str) -> Result<String, Error> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "{}$=,#\"".contains(c);
    if value.contains(bad) {
        return Err(Error::Value { what, value: value.to_owned() });
    }
    Ok(value.to_owned())
}
