//! The ledger: what happened to each copy, kept for those who ask.
//!
//! The agent writes it from the journal, the commands read it. Mail never waits for it: it may be
//! away, locked or lost, and what the journal still holds is in it afterwards.
//!
//! * [`copy`]: a copy and what became of it, folded from the journal's entries. Pure.
//!
//! Must not know how decisions are made, nor the milter.
// SPDX-License-Identifier: GPL-3.0-or-later

pub mod copy;

pub use copy::{Copy, State};
