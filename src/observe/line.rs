//! One line of the log: `QUEUEID: key=value, key=value`.
//!
//! Values are written so that nothing a stranger sends can end the line or look like a further
//! key. Must not know where lines go, nor what they mean.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt::{self, Display, Write as _};

use super::settings::LogLevel;

/// The target of our own events, by which they are told from those of libraries.
pub(super) const TARGET: &str = "recruit_milter";
/// The most characters of a value.
const MAX_VALUE: usize = 300;
/// The most octets of a line. syslog and Postfix cut at about the same length.
pub(super) const MAX_LINE: usize = 2000;
/// What stands at the end of a line that would have become longer.
const CUT: &str = ", cut=yes";
/// Separates several values of a field that may have them.
pub(super) const SEPARATOR: char = '\n';

/// A line that is being put together.
pub(super) struct Line {
    level: LogLevel,
    text: String,
    first: bool,
    cut: bool,
    queue_id: Option<String>,
    addresses: Option<String>,
    systems: Option<String>,
}

impl Line {
    /// A line about a message; without a queue ID it begins with `NOQUEUE`, as Postfix's do.
    pub(super) fn message(level: LogLevel, queue_id: Option<&str>) -> Self {
        let mut line = Self::start(level, "");
        push_value(&mut line.text, queue_id.unwrap_or("NOQUEUE"));
        line.text.push_str(": ");
        line.queue_id = queue_id.map(str::to_owned);
        line
    }

    /// A line about the program: the event in place of the queue ID.
    pub(super) fn program(level: LogLevel, event: &'static str) -> Self {
        let mut line = Self::start(level, event);
        line.text.push_str(": ");
        line
    }

    /// The line with which the program ends.
    pub(super) fn fatal() -> Self {
        let mut line = Self::start(LogLevel::Error, "");
        line.text = "fatal: start: ".into();
        line
    }

    fn start(level: LogLevel, head: &str) -> Self {
        let prefix = match level {
            LogLevel::Error => "error: ",
            LogLevel::Warning => "warning: ",
            LogLevel::Info | LogLevel::Debug => "",
        };
        Self {
            level,
            text: format!("{prefix}{head}"),
            first: true,
            cut: false,
            queue_id: None,
            addresses: None,
            systems: None,
        }
    }

    /// Adds a key and its value.
    pub(super) fn pair(mut self, key: &'static str, value: impl Display) -> Self {
        let before = self.text.len();
        if !self.first {
            self.text.push_str(", ");
        }
        self.text.push_str(key);
        self.text.push('=');
        push_value(&mut self.text, &value.to_string());
        if self.cut || self.text.len() > MAX_LINE - CUT.len() {
            self.text.truncate(before);
            self.cut = true;
        }
        self.first = false;
        self
    }

    /// Adds a key if there is a value for it.
    pub(super) fn some(self, key: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.pair(key, value),
            None => self,
        }
    }

    /// Adds an address as Postfix writes them, in brackets.
    pub(super) fn path(self, key: &'static str, address: impl Display) -> Self {
        self.pair(key, format_args!("<{address}>"))
    }

    /// Adds the recruiting addresses that the line is about.
    pub(super) fn addresses<'a>(mut self, all: impl Iterator<Item = &'a str> + Clone) -> Self {
        self.addresses = Some(join(all.clone(), SEPARATOR));
        self.pair("address", join(all, ','))
    }

    /// Adds the recruiting address, where it is known.
    pub(super) fn some_addresses(self, address: Option<&str>) -> Self {
        match address {
            Some(address) => self.addresses(std::iter::once(address)),
            None => self,
        }
    }

    /// Adds the recruiting system, where it is known.
    pub(super) fn some_systems(self, system: Option<&str>) -> Self {
        match system {
            Some(system) => self.systems(std::iter::once(system)),
            None => self,
        }
    }

    /// Adds the recruiting systems that the line is about.
    pub(super) fn systems<'a>(mut self, all: impl Iterator<Item = &'a str> + Clone) -> Self {
        self.systems = Some(join(all.clone(), SEPARATOR));
        self.pair("system", join(all, ','))
    }

    /// Sends it off. Never waits.
    pub(super) fn emit(mut self) {
        if self.cut {
            self.text.push_str(CUT);
        }
        let text = self.text.as_str();
        let queue_id = self.queue_id.as_deref();
        let recruit_address = self.addresses.as_deref();
        let recruit_system = self.systems.as_deref();
        // A level is part of a call site, so each has its own.
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    target: TARGET,
                    tracing::Level::$level,
                    queue_id,
                    recruit_address,
                    recruit_system,
                    message = text
                )
            };
        }
        match self.level {
            LogLevel::Error => event!(ERROR),
            LogLevel::Warning => event!(WARN),
            LogLevel::Info => event!(INFO),
            LogLevel::Debug => event!(DEBUG),
        }
    }
}

/// Items with a separator between them.
pub(super) fn join<T: Display>(items: impl Iterator<Item = T>, separator: char) -> String {
    let mut out = String::new();
    for item in items {
        if !out.is_empty() {
            out.push(separator);
        }
        let _ = write!(out, "{item}");
    }
    out
}

/// Writes a value: as it is where it is a plain word, else in quotes with escapes.
pub(super) fn push_value(out: &mut String, value: &str) {
    let needs_quotes = |c: char| {
        c.is_whitespace() || ",=\"\\".contains(c) || (c != '\'' && c.escape_debug().len() > 1)
    };
    let mut value = value;
    let mut shortened = String::new();
    if let Some((at, _)) = value.char_indices().nth(MAX_VALUE) {
        let _ = write!(shortened, "{}...", &value[..at]);
        value = &shortened;
    }
    if !value.is_empty() && !value.contains(needs_quotes) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for c in value.chars() {
        match c {
            '\'' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out.push('"');
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> String {
        let mut out = String::new();
        push_value(&mut out, text);
        out
    }

    #[test]
    fn plain_words_stay_bare_and_all_else_is_quoted() {
        for (text, written) in [
            ("jobs@acme.example", "jobs@acme.example"),
            ("<müller@x.example>", "<müller@x.example>"),
            ("o'neill@x.example", "o'neill@x.example"),
            ("h:abcdefghij", "h:abcdefghij"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("it's a", r#""it's a""#),
            ("a,b", r#""a,b""#),
            ("a=b", r#""a=b""#),
            (r#"a"b"#, r#""a\"b""#),
            (r"a\b", r#""a\\b""#),
            ("a\r\nb\0\x1b[31m", r#""a\r\nb\0\u{1b}[31m""#),
            ("a\u{2028}b", r#""a\u{2028}b""#),
            ("a\u{202e}b", r#""a\u{202e}b""#),
            ("a\u{a0}b", "\"a\\u{a0}b\""),
        ] {
            assert_eq!(value(text), written, "{text:?}");
        }
    }

    #[test]
    fn long_values_and_long_lines_are_cut() {
        let long = "ü".repeat(MAX_VALUE + 1);
        assert_eq!(value(&long), format!("{}...", "ü".repeat(MAX_VALUE)));
        let mut line = Line::program(LogLevel::Info, "test");
        for _ in 0..20 {
            line = line.pair("key", &long);
        }
        let text = super::super::capture(|| line.emit());
        assert!(text.ends_with("...\", cut=yes\n") || text.ends_with("..., cut=yes\n"));
        assert!(text.len() <= MAX_LINE + "recruit-milter: \n".len());
    }

    /// Reads a line as a log analyser would: the head, then keys with their values.
    fn read(line: &str) -> Option<(String, Vec<(String, String)>)> {
        let (head, mut rest) = read_value(line)?;
        rest = rest.strip_prefix(": ")?;
        let mut pairs = Vec::new();
        loop {
            let (key, tail) = rest.split_once('=')?;
            let (value, tail) = read_value(tail)?;
            pairs.push((key.to_owned(), value));
            if tail.is_empty() {
                return Some((head, pairs));
            }
            rest = tail.strip_prefix(", ")?;
        }
    }

    fn read_value(text: &str) -> Option<(String, &str)> {
        let Some(quoted) = text.strip_prefix('"') else {
            let end = text.find(' ').map_or(text.len(), |blank| blank - 1);
            return Some((text[..end].to_owned(), &text[end..]));
        };
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        Some((quoted[..end].to_owned(), &quoted[end + 1..]))
    }

    proptest! {
        #[test]
        fn no_value_ends_the_line_or_forges_a_key(
            id in proptest::option::of(any::<String>()),
            values in proptest::collection::vec(
                prop_oneof![any::<String>(), "[a-z ,=:\"\\\\\\n\\r']{0,12}"], 1..4
            ),
        ) {
            let mut line = Line::message(LogLevel::Info, id.as_deref());
            for value in &values {
                line = line.pair("k", value);
            }
            let text = super::super::capture(|| line.emit());
            let text = text.strip_prefix("recruit-milter: ").unwrap();
            let text = text.strip_suffix('\n').unwrap();
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            let (_, pairs) = read(text).unwrap();
            prop_assert_eq!(pairs.len(), values.len(), "{}", text);
            prop_assert!(pairs.iter().all(|(key, _)| key == "k"), "{}", text);
        }
    }
}
