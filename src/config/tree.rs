//! The settings of all files together, each with the place where it is written.
//!
//! Every file is read as TOML and walked against the table of settings: what is unknown, or set
//! twice, is told here. What is known can then be asked for with its type.
//!
//! Own code and no deserialiser, since one of those ends at the first fault: here all are told at once, each
//! with its place.
//!
//! Must not know how settings depend on each other.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::info::{self, Info, Preset, Section};
use super::settings::{self, Setting};
use super::source::{At, Finding, Report, Span};
use super::value::{Input, Items, written};

type Key<'a> = Spanned<DeString<'a>>;
type Value<'a> = Spanned<DeValue<'a>>;

/// The value of a setting, or its name, was there and was wrong, which has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// A setting's value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) at: At,
}

impl<T> Found<Items<T>> {
    /// The items, each with its own place.
    pub(super) fn items(self) -> Vec<Found<T>> {
        let at = self.at;
        let place = |range: &Range<usize>| At {
            span: at.span.as_ref().map(|s| Span::new(s.file, range)),
            ..at.clone()
        };
        let item = |(range, value)| Found { at: place(&range), value };
        self.value.into_iter().map(item).collect()
    }
}

/// One setting as written.
#[derive(Debug)]
struct Entry<'a> {
    info: &'static Info,
    file: usize,
    key: Range<usize>,
    value: &'a Value<'a>,
}

/// A section, from whatever files.
#[derive(Debug)]
pub(super) struct Table<'a> {
    section: Section,
    /// What tells it from others of its kind: the name of a system, the address of an override.
    pub(super) name: String,
    /// Its first header.
    header: Option<Span>,
    entries: Vec<Entry<'a>>,
    /// Settings that a misspelt one seems to mean.
    misspelt: Vec<&'static str>,
}

/// All sections.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    tables: Vec<Table<'a>>,
    places: HashMap<(Section, String), usize>,
}

impl<'a> Tree<'a> {
    /// Walks the files, in their order.
    pub(super) fn new(files: &'a [DeTable<'a>], report: &mut Report) -> Self {
        let mut tree = Self { tables: Vec::new(), places: HashMap::new() };
        for section in Section::ALL.into_iter().filter(|s| s.named().is_none()) {
            tree.table(section, "", None);
        }
        for (file, table) in files.iter().enumerate() {
            tree.walk_file(file, table, report);
        }
        tree
    }

    /// The section of a kind that has no name of its own.
    pub(super) fn fixed(&self, section: Section) -> &Table<'a> {
        // All of them were made in `new`; the first table is one too.
        let at = self.places.get(&(section, String::new())).copied();
        &self.tables[at.unwrap_or(0)]
    }

    /// The sections of a kind, in the order in which they first appear.
    pub(super) fn named(&self, section: Section) -> impl Iterator<Item = &Table<'a>> {
        self.tables.iter().filter(move |t| t.section == section)
    }

    fn table(&mut self, section: Section, name: &str, header: Option<Span>) -> &mut Table<'a> {
        let tables = &mut self.tables;
        let at = *self.places.entry((section, name.to_owned())).or_insert_with(|| {
            tables.push(Table {
                section,
                name: name.to_owned(),
                header: None,
                entries: Vec::new(),
                misspelt: Vec::new(),
            });
            tables.len() - 1
        });
        let table = &mut self.tables[at];
        table.header = table.header.take().or(header);
        table
    }

    fn walk_file(&mut self, file: usize, top: &'a DeTable<'a>, report: &mut Report) {
        for (key, value) in in_order(top) {
            let name = key.get_ref();
            let section = Section::ALL.into_iter().skip(1).find(|s| s.name() == name);
            let Some(section) = section else {
                self.add(Section::Top, "", file, key, value, report);
                continue;
            };
            match (value.get_ref().as_table(), section.named()) {
                (Some(table), None) => {
                    self.table(section, "", Some(Span::new(file, &key.span())));
                    for (key, value) in in_order(table) {
                        self.add(section, "", file, key, value, report);
                    }
                }
                (Some(table), Some(_)) => self.walk_named(section, file, table, report),
                (None, _) => {
                    let header = section.named().map_or(format!("[{name}]"), Into::into);
                    report.push(
                        Finding::error(format!("{name:?} is a section, not a setting"))
                            .at(&at_key("", file, key))
                            .remedy(format!("write {header} and its settings below")),
                    );
                }
            }
        }
    }

    fn walk_named(
        &mut self,
        section: Section,
        file: usize,
        tables: &'a DeTable<'a>,
        report: &mut Report,
    ) {
        for (key, value) in in_order(tables) {
            let name = key.get_ref();
            if let Some(table) = value.get_ref().as_table() {
                self.table(section, name, Some(Span::new(file, &key.span())));
                for (key, value) in in_order(table) {
                    self.add(section, name, file, key, value, report);
                }
            } else {
                let kind = section.name();
                report.push(
                    Finding::error(format!("{name:?} does not stand in the section of one {kind}"))
                        .at(&at_key(kind, file, key))
                        .remedy(format!(
                            "write {} above it, with the name that fits",
                            section.named().unwrap_or_default()
                        )),
                );
            }
        }
    }

    /// Adds a setting to a section, if there is such a setting and it is not there yet.
    fn add(
        &mut self,
        section: Section,
        name: &str,
        file: usize,
        key: &Key<'_>,
        value: &'a Value<'a>,
        report: &mut Report,
    ) {
        let table = self.table(section, name, None);
        let label = table.label();
        let Some(info) = settings::of(section).find(|i| i.name == key.get_ref()) else {
            let names = settings::of(section).map(|i| i.name);
            table.misspelt.extend(info::nearest(key.get_ref(), names));
            report.push(unknown(section, file, key, value, &label));
            return;
        };
        if let Some(first) = table.entries.iter().find(|e| e.info.name == info.name) {
            let first = At { span: Some(Span::new(first.file, &first.key)), ..At::default() };
            report.push(
                Finding::error(format!("{:?} is set twice", info.name))
                    .at(&at_key(&label, file, key))
                    .see(&first, "first set here")
                    .remedy("keep one of the two"),
            );
            return;
        }
        table.entries.push(Entry { info, file, key: key.span(), value });
    }
}

/// What is said of a setting or section that does not exist.
fn unknown(
    section: Section,
    file: usize,
    key: &Key<'_>,
    value: &Value<'_>,
    label: &str,
) -> Finding {
    let name = key.get_ref();
    let is_section = section == Section::Top && value.get_ref().is_table();
    let here = settings::of(section).map(|i| i.name);
    let sections = Section::ALL.into_iter().skip(1).map(Section::name);
    let elsewhere = || {
        let mut homes = settings::ALL.iter().filter(|i| i.name == name);
        let (home, None) = (homes.next()?.section, homes.next()) else {
            return None;
        };
        Some(match (home, home.named()) {
            (Section::Top, _) => format!("{name:?} belongs to the top, above all sections"),
            (_, Some(example)) => format!("{name:?} belongs into a section such as {example}"),
            (_, None) => format!("{name:?} belongs into [{}]", home.name()),
        })
    };
    let (message, remedy) = if is_section {
        let meant = info::suggest(name, sections.clone());
        let known: Vec<String> = sections.map(|s| format!("[{s}]")).collect();
        (
            format!("unknown section [{}]", quoted(name)),
            meant.unwrap_or_else(|| format!("sections are {}", known.join(", "))),
        )
    } else {
        let known: Vec<String> = here.clone().map(|n| format!("{n:?}")).collect();
        let place =
            if label.is_empty() { "at the top".to_owned() } else { format!("in [{label}]") };
        (
            format!("unknown setting {name:?}"),
            info::suggest(name, here)
                .or_else(elsewhere)
                .unwrap_or_else(|| format!("settings {place} are {}", known.join(", "))),
        )
    };
    Finding::error(message).at(&at_key(label, file, key)).remedy(remedy)
}

impl Table<'_> {
    /// Its name as it stands between the brackets.
    pub(super) fn label(&self) -> String {
        let kind = self.section.name();
        if self.section.named().is_some() {
            format!("{kind}.{}", quoted(&self.name))
        } else {
            kind.to_owned()
        }
    }

    /// The header.
    pub(super) fn at(&self) -> At {
        At { span: self.header.clone(), section: self.label(), ..At::default() }
    }

    /// The value of a setting, or its default.
    pub(super) fn get<T>(
        &self,
        setting: &'static Setting<T>,
        report: &mut Report,
    ) -> Result<Option<Found<T>>, Broken> {
        let info = &setting.info;
        let mut at = At { section: self.label(), key: Some(info.name.to_owned()), ..At::default() };
        if let Some(entry) = self.entries.iter().find(|e| e.info.name == info.name) {
            let span = entry.value.span();
            let value = entry.value.get_ref();
            at.span = Some(Span::new(entry.file, &span));
            at.value = written(value);
            return read(setting, value, span, at, entry.file, report).map(Some);
        }
        if self.misspelt.contains(&info.name) {
            return Err(Broken);
        }
        let Preset::Default(text) = info.preset else {
            return Ok(None);
        };
        let Ok(value) = DeValue::parse(text) else {
            return Ok(None);
        };
        read(setting, value.get_ref(), 0..0, at, 0, report).map(Some)
    }

    /// The value of a setting that must be set.
    pub(super) fn required<T>(
        &self,
        setting: &'static Setting<T>,
        report: &mut Report,
    ) -> Result<Found<T>, Broken> {
        if let Some(found) = self.get(setting, report)? {
            return Ok(found);
        }
        let name = setting.info.name;
        let mut at = self.at();
        at.key = Some(name.to_owned());
        report.push(
            Finding::error(format!("{name:?} is missing"))
                .at(&at)
                .remedy(format!("add {name} = {}", setting.info.example())),
        );
        Err(Broken)
    }
}

fn read<T>(
    setting: &'static Setting<T>,
    value: &DeValue<'_>,
    range: Range<usize>,
    at: At,
    file: usize,
    report: &mut Report,
) -> Result<Found<T>, Broken> {
    let input = Input { info: &setting.info, value, range };
    match (setting.read)(&input) {
        Ok(value) => Ok(Found { value, at }),
        Err(complaints) => {
            for complaint in complaints {
                let mut at = at.clone();
                at.span = at.span.map(|_| Span::new(file, &complaint.range));
                at.value = complaint.value;
                let finding = Finding::error(complaint.message).at(&at);
                report.push(match complaint.remedy {
                    Some(remedy) => finding.remedy(remedy),
                    None => finding,
                });
            }
            Err(Broken)
        }
    }
}

/// A name as a TOML key.
pub(super) fn quoted(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { format!("{name:?}") }
}

fn at_key(label: &str, file: usize, key: &Key<'_>) -> At {
    At {
        span: Some(Span::new(file, &key.span())),
        section: label.to_owned(),
        key: Some(key.get_ref().to_string()),
        value: None,
    }
}

/// A table in the order of the file. (toml sorts by name.)
fn in_order<'a>(table: &'a DeTable<'a>) -> Vec<(&'a Key<'a>, &'a Value<'a>)> {
    let mut list: Vec<_> = table.iter().collect();
    list.sort_by_key(|(key, _)| key.span().start);
    list
}
