//! Where in the dialogue a session is: its pass and its stage, and the hook that tests hang there.
//!
//! Must not know what is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// Which pass a session belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Pass 1: incoming mail, envelope only.
    Front,
    /// Outgoing mail, and pass 1 for what of it is for recruiting addresses: envelope and header.
    Submission,
    /// Pass 2: the handoff.
    Handoff,
}

impl Pass {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Front, Self::Submission, Self::Handoff];
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Front => "front",
            Self::Submission => "submission",
            Self::Handoff => "handoff",
        })
    }
}

/// A point in the dialogue about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The options are negotiated.
    Negotiate,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA (front only, and only with `accept_early`).
    Data,
    /// A header field (not on the front socket).
    Header,
    /// A piece of the body (handoff only).
    Body,
    /// End of message, before the decision.
    Eom,
    /// End of message: the edits are made, the reply is not given yet.
    Edited,
}

impl Stage {
    /// All of them.
    #[allow(dead_code, reason = "tests try each stage")]
    pub const ALL: [Self; 8] = [
        Self::Negotiate,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Header,
        Self::Body,
        Self::Eom,
        Self::Edited,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negotiate => "negotiate",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Header => "header",
            Self::Body => "body",
            Self::Eom => "eom",
            Self::Edited => "edited",
        })
    }
}

/// The seam for fault injection in tests: called at every stage before anything is decided there.
/// It may block, panic or kill the process; what it returns is awaited. Production has none.
pub type StageHook =
    Arc<dyn Fn(Pass, Stage) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
