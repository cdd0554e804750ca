//! Protocol events to plain data, and decisions to statuses: the callbacks of each pass.
//!
//! The state of a message is made at MAIL and gone at the end of the message, at ABORT, at the next
//! MAIL and when the session ends, so that nothing of it can reach another message. Where a step
//! fails, by panic or deadline, the message is deferred at the next stage that has a reply, and no
//! edits of it are made.
//!
//! * [`front`], [`submission`], [`handoff`]: one socket each. [`whole`]: what the latter two share.
//! * [`steps`]: what all three share. [`envelope`]: arguments and macros.
//!
//! Must not know why anything is decided.
// SPDX-License-Identifier: GPL-3.0-or-later

mod envelope;
pub(super) mod front;
pub(super) mod handoff;
mod steps;
pub(super) mod submission;
mod whole;
