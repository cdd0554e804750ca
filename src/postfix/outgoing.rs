//! What Postfix must have for outgoing mail: our milter at the services where colleagues and
//! recruiting systems hand in mail, and how each route is told.
//!
//! * By sender: a table for `sender_dependent_default_transport_maps`. Only recipients of
//!   `default_transport` follow it; `transport_maps` and the site's own domains go before.
//! * By field: a table for `milter_header_checks`, whose FILTER takes every recipient along.
//!
//! Pure. Must not run anything.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::{self, Write as _};

use super::elements::{exchanged, in_front, is_element};
use super::error::Error;
use super::filters::Filters;
use super::milters::{is_single, is_submission, joined, main_milters, taken_out, with_option};
use super::names::{
    FIELDS, FRONT, HEAD, MILTERS, OUTGOING_LISTS, REST, ROUTES, SUBMISSION, SUBMISSIONS, is_ours,
};
use super::parts::{Param, WantedFile, milter, safe};
use super::regexp::{self, class, quote};
use super::site::Site;
use super::syntax::{Service, list, option};
use crate::config::Config;
use crate::mail::OwnName;
use crate::policy::outbound::ROUTE;
use crate::policy::outbound::rules::{Condition, Mixed, NewSender, Recipe, Route};
use crate::policy::rules::Pattern;
use crate::policy::token::{OUTGOING_LETTERS, route_mark};

/// The milters that a service of the site's shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The service as it is to be.
    pub service: Service,
    /// The value of its option `smtpd_milters`; none where it is to have no such option.
    pub milters: Option<String>,
}

impl fmt::Display for Override {
    /// For an admin to do by hand: such a service cannot be pasted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.service.head();
        match &self.milters {
            Some(milters) => writeln!(
                f,
                "# {}, in the entry \"{head}\" that is there:\n#  {}",
                if is_ours_named(milters) {
                    "outgoing mail"
                } else {
                    "no mail passes our milter twice"
                },
                option(MILTERS, milters)
            ),
            None => writeln!(f, "# without \"-o {MILTERS}\": the entry \"{head}\""),
        }
    }
}

fn is_ours_named(milters: &str) -> bool {
    list(milters).iter().any(|m| [FRONT, SUBMISSION, SUBMISSIONS].iter().any(|o| is_element(m, o)))
}

/// The parameters of main.cf.
pub(super) fn params(config: &Config, site: &Site) -> Result<Vec<Param>, Error> {
    let mut params = Vec::new();
    if !config.rules.has_outbound() {
        return Ok(params);
    }
    let mut add = |name, value, why| params.push(Param { name, value, why });
    add(
        "recruit_milter_submission",
        milter(&config.milter.submission, "submission", site)?,
        "pass 1 and outgoing mail: who sends under which address, and by which route",
    );
    if !is_single(site) {
        let milters = exchanged(&main_milters(config, site), FRONT, SUBMISSION);
        add(
            "recruit_milter_submissions",
            milters,
            "the milters of main.cf, with ours for outgoing mail",
        );
    }
    let tables = files(config, site)?;
    for (list, element) in &OUTGOING_LISTS[1..] {
        let file = element.rsplit('/').next();
        if tables.iter().any(|table| Some(table.name) == file) {
            add(list, in_front(site, list, element), "ours comes first: it has our routes only");
        }
    }
    Ok(params)
}

/// The milters of the site's own services, where they shall be others than they are without us.
pub(super) fn overrides(config: &Config, site: &Site) -> Vec<Override> {
    let others = site.services.iter().filter(|s| s.command == "smtpd" && !is_ours(s));
    let places = Filters::of(config, site).places(config);
    let wanted = others.map(|service| {
        let is_rest = |current: &&str| !is_element(current, REST);
        let current = service.option(MILTERS).filter(is_rest);
        let takes = config.rules.has_outbound() && is_submission(service);
        let milters = match current {
            None => takes.then(|| SUBMISSIONS.to_owned()),
            Some(current) if takes => Some(joined(current, site)),
            Some(current) => taken_out(current),
        };
        let milters = places.milters(service, milters);
        Override { service: with_option(service, milters.as_deref()), milters }
    });
    let ours = |o: &Override| {
        o.milters.as_deref().is_some_and(|milters| taken_out(milters).as_deref() != Some(milters))
    };
    wanted
        .filter(|o| {
            let now = site.service(&o.service.key()).and_then(|s| s.option(MILTERS));
            ours(o) || now != o.milters.as_deref()
        })
        .collect()
}

/// The tables. Where no route is told in one of the two ways, its table is not needed.
pub(super) fn files(config: &Config, site: &Site) -> Result<Vec<WantedFile>, Error> {
    let tables = [(ROUTES, by_sender(config, site)?), (FIELDS, by_field(config, site)?)];
    let filled = tables.into_iter().filter(|(_, lines)| !lines.is_empty());
    let file = |(name, lines)| WantedFile { name, content: format!("{HEAD}{lines}") };
    Ok(filled.map(file).collect())
}

/// Where a route leads, as Postfix's tables say it. Without a next hop it is the usual way.
// Postfix: without a next hop the sender's table leaves it to the relayhost settings, else to the MX
// of each recipient; the next hop in default_transport does not count. FILTER takes the MX of each
// recipient, whatever relayhost says, unless default_filter_nexthop is set.
fn leads_to(route: &Route, recipe: Recipe, site: &Site) -> Result<String, Error> {
    let relayhost = || match recipe {
        Recipe::Sender => "",
        Recipe::Field => site.value("relayhost"),
    };
    let (usual, fixed) = site.value("default_transport").split_once(':').unwrap_or_default();
    let usual = if fixed.is_empty() || usual != route.transport { relayhost() } else { fixed };
    let next_hop = route.next_hop.as_deref().unwrap_or(usual);
    let transport = safe("a transport", &route.transport)?;
    Ok(format!("{transport}:{}", safe("a next hop", next_hop)?))
}

/// Whether Postfix can be told a route by the envelope sender.
pub(super) fn is_by_sender(route: &Route) -> bool {
    let told = route.recipe == Recipe::Sender || route.mixed == Mixed::Sender;
    told && route.sender != NewSender::Keep
}

fn by_sender(config: &Config, site: &Site) -> Result<String, Error> {
    let rules = &config.rules;
    let outbound = &rules.outbound;
    let mut out = String::new();
    let bounce = rules.bounce.as_ref().map(|address| {
        let start = format!("/^{}{}", quote(address.local_part()), class(&rules.delimiters));
        (start, regexp::domain(address.domain()))
    });
    let bounces = |route: &&Route| is_by_sender(route) && route.sender == NewSender::Bounce;
    if let Some((start, domain)) = &bounce {
        for route in outbound.routes.iter().filter(bounces) {
            let mark = route_mark(&route.name);
            let to = leads_to(route, Recipe::Sender, site)?;
            let _ = write!(
                out,
                "# {}\n{start}{mark}[a-z2-7]{{{OUTGOING_LETTERS}}}@{domain}$/  {to}\n",
                route.name
            );
        }
    }
    let mut lines = String::new();
    for choice in &outbound.choices {
        let route = &outbound.routes[choice.route];
        if !is_by_sender(route) || route.sender != NewSender::From {
            continue;
        }
        for author in authors(config, &choice.of) {
            let pattern = regexp::pattern(author, &rules.delimiters);
            let line = format!("{pattern}  {}\n", leads_to(route, Recipe::Sender, site)?);
            if !lines.contains(&line) {
                lines.push_str(&line);
            }
        }
    }
    match bounce {
        _ if lines.is_empty() => {}
        Some((start, domain)) => {
            let _ = write!(
                out,
                "# Copies on their way to a recruiting system take no route.\n\
                 if !{start}.*@{domain}$/\n{lines}endif\n"
            );
        }
        None => out.push_str(&lines),
    }
    Ok(out)
}

/// Which From addresses a condition is about.
fn authors<'a>(config: &'a Config, condition: &'a Condition) -> Vec<&'a Pattern> {
    match condition {
        Condition::From(pattern) => vec![pattern],
        Condition::Login(login) => {
            config.rules.outbound.logins[*login].may_send_as.iter().collect()
        }
        // Refused by the configuration: the recipients do not show in the envelope sender.
        Condition::To(_) => Vec::new(),
    }
}

fn by_field(config: &Config, site: &Site) -> Result<String, Error> {
    let mut out = String::new();
    let name = OwnName::ours(ROUTE);
    let routes = config.rules.outbound.routes.iter();
    for route in routes.filter(|route| route.recipe == Recipe::Field) {
        if out.is_empty() {
            // Postfix: the flag turns round that upper and lower case are one.
            out.push_str("# The flag i lets case count: \"own\" and \"Own\" are two routes.\n");
        }
        let (value, to) = (quote(&route.name), leads_to(route, Recipe::Field, site)?);
        let _ = writeln!(out, "/^{name}: {value}$/i  FILTER {to}");
    }
    Ok(out)
}
