//! Where something was decided: which pass of the milter, or the agent.
//!
//! Must not know what was decided.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a decision was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// Pass 1: mail on its way in.
    Front,
    /// Mail on its way out.
    Submission,
    /// Pass 2: the handoff.
    Handoff,
    /// The way back to local delivery.
    Return,
    /// No pass of the milter: what the agent or a command did.
    Agent,
}

impl Pass {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: &[Self] =
        &[Self::Front, Self::Submission, Self::Handoff, Self::Return, Self::Agent];

    /// The word that stands in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Submission => "submission",
            Self::Handoff => "handoff",
            Self::Return => "return",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
