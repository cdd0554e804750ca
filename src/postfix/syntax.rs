//! The syntax of Postfix's configuration files: lists with braces, main.cf, master.cf.
//!
//! Must not know which settings recruit-milter wants, and runs nothing.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::collections::BTreeMap;
use std::fmt;

/// Splits at separators that stand outside braces. Empty elements are dropped.
fn split(text: &str, separator: impl Fn(char) -> bool) -> Vec<&str> {
    let mut elements = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if depth == 0 && separator(c) => {
                elements.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    elements.push(&text[start..]);
    elements.retain(|element| !element.is_empty());
    elements
}

/// The elements of a list value: milters, look-up tables, keywords.
///
/// ```
/// use recruit_milter::postfix::syntax::list;
/// let value = "inet:a:1, { unix:b, x=y } hash:/c";
/// assert_eq!(list(value), ["inet:a:1", "{ unix:b, x=y }", "hash:/c"]);
/// ```
pub fn list(value: &str) -> Vec<&str> {
    split(value, |c| c == ',' || c.is_whitespace())
}

/// The parameters of a main.cf, unexpanded, as a Postfix program would read them: continued lines
/// joined by one space, comments left out, the last of several entries taken.
pub fn main_cf(text: &str) -> BTreeMap<String, String> {
    let mut logical: Vec<String> = Vec::new();
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match logical.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(content);
            }
            _ => logical.push(content.to_owned()),
        }
    }
    logical.iter().filter_map(|line| setting(line)).collect()
}

/// The lines `name = value` that postconf prints.
pub fn settings(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(setting).collect()
}

fn setting(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

/// One entry of master.cf.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Service {
    /// Its name: a word, or for `inet` an address and port.
    pub name: String,
    /// `inet`, `unix`, `fifo`, `pass` or `unix-dgram`.
    pub kind: String,
    /// The columns private, unprivileged, chroot, wakeup and maxproc.
    pub columns: [String; 5],
    /// The program.
    pub command: String,
    /// Its `-o` settings in order.
    pub options: Vec<(String, String)>,
    /// All other arguments.
    pub arguments: Vec<String>,
}

impl Service {
    /// Reads one line as `postconf -M` prints it. None if it has too few columns.
    pub fn parse(line: &str) -> Option<Self> {
        let words = split(line, char::is_whitespace);
        let [name, kind, c1, c2, c3, c4, c5, command, arguments @ ..] = &words[..] else {
            return None;
        };
        let mut service = Self {
            name: (*name).to_owned(),
            kind: (*kind).to_owned(),
            columns: [c1, c2, c3, c4, c5].map(|column| (**column).to_owned()),
            command: (*command).to_owned(),
            ..Self::default()
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let option = (*argument == "-o").then(|| arguments.next()).flatten();
            match option {
                Some(text) => {
                    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
                    service.options.extend(setting(inner.unwrap_or(text)));
                }
                None => service.arguments.push((*argument).to_owned()),
            }
        }
        Some(service)
    }

    /// How postconf names it: `name/type`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.name, self.kind)
    }

    /// The value of an option, the last where there are several.
    pub fn option(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().rev().find(|(option, _)| option == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it runs in the queue directory as its root.
    pub fn is_chrooted(&self) -> bool {
        // Postfix: "-" means "n" since 3.0; with compatibility_level 0 it means "y".
        self.columns[2] == "y"
    }

    /// Name, columns and program, without options and arguments.
    pub fn head(&self) -> String {
        let columns = self.columns.join(" ");
        format!("{} {} {columns} {}", self.name, self.kind, self.command)
    }

    /// Each `-o` setting and the other arguments, written as they stand in the file.
    pub fn tail(&self) -> impl Iterator<Item = String> + '_ {
        self.options
            .iter()
            .map(|(name, value)| option(name, value))
            .chain(self.arguments.iter().cloned())
    }
}

/// A `-o` setting. A value with white space needs braces.
pub fn option(name: &str, value: &str) -> String {
    if value.contains(char::is_whitespace) {
        format!("-o {{ {name} = {value} }}")
    } else {
        format!("-o {name}={value}")
    }
}

impl fmt::Display for Service {
    /// The entry as one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head())?;
        self.tail().try_for_each(|word| write!(f, " {word}"))
    }
}

/// The entries of master.cf as `postconf -M` prints them.
pub fn master_cf(text: &str) -> Vec<Service> {
    text.lines().filter_map(Service::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_outside_braces() {
        assert_eq!(list(" a,b\tc , "), ["a", "b", "c"]);
        assert_eq!(
            list("inline:{ { a = b, c }, { d = e } }, hash:/f"),
            ["inline:{ { a = b, c }, { d = e } }", "hash:/f"]
        );
        assert_eq!(list("{ a, b"), ["{ a, b"]);
        assert_eq!(list("a} b"), ["a}", "b"]);
        assert!(list("").is_empty());
    }

    #[test]
    fn main_cf_is_read_as_postfix_reads_it() {
        let read = main_cf(
            "# comment\n  # also a comment\na = 1\nb=\n\nc = x,\n# between\n\n\ty,\n  z\na = 2\nd\n",
        );
        let expected = [("a", "2"), ("b", ""), ("c", "x, y, z")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_entry_of_master_cf_prints_back_as_it_was_read() {
        for line in [
            "smtp inet n - y - - smtpd",
            "127.0.0.1:10027 inet n - n - - smtpd -o a=b -o { c = d e } -o f=",
            "x unix - n n - - pipe flags=FRX user=list argv=/bin/x ${nexthop}",
        ] {
            assert_eq!(Service::parse(line).unwrap().to_string(), line);
        }
        let postconf = "a unix - - n - - smtp -o {b=c d} -o { e = f } -o g={h, i}";
        let read = Service::parse(postconf).unwrap();
        assert_eq!(read.option("b"), Some("c d"));
        assert_eq!(read.option("e"), Some("f"));
        assert_eq!(read.option("g"), Some("{h, i}"));
        assert_eq!(Service::parse("too few columns"), None);
    }
}
