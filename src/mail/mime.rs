//! The MIME structure of a message: a bounded walk over its parts, and the content of one.
//!
//! The walk is ours because a parser that descends into itself can be made to overflow the stack,
//! and because nothing here may read or keep more than it was allowed to. An attached message is a
//! leaf: who wants to look inside opens it with a walk of its own. Must not know what is looked
//! for.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;

use super::header::{Field, Header};
use super::message::Message;

/// A structured field is not read beyond this; nothing that a mail program writes is longer.
const MAX_STRUCTURED: usize = 4096;
/// A part's header is not read beyond this.
const MAX_PART_HEADER: usize = 64 * 1024;

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many multiparts may stand inside each other.
    pub depth: usize,
    /// How many parts there may be in all.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 12, parts: 200 }
    }
}

/// A Content-Type or Content-Disposition: its word and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Typed {
    /// `text/plain`, `attachment`: lower case.
    pub word: String,
    parameters: Vec<(String, String)>,
}

impl Typed {
    /// Reads a field body. RFC 2231 continuations and encodings are resolved.
    pub fn parse(body: &[u8]) -> Self {
        let mut text = body[..body.len().min(MAX_STRUCTURED)].to_vec();
        text.push(b'\n');
        let value = MessageStream::new(&text).parse_content_type();
        let Some(found) = value.into_content_type() else {
            return Self::default();
        };
        let sub = found.c_subtype.as_deref();
        let word = sub.map_or_else(
            || found.c_type.to_lowercase(),
            |sub| format!("{}/{sub}", found.c_type).to_lowercase(),
        );
        let parameters = found
            .attributes
            .into_iter()
            .flatten()
            .map(|a| (a.name.to_lowercase(), a.value.into_owned()))
            .collect();
        Self { word, parameters }
    }

    /// A parameter, by its lower case name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether the word begins so: `is_below("multipart/")`.
    pub fn is_below(&self, prefix: &str) -> bool {
        self.word.starts_with(prefix)
    }
}

/// One part of a message.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Its place: `1.2` is the second part of the first. The message itself has none.
    pub place: String,
    /// Its header.
    pub header: Header,
    /// Its type; `text/plain` where it has none of its own.
    pub content_type: Typed,
    /// Its body, still encoded.
    pub body: &'a [u8],
}

/// All parts of a message, each multipart before its children.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// The parts in order.
    pub list: Vec<Part<'a>>,
    /// Whether the limits let all of them be seen.
    pub complete: bool,
}

/// Walks over the parts of a message.
pub fn walk<'a>(header: &Header, body: &'a [u8], limits: Limits) -> Parts<'a> {
    let mut parts = Parts { list: Vec::new(), complete: true };
    let root = part(String::new(), header.clone(), body, "text/plain");
    let mut open = vec![(root, 0)];
    while let Some((part, depth)) = open.pop() {
        if parts.list.len() >= limits.parts {
            parts.complete = false;
            break;
        }
        let boundary = part
            .content_type
            .is_below("multipart/")
            .then(|| part.content_type.parameter("boundary"))
            .flatten();
        if let Some(boundary) = boundary.filter(|b| !b.is_empty()) {
            if depth >= limits.depth {
                parts.complete = false;
            } else {
                let left = limits.parts - parts.list.len();
                let default = match part.content_type.word.as_str() {
                    "multipart/digest" => "message/rfc822",
                    _ => "text/plain",
                };
                let (children, all) = split(part.body, boundary.as_bytes(), left);
                parts.complete &= all;
                let children = children.into_iter().enumerate().map(|(i, bytes)| {
                    let place = match part.place.as_str() {
                        "" => format!("{}", i + 1),
                        above => format!("{above}.{}", i + 1),
                    };
                    let (header, body) = split_header(bytes);
                    (self::part(place, header, body, default), depth + 1)
                });
                let children: Vec<_> = children.collect();
                open.extend(children.into_iter().rev());
            }
        }
        parts.list.push(part);
    }
    parts
}

fn part<'a>(place: String, header: Header, body: &'a [u8], default: &str) -> Part<'a> {
    let mut content_type =
        header.first("Content-Type").map(|f| Typed::parse(&f.body)).unwrap_or_default();
    if content_type.word.is_empty() {
        default.clone_into(&mut content_type.word);
    }
    Part { place, header, content_type, body }
}

/// The header of an entity and what follows its empty line.
pub fn split_header(bytes: &[u8]) -> (Header, &[u8]) {
    let mut at = 0;
    while at < bytes.len() {
        let end = bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |n| at + n + 1);
        let empty = matches!(&bytes[at..end], b"\n" | b"\r\n");
        if empty || at > MAX_PART_HEADER {
            let body = if empty { &bytes[end..] } else { &bytes[at..] };
            return (Message::parse(&bytes[..at]).header, body);
        }
        at = end;
    }
    (Message::parse(&bytes[..bytes.len().min(MAX_PART_HEADER)]).header, &[])
}

/// RFC 2046 5.1.1: the bodies between the delimiter lines, and whether there was room for all. A
/// last part without its closing delimiter counts: the message may have been cut.
fn split<'a>(body: &'a [u8], boundary: &[u8], room: usize) -> (Vec<&'a [u8]>, bool) {
    let mut found = Vec::new();
    let mut start: Option<usize> = None;
    let mut at = 0;
    while at < body.len() {
        let end = body[at..].iter().position(|&b| b == b'\n').map_or(body.len(), |n| at + n + 1);
        let line = &body[at..end];
        let rest =
            line.strip_prefix(b"--").and_then(|l| l.strip_prefix(boundary)).map(<[u8]>::trim_ascii);
        if let Some(rest @ (b"" | b"--")) = rest {
            if let Some(start) = start.take() {
                found.push(without_line_end(&body[start..at]));
                if found.len() >= room {
                    return (found, false);
                }
            }
            if !rest.is_empty() {
                return (found, true);
            }
            start = Some(end);
        }
        at = end;
    }
    found.extend(start.map(|start| &body[start..]));
    (found, true)
}

/// The line end before a delimiter belongs to the delimiter.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

impl Header {
    /// The fields of a name, from top to bottom.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |f| f.is(name))
    }

    /// The topmost field of a name.
    pub fn first(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.is(name))
    }

    /// The topmost field of a name as a line of text: unfolded, encoded words decoded.
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name).map(|f| unstructured(&f.body))
    }
}

/// A field body as text: unfolded, encoded words decoded, without control characters.
pub fn unstructured(body: &[u8]) -> String {
    let body = &body[..body.len().min(MAX_STRUCTURED)];
    let mut text = if body.windows(2).any(|w| w == b"=?") {
        let mut line = body.to_vec();
        line.push(b'\n');
        let value = MessageStream::new(&line).parse_unstructured();
        value.as_text().unwrap_or_default().to_owned()
    } else {
        guess(body).into_owned()
    };
    text.retain(|c| !c.is_control() || c == '\t');
    text.trim().to_owned()
}

impl Part<'_> {
    /// The file name that the part is given, if any.
    pub fn file_name(&self) -> Option<String> {
        let disposition = self.header.first("Content-Disposition");
        let disposition = disposition.map(|f| Typed::parse(&f.body));
        disposition
            .as_ref()
            .and_then(|d| d.parameter("filename"))
            .or_else(|| self.content_type.parameter("name"))
            .map(|name| unstructured(name.as_bytes()))
    }

    /// Whether the part is marked as an attachment.
    pub fn is_attachment(&self) -> bool {
        self.header
            .first("Content-Disposition")
            .is_some_and(|f| Typed::parse(&f.body).word == "attachment")
    }

    /// The content, decoded; at most `limit` bytes of the encoded form are looked at.
    pub fn content(&self, limit: usize) -> Cow<'_, [u8]> {
        let body = &self.body[..self.body.len().min(limit)];
        let encoding = self.header.first("Content-Transfer-Encoding");
        let encoding = encoding.map(|f| f.body.trim_ascii().to_ascii_lowercase());
        match encoding.as_deref() {
            Some(b"quoted-printable") => Cow::Owned(quoted_printable(body)),
            Some(b"base64") => Cow::Owned(base64(body)),
            _ => Cow::Borrowed(body),
        }
    }

    /// The content as text, by its charset.
    pub fn text(&self, limit: usize) -> String {
        let content = self.content(limit);
        charset(&content, self.content_type.parameter("charset")).into_owned()
    }
}

/// Bytes as text. What claims to be US-ASCII or nothing, and is neither, is taken for UTF-8 and
/// otherwise for Windows-1252.
pub fn charset<'a>(bytes: &'a [u8], name: Option<&str>) -> Cow<'a, str> {
    let name = name.map(|n| n.trim().to_ascii_lowercase());
    match name.as_deref() {
        None | Some("" | "us-ascii" | "ascii" | "utf-8" | "utf8" | "unknown-8bit") => guess(bytes),
        Some(name) => charset_decoder(name.as_bytes())
            .map_or_else(|| guess(bytes), |decode| Cow::Owned(decode(bytes))),
    }
}

fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // A cut in the middle of a character is no reason to doubt the rest.
        Err(e) if e.error_len().is_none() => String::from_utf8_lossy(bytes),
        Err(e) if e.valid_up_to() > 0 && has_multibyte(&bytes[..e.valid_up_to()]) => {
            String::from_utf8_lossy(bytes)
        }
        Err(_) => charset_decoder(b"windows-1252")
            .map_or_else(|| String::from_utf8_lossy(bytes), |decode| Cow::Owned(decode(bytes))),
    }
}

fn has_multibyte(bytes: &[u8]) -> bool {
    !bytes.is_ascii()
}

/// RFC 2045 6.7. What is no escape stands for itself.
pub fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let hex = |b: Option<&u8>| {
        b.and_then(|&b| (b as char).to_digit(16)).and_then(|d| u8::try_from(d).ok())
    };
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(&b) = body.get(at) {
        if b != b'=' {
            out.push(b);
            at += 1;
            continue;
        }
        let rest = &body[at + 1..];
        if let (Some(high), Some(low)) = (hex(rest.first()), hex(rest.get(1))) {
            out.push(high << 4 | low);
            at += 3;
            continue;
        }
        // A soft line break; blanks may have been added after it on the way. (At most a line's
        // worth of them, so that this stays linear.)
        let blanks = rest.iter().take(80).take_while(|b| matches!(b, b' ' | b'\t')).count();
        match &rest[blanks..] {
            [b'\r', b'\n', ..] => at += blanks + 3,
            [b'\n', ..] => at += blanks + 2,
            [] => break,
            _ => {
                out.push(b'=');
                at += 1;
            }
        }
    }
    out
}

/// RFC 2045 6.8. Characters that are not in the alphabet are skipped.
pub fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0);
    for &b in body {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                // Padding ends a group; a new one may follow where texts were joined.
                (bits, count) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.extend(u8::try_from(bits >> count));
            bits &= (1 << count) - 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(message: &str, limits: Limits) -> (Vec<(String, String)>, bool) {
        let message = Message::parse(message.as_bytes());
        let parts = walk(&message.header, &message.body, limits);
        let list = parts.list.iter();
        (list.map(|p| (p.place.clone(), p.content_type.word.clone())).collect(), parts.complete)
    }

    #[test]
    fn parts_are_found_in_order_with_their_places() {
        let message = "Content-Type: multipart/mixed; boundary=\"a b\"\n\nbefore\n--a b\n\
            Content-Type: multipart/alternative; boundary=in\n\n--in\n\nplain\n--in\n\
            Content-Type: text/html\n\n<p>html\n--in--\n--a b  \nContent-Type: message/rfc822\n\n\
            From: x@y\n\nhello\n--a bc\nstill\n--a b--\nafter\n--a b\n\nno more\n";
        let expected = [
            ("", "multipart/mixed"),
            ("1", "multipart/alternative"),
            ("1.1", "text/plain"),
            ("1.2", "text/html"),
            ("2", "message/rfc822"),
        ];
        let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
        assert_eq!(places(message, Limits::default()), (expected, true));
    }

    #[test]
    fn a_deep_or_wide_message_is_cut_and_says_so() {
        let mut deep = String::from("Content-Type: multipart/mixed; boundary=b\n\n");
        for _ in 0..20_000 {
            deep.push_str("--b\nContent-Type: multipart/mixed; boundary=b\n\n");
        }
        let (list, complete) = places(&deep, Limits::default());
        assert!(list.len() <= 200 && !complete);
        let mut nested = String::from("Content-Type: multipart/mixed; boundary=b0\n\n");
        for i in 0..500 {
            use std::fmt::Write as _;
            let _ =
                write!(nested, "--b{i}\nContent-Type: multipart/mixed; boundary=b{}\n\n", i + 1);
        }
        let (list, complete) = places(&nested, Limits::default());
        assert!(list.len() <= 14 && !complete);
    }

    #[test]
    fn a_cut_message_still_shows_its_last_part() {
        let (list, _) = places(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/html\n\n<p>tw",
            Limits::default(),
        );
        assert_eq!(list.len(), 3);
    }

    #[test]
    fn encodings_are_undone() {
        assert_eq!(quoted_printable(b"M=C3=A4rz=\r\n 1=3D1 = x=\n"), "März 1=1 = x".as_bytes());
        assert_eq!(quoted_printable(b"a=  \nb="), b"ab");
        assert_eq!(base64(b"SGFs\r\nbG8=\r\nSGFsbG8"), b"HalloHallo");
        assert_eq!(charset(b"M\xe4rz", Some("us-ascii")), "März");
        assert_eq!(charset("März".as_bytes(), None), "März");
        assert_eq!(charset(b"\x1b$B:9=P?M\x1b(B", Some("iso-2022-jp")), "差出人");
        assert_eq!(charset(b"\xb7\xa2\xbc\xfe\xc8\xcb", Some("gb2312")), "发件人");
    }

    #[test]
    fn file_names_are_read_in_all_their_forms() {
        for field in [
            "Content-Disposition: attachment; filename=\"Bewerbung Müller.eml\"",
            "Content-Disposition: attachment; filename*=utf-8''Bewerbung%20M%C3%BCller.eml",
            "Content-Disposition: attachment; filename=\"=?utf-8?q?Bewerbung_M=C3=BCller.eml?=\"",
            "Content-Type: application/octet-stream; name=\"=?utf-8?q?Bewerbung_M=C3=BCller.eml?=\"",
        ] {
            let (header, body) = split_header(field.as_bytes());
            let part = part(String::new(), header, body, "text/plain");
            assert_eq!(part.file_name().as_deref(), Some("Bewerbung Müller.eml"), "{field}");
        }
    }
}
