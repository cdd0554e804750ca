//! What kind of mail a message is: one closed list, and what a careful admin does with each kind.
//!
//! What the header tells alone is decided here; forwards need the body and are found in
//! [`applicant`](super::applicant). Must not know how mail goes on.
// SPDX-License-Identifier: GPL-3.0-or-later

mod words;

use std::collections::BTreeMap;
use std::fmt;

use self::words::{
    AWAY, AWAY_INSIDE, AWAY_WORDS, CONFIRMATIONS, CONFIRMERS, MACHINES, UNDELIVERABLE,
};
use crate::mail::header::{Header, relaxed};
use crate::mail::mime::Typed;
use crate::mail::text::{head, tail};

/// How a colleague passed a message on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum How {
    /// In the text of his own.
    Inline,
    /// As an attached message/rfc822.
    Attached,
    /// As an attached Outlook .msg.
    OutlookMessage,
    /// Inside a winmail.dat.
    Tnef,
}

/// The kinds of mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An application, or any other first contact.
    Application,
    /// A reply in a thread.
    Reply,
    /// Forwarded by hand by a colleague.
    Forward(How),
    /// The recruiting system's test mail.
    SystemTest,
    /// Our own test mail.
    Probe,
    /// A copy of what the recruiting system sent to somebody.
    OutboundCopy,
    /// A vacation notice or another automatic reply.
    AutoReply,
    /// A bounce, a delivery report, a complaint report.
    Bounce,
    /// A mailing list or newsletter.
    List,
    /// A calendar invitation or the answer to one.
    Calendar,
    /// Somebody must do something: confirm a forwarding, activate an account.
    NeedsHuman,
    /// Spam, says a filter that the admin trusts.
    Spam,
}

/// How a field of a spam filter says yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The field's name.
    pub field: String,
    /// How its body begins, lower case.
    pub begins: String,
    /// What its body holds, lower case.
    pub holds: String,
}

/// The fields of the filters that are met most.
pub const USUAL_VERDICTS: [&str; 8] = [
    "X-Spam-Flag: yes",
    "X-Spam-Status: yes",
    "X-Spam: yes",
    "X-Spamd-Result: default: true",
    "X-Rspamd-Action: reject",
    "X-Rspamd-Action: add header",
    "X-Barracuda-Spam-Flag: yes",
    "X-Forefront-Antispam-Report: *sfv:spm",
];

impl Verdict {
    /// Those of the filters that are met most.
    pub fn usual() -> Vec<Self> {
        USUAL_VERDICTS.iter().filter_map(|text| Self::parse(text)).collect()
    }

    /// Reads `Name: beginning of the body`, or `Name: *something in the body`.
    pub fn parse(text: &str) -> Option<Self> {
        let (field, body) = text.split_once(':')?;
        let named = !field.is_empty() && field.bytes().all(|b| b.is_ascii_graphic());
        let body = body.trim().to_lowercase();
        let (begins, holds) = match body.strip_prefix('*') {
            Some(inside) => (String::new(), inside.to_owned()),
            None => (body, String::new()),
        };
        let sane = named && !(begins.is_empty() && holds.is_empty());
        sane.then(|| Self { field: field.to_owned(), begins, holds })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.holds.is_empty() { "" } else { "*" };
        write!(f, "{}: {star}{}{}", self.field, self.begins, self.holds)
    }
}

/// What happens with a kind of mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It goes on to the recruiting system.
    Forward,
    /// It goes on with a field that asks for somebody to look (`X-Recruiting-Review`).
    ForwardTagged,
    /// It stays in the local mailbox.
    LocalOnly,
    /// It stays, and a person gets a copy.
    CopyToPerson,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Application,
        Self::Reply,
        Self::Forward(How::Inline),
        Self::Forward(How::Attached),
        Self::Forward(How::OutlookMessage),
        Self::Forward(How::Tnef),
        Self::SystemTest,
        Self::Probe,
        Self::OutboundCopy,
        Self::AutoReply,
        Self::Bounce,
        Self::List,
        Self::Calendar,
        Self::NeedsHuman,
        Self::Spam,
    ];

    /// The word for it in configuration, fields and output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Reply => "reply",
            Self::Forward(How::Inline) => "forward-inline",
            Self::Forward(How::Attached) => "forward-attached",
            Self::Forward(How::OutlookMessage) => "forward-msg",
            Self::Forward(How::Tnef) => "forward-tnef",
            Self::SystemTest => "system-test",
            Self::Probe => "probe",
            Self::OutboundCopy => "outbound-copy",
            Self::AutoReply => "auto-reply",
            Self::Bounce => "bounce",
            Self::List => "list",
            Self::Calendar => "calendar",
            Self::NeedsHuman => "needs-human",
            Self::Spam => "spam",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word() == word)
    }

    /// What a careful admin does with it. Nothing is ever dropped.
    pub fn default_action(self) -> Action {
        match self {
            Self::Application | Self::Reply | Self::SystemTest | Self::Probe | Self::Forward(_) => {
                Action::Forward
            }
            Self::OutboundCopy
            | Self::AutoReply
            | Self::Bounce
            | Self::List
            | Self::Calendar
            | Self::Spam => Action::LocalOnly,
            Self::NeedsHuman => Action::CopyToPerson,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What happens with which kind of mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actions(BTreeMap<Kind, Action>);

impl Default for Actions {
    fn default() -> Self {
        Self(Kind::ALL.into_iter().map(|kind| (kind, kind.default_action())).collect())
    }
}

impl Actions {
    /// What happens with a kind.
    pub fn of(&self, kind: Kind) -> Action {
        self.0.get(&kind).copied().unwrap_or_else(|| kind.default_action())
    }

    /// Lets something else happen with a kind.
    pub fn set(&mut self, kind: Kind, action: Action) {
        self.0.insert(kind, action);
    }
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] =
        [Self::Forward, Self::ForwardTagged, Self::LocalOnly, Self::CopyToPerson];

    /// The word for it in configuration and output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::ForwardTagged => "forward-tagged",
            Self::LocalOnly => "local",
            Self::CopyToPerson => "copy-to-person",
        }
    }
}

/// A field body for comparing: one line, lower case, bounded.
fn lower(header: &Header, name: &str) -> String {
    header.first(name).map_or_else(String::new, |f| {
        let body = relaxed(&f.body[..f.body.len().min(4096)]);
        String::from_utf8_lossy(&body).to_lowercase()
    })
}

fn has(header: &Header, name: &str) -> bool {
    header.first(name).is_some()
}

/// Whether a trusted filter took the message for spam, and by which field.
pub(super) fn spam<'a>(header: &Header, verdicts: &'a [Verdict]) -> Option<&'a Verdict> {
    verdicts.iter().find(|v| {
        header.all(&v.field).take(100).any(|f| {
            let body = relaxed(&f.body[..f.body.len().min(4096)]);
            let body = String::from_utf8_lossy(&body).to_lowercase();
            body.starts_with(&v.begins) && body.contains(&v.holds)
        })
    })
}

/// Reports by machines about mail. `null` tells whether the envelope sender is the null sender.
pub(super) fn bounce(header: &Header, local_part: &str, null: bool) -> Option<&'static str> {
    let content_type =
        header.first("Content-Type").map(|f| Typed::parse(&f.body)).unwrap_or_default();
    if content_type.word == "multipart/report" {
        return match content_type.parameter("report-type").map(str::to_lowercase).as_deref() {
            Some("disposition-notification") => Some("a read receipt (RFC 8098)"),
            Some("feedback-report") => Some("a complaint report (RFC 5965)"),
            _ => Some("a delivery report (RFC 3464)"),
        };
    }
    if has(header, "X-Failed-Recipients") {
        return Some("X-Failed-Recipients");
    }
    let subject = header.text("Subject").unwrap_or_default().to_lowercase();
    let machine = MACHINES.iter().any(|m| local_part.eq_ignore_ascii_case(m));
    let failed = UNDELIVERABLE.iter().any(|s| subject.starts_with(s));
    if subject.starts_with("report domain:") && subject.contains("submitter:") {
        return Some("a report about DMARC (RFC 7489)");
    }
    // Nobody writes as this.
    let daemon = local_part.eq_ignore_ascii_case("mailer-daemon");
    match (machine, failed, null || daemon) {
        (true, true, _) | (_, true, true) => Some("a bounce, by sender and subject"),
        (true, false, true) => Some("a report of a mail system"),
        _ => None,
    }
}

/// qmail's reports have no type of their own: they are known by their first line (QSBMF).
pub(super) fn is_qmail_bounce(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"Hi. This is the ")
        && body[..body.len().min(200)]
            .windows(13)
            .any(|w| w.starts_with(b"qmail-") || w == b"deliver your ")
}

/// Replies by machines. `board` tells whether a job board wrote: their mail is automatic too;
/// `passed_on`, whether the subject says that something was forwarded.
pub(super) fn auto_reply(header: &Header, board: bool, passed_on: bool) -> Option<&'static str> {
    let submitted = lower(header, "Auto-Submitted");
    let word = submitted.split([';', ' ', '(']).next().unwrap_or_default();
    match word {
        "auto-replied" | "auto-notified" => return Some("Auto-Submitted (RFC 3834)"),
        _ => (),
    }
    for field in [
        "X-Autoreply",
        "X-Autorespond",
        "X-Autoresponder",
        "X-AutoReply-From",
        "X-Mail-Autoreply",
        "X-Vacation",
    ] {
        if has(header, field) && lower(header, field) != "no" {
            return Some("a field of an automatic reply");
        }
    }
    if ["Precedence", "X-Precedence"]
        .iter()
        .any(|f| matches!(lower(header, f).as_str(), "auto_reply" | "auto-reply" | "autoreply"))
    {
        return Some("Precedence: auto_reply");
    }
    // A rule of a mailbox answers or forwards.
    let responder = lower(header, "X-Mailer").contains("autoresponder");
    let rule = lower(header, "X-MS-Exchange-Generated-Message-Source").contains("rules agent");
    if responder
        || (rule && !passed_on)
        || lower(header, "X-POST-MessageClass").contains("autoresponder")
        || lower(header, "Delivered-To").contains("autoresponder")
    {
        return Some("a field of an automatic reply");
    }
    let subject = header.text("Subject").unwrap_or_default().to_lowercase();
    let suppress = has(header, "X-Auto-Response-Suppress");
    let generated = word == "auto-generated";
    let marked = suppress || generated || has(header, "Precedence");
    let away = AWAY.iter().any(|s| subject.starts_with(s))
        || AWAY_WORDS
            .iter()
            .any(|s| subject.strip_prefix(s).is_some_and(|rest| ends(rest, marked)))
        || AWAY_INSIDE.iter().any(|s| subject.contains(s) && subject.len() < 200);
    if away && (suppress || generated || !has(header, "X-Original-From")) && !passed_on {
        return Some("the subject of an automatic reply");
    }
    let answers = has(header, "In-Reply-To") || has(header, "X-Loop");
    if !board && answers && lower(header, "Precedence") == "junk" {
        return Some("Precedence: junk, in an answer");
    }
    // What a web form or a job board sends is generated too, but has the application attached.
    let mixed = header
        .first("Content-Type")
        .is_some_and(|f| Typed::parse(&f.body).word == "multipart/mixed");
    (generated && !board && !mixed && !passed_on).then_some("Auto-Submitted (RFC 3834)")
}

/// Whether a word that says that somebody is away ends here, and with it what the subject says; a
/// field beside it makes a longer one good enough.
fn ends(rest: &str, marked: bool) -> bool {
    match rest.trim_start().chars().next() {
        None | Some(':' | '：' | '!') => true,
        Some(_) => marked && rest.starts_with([' ', '-', '(']),
    }
}

/// Calendar mail, as far as the header tells.
pub(super) fn calendar(header: &Header) -> Option<&'static str> {
    let class = lower(header, "Content-Class");
    let typed = header.first("Content-Type").map(|f| Typed::parse(&f.body)).unwrap_or_default();
    let meant = class == "urn:content-classes:calendarmessage" || typed.word == "text/calendar";
    meant.then_some("a calendar message")
}

/// Mail in which somebody has to confirm something.
pub(super) fn needs_human(header: &Header, address: &str, machine: bool) -> Option<&'static str> {
    let subject = header.text("Subject").unwrap_or_default().to_lowercase();
    if CONFIRMERS.iter().any(|c| address.eq_ignore_ascii_case(c)) {
        return Some("a confirmation of a mail forwarding");
    }
    let about =
        CONFIRMATIONS.iter().any(|(verb, noun)| holds(&subject, verb) && holds(&subject, noun));
    (about && machine).then_some("a confirmation that somebody has to give")
}

/// Mailing lists and newsletters.
pub(super) fn list(header: &Header, own: impl Fn(&str) -> bool) -> Option<&'static str> {
    if let Some(id) = ["List-Id", "List-Post"].iter().find(|f| has(header, f)) {
        return (!own(&lower(header, id))).then_some("List-Id (RFC 2919)");
    }
    if has(header, "List-Unsubscribe") {
        return Some("List-Unsubscribe (RFC 2369)");
    }
    let precedence = lower(header, "Precedence");
    if precedence == "list" {
        return Some("Precedence: list");
    }
    let bulk = precedence == "bulk" || precedence == "junk";
    let mailer = [
        "X-Campaign",
        "X-CampaignId",
        "X-Campaign-Id",
        "X-Mailchimp-Campaign",
        "X-MC-User",
        "Feedback-ID",
        "X-CSA-Complaints",
        "X-Newsletter",
    ];
    (bulk && mailer.iter().any(|f| has(header, f))).then_some("a campaign's fields")
}

/// Whether a text holds another. A space at either end of what is looked for stands for the
/// beginning or end of a word.
fn holds(text: &str, wanted: &str) -> bool {
    let word = wanted.trim_matches(' ');
    text.match_indices(word).any(|(at, _)| {
        let before = head(text, at).chars().next_back();
        let after = tail(text, at + word.len()).chars().next();
        let free = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_alphanumeric());
        (!wanted.starts_with(' ') || free(before)) && (!wanted.ends_with(' ') || free(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_written_as_it_was_read() {
        for text in USUAL_VERDICTS {
            assert_eq!(Verdict::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "X-Spam", "X-Spam:", "X-Spam: *", ": yes", "X Spam: yes"] {
            assert_eq!(Verdict::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_are_found_where_they_begin_and_end() {
        assert!(holds("ativar conta", " ativ") && holds("a conta!", "conta "));
        assert!(!holds("administrativo", " ativ") && !holds("contabilidade", "conta "));
        assert!(holds("kontobestätigung", "bestätig"));
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.word()), Some(kind));
        }
    }
}
