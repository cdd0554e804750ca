//! The mail that a test sends: found again by its Message-ID, answered by no machine.
//!
//! Must not know how it is sent.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::Settings;
use crate::mail::Address;

/// The mail that is sent, ready for the wire but for its last line end.
pub(super) struct Message {
    /// Its Message-ID.
    pub(super) id: String,
    /// Header, body and the final dot.
    pub(super) text: String,
}

impl Message {
    /// One from the recruiting address to `to`.
    pub(super) fn to(settings: &Settings, to: &Address) -> Self {
        let mut octets = [0; 12];
        // Not random, it is still this one's: the time is in it as well.
        _ = getrandom::fill(&mut octets);
        let now = jiff::Timestamp::now();
        let from = &settings.from;
        let code = data_encoding::HEXLOWER.encode(&octets);
        let id = format!("<smtp-test.{}.{code}@{}>", now.as_second(), from.domain());
        let date = jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_string(&now)
            .unwrap_or_default();
        let text = format!(
            "From: <{from}>\r\nTo: <{to}>\r\nDate: {date}\r\nMessage-ID: {id}\r\n\
             Subject: recruit-milter smtp-test {code}\r\nAuto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             This mail tests the SMTP settings of <{from}>. That it has arrived means: they work.\r\n\
             Diese Mail prueft die SMTP-Einstellungen von <{from}>. Ist sie da, so stimmen sie.\r\n."
        );
        Self { id, text }
    }
}
