//! Makes out of a mail that lies in a mailbox what it was when it came: to send its copy once more.
//!
//! Must not know how it travels.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::unwrap::{line_length, without_ours};
use crate::mail::mailbox::MailboxList;
use crate::mail::mime::split_header;
use crate::mail::{Address, Header, RawPath, returned};
use crate::policy::rules::Rules;
use crate::policy::seal::ENVELOPE_SENDER;

/// A mail as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// Its bytes, less what delivery and we have added.
    pub message: Vec<u8>,
    /// Its envelope sender.
    pub sender: RawPath,
    /// The recruiting address that it was sent to, where the mail tells.
    pub address: Option<Address>,
}

/// Why a file is no mail that can be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotThis {
    /// There is no header.
    NoMessage,
    /// There is a NUL in it.
    Nul,
    /// It is a report, and the mail that it is about is not in it.
    ReportAlone,
}

impl std::fmt::Display for NotThis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoMessage => "it is not a message",
            Self::Nul => "there is a NUL in it",
            Self::ReportAlone => "it is a delivery report without the mail that it is about",
        })
    }
}

impl std::error::Error for NotThis {}

/// Reads a file: a mail of a mailbox, or the report with which the fallback got it back.
pub fn original(bytes: &[u8], rules: &Rules) -> Result<Original, NotThis> {
    // mbox (RFC 4155): the line before the first mail.
    let bytes = if bytes.starts_with(b"From ") { &bytes[line_length(bytes)..] } else { bytes };
    let (header, body) = split_header(bytes);
    if header.fields.is_empty() {
        return Err(NotThis::NoMessage);
    }
    if bytes.contains(&0) {
        return Err(NotThis::Nul);
    }
    let kind = header.text("Content-Type").unwrap_or_default().to_ascii_lowercase();
    if kind.trim_start().starts_with("multipart/report") {
        let inner = returned(&header, body).ok_or(NotThis::ReportAlone)?;
        return Ok(whole(&inner, &split_header(&inner).0, rules));
    }
    Ok(whole(bytes, &header, rules))
}

fn whole(bytes: &[u8], header: &Header, rules: &Rules) -> Original {
    Original {
        message: without_ours(without_delivery(bytes)),
        sender: sender(header),
        address: address(header, rules),
    }
}

/// A message without the fields that local delivery puts on top.
fn without_delivery(message: &[u8]) -> &[u8] {
    let mut rest = message;
    loop {
        let line = &rest[..line_length(rest)];
        let name = line.split(|&b| b == b':').next().unwrap_or_default().trim_ascii_end();
        let by_delivery = ["return-path", "delivered-to", "x-original-to", "envelope-to"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if !by_delivery || !line.contains(&b':') {
            return rest;
        }
        rest = &rest[line.len()..];
        while matches!(rest.first(), Some(b' ' | b'\t')) {
            rest = &rest[line_length(rest)..];
        }
    }
}

/// The envelope sender: as we wrote it down, as delivery did, else the author.
fn sender(header: &Header) -> RawPath {
    let ours = format!("X-Recruiting-{ENVELOPE_SENDER}");
    for name in [ours.as_str(), "Return-Path"] {
        let Some(text) = header.text(name) else { continue };
        let text = text.trim().trim_start_matches('<').trim_end_matches('>');
        if text.is_empty() {
            return RawPath::new("<>");
        }
        if let Ok(address) = Address::parse(text) {
            return RawPath::from(&address);
        }
    }
    let from = header.first("From").map(|field| MailboxList::parse(&field.body).mailboxes);
    let from = from.and_then(|all| Address::parse(&all.first()?.address()).ok());
    from.as_ref().map_or_else(|| RawPath::new("<>"), RawPath::from)
}

/// The recruiting address that a mail says it was for. The first that is one counts.
fn address(header: &Header, rules: &Rules) -> Option<Address> {
    let names = ["X-Recruiting-Address", "X-Original-To", "Delivered-To", "To", "Cc"];
    names.iter().find_map(|name| {
        let fields = header.fields.iter().filter(|field| field.is(name));
        fields.flat_map(|field| MailboxList::parse(&field.body).mailboxes).find_map(|mailbox| {
            let address = Address::parse(&mailbox.address()).ok()?;
            rules.lookup(address.as_str()).is_some().then_some(address)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::rules;

    const MAIL: &str = "Received: from a by b\r\nFrom: Erika <erika@example.org>\r\n\
        To: Bob <bob@x.example>, jobs@acme.example\r\nDelivered-To: kept\r\n\r\nHello\r\n";

    fn read(text: &str) -> Original {
        original(text.as_bytes(), &rules()).unwrap()
    }

    #[test]
    fn what_delivery_and_we_have_added_is_gone_and_all_else_is_kept() {
        let delivered = format!(
            "Return-Path: <bounce@example.org>\r\nX-Original-To: jobs@acme.example\r\n\
             Delivered-To:\r\n\tjobs@acme.example\r\nX-Recruiting-Kind: mail;\r\n\tx\r\n{MAIL}"
        );
        let found = read(&delivered);
        assert_eq!(String::from_utf8_lossy(&found.message), MAIL);
        assert_eq!(found.sender, RawPath::new("<bounce@example.org>"));
        assert_eq!(found.address.unwrap().as_str(), "jobs@acme.example");
        assert_eq!(read(&format!("From x Mon Mar 3\n{MAIL}")).message, MAIL.as_bytes());
    }

    #[test]
    fn the_sender_is_the_one_that_was_written_down() {
        let sender = |text: String| read(&text).sender.printable();
        assert_eq!(sender(MAIL.into()), "erika@example.org");
        assert_eq!(sender(format!("Return-Path: <>\r\n{MAIL}")), "");
        let ours = "X-Recruiting-Envelope-Sender: <e@x.example>\r\nReturn-Path: <b@x.example>\r\n";
        assert_eq!(sender(format!("{ours}{MAIL}")), "e@x.example");
    }

    #[test]
    fn a_report_gives_the_mail_that_it_brings_back() {
        let report = format!(
            "From: MAILER-DAEMON@mx\r\nContent-Type: multipart/report; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nfailed\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\nX-Recruiting-Address: karriere@acme.example\r\n\
             {MAIL}\r\n--b--\r\n"
        );
        let found = read(&report);
        assert_eq!(String::from_utf8_lossy(&found.message), MAIL);
        assert_eq!(found.address.unwrap().as_str(), "karriere@acme.example");
        let alone = report.replace("message/rfc822", "text/rfc822-headers");
        assert_eq!(original(alone.as_bytes(), &rules()), Err(NotThis::ReportAlone));
    }

    #[test]
    fn what_is_no_mail_is_refused() {
        assert_eq!(original(b"", &rules()), Err(NotThis::NoMessage));
        assert_eq!(original(b"hello\nworld\n", &rules()), Err(NotThis::NoMessage));
        assert_eq!(original(b"From: e@x\n\na\0b", &rules()), Err(NotThis::Nul));
        assert_eq!(read("From: e@x.example\r\nTo: eve@x.example\r\n\r\n").address, None);
    }
}
