//! From the text of a file to its TOML tables, or to what is wrong with its syntax.
//!
//! Must not know what the settings mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::mend::{Fault, Mended};
use super::source::{At, Finding, Report, Span};

/// Reads what was made of a file's text, and tells all that is wrong with it. The flag says whether
/// the table holds everything, so that nothing only seems to be missing.
pub(super) fn read<'a>(
    file: usize,
    mended: &'a Mended,
    report: &mut Report,
) -> (DeTable<'a>, bool) {
    let text = mended.text.as_str();
    let (table, errors) = DeTable::parse_recoverable(text);
    let table = table.into_inner();
    for fault in &mended.faults {
        report.push(syntax_error(file, fault));
        // What stands there now is not what was written.
        report.cover(Span::new(file, &fault.statement));
    }
    let mut sound = mended.whole;
    let mut after_header = None;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        if error.message() == "duplicate key" {
            // The settings below a header that stands there twice are echoes, too.
            let echo = after_header.is_some_and(|at| !text[at..span.start].contains("\n["));
            if !echo {
                report.push(duplicate(file, text, &table, &span));
                let header = line_of(text, span.start).1.starts_with('[');
                after_header = header.then_some(span.start);
                // What stands below such a header is lost.
                sound &= !header;
            }
        }
    }
    (table, sound)
}

fn at(file: usize, range: &Range<usize>) -> At {
    At { span: Some(Span::new(file, range)), ..At::default() }
}

fn duplicate(file: usize, text: &str, table: &DeTable<'_>, span: &Range<usize>) -> Finding {
    let (start, line) = line_of(text, span.start);
    let (what, first, remedy) = if line.starts_with('[') {
        (
            line.trim_end().to_owned(),
            same_line(&text[..start], line),
            "put all settings into one of them",
        )
    } else {
        let written = text.get(span.clone()).unwrap_or_default();
        let name = written.trim_matches(['"', '\'']);
        (format!("{name:?}"), nearest(table, name, span.start), "keep one of the two")
    };
    let finding =
        Finding::error(format!("{what} stands here twice")).at(&at(file, span)).remedy(remedy);
    match first {
        Some(first) => finding.see(&at(file, &first), "first one here"),
        None => finding,
    }
}

/// The first line that says the same.
fn same_line(text: &str, line: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for earlier in text.split_inclusive('\n') {
        if earlier.trim() == line.trim() {
            return Some(start..start + line.len());
        }
        start += earlier.len();
    }
    None
}

/// The last key of this name before a position.
fn nearest(table: &DeTable<'_>, name: &str, before: usize) -> Option<Range<usize>> {
    let own = table
        .iter()
        .filter(|(key, _)| key.get_ref() == name && key.span().start < before)
        .map(|(key, _)| key.span());
    let below = table.iter().filter_map(|(_, value)| match value.get_ref() {
        DeValue::Table(table) => nearest(table, name, before),
        _ => None,
    });
    own.chain(below).max_by_key(|span| span.start)
}

fn syntax_error(file: usize, fault: &Fault) -> Finding {
    Finding::error(format!("not TOML: {}", fault.message))
        .at(&at(file, &fault.at))
        .remedy(remedy(fault))
}

/// What to write instead, for the mistakes that are made most.
fn remedy(fault: &Fault) -> String {
    let line = fault.line.trim_end();
    if let Some(name) = line.strip_prefix("[address.") {
        let name = name.trim_end_matches(']');
        if name.contains('@') && !name.contains(['"', '\'']) {
            return format!("an address needs quotes here: [address.\"{name}\"]");
        }
    }
    if line.starts_with('[') && !line.contains(']') {
        return format!("close the name of the section: {line}]");
    }
    let plain = |c: char| c.is_alphanumeric() || "@.-_+/:*".contains(c);
    let value = line.split_once('=').map_or("", |(_, value)| value.trim_start());
    if value.starts_with('[') && !value.contains(']') {
        return "a list ends with a bracket: ]".into();
    }
    match line.split_once('=').map(|(key, v)| (key.trim(), v.trim())) {
        None if !line.starts_with('[') => "a setting is written: name = value".into(),
        Some((key, "")) => format!("write a value behind it: {key} = ..."),
        Some((key, value)) if !value.is_empty() && value.chars().all(plain) => {
            format!("a text needs quotes: {key} = \"{value}\"")
        }
        _ if !fault.written.is_empty() && fault.written.chars().all(plain) => {
            format!("a text needs quotes: \"{}\"", fault.written)
        }
        _ if line.matches('"').count() % 2 == 1 => "a text ends with a quote on its line".into(),
        _ => "https://toml.io tells how the format goes".into(),
    }
}

/// Start and text of the line that holds a position.
fn line_of(text: &str, at: usize) -> (usize, &str) {
    let start = text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).unwrap_or_default();
    (start, line.lines().next().unwrap_or_default())
}
