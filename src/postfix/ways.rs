//! Tables by which mail reaches a recruiting address, or the system, past the milter: aliases, canonical
//! and bcc maps of every type. The source is read where it is text; elsewhere the table is asked for the
//! addresses that are known.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeSet;

use super::elements::is_our_table;
use super::instance::Instance;
use super::site::Site;
use super::syntax::list;
use super::tables::{self, Kind, brief};
use crate::config::Config;
use crate::findings::{Finding, Id, id};
use crate::mail::domain::{address_key, domain_spellings, same_domain};
use crate::policy::rules::{AddressRule, Pattern, Rules};

/// The settings whose tables say where mail goes on to.
const SETTINGS: [&str; 8] = [
    "virtual_alias_maps",
    "alias_maps",
    "canonical_maps",
    "recipient_canonical_maps",
    "recipient_bcc_maps",
    "sender_bcc_maps",
    "virtual_maps",
    "luser_relay",
];

/// Something that a table says.
struct Entry {
    /// Where: the file and line, or the table.
    place: String,
    /// The name or pattern.
    name: String,
    /// Whether it is a pattern.
    pattern: bool,
    /// What it stands for, in lower case.
    targets: Vec<String>,
}

/// Looks at all of them.
pub(super) fn examine(config: &Config, site: &Site, instance: &Instance) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut unseen = BTreeSet::new();
    for setting in SETTINGS {
        for table in list(site.value(setting)) {
            if is_our_table(site, table) {
                continue;
            }
            for (kind, table) in tables::parts(table) {
                let entries = match kind {
                    Kind::Names => names(&table, setting),
                    Kind::Patterns => patterns(&table),
                    Kind::Inline => inline(&table),
                    Kind::Static => vec![one_for_all(&table)],
                    Kind::Asked => {
                        unseen.insert(format!("{setting}: {}", brief(&table)));
                        answers(config, site, instance, setting, &table)
                    }
                };
                let told = Told { config, site, setting };
                all.extend(entries.iter().filter_map(|entry| told.judge(entry)));
            }
        }
    }
    let bcc = site.value("always_bcc");
    if config.rules.lookup(bcc).is_some() {
        all.push(Finding::new(
            id::ALWAYS_BCC,
            format!("always_bcc = {bcc}: all mail goes to the recruiting system"),
            "postconf -X always_bcc",
        ));
    }
    for table in unseen {
        all.push(Finding::new(
            id::TABLE_NOT_LISTED,
            format!(
                "{table} was asked for the recruiting addresses alone: what else it lets go to one of \
                 them, unseen by the milter, cannot be listed"
            ),
            "look at it: addresses that end in a recruiting address belong into [system] addresses",
        ));
    }
    all
}

fn targets(text: &str) -> Vec<String> {
    let parts = text.split([',', ' ', '\t']).map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.trim_matches('"').to_lowercase()).collect()
}

fn names(path: &str, setting: &str) -> Vec<Entry> {
    let entry = |(at, line): (usize, String)| {
        // aliases(5) has a colon behind the name, virtual(5) white space.
        let (name, rest) = match setting {
            "alias_maps" => line.split_once(':')?,
            _ => line.split_once([' ', '\t'])?,
        };
        Some(Entry {
            place: format!("{path} line {at}"),
            name: name.trim().trim_matches('"').to_lowercase(),
            pattern: false,
            targets: targets(rest),
        })
    };
    tables::source(path).unwrap_or_default().into_iter().filter_map(entry).collect()
}

/// Patterns: what they match is not known, what they stand for is, where it has no `$1` in it.
fn patterns(path: &str) -> Vec<Entry> {
    let entry = |(at, line): (usize, String)| {
        let delimiter =
            line.trim_start_matches('!').chars().next().filter(char::is_ascii_punctuation)?;
        // The last delimiter ends the pattern: what follows it are flags and the result.
        let start = line.find(delimiter)? + delimiter.len_utf8();
        let rest = line.get(start..)?;
        let mut end = None;
        let mut escaped = false;
        for (at, c) in rest.char_indices() {
            if c == delimiter && !escaped {
                end = Some(at);
                break;
            }
            escaped = c == '\\' && !escaped;
        }
        let (pattern, rest) = (rest.get(..end?)?, rest.get(end? + delimiter.len_utf8()..)?);
        let (_, result) = rest.split_once([' ', '\t'])?;
        Some(Entry {
            place: format!("{path} line {at}"),
            name: format!("{delimiter}{pattern}{delimiter}"),
            pattern: true,
            targets: targets(result),
        })
    };
    tables::source(path).unwrap_or_default().into_iter().filter_map(entry).collect()
}

fn inline(pairs: &str) -> Vec<Entry> {
    let entry = |(name, value): (&str, &str)| Entry {
        place: "inline table".to_owned(),
        name: name.to_lowercase(),
        pattern: false,
        targets: targets(value),
    };
    tables::pairs(pairs).into_iter().map(entry).collect()
}

/// A table with one answer for every name.
fn one_for_all(answer: &str) -> Entry {
    let place = "static table".to_owned();
    Entry { place, name: "*".to_owned(), pattern: true, targets: targets(answer) }
}

/// The answers for the recruiting addresses that are known, as Postfix asks.
fn answers(
    config: &Config,
    site: &Site,
    instance: &Instance,
    setting: &str,
    table: &str,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    for rule in &config.rules.addresses {
        let mut keys = Vec::new();
        let (locals, domain) = match &rule.pattern {
            Pattern::Exact(address) => {
                let (local, domain) = (address.local_part(), address.domain());
                let own = list(site.value("mydestination"));
                let is_own = own.iter().any(|listed| same_domain(listed, domain));
                let bare = setting == "alias_maps" || is_own;
                keys.extend(bare.then(|| local.to_owned()));
                (vec![local, ""], domain)
            }
            other => (vec![""], other.domain()),
        };
        for domain in domain_spellings(domain) {
            keys.extend(locals.iter().map(|local| format!("{local}@{domain}")));
        }
        // One that cannot be asked is told of by `postfix --check`.
        let answer = keys.iter().find_map(|key| instance.query(table, key).ok().flatten());
        if let Some(answer) = answer.filter(|answer| !answer.trim().is_empty()) {
            let (place, name) = (format!("\"{}\"", brief(table)), rule.pattern.to_string());
            entries.push(Entry { place, name, pattern: false, targets: targets(answer.trim()) });
        }
    }
    entries
}

/// What is judged by.
struct Told<'a> {
    config: &'a Config,
    site: &'a Site,
    setting: &'static str,
}

impl Told<'_> {
    fn rules(&self) -> &Rules {
        &self.config.rules
    }

    /// A target as an address: aliases(5) have bare ones, completed by myorigin.
    fn whole(&self, target: &str) -> String {
        if target.contains(['@', '/', '|', ':']) {
            return target.to_owned();
        }
        format!("{target}@{}", self.site.value("myorigin").to_lowercase())
    }

    fn is_inbound(&self, target: &str) -> bool {
        let target = address_key(target);
        self.rules().systems.iter().any(|system| system.inbound.key() == target)
    }

    /// Whether mail to the name is a recruiting address's.
    fn is_from_ours(&self, name: &str) -> bool {
        // virtual(5): whatever has no entry of its own.
        if let Some(domain) = name.strip_prefix('@') {
            let ours = |rule: &AddressRule| same_domain(rule.pattern.domain(), domain);
            return self.rules().addresses.iter().any(ours);
        }
        let domains = list(self.site.value("mydestination"));
        let own = domains.iter().map(|domain| format!("{name}@{domain}"));
        self.rules().lookup(name).is_some()
            || self.rules().lookup(&self.whole(name)).is_some()
            || self.setting == "alias_maps"
                && own.into_iter().any(|name| self.rules().lookup(&name).is_some())
    }

    fn judge(&self, entry: &Entry) -> Option<Finding> {
        let Entry { place, name, pattern, targets } = entry;
        let setting = self.setting;
        let bcc = setting.ends_with("_bcc_maps");
        // What a bcc map adds it adds whoever the recipient is.
        let from_ours = !bcc && self.is_from_ours(name);
        let bad = |id: Id, text: String, remedy: String| {
            Some(Finding::new(id, format!("{setting}: {text}"), remedy))
        };
        let target = |is: &dyn Fn(&str) -> bool| {
            targets.iter().map(|target| self.whole(target)).find(|target| is(target))
        };
        if let Some(to) = target(&|target| self.is_inbound(target)) {
            let remedy = format!("take {to} out there");
            return match (bcc, from_ours) {
                (true, _) => bad(
                    id::BCC_TO_SYSTEM,
                    format!("{place} sends copies to the recruiting system as well"),
                    "take that line out".into(),
                ),
                (false, true) => bad(
                    id::ALIAS_TO_INBOUND,
                    format!("{place}: {name} goes to {to} already: it arrives twice"),
                    format!("take {to} out of that line"),
                ),
                (false, false) if *pattern => bad(
                    id::PATTERN_TO_INBOUND,
                    format!(
                        "{place}: what matches {name} goes to {to} past recruit-milter; where a \
                             recruiting address is among it, it arrives twice"
                    ),
                    remedy,
                ),
                (false, false) => bad(
                    id::PAST_US,
                    format!("{place}: {name} goes to {to} past recruit-milter"),
                    "make it a recruiting address in [system] addresses, and take it out there"
                        .into(),
                ),
            };
        }
        // An address that a table turns into itself goes nowhere else.
        let to = target(&|target| self.rules().lookup(target).is_some())?;
        if from_ours {
            return None;
        }
        let (what, remedy) = if bcc {
            (
                "copies of mail for",
                "take that line out; the recruiting system gets what is sent to its addresses"
                    .to_owned(),
            )
        } else if *pattern {
            ("what matches", "name these addresses in [system] addresses as well".to_owned())
        } else {
            ("mail to", format!("name {} in [system] addresses as well", self.whole(name)))
        };
        bad(
            id::UNSEEN_WAY_IN,
            format!("{place}: {what} {name} goes to {to} unseen by the milter"),
            remedy,
        )
    }
}
