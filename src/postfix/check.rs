//! What is wrong in Postfix's configuration for recruit-milter, and what to do about it.
//!
//! [`check`] asks an instance; [`examine`] is pure and judges what was read. Changes nothing.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::net::SocketAddr;
use std::time::Duration;

use super::alerts;
use super::change::{self, Change};
use super::elements::is_element;
use super::error::Error;
use super::filters::Filters;
use super::inside;
use super::instance::Instance;
use super::milters::{is_signer, is_single, is_submission, names};
use super::names::{FRONT, LISTS, SUBMISSION, SUBMISSIONS, is_ours};
use super::outgoing_check;
use super::reach::{endpoints, in_jail, is_one_of};
use super::report::Report;
use super::served;
use super::site::{Site, Version};
use super::syntax::{Service, list};
use super::wanted::Wanted;
use super::ways;
use crate::config::Config;
use crate::findings::{Finding, Severity, id};
use crate::mail::domain::same_domain;
use crate::policy::token::HANDOFF_LIFE;

/// The oldest version that is supported: Debian 11's.
const OLDEST: Version = (3, 5);

/// Examines an instance.
pub fn check(instance: &Instance, config: &Config) -> Result<Vec<Finding>, Error> {
    let site = Site::read(instance)?;
    let mut report = Report::default();
    report.extend(examine(config, &site));
    served::examine(&mut report, config, &site, instance);
    inside::examine(&mut report, config, &site);
    report.extend(ways::examine(config, &site, instance));
    let probe = format!("t.probe@{}", config.rules.handoff_domain);
    for name in ["canonical_maps", "recipient_canonical_maps"] {
        for table in list(site.value(name)) {
            match instance.query(table, &probe) {
                Ok(answer) => {
                    report.extend(answer.and_then(|answer| rewritten(name, table, &answer)));
                }
                // It may say anything. Postfix itself puts off the mail that needs it.
                Err(error) => report.add(
                    id::TABLE_NOT_ASKED,
                    format!("{name}: \"{table}\" cannot be asked: {error}"),
                    format!("mend \"{table}\", or take it out of {name}"),
                ),
            }
        }
    }
    for name in ["canonical_maps", "sender_canonical_maps"] {
        for table in list(site.value(name)) {
            let mut probes = outgoing_check::probes(config).into_iter();
            // That it cannot be asked was said above, or concerns senders alone.
            let answer = probes.find_map(|probe| instance.query(table, &probe).ok().flatten());
            report.extend(
                answer.map(|answer| outgoing_check::sender_rewritten(name, table, &answer)),
            );
        }
    }
    Ok(report.into_findings())
}

/// Whether a finding is one by which mail is doubled, or lost where it is split, though all else works.
pub fn is_of_doubling(finding: &Finding) -> bool {
    [
        id::PROXY_FILTER,
        id::PASSES_TWICE,
        id::UNSEEN_BEHIND_FILTER,
        id::SENDMAIL_TWICE,
        id::FILTER_LOSES_DSN,
        id::FILTER_SILENT,
        id::TABLE_OF_FILTERS_UNSEEN,
        id::FILTER_WAY_BACK,
        id::ALIAS_TO_INBOUND,
        id::PATTERN_TO_INBOUND,
        id::BCC_TO_SYSTEM,
    ]
    .contains(&finding.id)
}

fn rewritten(name: &str, table: &str, answer: &str) -> Option<Finding> {
    let answer = answer.trim();
    (!answer.is_empty()).then(|| {
        Finding::new(
            id::HANDOFF_REWRITTEN,
            format!("{name}: \"{table}\" rewrites handoff addresses to \"{answer}\""),
            format!("let the patterns of \"{table}\" match the site's own domains only"),
        )
    })
}

/// Judges what was read from an instance.
pub fn examine(config: &Config, site: &Site) -> Vec<Finding> {
    let mut report = Report::default();
    version(&mut report, site);
    let filters = Filters::of(config, site);
    match Wanted::from(config, site) {
        Ok(wanted) => {
            let mut changes = change::diff(site, &wanted);
            filters.examine(&mut report, config, &mut changes);
            differences(&mut report, &changes);
        }
        Err(error) => report.add(id::CANNOT_BE_APPLIED, error.to_string(), "change that setting"),
    }
    milter_lists(&mut report, config, site);
    entrances(&mut report, config, site, &filters);
    sockets(&mut report, config, site);
    hops(&mut report, config, site);
    addresses(&mut report, config, site);
    queue(&mut report, config, site);
    vouching(&mut report, config, site);
    outgoing_check::outgoing(&mut report, config, site);
    report.into_findings()
}

/// What `--apply` would change.
fn differences(report: &mut Report, changes: &[Change]) {
    for change in changes {
        let (id, text) = match change {
            Change::Param { name, .. } if change::is_list(name) => {
                (id::LIST_WITHOUT_OURS, format!("{name} in main.cf does not name what is ours"))
            }
            Change::Param { name, old: None, .. } => {
                (id::SETTING_DIFFERS, format!("{name} is missing in main.cf"))
            }
            Change::Param { name, .. } => (
                id::SETTING_DIFFERS,
                format!("{name} in main.cf is not what the configuration needs"),
            ),
            Change::Service { key, old: None, .. } => {
                (id::SERVICE_DIFFERS, format!("service {key} is missing in master.cf"))
            }
            Change::Service { key, new: None, .. } => (
                id::SERVICE_DIFFERS,
                format!("service {key} in master.cf is left over from an earlier configuration"),
            ),
            Change::Service { key, .. } => (
                id::SERVICE_DIFFERS,
                format!("service {key} in master.cf is not what the configuration needs"),
            ),
            Change::Milters { new, .. } => outgoing_check::milters_differ(new),
            Change::File { name, .. } => (
                id::TABLE_DIFFERS,
                format!("table {name} is missing or not what the configuration needs"),
            ),
        };
        report.add(id, text, "recruit-milter postfix --apply");
    }
}

fn version(report: &mut Report, site: &Site) {
    if site.version() < OLDEST {
        report.add(
            id::POSTFIX_TOO_OLD,
            format!("Postfix {} is too old", site.value("mail_version")),
            "use Postfix 3.5 or newer",
        );
    }
    for kind in ["inline", "regexp"] {
        if !site.table_types.contains(kind) {
            report.add(
                id::NO_SUCH_TABLE_TYPE,
                format!("this Postfix has no look-up tables of type {kind}"),
                "install the package that brings them (postconf -m lists what is there)",
            );
        }
    }
}

/// Whether a list names our front milter, and what is wrong with its place.
fn milter_lists(report: &mut Report, config: &Config, site: &Site) {
    let ours = endpoints(config, site);
    let is_front = |milter: &&str| is_one_of(milter, &ours);
    for name in ["smtpd_milters", "non_smtpd_milters"] {
        if name.starts_with("non") && site.raw(name).contains("$smtpd_milters") {
            continue;
        }
        let milters = list(site.value(name));
        if milters.iter().filter(|milter| is_front(milter)).count() > 1 {
            report.add(
                id::FRONT_TWICE,
                format!("{name} names our front milter more than once"),
                "leave only $recruit_milter_front in the list",
            );
        }
        let behind = milters.iter().skip_while(|milter| !is_front(milter)).skip(1);
        if let Some(filter) = behind.copied().find(|m| !is_signer(m) && !is_front(m)) {
            report.add(
                id::FILTER_AFTER_FRONT,
                format!("{name}: \"{filter}\" comes after our front milter"),
                "put $recruit_milter_front behind all spam and virus filters",
            );
        }
    }
    if list(site.value("milter_protocol")).first() != Some(&"6") {
        report.add(
            id::MILTER_PROTOCOL,
            format!("milter_protocol is {}", site.value("milter_protocol")),
            "postconf -X milter_protocol (the default is 6)",
        );
    }
    if !site.value("smtpd_milter_maps").is_empty() {
        report.add(
            id::MILTER_MAPS,
            "smtpd_milter_maps gives some clients other milters: mail from them is not forwarded",
            "add $recruit_milter_front to the results in that table, or list no client that \
             sends mail to recruiting addresses",
        );
    }
}

/// The services through which mail enters, and what keeps it from our milter there.
fn entrances(report: &mut Report, config: &Config, site: &Site, filters: &Filters<'_>) {
    let smtpd = |service: &&Service| service.command == "smtpd" && !is_ours(service);
    let both = config.rules.has_outbound() && is_single(site);
    let ours = if both { SUBMISSION } else { FRONT };
    for service in site.services.iter().filter(smtpd) {
        let key = service.key();
        let severity = match key.as_str() {
            "smtp/inet" | "25/inet" | "smtpd/pass" => Severity::Error,
            _ => Severity::Warning,
        };
        if filters.spares(service) {
            continue;
        }
        // Where outgoing mail comes in, the list is ours to change.
        let is_left = !config.rules.has_outbound() || !is_submission(service);
        let own = service.option("smtpd_milters").filter(|_| is_left);
        if let Some(milters) =
            own.filter(|milters| !names(milters, site, &[FRONT, SUBMISSION, SUBMISSIONS]))
        {
            let text = format!(
                "{key} in master.cf has \"-o smtpd_milters={milters}\": \
                 mail that comes in there is not forwarded"
            );
            report.with(severity, id::ENTRANCE_WITHOUT_US, text, listing(&key, milters, ours));
        }
        let option = |name| service.option(name).unwrap_or_else(|| site.value(name));
        if is_left && list(option("receive_override_options")).contains(&"no_milters") {
            let text = format!(
                "{key} has no_milters in receive_override_options: \
                 mail that comes in there is not forwarded"
            );
            let remedy = "take no_milters away there \
                          (or leave it, if the mail has passed our milter before)";
            report.with(severity, id::ENTRANCE_WITHOUT_US, text, remedy);
        }
        // Where a smtpd is behind it, apply knows what to do.
        if !option("smtpd_proxy_filter").is_empty() && !filters.are_placed() {
            let text = format!(
                "{key} has an smtpd_proxy_filter: Postfix makes no changes of milters there"
            );
            let remedy = "list $recruit_milter_front at the smtpd behind that filter, \
                          or use the filter as a milter";
            report.with(severity, id::PROXY_FILTER, text, remedy);
        }
    }
}

/// How to add our milter to an override.
fn listing(key: &str, milters: &str, ours: &str) -> String {
    let mut elements = list(milters);
    elements.push(ours);
    let command = format!("postconf -P '{key}/smtpd_milters={}'", elements.join(","));
    // Postfix: -P refuses a value with white space.
    if elements.iter().any(|element| element.contains(char::is_whitespace)) {
        return format!("add {ours} to that option in master.cf");
    }
    format!("{command} (or leave it, if no mail for recruiting addresses comes in there)")
}

fn sockets(report: &mut Report, config: &Config, site: &Site) {
    let entrance = |s: &Service| ["smtpd", "cleanup"].contains(&s.command.as_str()) && !is_ours(s);
    let jailed = site.services.iter().find(|s| entrance(s) && s.is_chrooted());
    if let Some(service) = jailed {
        in_jail(report, site, config.milter.front.first(), service);
    }
}

fn hops(report: &mut Report, config: &Config, site: &Site) {
    let hops = [
        ("[handoff] smtpd", config.handoff.smtpd),
        ("[handoff] return_smtpd", config.handoff.return_smtpd),
    ];
    let alerts = alerts::address(config).map(|address| ("[alerts] smtpd", address));
    let hops: Vec<_> = hops.into_iter().chain(alerts).collect();
    for (name, address) in &hops {
        if !address.ip().is_loopback() {
            report.add(
                id::HOP_ADDRESS,
                format!("{name} = \"{address}\" can be reached from outside"),
                "use an address of this machine's loopback: 127.0.0.1:PORT",
            );
        }
        let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
        let protocols = list(site.value("inet_protocols"));
        if !protocols.iter().any(|protocol| [family, "all"].contains(protocol)) {
            report.add(
                id::HOP_ADDRESS,
                format!("inet_protocols lacks {family}, which {name} = \"{address}\" needs"),
                format!("add {family} to inet_protocols, or give {name} another address"),
            );
        }
    }
    let addresses: Vec<SocketAddr> = hops.iter().map(|(_, address)| *address).collect();
    disabled(report, site, &addresses);
}

fn disabled(report: &mut Report, site: &Site, hops: &[SocketAddr]) {
    let disabled = list(site.value("master_service_disable"));
    for address in hops {
        let key = format!("{address}/inet");
        // Postfix: either "type" or "name/type".
        if let Some(entry) = disabled.iter().find(|entry| ["inet", &key].contains(entry)) {
            report.add(
                id::HOP_DISABLED,
                format!("master_service_disable has \"{entry}\": {address} does not listen"),
                "take it out of master_service_disable",
            );
        }
    }
}

fn addresses(report: &mut Report, config: &Config, site: &Site) {
    let postfix = site.value("recipient_delimiter");
    let ours = &config.rules.delimiters;
    if postfix != ours {
        report.add(
            id::DELIMITERS_DIFFER,
            format!(
                "recipient_delimiter is \"{postfix}\" in Postfix and \"{ours}\" for us: \
                 address extensions are not taken alike"
            ),
            "set both to the same characters",
        );
    }
    for system in &config.rules.systems {
        let domain = system.inbound.domain();
        let classes = ["mydestination", "virtual_mailbox_domains", "virtual_alias_domains"];
        let local = classes
            .iter()
            .find(|class| list(site.value(class)).iter().any(|listed| same_domain(listed, domain)));
        // Postfix: this class goes before all of transport_maps.
        if local == Some(&"virtual_alias_domains") {
            report.add(
                id::INBOUND_IN_ALIAS_DOMAIN,
                format!(
                    "virtual_alias_domains has {domain}, the domain of the inbound address {}: each \
                     copy fails, \"User unknown in virtual alias table\"",
                    system.inbound
                ),
                format!("take {domain} out of virtual_alias_domains"),
            );
        } else if let (Some(class), None) = (local, &system.next_hop) {
            report.add(
                id::INBOUND_IS_LOCAL,
                format!(
                    "the inbound address {} is in a domain of this Postfix ({class})",
                    system.inbound
                ),
                format!("set next_hop in [system.{}], or use the system's own address", system.id),
            );
        }
    }
}

/// Handoffs that wait longer than Postfix keeps mail would vanish: they carry NOTIFY=NEVER.
fn queue(report: &mut Report, config: &Config, site: &Site) {
    let lifetime = site.value("maximal_queue_lifetime");
    let Some(kept) = hours(lifetime) else { return };
    let give_up = Duration::from_secs(config.rules.give_up.after).as_secs_f64() / 3600.0;
    if kept < 24.0 || kept < 2.0 * give_up {
        report.with(
            Severity::Error,
            id::QUEUE_LIFETIME,
            format!(
                "maximal_queue_lifetime is {lifetime}: what waits longer for us is dropped unseen, \
                 before it is given up ([handoff] give_up_after)"
            ),
            "use two days or more (the default is 5d), or a give_up_after of half of it",
        );
    } else if kept < 120.0
        && let Some(rule) = config.rules.addresses.iter().find(|rule| !rule.local_copy)
    {
        report.add(
            id::LIFETIME_WITHOUT_COPY,
            format!(
                "maximal_queue_lifetime is {lifetime}, and {} keeps no copy: while our smtpd, its milter \
                 or a signer is away its mail waits in the queue alone, and is dropped unseen after that",
                rule.pattern
            ),
            "postconf -X maximal_queue_lifetime (the default is 5d), or set local_copy = true",
        );
    }
    let days = HANDOFF_LIFE / 86_400;
    let life = Duration::from_secs(HANDOFF_LIFE).as_secs_f64();
    if kept * 3600.0 > life {
        report.with(
            Severity::Warning, id::QUEUE_LIFETIME,
            format!(
                "maximal_queue_lifetime is {lifetime}, and a handoff address is good for {days} days: \
                 what waits longer for us does not go to the recruiting system any more"
            ),
            "use less (the default is 5d)",
        );
    }
}

/// Authentication-Results are believed that anybody can write, where nothing looks at the header.
/// What a milter, a filter or a table does with them is not to be seen from here.
fn vouching(report: &mut Report, config: &Config, site: &Site) {
    let Some(name) = &config.rules.authserv_id else {
        return;
    };
    let front = LISTS[0].1;
    let milters = |list_of: &str| list(list_of).into_iter().any(|m| !is_element(m, front));
    let others = site.services.iter().filter(|service| !is_ours(service));
    let mut options = others.flat_map(|service| &service.options);
    let is_seen = milters(site.raw("smtpd_milters"))
        || ["header_checks", "smtpd_milter_maps", "content_filter", "smtpd_proxy_filter"]
            .iter()
            .any(|name| !site.value(name).is_empty())
        || options.any(|(name, value)| match name.as_str() {
            "smtpd_milters" => milters(value),
            "header_checks" | "smtpd_milter_maps" | "content_filter" | "smtpd_proxy_filter" => {
                !value.is_empty()
            }
            _ => false,
        });
    if !is_seen {
        report.add(
            id::AUTHSERV_ID_OPEN,
            format!(
                "[internal] authserv_id = {name:?}, and nothing in this Postfix takes off \
                 Authentication-Results of that name which come from outside: a stranger could pass \
                 for a colleague"
            ),
            "set header_checks as conf/recruit-milter.toml says, or leave it if another server does it \
             before this one",
        );
    }
}

/// A time value of Postfix whose default unit is the day.
fn hours(value: &str) -> Option<f64> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &value[digits.len()..] {
        "s" => 1.0 / 3600.0,
        "m" => 1.0 / 60.0,
        "h" => 1.0,
        "" | "d" => 24.0,
        "w" => 168.0,
        _ => return None,
    };
    Some(digits.parse::<u32>().ok().map(f64::from)? * factor)
}
