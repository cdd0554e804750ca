//! How a service of ours is put together, option by option.
//!
//! Pure. Must not know which services there are.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;

use super::lines::{self, Line};
use super::parts::{WantedService, host};
use super::site::Site;
use super::syntax::Service;

/// Collects the options of one service.
pub(super) struct Builder(pub(super) WantedService);

impl Builder {
    pub(super) fn new(
        name: &str,
        kind: &str,
        columns: [&str; 5],
        command: &str,
        why: &'static str,
    ) -> Self {
        Self(WantedService {
            service: Service {
                name: name.to_owned(),
                kind: kind.to_owned(),
                columns: columns.map(str::to_owned),
                command: command.to_owned(),
                ..Service::default()
            },
            why,
            reasons: Vec::new(),
        })
    }

    pub(super) fn option(mut self, name: &str, value: &str, why: &'static str) -> Self {
        let option = (name.to_owned(), value.to_owned());
        self.0.service.options.push(option);
        self.0.reasons.push(why);
        self
    }

    /// Adds the milters of a smtpd, in their place.
    pub(super) fn milters(mut self, (value, why): (&str, &'static str)) -> Self {
        self.0.service.options.insert(1, ("smtpd_milters".to_owned(), value.to_owned()));
        self.0.reasons.insert(1, why);
        self
    }

    /// Gives an option that is there another value.
    pub(super) fn instead(mut self, name: &str, value: &str, why: &'static str) -> Self {
        let options = &mut self.0.service.options;
        if let Some(at) = options.iter().position(|(known, _)| known == name) {
            value.clone_into(&mut options[at].1);
            self.0.reasons[at] = why;
        }
        self
    }

    /// Adds options. Those that this version of Postfix does not have are left out.
    pub(super) fn lines(self, lines: &[Line], site: &Site) -> Self {
        lines
            .iter()
            .filter(|(name, ..)| site.knows(name))
            .fold(self, |b, (name, value, why)| b.option(name, value, why))
    }

    /// Adds what the site gives a service of its own, as far as we do not say otherwise.
    pub(super) fn inherited(mut self, model: Option<&Service>, why: &'static str) -> Self {
        let mut inherited = model.map_or(Vec::new(), |service| service.options.clone());
        inherited.retain(|(name, _)| self.0.service.option(name).is_none());
        for (name, value) in inherited {
            self = self.option(&name, &value, why);
        }
        self
    }
}

pub(super) fn smtpd(address: SocketAddr, site: &Site, why: &'static str) -> Builder {
    let name = format!("{}:{}", host(&address), address.port());
    // Postfix: the values of smtpd_forbid_bare_newline grew from yes/no to more in stable updates.
    let newline =
        if site.knows("smtpd_forbid_bare_newline_reject_code") { "reject" } else { "yes" };
    let mut b = Builder::new(&name, "inet", ["n", "-", "n", "-", "-"], "smtpd", why)
        .option("mynetworks", loopback(address), "")
        .lines(lines::SMTPD, site);
    if site.knows("smtpd_forbid_bare_newline") {
        b = b.option("smtpd_forbid_bare_newline", newline, "").option(
            "smtpd_forbid_bare_newline_exclusions",
            "",
            "",
        );
    }
    b
}

pub(super) fn loopback(address: SocketAddr) -> &'static str {
    if address.is_ipv4() { "127.0.0.0/8" } else { "[::1]/128" }
}
