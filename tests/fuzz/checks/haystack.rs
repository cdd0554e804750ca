//! Everything that a message says once it is decoded, to see whether an address stands in it.
//!
//! It knows nothing of forwards and finds addresses by their letters and digits alone, so that it
//! errs where the reading does not.
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::mail::Message;
use recruit_milter::mail::mailbox::Mailbox;
use recruit_milter::mail::mime::{Limits, Part, charset, quoted_printable, split_header, walk};
use recruit_milter::policy::kind::{How, Kind};

/// How deeply attached messages are opened.
const DEPTH: usize = 6;

pub(super) struct Haystack {
    texts: Vec<String>,
    /// Whether what is read can only be what stands there: no encoding, no markup, no comments.
    plain: bool,
}

impl Haystack {
    pub(super) fn new(message: &Message) -> Self {
        let bytes = message.to_bytes();
        let mut haystack = Self { texts: Vec::new(), plain: is_plain(&bytes) };
        haystack.add(&bytes);
        if !haystack.plain {
            haystack.add(&quoted_printable(&bytes));
            let parts = walk(&message.header, &message.body, Limits::default());
            parts.list.iter().for_each(|part| haystack.open(part, 0));
        }
        haystack
    }

    fn open(&mut self, part: &Part<'_>, depth: usize) {
        self.push(&part.text(usize::MAX));
        let content = part.content(usize::MAX);
        self.add(&content);
        // UTF-16, more or less.
        let halves: Vec<u8> = content.iter().copied().filter(|b| *b != 0).collect();
        if halves.len() < content.len() {
            self.add(&halves);
        }
        if depth < DEPTH {
            let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
            let (header, body) = split_header(content.trim_ascii_start());
            for inner in walk(&header, body, Limits::default()).list.iter().skip(1) {
                self.open(inner, depth + 1);
            }
            if !header.fields.is_empty() {
                let whole = walk(&header, body, Limits::default());
                whole.list.iter().take(1).for_each(|root| self.open(root, depth + 1));
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.push(&String::from_utf8_lossy(bytes));
        if !bytes.is_ascii() {
            self.push(&charset(bytes, Some("windows-1252")));
        }
    }

    fn push(&mut self, text: &str) {
        self.texts.push(letters(text));
        if text.contains('&') {
            self.texts.push(letters(&resolved(text)));
        }
    }

    /// Panics if an address does not stand in the message.
    pub(super) fn assert_holds(&self, mailbox: &Mailbox, kind: Kind) {
        let needle = letters(&mailbox.address());
        if self.texts.iter().any(|text| text.contains(&needle)) {
            return;
        }
        // In a compound file a text may be scattered.
        let container = matches!(kind, Kind::Forward(How::OutlookMessage | How::Tnef));
        // Between its letters there may be comments, tags and what was resolved otherwise; but it
        // must not be put together from pieces that stand far apart.
        let needle = needle.as_bytes();
        let near = needle.len() * 20 + 500;
        let found = self.texts.iter().any(|text| is_scattered(text.as_bytes(), needle, near));
        assert!(container || (!self.plain && found), "{mailbox:?} does not stand in the message");
    }
}

fn is_plain(bytes: &[u8]) -> bool {
    let marks = ["=?", "encoding", "text/html", "charset", "rfc822", "*="];
    let lower = String::from_utf8_lossy(bytes).to_lowercase();
    bytes.is_ascii()
        && !bytes.contains(&0)
        && !lower.contains(['&', '(', '\\', '"'])
        && !marks.iter().any(|mark| lower.contains(mark))
}

fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The text with its numeric character references resolved.
fn resolved(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("&#") {
        out.push_str(before);
        let hex = after.starts_with(['x', 'X']);
        let digits = if hex { &after[1..] } else { after };
        let radix = if hex { 16 } else { 10 };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        out.extend(u32::from_str_radix(&digits[..end], radix).ok().and_then(char::from_u32));
        rest = digits[end..].strip_prefix(';').unwrap_or(&digits[end..]);
    }
    out.push_str(rest);
    out
}

/// Whether the letters of `needle` stand in `text` in order, all of them within `near`.
fn is_scattered(text: &[u8], needle: &[u8], near: usize) -> bool {
    let Some(&first) = needle.first() else {
        return true;
    };
    let starts = text.iter().enumerate().filter(|(_, b)| **b == first).take(2000);
    starts.into_iter().any(|(start, _)| {
        let window = &text[start..text.len().min(start + near)];
        let mut wanted = needle.iter().peekable();
        for b in window {
            if wanted.peek() == Some(&b) {
                wanted.next();
            }
        }
        wanted.peek().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(message: &str, address: &str) -> bool {
        let haystack = Haystack::new(&Message::parse(message.as_bytes()));
        let mailbox = Mailbox::parse(address).unwrap();
        let kind = Kind::Forward(How::Inline);
        std::panic::catch_unwind(|| haystack.assert_holds(&mailbox, kind)).is_ok()
    }

    #[test]
    fn an_address_that_stands_nowhere_is_noticed() {
        let text = "From: a@x.example\n\nVon: lena@post.example\n> tom@\n> mail.example";
        assert!(holds(text, "lena@post.example"));
        assert!(holds(text, "tom@mail.example"));
        assert!(!holds(text, "tina@post.example"));
        assert!(!holds(text, "lena@mail.example"), "put together from two");
        let far = "x ".repeat(1000);
        let html = |middle: &str| {
            format!("Content-Type: text/html\n\n<b>lena&#64;{middle}<i>post.example")
        };
        assert!(holds(&html("</b><!-- from us -->"), "lena@post.example"));
        assert!(!holds(&html(&far), "lena@post.example"));
        let encoded = "Content-Transfer-Encoding: base64\n\nVm9uOiBsZW5hQHBvc3QuZXhhbXBsZQ==";
        assert!(holds(encoded, "lena@post.example"));
        assert!(!holds(encoded, "tina@post.example"));
    }
}
