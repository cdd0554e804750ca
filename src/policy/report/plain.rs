//! Reports in no standard form, read as people read them: by what servers are known to write.
//!
//! Only the server's own text counts, never the message that it sends back. An automatic answer of a
//! person is no report.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{Report, Said, is_status, one_line};
use crate::mail::text::{head, tail};

/// How much of the text is read.
const TEXT: usize = 16 * 1024;

/// How an automatic answer gives itself away. It comes to the bounce address like a report.
static ANSWERS: &[&str] = &[
    "out of office",
    "out of the office",
    "on vacation",
    "automatic reply",
    "auto-reply",
    "autoreply",
    "abwesenheit",
    "nicht im büro",
    "automatische antwort",
    "confirm that you are",
    "challenge-response",
    "we have received your",
    "thank you for your",
    "vielen dank für ihre",
    "eingangsbestätigung",
];

/// What waits.
static DELAYED: &[&str] = &[
    "this is a warning message only",
    "you do not need to resend your message",
    "delivery to the following recipients has been delayed",
    "delivery to the following recipient has been delayed",
    "delivery status notification (delay)",
    "has not yet been delivered",
    "could not be delivered for more than",
    "will be retried",
    "will keep trying",
    "will continue trying",
    "still being retried",
    "no action is required on your part",
    "zustellung verzögert",
    "wird weiterhin versucht",
    "konnte noch nicht zugestellt werden",
];

/// What will not arrive.
static FAILED: &[&str] = &[
    "this is a permanent error",
    "permanent fatal errors",
    "hi. this is the qmail-send program",
    "i'm afraid i wasn't able to deliver your message",
    "i wasn't able to deliver your message",
    "a message that you sent could not be delivered",
    "could not be delivered to one or more",
    "couldn't be delivered",
    "could not be delivered",
    "was not delivered to",
    "wasn't delivered to",
    "was undeliverable",
    "is undeliverable",
    "undeliverable:",
    "undelivered mail returned",
    "delivery has failed",
    "delivery failed",
    "delivery failure",
    "failed to deliver",
    "unable to deliver",
    "cannot be delivered",
    "did not reach the following recipient",
    "did not reach some or all",
    "message blocked",
    "message was rejected",
    "message has been rejected",
    "message rejected",
    "rejected your message",
    "recipient address rejected",
    "address not found",
    "no such user",
    "user unknown",
    "unknown user",
    "user doesn't exist",
    "mailbox unavailable",
    "mailbox not found",
    "mailbox is full",
    "mailbox full",
    "over quota",
    "quota exceeded",
    "user not listed in",
    "returned mail:",
    "returned to sender",
    "retry timeout exceeded",
    "retry time not reached for any host",
    "giving up on it",
    "giving up",
    "konnte nicht zugestellt werden",
    "konnten nicht zugestellt werden",
    "nicht zustellbar",
    "unzustellbar",
    "zustellung fehlgeschlagen",
    "empfänger unbekannt",
    "postfach ist voll",
    "n'a pas pu être remis",
    "no se pudo entregar",
];

/// What begins the message that is sent back.
static RETURNED: &[&str] = &[
    "--- below this line is a copy of the message",
    "------ this is a copy of the message",
    "----- original message -----",
    "-----original message-----",
    "----- message header follows -----",
    "   ----- unsent message follows -----",
    "original message headers:",
    "ursprüngliche nachrichtenkopfzeilen",
    "content-type: message/rfc822",
    "content-type: text/rfc822-headers",
    "return-path: <",
];

pub(super) fn read(text: &str) -> Report {
    let text = match text.char_indices().nth(TEXT) {
        Some((end, _)) => head(text, end),
        None => text,
    };
    let text = decoded(text);
    let own = own_part(&text);
    let words = one_line(own, TEXT).to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    // Whoever answers by himself may quote anything.
    let outcome = if says(ANSWERS) {
        Said::Unknown
    } else if says(DELAYED) {
        Said::Delayed
    } else if says(FAILED) {
        Said::Failed
    } else {
        Said::Unknown
    };
    let mut report = Report { outcome, ..Report::NOTHING };
    if outcome != Said::Unknown {
        report.reply = own.lines().find(|line| reply_at(line).is_some()).map(str::to_owned);
        if let Some(line) = &report.reply {
            let at = reply_at(line).unwrap_or_default();
            let status = tail(line, at).split([' ', '-', '\t']).find(|word| is_status(word));
            report.status = status.map(str::to_owned);
        }
    }
    report.tidy()
}

/// What stands before the message that is sent back.
fn own_part(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    let begins = RETURNED.iter().filter_map(|mark| lower.find(mark));
    begins.min().map_or(text, |end| head(text, end))
}

/// Where in a line the reply of a server begins: three digits and what follows, as in
/// `550 5.1.1 <a@b>: no such user` or `said: 550-no`.
fn reply_at(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    (0..bytes.len().saturating_sub(4)).find(|&at| {
        let code = &bytes[at..at + 3];
        let alone = at == 0 || !bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'.';
        alone
            && matches!(code[0], b'4' | b'5')
            && matches!(code[1], b'0'..=b'5')
            && code[2].is_ascii_digit()
            && matches!(bytes[at + 3], b' ' | b'-')
            && bytes[at + 4].is_ascii_alphanumeric()
    })
}

/// Quoted-printable (RFC 2045 6.7) as far as German letters and soft line ends go: what is not written
/// so has no such pairs.
fn decoded(text: &str) -> String {
    if !text.to_ascii_lowercase().contains("quoted-printable") {
        return text.to_owned();
    }
    let joined = text.replace("=\r\n", "").replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex =
            tail.get(..2).and_then(|pair| data_encoding::HEXUPPER_PERMISSIVE.decode(pair).ok());
        match hex {
            Some(octet) if *first == b'=' => {
                bytes.extend(octet);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().map(|&b| char::from(b)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_found_in_their_lines() {
        for (line, at) in [
            ("550 5.1.1 no", Some(0)),
            ("mx said: 550-no", Some(9)),
            ("<<< 452 4.2.2 full", Some(4)),
            ("in 2026 there were 550", None),
            ("call 0550 123", None),
            ("10.0.550 x", None),
            ("999 nine", None),
            ("", None),
        ] {
            assert_eq!(reply_at(line), at, "{line}");
        }
    }

    #[test]
    fn quoted_printable_is_read_in_either_charset() {
        let text = "Content-Transfer-Encoding: quoted-printable\n\nEmpf=C3=A4nger unbek=\nannt";
        assert_eq!(read(text).outcome, Said::Failed);
        assert_eq!(read(&text.replace("=C3=A4", "=E4")).outcome, Said::Failed);
    }
}
