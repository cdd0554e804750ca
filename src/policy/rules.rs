//! The configuration as decisions need it: systems, recruiting addresses, and who is who.
//!
//! Must not know how a configuration is written down.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::net::IpAddr;

use super::kind::{Actions, Verdict};
use super::outbound::rules::Outbound;
use super::pattern::fits;
use super::token::{TokenId, rule_tag};
use crate::mail::address::{Address, split_extension};
use crate::mail::domain::{address_key, domain_key, same_domain};
use crate::mail::text::tail;

pub use super::network::Network;
pub use super::pattern::Pattern;

/// A recruiting system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its name in the configuration; a word of letters, digits, `-` and `_`.
    pub id: String,
    /// What kind of system it is.
    pub profile: String,
    /// Where it takes mail.
    pub inbound: Address,
    /// Where Postfix shall send its mail instead of the MX of `inbound` (a transport's next hop).
    pub next_hop: Option<String>,
}

/// What applies to one recruiting address, or to all that match a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRule {
    /// The address or pattern as configured.
    pub pattern: Pattern,
    /// The system's place in [`Rules::systems`].
    pub system: usize,
    /// Whether the recruiting address keeps its own copy.
    pub local_copy: bool,
    /// Who gets the mail if it can neither go on nor stay. Always there where `local_copy` is not.
    pub fallback: Option<Address>,
    /// Who hears when the address stops being verified.
    pub owner: Option<Address>,
    /// Who gets a copy of mail that somebody must see ([`Action::ToPerson`]).
    ///
    /// [`Action::ToPerson`]: super::kind::Action::ToPerson
    pub person: Option<Address>,
    /// What happens with which kind of mail.
    pub actions: Actions,
    /// Whether a message that a colleague has attached to his goes on in its place.
    pub unwrap: bool,
    /// Whether the system gets a copy of what colleagues send from the address.
    pub outbound_copy: bool,
}

impl AddressRule {
    /// A rule that keeps a local copy and has the default for all else. `system` is a place in
    /// [`Rules::systems`].
    pub fn new(pattern: Pattern, system: usize) -> Self {
        Self {
            pattern,
            system,
            local_copy: true,
            fallback: None,
            owner: None,
            person: None,
            actions: Actions::default(),
            unwrap: false,
            outbound_copy: false,
        }
    }

    /// Its short name in tokens: see [`rule_tag`].
    pub fn tag(&self) -> [u8; 4] {
        rule_tag(&self.pattern.key())
    }

    /// Whether one copy can serve the addresses of both rules: it goes to the same system, and the
    /// same happens with each kind of mail.
    pub fn shares_copy_with(&self, other: &Self) -> bool {
        let handling =
            |rule: &Self| (rule.system, rule.actions.clone(), rule.person.clone(), rule.unwrap);
        handling(self) == handling(other)
    }
}

/// How mail is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadingRules {
    /// How many octets of a colleague's message are read.
    pub limit: usize,
    /// The fields by which a trusted filter calls a message spam.
    pub verdicts: Vec<Verdict>,
    /// Domains of job boards besides those known here.
    pub boards: Vec<String>,
    /// How many octets a message may have that is unwrapped.
    pub unwrap_limit: u64,
}

impl Default for ReadingRules {
    fn default() -> Self {
        Self {
            limit: 1 << 20,
            verdicts: Verdict::usual(),
            boards: Vec::new(),
            unwrap_limit: 64 << 20,
        }
    }
}

/// What becomes of mail on which nothing can be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiveUp {
    /// After how many seconds a handoff that cannot be decided is given to somebody.
    pub after: u64,
    /// Who gets what there is no other place for.
    pub to: Option<Address>,
}

impl Default for GiveUp {
    fn default() -> Self {
        Self { after: 24 * 3600, to: None }
    }
}

impl GiveUp {
    /// Whether a handoff has waited long enough. One that comes from far in the future was made by a clock
    /// that was wrong: how long it waits nobody knows.
    pub fn is_due(&self, now: u64, id: TokenId) -> bool {
        now.abs_diff(u64::from(id.time)) >= self.after
    }
}

/// Where a probe ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Probes {
    /// In pass 2, where a copy would go on to the recruiting system.
    #[default]
    Stop,
    /// In the recruiting system.
    Through,
}

/// All that decisions depend on.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The recruiting systems, in the order of the configuration.
    pub systems: Vec<System>,
    /// The recruiting addresses and patterns, in the order of the configuration.
    pub addresses: Vec<AddressRule>,
    /// The domain of handoff addresses; routed to the second smtpd.
    pub handoff_domain: String,
    /// The domain of addresses given back to local delivery; routed to the third smtpd.
    pub return_domain: String,
    /// Where reports on our copies go: local-part and domain, without a token.
    pub bounce: Option<Address>,
    /// Postfix's `recipient_delimiter`.
    pub delimiters: String,
    /// Domains whose members are colleagues.
    pub internal_domains: Vec<String>,
    /// Client networks that are inside.
    pub internal_networks: Vec<Network>,
    /// The addresses under which web forms of the company write.
    pub internal_forms: Vec<Pattern>,
    /// Whose Authentication-Results are believed.
    pub authserv_id: Option<String>,
    /// How many mails an hour from a system's own inbound address are forwarded, per recruiting
    /// address.
    pub loop_budget: u32,
    /// Whether a DKIM signer comes after pass 2. What is no copy then says so, where it has fields
    /// in our namespace.
    pub signs_copies: bool,
    /// Where our own probes end.
    pub probes: Probes,
    /// How mail is read.
    pub reading: ReadingRules,
    /// What becomes of mail on which nothing can be decided.
    pub give_up: GiveUp,
    /// Logins and routes of outgoing mail.
    pub outbound: Outbound,
    /// The look-up tables, made by [`Rules::indexed`].
    pub index: Index,
}

/// The look-up tables of [`Rules`]: places in [`Rules::addresses`] by what they match.
#[derive(Clone, Debug, Default)]
pub struct Index {
    exact: HashMap<String, usize>,
    domains: HashMap<String, usize>,
    wildcards: HashMap<String, Vec<usize>>,
    subdomains: HashMap<String, usize>,
}

impl Rules {
    /// Builds the look-up tables. Call after `addresses` was filled or changed.
    #[must_use]
    pub fn indexed(mut self) -> Self {
        let mut index = Index::default();
        for (i, rule) in self.addresses.iter().enumerate() {
            match &rule.pattern {
                Pattern::Exact(a) => _ = index.exact.insert(a.key(), i),
                Pattern::Domain(d) => _ = index.domains.insert(domain_key(d), i),
                Pattern::Wildcard { domain, .. } => {
                    index.wildcards.entry(domain_key(domain)).or_default().push(i);
                }
                Pattern::Subdomains(d) => _ = index.subdomains.insert(domain_key(d), i),
            }
        }
        let length = |i: &usize| match &self.addresses[*i].pattern {
            Pattern::Wildcard { prefix, suffix, .. } => prefix.len() + suffix.len(),
            _ => 0,
        };
        for list in index.wildcards.values_mut() {
            list.sort_by_key(|i| std::cmp::Reverse(length(i)));
        }
        self.index = index;
        self
    }

    /// Who gets mail for which there is no other place: whom the admin named for trouble, else the first
    /// fallback there is. Where an address keeps no copy there is one.
    pub fn last_resort(&self) -> Option<&Address> {
        let fallback = || self.addresses.iter().find_map(|rule| rule.fallback.as_ref());
        self.give_up.to.as_ref().or_else(fallback)
    }

    /// Whether the configuration names an address as one at which somebody reads mail.
    pub fn names(&self, address: &Address) -> bool {
        let key = address.key();
        let people = |rule: &AddressRule| [rule.fallback.clone(), rule.person.clone()];
        let mut people = self.addresses.iter().flat_map(people).flatten();
        self.lookup(address.as_str()).is_some()
            || self.give_up.to.as_ref().is_some_and(|to| to.key() == key)
            || people.any(|person| person.key() == key)
    }

    /// Whether there is nothing to do at all.
    pub fn is_idle(&self) -> bool {
        self.addresses.is_empty() && self.outbound.is_idle()
    }

    /// Whether outgoing mail is looked at.
    pub fn has_outbound(&self) -> bool {
        !self.outbound.is_idle() || self.addresses.iter().any(|rule| rule.outbound_copy)
    }

    /// The rule for an address as the MTA resolved it, if it is a recruiting address.
    ///
    /// The more exact match wins: the address with its extension, the address without it, a
    /// wildcard (the one with more letters first), the whole domain, domains below one.
    pub fn lookup(&self, resolved: &str) -> Option<(usize, &AddressRule)> {
        let key = address_key(resolved);
        let (local, domain) = key.rsplit_once('@')?;
        if local.is_empty() {
            return None;
        }
        let base = split_extension(local, &self.delimiters).map(|(base, _)| base);
        let exact = || {
            let without = || self.index.exact.get(&format!("{}@{domain}", base?));
            self.index.exact.get(&key).or_else(without)
        };
        let wildcard = || {
            self.index.wildcards.get(domain)?.iter().find(|i| match &self.addresses[**i].pattern {
                Pattern::Wildcard { prefix, suffix, .. } => {
                    [Some(local), base].into_iter().flatten().any(|l| fits(l, prefix, suffix))
                }
                _ => false,
            })
        };
        let parents = || {
            domain
                .match_indices('.')
                .find_map(|(at, _)| self.index.subdomains.get(tail(domain, at + 1)))
        };
        let found = exact()
            .or_else(wildcard)
            .or_else(|| self.index.domains.get(domain))
            .or_else(parents)?;
        Some((*found, &self.addresses[*found]))
    }

    /// A recruiting address in the spelling of the configuration, under which it is known: its local-part
    /// in lower case, its domain as it is written there. Other addresses stay as they are.
    pub fn known_as(&self, address: &str) -> String {
        let Some((_, rule)) = self.lookup(address) else { return address.to_owned() };
        let key = address_key(address);
        let (own, domain) = (rule.pattern.domain(), domain_key(rule.pattern.domain()));
        match &rule.pattern {
            Pattern::Exact(exact) if exact.key() == key => exact.to_string(),
            _ => key.strip_suffix(&*domain).map_or(key.clone(), |rest| format!("{rest}{own}")),
        }
    }

    /// The system of a rule.
    pub fn system(&self, rule: &AddressRule) -> &System {
        &self.systems[rule.system]
    }

    /// The rule with a short name, as tokens hold it.
    pub fn by_tag(&self, tag: [u8; 4]) -> Option<&AddressRule> {
        self.addresses.iter().find(|rule| rule.tag() == tag)
    }

    /// Whether the address of a rule that led a copy when the mail came in still leads it where
    /// `rule` sends mail, so that one copy serves both.
    ///
    /// Whoever is asked sees the configuration of now. Where it changes between the two copies of a
    /// mail, both may go on, and the system gets it twice; neither can end for the sake of one that
    /// went elsewhere or nowhere.
    pub fn leads_still(&self, leader: [u8; 4], rule: &AddressRule) -> bool {
        self.by_tag(leader).is_some_and(|leader| leader.shares_copy_with(rule))
    }

    /// Whether any message is unwrapped, so that the agent has something to do.
    pub fn unwraps(&self) -> bool {
        self.addresses.iter().any(|rule| rule.unwrap)
    }

    /// Whether a client is inside the company.
    pub fn is_internal_client(&self, client: IpAddr) -> bool {
        self.internal_networks.iter().any(|n| n.contains(client))
    }

    /// Whether an address is in one of the company's domains, by its domain alone.
    pub fn is_internal(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.internal_domains.iter().any(|internal| same_domain(internal, domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(patterns: &[&str]) -> Rules {
        let rule = |p: &&str| AddressRule::new(Pattern::parse(p).unwrap(), 0);
        Rules {
            addresses: patterns.iter().map(rule).collect(),
            delimiters: "+".into(),
            ..Rules::default()
        }
        .indexed()
    }

    #[test]
    fn the_more_exact_match_wins() {
        let r = rules(&[
            "*@*.acme.example",
            "@karriere.acme.example",
            "jobs-*@acme.example",
            "jobs-b*@acme.example",
            "jobs@acme.example",
            "jobs+berlin@acme.example",
            "*@*.karriere.acme.example",
        ]);
        let found = |a: &str| r.lookup(a).map(|(_, rule)| rule.pattern.to_string());
        for (address, pattern) in [
            ("jobs@acme.example", Some("jobs@acme.example")),
            ("JOBS@Acme.Example", Some("jobs@acme.example")),
            ("jobs@acme.example.", Some("jobs@acme.example")),
            ("jobs+x@acme.example", Some("jobs@acme.example")),
            ("jobs+berlin@acme.example", Some("jobs+berlin@acme.example")),
            ("Jobs+Berlin@acme.example", Some("jobs+berlin@acme.example")),
            ("jobs-hamburg@acme.example", Some("jobs-*@acme.example")),
            ("jobs-bonn+x@acme.example", Some("jobs-b*@acme.example")),
            ("anyone@karriere.acme.example", Some("*@karriere.acme.example")),
            ("anyone@x.acme.example", Some("*@*.acme.example")),
            ("anyone@x.karriere.acme.example", Some("*@*.karriere.acme.example")),
            ("bob@acme.example", None),
            ("jobs@acme.example.evil.example", None),
            ("jobs@notacme.example", None),
            ("xjobs@acme.example", None),
            ("@acme.example", None),
            ("@karriere.acme.example", None),
            ("jobs", None),
            ("", None),
            ("jоbs@acme.example", None), // a Cyrillic o
            ("jobs%acme.example@evil.example", None),
        ] {
            assert_eq!(found(address).as_deref(), pattern, "{address}");
        }
    }
}
