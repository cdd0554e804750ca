//! Where our milters listen, as Postfix names it, and whether a service reaches them there.
//!
//! Pure. Changes nothing.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::path::Path;

use super::parts::endpoint;
use super::report::Report;
use super::site::Site;
use super::syntax::Service;
use crate::config::{Config, Socket};
use crate::findings::id;

/// The sockets at which we see mail come in and go out, as Postfix names them.
pub(super) fn endpoints(config: &Config, site: &Site) -> Vec<String> {
    let sockets = config.milter.front.iter().chain(&config.milter.submission);
    sockets.map(|socket| endpoint(socket, site.value("queue_directory"))).collect()
}

/// Whether an element of a list, expanded, is a milter at one of these sockets.
pub(super) fn is_one_of(milter: &str, endpoints: &[String]) -> bool {
    let text = milter.trim_start_matches(['{', ' ']);
    let name = text.split([',', ' ', '}']).next().unwrap_or(text);
    endpoints.iter().any(|endpoint| endpoint == name)
}

/// A service in a chroot jail must reach our socket.
pub(super) fn in_jail(
    report: &mut Report,
    site: &Site,
    socket: Option<&Socket>,
    service: &Service,
) {
    let queue = Path::new(site.value("queue_directory"));
    if let Some(Socket::Unix(path)) = socket
        && service.is_chrooted()
        && !path.starts_with(queue)
    {
        let (key, queue, path) = (service.key(), queue.display(), path.display());
        report.add(
            id::JAILED,
            format!("{key} runs chrooted in {queue} and cannot reach {path}"),
            format!("put the sockets below {queue}/recruit-milter"),
        );
    }
}
