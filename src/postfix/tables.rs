//! Postfix's look-up tables as text: what a table is made of, and how its source is read without asking it.
//!
//! Must not know what is looked for in a table.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fs;

use super::syntax::list;

/// No table is read further.
const MAX_TABLE: u64 = 32 << 20;

/// How a table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Names and what they stand for: a file, by its path.
    Names,
    /// Patterns and what they stand for: a file, by its path, or `{ { line }, ... }`.
    Patterns,
    /// Pairs in main.cf: `{ name = value, ... }`.
    Inline,
    /// One answer for every name.
    Static,
    /// Only its answers are known: the table, as it is named.
    Asked,
}

/// The tables that one is made of, each with the way to read it.
pub(crate) fn parts(table: &str) -> Vec<(Kind, String)> {
    let Some((kind, rest)) = table.split_once(':') else { return Vec::new() };
    let one = |kind, text: &str| vec![(kind, text.to_owned())];
    match kind {
        "proxy" => parts(rest),
        "unionmap" | "pipemap" => list(unbraced(rest)).into_iter().flat_map(parts).collect(),
        "hash" | "btree" | "lmdb" | "cdb" | "dbm" | "sdbm" | "texthash"
            if fs::metadata(rest).is_ok() =>
        {
            one(Kind::Names, rest)
        }
        "regexp" | "pcre" | "cidr" => one(Kind::Patterns, rest),
        "inline" => one(Kind::Inline, rest),
        "static" => one(Kind::Static, unbraced(rest)),
        // The system's users and the like, and what knows nothing.
        "unix" | "fail" => Vec::new(),
        _ => one(Kind::Asked, table),
    }
}

/// A table without what may be secret.
pub(crate) fn brief(table: &str) -> &str {
    table.split('{').next().unwrap_or(table)
}

/// The logical lines of a table of names or patterns with the numbers at which they begin. None where it
/// cannot be read.
pub(crate) fn source(place: &str) -> Option<Vec<(usize, String)>> {
    // Postfix: from 3.7 on the lines may stand in main.cf.
    if place.starts_with('{') {
        let lines = list(unbraced(place)).into_iter().map(|line| unbraced(line).to_owned());
        return Some((1..).zip(lines).collect());
    }
    let small = fs::metadata(place).is_ok_and(|file| file.len() <= MAX_TABLE);
    let bytes = small.then(|| fs::read(place).ok())??;
    Some(lines(&String::from_utf8_lossy(&bytes)))
}

/// The pairs of an inline table.
// Postfix: "{ a = b c }" or "a=b".
pub(crate) fn pairs(inline: &str) -> Vec<(&str, &str)> {
    let pairs = list(unbraced(inline)).into_iter();
    let pairs = pairs.filter_map(|pair| unbraced(pair).split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim())).collect()
}

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

/// A text without the braces around it.
fn unbraced(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).map_or(text, str::trim)
}
