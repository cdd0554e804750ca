//! What a delivery report says of one of our copies (RFC 3464).
//!
//! Each copy has a bounce address of its own and one recipient, so which copy a report is for is
//! known from the envelope; the text has to tell only what became of it.
// SPDX-License-Identifier: GPL-3.0-or-later

/// How much of a report is read. The part that decides comes first; what follows is the returned
/// message.
pub const READ: usize = 64 * 1024;

/// What became of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
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

impl Outcome {
    /// The word for logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Delayed => "delayed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// A report's outcome and the enhanced status code (RFC 3463) that it gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What became of the copy.
    pub outcome: Outcome,
    /// The status, such as `5.1.1`.
    pub status: Option<String>,
}

/// Reads the first octets of a report's body.
///
/// RFC 3464 2.3: the fields `Action` and `Status` stand in a message/delivery-status part, one group
/// of fields for each recipient. They are looked for behind that part's heading only; what they
/// would say in the human-readable part, or in the returned message, does not count.
pub fn read(body: &[u8]) -> Report {
    let body = &body[..body.len().min(READ)];
    let mut report = Report { outcome: Outcome::Unknown, status: None };
    let mut in_status = false;
    for line in body.split(|&b| b == b'\n') {
        let line = String::from_utf8_lossy(line);
        let Some((name, value)) = line.split_once(':') else {
            // A line of dashes is a boundary: the part is over.
            in_status &= !line.starts_with("--");
            continue;
        };
        let value = value.trim();
        let words = value.split([' ', ';', '\t']).next().unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => {
                let kind = words.to_ascii_lowercase();
                in_status = matches!(
                    kind.as_str(),
                    "message/delivery-status" | "message/global-delivery-status"
                );
            }
            "action" if in_status => {
                report.outcome = match words.to_ascii_lowercase().as_str() {
                    "delivered" => Outcome::Delivered,
                    // RFC 3464 2.3.3: "expanded" means the same for us: it was taken over.
                    "relayed" | "expanded" => Outcome::Relayed,
                    "delayed" => Outcome::Delayed,
                    "failed" => Outcome::Failed,
                    _ => Outcome::Unknown,
                };
            }
            "status" if in_status && is_status(words) => report.status = Some(words.to_owned()),
            _ => {}
        }
    }
    report
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
        --B\r\nContent-Type: message/rfc822\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n";

    #[test]
    fn only_the_delivery_status_part_counts() {
        let report = Report { outcome: Outcome::Relayed, status: Some("2.0.0".into()) };
        assert_eq!(read(POSTFIX.as_bytes()), report);
        assert_eq!(read(POSTFIX.replace("\r\n", "\n").as_bytes()), report);
    }

    #[test]
    fn each_action_has_its_outcome() {
        for (word, outcome) in [
            ("FAILED", Outcome::Failed),
            ("delayed (still trying)", Outcome::Delayed),
            ("expanded", Outcome::Relayed),
            ("delivered", Outcome::Delivered),
            ("eaten", Outcome::Unknown),
        ] {
            assert_eq!(
                read(POSTFIX.replace("relayed", word).as_bytes()).outcome,
                outcome,
                "{word}"
            );
        }
    }

    #[test]
    fn text_that_is_no_report_says_nothing() {
        assert_eq!(read(b"").outcome, Outcome::Unknown);
        assert_eq!(
            read(b"Action: failed\nStatus: 5.0.0\n"),
            Report { outcome: Outcome::Unknown, status: None }
        );
        assert_eq!(read(POSTFIX.replace("2.0.0", "2.0.0.0").as_bytes()).status, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&body);
        }
    }
}
