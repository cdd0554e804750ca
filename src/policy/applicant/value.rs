//! The author line of a header block: which address in it is the author's.
//!
//! Programs write a mailbox in many ways (`Name <a>`, `Name [mailto:a]`, `'a' <a<mailto:a>>`,
//! `Name (a)`), none of which follows RFC 5322. So the addresses are searched for, and where there
//! are several the rules here tell which counts, or that it cannot be told. Must not know who is a
//! colleague.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::labels::{after_behalf, bracketed};
use super::lines::cut;
use crate::mail::mailbox::{Mailbox, clean_name, is_local};
use crate::mail::mime::unstructured;
use crate::mail::text::{between, head, tail};

/// An author line is not read further.
const MAX_VALUE: usize = 2000;
/// How many addresses of a line are looked at.
const MAX_FOUND: usize = 50;

/// Whom an author line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// One address. `sure` unless another one had to be taken for a display name.
    One {
        /// The author.
        mailbox: Mailbox,
        /// Whether it was the only address.
        sure: bool,
    },
    /// Several authors.
    Several(Vec<Mailbox>),
    /// A name, an X.500 address or nothing.
    NoAddress,
    /// Addresses that cannot be told apart.
    Unclear,
}

/// An address found in a text.
struct Found {
    start: usize,
    end: usize,
    mailbox: Mailbox,
    /// Written as a link target, not as text.
    link: bool,
    /// Directly behind an opening bracket.
    bracketed: bool,
    /// Behind other text in the same bracket: it may be the end of an address that is none.
    torn: bool,
}

/// Reads an author line.
pub(super) fn author(value: &str) -> Named {
    let value = cut(value, MAX_VALUE);
    let found = find(value);
    // An X.500 address is the company's own directory speaking; what else stands there is no address.
    let x500 = ["/cn=", "/o="].iter().any(|part| value.to_ascii_lowercase().contains(part));
    let Some(first) = found.first().filter(|_| !x500) else {
        return Named::NoAddress;
    };
    // A bracket that does not close was cut, and the address in it perhaps too.
    if value.rfind('<').is_some_and(|at| !tail(value, at).contains('>')) {
        return Named::Unclear;
    }
    if found.iter().any(|f| f.torn) {
        return Named::Unclear;
    }
    if let Some(end) = after_behalf(value) {
        let behind: Vec<_> = found.iter().filter(|f| f.start >= end).collect();
        return match behind.first() {
            Some(author) if same(behind.iter().copied()) => Named::One {
                mailbox: name(author, between(value, end, author.start), ""),
                sure: true,
            },
            _ => same_behalf(value, end, &found).unwrap_or(Named::Unclear),
        };
    }
    if same(found.iter()) {
        return Named::One {
            mailbox: name(first, head(value, first.start), tail(value, first.end)),
            sure: true,
        };
    }
    choose(value, &found)
}

/// Somebody who wrote on his own behalf: `A <a@x> on behalf of A`.
fn same_behalf(value: &str, end: usize, found: &[Found]) -> Option<Named> {
    let first = found.first().filter(|f| f.end <= end && same(found.iter()))?;
    let mailbox = name(first, head(value, first.start), "");
    let behind = clean_name(tail(value, end));
    (mailbox.name.as_ref() == Some(&behind)).then_some(Named::One { mailbox, sure: true })
}

/// Whether words follow the last address that are not in brackets: then more is said than who it
/// was.
pub(super) fn has_tail(value: &str) -> bool {
    let value = cut(value, MAX_VALUE);
    // What follows "on behalf of" was judged with the addresses.
    let Some(last) = find(value).pop().filter(|f| after_behalf(value).is_none_or(|e| e <= f.end))
    else {
        return false;
    };
    let mut depth = 0;
    without_links(tail(value, last.end)).chars().any(|c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => (),
        }
        depth <= 0 && c.is_alphabetic()
    })
}

/// A text without the targets that a conversion from HTML put behind what was linked.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<http") {
        out.push_str(head(rest, at));
        rest = tail(rest, at).split_once('>').map_or("", |(_, behind)| behind);
    }
    out + rest
}

/// A text in which encoded words (RFC 2047) are decoded: some programs copy fields as they came.
pub(super) fn decoded(text: &str) -> String {
    if text.contains("=?") && text.contains("?=") {
        unstructured(text.as_bytes())
    } else {
        text.to_owned()
    }
}

/// Several different addresses.
fn choose(value: &str, found: &[Found]) -> Named {
    let shown: Vec<_> = found.iter().filter(|f| !f.link).collect();
    let links_agree = found
        .iter()
        .filter(|f| f.link)
        .all(|l| shown.iter().any(|s| s.mailbox.key() == l.mailbox.key()));
    let angle: Vec<_> = shown.iter().filter(|f| f.bracketed).copied().collect();
    let (Some(last), true) = (angle.last(), links_agree) else {
        return Named::Unclear;
    };
    if same(angle.iter().copied()) && shown.iter().all(|f| f.start <= last.start) {
        // What stands before the bracket is a display name, even if it looks like an address; but
        // not where a list is meant.
        let before = head(value, angle[0].start);
        let links = found.iter().any(|f| f.link);
        if !links && (!before.contains([',', ';']) || before.matches('"').count() == 2) {
            return Named::One { mailbox: last.mailbox.clone(), sure: false };
        }
    }
    if angle.len() == shown.len() && value.contains([',', ';']) {
        let mut all: Vec<Mailbox> = Vec::new();
        let mut start = 0;
        for f in angle {
            // In a quoted local-part another address can stand: which is meant?
            if f.start < start {
                return Named::Unclear;
            }
            if all.iter().all(|m| m.key() != f.mailbox.key()) {
                all.push(name(f, between(value, start, f.start), ""));
            }
            start = f.end;
        }
        return Named::Several(all);
    }
    Named::Unclear
}

fn same<'a>(mut found: impl Iterator<Item = &'a Found>) -> bool {
    let first = found.next().map(|f| f.mailbox.key());
    first.is_some_and(|first| found.all(|f| f.mailbox.key() == first))
}

/// The mailbox with the name that stands before it, or behind it in brackets.
fn name(found: &Found, before: &str, behind: &str) -> Mailbox {
    let mut text = before.trim_matches(|c: char| c.is_whitespace() || ",;>]".contains(c));
    if text.len() >= 7 && text.is_char_boundary(text.len() - 7) {
        let (start, end) = text.split_at(text.len() - 7);
        if end.eq_ignore_ascii_case("mailto:") {
            text = start;
        }
    }
    if let Some(start) = text.strip_suffix('\'').filter(|s| s.trim_end().ends_with(['<', '['])) {
        text = start;
    }
    text = text.trim_end_matches(|c: char| c.is_whitespace() || "<[(＜〈".contains(c));
    while let Some(rest) = bracketed(text) {
        text = rest;
    }
    let mut shown = clean_name(&decoded(text).replace("\\\"", "\""));
    if shown.is_empty() {
        let inner = behind.split_once('(').and_then(|(_, b)| b.split_once(')'));
        shown = inner.map(|(inner, _)| clean_name(inner)).unwrap_or_default();
    }
    let mut mailbox = found.mailbox.clone();
    shown.truncate(shown.trim_end_matches([',', ';', ' ']).len());
    mailbox.name = Some(shown).filter(|n| n.contains(char::is_alphanumeric) && !is_like_address(n));
    mailbox
}

/// Whether a name could be taken for an address.
fn is_like_address(name: &str) -> bool {
    name.split(' ').any(|word| word.len() > 1 && has_at(word))
}

/// Whether a text holds an address.
pub(super) fn has_address(text: &str) -> bool {
    text.contains(['@', '＠']) && !find(cut(text, MAX_VALUE)).is_empty()
}

/// All addresses of a text.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = Mailbox> {
    find(cut(text, super::lines::MAX_LINE)).into_iter().map(|f| f.mailbox)
}

fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        if !matches!(c, '@' | '＠') {
            continue;
        }
        if let Some(f) = around(text, at, at + c.len_utf8()) {
            found.push(f);
            if found.len() == MAX_FOUND {
                break;
            }
        }
    }
    found
}

/// The address around an at sign.
fn around(text: &str, at: usize, after: usize) -> Option<Found> {
    let (left, right) = (head(text, at), tail(text, after));
    let start = if left.ends_with('"') {
        quoted_start(left)?
    } else {
        // Without spaces around it an address ends where the script changes.
        let wide = left.chars().next_back().is_some_and(is_wide);
        let length: usize = left
            .chars()
            .rev()
            .take(128)
            .take_while(|&c| is_local(c) && (wide || !is_wide(c)))
            .map(char::len_utf8)
            .sum();
        let word = tail(left, at - length);
        at - word.trim_start_matches(['\'', '.', '=', '/', '`']).len()
    };
    let wide = right.chars().next().is_some_and(is_wide);
    let length: usize = right
        .chars()
        .take(255)
        .take_while(|&c| (c.is_alphanumeric() && (wide || !is_wide(c))) || "-._".contains(c))
        .map(char::len_utf8)
        .sum();
    let domain = head(right, length).trim_end_matches(['.', '-', '_']);
    let end = after + domain.len();
    let mailbox = Mailbox::parse(&format!("{}@{domain}", between(text, start, at)))?;
    let before = head(text, start).trim_end_matches(['\'', ' ']);
    let tail = before.get(before.len().saturating_sub(7)..).unwrap_or("");
    let mailto = tail.eq_ignore_ascii_case("mailto:");
    let opener = if mailto { head(before, before.len() - 7) } else { before };
    let bracket = opener.trim_end().chars().next_back();
    // `[mailto:a]` behind a name is how some write an address; behind an address it is its link.
    let link = mailto && has_at(head(opener, opener.len().min(start)));
    Some(Found {
        start,
        end,
        mailbox,
        link,
        torn: is_torn(head(text, start)),
        bracketed: matches!(bracket, Some('<' | '[' | '(' | '＜' | '〈')),
    })
}

/// Whether between an address and the bracket that is open before it stands something else than a
/// mark of a link: `<lena%0d%0aBcc:` before `eve@x.example`.
fn is_torn(before: &str) -> bool {
    let open = before.rfind(['<', '＜']).filter(|at| !tail(before, *at).contains(['>', '＞', '@']));
    open.is_some_and(|at| {
        let inside = tail(before, at).trim_start_matches(['<', '＜']).trim();
        let inside =
            inside.trim_matches(['\'', '[', '(', '"', '`', '.', '=', '/']).to_ascii_lowercase();
        let link = ["mailto:", "smtp:", "http:", "https:"].iter().any(|l| inside.starts_with(l));
        !inside.is_empty() && !link
    })
}

fn has_at(text: &str) -> bool {
    text.contains(['@', '＠'])
}

/// Where the quoted string begins that ends at the end of a text.
fn quoted_start(left: &str) -> Option<usize> {
    let inner = head(left, left.len() - 1);
    let near = inner.len().saturating_sub(130);
    inner
        .char_indices()
        .rev()
        .take_while(|(at, _)| *at >= near)
        .find(|(_, c)| *c == '"')
        .map(|(at, _)| at)
}

/// Characters of scripts that write words without spaces.
fn is_wide(c: char) -> bool {
    c >= '\u{2e80}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> String {
        match author(value) {
            Named::One { mailbox, sure } => format!("{mailbox}{}", if sure { "" } else { " ?" }),
            Named::Several(all) => {
                all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ")
            }
            Named::NoAddress => "none".into(),
            Named::Unclear => "unclear".into(),
        }
    }

    #[test]
    fn a_mailbox_is_read_in_every_dress() {
        let expected = "Lena Hoffmann <lena@post.example>";
        for value in [
            "Lena Hoffmann <lena@post.example>",
            "\"Lena Hoffmann\" <lena@post.example>",
            "'Lena Hoffmann' <lena@post.example>",
            "Lena Hoffmann [mailto:lena@post.example]",
            "Lena Hoffmann <mailto:lena@post.example>",
            "Lena Hoffmann <lena@post.example<mailto:lena@post.example>>",
            "Lena Hoffmann <lena@post.example <mailto:lena@post.example> >",
            "Lena Hoffmann (lena@post.example)",
            "lena@post.example (Lena Hoffmann)",
            "Lena Hoffmann lena@post.example",
            "Lena Hoffmann<lena@post.example>;",
            "Lena Hoffmann ＜lena@post.example＞",
            "[EXTERN] Lena Hoffmann <lena@post.example>",
            "[EXTERNAL] \"Lena Hoffmann\" <'lena@post.example'>",
            "Portal <bounce@esp.example> im Auftrag von Lena Hoffmann <lena@post.example>",
            "Portal <bounce@esp.example>; On Behalf Of; Lena Hoffmann <lena@post.example>",
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn the_target_of_a_link_is_no_tail() {
        let link = "<https://links.example/?url=mailto%3Alena%40post.example&d=1>";
        assert!(!has_tail(&format!("Lena <lena@post.example{link}>")));
        assert!(has_tail(&format!("Lena <lena@post.example{link}> and more")));
        assert!(has_tail("Lena <lena@post.example> Sent: Monday"));
    }

    #[test]
    fn odd_values_name_the_right_address_or_none() {
        for (value, expected) in [
            ("lena@post.example", "lena@post.example"),
            ("'lena@post.example' <lena@post.example>", "lena@post.example"),
            ("boss@acme.example <x@evil.example>", "x@evil.example ?"),
            ("\"boss@acme.example, CEO\" <x@evil.example>", "x@evil.example ?"),
            ("boss@acme.example [mailto:x@evil.example]", "unclear"),
            ("Lena <lena@post.example<mailto:x@evil.example>>", "unclear"),
            ("Lena (boss@acme.example) <x@evil.example>", "unclear"),
            ("a@x.example, b@y.example", "unclear"),
            ("Lena <lena%0d%0aBcc:eve@evil.example>", "unclear"),
            ("Lena <lena or eve@evil.example>", "unclear"),
            ("A <a@x.example>, B <b@y.example>", "A <a@x.example> + B <b@y.example>"),
            ("p@x.example [mailto:p@x.example] Im Auftrag von Lena Hoffmann", "unclear"),
            ("Lena <lena@post.example> Im Auftrag von Lena", "Lena <lena@post.example>"),
            ("Lena <lena@post.example> Im Auftrag von Eva", "unclear"),
            ("=?utf-8?Q?L=C3=A9na?= <lena@post.example>", "Léna <lena@post.example>"),
            ("=?utf-8?Q?boss=40acme.example?= <lena@post.example>", "lena@post.example"),
            ("Lena @ Home <lena@post.example>", "Lena @ Home <lena@post.example>"),
            ("Lena, <lena@post.example>", "Lena <lena@post.example>"),
            ("Lena Hoffmann", "none"),
            ("Vogt, Jens </O=ACME/OU=EXCHANGE/CN=RECIPIENTS/CN=JENS.VOGT>", "none"),
            ("Lena (at) post.example", "none"),
            ("@lena", "none"),
            ("\"a b\"@post.example", "\"a b\"@post.example"),
            ("山田太郎<taro@post.example>", "山田太郎 <taro@post.example>"),
            ("王伟wang@post.example", "王伟 <wang@post.example>"),
            ("jürgen@müller.example", "jürgen@müller.example"),
            ("【人事】Taro <taro@post.example>", "Taro <taro@post.example>"),
            ("【人事】【】Taro <taro@post.example>", "Taro <taro@post.example>"),
            ("【taro@post.example】", "taro@post.example"),
            // The second begins before the first ends.
            ("<\"<a@x.example\"@y.example>, B <b@z.example>", "unclear"),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }
}
