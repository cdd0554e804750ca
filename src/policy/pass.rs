//! Where something was decided: which pass of the milter, or the agent.
//!
//! Must not know what was decided.
// SPDX-License-Identifier: GPL-3.0-or-later

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
