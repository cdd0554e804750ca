//! Our services in master.cf, option by option.
//!
//! Pure. Must not know what is in main.cf or in tables.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;

use super::alerts;
use super::lines::{self, Line};
use super::signer;
use super::site::Site;
use super::syntax::{Service, list};
use super::wanted::{COMMAND_FILTER, WantedService, host};
use crate::config::Config;

/// Collects the options of one service.
pub(super) struct Builder(WantedService);

impl Builder {
    fn new(name: &str, kind: &str, columns: [&str; 5], command: &str, why: &'static str) -> Self {
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
    fn lines(self, lines: &[Line], site: &Site) -> Self {
        lines
            .iter()
            .filter(|(name, ..)| site.knows(name))
            .fold(self, |b, (name, value, why)| b.option(name, value, why))
    }

    /// Adds what the site gives a service of its own, as far as we do not say otherwise.
    fn inherited(mut self, model: Option<&Service>, why: &'static str) -> Self {
        let mut inherited = model.map_or(Vec::new(), |service| service.options.clone());
        inherited.retain(|(name, _)| self.0.service.option(name).is_none());
        for (name, value) in inherited {
            self = self.option(&name, &value, why);
        }
        self
    }
}

/// All of them.
pub(super) fn services(config: &Config, site: &Site) -> Vec<WantedService> {
    let hops = &config.handoff;
    let agent = config.rules.unwraps().then(|| agent_client(site));
    let services = [
        smtpd(hops.smtpd, site, "second smtpd: takes handoffs, with pass 2 as its milter")
            .milters(signer::milters(config))
            .option("syslog_name", "postfix/handoff", "")
            .option(
                "smtpd_command_filter",
                &format!("regexp:$config_directory/{COMMAND_FILTER}"),
                "reports are wanted from here on: the sender is now ours",
            )
            .option("cleanup_service_name", "recruit-cleanup", "")
            .option(
                "receive_override_options",
                "no_address_mappings,no_unknown_recipient_checks,no_header_body_checks",
                "",
            ),
        smtpd(hops.return_smtpd, site, "third smtpd: gives mail back to the recruiting address")
            .milters(signer::PASS_2)
            .option("syslog_name", "postfix/return", "")
            .option("smtpd_command_filter", "", "")
            .option("cleanup_service_name", "recruit-return-cleanup", "")
            .option(
                "receive_override_options",
                "no_unknown_recipient_checks,no_header_body_checks",
                "address mapping stays on: a recruiting address may be an alias",
            ),
        cleanup("recruit-cleanup", "the queue's entrance behind the second smtpd")
            .option("syslog_name", "postfix/handoff", "")
            .lines(lines::NO_MAPPING, site)
            .lines(lines::CLEANUP, site),
        cleanup("recruit-return-cleanup", "the queue's entrance behind the third smtpd")
            .option("syslog_name", "postfix/return", "")
            .lines(lines::RETURN_MAPPING, site)
            .lines(lines::CLEANUP, site)
            .inherited(site_cleanup(site), "as in the site's own cleanup service"),
        handoff_client(hops.smtpd, site),
        out_client(site),
    ];
    services
        .into_iter()
        .chain(agent)
        .chain(alerts::service(config, site))
        .map(|builder| builder.0)
        .collect()
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

fn loopback(address: SocketAddr) -> &'static str {
    if address.is_ipv4() { "127.0.0.0/8" } else { "[::1]/128" }
}

fn cleanup(name: &str, why: &'static str) -> Builder {
    Builder::new(name, "unix", ["n", "-", "n", "-", "0"], "cleanup", why)
}

/// The cleanup service behind the site's port 25.
fn site_cleanup(site: &Site) -> Option<&Service> {
    let entrance = site
        .service("smtp/inet")
        .filter(|service| service.command == "smtpd")
        .or_else(|| site.service("smtpd/pass"));
    let named = entrance.and_then(|service| service.option("cleanup_service_name"));
    let name = named.unwrap_or_else(|| match site.value("cleanup_service_name") {
        "" => "cleanup",
        name => name,
    });
    site.service(&format!("{name}/unix"))
}

fn handoff_client(smtpd: SocketAddr, site: &Site) -> Builder {
    let (bind, own) = if smtpd.is_ipv4() {
        ("smtp_bind_address", "127.0.0.1")
    } else {
        ("smtp_bind_address6", "::1")
    };
    // Postfix: with inet_protocols narrower than main.cf's it dies at its start where inet_interfaces
    // there has an address of the other protocol ("host not found: ::1").
    client("recruit-handoff", "brings handoffs to our smtpd services")
        .option("syslog_name", "postfix/handoff", "")
        .option(bind, own, "our smtpd takes mail from this machine only")
        .lines(lines::HANDOFF_CLIENT, site)
        .lines(lines::BYTES, site)
}

/// Two at a time: each message takes twice its size in memory.
fn agent_client(site: &Site) -> Builder {
    Builder::new(
        "recruit-agent",
        "unix",
        ["-", "-", "n", "-", "2"],
        "lmtp",
        "brings what is to be unwrapped to the agent",
    )
    .option("syslog_name", "postfix/agent", "")
    .lines(lines::AGENT_CLIENT, site)
}

fn out_client(site: &Site) -> Builder {
    let keywords = site.value("smtp_discard_ehlo_keywords");
    let mut keywords = list(keywords);
    keywords.retain(|keyword| !["dsn", "silent-discard"].contains(keyword));
    keywords.extend(["dsn", "silent-discard"]);
    let model = site.value("default_transport").split(':').next();
    let model = model.and_then(|name| site.service(&format!("{name}/unix")));
    client("recruit-out", "brings copies to the recruiting systems")
        .option("syslog_name", "postfix/recruit", "")
        .option(
            "smtp_discard_ehlo_keywords",
            &keywords.join(","),
            "Postfix itself reports that a copy was taken",
        )
        .option("smtp_discard_ehlo_keyword_address_maps", "", "")
        .lines(lines::BYTES, site)
        .inherited(
            model.filter(|service| service.command == "smtp"),
            "as in the site's default_transport",
        )
}

fn client(name: &str, why: &'static str) -> Builder {
    Builder::new(name, "unix", ["-", "-", "n", "-", "-"], "smtp", why)
}
