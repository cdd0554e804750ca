//! What is wrong in Postfix's configuration for outgoing mail.
//!
//! Pure. Changes nothing.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::elements::{is_element, parameter};
use super::milters::{is_signer, is_single, is_submission, names};
use super::names::{FRONT, MILTERS, OUTGOING_LISTS, SUBMISSION, SUBMISSIONS, is_ours};
use super::outgoing::is_by_sender;
use super::reach::{endpoints, in_jail, is_one_of};
use super::report::Report;
use super::site::Site;
use super::syntax::{Service, list};
use crate::config::Config;
use crate::findings::{Finding, Id, id};
use crate::policy::outbound::rules::{NewSender, Recipe, Route};
use crate::policy::token::{OUTGOING_LETTERS, route_mark};

/// A service has other milters than it is to have.
pub(super) fn milters_differ(new: &Service) -> (Id, String) {
    let key = new.key();
    let text = match new.option(MILTERS) {
        Some(milters) if list(milters).iter().any(|m| is_ours_here(m)) => {
            format!("{key} in master.cf does not show us the outgoing mail that comes in there")
        }
        _ => format!("{key} in master.cf has a milter of ours from an earlier configuration"),
    };
    (id::MILTERS_OF_SERVICE, text)
}

fn is_ours_here(milter: &str) -> bool {
    [SUBMISSION, SUBMISSIONS].iter().any(|ours| is_element(milter, ours))
}

/// Judges what was read from an instance.
pub(super) fn outgoing(report: &mut Report, config: &Config, site: &Site) {
    if !config.rules.has_outbound() {
        return;
    }
    let smtpd = |s: &&Service| s.command == "smtpd" && !is_ours(s);
    for service in site.services.iter().filter(smtpd) {
        entrance(report, config, site, service);
    }
    for route in &config.rules.outbound.routes {
        exit(report, site, route);
    }
    let by_field = |route: &&Route| route.recipe == Recipe::Field;
    let routes = &config.rules.outbound.routes;
    if let Some(route) = routes.iter().find(by_field) {
        field(report, site, route);
    }
    if routes.iter().any(is_by_sender) {
        sender(report, config, site);
    }
}

/// The keys by which a table of the site's could find the bounce address of an outgoing mail. None
/// where no route is told by one.
pub(super) fn probes(config: &Config) -> Vec<String> {
    let told = |route: &&Route| is_by_sender(route) && route.sender == NewSender::Bounce;
    let route = config.rules.outbound.routes.iter().find(told);
    let (Some(route), Some(base)) = (route, &config.rules.bounce) else {
        return Vec::new();
    };
    let (local, domain) = (base.local_part(), base.domain());
    let delimiter = config.rules.delimiters.chars().next().unwrap_or('+');
    let letters = "a".repeat(OUTGOING_LETTERS);
    let extended = format!("{local}{delimiter}{}{letters}", route_mark(&route.name));
    // Postfix: the address, that without its extension, the local-part, the domain.
    vec![
        format!("{extended}@{domain}"),
        format!("{local}@{domain}"),
        local.to_owned(),
        format!("@{domain}"),
    ]
}

/// A table gives outgoing mail another envelope sender than the one that tells its route.
// Postfix: canonical mapping comes after the milter's change of the sender.
pub(super) fn sender_rewritten(name: &str, table: &str, answer: &str) -> Finding {
    let answer = answer.trim();
    Finding::new(
        id::BOUNCE_REWRITTEN,
        format!(
            "{name}: \"{table}\" rewrites our bounce addresses to \"{answer}\", and the route is lost"
        ),
        format!("let \"{table}\" leave our bounce address as it is"),
    )
}

/// A service through which outgoing mail comes in, or could.
fn entrance(report: &mut Report, config: &Config, site: &Site, service: &Service) {
    let key = service.key();
    let option = |name| service.option(name).unwrap_or_else(|| site.value(name));
    let own = service.option(MILTERS);
    let sees = names(own.unwrap_or_else(|| site.raw(MILTERS)), site, &[SUBMISSION]);
    if !is_submission(service) && !sees {
        // A login is held to its addresses only where we see it.
        let logins = option("smtpd_sasl_auth_enable").eq_ignore_ascii_case("yes");
        if logins && !config.rules.outbound.logins.is_empty() {
            report.add(
                id::LOGINS_UNSEEN,
                format!(
                    "{key} takes logins as well (smtpd_sasl_auth_enable), and the rules of \
                     [login.*] do not hold there"
                ),
                format!(
                    "postconf -P '{key}/smtpd_sasl_auth_enable=no', or let it be a submission \
                     service: postconf -P '{key}/smtpd_sasl_auth_enable=yes', then \
                     recruit-milter postfix --apply"
                ),
            );
        }
        return;
    }
    if list(option("receive_override_options")).contains(&"no_milters") {
        report.add(
            id::SUBMISSION_UNSEEN,
            format!("{key} has no_milters in receive_override_options: outgoing mail is not seen"),
            "take no_milters away there",
        );
    }
    let unexpanded = own.unwrap_or_else(|| site.raw(MILTERS));
    let milters = expanded(unexpanded, site);
    let ours = endpoints(config, site);
    let place = milters.iter().position(|milter| is_one_of(milter, &ours));
    let before = milters.iter().take(place.unwrap_or(0));
    if let Some(signer) = before.copied().find(|milter| is_signer(milter)) {
        report.add(
            id::SUBMISSION_ORDER,
            format!("{key}: \"{signer}\" comes before our milter: it signs what we change then"),
            format!("put {SUBMISSION} before the signer, in {MILTERS} of {key} or main.cf"),
        );
    }
    // The list of main.cf is judged where incoming mail is.
    let behind = milters.iter().skip_while(|milter| !is_one_of(milter, &ours)).skip(1);
    let mut behind = behind.filter(|_| own.is_some_and(|own| !is_whole(own)));
    if let Some(filter) = behind.find(|milter| !is_signer(milter)) {
        report.add(
            id::SUBMISSION_ORDER,
            format!("{key}: \"{filter}\" comes after our milter, or ours is there twice"),
            format!("put {SUBMISSION} behind all filters, without {FRONT}"),
        );
    }
    in_jail(report, site, config.milter.submission.first(), service);
}

/// Whether a list follows that of main.cf.
fn is_whole(milters: &str) -> bool {
    is_element(milters.trim(), SUBMISSIONS)
}

/// The elements of a list, each parameter replaced by its value.
fn expanded<'a>(milters: &'a str, site: &'a Site) -> Vec<&'a str> {
    let expand = |element: &'a str| match parameter(element) {
        // A value may stand for a whole milter in braces or for a list of them.
        Some(name) => list(site.value(name)),
        None => vec![element],
    };
    list(milters).into_iter().flat_map(expand).collect()
}

/// The way out that a route names.
fn exit(report: &mut Report, site: &Site, route: &Route) {
    let (name, transport) = (&route.name, &route.transport);
    let Some(service) = site.service(&format!("{transport}/unix")) else {
        report.add(
            id::NO_SUCH_TRANSPORT,
            format!("[route.{name}] transport = \"{transport}\" is no service in master.cf"),
            "name one that is there (smtp), or add it to master.cf",
        );
        return;
    };
    let Some(next_hop) = &route.next_hop else { return };
    let value = |parameter| service.option(parameter).unwrap_or_else(|| site.value(parameter));
    let port = next_hop.rsplit_once(':').map_or("", |(_, port)| port);
    let (starttls, implicit) = match port {
        "587" | "submission" => (true, false),
        "465" | "submissions" | "smtps" => (true, true),
        _ => return,
    };
    let logs_in =
        value("smtp_sasl_auth_enable") == "yes" && !value("smtp_sasl_password_maps").is_empty();
    if !logs_in {
        report.add(
            id::RELAY_SETTINGS,
            format!("[route.{name}] leads to {next_hop}, where Postfix has no login"),
            "if the relay wants one: smtp_sasl_auth_enable = yes and smtp_sasl_password_maps",
        );
    }
    let tls = !["", "none"].contains(&value("smtp_tls_security_level"))
        || !value("smtp_tls_policy_maps").is_empty();
    if implicit && value("smtp_tls_wrappermode") != "yes" {
        report.add(
            id::RELAY_SETTINGS,
            format!("[route.{name}] leads to {next_hop}, where TLS begins at once"),
            "use port 587, or a service of its own with -o smtp_tls_wrappermode=yes as transport",
        );
    } else if starttls && !tls {
        report.add(
            id::RELAY_SETTINGS,
            format!("[route.{name}] leads to {next_hop}, and Postfix uses no TLS"),
            "smtp_tls_security_level = may, or encrypt for this next hop in smtp_tls_policy_maps",
        );
    }
}

/// What FILTER overrides, and what keeps it from working.
fn field(report: &mut Report, site: &Site, route: &Route) {
    let name = &route.name;
    let mut overrides = Vec::new();
    let transports = list(site.value("transport_maps")).len();
    let ours = list(site.value("recruit_milter_transports")).len();
    if transports > ours {
        overrides.push("transport_maps");
    }
    let submissions = site.services.iter().filter(|service| is_submission(service));
    let filtered = |s: &Service| {
        !s.option("content_filter").unwrap_or(site.value("content_filter")).is_empty()
    };
    if submissions.clone().any(filtered) || !site.value("content_filter").is_empty() {
        overrides.push("content_filter");
    }
    if !overrides.is_empty() {
        report.add(
            id::ROUTE_OVERRIDES,
            format!(
                "[route.{name}] is told by a field, which overrides {} for its mail",
                overrides.join(" and ")
            ),
            "write recipe = \"sender\" for it if that is not what you want",
        );
    }
    let elsewhere = site.value("default_filter_nexthop");
    if !elsewhere.is_empty() && route.next_hop.is_none() {
        report.add(
            id::ROUTE_OVERRIDES,
            format!("[route.{name}] has no next_hop: default_filter_nexthop = {elsewhere} counts"),
            "set next_hop, or postconf -X default_filter_nexthop",
        );
    }
    let usual = site.value("cleanup_service_name");
    let named = submissions.map(|s| s.option("cleanup_service_name").unwrap_or(usual));
    let mut cleanups: Vec<&str> = named.chain(is_single(site).then_some(usual)).collect();
    cleanups.dedup();
    for cleanup in cleanups {
        let service = site.service(&format!("{cleanup}/unix"));
        let checks = service.and_then(|service| service.option(OUTGOING_LISTS[2].0));
        if checks
            .is_some_and(|checks| !list(checks).iter().any(|e| is_element(e, OUTGOING_LISTS[2].1)))
        {
            report.add(
                id::OWN_HEADER_CHECKS,
                format!("{cleanup}/unix in master.cf has {} of its own", OUTGOING_LISTS[2].0),
                format!("add {} to that option", OUTGOING_LISTS[2].1),
            );
        }
    }
}

/// What keeps the sender's table from being asked.
fn sender(report: &mut Report, config: &Config, site: &Site) {
    let default = site.value("default_transport");
    let transport = default.split(':').next().unwrap_or(default);
    if !config.rules.outbound.is_outside(transport) {
        report.add(
            id::DEFAULT_IS_INSIDE,
            format!(
                "default_transport is \"{default}\", and [outbound] transports does not name \
                 \"{transport}\": its recipients count as inside"
            ),
            format!("add \"{transport}\" to transports in [outbound]"),
        );
    }
}
