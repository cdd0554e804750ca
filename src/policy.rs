//! What we decide, as pure functions: time, keys and random numbers are arguments.
//!
//! * [`rules`]: the configuration as decisions need it: which address belongs to which system.
//! * [`divert`]: pass 1, the envelope on its way in: which recipients become a handoff.
//! * [`forward`]: pass 2, the handoff: goes on to the recruiting system, or back.
//! * [`token`], [`seal`]: how we recognise our own handoffs, bounce addresses and copies.
//! * [`outcome`]: what became of a copy: the list of the words for it; [`report`]: what a delivery report
//!   says about one.
//! * [`applicant`], [`kind`]: who the applicant is and what kind of mail a message is, read from
//!   header and body; `tags`: the fields that tell it.
//! * [`outbound`]: outgoing mail: logins and routes; [`identity`]: under which address it comes;
//!   [`limits`]: how much of it.
//! * [`mod@unwrap`]: the message that a colleague had attached; [`resend`]: a mail of a mailbox, as it was
//!   when it came.
//! * [`probe`]: our own test mail; [`verification`]: whether an address is verified.
//! * [`subject`]: whose mail it is, as keyed hashes.
//! * [`unread`]: why a reader failed: what it would have told is then missing, and nothing else.
//! * [`look`]: the question whether the milter is in the way of mail.
//! * [`budget`]: the breaker of loops in which every round is a new message.
//!
//! Must not know I/O, clock, async or logging.
// SPDX-License-Identifier: GPL-3.0-or-later

// A text from outside is never cut at an octet that may be within a character.
#![cfg_attr(not(test), deny(clippy::string_slice))]

pub mod applicant;
pub mod budget;
pub mod divert;
pub mod facts;
pub mod forward;
pub mod identity;
pub mod keys;
pub mod kind;
pub mod limits;
pub mod look;
pub mod network;
pub mod outbound;
pub mod outcome;
pub mod pass;
pub mod pattern;
pub mod probe;
pub mod report;
pub mod resend;
pub mod rules;
pub mod seal;
#[cfg(test)]
mod spelling_tests;
pub mod subject;
mod tags;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod unread;
pub mod unwrap;
pub mod verification;
