//! What a delivery report says of one of our copies: RFC 3464, and the forms in the wild.
//!
//! Each copy has a bounce address of its own and one recipient, so which copy a report is for is
//! known from the envelope; the text has to tell only what became of it, and what the server said.
// SPDX-License-Identifier: GPL-3.0-or-later

mod plain;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mail::Address;
use crate::mail::text::{head, tail};

/// How much of a report is read. The part that decides comes first; what follows is the returned
/// message.
pub const READ: usize = 64 * 1024;
/// The most characters that are kept of a server's words.
pub const MAX_REPLY: usize = 300;
/// The most characters of a server's name.
const MAX_HOST: usize = 100;

/// What a report says of a copy: the actions of RFC 3464 2.3.3, as far as they tell something else.
///
/// What that makes of the copy: [`Outcome::reported`](super::outcome::Outcome::reported).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// It reached a mailbox.
    Delivered,
    /// The next hop took it, and sends no reports of its own.
    Relayed,
    /// It is waiting.
    Delayed,
    /// It will not arrive.
    Failed,
    /// The report does not say, in a form that we know.
    Unknown,
}

impl Said {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Delivered, Self::Relayed, Self::Delayed, Self::Failed, Self::Unknown];

    /// The word for it, as it is printed and stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Delayed => "delayed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// What it means, for the manual.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Delivered => "It reached a mailbox.",
            Self::Relayed => "The next server took it, and sends no reports of its own.",
            Self::Delayed => "It has not arrived yet.",
            Self::Failed => "It will not arrive.",
            Self::Unknown => "The report does not say, in a form that is known here.",
        }
    }

    /// Where a copy was expanded to several recipients the worst counts: somebody has to look.
    fn weight(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Delivered => 1,
            Self::Relayed => 2,
            Self::Delayed => 3,
            Self::Failed => 4,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What became of the copy.
    pub outcome: Said,
    /// The enhanced status code (RFC 3463), such as `5.1.1`.
    pub status: Option<String>,
    /// The server that said so.
    pub next_hop: Option<String>,
    /// Its words, on one line.
    pub reply: Option<String>,
}

impl Report {
    /// Says nothing.
    pub(super) const NOTHING: Self =
        Self { outcome: Said::Unknown, status: None, next_hop: None, reply: None };
}

/// Reads the first octets of a report's body.
///
/// RFC 3464 2.3: the fields `Action` and `Status` stand in a message/delivery-status part, one group
/// of fields for each recipient. They are looked for behind that part's heading only; what they
/// would say in the human-readable part, or in the returned message, does not count. Where there is no
/// such part, it is read as people do.
pub fn read(body: &[u8]) -> Report {
    let body = &body[..body.len().min(READ)];
    let text = String::from_utf8_lossy(body);
    standard(&text).unwrap_or_else(|| plain::read(&text))
}

/// The worst of the groups in the delivery-status part; none if there is no such part.
fn standard(text: &str) -> Option<Report> {
    let mut in_status = false;
    let mut found = None;
    let mut group = Report::NOTHING;
    let mut last: Option<Slot> = None;
    let finish = |group: &mut Report, found: &mut Option<Report>| {
        let done = std::mem::replace(group, Report::NOTHING);
        let worse = |old: &Report| done.outcome.weight() > old.outcome.weight();
        if found.as_ref().is_none_or(worse) {
            *found = Some(done);
        }
    };
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if line.is_empty() || line.starts_with("--") {
            last = None;
            if in_status {
                finish(&mut group, &mut found);
            }
            // A line of dashes is a boundary: the part is over.
            in_status &= line.is_empty();
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(slot) = last.filter(|_| in_status) {
                slot.go_on(&mut group, line);
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = name.trim_end().to_ascii_lowercase();
        if name == "content-type" {
            let kind = value.trim().split([';', ' ', '\t']).next().unwrap_or_default();
            let kind = kind.to_ascii_lowercase();
            let kinds = ["message/delivery-status", "message/global-delivery-status"];
            in_status = kinds.contains(&kind.as_str());
            // The blank line behind it ends no group.
            continue;
        }
        last = if in_status { Slot::of(&name) } else { None };
        if let Some(slot) = last {
            slot.set(&mut group, value.trim());
        }
    }
    if in_status {
        finish(&mut group, &mut found);
    }
    found.map(Report::tidy)
}

/// The fields that count.
#[derive(Clone, Copy)]
enum Slot {
    Action,
    Status,
    Server,
    Diagnostic,
}

impl Slot {
    fn of(name: &str) -> Option<Self> {
        match name {
            "action" => Some(Self::Action),
            "status" => Some(Self::Status),
            "remote-mta" => Some(Self::Server),
            "diagnostic-code" => Some(Self::Diagnostic),
            _ => None,
        }
    }

    fn set(self, report: &mut Report, value: &str) {
        let word = value.split([' ', ';', '\t']).next().unwrap_or_default();
        match self {
            Self::Action => {
                report.outcome = match word.to_ascii_lowercase().as_str() {
                    "delivered" => Said::Delivered,
                    // RFC 3464 2.3.3: "expanded" means the same for us: it was taken over.
                    "relayed" | "expanded" => Said::Relayed,
                    "delayed" => Said::Delayed,
                    "failed" => Said::Failed,
                    _ => Said::Unknown,
                };
            }
            Self::Status => report.status = is_status(word).then(|| word.to_owned()),
            // RFC 3464 2.3.5, 2.3.6: a type, a semicolon, and what it is.
            Self::Server => report.next_hop = Some(behind_type(value).to_owned()),
            Self::Diagnostic => report.reply = Some(behind_type(value).to_owned()),
        }
    }

    fn go_on(self, report: &mut Report, line: &str) {
        let text = match self {
            Self::Server => &mut report.next_hop,
            Self::Diagnostic => &mut report.reply,
            Self::Action | Self::Status => return,
        };
        if let Some(text) = text
            && text.len() < READ
        {
            text.push(' ');
            text.push_str(line.trim());
        }
    }
}

fn behind_type(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, text)| text.trim_start())
}

impl Report {
    /// On one line and of a bounded length.
    fn tidy(mut self) -> Self {
        self.reply = self.reply.map(|text| one_line(&text, MAX_REPLY)).filter(|t| !t.is_empty());
        self.next_hop =
            self.next_hop.map(|text| one_line(&text, MAX_HOST)).filter(|t| !t.is_empty());
        self
    }

    /// The server's words without the addresses of people outside: `known` tells those that may stand
    /// there, `mask` shows the others.
    pub fn masked(
        reply: &str,
        known: impl Fn(&Address) -> bool,
        mask: impl Fn(&Address) -> String,
    ) -> String {
        let parts =
            reply.split_inclusive(|c: char| c.is_whitespace() || "<>()[]{}\",;'".contains(c));
        let one = |part: &str| {
            let end =
                part.trim_end_matches(|c: char| c.is_whitespace() || "<>()[]{}\",;':.".contains(c));
            // mailto:, RCPT TO: and the like.
            let begin = end.rfind([':', '=']).map_or(0, |at| at + 1);
            let text = tail(end, begin);
            match Address::parse(text) {
                Ok(address) if !known(&address) => {
                    format!("{}{}{}", head(end, begin), mask(&address), tail(part, end.len()))
                }
                _ if text.contains('@') && Address::parse(text).is_err() => {
                    format!("{}***{}", head(end, begin), tail(part, end.len()))
                }
                _ => part.to_owned(),
            }
        };
        parts.map(one).collect()
    }
}

/// A text on one line: no control characters, single spaces, a bounded length.
fn one_line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// RFC 3463 2: three numbers parted by dots.
fn is_status(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let number = |p: &str| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(|p| number(p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POSTFIX: &str = "--B\r\nContent-Type: text/plain\r\n\r\nAction: failed\r\n\
        --B\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n\
        Reporting-MTA: dns; mx.acme.example\r\nOriginal-Envelope-Id: abc\r\n\r\n\
        Final-Recipient: rfc822; in@ats.example\r\nAction: relayed\r\nStatus: 2.0.0\r\n\
        Remote-MTA: dns; mx.ats.example\r\nDiagnostic-Code: smtp; 250 2.0.0 Ok:\r\n\tqueued  as 4XA\r\n\r\n\
        --B\r\nContent-Type: message/rfc822\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n";

    #[test]
    fn only_the_delivery_status_part_counts() {
        let report = Report {
            outcome: Said::Relayed,
            status: Some("2.0.0".into()),
            next_hop: Some("mx.ats.example".into()),
            reply: Some("250 2.0.0 Ok: queued as 4XA".into()),
        };
        assert_eq!(read(POSTFIX.as_bytes()), report);
        assert_eq!(read(POSTFIX.replace("\r\n", "\n").as_bytes()), report);
    }

    #[test]
    fn each_action_has_its_outcome() {
        for (word, outcome) in [
            ("FAILED", Said::Failed),
            ("delayed (still trying)", Said::Delayed),
            ("expanded", Said::Relayed),
            ("delivered", Said::Delivered),
            ("eaten", Said::Unknown),
        ] {
            assert_eq!(
                read(POSTFIX.replace("relayed", word).as_bytes()).outcome,
                outcome,
                "{word}"
            );
        }
    }

    #[test]
    fn of_several_recipients_the_worst_counts() {
        let two = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\n\
            Final-Recipient: rfc822; a@x\nAction: failed\nStatus: 5.2.2\n\n\
            Final-Recipient: rfc822; b@x\nAction: delivered\nStatus: 2.0.0\n";
        let report = read(two.as_bytes());
        assert_eq!((report.outcome, report.status.as_deref()), (Said::Failed, Some("5.2.2")));
    }

    /// `tests/reports/wild.txt`: a name, what is to be read, a blank line and the body.
    #[test]
    fn reports_in_the_wild_are_read_as_people_read_them() {
        let all = include_str!("../../tests/reports/wild.txt");
        let mut count = 0;
        for case in all.split("=== ").filter(|case| !case.is_empty()) {
            let (name, rest) = case.split_once('\n').unwrap();
            let (expected, body) = rest.split_once("\n\n").unwrap();
            let field = |name: &str| {
                let line = expected.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
                line.map(str::to_owned)
            };
            for body in [body.to_owned(), body.replace('\n', "\r\n")] {
                let read = read(body.as_bytes());
                assert_eq!(Some(read.outcome.word()), field("outcome").as_deref(), "{name}");
                assert_eq!(read.status, field("status"), "{name}");
                assert_eq!(read.reply, field("reply"), "{name}");
                assert_eq!(read.next_hop, field("next_hop"), "{name}");
            }
            count += 1;
        }
        assert_eq!(count, 27);
    }

    #[test]
    fn text_that_is_no_report_says_nothing() {
        assert_eq!(read(b""), Report::NOTHING);
        assert_eq!(read(b"Action: failed\nStatus: 5.0.0\n"), Report::NOTHING);
        assert_eq!(read(POSTFIX.replace("2.0.0", "2.0.0.0").as_bytes()).status, None);
    }

    #[test]
    fn what_a_server_says_is_one_line_of_a_bounded_length() {
        let long = POSTFIX.replace("queued", &"\u{1b}[31mä ".repeat(999));
        let reply = read(long.as_bytes()).reply.unwrap();
        assert_eq!(reply.chars().count(), MAX_REPLY + 1);
        assert!(!reply.chars().any(char::is_control));
    }

    #[test]
    fn people_outside_are_masked_in_what_a_server_says() {
        let known = |a: &Address| a.key() == "in@ats.example";
        let masked = |text: &str| Report::masked(text, known, |_| "h:x".into());
        for (said, kept) in [
            ("550 <in@ats.example>: no such user", "550 <in@ats.example>: no such user"),
            ("550 Erika <erika@x.example>, go", "550 Erika <h:x>, go"),
            ("550 from=erika@x.example. in@ats.example", "550 from=h:x. in@ats.example"),
            ("550 MAIL FROM:<erika@x.example>", "550 MAIL FROM:<h:x>"),
            ("550 \"a b\"@x.example", "550 \"a b\"***"),
            ("450 try again", "450 try again"),
        ] {
            assert_eq!(masked(said), kept);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&body);
        }

        #[test]
        fn any_words_are_masked(text in "\\PC{0,120}") {
            let masked = Report::masked(&text, |_| false, |_| "h".into());
            prop_assert!(!masked.contains("@x.example"), "{masked}");
        }
    }
}
