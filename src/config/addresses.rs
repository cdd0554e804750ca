//! Systems, recruiting addresses and their overrides, and all that must hold between them.
//!
//! Must not know files.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;

use super::info::{Section, suggest};
use super::settings::{
    ADDRESS_KINDS, ADDRESSES, FALLBACK, INBOUND, KINDS, LOCAL_COPY, NEXT_HOP, OUTBOUND_COPY, OWNER,
    PERSON, PROFILE, SYSTEM_LOCAL_COPY, SYSTEM_UNWRAP, UNWRAP,
};
use super::source::{At, Finding, Report};
use super::tree::{Broken, Found, Table, Tree};
use super::value::{Items, is_word};
use crate::mail::Address;
use crate::policy::kind::{Action, Actions, Kind};
use crate::policy::rules::{AddressRule, Pattern, Rules, System};

/// A system as far as it could be read.
#[derive(Debug)]
pub(super) struct SystemDraft {
    /// Nothing if something of it is wrong.
    pub(super) system: Option<System>,
    pub(super) name: String,
    pub(super) inbound: Option<Found<Address>>,
    addresses: Result<Vec<Found<Pattern>>, Broken>,
    local_copy: Result<Found<bool>, Broken>,
    unwrap: bool,
    header: At,
}

/// A rule with the places where it comes from.
#[derive(Debug)]
pub(super) struct RuleDraft {
    pub(super) rule: AddressRule,
    /// Where the address is claimed.
    pub(super) at: At,
    /// Where it is decided whether a copy is kept.
    local_copy_at: At,
    pub(super) fallback: Result<Option<Found<Address>>, Broken>,
    pub(super) owner: Option<Found<Address>>,
    pub(super) person: Option<Found<Address>>,
}

/// All systems and rules.
#[derive(Debug)]
pub(super) struct Drafts {
    pub(super) systems: Vec<SystemDraft>,
    /// Ordered by system; the listed ones first, then those that an override made.
    pub(super) rules: Vec<RuleDraft>,
    /// The rules for looking up; without systems.
    pub(super) index: Rules,
}

impl Drafts {
    /// Reads them.
    pub(super) fn new(tree: &Tree<'_>, delimiters: &str, report: &mut Report) -> Self {
        let systems: Vec<_> =
            tree.named(Section::System).map(|table| system(table, report)).collect();
        let kinds = tree.fixed(Section::Reading).get(&KINDS, report);
        let mut drafts = Self { rules: claim(&systems, report), systems, index: Rules::default() };
        for draft in &mut drafts.rules {
            set_actions(&mut draft.rule.actions, kinds.as_ref().ok().and_then(Option::as_ref));
        }
        delimiters.clone_into(&mut drafts.index.delimiters);
        drafts.reindex();
        drafts.apply_overrides(tree, report);
        drafts.rules.sort_by_key(|draft| draft.rule.system);
        drafts.reindex();
        drafts.require_fallbacks(report);
        drafts
    }

    fn reindex(&mut self) {
        let mut index = std::mem::take(&mut self.index);
        index.addresses = self.rules.iter().map(|d| d.rule.clone()).collect();
        self.index = index.indexed();
    }

    /// The rule for an address, if it is a recruiting address.
    pub(super) fn lookup(&self, address: &str) -> Option<&RuleDraft> {
        let (at, _) = self.index.lookup(address)?;
        self.rules.get(at)
    }

    /// The name of a rule's system.
    pub(super) fn system_of(&self, draft: &RuleDraft) -> &str {
        &self.systems[draft.rule.system].name
    }

    fn apply_overrides(&mut self, tree: &Tree<'_>, report: &mut Report) {
        let listed: HashMap<String, usize> =
            (0..self.rules.len()).map(|i| (self.rules[i].rule.pattern.key(), i)).collect();
        let mut seen: HashMap<String, At> = HashMap::new();
        let mut changes = Vec::new();
        for table in tree.named(Section::Address) {
            let settings = Override::read(table, report);
            let pattern = match Pattern::parse(&table.name) {
                Ok(pattern) => pattern,
                Err(reason) => {
                    let message = format!("{:?} is not an address: {reason}", table.name);
                    report.push(
                        Finding::error(message)
                            .at(&table.at())
                            .remedy("write it like [address.\"jobs@acme.example\"]"),
                    );
                    continue;
                }
            };
            if let Some(first) = seen.get(&pattern.key()) {
                report.push(
                    Finding::error(format!("address \"{pattern}\" has two sections"))
                        .at(&table.at())
                        .see(first, "first one here")
                        .remedy("put all settings into one of them"),
                );
                continue;
            }
            seen.insert(pattern.key(), table.at());
            let covering = match &pattern {
                Pattern::Exact(address) => self.index.lookup(address.as_str()).map(|(i, _)| i),
                _ => None,
            };
            match (listed.get(&pattern.key()), covering) {
                (Some(&i), _) => changes.push((i, None, settings)),
                (None, Some(i)) => changes.push((i, Some((pattern, table.at())), settings)),
                (None, None) => self.unclaimed(table, report),
            }
        }
        // First the listed ones, so that what they cover takes over what they say.
        changes.sort_by_key(|(_, derived, _)| derived.is_some());
        for (i, derived, settings) in changes {
            match derived {
                None => settings.apply(&mut self.rules[i]),
                Some((pattern, at)) => {
                    let mut draft = self.rules[i].derive(pattern, at);
                    settings.apply(&mut draft);
                    self.rules.push(draft);
                }
            }
        }
    }

    fn unclaimed(&self, table: &Table<'_>, report: &mut Report) {
        // Where a list of addresses could not be read, this one may have been in it.
        if self.systems.iter().any(|s| s.addresses.is_err()) {
            return;
        }
        let claimed: Vec<String> = self.rules.iter().map(|d| d.rule.pattern.to_string()).collect();
        let remedy = suggest(&table.name, claimed.iter().map(String::as_str))
            .unwrap_or_else(|| "add it to the addresses of a [system.NAME]".into());
        report.push(
            Finding::error(format!("no system claims the address {:?}", table.name))
                .at(&table.at())
                .remedy(remedy),
        );
    }

    fn require_fallbacks(&self, report: &mut Report) {
        for draft in &self.rules {
            if draft.rule.local_copy || !matches!(draft.fallback, Ok(None)) {
                continue;
            }
            let pattern = &draft.rule.pattern;
            let section = format!("[address.\"{pattern}\"]");
            report.push(
                Finding::error(format!(
                    "address \"{pattern}\" keeps no copy and has no \"fallback\" for mail that \
                     cannot go on"
                ))
                .at(&draft.local_copy_at)
                .remedy(format!("add fallback = {} to {section}", FALLBACK.info.example())),
            );
        }
    }

    /// The rules and systems, if all of them are sound.
    pub(super) fn finish(self) -> Option<Rules> {
        let mut rules = self.index;
        rules.systems = self.systems.into_iter().map(|s| s.system).collect::<Option<_>>()?;
        for rule in &mut rules.addresses {
            rule.person = rule.person.take().or_else(|| rule.owner.clone());
        }
        Some(rules)
    }
}

impl RuleDraft {
    /// A rule for an address that so far went by this one.
    fn derive(&self, pattern: Pattern, at: At) -> Self {
        Self {
            rule: AddressRule { pattern, ..self.rule.clone() },
            at,
            local_copy_at: self.local_copy_at.clone(),
            fallback: self.fallback.clone(),
            owner: self.owner.clone(),
            person: self.person.clone(),
        }
    }
}

type KindActions = Found<Items<(Vec<Kind>, Action)>>;

/// Takes over what was configured; a group of kinds first, so that one of them can differ.
fn set_actions(actions: &mut Actions, configured: Option<&KindActions>) {
    let mut items: Vec<_> = configured.iter().flat_map(|found| &found.value).collect();
    items.sort_by_key(|(_, (kinds, _))| std::cmp::Reverse(kinds.len()));
    for (_, (kinds, action)) in items {
        for kind in kinds {
            actions.set(*kind, *action);
        }
    }
}

/// What an `[address."..."]` section says.
struct Override {
    local_copy: Result<Option<Found<bool>>, Broken>,
    fallback: Result<Option<Found<Address>>, Broken>,
    owner: Result<Option<Found<Address>>, Broken>,
    person: Result<Option<Found<Address>>, Broken>,
    kinds: Result<Option<KindActions>, Broken>,
    unwrap: Result<Option<Found<bool>>, Broken>,
    outbound_copy: Result<Option<Found<bool>>, Broken>,
}

impl Override {
    fn read(table: &Table<'_>, report: &mut Report) -> Self {
        Self {
            local_copy: table.get(&LOCAL_COPY, report),
            fallback: table.get(&FALLBACK, report),
            owner: table.get(&OWNER, report),
            person: table.get(&PERSON, report),
            kinds: table.get(&ADDRESS_KINDS, report),
            unwrap: table.get(&UNWRAP, report),
            outbound_copy: table.get(&OUTBOUND_COPY, report),
        }
    }

    fn apply(self, draft: &mut RuleDraft) {
        match self.local_copy {
            Ok(Some(found)) => {
                draft.rule.local_copy = found.value;
                draft.local_copy_at = found.at;
            }
            Ok(None) => {}
            // Whatever it was to be, it must not make a fallback necessary.
            Err(Broken) => draft.rule.local_copy = true,
        }
        match self.fallback {
            Ok(None) => {}
            given => draft.fallback = given,
        }
        if let Ok(Some(found)) = self.owner {
            draft.owner = Some(found);
        }
        let value = |found: &Found<Address>| found.value.clone();
        draft.rule.fallback = draft.fallback.as_ref().ok().and_then(|f| f.as_ref().map(value));
        draft.rule.owner = draft.owner.as_ref().map(value);
        if let Ok(Some(found)) = self.person {
            draft.rule.person = Some(found.value.clone());
            draft.person = Some(found);
        }
        if let Ok(Some(found)) = self.unwrap {
            draft.rule.unwrap = found.value;
        }
        if let Ok(Some(found)) = self.outbound_copy {
            draft.rule.outbound_copy = found.value;
        }
        set_actions(&mut draft.rule.actions, self.kinds.as_ref().ok().and_then(Option::as_ref));
    }
}

fn system(table: &Table<'_>, report: &mut Report) -> SystemDraft {
    let named = is_word(&table.name);
    if !named {
        report.push(
            Finding::error(format!("{:?} cannot be the name of a system", table.name))
                .at(&table.at())
                .remedy("write a word of letters, digits, - and _, with at most 64 of them"),
        );
    }
    let profile = table.get(&PROFILE, report);
    let inbound = table.required(&INBOUND, report);
    let next_hop = table.get(&NEXT_HOP, report);
    let local_copy = table.get(&SYSTEM_LOCAL_COPY, report);
    let unwrap = table.get(&SYSTEM_UNWRAP, report);
    let addresses = table.required(&ADDRESSES, report);
    if let Ok(found) = &addresses
        && found.value.is_empty()
    {
        report.push(
            Finding::warning(format!(
                "system {:?} has no addresses, so nothing is forwarded to it",
                table.name
            ))
            .at(&found.at)
            .remedy(format!("write addresses = {}", ADDRESSES.info.example())),
        );
    }
    let build = || {
        Some(System {
            id: named.then(|| table.name.clone())?,
            profile: profile.ok()??.value,
            inbound: inbound.as_ref().ok()?.value.clone(),
            next_hop: next_hop.ok()?.map(|found| found.value),
        })
    };
    SystemDraft {
        system: build(),
        name: table.name.clone(),
        inbound: inbound.ok(),
        addresses: addresses.map(Found::items),
        local_copy: local_copy.and_then(|found| found.ok_or(Broken)),
        unwrap: unwrap.is_ok_and(|found| found.is_some_and(|found| found.value)),
        header: table.at(),
    }
}

/// Makes a rule of each address of each system, and tells which are claimed twice.
fn claim(systems: &[SystemDraft], report: &mut Report) -> Vec<RuleDraft> {
    let mut rules: Vec<RuleDraft> = Vec::new();
    let mut first: HashMap<String, usize> = HashMap::new();
    for (number, system) in systems.iter().enumerate() {
        for found in system.addresses.iter().flatten() {
            let pattern = found.value.clone();
            let at = At { value: Some(pattern.to_string()), ..found.at.clone() };
            if let Some(&i) = first.get(&pattern.key()) {
                let owner = &systems[rules[i].rule.system].name;
                report.push(
                    Finding::error(format!("address \"{pattern}\" is claimed twice"))
                        .at(&at)
                        .see(&rules[i].at, format!("first claimed here, for system {owner:?}"))
                        .remedy("keep one of the two: a mail goes to one system"),
                );
                continue;
            }
            first.insert(pattern.key(), rules.len());
            rules.push(RuleDraft {
                rule: AddressRule {
                    // A broken setting must not make a fallback necessary.
                    local_copy: system.local_copy.as_ref().map_or(true, |f| f.value),
                    unwrap: system.unwrap,
                    ..AddressRule::new(pattern, number)
                },
                local_copy_at: match &system.local_copy {
                    Ok(found) if found.at.span.is_some() => found.at.clone(),
                    _ => system.header.clone(),
                },
                at,
                fallback: Ok(None),
                owner: None,
                person: None,
            });
        }
    }
    rules
}
