//! Messages from their pieces.
// SPDX-License-Identifier: GPL-3.0-or-later

use data_encoding::BASE64;

/// How a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    QuotedPrintable,
    Base64,
    EightBit,
}

/// A text wrapped and encoded.
pub(crate) fn encode(text: &str, encoding: Encoding) -> String {
    match encoding {
        Encoding::EightBit => text.to_owned(),
        Encoding::Base64 => base64(text.as_bytes()),
        Encoding::QuotedPrintable => {
            let mut out = String::new();
            for line in text.split_inclusive('\n') {
                let mut column = 0;
                for byte in line.trim_end_matches('\n').bytes() {
                    let plain = (byte.is_ascii_graphic() && byte != b'=') || byte == b' ';
                    let piece =
                        if plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
                    if column + piece.len() > 75 {
                        out.push_str("=\n");
                        column = 0;
                    }
                    column += piece.len();
                    out.push_str(&piece);
                }
                if line.ends_with('\n') {
                    if out.ends_with(' ') {
                        out.pop();
                        out.push_str("=20");
                    }
                    out.push('\n');
                }
            }
            out
        }
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    let text = BASE64.encode(bytes);
    let lines = text.as_bytes().chunks(76).map(|c| std::str::from_utf8(c).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// A header text, encoded where it must be.
pub(crate) fn word(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    // Words end at characters and hold at most 45 octets.
    let mut words = Vec::new();
    let mut piece = String::new();
    for c in text.chars() {
        if piece.len() + c.len_utf8() > 42 {
            words.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    words.push(piece);
    let words = words.iter().map(|w| format!("=?utf-8?B?{}?=", BASE64.encode(w.as_bytes())));
    words.collect::<Vec<_>>().join("\n ")
}

/// A body part: its header and content.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) header: String,
    pub(crate) body: String,
}

impl Part {
    pub(crate) fn text(kind: &str, text: &str, encoding: Encoding) -> Self {
        let name = match encoding {
            Encoding::QuotedPrintable => "quoted-printable",
            Encoding::Base64 => "base64",
            Encoding::EightBit => "8bit",
        };
        Self {
            header: format!(
                "Content-Type: text/{kind}; charset=\"utf-8\"\nContent-Transfer-Encoding: {name}\n"
            ),
            body: encode(text, encoding),
        }
    }

    pub(crate) fn file(content_type: &str, name: &str, bytes: &[u8]) -> Self {
        Self {
            header: format!(
                "Content-Type: {content_type}; name=\"{name}\"\nContent-Transfer-Encoding: base64\n\
                 Content-Disposition: attachment; filename=\"{name}\"\n"
            ),
            body: base64(bytes),
        }
    }

    pub(crate) fn message(message: &str) -> Self {
        Self {
            header: "Content-Type: message/rfc822\nContent-Disposition: attachment\n".into(),
            body: message.to_owned(),
        }
    }

    pub(crate) fn multi(kind: &str, parts: &[Self]) -> Self {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        for part in parts {
            part.body.hash(&mut hasher);
        }
        let boundary = format!("=_{kind}_{:x}", hasher.finish());
        let mut body = String::new();
        for part in parts {
            body += &format!("--{boundary}\n{}\n{}\n", part.header, part.body);
        }
        Self {
            header: format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\n"),
            body: format!("{body}--{boundary}--\n"),
        }
    }
}

/// A text body, an HTML body, or both.
pub(crate) fn body(text: Option<&str>, html: Option<&str>, encoding: Encoding) -> Part {
    match (text, html) {
        (Some(text), Some(html)) => Part::multi(
            "alternative",
            &[Part::text("plain", text, encoding), Part::text("html", html, encoding)],
        ),
        (None, Some(html)) => Part::text("html", html, encoding),
        (text, None) => Part::text("plain", text.unwrap_or_default(), encoding),
    }
}

/// A message.
pub(crate) fn message(from: &str, subject: &str, more: &str, body: &Part) -> String {
    format!(
        "Received: from client.example (client.example [192.0.2.9])\n\tby mx1.acme-werke.example (Postfix) with ESMTPS id 4Z1\n\tfor <bewerbung@acme-werke.example>; Mon, 03 Mar 2025 11:02:17 +0100\n\
         From: {from}\nTo: Bewerbung <bewerbung@acme-werke.example>\nSubject: {}\nDate: Mon, 03 Mar 2025 11:02:17 +0100\nMessage-ID: <1.2@acme-werke.example>\n{more}MIME-Version: 1.0\n{}\n{}",
        word(subject),
        body.header,
        body.body
    )
}

/// A text as HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
