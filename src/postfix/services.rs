//! Our services in master.cf, option by option.
//!
//! Pure. Must not know what is in main.cf or in tables.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;

use super::alerts;
use super::lines;
use super::names::COMMAND_FILTER;
use super::parts::WantedService;
use super::service::{Builder, smtpd};
use super::signer;
use super::site::Site;
use super::syntax::{Service, list};
use crate::config::Config;

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
