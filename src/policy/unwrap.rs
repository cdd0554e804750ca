//! Takes the message out of a colleague's that he had attached; the agent puts it in its place.
//!
//! Must not know how either travels.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::mail::header::is_own;
use crate::mail::mailbox::MailboxList;
use crate::mail::mime::split_header;
use crate::mail::{Address, RawPath, enclosed};
use crate::policy::facts::Facts;
use crate::policy::keys::Keys;
use crate::policy::seal::is_sealed;

/// What was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    /// The author of the message that it was attached to, where he can be an envelope sender.
    pub forwarder: Option<RawPath>,
    /// The bytes as they were attached, less the fields in our namespace.
    pub message: Vec<u8>,
}

/// Takes the attached message out of one. The error says why it must go on as it is.
pub fn unwrap(message: &[u8], keys: &Keys) -> Result<Unwrapped, &'static str> {
    let (header, body) = split_header(message);
    let inner = enclosed(&header, body).ok_or("no-single-message")?;
    if inner.contains(&0) {
        return Err("nul");
    }
    let facts = Facts::from(&split_header(&inner).0);
    if facts.bodies("from").is_empty() {
        return Err("no-author");
    }
    // It was forwarded before; unwrapped it would not show that any more.
    if is_sealed(keys, &facts) {
        return Err("sealed");
    }
    let from = header.first("From").map(|field| MailboxList::parse(&field.body).mailboxes);
    let forwarder = match from.as_deref() {
        Some([one]) => Address::parse(&one.address()).ok().as_ref().map(RawPath::from),
        _ => None,
    };
    Ok(Unwrapped { forwarder, message: without_ours(&inner) })
}

/// A message without the fields in our namespace. All else stays byte for byte.
pub(super) fn without_ours(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    let mut rest = message;
    let mut ours = false;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(line_length(rest));
        let text = line.trim_ascii_end();
        let continues = matches!(line[0], b' ' | b'\t');
        if !continues {
            let Some(colon) = text.iter().position(|&b| b == b':') else { break };
            ours = is_own(text[..colon].trim_ascii_end());
        }
        if !ours {
            out.extend_from_slice(line);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// How long the first line is with its end, which may be CRLF, CR or LF: each of them will be one
/// when the message leaves.
pub(super) fn line_length(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|b| matches!(b, b'\r' | b'\n'));
    end.map_or(bytes.len(), |at| at + 1 + usize::from(bytes[at..].starts_with(b"\r\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{FieldBody, OwnField, OwnName};
    use crate::policy::seal::{SYSTEM, seal};
    use crate::policy::testing::keys;

    fn wrapped(inner: &str) -> String {
        format!(
            "Received: from x\r\nFrom: Bob <bob@acme.example>\r\nSubject: Fwd\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\n{inner}\r\n--b--\r\n"
        )
    }

    fn unwrapped(inner: &str) -> Result<String, &'static str> {
        let found = unwrap(wrapped(inner).as_bytes(), &keys())?;
        assert_eq!(found.forwarder, Some(RawPath::new("<bob@acme.example>")));
        Ok(String::from_utf8(found.message).unwrap())
    }

    #[test]
    fn every_byte_but_our_fields_is_kept() {
        let plain = "DKIM-Signature: v=1;\r\n b=x\r\nFrom:  Erika <e@x.example>\r\nTo: \r\n\r\n\
             X-Recruiting-Kind: text\r\n.\r\n \t\r\n\r\n";
        assert_eq!(unwrapped(plain).as_deref(), Ok(plain));
        let forged = plain.replace(
            "From:",
            "X-Recruiting-Kind: a;\r\n\tb\r\nx-RECRUITING-Seal : c\r\nX-Recruiting: kept\r\nFrom:",
        );
        let expected = plain.replace("From:", "X-Recruiting: kept\r\nFrom:");
        assert_eq!(unwrapped(&forged), Ok(expected));
    }

    #[test]
    fn a_field_of_ours_behind_a_bare_line_end_is_found() {
        for end in ["\r", "\n", "\r\n"] {
            let inner = format!("From: e@x{end}X-Recruiting-Kind: a{end}\tb{end}To: c{end}{end}d");
            assert_eq!(unwrapped(&inner), Ok(format!("From: e@x{end}To: c{end}{end}d")), "{end:?}");
        }
    }

    #[test]
    fn what_cannot_be_unwrapped_says_why() {
        assert_eq!(unwrapped("Subject: x\r\n\r\nx"), Err("no-author"));
        assert_eq!(unwrapped("From: e@x\r\n\r\na\0b"), Err("nul"));
        assert_eq!(unwrap(b"From: e@x\r\n\r\nx", &keys()), Err("no-single-message"));
        assert_eq!(unwrap(b"", &keys()), Err("no-single-message"));
        let mut facts = Facts::default();
        facts.push(b"From", b" e@x.example");
        let tag = OwnField { name: OwnName::ours(SYSTEM), body: FieldBody::new("x").unwrap() };
        let seal = seal(&keys(), 1, std::slice::from_ref(&tag), &facts).unwrap();
        let fields = [&seal, &tag].map(|f| format!("{}: {}\r\n", f.name, f.body.as_str())).concat();
        let sealed = format!("{fields}From: e@x.example\r\n\r\nx");
        assert_eq!(unwrapped(&sealed), Err("sealed"));
        let torn = sealed.replace("System: x", "System: y");
        assert_eq!(unwrapped(&torn).as_deref(), Ok("From: e@x.example\r\n\r\nx"));
    }

    #[test]
    fn an_author_who_can_be_no_sender_is_none() {
        let text = wrapped("From: e@x\r\n\r\nx");
        for from in ["\"a b\"@acme.example", "a@x, b@x", ""] {
            let text = text.replace("Bob <bob@acme.example>", from);
            assert_eq!(unwrap(text.as_bytes(), &keys()).unwrap().forwarder, None, "{from}");
        }
    }
}
