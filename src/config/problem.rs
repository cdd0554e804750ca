//! What is wrong with a configuration, where, and what to write instead.
//!
//! Must not know what the settings mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but probably does not do what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, with the value.
    pub message: String,
    /// Where it stands, unless it is about what is nowhere written.
    pub place: Option<Place>,
    /// The section, `system.personio` for example; empty at the top of a file.
    pub section: String,
    /// The setting.
    pub key: Option<String>,
    /// Its value as written.
    pub value: Option<String>,
    /// Other places that have to do with it, each with its role.
    pub related: Vec<(Place, String)>,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Where in the file, if it is not about the file as a whole.
    pub position: Option<Position>,
}

/// A position in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line as it may be shown. Lines that hold a secret are not.
    pub excerpt: Option<Excerpt>,
}

/// A line of a file with the part that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, without control characters, cut if it is very long.
    pub text: String,
    /// How many characters come before the part that matters.
    pub indent: usize,
    /// How many characters it has, at least 1.
    pub width: usize,
}

impl Place {
    /// A file as a whole.
    pub fn of_file(file: &Path) -> Self {
        Self { file: file.to_owned(), position: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match &self.position {
            Some(p) => write!(f, ":{}:{}", p.line, p.column),
            None => Ok(()),
        }
    }
}

/// All that is wrong with a configuration, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    list: Vec<Problem>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Problems {
    /// Problems of the configuration that starts at `file`.
    pub(super) fn new(file: &Path, list: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), list }
    }

    /// The problems one by one.
    #[allow(dead_code, reason = "tests look at each problem")]
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// What the first of them says, an error where there is one.
    pub fn first(&self) -> String {
        let is_error = |problem: &&Problem| problem.severity == Severity::Error;
        let first = self.list.iter().find(is_error).or_else(|| self.list.first());
        first.map(|problem| problem.message.clone()).unwrap_or_default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The text for people, ending in a line feed: a heading and each problem with its place, the
    /// line and the remedy. Colour repeats what the words say and is for terminals only.
    pub fn render(&self, colour: bool) -> String {
        let paint = Paint(colour);
        let mut out = String::new();
        let name = self
            .file
            .file_name()
            .map_or_else(|| self.file.display().to_string(), |n| n.to_string_lossy().into_owned());
        // Writing to a String cannot fail.
        _ = writeln!(out, "{name}: {}", self.count());
        for problem in &self.list {
            _ = problem.render(&mut out, paint);
        }
        out
    }

    /// `2 problems`, or `1 warning` where there are only warnings.
    fn count(&self) -> String {
        let warnings = self.list.iter().all(|p| p.severity == Severity::Warning);
        let word = if warnings { "warning" } else { "problem" };
        let plural = if self.list.len() == 1 { "" } else { "s" };
        format!("{} {word}{plural}", self.list.len())
    }

    /// The same for programs: a list of objects.
    pub fn to_json(&self) -> Value {
        self.list.iter().map(Problem::to_json).collect()
    }
}

impl Problem {
    fn render(&self, out: &mut String, paint: Paint) -> fmt::Result {
        let severity = paint.severity(self.severity);
        writeln!(out, "{severity}: {}", paint.bold(&self.message))?;
        let position = self.place.as_ref().and_then(|p| p.position.as_ref());
        let gutter = position.map_or(1, |p| p.line.to_string().len());
        let bar = format!("{:gutter$} {}", "", paint.frame("|"));
        if let Some(place) = &self.place {
            writeln!(out, "{:gutter$}{} {place}", "", paint.frame("-->"))?;
        }
        if let Some((position, excerpt)) = position.and_then(|p| Some((p, p.excerpt.as_ref()?))) {
            let line = paint.frame(&format!("{} |", position.line));
            writeln!(out, "{bar}")?;
            writeln!(out, "{}", format!("{line} {}", excerpt.text).trim_end())?;
            let carets = paint.severity_of(self.severity, &"^".repeat(excerpt.width));
            write!(out, "{bar} {:indent$}{carets}", "", indent = excerpt.indent)?;
            if !self.section.is_empty() {
                write!(out, " in [{}]", self.section)?;
            }
            out.push('\n');
        }
        for (place, role) in &self.related {
            writeln!(out, "{:gutter$}{} {place} {role}", "", paint.frame(":::"))?;
        }
        if let Some(remedy) = &self.remedy {
            writeln!(out, "{:gutter$} {} {remedy}", "", paint.frame("="))?;
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let related: Vec<Value> = self
            .related
            .iter()
            .map(|(place, role)| {
                let (line, column) = line_and_column(Some(place));
                json!({ "file": place.file, "line": line, "column": column, "message": role })
            })
            .collect();
        let (line, column) = line_and_column(self.place.as_ref());
        json!({
            "severity": self.severity.to_string(),
            "file": self.place.as_ref().map(|p| &p.file),
            "line": line,
            "column": column,
            "section": self.section,
            "key": self.key,
            "value": self.value,
            "message": self.message,
            "remedy": self.remedy,
            "related": related,
        })
    }
}

fn line_and_column(place: Option<&Place>) -> (Option<usize>, Option<usize>) {
    let position = place.and_then(|p| p.position.as_ref());
    (position.map(|p| p.line), position.map(|p| p.column))
}

/// Puts colour on words, or leaves them as they are.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn frame(self, text: &str) -> String {
        self.with("1;34", text)
    }

    fn severity(self, severity: Severity) -> String {
        self.severity_of(severity, &severity.to_string())
    }

    fn severity_of(self, severity: Severity, text: &str) -> String {
        let code = match severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
        };
        self.with(code, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(position: Option<Position>) -> Problem {
        Problem {
            severity: Severity::Error,
            message: "unknown setting \"local_copies\"".into(),
            place: Some(Place { file: "/etc/rm.toml".into(), position }),
            section: "milter".into(),
            key: Some("local_copies".into()),
            value: None,
            related: vec![],
            remedy: Some("did you mean \"local_copy\"?".into()),
        }
    }

    fn position() -> Position {
        Position {
            line: 14,
            column: 1,
            excerpt: Some(Excerpt { text: "local_copies = true".into(), indent: 0, width: 12 }),
        }
    }

    #[test]
    fn a_problem_shows_its_line_with_carets_and_the_remedy() {
        let problems = Problems::new(
            Path::new("/etc/rm.toml"),
            vec![problem(Some(position())), problem(None)],
        );
        let expected = "\
rm.toml: 2 problems
error: unknown setting \"local_copies\"
  --> /etc/rm.toml:14:1
   |
14 | local_copies = true
   | ^^^^^^^^^^^^ in [milter]
   = did you mean \"local_copy\"?
error: unknown setting \"local_copies\"
 --> /etc/rm.toml
  = did you mean \"local_copy\"?
";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let problems = Problems::new(Path::new("rm.toml"), vec![problem(Some(position()))]);
        let mut plain = problems.render(true);
        assert!(plain.contains("\x1b[1;31merror\x1b[0m"));
        for code in ["\x1b[0m", "\x1b[1m", "\x1b[1;31m", "\x1b[1;34m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, problems.to_string());
    }

    #[test]
    fn programs_get_every_part_by_name() {
        let problems = Problems::new(Path::new("rm.toml"), vec![problem(Some(position()))]);
        assert_eq!(
            problems.to_json().to_string(),
            "[{\"severity\":\"error\",\"file\":\"/etc/rm.toml\",\"line\":14,\"column\":1,\
             \"section\":\"milter\",\"key\":\"local_copies\",\"value\":null,\
             \"message\":\"unknown setting \\\"local_copies\\\"\",\
             \"remedy\":\"did you mean \\\"local_copy\\\"?\",\"related\":[]}]"
        );
    }
}
