//! What became of a copy: one closed list, with the word for each.
//!
//! The word is the same wherever it is read: in the log, the journal, the ledger, `explain`, `list`,
//! `trace`, the figures and the manual, whose page recruit-milter-words(7) is made from this list.
//!
//! An outcome has a word of its own where somebody has to look in another place for the mail, or has
//! something else to do about it; why it is so is a reason, not another outcome. So what goes back to
//! local delivery is `returned`, whatever kept it from going on, and on both legs of that way; what a
//! server took is `delivered`, whether it reports that itself or not ([`Said`]).
//!
//! Must not know who tells it to whom.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::fmt;

use serde::{Deserialize, Serialize};

use super::report::Said;

/// What became of a copy, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Pass 1 made it. Not `forwarded`: it may still turn out to stay here.
    Diverted,
    /// The agent has it and takes the attached message out of it; it comes back to pass 2.
    Unwrapping,
    /// Postfix has it for the recruiting system: all that the milter can say. Not `forwarded`, which
    /// is what the whole does, nor `delivered`, which only a report can say.
    HandedOver,
    /// The recruiting system's server has not taken it yet, says a report. Not `deferred`: that is
    /// Postfix's word for its queue, where each copy may be for a while.
    Delayed,
    /// The recruiting system's server took it, says a report.
    Delivered,
    /// It will not arrive, says a report.
    Failed,
    /// It did not go on; the recruiting address has the mail in its own mailbox, so it ends. Apart from
    /// `returned`, since nothing is under way any more.
    Kept,
    /// It did not go on and is the only one, so it goes to its recruiting address or `fallback`.
    Returned,
    /// It did not go on, and goes to the person who looks at such mail. Not `held`: that is Postfix's
    /// word for mail that waits for an admin.
    ToPerson,
    /// Nothing could be decided about it for long: it goes, unopened, to where somebody sees it.
    /// Apart from `to-person`, since something is broken.
    GivenUp,
    /// It ends, since another recruiting address of the same mail leads the copy that goes on.
    Merged,
    /// A probe of ours, and it ends where probes do. No mail of anybody is in it.
    ProbeArrived,
}

impl Outcome {
    /// All of them, in the order of a copy's life.
    pub const ALL: [Self; 12] = [
        Self::Diverted,
        Self::Unwrapping,
        Self::HandedOver,
        Self::Delayed,
        Self::Delivered,
        Self::Failed,
        Self::Kept,
        Self::Returned,
        Self::ToPerson,
        Self::GivenUp,
        Self::Merged,
        Self::ProbeArrived,
    ];

    /// The word for it, as it is printed and stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Diverted => "diverted",
            Self::Unwrapping => "unwrapping",
            Self::HandedOver => "handed-over",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Kept => "kept",
            Self::Returned => "returned",
            Self::ToPerson => "to-person",
            Self::GivenUp => "given-up",
            Self::Merged => "merged",
            Self::ProbeArrived => "probe-arrived",
        }
    }

    /// What it means, for the manual.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Diverted => "Pass 1 made the copy; it is on its way to pass 2.",
            Self::Unwrapping => {
                "The agent takes out of it the message that a colleague has attached; then pass 2 sees it again."
            }
            Self::HandedOver => {
                "Postfix has the copy for the recruiting system. No report says yet what became of it."
            }
            Self::Delayed => {
                "The recruiting system's server has not taken it yet; Postfix tries again by itself."
            }
            Self::Delivered => "The recruiting system's server took it, says a report.",
            Self::Failed => {
                "It will not arrive, says a report. The mail is in the local mailbox or at the fallback."
            }
            Self::Kept => {
                "It does not go to the recruiting system. The mail is in the mailbox of the recruiting address."
            }
            Self::Returned => {
                "It does not go to the recruiting system. No local copy was kept, so it goes back to the recruiting address, or to its fallback."
            }
            Self::ToPerson => {
                "It does not go to the recruiting system. The person of the recruiting address gets it."
            }
            Self::GivenUp => {
                "Nothing could be decided about it for long. It goes, unopened, to where somebody sees it; the log says where (alarm=given-up)."
            }
            Self::Merged => {
                "It ends: another recruiting address of the same mail leads the one copy that goes to the same system."
            }
            Self::ProbeArrived => "A probe came to where it ends, before the recruiting system.",
        }
    }

    /// The outcome with a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }

    /// What a report says of a copy; nothing, where it does not say.
    pub fn reported(said: Said) -> Option<Self> {
        match said {
            Said::Delivered | Said::Relayed => Some(Self::Delivered),
            Said::Delayed => Some(Self::Delayed),
            Said::Failed => Some(Self::Failed),
            Said::Unknown => None,
        }
    }

    /// Whether nothing more is to be expected.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Diverted | Self::Unwrapping | Self::HandedOver | Self::Delayed)
    }

    /// Whether the mail did not go to the recruiting system, and is with somebody here.
    pub fn stays_here(self) -> bool {
        matches!(self, Self::Kept | Self::Returned | Self::ToPerson | Self::GivenUp)
    }

    /// How far along it is. What is read late (two hosts, a report that overtakes) must not turn a copy
    /// back. A failure can follow a delivery: a server further on may send it back.
    pub fn rank(self) -> u8 {
        match self {
            Self::Diverted => 0,
            Self::Unwrapping => 1,
            Self::HandedOver | Self::Kept | Self::Returned | Self::Merged | Self::ProbeArrived => 2,
            // The way back of what is given up may be told as that of any other.
            Self::Delayed | Self::ToPerson | Self::GivenUp => 3,
            Self::Delivered => 4,
            Self::Failed => 5,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_stored_as_its_word_and_no_two_have_the_same() {
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at, "{outcome} is not where it belongs");
            assert_eq!(Outcome::from_word(outcome.word()), Some(outcome));
            assert_eq!(serde_json::to_string(&outcome).unwrap(), format!("\"{outcome}\""));
        }
        assert_eq!(Outcome::from_word("eaten"), None);
    }

    #[test]
    fn what_a_report_says_of_a_copy_is_a_word_of_the_list() {
        let said = Said::ALL.map(|said| Outcome::reported(said).map(Outcome::word));
        let expected =
            [Some("delivered"), Some("delivered"), Some("delayed"), Some("failed"), None];
        assert_eq!(said, expected);
    }
}
