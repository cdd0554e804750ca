//! Who would pass for a colleague by `[internal] networks`: mail that a filter or another server hands
//! on from outside has the address of that filter or server.
//!
//! Must not know how a colleague is told.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::filters::{filters_of, pickup, setting};
use super::milters::{is_submission, names};
use super::names::{FRONT, SUBMISSION, SUBMISSIONS, is_ours};
use super::report::Report;
use super::site::Site;
use super::syntax::{Service, list};
use crate::config::Config;
use crate::findings::id;
use crate::own;
use crate::policy::rules::Network;

const COLLEAGUE: &str =
    "a stranger would pass for a colleague, and his mails be opened as forwards";

/// Examines the networks of colleagues.
pub(super) fn examine(report: &mut Report, config: &Config, site: &Site) {
    // Where the kernel does not tell them, a warning is not given.
    let own = own::addresses().unwrap_or_default();
    for network in &config.rules.internal_networks {
        one(report, site, network, &own);
    }
}

fn one(report: &mut Report, site: &Site, network: &Network, own: &[IpAddr]) {
    let here = format!("[internal] networks = \"{network}\"");
    if network.is_boundless() {
        report.add(
            id::NETWORK_BOUNDLESS,
            format!("{here} has much of the Internet in it: {COLLEAGUE}"),
            "name the networks of the company",
        );
        return;
    }
    if network.is_loopback() {
        loopback(report, site, &here);
        return;
    }
    if let Some((address, what)) = handing_on(site).find(|(address, _)| network.contains(*address))
    {
        report.add(
            id::NETWORK_HAS_FILTER,
            format!(
                "{here} has {address} in it, which hands on mail from outside ({what}): {COLLEAGUE}"
            ),
            format!("name networks that leave {address} out"),
        );
        return;
    }
    let relay = ["relayhost", "default_transport"].iter().find_map(|name| {
        let found = addresses(site.value(name)).find(|address| network.contains(*address))?;
        Some((found, *name))
    });
    if let Some((address, name)) = relay {
        report.add(
            id::NETWORK_MAY_HAVE_RELAY,
            format!("{here} has the relay {address} in it ({name}): if it brings mail from outside as well, {COLLEAGUE}"),
            format!("name networks that leave {address} out, unless it brings mail of colleagues alone"),
        );
    } else if let Some(address) = own.iter().find(|address| network.contains(**address)) {
        let (what, remedy) = if network.is_only(*address) {
            ("is this machine itself".to_owned(), format!("take {address} out"))
        } else {
            let what = format!("has this machine itself in it ({address})");
            (what, format!("name networks that leave {address} out"))
        };
        report.add(
            id::NETWORK_MAY_HAVE_RELAY,
            format!(
                "{here} {what}: if a program here hands on mail from outside ({}), {COLLEAGUE}",
                "a filter, a web form, fetchmail"
            ),
            format!("{remedy}, unless such programs send mail of colleagues alone"),
        );
    }
}

fn loopback(report: &mut Report, site: &Site, here: &str) {
    let remedy = "take it out: colleagues are told by their logins, or by authserv_id";
    match filters_by_loopback(site) {
        Some(Back::Filter(what)) => report.add(
            id::NETWORK_HAS_FILTER,
            format!(
                "{here}, and a filter gives mail from outside back from there ({what}): {COLLEAGUE}"
            ),
            remedy,
        ),
        Some(Back::Perhaps(what)) => report.add(
            id::NETWORK_MAY_HAVE_RELAY,
            format!("{here}, and {what}: if mail from outside comes in there, {COLLEAGUE}"),
            remedy,
        ),
        None => {}
    }
}

/// How mail from outside may come back by loopback.
enum Back {
    /// A filter gives it back, by what is there.
    Filter(String),
    /// Somebody may hand it in there.
    Perhaps(String),
}

/// Whether a filter gives mail from outside back from loopback, to where our milter sees it again.
fn filters_by_loopback(site: &Site) -> Option<Back> {
    let name = "smtpd_authorized_xforward_hosts";
    let mut back = site.services.iter().filter(|service| takes_back(service, site));
    if let Some(service) = back.clone().next()
        && let Some((by, to)) = filters(site).next()
    {
        return Some(Back::Filter(format!("{by} = {to}, {}", service.key())));
    }
    // Who may say for whom he hands on is a filter, whatever leads to it.
    if let Some(service) = back.clone().find(|s| !setting(Some(s), name, site).is_empty()) {
        return Some(Back::Filter(format!("{name} of {}", service.key())));
    }
    if let Some(service) = back.next() {
        let key = service.key();
        return Some(Back::Perhaps(format!("{key} takes mail from programs on this machine")));
    }
    // A filter by pipe(8) gives mail back by sendmail(1).
    let overrides = |service| setting(Some(service), "receive_override_options", site);
    let unseen = pickup(site).is_none_or(|it| list(&overrides(it)).contains(&"no_milters"));
    let raw = site.raw("non_smtpd_milters");
    let seen = !unseen && (names(raw, site, &[FRONT, SUBMISSION]) || raw.contains("smtpd_milters"));
    let mut pipes = filters(site).filter(|(_, to)| {
        let name = to.split(':').next().unwrap_or(to);
        site.service(&format!("{name}/unix")).is_some_and(|service| service.command == "pipe")
    });
    let (by, to) = pipes.next().filter(|_| seen)?;
    Some(Back::Filter(format!("{by} = {to}, by sendmail(1)")))
}

/// The filters of the site's mail: what leads to each, and where it is.
fn filters(site: &Site) -> impl Iterator<Item = (&'static str, String)> {
    let entrance = |s: &&Service| ["smtpd", "pickup"].contains(&s.command.as_str()) && !is_ours(s);
    site.services.iter().filter(entrance).flat_map(|service| {
        filters_of(Some(service), site).into_iter().map(|filter| {
            let by = if filter.proxy {
                "smtpd_proxy_filter"
            } else if setting(Some(service), "content_filter", site) == filter.to {
                "content_filter"
            } else {
                "FILTER"
            };
            (by, filter.to)
        })
    })
}

/// Whether a service is there for programs on this machine, and shows us what they hand in.
fn takes_back(service: &Service, site: &Site) -> bool {
    if service.command != "smtpd"
        || service.kind != "inet"
        || is_ours(service)
        || is_submission(service)
    {
        return false;
    }
    let (host, port) = service.name.rsplit_once(':').unwrap_or(("", &service.name));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    // Behind a filter also where its port is open to all, unless it is the one to which all come.
    let behind = host.is_empty() && filters(site).next().is_some();
    let public = ["smtp", "25"].contains(&port);
    let milters = service.option("smtpd_milters").unwrap_or_else(|| site.raw("smtpd_milters"));
    // What goes to a filter from there does not come from it.
    let filtered = ["content_filter", "smtpd_proxy_filter"]
        .iter()
        .any(|name| !setting(Some(service), name, site).is_empty());
    (local || behind)
        && !public
        && !filtered
        && names(milters, site, &[FRONT, SUBMISSION, SUBMISSIONS])
        && !list(&setting(Some(service), "receive_override_options", site)).contains(&"no_milters")
}

/// The addresses of filters and servers that hand on what others have sent, loopback left out.
fn handing_on(site: &Site) -> impl Iterator<Item = (IpAddr, String)> {
    let filters = filters(site).flat_map(|(name, to)| {
        let found: Vec<IpAddr> = addresses(&to).collect();
        found.into_iter().map(move |address| (address, format!("{name} = {to}")))
    });
    let smtpd = |s: &&Service| s.command == "smtpd" && !is_ours(s);
    let xforward = site.services.iter().filter(smtpd).flat_map(|service| {
        let name = "smtpd_authorized_xforward_hosts";
        let hosts: Vec<IpAddr> = addresses(&setting(Some(service), name, site)).collect();
        hosts.into_iter().map(move |address| (address, format!("{name} of {}", service.key())))
    });
    filters.chain(xforward).filter(|(address, _)| !address.is_loopback())
}

/// The addresses in a list of hosts, networks or next hops: `[192.0.2.1]:10024`, `scan:192.0.2.1`.
fn addresses(text: &str) -> impl Iterator<Item = IpAddr> + '_ {
    let words = text.split(|c: char| c.is_whitespace() || ",{}".contains(c));
    words.filter_map(|word| {
        let inner = word.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        if let Some((inner, _)) = inner {
            return inner.strip_prefix("ipv6:").unwrap_or(inner).parse().ok();
        }
        let word = word.split('/').next().unwrap_or(word);
        let parsed = word.parse::<Ipv6Addr>().map(IpAddr::V6).ok();
        parsed.or_else(|| {
            word.split(':').find_map(|part| part.parse::<Ipv4Addr>().ok()).map(IpAddr::V4)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_has_this_machine_in_it_is_a_warning() {
        let own = ["192.0.2.10".parse().unwrap()];
        let said = |network: &str| {
            let mut report = Report::default();
            one(&mut report, &Site::default(), &Network::parse(network).unwrap(), &own);
            report.into_findings().into_iter().map(|found| found.to_string()).collect::<String>()
        };
        assert!(said("192.0.2.10/32").contains("is this machine itself: "));
        let lan = said("192.0.2.0/24");
        assert!(lan.starts_with("warning: ") && lan.contains("itself in it (192.0.2.10)"), "{lan}");
        assert_eq!(said("198.51.100.0/24"), "");
    }

    #[test]
    fn addresses_are_found_in_hosts_and_next_hops() {
        let found = |text| addresses(text).map(|a| a.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(found("scan:[192.0.2.1]:10024"), "192.0.2.1");
        assert_eq!(found("192.0.2.1:10024"), "192.0.2.1");
        assert_eq!(found("smtp:192.0.2.1:25, 192.0.2.0/24"), "192.0.2.1 192.0.2.0");
        assert_eq!(found("smtp:[2001:db8::1]:25 [2001:db8::]/32"), "2001:db8::1 2001:db8::");
        assert_eq!(found("smtp:[mail.example] unix:private/x hash:/t"), "");
    }
}
