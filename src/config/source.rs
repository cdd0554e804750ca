//! The text of configuration files, positions in it, and the findings about it.
//!
//! Must not know what the settings mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::problem::{Excerpt, Place, Position, Problem, Problems, Severity};

/// A longer line is shown in part.
const LINE_SHOWN: usize = 100;

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Where from.
    pub(super) path: PathBuf,
    /// What it holds.
    pub(super) text: String,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Span {
    /// The place of the file among the sources.
    pub(super) file: usize,
    /// The first octet.
    pub(super) start: usize,
    /// The octet after the last.
    pub(super) end: usize,
}

impl Span {
    pub(super) fn new(file: usize, range: &Range<usize>) -> Self {
        Self { file, start: range.start, end: range.end }
    }
}

impl Source {
    /// The place of a range of octets. A range that reaches over several lines is cut to the first.
    fn place(&self, span: &Span) -> Place {
        let text = self.text.as_str();
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor(text, span.end).clamp(start, line_end);
        // A byte order mark takes no room.
        let shown = |from: usize, to: usize| {
            text[from..to].trim_start_matches('\u{feff}').trim_end_matches('\r')
        };
        let before = shown(line_start, start).chars().count();
        Place {
            file: self.path.clone(),
            position: Some(Position {
                line: text[..line_start].matches('\n').count() + 1,
                column: before + 1,
                excerpt: Some(excerpt(
                    shown(line_start, line_end),
                    before,
                    shown(start, end).chars().count(),
                )),
            }),
        }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Cuts a long line and makes it harmless on a terminal: one column for each character, no
/// controls, nothing invisible.
fn excerpt(line: &str, before: usize, width: usize) -> Excerpt {
    let skipped = before.saturating_sub(LINE_SHOWN / 2);
    let dots = if skipped > 0 { "..." } else { "" };
    let mut text = dots.to_owned();
    let mut rest = line.chars().skip(skipped);
    text.extend(rest.by_ref().take(LINE_SHOWN).map(printable));
    if rest.next().is_some() {
        text.push_str("...");
    }
    let indent = before - skipped + dots.len();
    let room = text.chars().count().saturating_sub(indent);
    Excerpt { text, indent, width: width.min(room).max(1) }
}

/// A text that may hold what stands in a file.
fn harmless(text: &str) -> String {
    text.chars().map(printable).collect()
}

fn printable(c: char) -> char {
    if c == '\t' || c == '\u{a0}' {
        ' '
    } else if c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    {
        '\u{fffd}'
    } else {
        c
    }
}

/// What a finding is about: a place, and the setting that stands there.
#[derive(Clone, Debug, Default)]
pub(super) struct At {
    /// Where it is written, if it is.
    pub(super) span: Option<Span>,
    /// The section.
    pub(super) section: String,
    /// The setting.
    pub(super) key: Option<String>,
    /// Its value.
    pub(super) value: Option<String>,
}

/// A [`Problem`] being put together.
#[derive(Debug)]
#[must_use]
pub(super) struct Finding {
    problem: Problem,
    span: Option<Span>,
    related: Vec<(Span, String)>,
}

impl Finding {
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self {
            problem: Problem {
                severity: Severity::Error,
                message: message.into(),
                place: None,
                section: String::new(),
                key: None,
                value: None,
                related: Vec::new(),
                remedy: None,
            },
            span: None,
            related: Vec::new(),
        }
    }

    pub(super) fn warning(message: impl Into<String>) -> Self {
        let mut finding = Self::error(message);
        finding.problem.severity = Severity::Warning;
        finding
    }

    /// Says what it is about.
    pub(super) fn at(mut self, at: &At) -> Self {
        self.span.clone_from(&at.span);
        self.problem.section.clone_from(&at.section);
        self.problem.key.clone_from(&at.key);
        self.problem.value.clone_from(&at.value);
        self
    }

    /// Says where it is, outside the text that was read as configuration.
    pub(super) fn place(mut self, place: Place) -> Self {
        self.problem.place = Some(place);
        self.span = None;
        self
    }

    /// Names another place that has to do with it.
    pub(super) fn see(mut self, at: &At, role: impl Into<String>) -> Self {
        if let Some(span) = &at.span {
            self.related.push((span.clone(), role.into()));
        }
        self
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.problem.remedy = Some(remedy.into());
        self
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
    covered: Vec<Span>,
}

impl Report {
    pub(super) fn push(&mut self, finding: Finding) {
        if !finding.span.as_ref().is_some_and(|span| self.is_covered(span)) {
            self.findings.push(finding);
        }
    }

    /// All is said of a place: what follows about it is not told.
    pub(super) fn cover(&mut self, span: Span) {
        self.covered.push(span);
    }

    fn is_covered(&self, span: &Span) -> bool {
        let holds = |c: &Span| c.file == span.file && c.start <= span.start && span.end <= c.end;
        self.covered.iter().any(holds)
    }

    /// Whether the configuration cannot be used.
    pub(super) fn has_errors(&self) -> bool {
        let is_error = |f: &Finding| f.problem.severity == Severity::Error;
        self.findings.iter().any(is_error)
    }

    /// The findings in the order of the files, those that stand nowhere last. These are about
    /// `file` as a whole.
    pub(super) fn finish(mut self, file: &Path, sources: &[Source]) -> Problems {
        self.findings.sort_by_key(|f| (f.span.is_none(), f.span.clone()));
        let place = |span: &Span| Some(sources.get(span.file)?.place(span));
        let resolve = |finding: Finding| {
            let mut problem = finding.problem;
            problem.message = harmless(&problem.message);
            problem.remedy = problem.remedy.as_deref().map(harmless);
            let found = finding.span.as_ref().and_then(place);
            problem.place = found.or(problem.place).or_else(|| Some(Place::of_file(file)));
            problem.related = finding
                .related
                .into_iter()
                .filter_map(|(span, role)| Some((place(&span)?, role)))
                .collect();
            problem
        };
        Problems::new(file, self.findings.into_iter().map(resolve).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(text: &str, start: usize, end: usize) -> (usize, usize, String) {
        let source = Source { path: "x".into(), text: text.into() };
        let position = source.place(&Span::new(0, &(start..end))).position.unwrap();
        let e = position.excerpt.unwrap();
        let shown = e.text.chars().skip(e.indent).take(e.width).collect();
        (position.line, position.column, shown)
    }

    #[test]
    fn columns_count_characters() {
        let text = "a = 1\nmüller = \"ö\"\r\n";
        let at = text.find('ö').unwrap();
        assert_eq!(place_of(text, at, at + 2), (2, 11, "ö".into()));
        assert_eq!(place_of(text, 0, 1), (1, 1, "a".into()));
        assert_eq!(place_of(text, 0, 999), (1, 1, "a = 1".into()));
        assert_eq!(place_of("\u{feff}ab", 3, 5), (1, 1, "ab".into()));
    }

    #[test]
    fn any_range_has_a_place() {
        let text = "é\r\n\u{202e}x";
        for start in 0..12 {
            for end in 0..12 {
                assert!(place_of(text, start, end).0 <= 2);
            }
        }
        assert_eq!(place_of("", 5, 2), (1, 1, String::new()));
    }

    #[test]
    fn a_long_line_is_shown_around_the_part_that_matters() {
        let text = format!("{}here{}", "x".repeat(300), "y".repeat(300));
        assert_eq!(place_of(&text, 300, 304), (1, 301, "here".into()));
        let e = excerpt(&text, 300, 304);
        assert_eq!(e.text.chars().count(), LINE_SHOWN + 6);
    }

    #[test]
    fn an_excerpt_cannot_command_a_terminal() {
        assert_eq!(excerpt("a\x1b[2J\t\u{202e}b", 0, 1).text, "a\u{fffd}[2J \u{fffd}b");
    }
}
