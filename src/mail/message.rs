//! A message as Postfix holds it: header fields and a body, in lines that end in LF.
//!
//! Only `explain` and the tests hold whole messages; the milter never does.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::header::{Field, Header};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Message {
    /// The header.
    pub header: Header,
    /// Whether an empty line stood between header and body.
    pub blank_line: bool,
    /// The body as it came, line ends as LF.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads a message from a file's bytes. Lines may end in LF or CRLF.
    ///
    /// As in Postfix the header ends at the first line that is neither a field nor the continuation
    /// of one, blank or not; there is no input that is not a message.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut message = Self::default();
        let mut rest = bytes;
        // mbox and some mail stores put an envelope line first; Postfix drops it as well.
        if rest.starts_with(b"From ") {
            rest = split_line(rest).1;
        }
        while !rest.is_empty() {
            let (line, after) = split_line(rest);
            if line.is_empty() {
                message.blank_line = true;
                rest = after;
                break;
            }
            if matches!(line[0], b' ' | b'\t') {
                let Some(field) = message.header.fields.last_mut() else {
                    break;
                };
                field.body.push(b'\n');
                field.body.extend_from_slice(line);
            } else if let Some(field) = parse_field(line) {
                message.header.fields.push(field);
            } else {
                break;
            }
            rest = after;
        }
        message.body = to_lf(rest);
        message
    }

    /// The message with LF line ends.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for field in &self.header.fields {
            out.extend_from_slice(&field.name);
            out.push(b':');
            out.extend_from_slice(&field.body);
            out.push(b'\n');
        }
        if self.blank_line {
            out.push(b'\n');
        }
        out.extend_from_slice(&self.body);
        out
    }
}

/// A line without its end, and what follows.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&b| b == b'\n');
    let (line, rest) = end.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 1..]));
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// RFC 5322 2.2: a name of printable US-ASCII without colon, then a colon; white space before the
/// colon is tolerated (obs-optional).
fn parse_field(line: &[u8]) -> Option<Field> {
    let colon = line.iter().position(|&b| b == b':')?;
    let name = line[..colon].trim_ascii_end();
    let named = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    named.then(|| Field { name: name.to_vec(), body: line[colon + 1..].to_vec() })
}

fn to_lf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (i, &b) in bytes.iter().enumerate() {
        if b != b'\r' || bytes.get(i + 1) != Some(&b'\n') {
            out.push(b);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Vec<(String, String)>, bool, String) {
        let m = Message::parse(text.as_bytes());
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let fields = m.header.fields.iter().map(|f| (text(&f.name), text(&f.body))).collect();
        (fields, m.blank_line, text(&m.body))
    }

    fn field(name: &str, body: &str) -> (String, String) {
        (name.to_owned(), body.to_owned())
    }

    #[test]
    fn header_and_body_are_kept_as_they_are() {
        assert_eq!(
            parts("Subject:  a\r\n\tb\r\nX:\r\n\r\nbody\r\n"),
            (vec![field("Subject", "  a\n\tb"), field("X", "")], true, "body\n".to_owned())
        );
    }

    #[test]
    fn the_header_ends_at_the_first_line_that_is_no_field() {
        assert_eq!(
            parts("A: 1\nno field\nB: 2\n"),
            (vec![field("A", " 1")], false, "no field\nB: 2\n".into())
        );
        assert_eq!(parts(" starts with space\n"), (vec![], false, " starts with space\n".into()));
        assert_eq!(parts(""), (vec![], false, String::new()));
    }

    #[test]
    fn lf_messages_print_back_unchanged() {
        for text in
            ["A: 1\n\tx\nB:2\n\nbody\n", "\n", "A: 1\n", "body without header\n", "A: 1\n\n\n\nx"]
        {
            assert_eq!(Message::parse(text.as_bytes()).to_bytes(), text.as_bytes());
        }
    }
}
