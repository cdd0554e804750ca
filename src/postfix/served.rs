//! Whether this Postfix takes mail from outside for the domains of our addresses.
//!
//! A probe proves nothing of that: it comes from a client in `mynetworks`, to which relay restrictions
//! do not apply. Changes nothing.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::elements::is_our_table;
use super::error::Error;
use super::instance::Instance;
use super::matching::{Ask, Wanted, holds, is_table};
use super::report::Report;
use super::site::Site;
use super::syntax::list;
use super::tables::brief;
use crate::config::{Config, suggest};
use crate::findings::{Finding, id};
use crate::mail::Address;
use crate::mail::domain::{domain_key, domain_spellings};
use crate::policy::rules::Pattern;

/// The lists that name the domains for which Postfix takes mail from anybody.
const CLASSES: [&str; 4] =
    ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"];

/// Examines the domains of the recruiting addresses and of the bounce address.
pub(super) fn examine(report: &mut Report, config: &Config, site: &Site, instance: &Instance) {
    let ask = asking(site, instance);
    open_domains(report, config, site, &ask);
    let mut seen = Vec::new();
    let patterns = config.rules.addresses.iter().map(|rule| (&rule.pattern, "recruiting address"));
    let bounce = config.rules.bounce.clone().map(Pattern::Exact);
    for (pattern, what) in patterns.chain(bounce.iter().map(|bounce| (bounce, "bounce address"))) {
        let below = matches!(pattern, Pattern::Subdomains(_));
        if seen.contains(&(below, domain_key(pattern.domain()))) {
            continue;
        }
        seen.push((below, domain_key(pattern.domain())));
        judge(report, config, site, &ask, (pattern, what));
    }
}

/// How tables are asked. Ours know no domain of the site.
fn asking(
    site: &Site,
    instance: &Instance,
) -> impl Fn(&str, &str) -> Result<Option<String>, String> {
    |table, key| {
        if is_our_table(site, table) {
            return Ok(None);
        }
        instance.query(table, key).map_err(|error| error.to_string())
    }
}

/// Nobody outside may write to our domains: what cannot be decided there waits, and its sender, forged
/// or not, would hear of it.
fn open_domains(report: &mut Report, config: &Config, site: &Site, ask: &Ask<'_>) {
    for class in CLASSES {
        let value = site.value(class);
        let has = |list: &str, domain: &str| {
            listed(list, domain, class == "relay_domains", has_parents(site), ask)
        };
        for domain in [&config.rules.handoff_domain, &config.rules.return_domain] {
            match has(value, domain) {
                Ok(true) => {
                    let elements = list(value).into_iter();
                    let entry = elements.clone().find(|element| has(element, domain) == Ok(true));
                    report.add(
                        id::OUR_DOMAIN_IS_OPEN,
                        format!(
                            "{class} has \"{}\": mail from outside for {domain} is taken, where only \
                             copies on their way belong",
                            entry.map_or(domain.as_str(), brief)
                        ),
                        "set another [handoff] domain, one that is nowhere used: below .internal for \
                         example",
                    );
                }
                Ok(false) => {}
                Err(why) => {
                    report.add(
                        id::TABLE_NOT_ASKED,
                        format!("whether {class} has {domain} cannot be told: {why}"),
                        "run it as root; mend that table, or take it out there",
                    );
                    break;
                }
            }
        }
    }
}

/// Why mail from outside for an address is refused, where its domain is in no list of Postfix.
pub fn unserved(
    instance: &Instance,
    config: &Config,
    address: &Address,
) -> Result<Option<Finding>, Error> {
    let site = Site::read(instance)?;
    let mut report = Report::default();
    let ask = asking(&site, instance);
    let pattern = Pattern::Exact(address.clone());
    judge(&mut report, config, &site, &ask, (&pattern, "recruiting address"));
    Ok(report.into_findings().into_iter().find(|finding| finding.id == id::UNSERVED))
}

/// What is known of a domain.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Served,
    /// Tables have domains of their own, and nobody can list them.
    Perhaps,
    /// Only `transport_maps` has it.
    Routed,
    /// A restriction that we cannot read may let mail for it in.
    LetIn(String),
    No,
}

fn judge(
    report: &mut Report,
    config: &Config,
    site: &Site,
    ask: &Ask<'_>,
    (pattern, what): (&Pattern, &str),
) {
    let domain = pattern.domain();
    let remedy = || {
        let near = suggest(domain, candidates(config, site, domain).iter().map(String::as_str));
        let add = format!(
            "add {domain} to mydestination, virtual_mailbox_domains, virtual_alias_domains or \
             relay_domains"
        );
        near.map_or(add.clone(), |near| {
            format!("{near} Then correct it in {}; else {add}", config.path.display())
        })
    };
    match known(site, ask, pattern) {
        Err(why) => report.add(
            id::SERVICE_NOT_CERTAIN,
            format!("whether this Postfix serves {domain} cannot be told: {why}"),
            "run it as root; postmap -q must be able to read that table",
        ),
        Ok(Known::Served | Known::Perhaps) => {}
        Ok(Known::Routed) => report.add(
            id::SERVICE_NOT_CERTAIN,
            format!(
                "only transport_maps has {domain}, the domain of the {what} {pattern}: this Postfix \
                 takes mail for it from clients in mynetworks alone"
            ),
            format!("add {domain} to relay_domains"),
        ),
        Ok(Known::LetIn(by)) => report.add(
            id::SERVICE_NOT_CERTAIN,
            format!(
                "{domain}, the domain of the {what} {pattern}, is in none of {}: whether {by} lets \
                 mail from outside in is not to be seen from here",
                CLASSES.join(", ")
            ),
            remedy(),
        ),
        Ok(Known::No) => report.add(
            id::UNSERVED,
            format!(
                "this Postfix does not serve {domain}, the domain of the {what} {pattern}: mail from \
                 outside is refused (it is in none of {})",
                CLASSES.join(", ")
            ),
            remedy(),
        ),
    }
}

fn known(site: &Site, ask: &Ask<'_>, pattern: &Pattern) -> Result<Known, String> {
    let domain = pattern.domain();
    if let Pattern::Subdomains(parent) = pattern {
        let below = format!(".{}", domain_key(parent));
        // Postfix: only relay_domains may speak of the domains below one.
        let any = format!("any{below}");
        if listed(site.value("relay_domains"), &any, true, has_parents(site), ask)? {
            return Ok(Known::Served);
        }
        let elements = CLASSES.into_iter().flat_map(|class| list(site.value(class)));
        let mut others = elements.filter(|element| !is_our_table(site, element));
        // Postfix: what begins with a dot counts in a list of tables alone, and there as told above.
        let is_below =
            |element: &str| !element.starts_with('.') && domain_key(element).ends_with(&below);
        if others.clone().any(is_below) {
            return Ok(Known::Served);
        }
        if others.any(|element| is_table(element) || element.starts_with('/')) {
            return Ok(Known::Perhaps);
        }
        return Ok(otherwise(site));
    }
    let mut failed = None;
    for class in CLASSES {
        let below = class == "relay_domains";
        match listed(site.value(class), domain, below, has_parents(site), ask) {
            Ok(true) => return Ok(Known::Served),
            Ok(false) => {}
            Err(why) => failed = Some(format!("{class}: {why}")),
        }
    }
    if let Some(why) = failed {
        return Err(why);
    }
    let routes =
        list(site.value("transport_maps")).into_iter().filter(|table| !is_our_table(site, table));
    for table in routes.filter(|table| is_table(table)) {
        let has = |name: &String| ask(table, name).is_ok_and(|answer| answer.is_some());
        if domain_spellings(domain).iter().any(has) {
            return Ok(Known::Routed);
        }
    }
    Ok(otherwise(site))
}

/// Whether a domain in `relay_domains` stands for those below it as well.
fn has_parents(site: &Site) -> bool {
    list(site.value("parent_domain_matches_subdomains")).contains(&"relay_domains")
}

/// Whether a list has a domain. With `below`, domains stand for those below them: as `.domain`, or
/// with `parents` as they are.
fn listed(
    value: &str,
    domain: &str,
    below: bool,
    parents: bool,
    ask: &Ask<'_>,
) -> Result<bool, String> {
    let spellings = domain_spellings(domain);
    let mut keys = spellings.clone();
    for name in spellings.iter().filter(|_| below) {
        let ends = name.match_indices('.').map(|(at, _)| &name[at..]);
        let ends = ends.map(|end| if parents { &end[1..] } else { end });
        keys.extend(ends.map(str::to_owned));
    }
    let literal = |element: &str| keys.iter().any(|key| domain_key(key) == domain_key(element));
    holds(value, &Wanted { literal: &literal, keys: &keys }, ask)
}

/// What may let mail in for a domain that no list has.
// Postfix: what stands behind reject_unauth_destination cannot let in any more.
fn otherwise(site: &Site) -> Known {
    let relay = list(site.value("smtpd_relay_restrictions"));
    let counts =
        if relay.is_empty() { list(site.value("smtpd_recipient_restrictions")) } else { relay };
    let before = counts.iter().take_while(|restriction| {
        !["reject_unauth_destination", "defer_unauth_destination", "reject", "defer"]
            .contains(restriction)
    });
    let lets_in = ["permit", "permit_mx_backup", "check_recipient_access", "check_policy_service"];
    let mut found = before.filter(|restriction| lets_in.contains(restriction));
    found.next().map_or(Known::No, |by| Known::LetIn((*by).to_owned()))
}

/// Domains that may have been meant.
fn candidates(config: &Config, site: &Site, wrong: &str) -> Vec<String> {
    let named = CLASSES.into_iter().flat_map(|class| list(site.value(class)));
    let own = ["mydomain", "myorigin"].into_iter().map(|name| site.value(name));
    let ours = config.rules.addresses.iter().map(|rule| rule.pattern.domain());
    named
        .filter(|element| !is_table(element) && !element.starts_with(['/', '!', '[']))
        .chain(own)
        .chain(ours)
        .map(domain_key)
        .filter(|name| !name.is_empty() && *name != domain_key(wrong))
        .collect()
}
