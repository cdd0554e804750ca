//! Why something was not read, and where. Reading is advice: nothing of it ever stops a copy.
//!
//! Must not know what is read, or what is decided for want of it.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

/// Why something was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unread {
    /// Reading it panicked.
    Panic,
    /// Reading it took too long.
    Deadline,
    /// It was not its turn in time: as many messages as may be are being read.
    Busy,
}

impl Unread {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Panic, Self::Deadline, Self::Busy];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Deadline => "deadline",
            Self::Busy => "busy",
        }
    }

    /// The word for a copy that goes on so, in log and journal.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Panic => "unread-panic",
            Self::Deadline => "unread-deadline",
            Self::Busy => "unread-busy",
        }
    }
}

/// Where something from outside is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The envelope sender: is it a probe of ours?
    Sender,
    /// A header field, as it comes.
    Field,
    /// The header: how much of the body is of use?
    Need,
    /// The seal: was the message forwarded before?
    Seal,
    /// The author: is it ourselves?
    Author,
    /// Kind and applicant, and the fields that tell them.
    Message,
    /// The attached message: can the agent take it out?
    Attached,
    /// A delivery report.
    Report,
    /// Whose mail it is, for the journal.
    Journal,
}

impl Place {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 9] = [
        Self::Sender,
        Self::Field,
        Self::Need,
        Self::Seal,
        Self::Author,
        Self::Message,
        Self::Attached,
        Self::Report,
        Self::Journal,
    ];
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sender => "the envelope sender",
            Self::Field => "a header field",
            Self::Need => "the header",
            Self::Seal => "the seal",
            Self::Author => "the author",
            Self::Message => "kind and applicant",
            Self::Attached => "the attached message",
            Self::Report => "the delivery report",
            Self::Journal => "whose mail it is",
        })
    }
}
