//! The message that is enclosed in another as an attachment, where it is all that counts there.
//!
//! Must not know who encloses messages, or why.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::borrow::Cow;

use super::header::Header;
use super::mime::{Limits, Part, walk};

/// Signatures over the enclosing message: they lose their meaning with it.
const SIGNATURES: [&str; 3] =
    ["application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"];

/// The only message that is attached to one with this header and body: its bytes as they were
/// attached, without what some programs put before a header (a byte order mark, empty lines, an
/// mbox line). A transfer encoding is undone: RFC 2046 5.2.1 forbids one, and mail programs use it.
///
/// None if there are several, if not all parts could be seen, or if something else is attached that
/// would be lost with the enclosing message. Its text counts for nothing, nor do the pictures in it.
pub fn enclosed<'a>(header: &Header, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let parts = walk(header, body, Limits::default());
    if !parts.complete {
        return None;
    }
    let (mut messages, others): (Vec<_>, Vec<_>) = parts
        .list
        .into_iter()
        .filter(|part| !part.content_type.is_below("multipart/"))
        .partition(is_message);
    let message = messages.pop().filter(|_| messages.is_empty())?;
    others.iter().all(counts_for_nothing).then(|| trimmed(content(&message)))
}

/// The message that a delivery report brings back whole (RFC 6522), as it was attached.
pub fn returned<'a>(header: &Header, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let parts = walk(header, body, Limits::default());
    let mut messages = parts.list.iter().filter(|part| is_message(part));
    let message = messages.next()?;
    messages.next().is_none().then(|| trimmed(content(message)))
}

fn is_message(part: &Part<'_>) -> bool {
    ["message/rfc822", "message/global"].contains(&part.content_type.word.as_str())
        || part.file_name().is_some_and(|name| name.to_lowercase().ends_with(".eml"))
}

fn counts_for_nothing(part: &Part<'_>) -> bool {
    let word = part.content_type.word.as_str();
    let picture = word.starts_with("image/") && part.header.first("Content-ID").is_some();
    let text = ["text/plain", "text/html"].contains(&word)
        && !part.is_attachment()
        && part.file_name().is_none_or(|name| name.is_empty());
    text || picture || SIGNATURES.contains(&word)
}

fn content<'a>(part: &Part<'a>) -> Cow<'a, [u8]> {
    match part.content(usize::MAX) {
        Cow::Owned(decoded) => Cow::Owned(decoded),
        Cow::Borrowed(_) => Cow::Borrowed(part.body),
    }
}

fn trimmed(content: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let mut rest = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content).trim_ascii_start();
    if rest.starts_with(b"From ") || rest.starts_with(b">From ") {
        let end = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
        rest = &rest[end..];
    }
    let cut = content.len() - rest.len();
    match content {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[cut..]),
        Cow::Owned(mut bytes) => {
            bytes.drain(..cut);
            Cow::Owned(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::mime::split_header;

    const INNER: &str = "From: e@x.example\r\nSubject: a\r\n\r\n--c\r\nbody \t\r\n.\r\n";

    fn of(text: &str) -> Option<String> {
        let (header, body) = split_header(text.as_bytes());
        enclosed(&header, body).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn mixed(parts: &[&str]) -> String {
        let mut text = "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n".to_owned();
        for part in parts {
            text.push_str("--b\r\n");
            text.push_str(part);
            text.push_str("\r\n");
        }
        text + "--b--\r\nepilogue\r\n"
    }

    fn message(inner: &str) -> String {
        format!("Content-Type: message/rfc822\r\n\r\n{inner}")
    }

    const TEXT: &str = "Content-Type: text/plain\r\n\r\nsee below";

    #[test]
    fn the_bytes_are_those_that_were_attached() {
        assert_eq!(of(&mixed(&[TEXT, &message(INNER)])).as_deref(), Some(INNER));
        assert_eq!(of(&mixed(&[&message(INNER)])).as_deref(), Some(INNER));
        assert_eq!(of(&message(INNER)).as_deref(), Some(INNER));
        let lf = mixed(&[TEXT, &message(INNER)]).replace("\r\n", "\n");
        assert_eq!(of(&lf), Some(INNER.replace("\r\n", "\n")));
        let digest =
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nFrom: a\n\nx\n--b--\n".to_owned();
        assert_eq!(of(&digest).as_deref(), Some("From: a\n\nx"));
    }

    #[test]
    fn a_transfer_encoding_is_undone_and_what_stands_before_the_header_is_cut() {
        let head = "Content-Type: application/octet-stream; name=\"Bewerbung.EML\"\r\n\
            Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\n";
        let encoded = data_encoding::BASE64.encode(INNER.as_bytes());
        assert_eq!(of(&mixed(&[TEXT, &format!("{head}{encoded}")])).as_deref(), Some(INNER));
        let quoted = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\
            \r\n\r\nFrom: a=\r\n@x\r\n\r\n=3D";
        assert_eq!(of(&mixed(&[quoted])).as_deref(), Some("From: a@x\r\n\r\n="));
        for before in ["\u{feff}", "\r\n\r\n", "From x@y Mon Jan  1\r\n", "\u{feff}\r\n>From x\r\n"]
        {
            assert_eq!(
                of(&mixed(&[&message(&format!("{before}{INNER}"))])).as_deref(),
                Some(INNER)
            );
        }
    }

    #[test]
    fn a_message_that_is_not_alone_is_none() {
        let pdf = "Content-Type: application/pdf\r\n\r\nx";
        let note = "Content-Type: text/plain; name=cv.txt\r\n\r\nx";
        let picture = "Content-Type: image/png\r\n\r\nx";
        let one = message(INNER);
        for other in [one.as_str(), pdf, note, picture] {
            assert_eq!(of(&mixed(&[TEXT, &one, other])), None, "{other}");
        }
        assert_eq!(of(&mixed(&[TEXT])), None);
        assert_eq!(of("Subject: x\r\n\r\nx"), None);
        for other in [
            "Content-Type: image/png\r\nContent-ID: <logo>\r\n\r\nx",
            "Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\
             Content-Disposition: attachment\r\n\r\nx",
            "Content-Type: text/html\r\n\r\n<p>x",
        ] {
            assert_eq!(of(&mixed(&[TEXT, &one, other])).as_deref(), Some(INNER), "{other}");
        }
    }

    #[test]
    fn what_is_too_deep_or_too_wide_to_be_seen_is_none() {
        let parts = vec![TEXT; 300];
        let mut all = vec![message(INNER)];
        all.extend(parts.iter().map(|&part| part.to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(of(&mixed(&all)), None);
    }
}
