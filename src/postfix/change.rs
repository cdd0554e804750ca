//! What would change in Postfix's configuration: the difference between what is there and what is
//! wanted, shown to the admin before anything happens.
//!
//! Pure. Must not run anything.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use super::elements::without;
use super::filters::followed;
use super::milters::{taken_out, with_option};
use super::names::{FILES, LISTS, MILTERS, NON_SMTPD, OUTGOING_LISTS, OWN_PARAMS, is_ours};
use super::site::Site;
use super::syntax::{self, Service};
use super::wanted::Wanted;

/// One change. Where `new` is missing the thing is removed, where `old` is missing it is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A parameter of main.cf.
    Param {
        /// Its name.
        name: String,
        /// What main.cf says.
        old: Option<String>,
        /// What it is to say.
        new: Option<String>,
    },
    /// A service of master.cf.
    Service {
        /// Its `name/type`.
        key: String,
        /// The entry as it is.
        old: Option<Box<Service>>,
        /// The entry as it is to be.
        new: Option<Box<Service>>,
    },
    /// The milters of a service of the site's in master.cf; nothing else of it changes.
    Milters {
        /// The entry as it is.
        old: Box<Service>,
        /// The entry as it is to be.
        new: Box<Service>,
    },
    /// A file of ours in the configuration directory.
    File {
        /// Its name.
        name: String,
        /// Its content.
        old: Option<String>,
        /// Its content to be.
        new: Option<String>,
    },
}

/// What has to change so that an instance has what is wanted, and no remains of an earlier
/// configuration of ours. Nothing if all is as it should be.
pub fn diff(site: &Site, wanted: &Wanted) -> Vec<Change> {
    let mut changes = Vec::new();
    for param in &wanted.params {
        let old = site.main.get(param.name);
        if old != Some(&param.value) {
            changes.push(Change::Param {
                name: param.name.to_owned(),
                old: old.cloned(),
                new: Some(param.value.clone()),
            });
        }
    }
    for name in OWN_PARAMS {
        let is_wanted = wanted.params.iter().any(|param| param.name == name);
        if let Some(old) = site.main.get(name).filter(|_| !is_wanted) {
            let name = name.to_owned();
            changes.push(Change::Param { name, old: Some(old.clone()), new: None });
        }
    }
    for (name, _) in OUTGOING_LISTS {
        let is_wanted = wanted.params.iter().any(|param| param.name == name);
        changes.extend(without_ours(site, name).filter(|_| !is_wanted));
    }
    let keys: Vec<String> = wanted.services.iter().map(|w| w.service.key()).collect();
    let stale = site.services.iter().filter(|s| is_ours(s));
    changes.extend(stale.filter(|service| !keys.contains(&service.key())).map(removal));
    for (key, wanted) in keys.into_iter().zip(&wanted.services) {
        let old = site.service(&key);
        if old != Some(&wanted.service) {
            changes.push(Change::Service {
                key,
                old: old.cloned().map(Box::new),
                new: Some(Box::new(wanted.service.clone())),
            });
        }
    }
    for wanted in &wanted.overrides {
        let old = site.service(&wanted.service.key());
        changes.extend(old.and_then(|old| milters(old, &wanted.service)));
    }
    for name in FILES {
        let is_wanted = wanted.files.iter().any(|file| file.name == name);
        changes.extend(without_file(site, name).filter(|_| !is_wanted));
    }
    for file in &wanted.files {
        let old = site.files.get(file.name);
        if old != Some(&file.content) {
            changes.push(Change::File {
                name: file.name.to_owned(),
                old: old.cloned(),
                new: Some(file.content.clone()),
            });
        }
    }
    changes
}

/// What has to change so that an instance has nothing of ours.
pub fn undo(site: &Site) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut names: Vec<&str> = all_lists().map(|(name, _)| name).collect();
    // smtpd_milters is there twice, once for each of our milters.
    names.sort_unstable();
    names.dedup();
    changes.extend(names.into_iter().filter_map(|name| without_ours(site, name)));
    for name in OWN_PARAMS {
        if let Some(old) = site.main.get(name) {
            changes.push(Change::Param {
                name: name.to_owned(),
                old: Some(old.clone()),
                new: None,
            });
        }
    }
    changes.extend(site.services.iter().filter(|s| is_ours(s)).map(removal));
    let entrances = site.services.iter().filter(|s| s.command == "smtpd" && !is_ours(s));
    for service in entrances {
        let Some(current) = service.option(MILTERS) else { continue };
        let rest = taken_out(current);
        let new = with_option(service, rest.as_deref());
        changes.extend(milters(service, &new));
    }
    changes.extend(FILES.iter().filter_map(|name| without_file(site, name)));
    changes
}

/// The site's lists that elements of ours join, and these.
fn all_lists() -> impl Iterator<Item = (&'static str, &'static str)> {
    LISTS.into_iter().chain(OUTGOING_LISTS)
}

/// Whether elements of ours join a list of the site's.
pub(super) fn is_list(name: &str) -> bool {
    all_lists().any(|(list, _)| list == name)
}

/// A list of the site's without what is ours, if it has that.
fn without_ours(site: &Site, name: &str) -> Option<Change> {
    let old = site.main.get(name)?;
    let ours = all_lists().filter(|(list, _)| *list == name);
    let rest = ours.fold(old.clone(), |rest, (_, element)| without(&rest, element));
    let rest = if name == NON_SMTPD { followed(&rest) } else { rest };
    (rest != *old).then(|| Change::Param {
        name: name.to_owned(),
        old: Some(old.clone()),
        new: (!rest.is_empty()).then_some(rest),
    })
}

fn without_file(site: &Site, name: &str) -> Option<Change> {
    let old = site.files.get(name)?.clone();
    Some(Change::File { name: name.to_owned(), old: Some(old), new: None })
}

fn milters(old: &Service, new: &Service) -> Option<Change> {
    (old.option(MILTERS) != new.option(MILTERS))
        .then(|| Change::Milters { old: Box::new(old.clone()), new: Box::new(new.clone()) })
}

fn removal(service: &Service) -> Change {
    Change::Service { key: service.key(), old: Some(Box::new(service.clone())), new: None }
}

impl Change {
    /// The file that the change is in.
    pub fn place(&self) -> &str {
        match self {
            Self::Param { .. } => "main.cf",
            Self::Service { .. } | Self::Milters { .. } => "master.cf",
            Self::File { name, .. } => name,
        }
    }
}

impl fmt::Display for Change {
    /// Lines that begin with `-` go, those with `+` come.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (old, new) = match self {
            Self::Param { name, old, new } => {
                let line = |value: &Option<String>| -> Vec<String> {
                    value.iter().map(|value| format!("{name} = {value}")).collect()
                };
                (line(old), line(new))
            }
            Self::Service { old, new, .. } => (entry(old.as_deref()), entry(new.as_deref())),
            Self::Milters { old, new } => (milters_of(old), milters_of(new)),
            Self::File { old, new, .. } => (lines(old.as_ref()), lines(new.as_ref())),
        };
        let head = matches!(self, Self::Service { .. } | Self::Milters { .. })
            && old.first() == new.first();
        if let Some(head) = old.first().filter(|_| head) {
            writeln!(f, "  {head}")?;
        }
        for line in old.iter().filter(|line| !new.contains(line)) {
            writeln!(f, "- {line}")?;
        }
        for line in new.iter().filter(|line| !old.contains(line)) {
            writeln!(f, "+ {line}")?;
        }
        Ok(())
    }
}

fn entry(service: Option<&Service>) -> Vec<String> {
    let Some(service) = service else {
        return Vec::new();
    };
    let tail = service.tail().map(|line| format!("  {line}"));
    std::iter::once(service.head()).chain(tail).collect()
}

/// A service's head and the option that names its milters.
fn milters_of(service: &Service) -> Vec<String> {
    let milters = service.option(MILTERS);
    let line = milters.map(|value| format!("  {}", syntax::option(MILTERS, value)));
    std::iter::once(service.head()).chain(line).collect()
}

fn lines(content: Option<&String>) -> Vec<String> {
    content.map_or(Vec::new(), |text| text.lines().map(str::to_owned).collect())
}

/// A list of changes as text, file by file.
pub fn show(changes: &[Change]) -> String {
    use fmt::Write as _;
    let mut out = String::new();
    let mut place = "";
    for change in changes {
        if change.place() != place {
            place = change.place();
            let _ = writeln!(out, "@@ {place}");
        }
        let _ = write!(out, "{change}");
    }
    out
}
