//! Tables by which mail reaches a recruiting address, or the system, past the milter: aliases, canonical
//! and bcc maps of every type. The source is read where it is text; elsewhere the table is asked for the
//! addresses that are known.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeSet;
use std::fs;

use super::{Finding, Mark};
use crate::config::Config;
use crate::mail::domain::{address_key, domain_spellings};
use crate::policy::rules::{Pattern, Rules};
use crate::postfix::syntax::list;
use crate::postfix::{Instance, Site};

const PART: &str = "Postfix";
/// No table is read further.
const MAX_TABLE: u64 = 32 << 20;

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

/// How a table is read.
enum Kind {
    /// A file of names and what they stand for.
    Names,
    /// A file of patterns and what they stand for.
    Patterns,
    /// Pairs in main.cf.
    Inline,
    /// Only its answers are known.
    Asked,
}

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
            if is_ours(table) {
                continue;
            }
            for (kind, table) in parts(table) {
                let entries = match kind {
                    Kind::Names => names(&table, setting),
                    Kind::Patterns => patterns(&table),
                    Kind::Inline => inline(&table),
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
    for table in unseen {
        all.push(Finding {
            mark: Mark::NotTested,
            part: PART,
            id: Some("RM-DOCTOR-54"),
            text: format!(
                "{table} was asked for the recruiting addresses alone: what else it lets go to one of \
                 them, unseen by the milter, cannot be listed"
            ),
            remedy: Some("look at it: addresses that end in a recruiting address belong into [system] addresses".into()),
        });
    }
    all
}

/// Our own tables.
fn is_ours(table: &str) -> bool {
    table.contains("recruit-milter.") || table.contains("$recruit_milter")
}

/// A table without what may be secret.
fn brief(table: &str) -> &str {
    table.split('{').next().unwrap_or(table)
}

/// The tables that one is made of, each with the way to read it.
fn parts(table: &str) -> Vec<(Kind, String)> {
    let Some((kind, rest)) = table.split_once(':') else { return Vec::new() };
    match kind {
        "proxy" => parts(rest),
        "unionmap" | "pipemap" => {
            let inner = rest.strip_prefix('{').and_then(|r| r.strip_suffix('}')).unwrap_or(rest);
            list(inner).into_iter().flat_map(parts).collect()
        }
        "hash" | "btree" | "lmdb" | "cdb" | "dbm" | "sdbm" | "texthash"
            if fs::metadata(rest).is_ok() =>
        {
            vec![(Kind::Names, rest.to_owned())]
        }
        "regexp" | "pcre" => vec![(Kind::Patterns, rest.to_owned())],
        "inline" => vec![(Kind::Inline, table.to_owned())],
        "static" => vec![(Kind::Inline, format!("inline:{{*={}}}", rest.trim_matches(['{', '}'])))],
        "unix" => Vec::new(),
        _ => vec![(Kind::Asked, table.to_owned())],
    }
}

fn text(path: &str) -> String {
    let small = fs::metadata(path).is_ok_and(|file| file.len() <= MAX_TABLE);
    let bytes = if small { fs::read(path).unwrap_or_default() } else { Vec::new() };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn targets(text: &str) -> Vec<String> {
    let parts = text.split([',', ' ', '\t']).map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.trim_matches('"').to_lowercase()).collect()
}

/// The logical lines of a table with the numbers at which they begin.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, last)) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => lines.push((at + 1, line.trim().to_owned())),
        }
    }
    lines
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
    lines(&text(path)).into_iter().filter_map(entry).collect()
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
    lines(&text(path)).into_iter().filter_map(entry).collect()
}

fn inline(table: &str) -> Vec<Entry> {
    let unbraced = |text: &str| {
        let text = text.trim();
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        inner.map_or(text, str::trim).to_owned()
    };
    let pairs = unbraced(table.trim_start_matches("inline:"));
    let mut entries = Vec::new();
    // Postfix: "{ a = b c }" or "a=b".
    for pair in list(&pairs) {
        let pair = unbraced(pair);
        if let Some((name, value)) = pair.split_once('=') {
            entries.push(Entry {
                place: "inline table".to_owned(),
                name: name.trim().to_lowercase(),
                pattern: name.trim() == "*",
                targets: targets(value),
            });
        }
    }
    entries
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
                let bare = setting == "alias_maps" || site.value("mydestination").contains(domain);
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
        let bad = |mark, id, text: String, remedy: String| {
            Some(Finding::bad(mark, PART, id, format!("{setting}: {text}"), remedy))
        };
        let target = |is: &dyn Fn(&str) -> bool| {
            targets.iter().map(|target| self.whole(target)).find(|target| is(target))
        };
        if let Some(to) = target(&|target| self.is_inbound(target)) {
            let remedy = format!("take {to} out there");
            return match (bcc, from_ours) {
                (true, _) => bad(
                    Mark::Error,
                    "RM-DOCTOR-71",
                    format!("{place} sends copies to the recruiting system as well"),
                    "take that line out".into(),
                ),
                (false, true) => bad(
                    Mark::Error,
                    "RM-DOCTOR-50",
                    format!("{place}: {name} goes to {to} already: it arrives twice"),
                    format!("take {to} out of that line"),
                ),
                (false, false) if *pattern => bad(
                    Mark::Error,
                    "RM-DOCTOR-53",
                    format!(
                        "{place}: what matches {name} goes to {to} past recruit-milter; where a \
                             recruiting address is among it, it arrives twice"
                    ),
                    remedy,
                ),
                (false, false) => bad(
                    Mark::Warning,
                    "RM-DOCTOR-51",
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
            Mark::Error,
            "RM-DOCTOR-52",
            format!("{place}: {what} {name} goes to {to} unseen by the milter"),
            remedy,
        )
    }
}
