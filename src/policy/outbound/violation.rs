//! Why a login may not send a message, and how it is told.
//!
//! Must not know what else becomes of the message.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::plan::{Reply, ReplyText};
use crate::policy::identity;
use crate::policy::limits::Exceeded;

/// Why a login may not send a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The client is in none of its networks.
    Network,
    /// The envelope sender is none of its own.
    EnvelopeSender(String),
    /// The header says that the message is from somebody else, or does not say clearly from whom.
    Author(identity::Violation),
    /// It has sent too much.
    Limit(Exceeded),
    /// Recipients inside and outside, and a route told by a field.
    Mixed,
    /// More recruiting recipients than are kept.
    TooManyRecipients,
    /// More Bcc fields than are taken off.
    TooManyBcc,
}

impl Violation {
    /// The word for logs and the journal.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::EnvelopeSender(_) => "envelope-sender",
            Self::Author(violation) => violation.word(),
            Self::Limit(_) => "limit",
            Self::Mixed => "mixed-recipients",
            Self::TooManyRecipients => "too-many-recipients",
            Self::TooManyBcc => "too-many-bcc",
        }
    }

    /// What exactly, in printable characters.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Network | Self::Mixed | Self::TooManyRecipients | Self::TooManyBcc => None,
            Self::EnvelopeSender(sender) => Some(format!("<{sender}>")),
            Self::Author(violation) => Some(violation.to_string()),
            Self::Limit(exceeded) => Some(exceeded.to_string()),
        }
    }

    /// What the client is told.
    pub fn reply(&self) -> Reply {
        match self {
            Self::Network => Reply::Reject(ReplyText::NotFromHere),
            Self::EnvelopeSender(_) => Reply::Reject(ReplyText::NotThisSender),
            Self::Author(_) => Reply::Reject(ReplyText::NotThisAuthor),
            Self::Limit(_) => Reply::Tempfail(ReplyText::TooMuch),
            Self::Mixed => Reply::Reject(ReplyText::Mixed),
            Self::TooManyRecipients => Reply::Tempfail(ReplyText::TryAgain),
            Self::TooManyBcc => Reply::Reject(ReplyText::TooManyBcc),
        }
    }

    /// Whether another says the same, but for when there is room again.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Limit(one), Self::Limit(two)) => one.count == two.count,
            _ => self == other,
        }
    }
}
