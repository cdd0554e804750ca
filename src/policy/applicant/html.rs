//! An HTML body as lines: a tokenizer's events laid out as a reader would see them.
//!
//! No tree is built: what matters is where lines break, how deep a quotation is, what is hidden,
//! and which address a link carries. Must not know what the lines say.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::mail::text::{between, head, tail};
use std::borrow::Cow;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::emitters::{Emitter, ForwardingEmitter};
use html5gum::{Span, Tokenizer};

use super::lines::{Line, Lines, MAX_LINE, MAX_LINES, clean};

/// Elements that begin and end a line.
const BLOCKS: &[&[u8]] = &[
    b"p",
    b"div",
    b"br",
    b"tr",
    b"li",
    b"ul",
    b"ol",
    b"table",
    b"tbody",
    b"thead",
    b"blockquote",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"pre",
    b"section",
    b"article",
    b"header",
    b"footer",
    b"center",
    b"dl",
    b"dt",
    b"dd",
    b"form",
    b"fieldset",
    b"address",
    b"body",
    b"caption",
    b"main",
];
/// Elements whose content is not shown.
const UNSEEN: &[&[u8]] = &[b"style", b"script", b"title", b"template", b"object"];
/// Elements that have no end.
const VOID: &[&[u8]] =
    &[b"br", b"hr", b"img", b"input", b"meta", b"link", b"col", b"area", b"base", b"wbr", b"embed"];
/// Deeper nesting of `div` is not followed.
const MAX_OPEN: usize = 2000;

/// The lines of a text/html body.
pub(super) fn of_html(html: &str) -> Lines<'static> {
    let mut page = Page::default();
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
        page.event(&event);
        None::<()>
    });
    emitter.naively_switch_states(true);
    let html = shallow(html);
    // The tokenizer cannot fail on a text in memory.
    Tokenizer::new_with_emitter(&*html, Lenient(emitter)).for_each(drop);
    page.break_line();
    Lines { list: page.lines, wrapped: false }
}

/// The page with a space before each `=` that a double quote follows.
///
/// html5gum 0.9 calls itself once more for each attribute `a="..."` of a tag, until the stack is
/// used up; not so for `a ="..."`, which means the same. Where it is no attribute, a space more does
/// no harm.
fn shallow(html: &str) -> Cow<'_, str> {
    let quoted = |at: usize| tail(html, at + 1).trim_ascii_start().starts_with('"');
    let mut out = String::new();
    let mut done = 0;
    for (at, _) in html.match_indices('=').filter(|(at, _)| quoted(*at)) {
        out.push_str(between(html, done, at));
        out.push(' ');
        done = at;
    }
    if done == 0 {
        return Cow::Borrowed(html);
    }
    out.push_str(tail(html, done));
    Cow::Owned(out)
}

/// An emitter that does not want to know what is wrong with a page. Looking for it costs a tenth.
struct Lenient<E>(E);

impl<E: Emitter> ForwardingEmitter for Lenient<E> {
    type Token = E::Token;

    fn inner(&mut self) -> &mut impl Emitter<Token = E::Token> {
        &mut self.0
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }
}

#[derive(Default)]
struct Tag {
    name: Vec<u8>,
    attribute: Vec<u8>,
    hidden: bool,
    quote: bool,
    href: Option<String>,
}

#[derive(Default)]
struct Page {
    lines: Vec<Line<'static>>,
    line: String,
    /// Whether anything, be it a space, was put into the line: an empty paragraph is a line.
    touched: bool,
    tag: Tag,
    /// The element that hides its content, and how many of its name are open.
    hidden: Option<(Vec<u8>, u32)>,
    /// For each open `div` whether it is a quotation.
    divs: Vec<bool>,
    quotes: u32,
    blockquotes: u32,
    preformatted: u32,
    /// The address of the open link, and where in the line its text begins.
    link: Option<(String, usize)>,
}

impl Page {
    fn event(&mut self, event: &CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag = Tag { name: name.to_vec(), ..Tag::default() }
            }
            CallbackEvent::AttributeName { name } => {
                self.tag.attribute = name.to_vec();
                self.tag.hidden |= *name == b"hidden";
            }
            CallbackEvent::AttributeValue { value } => self.attribute(value),
            CallbackEvent::CloseStartTag { self_closing } => {
                let tag = std::mem::take(&mut self.tag);
                self.open(tag, *self_closing);
            }
            CallbackEvent::EndTag { name } => self.close(name),
            CallbackEvent::String { value } if self.hidden.is_none() => self.text(value),
            _ => (),
        }
    }

    fn attribute(&mut self, value: &[u8]) {
        let tag = &mut self.tag;
        match (&tag.name[..], &tag.attribute[..]) {
            (b"a", b"href") => tag.href = mailto(value),
            (b"div", b"class") => {
                tag.quote =
                    value.split(u8::is_ascii_whitespace).any(|class| class == b"gmail_quote");
            }
            (_, b"style") => {
                let style: Vec<u8> = value
                    .iter()
                    .take(MAX_LINE)
                    .filter(|b| !b.is_ascii_whitespace())
                    .map(u8::to_ascii_lowercase)
                    .collect();
                let has = |what: &[u8]| style.windows(what.len()).any(|w| w == what);
                tag.hidden |= has(b"display:none") || has(b"visibility:hidden");
            }
            _ => (),
        }
    }

    fn open(&mut self, tag: Tag, self_closing: bool) {
        let name = &tag.name[..];
        if let Some((hider, open)) = &mut self.hidden {
            *open += u32::from(hider == name && !self_closing);
            return;
        }
        let void = VOID.contains(&name);
        let unseen = tag.hidden || (UNSEEN.contains(&name) && !self_closing);
        if unseen && !void {
            self.hidden = Some((tag.name, 1));
            return;
        }
        match name {
            b"hr" => {
                self.break_line();
                self.line.push_str("________________________________");
                self.end_line();
            }
            b"br" => self.end_line(),
            b"td" | b"th" => self.space(),
            b"a" => self.link = tag.href.map(|href| (href, self.line.len())),
            _ if BLOCKS.contains(&name) => self.break_line(),
            _ => (),
        }
        match name {
            b"div" if self.divs.len() < MAX_OPEN => {
                self.divs.push(tag.quote);
                self.quotes += u32::from(tag.quote);
            }
            b"blockquote" => self.blockquotes += 1,
            b"pre" => self.preformatted += 1,
            _ => (),
        }
    }

    fn close(&mut self, name: &[u8]) {
        if let Some((hider, open)) = &mut self.hidden {
            if hider == name {
                *open -= 1;
                if *open == 0 {
                    self.hidden = None;
                }
            }
            return;
        }
        match name {
            b"a" => self.end_link(),
            b"br" => self.end_line(),
            _ if BLOCKS.contains(&name) => self.break_line(),
            _ => (),
        }
        match name {
            b"div" => self.quotes -= u32::from(self.divs.pop().unwrap_or(false)),
            b"blockquote" => self.blockquotes = self.blockquotes.saturating_sub(1),
            b"pre" => self.preformatted = self.preformatted.saturating_sub(1),
            _ => (),
        }
    }

    fn text(&mut self, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        for (i, piece) in text.split('\n').enumerate() {
            if i > 0 && self.preformatted > 0 {
                self.end_line();
            } else if i > 0 {
                self.space();
            }
            let piece = piece.strip_suffix('\r').unwrap_or(piece);
            if self.line.len() < MAX_LINE {
                self.touched |= piece.contains('\u{a0}');
                let piece = super::lines::cut(piece, MAX_LINE);
                if piece.starts_with(char::is_whitespace) {
                    self.space();
                }
                self.line.push_str(piece.trim_start());
            }
        }
    }

    fn space(&mut self) {
        if !self.line.is_empty() && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
    }

    /// A link whose text does not show its address shows it now.
    fn end_link(&mut self) {
        let Some((address, start)) = self.link.take() else {
            return;
        };
        let shown = self.line.get(start..).unwrap_or(&self.line);
        if !shown.to_lowercase().contains(&address.to_lowercase()) && self.line.len() < MAX_LINE {
            self.space();
            self.line.push_str("[mailto:");
            self.line.push_str(&address);
            self.line.push(']');
        }
    }

    /// A block begins or ends: the line ends if there is anything in it.
    fn break_line(&mut self) {
        if self.touched || !self.line.trim().is_empty() {
            self.end_line();
        }
        self.line.clear();
    }

    fn end_line(&mut self) {
        self.touched = false;
        if let Some((_, start)) = &mut self.link {
            *start = 0;
        }
        let line = std::mem::take(&mut self.line);
        if self.lines.len() < MAX_LINES {
            let text = clean(&line).into_owned();
            // Quoting by ">" happens in HTML too, where text was converted.
            let quoted = text.trim_start_matches(['>', ' ']);
            let marks = head(&text, text.len() - quoted.len()).matches('>').count();
            let depth = self.blockquotes + self.quotes;
            self.lines.push(Line {
                depth: depth + u32::try_from(marks).unwrap_or(0),
                text: if marks > 0 && !text.ends_with(">>>") {
                    quoted.to_owned().into()
                } else {
                    text.into()
                },
            });
        }
    }
}

/// The address of a `mailto:` link.
fn mailto(href: &[u8]) -> Option<String> {
    let href = std::str::from_utf8(href).ok()?.trim();
    let (scheme, rest) = href.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case("mailto:") || rest.len() > 400 {
        return None;
    }
    let address = rest.split('?').next()?;
    let mut bytes = Vec::new();
    let mut at = 0;
    let raw = address.as_bytes();
    while let Some(&b) = raw.get(at) {
        let hex = |i: usize| raw.get(at + i).and_then(|&b| (b as char).to_digit(16));
        let escaped = hex(1).zip(hex(2)).filter(|_| b == b'%');
        let byte = escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        bytes.push(byte.unwrap_or(b));
        at += if byte.is_some() { 3 } else { 1 };
    }
    let address = String::from_utf8(bytes).ok()?;
    address.contains('@').then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(html: &str) -> Vec<(u32, String)> {
        let lines = of_html(html).list.into_iter();
        lines.map(|l| (l.depth, l.text.into_owned())).collect()
    }

    #[test]
    fn a_tag_with_very_many_attributes_is_read() {
        let tag = format!("<div {}>hi</div>", "a=\"\" ".repeat(200_000));
        assert_eq!(of_html(&tag).list.len(), 1);
        let spaced = format!("<div {}>hi</div>", "a= \"x=\"".repeat(200_000));
        assert_eq!(of_html(&spaced).list.len(), 1);
        assert_eq!(shallow("<a href=\"x\" b=c>a=b</a>"), "<a href =\"x\" b=c>a=b</a>");
    }

    #[test]
    fn lines_break_where_a_reader_sees_them_break() {
        let lines = seen(
            "<html><head><title>t</title><style>p{}</style></head><body><p>one\n two</p>\
             <p>&nbsp;</p><div><div>three</div></div><br>a<br><br>b<hr>\
             <table><tr><th>From: </th><td>x &lt;x@y&gt;</td></tr></table><pre>p\nq</pre>",
        );
        let texts: Vec<_> = lines.iter().map(|(_, t)| t.as_str()).collect();
        let rule = "________________________________";
        assert_eq!(
            texts,
            ["one two", "", "three", "", "a", "", "b", rule, "From: x <x@y>", "p", "q"]
        );
    }

    #[test]
    fn what_is_hidden_is_not_read() {
        assert_eq!(
            seen("<div style='display: none'>a<div>b</div>c</div><span hidden>d</span>e<!--f-->"),
            [(0, "e".to_owned())]
        );
    }

    #[test]
    fn quotations_have_a_depth() {
        let lines = seen(
            "a<div class=\"gmail_quote x\">b<blockquote>c</blockquote></div><blockquote type=cite>d<div>e</div></blockquote>f",
        );
        let depths: Vec<_> = lines.iter().map(|(d, t)| (*d, t.as_str())).collect();
        assert_eq!(depths, [(0, "a"), (1, "b"), (2, "c"), (1, "d"), (1, "e"), (0, "f")]);
    }

    #[test]
    fn a_link_shows_its_address_once() {
        assert_eq!(
            seen(
                "<a href='mailto:l%40x.example?subject=s'>Lena</a> <a href='MAILTO:l@x.example'>L@x.example</a>"
            ),
            [(0, "Lena [mailto:l@x.example] L@x.example".to_owned())]
        );
    }
}
