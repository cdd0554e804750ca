//! From the text of a file to its TOML tables, or to what is wrong with its syntax.
//!
//! Must not know what the settings mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use super::source::{At, Finding, Report, Source, Span};

/// Reads a file's text. What is set twice is told with both places and the first is taken; of
/// other faults only the first is told, since most of what follows is its echo. The flag says
/// whether the table can be relied on.
pub(super) fn read<'a>(
    file: usize,
    source: &'a Source,
    report: &mut Report,
) -> (DeTable<'a>, bool) {
    let text = source.text.as_str();
    let (table, errors) = DeTable::parse_recoverable(text);
    let table = table.into_inner();
    let mut sound = true;
    let mut readable = true;
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
        } else if readable {
            (readable, sound) = (false, false);
            report.push(syntax_error(file, text, &error, &span));
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

fn syntax_error(file: usize, text: &str, error: &Error, span: &Range<usize>) -> Finding {
    Finding::error(format!("not TOML: {}", error.message()))
        .at(&at(file, span))
        .remedy(remedy(line_of(text, span.start).1))
}

/// What to write instead, for the mistakes that are made most.
fn remedy(line: &str) -> String {
    let line = line.trim_end();
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
    match line.split_once('=').map(|(key, v)| (key.trim(), v.trim())) {
        Some((key, value)) if !value.is_empty() && value.chars().all(plain) => {
            format!("a text needs quotes: {key} = \"{value}\"")
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
