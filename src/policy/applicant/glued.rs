//! A header block that stands in one line with its separator, each label glued to the value before it:
//! Yahoo writes so into the text beside its HTML.
//!
//! Must not know what the labels mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::labels::{above, labelled};
use super::lines::{Line, Lines};
use crate::mail::text::{head, tail};

/// The lines with the first such line parted behind each `>`, and which line that was.
pub(super) fn parted<'a>(lines: &'a Lines<'a>) -> Option<(usize, Lines<'a>)> {
    let (at, (separator, fields)) = lines
        .list
        .iter()
        .enumerate()
        .find_map(|(at, line)| parts(&line.text).map(|parts| (at, parts)))?;
    let depth = lines.list[at].depth;
    let pieces = std::iter::once(separator).chain(fields.split_inclusive('>'));
    let pieces = pieces.map(|piece| Line { depth, text: piece.trim().into() });
    let before = lines.list[..at].iter().cloned();
    let list = before.chain(pieces).chain(lines.list[at + 1..].iter().cloned()).collect();
    Some((at, Lines { list, wrapped: lines.wrapped }))
}

/// A separator and the fields behind it.
fn parts(line: &str) -> Option<(&str, &str)> {
    let words = line.strip_prefix("--")?.trim_start_matches('-');
    let close = words.find("--")?;
    let rest = tail(words, close).trim_start_matches('-');
    let separator = head(line, line.len() - rest.len());
    let fields = rest.trim();
    (above(separator).is_some() && labelled(fields).is_some()).then_some((separator, fields))
}
