//! Mailboxes as they stand in header fields: `From`, `Reply-To`, ...
//!
//! The reading is ours: mail-parser loses quoted local-parts, and what a field hides in comments,
//! quotes, groups and encoded words must not be taken for its address. Encoded words are decoded
//! after the structure is known, as RFC 2047 5 wants it. Must not know whose mailbox it is.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use super::domain::{domain_key, is_domain};
use super::mime::unstructured;

/// A field of addresses longer than this is not read; nobody has so many authors.
const MAX_FIELD: usize = 64 * 1024;
/// How many mailboxes of one field are looked at.
const MAX_MAILBOXES: usize = 64;
/// Longer names are cut.
const MAX_NAME: usize = 200;

/// An address with the name that stood beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    local: String,
    domain: String,
    /// The display name: one line, without control and invisible characters.
    pub name: Option<String>,
}

impl Mailbox {
    /// Reads an address alone, `local-part@domain`; the local-part may be quoted.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // RFC 5322 4.4: a route, obsolete, is ignored.
        let text = match text.strip_prefix('@') {
            Some(route) => route.split_once(':')?.1,
            None => text,
        };
        if text.len() > 320 {
            return None;
        }
        let (local, domain) = text.rsplit_once('@')?;
        let domain = domain.trim_start();
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let local = if let Some(quoted) = local.trim_end().strip_prefix('"') {
            unquote(quoted.strip_suffix('"')?)
        } else {
            let local = local.trim_end();
            let plain = local.chars().all(is_local) && !local.is_empty();
            plain.then(|| local.to_owned())?
        };
        let sane = !local.is_empty() && !local.chars().any(|c| c.is_control() || is_invisible(c));
        (sane && is_domain(domain)).then(|| Self { local, domain: domain.to_owned(), name: None })
    }

    /// The same with a display name; an empty one is none.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        let name = clean_name(name);
        self.name = Some(name).filter(|n| !n.is_empty());
        self
    }

    /// The local-part, unquoted.
    pub fn local_part(&self) -> &str {
        &self.local
    }

    /// The domain as written.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The address as it is shown: as written, the local-part quoted only where it must be.
    pub fn address(&self) -> String {
        if self.local.chars().all(is_local) {
            format!("{}@{}", self.local, self.domain)
        } else {
            let quoted = self.local.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{quoted}\"@{}", self.domain)
        }
    }

    /// The form in which two addresses are compared, that of [`Address::key`].
    ///
    /// [`Address::key`]: super::Address::key
    pub fn key(&self) -> String {
        let local = self.local.to_lowercase();
        format!("{local}@{}", domain_key(&self.domain))
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address()),
            None => f.write_str(&self.address()),
        }
    }
}

/// Whether a character can stand in a local-part without quotes. (Dots anywhere: Postfix takes
/// `a..b@x`, so it arrives.)
pub fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~.".contains(c)
        || (!c.is_ascii() && c.is_alphanumeric())
}

/// Characters that take no room or turn the direction of writing.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

/// A name as one line: white space joined, control and invisible characters and the quotes
/// around it removed.
pub fn clean_name(name: &str) -> String {
    let mut out = String::new();
    for word in name.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word: String = word.chars().filter(|&c| !is_invisible(c)).collect();
        if word.is_empty() {
            continue;
        }
        if out.len() + word.len() > MAX_NAME {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&word);
    }
    let quotes = [('"', '"'), ('\'', '\''), ('“', '”'), ('„', '“'), ('«', '»')];
    let mut name = &*out;
    // Some programs quote what another had quoted.
    for _ in 0..2 {
        let inner = |(open, close)| name.strip_prefix(open)?.strip_suffix(close);
        let Some(inner) = quotes.into_iter().find_map(inner) else {
            break;
        };
        name = inner.trim();
    }
    name.to_owned()
}

fn unquote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// The mailboxes of a field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MailboxList {
    /// Those that could be read, in order; members of groups among them.
    pub mailboxes: Vec<Mailbox>,
    /// Whether there was anything that is no mailbox: a name alone, two addresses without a comma,
    /// a control character, too much of all.
    pub broken: bool,
}

impl MailboxList {
    /// Reads a field body.
    pub fn parse(body: &[u8]) -> Self {
        if body.len() > MAX_FIELD {
            return Self { mailboxes: Vec::new(), broken: true };
        }
        let text = String::from_utf8_lossy(body);
        let mut reader = Reader::default();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            reader.push(c, &mut chars);
            if reader.list.mailboxes.len() > MAX_MAILBOXES {
                reader.list.broken = true;
                return reader.list;
            }
        }
        reader.list.broken |= reader.comment_depth > 0 || reader.in_angle || reader.in_quotes;
        reader.finish();
        reader.list
    }
}

/// What was read of the present mailbox.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // where it stands, one thing each
struct Reader {
    list: MailboxList,
    /// As written, quotes included: it may turn out to be the address.
    raw: String,
    /// Whether there is an at sign in it.
    at_sign: bool,
    /// As shown: quotes gone.
    shown: String,
    comment: String,
    angle: Option<String>,
    comment_depth: u32,
    in_angle: bool,
    in_quotes: bool,
    confused: bool,
}

impl Reader {
    fn push(&mut self, c: char, rest: &mut std::str::Chars<'_>) {
        if c == '\0' || (c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
            self.confused = true;
            return;
        }
        if self.comment_depth > 0 {
            match c {
                '(' => self.comment_depth += 1,
                ')' => self.comment_depth -= 1,
                '\\' => self.comment.extend(rest.next()),
                _ => self.comment.push(c),
            }
        } else if self.in_quotes {
            match c {
                '"' => self.in_quotes = false,
                '\\' => {
                    let escaped = rest.next();
                    self.put(c, None);
                    if let Some(escaped) = escaped {
                        self.put(escaped, escaped);
                    }
                    return;
                }
                _ => return self.put(c, c),
            }
            self.put(c, None);
        } else {
            self.structure(c);
        }
    }

    fn structure(&mut self, c: char) {
        match c {
            '"' => {
                self.in_quotes = true;
                self.put(c, None);
            }
            '(' => self.comment_depth = 1,
            '<' if self.angle.is_none() => {
                self.in_angle = true;
                self.angle = Some(String::new());
            }
            '<' => self.confused = true,
            '>' => self.in_angle = false,
            '\r' | '\n' => (),
            ',' | ';' if !self.in_angle => self.finish(),
            ',' if !self.angle.as_ref().is_some_and(|a| a.starts_with('@')) => self.finish(),
            ':' if !self.in_angle && !self.at_sign => {
                self.raw.clear();
                self.shown.clear();
            }
            _ => self.put(c, c),
        }
    }

    fn put(&mut self, raw: char, shown: impl Into<Option<char>>) {
        if self.in_angle {
            self.angle.get_or_insert_default().push(raw);
        } else {
            self.raw.push(raw);
            self.at_sign |= raw == '@';
            self.shown.extend(shown.into());
        }
    }

    /// Ends the present mailbox.
    fn finish(&mut self) {
        self.in_angle = false;
        let done = std::mem::take(self);
        self.list = done.list;
        self.comment_depth = done.comment_depth;
        let empty = done.angle.is_none() && done.raw.trim().is_empty();
        if empty && !done.confused {
            return;
        }
        let found = match &done.angle {
            Some(angle) => {
                Mailbox::parse(angle).map(|m| m.named(&unstructured(done.shown.as_bytes())))
            }
            None => {
                Mailbox::parse(&done.raw).map(|m| m.named(&unstructured(done.comment.as_bytes())))
            }
        };
        match found.filter(|_| !done.confused) {
            Some(mailbox) => self.list.mailboxes.push(mailbox),
            None => self.list.broken = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> (Vec<String>, bool) {
        let list = MailboxList::parse(field.as_bytes());
        let shown = list.mailboxes.iter().map(ToString::to_string).collect();
        (shown, list.broken)
    }

    #[test]
    fn whatever_a_field_hides_its_address_is_the_address() {
        let cases: &[(&str, &[&str])] = &[
            (" Lena Hoffmann <lena@post.example>", &["Lena Hoffmann <lena@post.example>"]),
            ("lena@post.example", &["lena@post.example"]),
            ("<lena@post.example>", &["lena@post.example"]),
            ("lena@post.example (Lena Hoffmann)", &["Lena Hoffmann <lena@post.example>"]),
            ("\"boss@acme.example\" <x@evil.example>", &["boss@acme.example <x@evil.example>"]),
            (
                "\"Boss <boss@acme.example>\" <x@evil.example>",
                &["Boss <boss@acme.example> <x@evil.example>"],
            ),
            (
                "=?utf-8?q?boss=40acme.example=2C?= <x@evil.example>",
                &["boss@acme.example, <x@evil.example>"],
            ),
            (
                "=?utf-8?q?=3Cboss=40acme.example=3E?= <x@evil.example>",
                &["<boss@acme.example> <x@evil.example>"],
            ),
            ("(boss@acme.example) x@evil.example", &["boss@acme.example <x@evil.example>"]),
            ("Lena (a <boss@acme.example> (b)) <x@evil.example>", &["Lena <x@evil.example>"]),
            ("\"a b\"@post.example", &["\"a b\"@post.example"]),
            ("\"lena\"@post.example", &["lena@post.example"]),
            ("L <\"a@b\"@post.example>", &["L <\"a@b\"@post.example>"]),
            ("<@relay.example:lena@post.example>", &["lena@post.example"]),
            ("<@a.example,@b.example:lena@post.example>", &["lena@post.example"]),
            ("Team: a@x.example, B <b@y.example>;", &["a@x.example", "B <b@y.example>"]),
            ("=?iso-8859-1?q?M=FCller?= <m@x.example>", &["Müller <m@x.example>"]),
            ("Jürgen <jürgen@müller.example>", &["Jürgen <jürgen@müller.example>"]),
            ("a..b@x.example", &["a..b@x.example"]),
            ("Lena\r\n Hoffmann\r\n <lena@post.example>", &["Lena Hoffmann <lena@post.example>"]),
        ];
        for (field, expected) in cases {
            let (found, broken) = read(field);
            assert_eq!(
                (&found[..], broken),
                (&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..], false),
                "{field}"
            );
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_broken() {
        for field in [
            "Lena Hoffmann",
            "<a@x.example> <b@y.example>",
            "lena\0@post.example",
            "Lena <lena@post.example",
            "\"Lena <lena@post.example>",
            "(lena@post.example",
            "lena@",
            "<@post.example>",
            "lena @post example",
        ] {
            assert!(read(field).1, "{field}");
        }
        assert_eq!(read("undisclosed-recipients:;"), (vec![], false));
        assert_eq!(read(""), (vec![], false));
    }

    #[test]
    fn addresses_are_compared_in_normal_form() {
        let key = |t: &str| Mailbox::parse(t).unwrap().key();
        assert_eq!(key("Lena@POST.example"), key("lena@post.example."));
        assert_eq!(key("x@xn--mller-kva.example"), key("x@Müller.example"));
        assert_eq!(key("x@xn--fiqs8s.example"), key("x@中国.example"));
        assert_eq!(domain_key("xn--99999999999.example"), "xn--99999999999.example");
    }

    #[test]
    fn a_megabyte_in_a_field_is_not_read() {
        let list = MailboxList::parse(&b"a@b.example, ".repeat(100_000));
        assert!(list.broken && list.mailboxes.is_empty());
    }
}
