//! The settings around the recruiting addresses (handoff domain, bounce address, colleagues), and
//! the checks that no address of ours is also another's.
//!
//! Must not know files.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::{HashMap, HashSet};

use super::addresses::{Drafts, RuleDraft};
use super::info::Section;
use super::settings::{
    AGENT_SIZE, AUTHSERV_ID, BOARDS, BOUNCE_ADDRESS, BUDGET, DOMAINS, FORMS, HANDOFF_DOMAIN,
    NETWORKS, READING_LIMIT, RECIPIENT_DELIMITER, SPAM,
};
use super::source::{At, Finding, Report};
use super::tree::{Broken, Found, Tree};
use crate::mail::Address;
use crate::mail::address::{MAX_LOCAL_PART, split_extension};
use crate::mail::domain::{address_key, domain_key, same_domain};
use crate::policy::rules::{Network, Pattern, ReadingRules, Rules};
use crate::policy::token::BOUNCE_LETTERS;

/// What follows the local-part of the bounce address: the delimiter and a token.
const BOUNCE_EXTENSION: usize = 1 + BOUNCE_LETTERS;

/// How mail is read; nothing if a setting of it is wrong.
fn reading(tree: &Tree<'_>, report: &mut Report) -> Option<ReadingRules> {
    let table = tree.fixed(Section::Reading);
    let limit = table.get(&READING_LIMIT, report);
    let verdicts = table.get(&SPAM, report);
    let boards = table.get(&BOARDS, report);
    let unwrap_limit = tree.fixed(Section::Agent).get(&AGENT_SIZE, report);
    Some(ReadingRules {
        limit: usize::try_from(limit.ok()??.value).ok()?,
        verdicts: verdicts.ok()??.items().into_iter().map(|found| found.value).collect(),
        boards: boards.ok()??.items().into_iter().map(|found| found.value).collect(),
        unwrap_limit: unwrap_limit.ok()??.value,
    })
}

type Maybe<T> = Result<Option<Found<T>>, Broken>;

/// Reads everything that has to do with addresses: the rules, unless something of them is wrong,
/// and whether there are any addresses.
pub(super) fn rules(tree: &Tree<'_>, report: &mut Report) -> (Option<Rules>, bool) {
    let around = Around::read(tree, report);
    let drafts = Drafts::new(tree, around.delimiters(), report);
    let bounce = around.bounce(&drafts, report);
    around.check(&drafts, bounce.as_ref(), report);
    let some = !drafts.rules.is_empty();
    let rules =
        drafts.finish().and_then(|rules| around.finish(rules, bounce.map(|found| found.value)));
    (rules, some)
}

/// The settings around the recruiting addresses, as far as they could be read.
pub(super) struct Around {
    delimiters: Maybe<String>,
    handoff: Maybe<String>,
    bounce: Maybe<Address>,
    domains: Result<Option<Vec<Found<String>>>, Broken>,
    networks: Result<Vec<Network>, Broken>,
    forms: Result<Vec<Pattern>, Broken>,
    authserv_id: Maybe<String>,
    budget: Maybe<u32>,
    reading: Option<ReadingRules>,
    /// Whether there are logins or routes.
    outbound: bool,
}

impl Around {
    pub(super) fn read(tree: &Tree<'_>, report: &mut Report) -> Self {
        let internal = tree.fixed(Section::Internal);
        let value = |(_, network): (_, Network)| network;
        let networks = internal.get(&NETWORKS, report);
        if let Ok(Some(found)) = &networks
            && let Some((_, network)) = found.value.iter().find(|(_, n)| n.is_boundless())
        {
            report.push(
                Finding::warning(format!(
                    "{network} has much of the Internet in it: strangers would pass for colleagues"
                ))
                .at(&found.at)
                .remedy("name the networks of the company"),
            );
        }
        Self {
            delimiters: tree.fixed(Section::Top).get(&RECIPIENT_DELIMITER, report),
            handoff: tree.fixed(Section::Handoff).get(&HANDOFF_DOMAIN, report),
            bounce: tree.fixed(Section::Bounces).get(&BOUNCE_ADDRESS, report),
            domains: internal.get(&DOMAINS, report).map(|d| d.map(Found::items)),
            networks: networks.map(|found| {
                let items = found.into_iter().flat_map(|found| found.value);
                items.map(value).collect()
            }),
            forms: internal.get(&FORMS, report).map(|found| {
                found.into_iter().flat_map(|found| found.value).map(|(_, form)| form).collect()
            }),
            authserv_id: internal.get(&AUTHSERV_ID, report),
            budget: tree.fixed(Section::Loop).get(&BUDGET, report),
            reading: reading(tree, report),
            outbound: [Section::Login, Section::Route]
                .into_iter()
                .any(|section| tree.named(section).next().is_some()),
        }
    }

    /// Postfix's `recipient_delimiter`.
    pub(super) fn delimiters(&self) -> &str {
        match &self.delimiters {
            Ok(Some(found)) => &found.value,
            _ => "+",
        }
    }

    /// The handoff domain and the return domain, where they are known.
    fn own_domains(&self) -> Vec<String> {
        match &self.handoff {
            Ok(Some(found)) => vec![found.value.clone(), return_domain(&found.value)],
            _ => Vec::new(),
        }
    }

    fn is_own_domain(&self, domain: &str) -> bool {
        self.own_domains().iter().any(|own| same_domain(own, domain))
    }

    /// The bounce address as set, or the one that follows from the first recruiting address.
    pub(super) fn bounce(&self, drafts: &Drafts, report: &mut Report) -> Option<Found<Address>> {
        let found = match &self.bounce {
            Err(Broken) => return None,
            Ok(Some(found)) => Found { value: found.value.in_ascii(), at: found.at.clone() },
            Ok(None) => {
                let domain = domain_key(drafts.rules.first()?.rule.pattern.domain());
                let text = format!("recruit-bounces@{domain}");
                Found {
                    value: Address::parse(&text).ok()?,
                    at: At {
                        section: Section::Bounces.name().into(),
                        key: Some(BOUNCE_ADDRESS.info.name.into()),
                        value: Some(text),
                        span: None,
                    },
                }
            }
        };
        self.check_bounce_form(&found, report);
        Some(found)
    }

    /// A token must fit behind the local-part, and must be found there again.
    fn check_bounce_form(&self, bounce: &Found<Address>, report: &mut Report) {
        let local = bounce.value.local_part();
        let limit = MAX_LOCAL_PART - BOUNCE_EXTENSION;
        let name = bounce_name(bounce);
        let mut refuse = |reason: String, remedy: String| {
            let finding = Finding::error(format!("{name} {reason}"));
            report.push(finding.at(&bounce.at).remedy(remedy));
        };
        if local.len() > limit {
            refuse(
                format!(
                    "has a local-part of {} octets; at most {limit} leave room for \"+\" and a \
                     token of {} within the {MAX_LOCAL_PART} that SMTP allows",
                    local.len(),
                    BOUNCE_EXTENSION - 1
                ),
                "choose a shorter one, \"recruit-bounces\" for example".into(),
            );
        }
        if !bounce.value.as_str().is_ascii() {
            refuse(
                "is not ASCII, so reports to it would need SMTPUTF8 all the way".into(),
                "choose one in ASCII".into(),
            );
        }
        let Ok(Some(delimiters)) = &self.delimiters else {
            return;
        };
        if delimiters.value.is_empty() {
            refuse(
                "needs a \"recipient_delimiter\": reports come to it with an extension".into(),
                "set recipient_delimiter = \"+\" here and in Postfix's main.cf".into(),
            );
        } else if split_extension(local, &delimiters.value).is_some() {
            refuse(
                format!(
                    "has a character of recipient_delimiter {:?} in its local-part, so Postfix \
                     would take its end for an extension",
                    delimiters.value
                ),
                "set another address in [bounces], one without such a character".into(),
            );
        }
    }

    /// Checks that the roles of addresses and domains exclude each other.
    pub(super) fn check(
        &self,
        drafts: &Drafts,
        bounce: Option<&Found<Address>>,
        report: &mut Report,
    ) {
        self.check_inbounds(drafts, report);
        if let Some(bounce) = bounce {
            self.check_bounce_role(drafts, bounce, report);
        }
        self.check_handoff_domain(drafts, report);
        self.check_mailboxes(drafts, bounce, report);
        for owner in unique(drafts, |draft| draft.owner.as_ref()) {
            if drafts.lookup(owner.value.as_str()).is_some() {
                report.push(
                    Finding::warning(format!(
                        "owner \"{}\" is a recruiting address: what tells that its mail does not \
                         arrive would go the same way",
                        owner.value
                    ))
                    .at(&owner.at)
                    .remedy("name an address that people read in their own mailbox"),
                );
            }
        }
        // Where something is wrong, there may be more than could be read.
        if drafts.systems.is_empty() && !self.outbound && !report.has_errors() {
            report.push(
                Finding::warning("no addresses yet, all mail passes")
                    .remedy("add a [system.NAME] with its inbound address and its addresses"),
            );
        }
    }

    fn check_inbounds(&self, drafts: &Drafts, report: &mut Report) {
        let mut seen: HashMap<String, &Found<Address>> = HashMap::new();
        for system in &drafts.systems {
            let Some(inbound) = &system.inbound else {
                continue;
            };
            let name = format!("inbound address \"{}\"", inbound.value);
            if let Some(claim) = drafts.lookup(inbound.value.as_str()) {
                report.push(
                    Finding::error(format!(
                        "{name} is itself a recruiting address: mail would go in a circle"
                    ))
                    .at(&inbound.at)
                    .see(&claim.at, claimed_here(drafts, claim))
                    .remedy("write the address that the recruiting system gave you"),
                );
            }
            if self.is_own_domain(inbound.value.domain()) {
                report.push(
                    Finding::error(format!("{name} is in the handoff domain"))
                        .at(&inbound.at)
                        .remedy("write the address that the recruiting system gave you"),
                );
            }
            if let Some(first) = seen.get(&inbound.value.key()) {
                report.push(
                    Finding::warning(format!("{name} belongs to two systems"))
                        .at(&inbound.at)
                        .see(&first.at, "first one here")
                        .remedy("list all its addresses in one system"),
                );
            } else {
                seen.insert(inbound.value.key(), inbound);
            }
        }
    }

    fn check_bounce_role(&self, drafts: &Drafts, bounce: &Found<Address>, report: &mut Report) {
        let name = bounce_name(bounce);
        let remedy = "set an address in [bounces] that nothing else uses";
        let base = |rule: &&RuleDraft| match &rule.rule.pattern {
            Pattern::Exact(a) => self.same_mailbox(a, &bounce.value),
            _ => false,
        };
        let claim = drafts.lookup(bounce.value.as_str()).or_else(|| drafts.rules.iter().find(base));
        if let Some(claim) = claim {
            report.push(
                Finding::error(format!(
                    "{name} is a recruiting address: reports would be forwarded as applications"
                ))
                .at(&bounce.at)
                .see(&claim.at, claimed_here(drafts, claim))
                .remedy(remedy),
            );
        }
        let inbounds = drafts.systems.iter().filter_map(|s| s.inbound.as_ref());
        if let Some(inbound) =
            inbounds.into_iter().find(|i| self.same_mailbox(&i.value, &bounce.value))
        {
            report.push(
                Finding::error(format!("{name} is the inbound address of a system"))
                    .at(&bounce.at)
                    .see(&inbound.at, "inbound address here")
                    .remedy(remedy),
            );
        }
        if self.is_own_domain(bounce.value.domain()) {
            report.push(
                Finding::error(format!("{name} is in the handoff domain"))
                    .at(&bounce.at)
                    .remedy("set an address in [bounces] of a domain that receives mail"),
            );
        }
    }

    fn check_handoff_domain(&self, drafts: &Drafts, report: &mut Report) {
        let Ok(Some(handoff)) = &self.handoff else {
            return;
        };
        let remedy = "choose a name that is nowhere used, below .internal for example";
        let domains = self.own_domains();
        let covering = |domain: &String| {
            // Whatever pattern covers the domain, or a part of it.
            let covered = drafts.lookup(&format!("x@{domain}"));
            let named = |d: &&RuleDraft| same_domain(d.rule.pattern.domain(), domain);
            let claim = covered.or_else(|| drafts.rules.iter().find(named))?;
            Some((domain.clone(), claim))
        };
        if let Some((domain, claim)) = domains.iter().find_map(covering) {
            report.push(
                Finding::error(format!("handoff domain {domain:?} has recruiting addresses"))
                    .at(&handoff.at)
                    .see(&claim.at, claimed_here(drafts, claim))
                    .remedy(remedy),
            );
        }
        let mut internal = self.domains.iter().flatten().flatten();
        if let Some(internal) =
            internal.find(|found| domains.iter().any(|own| same_domain(own, &found.value)))
        {
            report.push(
                Finding::error(format!(
                    "handoff domain {:?} is an internal domain",
                    internal.value
                ))
                .at(&handoff.at)
                .see(&internal.at, "internal domain here")
                .remedy(remedy),
            );
        }
    }

    /// Where mail ends that does not go on, there must be a mailbox.
    fn check_mailboxes(
        &self,
        drafts: &Drafts,
        bounce: Option<&Found<Address>>,
        report: &mut Report,
    ) {
        let fallbacks = unique(drafts, |d| d.fallback.as_ref().ok()?.as_ref());
        let people = unique(drafts, |d| d.person.as_ref());
        let owners = unique(drafts, |d| d.owner.as_ref());
        let all = fallbacks.into_iter().map(|found| ("fallback", found));
        let all = all.chain(people.into_iter().map(|found| ("person", found)));
        let all = all.chain(owners.into_iter().map(|found| ("owner", found)));
        for (setting, found) in all {
            let address = &found.value;
            let inbounds = drafts.systems.iter().filter_map(|s| s.inbound.as_ref());
            let inbound = inbounds.into_iter().find(|i| self.same_mailbox(address, &i.value));
            let bounce = bounce.filter(|b| self.same_mailbox(address, &b.value));
            // A recruiting address may be one: what is given back does not pass the milter again.
            let (what, other) = if let Some(inbound) = inbound {
                let role = "inbound address here".to_owned();
                ("is the inbound address of a system", Some((&inbound.at, role)))
            } else if let Some(bounce) = bounce {
                let role = "bounce address here".to_owned();
                ("is the bounce address", Some((&bounce.at, role)))
            } else if self.is_own_domain(address.domain()) {
                ("is in the handoff domain", None)
            } else {
                continue;
            };
            let mut finding = Finding::error(format!("{setting} \"{address}\" {what}"))
                .at(&found.at)
                .remedy("name a mailbox that people read");
            if let Some((at, role)) = other {
                finding = finding.see(at, role);
            }
            report.push(finding);
        }
    }

    fn same_mailbox(&self, address: &Address, of: &Address) -> bool {
        same_mailbox(address, of, self.delimiters())
    }

    /// Puts the rules together. Nothing if something is wrong.
    pub(super) fn finish(self, mut rules: Rules, bounce: Option<Address>) -> Option<Rules> {
        rules.internal_domains = match self.domains.ok()? {
            Some(list) => list.into_iter().map(|found| found.value).collect(),
            None => domains_of(&rules),
        };
        rules.handoff_domain = self.handoff.ok()??.value;
        rules.return_domain = return_domain(&rules.handoff_domain);
        rules.bounce = bounce;
        rules.delimiters = self.delimiters.ok()??.value;
        rules.internal_networks = self.networks.ok()?;
        rules.internal_forms = self.forms.ok()?;
        rules.authserv_id = self.authserv_id.ok()?.map(|found| found.value);
        rules.loop_budget = self.budget.ok()??.value;
        rules.reading = self.reading?;
        Some(rules)
    }
}

/// Whether two addresses are the same but for an extension of the first.
pub(super) fn same_mailbox(address: &Address, of: &Address, delimiters: &str) -> bool {
    let local = address.local_part();
    let base = split_extension(local, delimiters).map_or(local, |(base, _)| base);
    let base = address_key(&format!("{base}@{}", address.domain()));
    base == of.key() || address.key() == of.key()
}

/// The domain of addresses that are given back to local delivery.
fn return_domain(handoff_domain: &str) -> String {
    format!("return.{handoff_domain}")
}

/// The domains of the recruiting addresses, each once.
fn domains_of(rules: &Rules) -> Vec<String> {
    let mut seen = HashSet::new();
    let domains = rules.addresses.iter().map(|r| r.pattern.domain().to_lowercase());
    domains.filter(|domain| seen.insert(domain_key(domain))).collect()
}

fn bounce_name(bounce: &Found<Address>) -> String {
    let default = match bounce.at.span {
        Some(_) => "",
        None => "the default ",
    };
    format!("{default}bounce address \"{}\"", bounce.value)
}

fn claimed_here(drafts: &Drafts, claim: &RuleDraft) -> String {
    format!("claimed here, for system {:?}", drafts.system_of(claim))
}

/// What the rules refer to, once for each place: rules that were derived share it.
fn unique<'a>(
    drafts: &'a Drafts,
    of: impl Fn(&'a RuleDraft) -> Option<&'a Found<Address>>,
) -> Vec<&'a Found<Address>> {
    let mut seen = HashSet::new();
    let mut list: Vec<_> = drafts.rules.iter().filter_map(of).collect();
    list.retain(|found| seen.insert(&found.at.span));
    list
}
