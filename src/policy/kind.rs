//! What kind of mail a message is: one closed list, and what a careful admin does with each kind.
//!
//! What speaks for a machine (`machine`) and for a person (`person`) is found and weighed
//! (`evidence`) here; forwards need the body and are found in [`applicant`](super::applicant). Must
//! not know how mail goes on.
// SPDX-License-Identifier: GPL-3.0-or-later

mod evidence;
mod machine;
mod person;
mod words;

use std::collections::BTreeMap;
use std::fmt;

pub(super) use self::evidence::{Balance, Sign, Strength, weigh};
pub(super) use self::machine::{
    Answer, auto_reply, bounce, calendar, calendar_part, confirmation, is_machine, is_qmail_bounce,
    is_redirected, list, spam,
};
pub(super) use self::person::{applies, document, is_role, is_service, thread};

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
    /// Written by a form of the company's site for whoever filled it in.
    WebForm,
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
    Keep,
    /// It stays, and a person gets a copy.
    ToPerson,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Application,
        Self::Reply,
        Self::Forward(How::Inline),
        Self::Forward(How::Attached),
        Self::Forward(How::OutlookMessage),
        Self::Forward(How::Tnef),
        Self::WebForm,
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
            Self::WebForm => "web-form",
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
    #[allow(dead_code, reason = "corpora name kinds by their words")]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word() == word)
    }

    /// What a careful admin does with it. Nothing is ever dropped.
    pub fn default_action(self) -> Action {
        match self {
            Self::Application
            | Self::Reply
            | Self::Forward(_)
            | Self::WebForm
            | Self::SystemTest
            | Self::Probe => Action::Forward,
            Self::OutboundCopy
            | Self::AutoReply
            | Self::Bounce
            | Self::List
            | Self::Calendar
            | Self::Spam => Action::Keep,
            Self::NeedsHuman => Action::ToPerson,
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
    pub const ALL: [Self; 4] = [Self::Forward, Self::ForwardTagged, Self::Keep, Self::ToPerson];

    /// The word for it in configuration and output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::ForwardTagged => "forward-tagged",
            Self::Keep => "keep",
            Self::ToPerson => "to-person",
        }
    }
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
    fn every_kind_has_a_word_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.word()), Some(kind));
        }
    }
}
