//! A body as lines: what a reader sees of it, whether it was written as text or as HTML, without
//! the marks of quoting and without characters that cannot be seen.
//!
//! Must not know what the lines say.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::borrow::Cow;

use crate::mail::mailbox::is_invisible;
use crate::mail::text::head;

/// Only so much of a line is kept, in bytes: no line of a header block is longer.
pub(super) const MAX_LINE: usize = 4000;
/// No more lines are looked at.
pub(super) const MAX_LINES: usize = 50_000;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// How deeply it is quoted.
    pub depth: u32,
    /// Its text, trimmed.
    pub text: Cow<'a, str>,
}

/// A body's lines, and whether lines were wrapped by whoever wrote it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines<'a> {
    pub list: Vec<Line<'a>>,
    /// True for text/plain: a value may go on in the next line.
    pub wrapped: bool,
}

impl Lines<'_> {
    /// Whether there is nothing to read.
    pub(super) fn is_blank(&self) -> bool {
        self.list.iter().all(|l| l.text.is_empty())
    }
}

/// The lines of a text/plain body.
pub(super) fn of_text(text: &str) -> Lines<'_> {
    let lines = text.split(['\n', '\u{2028}']).take(MAX_LINES);
    Lines { list: lines.map(of_line).collect(), wrapped: true }
}

fn of_line(line: &str) -> Line<'_> {
    let line = cut(line, MAX_LINE);
    let trimmed = line.trim();
    // One program writes ">>> Name <address> date >>>" above what it quotes.
    if trimmed.starts_with(">>> ") && trimmed.ends_with(">>>") {
        return Line { depth: 0, text: clean(trimmed) };
    }
    let mut depth = 0;
    let text = line.trim_start_matches(|c: char| {
        depth += u32::from(c == '>');
        c == '>' || c.is_whitespace() || is_invisible(c)
    });
    Line { depth, text: clean(text) }
}

/// The text without invisible characters, every kind of space a plain one, trimmed.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    // Most lines are like this, and it is seen fast.
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let odd = |c: char| {
        is_invisible(c) || c == '\u{fffc}' || (c != ' ' && (c.is_whitespace() || c.is_control()))
    };
    if !text.chars().any(odd) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            out.push(' ');
        } else if !odd(c) {
            out.push(c);
        }
    }
    Cow::Owned(out.trim().to_owned())
}

/// At most `limit` bytes of a text.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    head(text, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quote_marks_are_counted_and_removed() {
        let lines = of_text("a\n> b\n> > c\n>>d\n>>> Lena <l@x> 3.3. >>>\n\u{a0}\u{200b}e\tf ");
        let seen: Vec<_> = lines.list.iter().map(|l| (l.depth, &*l.text)).collect();
        let expected =
            [(0, "a"), (1, "b"), (2, "c"), (2, "d"), (0, ">>> Lena <l@x> 3.3. >>>"), (0, "e f")];
        assert_eq!(seen, expected);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let long = "ä".repeat(5000);
        assert_eq!(of_text(&long).list[0].text.len(), MAX_LINE);
    }
}
