//! What a line of the journal says.
//!
//! Must not know files.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::policy::outcome::Outcome;
use crate::policy::pass::Pass;
use crate::policy::report::Said;

/// The version that is written, and the only one that is read.
pub const VERSION: u64 = 1;
/// The most characters that [`Entry::detail`] keeps.
pub const MAX_DETAIL: usize = 200;

/// The reason of [`Outcome::Diverted`] where a probe came to pass 1 a second time.
pub const AGAIN: &str = "again";

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A decision.
    Entry(Box<Entry>),
    /// Entries are missing here.
    Lost(Lost),
}

/// One decision of the milter about one recruiting address. Holds no subject and no content.
///
/// The order of the fields is the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, to the millisecond.
    #[serde(with = "millis")]
    pub time: Timestamp,
    /// Where the decision was made.
    pub pass: Pass,
    /// What was decided.
    pub action: Action,
    /// Why, as one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Postfix's queue ID, if there was one yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// The identity that a copy keeps through both passes and into its reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The recruiting address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The recruiting system's name in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The login that sent it, by its name in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The route that it takes, by its name in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The kind of mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The envelope sender as the configuration allows it to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The size that the client announced, in octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Keyed hashes of the addresses of people outside that the mail is of: its envelope sender, its
    /// applicants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// A keyed hash of the Message-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Our own probe, by the number that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// What a delivery report says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Said>,
    /// The enhanced status code of a delivery report (RFC 3463).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The server that a delivery report is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<String>,
    /// What that server said, in its own words; addresses of people outside masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// A few words more; see [`Entry::with_detail`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Entry {
    /// An entry with all that may be missing left out.
    pub fn new(time: Timestamp, pass: Pass, action: Action) -> Self {
        Self {
            time: millis::round_down(time),
            pass,
            action,
            reason: None,
            queue_id: None,
            token: None,
            address: None,
            system: None,
            login: None,
            route: None,
            kind: None,
            sender: None,
            size: None,
            subjects: Vec::new(),
            message: None,
            probe: None,
            report: None,
            status: None,
            next_hop: None,
            reply: None,
            detail: None,
        }
    }

    /// Adds words of somebody else, cut at [`MAX_DETAIL`] characters.
    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.detail = Some(detail.chars().take(MAX_DETAIL).collect());
        self
    }
}

/// Entries that could not be written. Stands where they are missing, or somewhat later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When writing went on.
    #[serde(with = "millis")]
    pub time: Timestamp,
    /// How many entries are missing.
    pub lost: u64,
}

/// What was decided, or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// What became of a copy. `delayed`, `delivered` and `failed` are told by [`Action::Report`], with
    /// what the report says.
    Copy(Outcome),
    /// A delivery report on mail of ours was read.
    Report,
    /// Something came to a bounce address that is no report on mail of ours, and ended.
    Discarded,
    /// The client was told to try again.
    Tempfail,
    /// The client was told never to try again.
    Rejected,
    /// Outgoing mail went on.
    Sent,
    /// Outgoing mail was refused.
    Refused,
    /// A probe of ours was submitted, and Postfix took it.
    ProbeSent,
    /// A probe of ours was not taken.
    ProbeRefused,
    /// The recruiting system's server was asked, and takes mail for the inbound address.
    InboundAccepted,
    /// The recruiting system's server was asked, and takes no mail for the inbound address.
    InboundRefused,
    /// A copy was sent once more.
    Resent,
    /// Somebody was told of trouble.
    Alerted,
    /// What a recruiting address depends on has changed: the configuration, the keys, the recruiting
    /// system's server.
    Changed,
}

/// Words of copies in lines that were written before there was one list of them.
const FORMER: [(&str, Outcome); 5] = [
    ("forwarded", Outcome::HandedOver),
    ("unwrap", Outcome::Unwrapping),
    ("kept-local", Outcome::Kept),
    ("given-back", Outcome::Returned),
    ("held", Outcome::ToPerson),
];

impl Action {
    /// All that are not about what became of a copy.
    pub const OTHERS: [Self; 13] = [
        Self::Report,
        Self::Discarded,
        Self::Tempfail,
        Self::Rejected,
        Self::Sent,
        Self::Refused,
        Self::ProbeSent,
        Self::ProbeRefused,
        Self::InboundAccepted,
        Self::InboundRefused,
        Self::Resent,
        Self::Alerted,
        Self::Changed,
    ];

    /// The word that stands in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Copy(outcome) => outcome.word(),
            Self::Report => "report",
            Self::Discarded => "discarded",
            Self::Tempfail => "tempfail",
            Self::Rejected => "rejected",
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::ProbeSent => "probe-sent",
            Self::ProbeRefused => "probe-refused",
            Self::InboundAccepted => "inbound-accepted",
            Self::InboundRefused => "inbound-refused",
            Self::Resent => "resent",
            Self::Alerted => "alerted",
            Self::Changed => "changed",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        let former = || FORMER.into_iter().find(|(old, _)| *old == word).map(|(_, new)| new);
        let copy = Outcome::from_word(word).or_else(former).map(Self::Copy);
        copy.or_else(|| Self::OTHERS.into_iter().find(|other| other.word() == word))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = String::deserialize(d)?;
        Self::from_word(&word).ok_or_else(|| D::Error::custom(format_args!("no action: {word:?}")))
    }
}

/// Why a line is not a [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLine {
    /// No JSON object of the expected shape: torn by a crash, or damaged.
    Malformed,
    /// Written by another version of the program.
    Version(u64),
    /// Longer than any line that is written.
    TooLong,
    /// The place from which to go on no longer exists: what lies between was rotated away. Reading
    /// goes on with the oldest line there is.
    PositionGone,
    /// The file could not be read on.
    Unreadable(std::io::ErrorKind),
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not a line of the journal"),
            Self::Version(v) => write!(f, "version {v} is not known; {VERSION} is"),
            Self::TooLong => f.write_str("the line is too long"),
            Self::PositionGone => f.write_str("the position was rotated away"),
            Self::Unreadable(kind) => write!(f, "the journal cannot be read: {kind}"),
        }
    }
}

impl std::error::Error for BadLine {}

#[derive(Serialize)]
struct Versioned<T> {
    v: u64,
    #[serde(flatten)]
    body: T,
}

/// What tells which kind of line it is.
#[derive(Deserialize)]
struct Head {
    v: u64,
    lost: Option<u64>,
}

impl Record {
    /// The line, with its line end. JSON escapes every control character, so it is one line
    /// whatever the fields hold.
    pub(super) fn to_line(&self) -> Option<Vec<u8>> {
        let line = match self {
            Self::Entry(body) => serde_json::to_vec(&Versioned { v: VERSION, body }),
            Self::Lost(body) => serde_json::to_vec(&Versioned { v: VERSION, body }),
        };
        let mut line = line.ok()?;
        line.push(b'\n');
        Some(line)
    }

    /// Reads a line without its line end. Fields that are not known are passed over.
    pub(super) fn parse(line: &[u8]) -> Result<Self, BadLine> {
        let malformed = |_| BadLine::Malformed;
        let head: Head = serde_json::from_slice(line).map_err(malformed)?;
        if head.v != VERSION {
            return Err(BadLine::Version(head.v));
        }
        if head.lost.is_some() {
            return serde_json::from_slice(line).map(Self::Lost).map_err(malformed);
        }
        serde_json::from_slice(line).map(|entry| Self::Entry(Box::new(entry))).map_err(malformed)
    }
}

/// Times as RFC 3339 text in UTC with milliseconds.
mod millis {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn round_down(time: Timestamp) -> Timestamp {
        let millis = time.as_nanosecond().div_euclid(1_000_000);
        i64::try_from(millis)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(time)
    }

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{time:.3}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn time() -> Timestamp {
        "2026-03-01T09:05:07.123456789Z".parse().unwrap()
    }

    fn line(record: &Record) -> String {
        String::from_utf8(record.to_line().unwrap()).unwrap()
    }

    fn all_actions() -> Vec<Action> {
        Outcome::ALL.into_iter().map(Action::Copy).chain(Action::OTHERS).collect()
    }

    #[test]
    fn lines_with_former_words_are_read() {
        for (word, outcome) in FORMER {
            let action = serde_json::from_str::<Action>(&format!("\"{word}\"")).unwrap();
            assert_eq!(action, Action::Copy(outcome));
        }
        assert!(serde_json::from_str::<Action>("\"eaten\"").is_err());
    }

    #[test]
    fn an_entry_is_one_line_of_json_in_a_fixed_order() {
        let entry = Entry {
            reason: Some("sealed".into()),
            queue_id: Some("4Xk2".into()),
            token: Some("ABCDEFGHIJKLMNOP".into()),
            address: Some("jobs@acme.example".into()),
            system: Some("personio".into()),
            kind: Some("mail".into()),
            sender: Some("h:abcdefghij".into()),
            report: Some(Said::Failed),
            status: Some("5.1.1".into()),
            ..Entry::new(time(), Pass::Handoff, Action::Copy(Outcome::Kept))
        };
        let entry = entry.with_detail("no such user");
        assert_eq!(
            line(&Record::Entry(Box::new(entry))),
            "{\"v\":1,\"time\":\"2026-03-01T09:05:07.123Z\",\"pass\":\"handoff\",\
             \"action\":\"kept\",\"reason\":\"sealed\",\"queue_id\":\"4Xk2\",\
             \"token\":\"ABCDEFGHIJKLMNOP\",\"address\":\"jobs@acme.example\",\
             \"system\":\"personio\",\"kind\":\"mail\",\"sender\":\"h:abcdefghij\",\
             \"report\":\"failed\",\"status\":\"5.1.1\",\"detail\":\"no such user\"}\n"
        );
        let bare = Entry::new(time(), Pass::Front, Action::Copy(Outcome::Diverted));
        assert_eq!(
            line(&Record::Entry(Box::new(bare))),
            "{\"v\":1,\"time\":\"2026-03-01T09:05:07.123Z\",\"pass\":\"front\",\
             \"action\":\"diverted\"}\n"
        );
        let lost = Lost { time: millis::round_down(time()), lost: 17 };
        assert_eq!(
            line(&Record::Lost(lost)),
            "{\"v\":1,\"time\":\"2026-03-01T09:05:07.123Z\",\"lost\":17}\n"
        );
    }

    #[test]
    fn outgoing_mail_has_its_login_and_route_and_older_lines_have_none() {
        let entry = Entry {
            login: Some("personio".into()),
            route: Some("own".into()),
            ..Entry::new(millis::round_down(time()), Pass::Submission, Action::Sent)
        };
        let record = Record::Entry(Box::new(entry));
        let written = line(&record);
        assert!(written.contains(r#""pass":"submission","action":"sent""#), "{written}");
        assert!(written.contains(r#""login":"personio","route":"own""#), "{written}");
        assert_eq!(Record::parse(written.trim_end().as_bytes()), Ok(record));
        let old = br#"{"v":1,"time":"2026-03-01T09:05:07Z","pass":"front","action":"diverted"}"#;
        let Ok(Record::Entry(old)) = Record::parse(old) else { panic!("an entry") };
        assert_eq!((old.login, old.route), (None, None));
    }

    #[test]
    fn the_words_in_log_lines_are_those_of_the_journal() {
        fn check<T: Serialize + fmt::Display>(all: &[T]) {
            for each in all {
                assert_eq!(serde_json::to_string(each).unwrap(), format!("\"{each}\""));
            }
        }
        check(Pass::ALL);
        check(&all_actions());
        check(&Said::ALL);
    }

    #[test]
    fn fields_of_later_versions_are_passed_over_and_later_versions_told() {
        let known = br#"{"v":1,"new":[1],"time":"2026-03-01T09:05:07Z","pass":"front","action":"diverted"}"#;
        assert!(matches!(Record::parse(known), Ok(Record::Entry(_))));
        assert_eq!(Record::parse(br#"{"v":2,"all":"new"}"#), Err(BadLine::Version(2)));
        for bad in [
            "",
            "{",
            "[]",
            "{}",
            "{\"v\":\"1\"}",
            "{\"v\":1}",
            "{\"v\":1,\"lost\":3}",
            "{\"v\":1,\"time\":\"2026-03-01T09:05:07Z\",\"pass\":\"side\",\"action\":\"diverted\"}",
            "{\"v\":1,\"time\":\"yesterday\",\"pass\":\"front\",\"action\":\"diverted\"}",
        ] {
            assert_eq!(Record::parse(bad.as_bytes()), Err(BadLine::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_detail_is_cut_between_characters() {
        let entry = Entry::new(time(), Pass::Handoff, Action::Report).with_detail(&"ü".repeat(999));
        assert_eq!(entry.detail.unwrap().chars().count(), MAX_DETAIL);
    }

    fn any_text() -> impl Strategy<Value = Option<String>> {
        proptest::option::of(any::<String>())
    }

    proptest! {
        #[test]
        fn any_text_in_any_field_is_one_line_and_reads_back_the_same(
            ms in -1_000_000_000_000i64..10_000_000_000_000,
            texts in proptest::collection::vec(any_text(), 10),
            pass in proptest::sample::select(Pass::ALL),
            action in proptest::sample::select(all_actions()),
            report in proptest::option::of(proptest::sample::select(&Said::ALL[..])),
        ) {
            let [reason, queue_id, token, address, system, kind, sender, login, route, detail] =
                <[_; 10]>::try_from(texts).unwrap();
            let entry = Entry {
                reason, queue_id, token, address, system, kind, sender, login, route, report,
                status: detail.clone(),
                detail,
                ..Entry::new(Timestamp::from_millisecond(ms).unwrap(), pass, action)
            };
            let line = Record::Entry(Box::new(entry.clone())).to_line().unwrap();
            prop_assert_eq!(line.iter().filter(|b| b.is_ascii_control()).count(), 1);
            let (end, body) = line.split_last().unwrap();
            prop_assert_eq!(*end, b'\n');
            prop_assert_eq!(Record::parse(body), Ok(Record::Entry(Box::new(entry))));
        }
    }
}
